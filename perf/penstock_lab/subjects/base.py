"""What the lab and its subjects say to each other (perf/LAB.md, Subjects)."""
import dataclasses
import signal
import time

STALL_SECONDS = 0.2


class SubjectError(Exception):
    """A subject did not start, ended, or does not do its work; the text names it and says what it said last."""


class Missing(str):
    """A fault of the machine, not of the scenario: a program, device or privilege that is not there (exit code 3)."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a subject runs. `lab`: makes namespaces, processes and a directory, and removes them at its end. `cores`: of
    `generator` and `subject`, lists of numbers. `huge`: 2 MB pages are reserved. `scenario`: resolved and checked."""
    lab: object
    cores: dict
    wiring: str
    huge: bool
    scenario: dict


@dataclasses.dataclass
class Port:
    """One port of the generator. `device`: devargs for DPDK; `namespace`, `interface`: for a kernel stack."""
    name: str
    address: str = ""
    gateway: str = ""
    device: str = ""
    mac: str = ""
    answers: tuple = ()
    namespace: object = None
    interface: str = ""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Counted so far, at `time` (seconds of a clock that only grows): packets out of the subject and into it, packets it
    dropped by name, seconds it was busy, cycles its cores have spent. None: this subject cannot tell. `polls`: rounds without
    packets are among its busy seconds."""
    time: float
    sent: int | None = None
    received: int | None = None
    drops: dict = dataclasses.field(default_factory=dict)
    busy_seconds: float | None = None
    cycles: int | None = None
    polls: bool = False

    def of(self, before, seconds):
        """This sample, where only `seconds` of the time since `before` are counted: the rest was waiting for stragglers, in which a
        subject that polls did nothing but idle rounds."""
        share = seconds / max(seconds, self.time - before.time)
        if not self.polls:
            return self
        return dataclasses.replace(self, busy_seconds=before.busy_seconds + (self.busy_seconds - before.busy_seconds) * share)


class Subject:
    """A device under test. check() before anything runs, start() once, then sample(), change() and stages() from one thread,
    and stop(), which is always called and leaves nothing."""
    wirings = ()            # in which it can be joined to a generator
    beside = False          # has a third interface, for a background
    changes = ()            # kinds of change() that it has
    joint = None            # to the generator, of most subjects, from start() on (wiring.py)
    generator_fields = {}   # more of the packet generator's specification, after start()

    def __init__(self, config=None):
        self.config = config or {}

    def check(self, config, wiring):
        if wiring not in self.wirings:
            return [f"wiring: {wiring} is not for this driver: {' | '.join(self.wirings)}"]
        return []

    def has_beside(self):
        """There is a port for a background."""
        return self.beside

    def version(self):
        raise NotImplementedError

    def start(self, place):
        raise NotImplementedError

    def sample(self):
        raise NotImplementedError

    def stages(self):
        return {}

    def change(self, kind, n):
        """The n-th change of this kind, one of `changes`, while it works. What all processes have is here: `stall`, to stand still for
        STALL_SECONDS, as one whose core was taken away."""
        if kind != "stall" or kind not in self.changes:
            raise SubjectError(f"{type(self).__name__.lower()}: change {kind!r} is none of {', '.join(self.changes)}")
        self.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(STALL_SECONDS)
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """A subclass ends its process first. May be called again."""
        if self.joint:
            self.joint.close()


def silent(name, process, error):
    """The SubjectError of a subject whose process said nothing any more: that it has ended, if it has, and its last words."""
    deadline = time.monotonic() + 1   # a process that closed its sockets may take a moment to end
    while process.running() and time.monotonic() < deadline:
        time.sleep(0.02)
    what = f"does not answer: {error}" if process.running() else f"ended with status {process.wait()}"
    return SubjectError(f"{name}: {what}; its last words: {' / '.join(process.tail(3).splitlines()) or 'none'}")
