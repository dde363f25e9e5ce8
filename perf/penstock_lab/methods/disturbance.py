"""What is lost while the device is changed: reset (RFC 2544 §26.6, RFC 6201 §4: by frames lost) and reconfiguration.

The effective blocked time is what was lost, or not taken by a port, over what was to be offered per second, of the streams that are
counted: the time for which the device might as well have been off. A device that loses nothing but delays shows it in the latency.
"""
from .base import Method, fates, must_offer
from .recovery import longest_silence, recovered

RESET_SAMPLE = 0.02     # seconds: a silence is known to two of them


class Reconfiguration(Method):
    """`change` is made `pace` times a second while `load` flows; then the same time without, to compare."""
    NAME = "reconfiguration"
    TRAFFIC = ("packets", "requests")

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.change = fields.text("change", r"[a-z_]{1,40}", about="a kind of change: rules, routes, endpoints, keys, …")
        self.pace = fields.number("pace", 0.01, 1e6, 10)
        self.load = fields.number("load", 1, 1e10)

    def trials(self):
        return 2

    def asked(self):
        return [("load", self.load)]

    def run(self, bench, book):
        quiet = must_offer(self.trial(bench, self.load), "reconfiguration")
        changes = Changes(bench, self.change, self.pace, self.seconds)
        trial = must_offer(self.trial(bench, self.load, sample=0.05, beside=changes), "reconfiguration")
        conditions = {"change": self.change, "pace": self.pace, "load": self.load}
        note = f"{changes.made} changes in {trial.seconds:.3g} s"
        if changes.made < 0.9 * self.pace * self.seconds:
            note += f": the asked pace of {self.pace:g} a second was not met"
        bound = trial.bound
        book.figure("changes", "changes/s", "higher", changes.made / trial.seconds, "subject", note, **conditions)
        book.figure("lost", "packets" if bench.traffic == "packets" else "requests", "lower", trial.failed, bound, note, **conditions)
        book.figure("blocked_time", "s", "lower", trial.blocked, bound, note, **conditions)
        book.figure("lost_without_changes", "packets" if bench.traffic == "packets" else "requests", "lower", quiet.failed,
                    quiet.bound, **conditions)
        fates(book, trial, **conditions)
        book.percentiles(trial.latency, bound, **conditions)
        book.latency(trial, bench, **conditions)
        book.samples(trial, 0.05, **conditions)


class Reset(Method):
    """One change of kind `change` (a restart, a new configuration), `at` seconds into the trial. The time without service is told by what
    was lost, or by the longest silence if that is more: where a full port or a deep buffer holds back what is sent, little is lost."""
    NAME = "reset"

    def __init__(self, fields):
        self.trial_seconds(fields, 5.0)
        self.change = fields.text("change", r"[a-z_]{1,40}", "restart", about="a kind of change")
        self.at = fields.number("at", 0, 86400, min(1.0, self.seconds / 2))
        self.load = fields.number("load", 1, 1e10)
        if self.at >= self.seconds:
            fields.fault("at", f"{self.at:g} is not before the end, {self.seconds:g}")

    def asked(self):
        return [("load", self.load)]

    def run(self, bench, book):
        changes = Changes(bench, self.change, 1 / self.seconds, self.seconds, first=self.at)
        trial = must_offer(self.trial(bench, self.load, sample=RESET_SAMPLE, beside=changes), "reset")
        silence = longest_silence(trial)
        said = [f"{trial.failed} of {trial.offered} lost", trial.untaken and f"{trial.untaken} not taken",
                silence and f"silent for {silence:.3g} s", recovered(trial)[1]]
        book.figure("recovery", "s", "lower", max(trial.blocked, silence), trial.bound, "; ".join(filter(None, said)), change=self.change,
                    load=self.load)
        book.samples(trial, RESET_SAMPLE, change=self.change, load=self.load)


class Changes:
    """Called beside a trial: makes the n-th change at `first` + n / pace seconds, late ones at once, none after the trial's end."""

    def __init__(self, bench, kind, pace, seconds, first=0.0):
        self.bench, self.kind, self.pace, self.seconds, self.first, self.made = bench, kind, pace, seconds, first, 0

    def __call__(self, now):
        due = self.first + self.made / self.pace
        if due >= self.seconds or now >= self.seconds:
            return None
        if now >= due:
            self.bench.change(self.kind, self.made)
            self.made += 1
            due = self.first + self.made / self.pace
        return max(0.0, due - now)
