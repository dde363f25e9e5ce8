"""Loss against load: a curve from the highest load down (RFC 2544 §26.3), a ramp upwards, a spike, and a long soak."""
from .. import stats
from .base import Method, fates, must_offer
from .recovery import recovered


def point(trial, asked):
    return {"offered": asked, "sent": trial.load, "received": trial.rate, "loss": trial.loss,
            "bound": trial.bound if trial.generator_bound else "none" if not trial.failed else "subject"}


class Loss(Method):
    """From `most` down by `step` of it, until two loads in a row lose nothing."""
    NAME = "loss"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.most = fields.number("most", 1, 1e10, 1e8)
        self.step = fields.number("step", 0.001, 0.1, 0.1)

    def trials(self):
        return round(1 / self.step)

    def run(self, bench, book):
        first = must_offer(self.trial(bench, self.most), "loss")
        top = min(self.most, first.load)            # what the generator can do is its 100 %
        points, lossless = [point(first, self.most)], int(not first.failed)
        for n in range(1, round(1 / self.step)):
            if lossless == 2:
                break
            load = top * (1 - n * self.step)
            trial = must_offer(self.trial(bench, load), "loss")
            points.append(point(trial, load))
            lossless = 0 if trial.failed else lossless + 1
        book.curve(points[::-1])
        if lossless == 2:
            book.figure("lossless_load", bench.unit, "higher", points[-2]["sent"], first.bound if len(points) == 2 else "subject",
                        f"in steps of {self.step:g} of {top:.6g} {bench.unit}")
        else:
            book.note(f"{book.subject}: no two loads in a row were without loss")


class Ramp(Method):
    """From `from` to `to` in `steps` trials, upwards."""
    NAME = "ramp"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.first = fields.number("from", 1, 1e10)
        self.last = fields.number("to", 1, 1e10)
        self.steps = fields.number("steps", 2, 1000, 10, whole=True)
        if self.last < self.first:
            fields.fault("to", f"{self.last:g} is below from, {self.first:g}")

    def trials(self):
        return self.steps

    def asked(self):
        return [("to", self.last)]

    def run(self, bench, book):
        loads = [self.first + (self.last - self.first) * n / (self.steps - 1) for n in range(self.steps)]
        trials = [(load, must_offer(self.trial(bench, load), "ramp")) for load in loads]
        book.curve([point(trial, load) for load, trial in trials])
        best = max((trial for _, trial in trials), key=lambda trial: trial.rate)
        late = [trial.bound for _, trial in trials if trial.load >= best.load and trial.generator_bound]
        bound = late[0] if late else "subject" if any(trial.failed for _, trial in trials) else "unknown"
        book.figure("highest_rate", bench.unit, "higher", best.rate, bound)


class Spike(Method):
    """`base` load, then `peak`, then `base` again: what was lost, and how long after the peak something still was."""
    NAME = "spike"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.base = fields.number("base", 1, 1e10)
        self.peak = fields.number("peak", 1, 1e10)

    def trials(self):
        return 3

    def asked(self):
        return [("base", self.base), ("peak", self.peak)]

    def run(self, bench, book):
        for phase, load in (("before", self.base), ("peak", self.peak), ("after", self.base)):
            # Nothing is waited for between the phases: what the peak leaves behind is what the next one finds.
            trial = must_offer(bench.trial(load, self.seconds, drain=self.drain if phase == "after" else 0.01, warmup=0, sample=0.05),
                               "spike")
            book.figure("loss_ratio", "ratio", "lower", trial.loss, trial.bound, phase=phase)
            book.percentiles(trial.latency, trial.bound, phase=phase)
            book.samples(trial, 0.05, phase=phase)
        seconds, note = recovered(trial)
        book.figure("recovery", "s", "lower", seconds, trial.bound, note or "to the end of the last interval with loss")


class Soak(Method):
    """A fixed `load` for long; the loss must stay below `lossRatio` (a packet loss ratio of 1e-7), and enough must have been sent
    to say so."""
    NAME = "soak"

    def __init__(self, fields):
        self.trial_seconds(fields, 60.0)
        self.load = fields.number("load", 1, 1e10)
        self.ratio = fields.number("lossRatio", 1e-12, 0.5, 1e-7)

    def asked(self):
        return [("load", self.load)]

    def run(self, bench, book):
        every = max(0.1, self.seconds / 1000)
        trial = must_offer(self.trial(bench, self.load, sample=every), "soak")
        most = stats.loss_bound(trial.failed, trial.offered)
        if most <= self.ratio:
            note = f"below {self.ratio:g} with 95 % confidence"
        elif trial.loss > self.ratio:
            note = f"above {self.ratio:g}"
        else:
            note = f"{trial.offered} were too few to say whether it is below {self.ratio:g}: it is below {most:.3g} with 95 % confidence"
        book.figure("loss_ratio", "ratio", "lower", trial.loss, trial.bound, note, load=self.load)
        book.figure("loss_ratio_bound", "ratio", "lower", most, trial.bound, "upper bound, 95 %", load=self.load)
        fates(book, trial, load=self.load)
        book.percentiles(trial.latency, trial.bound, load=self.load)
        book.latency(trial, bench, load=self.load)
        book.samples(trial, every, load=self.load)
