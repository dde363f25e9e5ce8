"""Throughput: the highest load without loss, or with no more than `lossRatio` of it (RFC 2544 §26.1; RFC 5180 and RFC 8219 for IPv6).

The figure is what came back per second in the best trial that passed, never the load that was asked for. RFC 2544 asks for trials
of 60 seconds; the default here is 1, and the figure's conditions say what it was.
"""
from .base import Method, must_offer
from .search import highest_load, usual_trials


class LoadSearch:
    """The fields of a search by halves, shared by methods that start from one."""

    def __init__(self, fields):
        self.ratio = fields.number("lossRatio", 0, 0.5, 0)
        self.resolution = fields.number("resolution", 0.0001, 0.5, 0.005)
        self.most = fields.number("most", 1, 1e10, 1e8)
        self.least = fields.number("least", 1, 1e10, min(1000, self.most))
        if self.least > self.most:
            fields.fault("least", f"{self.least:g} is above most, {self.most:g}")

    def trials(self):
        return usual_trials(self.resolution)

    def find(self, measure):
        return highest_load(lambda load: must_offer(measure(load), "throughput"), lambda trial: trial.loss <= self.ratio,
                            self.most, self.least, self.resolution)


class Throughput(Method):
    NAME = "throughput"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.search = LoadSearch(fields)

    def trials(self):
        return self.search.trials()

    def run(self, bench, book):
        found = self.search.find(lambda load: self.trial(bench, load))
        conditions = {"loss_ratio": self.search.ratio, "trial_seconds": self.seconds}
        if found.trial is None:
            book.figure("throughput", bench.unit, "higher", 0, "subject",
                        f"no load down to {self.search.least:g} {bench.unit} passed", **conditions)
            return
        book.figure("throughput", bench.unit, "higher", found.trial.rate, found.bound, found.note, **conditions)
        book.figure("bandwidth", "bit/s", "higher", 8 * found.trial.bytes / found.trial.seconds, found.bound, found.note,
                    **conditions)
