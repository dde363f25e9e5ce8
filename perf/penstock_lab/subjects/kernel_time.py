"""What a subject in the kernel's network cost: its process, and what the kernel did for its packets on the subject's cores.

The kernel counts the time of an interrupt as the process's, too, when it came while the process ran, so the two are not simply
added. In each interval the process's time on these cores and their interrupts' (irq, softirq: of its packets, wiring.py) are together
no more than the cores were busy at all; what its other threads ran elsewhere is added. Ticks of the kernel: 10 ms exact.
proc(5): /proc/stat, /proc/PID/stat. One thread.
"""
import os
import pathlib

from ..stability import core_times

UTIME, PROCESSOR = 11, 36     # of the fields behind a thread's name; stime follows utime


class KernelTime:
    """`pid`: of the process, with all its threads; None: it has none. `proc`: where the kernel says so."""

    def __init__(self, cores, pid=None, proc="/proc"):
        self._cores, self._pid, self._proc = set(cores), pid, pathlib.Path(proc)
        self._ticks, self._last = 0, None

    def seconds(self):
        """Since the first call."""
        now = self._read()
        if self._last is not None:
            before, (times, process, threads) = self._last, now
            spent = {name: times[name] - before[0][name] for name in times}
            here = sum(ticks - before[2].get(thread, (0,))[0] for thread, (ticks, core) in threads.items() if core in self._cores)
            elsewhere = max(0, process - before[1] - here)
            self._ticks += min(here + spent["interrupts"], spent["busy"]) + elsewhere
        self._last = now
        return self._ticks / os.sysconf("SC_CLK_TCK")

    def _read(self):
        """Times of the cores, ticks of the whole process, and {thread: (ticks, the core it ran on last)}."""
        times = core_times(self._cores, (self._proc / "stat").read_text())
        if self._pid is None:
            return times, 0, {}
        process, threads = _run(self._proc / str(self._pid)), {}
        for task in (self._proc / str(self._pid) / "task").iterdir():
            try:
                threads[task.name] = _run(task)
            except OSError:   # a thread that has just ended; its time is the process's
                continue
        return times, process[0], threads


def _run(directory):
    """Ticks in user and system mode, and the core."""
    fields = (directory / "stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[UTIME]) + int(fields[UTIME + 1]), int(fields[PROCESSOR])
