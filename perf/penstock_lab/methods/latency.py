"""Latency at shares of a throughput (RFC 2544 §26.2) and at fixed open-loop rates (`open`).

Latency grows with load, so that each at a share of its own throughput says nothing of one against the other: where loads differ
there is no verdict, and `of` or `open` is the way to compare. RFC 2544 asks for the average of 20 trials at the throughput; a mean
hides what matters, so every packet or request is counted into one histogram and the figures are its percentiles. In open loop the time
is from the scheduled sending: a stall of the device is a delay of all that was due meanwhile.
"""
from ..errors import Broken
from .base import Method, fates, must_offer
from .throughput import LoadSearch


def measure(method, bench, book, load, **conditions):
    """One trial at `load`, its latency into the book; the trial."""
    trial = must_offer(method.trial(bench, load, sample=0.1), "latency")
    note = "silent: nothing came back" if trial.silent else {"generator": "the generator fell behind its schedule", "device": "a port took no more"}.get(trial.bound, "")
    book.percentiles(trial.latency, trial.bound, note, load, **conditions)
    book.figure("loss_ratio", "ratio", "lower", trial.loss, trial.bound, "; ".join(filter(None, (note, trial.reasons))), load,
                **conditions)
    fates(book, trial, load, **conditions)
    book.latency(trial, bench, **conditions)
    book.samples(trial, 0.1, **conditions)
    counted = [stream for stream in trial.streams if stream.counted]
    for stream in counted if len(counted) > 1 else ():
        _stream(bench, book, trial, stream, note, load, **conditions)
    return trial


def _stream(bench, book, trial, stream, note, load, **conditions):
    """One of several streams: what is good beside a flood is not to be lost in the sum."""
    conditions["stream"], bound = stream.name, trial.bound
    book.percentiles(stream.latency, bound, note, load, **conditions)
    book.figure("rate", bench.unit, "higher", stream.received / trial.seconds, bound, note, load, **conditions)
    if stream.sent:
        book.figure("loss_ratio", "ratio", "lower", 1 - stream.received / stream.sent, bound, note, load, **conditions)


class Latency(Method):
    """`of`: the load that the shares are of; without it, a search finds the throughput first."""
    NAME = "latency"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.shares = fields.numbers("shares", 0.001, 1, [0.5])
        self.of = fields.number("of", 1, 1e10, None) if fields.has("of") else None
        self.search = LoadSearch(fields) if self.of is None else None

    def trials(self):
        return len(self.shares) + (self.search.trials() if self.search else 0)

    def asked(self):
        return [] if self.of is None else [("of", self.of * max(self.shares))]

    def run(self, bench, book):
        of = self.of
        if of is None:
            found = self.search.find(lambda load: self.trial(bench, load))
            if found.trial is None:
                raise Broken(f"latency: no load down to {self.search.least:g} {bench.unit} passed with a loss of "
                             f"{self.search.ratio:g}: name one with `of`")
            of = found.trial.load
        for share in self.shares:
            measure(self, bench, book, share * of, share=share)


class Open(Method):
    """At each of `rates`; without them, at what the streams or clients themselves ask for."""
    NAME = "open"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.rates = fields.numbers("rates", 1, 1e10) if fields.has("rates") else [None]
        self.arrivals = "open" if fields.has("rates") else ""

    def trials(self):
        return len(self.rates)

    def asked(self):
        return [("rates", rate) for rate in self.rates]

    def run(self, bench, book):
        for rate in self.rates:
            conditions = {} if rate is None else {"rate": rate}
            trial = measure(self, bench, book, rate, **conditions)
            book.figure("rate", bench.unit, "higher", trial.rate, trial.bound, **conditions)
