"""Who else was on the cores of generator and subject during a turn: what the cores were busy with that was none of ours.

    watch = Watch(cores, generator pids)        when the turn's trials begin
    watch.shares()                              when they are over: {"others": share, "waited": share}

`others`: of the cores' time, what neither interrupts, threads of the kernel, nor this process and its descendants used; also of processes
that came and went meanwhile. `waited`: of the time, how long the generator's thread was ready and did not run; who polls gives its core
away only when it is taken. Ticks of the kernel: 10 ms exact. proc(5): /proc/stat, /proc/PID/stat, /proc/PID/schedstat.
"""
import os
import pathlib
import resource
import time

from .stability import core_times

PPID, UTIME, PROCESSOR = 1, 11, 36      # of the fields behind a process's name; stime follows utime
KTHREADD = 2
TICK = os.sysconf("SC_CLK_TCK")


class Watch:
    """`generators`: process ids, may be none. `proc`: where the kernel says so."""

    def __init__(self, cores, generators=(), root=None, proc="/proc"):
        self._cores, self._generators, self._proc = set(cores), tuple(generators), pathlib.Path(proc)
        self._root = root or os.getpid()
        self._began, self._before, self._waited = time.monotonic(), self._read(), self._waits()

    def shares(self):
        (times, ours, ended), (times_before, ours_before, ended_before) = self._read(), self._before
        spent = {name: times[name] - times_before[name] for name in times}
        mine = sum(ticks - ours_before.get(thread, 0) for thread, ticks in ours.items()) + (ended - ended_before) * TICK
        elapsed = max(1e-9, time.monotonic() - self._began)
        waits = [after - self._waited[pid] for pid, after in self._waits().items() if pid in self._waited]
        return {"others": max(0.0, spent["busy"] - spent["interrupts"] - mine) / max(1, spent["total"]),
                "waited": max(waits, default=0) / 1e9 / elapsed}

    def _read(self):
        """Times of the cores, {thread of ours on them: ticks}, and the seconds of children that have ended."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return core_times(self._cores, (self._proc / "stat").read_text()), self._ours(), used.ru_utime + used.ru_stime

    def _ours(self):
        """Ours are the kernel's threads, too: they move our packets."""
        parents = {int(path.name): int(found[PPID]) for path in self._proc.iterdir() if path.name.isdigit() and (found := _fields(path))}
        threads = {}
        for pid in parents:
            if self._is_ours(pid, parents):
                for task in _tasks(self._proc / str(pid)):
                    found = _fields(task)
                    if found and int(found[PROCESSOR]) in self._cores:
                        threads[task.name] = int(found[UTIME]) + int(found[UTIME + 1])
        return threads

    def _is_ours(self, pid, parents):
        for _ in range(64):
            if pid in (self._root, KTHREADD):
                return True
            pid = parents.get(pid, 0)
        return False

    def _waits(self):
        """Nanoseconds for which each generator was ready and did not run, so far."""
        found = {}
        for pid in self._generators:
            try:
                found[pid] = int((self._proc / str(pid) / "schedstat").read_text().split()[1])
            except (OSError, IndexError, ValueError):   # it has ended, or the kernel does not count
                continue
        return found


def _tasks(directory):
    try:
        return list((directory / "task").iterdir())
    except OSError:
        return []


def _fields(directory):
    """None: it has ended meanwhile."""
    try:
        return (directory / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
