"""What every method has: it reads its own fields, and runs trials on a Bench into a Book.

A method is made once, from the scenario, and run once for each subject and turn. It knows neither processes nor wall time: the
Bench (bench.py; in the tests a device in virtual time) gives it trials, the Book (book.py) takes what it found.
"""
from ..errors import Broken


class Method:
    """`TRAFFIC`: what it is for. __init__(fields) takes its fields from a fields.Reader; run(bench, book) does the work."""
    NAME = ""
    TRAFFIC = ("packets", "requests")
    arrivals = "open"      # of clients, which a method that sets a rate needs; "": whichever the scenario has

    def trial_seconds(self, fields, default):
        """Reads the length of a trial and of the time for stragglers after it, seconds."""
        self.seconds = fields.number("seconds", 0.01, 86400, default)
        self.drain = fields.number("drain", 0, 60, 0.2)
        self.warmup = fields.number("warmup", 0, 3600, 0)

    def trial(self, bench, load, seconds=None, **options):
        """One trial of this method at `load` (None: what the streams or clients themselves ask for)."""
        return bench.trial(load, self.seconds if seconds is None else seconds, drain=self.drain, warmup=self.warmup, **options)

    def trials(self):
        """About how many a turn has; of a search, as many as its resolution usually takes."""
        return 1

    def expected(self):
        """About how long a turn takes, seconds, for whoever waits for it."""
        return self.trials() * (self.warmup + self.seconds + self.drain)

    def asked(self):
        """[(field, packets a second)] of the loads that it asks for whatever it finds; None: what the streams ask for themselves. The
        highest load of a search is none of them: it ends where the generator does."""
        return []

    def run(self, bench, book):
        raise NotImplementedError


def must_offer(trial, what):
    """A trial in which nothing was sent measures nothing."""
    if not trial.offered:
        raise Broken(f"{what}: the generator sent nothing that can be counted in {trial.seconds:g} s")
    return trial


def fates(book, trial, load=None, /, **conditions):
    """What became of packets other than to come back or be lost: a figure for each fate. `load`: see Book.figure."""
    counted = [stream for stream in trial.streams if stream.counted]
    for name in ("duplicated", "reordered", "corrupted", "strayed") if counted else ():
        book.figure(name, "packets", "lower", sum(getattr(stream, name) for stream in counted), trial.bound, "", load, **conditions)
