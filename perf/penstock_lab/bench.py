"""A device under test joined to its generators: what a method runs its trials on.

    with Bench(scenario, subject, lab, progress) as bench:
        method.run(bench, book)

Starts the subject, then the generators on the ports it offers; ends them in reverse, whatever happens. One thread.
"""
import contextlib
import dataclasses
import itertools
import os
import time

from . import background, trial
from .background import Background
from .errors import NotThere
from .generators import Generator
from .interruption import deferred
from .subjects.base import Place
from .wiring import BESIDE

_count = itertools.count(1)
LEARNING = {"seconds": 0.2, "drain": 0.1, "pps": 10000}
REACH_SECONDS, REACH_RATE = 3.0, 20
NOTHING_TO_LEARN = ("loop", "ring")
PORT_FIELDS = ("device", "mac", "address", "gateway", "answers")


class Bench:
    """`floor`: percentiles of the generator's own latency, where it was measured; `unit`: of loads and rates; `beside`: with the
    scenario's background, if it has one."""

    def __init__(self, scenario, subject, lab, progress, floor=None, beside=True):
        self.scenario, self.subject, self.floor = scenario, subject, floor
        self._beside, self._background = beside, None
        self.traffic = scenario.traffic
        self.unit = "requests/s" if self.traffic == "requests" else "pps"
        self._lab, self._progress, self._stack = lab, progress, contextlib.ExitStack()
        self._generator, self._trials, self._silent = None, 0, 0

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _start(self):
        self._stack.callback(self.subject.stop)
        place = Place(lab=self._lab, cores=self.scenario.cores, wiring=self.scenario.wiring, huge=self.scenario.huge,
                      scenario=self.scenario.resolved)
        ports = self.subject.start(place)
        if self.traffic != "memory":
            for kind, spec, namespace in specifications(self.scenario, self.subject, ports):
                # The last one has the streams or the clients.
                self._generator = self._stack.enter_context(Generator(kind, spec, self._lab.dir, namespace))
        if self.traffic == "packets" and self.scenario.wiring not in NOTHING_TO_LEARN:
            # RFC 2544 §23, learning frames: what waits or is lost until neighbours are known is no trial's.
            self._generator.trial(LEARNING)
        if self.traffic == "requests":
            self._reach()
        if self._beside and self.scenario.background:
            kind, spec, namespace = background_specification(self.scenario, ports)
            self._background = Background(self._stack.enter_context(Generator(kind, spec, self._lab.dir, namespace)))

    def _reach(self):
        """NotThere when nobody answers the clients: asked before the first trial, because all of them would be without a figure. A wrong answer
        is one, and a subject that has only just been started is asked again."""
        command = {"seconds": 0.2, "drain": REACH_SECONDS, "connections": 1, "warmup": 0}
        if self.latency_from == "scheduled":
            command["rate"] = REACH_RATE
        until = time.monotonic() + REACH_SECONDS
        while (asked := trial.of_requests(self._generator.trial(command)[0])).silent:
            if time.monotonic() >= until:
                raise NotThere(f"clients.target: {self.scenario.clients.get('target')}: nothing answers: {asked.reasons}")

    def _end(self):
        with deferred():
            self._stack.close()

    @property
    def latency_from(self):
        """Requests of an open loop are late from the time they were due; everything else from its sending."""
        arrivals = (self.scenario.clients or {}).get("arrivals")
        return "scheduled" if isinstance(arrivals, dict) and "open" in arrivals else "sent"

    def trial(self, load, seconds, drain=0.2, warmup=0, sample=0.1, connections=None, beside=None):
        """A Trial of `seconds` at `load` (None: what streams and clients ask for themselves), `warmup` seconds before it not
        counted. `beside`: see Generator.trial; it is called with seconds since the counting began."""
        command = {"seconds": seconds, "drain": drain, "sample": sample}
        if self._background:
            self._background.begin(warmup + seconds + drain)
        if self.traffic == "packets":
            if load is not None:
                command["pps"] = load
            if warmup:
                self._generator.trial({**command, "seconds": warmup}, self._progress.sample)
            event, samples = self._generator.trial(command, self._progress.sample, beside)
            done = trial.of_packets(event, samples)
        else:
            command["warmup"], beside = warmup, _counted(beside, warmup)
            command.update({name: value for name, value in (("rate", load), ("connections", connections)) if value is not None})
            event, samples = self._generator.trial(command, self._progress.sample, beside)
            done = trial.of_requests(event, samples)
        if self._background and not self._background.end():
            done = dataclasses.replace(done, generator_bound=True, refused=False)
        self._trials += 1
        self._silent += done.silent
        self._progress.trial(done, self.unit)
        return done

    def tell(self, book):
        """Of all trials so far: whether the subject was silent in some, and the figures of the background, if there is one."""
        if self._silent:
            book.note(f"{book.subject}: silent (frozen, or not reached): nothing came back in {self._silent} of {self._trials} trials")
        if self._background:
            self._background.tell(book)

    def sample(self):
        return self.subject.sample()

    def stages(self):
        return self.subject.stages()

    def change(self, kind, n):
        self.subject.change(kind, n)

    def sleep(self, seconds):
        time.sleep(seconds)


