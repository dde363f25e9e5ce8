"""What a device does when it is asked for more than it can, per second and per busy core-second.

A shared machine lies about wall time: the host takes a core away and the device does less. Busy core-seconds are those in which the
device's process, or the kernel on its behalf, did work; what is done per busy core-second hardly changes with the neighbours.
With `traffic: memory` there is no generator: only the device's own counters are read.
"""
from ..errors import Broken
from .base import Method, must_offer

SETTLE_SECONDS = 0.5
SATURATED_LOSS = 0.01    # of a device that is asked for more than it can; a little is lost also where it is not
BUSY = 0.9               # of the time, from which on a device that clients wait for is its own limit


class Rate(Method):
    NAME = "rate"
    TRAFFIC = ("packets", "requests", "memory")

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.load = fields.number("load", 1, 1e10, None) if fields.has("load") else None
        self.arrivals = "" if self.load is None else "open"

    def expected(self):
        """Its warm-up is a trial of its own, or a time to settle."""
        return super().expected() + SETTLE_SECONDS

    def asked(self):
        return [] if self.load is None else [("load", self.load)]

    def run(self, bench, book):
        self._settle(bench)
        before, note = bench.sample(), ""
        if bench.traffic == "memory":
            bench.sleep(self.seconds)
            after = bench.sample()
            if before.sent is None or after.time <= before.time:
                raise Broken(f"{book.subject}: does not count what it sends")
            done, rate, bound = after.sent - before.sent, (after.sent - before.sent) / (after.time - before.time), "subject"
            work_bound = bound
        else:
            trial = must_offer(bench.trial(self._load(bench), self.seconds, drain=self.drain, warmup=0), "rate")
            after, done, rate = bench.sample(), trial.good, trial.rate
            bound, note = _of_packets(trial) if bench.traffic == "packets" else _of_requests(bench, trial, before, after)
            work_bound = bound if bench.traffic == "packets" else trial.bound      # an idle second is no busy one
            after = after.of(before, trial.seconds)   # without the drain
            self._trial_figures(bench, book, trial, bound)
        book.figure("rate", bench.unit, "higher", rate, bound, note)
        _work_figures(bench, book, before, after, done, work_bound)
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

    def _trial_figures(self, bench, book, trial, bound):
        book.figure("bandwidth", "bit/s", "higher", 8 * trial.bytes / trial.seconds, bound)
        if bench.traffic == "requests":
            book.percentiles(trial.latency, bound)
            book.latency(trial, bench)
            book.figure("failed", "requests", "lower", trial.failed, bound, trial.reasons)


def _of_packets(trial):
    """(bound, note). A saturated device loses a good share; without it, it was the generator, or the load it was asked for, that went
    no higher. What the generator itself missed is nobody else's loss."""
    if not trial.generator_bound and not trial.failed:
        return "unknown", ""
    saturated = not trial.refused and not trial.missed and trial.loss > SATURATED_LOSS
    return "subject" if saturated else trial.bound, ""


def _of_requests(bench, trial, before, after):
    """(bound, note). In closed loop the clients wait for the device: one that was idle waited for them."""
    busy = None if None in (before.busy_seconds, after.busy_seconds) else after.busy_seconds - before.busy_seconds
    closed = bench.latency_from == "sent"
    if not closed or busy is None or trial.failed or trial.bound != "subject" or busy >= BUSY * trial.seconds:
        return trial.bound, ""
    return "generator", "the subject was not busy all the time: more clients might get more"


def _work_figures(bench, book, before, after, done, bound):
    """Work per busy core-second and cycles of the device for each packet or request, where it can tell."""
    what = "requests" if bench.traffic == "requests" else "packets"
    if after.busy_seconds is not None and before.busy_seconds is not None and after.busy_seconds > before.busy_seconds:
        book.figure("work", f"{what}/busy core-second", "higher", done / (after.busy_seconds - before.busy_seconds), bound)
    if after.cycles is not None and before.cycles is not None and done:
        book.figure("cycles", f"cycles/{what[:-1]}", "lower", (after.cycles - before.cycles) / done, bound)
