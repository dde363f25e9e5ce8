"""What a device does when it is asked for more than it can, per second and per busy core-second.

A shared machine lies about wall time: the host takes a core away and the device does less. Busy core-seconds are those in which the
device's process, or the kernel on its behalf, did work; what is done per busy core-second hardly changes with the neighbours.
With `traffic: memory` there is no generator: only the device's own counters are read.
"""
from ..errors import Broken
from .base import Method, must_offer

SETTLE_SECONDS = 0.5


class Rate(Method):
    NAME = "rate"
    TRAFFIC = ("packets", "requests", "memory")

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.load = fields.number("load", 1, 1e10, None) if fields.has("load") else None
        self.arrivals = "" if self.load is None else "open"

    def run(self, bench, book):
        self._settle(bench)
        before = bench.sample()
        if bench.traffic == "memory":
            bench.sleep(self.seconds)
            after = bench.sample()
            if before.sent is None or after.time <= before.time:
                raise Broken(f"{book.subject}: does not count what it sends")
            done, rate, bound = after.sent - before.sent, (after.sent - before.sent) / (after.time - before.time), "subject"
        else:
            trial = must_offer(bench.trial(self._load(bench), self.seconds, drain=self.drain, warmup=0), "rate")
            after, done, rate, bound = bench.sample(), trial.good, trial.rate, self._bound(bench, trial)
            after = after.of(before, trial.seconds)   # without the drain
            self._trial_figures(bench, book, trial, bound)
        book.figure("rate", bench.unit, "higher", rate, bound)
        _work_figures(bench, book, before, after, done, bound)
        book.stage_cycles(bench.stages())

    def _load(self, bench):
        """Packets: more than anybody can, unless the scenario says how many. Requests: what their clients ask for."""
        return self.load if self.load is not None or bench.traffic == "requests" else 1e9

    def _settle(self, bench):
        """Caches, flow tables and connections are made before what is counted."""
        if bench.traffic == "memory":
            bench.sleep(max(self.warmup, SETTLE_SECONDS))
        elif self.warmup:
            bench.trial(self._load(bench), self.warmup, drain=self.drain, warmup=0)

    def _bound(self, bench, trial):
        """A saturated device loses packets; without loss it was the generator, or the load it was asked for, that went no higher.
        In closed loop the clients wait for the device."""
        if bench.traffic == "packets" and not trial.generator_bound and not trial.failed:
            return "unknown"
        return "subject" if bench.traffic == "packets" and trial.failed else trial.bound

    def _trial_figures(self, bench, book, trial, bound):
        book.figure("bandwidth", "bit/s", "higher", 8 * trial.bytes / trial.seconds, bound)
        if bench.traffic == "requests":
            book.percentiles(trial.latency, bound)
            book.latency(trial, bench)
            book.figure("failed", "requests", "lower", trial.failed, bound, trial.reasons)


def _work_figures(bench, book, before, after, done, bound):
    """Work per busy core-second and cycles of the device for each packet or request, where it can tell."""
    what = "requests" if bench.traffic == "requests" else "packets"
    if after.busy_seconds is not None and before.busy_seconds is not None and after.busy_seconds > before.busy_seconds:
        book.figure("work", f"{what}/busy core-second", "higher", done / (after.busy_seconds - before.busy_seconds), bound)
    if after.cycles is not None and before.cycles is not None and done:
        book.figure("cycles", f"cycles/{what[:-1]}", "lower", (after.cycles - before.cycles) / done, bound)
