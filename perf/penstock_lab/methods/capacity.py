"""Capacity of something that speaks TCP or HTTP, in the manner of RFC 9411 §7: connections per second (7.2), throughput (7.3),
transactions per second, and concurrent connections (7.5).

A load passes when at most `failRatio` of the transactions failed, were reset or were never sent: RFC 9411 allows 0.001 %. Transaction
latency (7.4) at a share of the capacity is the method `latency`.
"""
from .base import Method, must_offer
from .search import highest_load, usual_trials

KINDS = ("requests", "connections", "throughput", "concurrent")


class Capacity(Method):
    NAME = "capacity"
    TRAFFIC = ("requests",)

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.of = fields.choice("of", KINDS)
        self.ratio = fields.number("failRatio", 0, 0.5, 1e-5)
        self.resolution = fields.number("resolution", 0.001, 0.5, 0.02)
        if self.of == "concurrent":      # as many as the clients have, and held open
            self.arrivals = "hold"
            return
        self.most = fields.number("most", 1, 1e8, 1e6)
        self.least = fields.number("least", 1, 1e8, min(10, self.most))
        if self.least > self.most:
            fields.fault("least", f"{self.least:g} is above most, {self.most:g}")

    def trials(self):
        return usual_trials(self.resolution)

    def run(self, bench, book):
        if self.of == "concurrent":
            self._concurrent(bench, book)
            return
        found = highest_load(lambda rate: must_offer(self.trial(bench, rate), "capacity"), lambda trial: trial.loss <= self.ratio,
                             self.most, self.least, self.resolution)
        metric, unit, value = {
            "requests": ("requests_rate", "requests/s", lambda t: t.rate),
            "connections": ("connections_rate", "connections/s", lambda t: t.opened / t.seconds),
            "throughput": ("bandwidth", "bit/s", lambda t: 8 * t.bytes / t.seconds)}[self.of]
        note = found.note if found.trial else f"no rate down to {self.least:g} {bench.unit} passed"
        book.figure(metric, unit, "higher", value(found.trial) if found.trial else 0, found.bound, note, fail_ratio=self.ratio)

    def _concurrent(self, bench, book):
        """Connections that are held open at once. Where some were only not open yet when the time was over, and none failed, how many it
        can hold was not found: a SYN that was lost in the rush is sent again a second later."""
        most = bench.scenario.clients["connections"]
        lower, upper, count, bound, note = 0, most + 1, most, "unknown", "the clients have no more"
        while upper - lower > max(1, self.resolution * upper):
            trial = self.trial(bench, None, connections=count)
            if trial.connections >= count and trial.failed <= self.ratio * count:
                lower = count
            else:
                hurried = not trial.failed and trial.bound == "subject"
                upper, bound = count, "unknown" if hurried else trial.bound
                note = f"of {count} {trial.connections} were open after {trial.seconds:g} s and none failed: a longer clients.ramp and seconds " \
                       "may hold more" if hurried else trial.reasons
            count = max(1, (lower + upper) // 2)
        book.figure("concurrent_connections", "connections", "higher", lower, bound, note, fail_ratio=self.ratio)