def _counted(beside, warmup):
    """`beside` for a trial whose first `warmup` seconds are not counted: begins after them."""
    return beside and (lambda now: warmup - now if now < warmup else beside(now - warmup))


def specifications(scenario, subject, ports):
    """[(kind, specification, namespace)] of the generators to start, servers before clients."""
    if scenario.traffic == "packets":
        spec = {**common(scenario), "ports": _ports(scenario, ports), "streams": list(scenario.streams),
                **subject.generator_fields}
        return [("packets", spec, _namespace(next(iter(ports), None)))]
    ends = {name: getattr(scenario, name) for name in ("servers", "clients") if getattr(scenario, name)}
    offered = dict(zip(("clients", "servers"), ports))
    named = {role: _named(port, role, other) for role, other, port in
             zip(("clients", "servers"), ("servers", "clients"), _ports(scenario, ports))}
    own = [role for role, end in ends.items() if end.get("stack") == "own"]
    if len(own) == 2:
        return [("requests", {**common(scenario), "ports": list(named.values()), **ends}, _namespace(offered.get("clients")))]
    # A process for each end: a kernel's stack belongs to its namespace.
    return [("requests", {**common(scenario, role), "ports": [named[role]] if role in own and role in named else [], role: end},
             _namespace(offered.get(role))) for role, end in ends.items()]


def background_specification(scenario, ports):
    """(kind, specification, namespace) of the background's generator, on the port of its name."""
    port = next(port for port in ports if port.name == BESIDE.name)
    return "packets", background.specification(scenario, port, common(scenario)), _namespace(port)


def common(scenario, role="clients"):
    """Requests are made by the first half of the cores and served by the other; on the own stack, by one core each."""
    cores = scenario.cores["generator"]
    if scenario.traffic == "requests":
        half = (len(cores) + 1) // 2
        cores = cores[half:] or cores if role == "servers" else cores[:half]
        if (getattr(scenario, role) or {}).get("stack") == "own":
            cores = cores[-1:] if role == "servers" else cores[:1]
    return {"cores": cores, "huge": scenario.huge, "memoryMegabytes": scenario.megabytes,
            "prefix": f"lab{os.getpid()}-{next(_count)}", "seed": scenario.seed}


def _ports(scenario, ports):
    """The subject's offer, with what the scenario says of the port of that name over it."""
    written = {port["name"]: port for port in scenario.ports}
    return [{"name": port.name, **{name: getattr(port, name) for name in PORT_FIELDS if getattr(port, name)},
             **written.get(port.name, {})} for port in ports]


def _named(port, role, other):
    """The port under the name that the generator of requests knows it by."""
    loop = {"device": f"loop:{other}"} if port.get("device", "").startswith("loop:") else {}
    return {**port, "name": role, **loop}


def _namespace(port):
    where = port.namespace if port else None
    return getattr(where, "name", where)
