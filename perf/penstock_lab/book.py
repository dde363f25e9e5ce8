"""What the methods found, collected over all turns, and how it becomes the figures of a result.

A Book belongs to one subject and one variant. The same figure of several turns becomes one with several samples, and its value is their
median; percentiles are those of the added histograms, with one sample for each turn; curves and series are kept as they came. Every
sample knows its turn: a turn may end without a figure, and only those of the same turn are compared.
"""
import dataclasses

from . import stats
from .fields import plain
from .histogram import Histogram
from .progress import quantity


NO_VERDICT = ", so no verdict"
LOADS_DIFFER = 0.02      # two loads, before what happened at them is no comparison
PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999))


@dataclasses.dataclass
class Figure:
    """`turns`: of each sample. `loads`: at which each was measured, None where the figure's conditions say all of it. `value`: None is
    the median of the samples."""
    metric: str
    unit: str
    better: str
    conditions: dict
    samples: list = dataclasses.field(default_factory=list)
    turns: list = dataclasses.field(default_factory=list)
    loads: list = dataclasses.field(default_factory=list)
    bounds: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    value: float | None = None

    def add(self, sample, turn, load, bound, note):
        self.samples.append(float(sample))
        self.turns.append(turn)
        self.loads.append(load)
        self.bounds.append(bound)
        if note not in self.notes:
            self.notes.append(note)

    def by_turn(self):
        """{turn: (sample, load)}"""
        return dict(zip(self.turns, zip(self.samples, self.loads)))

    def to_json(self, subject, seed):
        value, interval = self.value, stats.interval_of_median(self.samples, seed)
        if value is None:
            value = stats.median(self.samples)
        return {"subject": subject, "metric": self.metric, "unit": self.unit, "better": self.better, "conditions": self.conditions,
                "value": value, "samples": self.samples, "interval": interval and [min(value, interval[0]), max(value, interval[1])],
                "bound": worst_bound(self.bounds), "note": "; ".join(filter(None, self.notes))}


class Book:
    """`turns`: how many have begun; what is told belongs to the last. `line`: of the scenario (line.py), or None. `impossible`: figures
    above it, in words."""

    def __init__(self, subject, conditions, line=None):
        self.subject, self.conditions, self.turns = subject, conditions, 0
        self._line, self.impossible = line, []
        self._figures, self._tails, self._stages, self.latencies = {}, {}, {}, {}
        self.curves, self.series, self.notes = [], [], []

    def begin_turn(self):
        self.turns += 1

    def figure(self, metric, unit, better, value, bound="subject", note="", load=None, /, **conditions):
        """One sample. `bound`: subject | generator | device | unknown: who set the limit. `load`: at which it was measured, when that
        is not among the conditions."""
        key, conditions = self._key(metric, conditions)
        if self._line and not metric.startswith("background_") and not self._line.below(value, unit, conditions.get("stream")):
            most = quantity(self._line.most(unit, conditions.get("stream")), unit)
            self.impossible.append(f"{self.subject}, {metric}: {quantity(value, unit)}, where the line carries {most}")
            bound, note = worst_bound([bound, "unknown"]), "; ".join(filter(None, [note, f"above line rate, which cannot be: {most}"]))
        self._figures.setdefault(key, Figure(metric, unit, better, conditions)).add(value, self.turns, load, bound, note)

    def percentiles(self, histogram, bound="subject", note="", load=None, /, **conditions):
        """The latencies of one turn, for the figures latency_p50 … latency_max."""
        if histogram.count:
            key, conditions = self._key("percentiles", conditions)
            self._tails.setdefault(key, (conditions, []))[1].append((histogram, self.turns, load, bound, note))

    def figures(self):
        """Figures by metric and conditions. A percentile is there when the values can carry it: the p99.99 of a thousand would be
        their maximum under another name."""
        found = dict(self._figures)
        for conditions, turns in self._tails.values():
            total = Histogram()
            for histogram, *_ in turns:
                total.merge(histogram)
            for name, share in (*PERCENTILES, ("max", 1)):
                if name == "max" or total.count * (1 - share) >= 1:
                    key = self._key(f"latency_{name}", conditions)[0]
                    found[key] = Figure(f"latency_{name}", "ns", "lower", conditions, value=float(total.percentile(share)))
                    for histogram, *place in turns:
                        found[key].add(histogram.percentile(share), *place)
        return found

    def latency(self, trial, bench, /, **conditions):
        """The histogram of a trial, beside the generator's own floor."""
        key, conditions = self._key("latency", conditions)
        entry = self.latencies.setdefault(key, {"conditions": conditions, "loads": [], "bounds": [], "unit": bench.unit, "clock": trial.clock,
                                                "from": bench.latency_from, "floor": bench.floor, "histogram": Histogram()})
        entry["loads"].append(trial.load)
        entry["bounds"].append(trial.bound)
        entry["histogram"].merge(trial.latency)

    def curve(self, points, /, **conditions):
        self.curves.append({"subject": self.subject, "conditions": self._key("", conditions)[1], "points": points})

    def samples(self, trial, interval, /, **conditions):
        """The samples of a trial as a time series."""
        points = [{name: sample.get(name, 0) for name in ("t", "sent", "received", "lost", "p50", "p99")} for sample in trial.samples]
        if points:
            self.series.append({"subject": self.subject, "conditions": self._key("", conditions)[1], "interval": interval,
                                "bound": trial.bound, "points": points})

    def stage_cycles(self, stages, /, **conditions):
        """Cycles per packet of the device's stages in one turn; the result has the median of the turns."""
        key, conditions = self._key("stages", conditions)
        made = self._stages.setdefault(key, (conditions, {}))[1]
        for name, cycles in stages.items():
            made.setdefault(name, []).append(cycles)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def figures_of_result(self, seed):
        return [one.to_json(self.subject, seed) for one in self.figures().values()]

    def latencies_of_result(self):
        return [{"subject": self.subject, "conditions": one["conditions"], "load": stats.median(one["loads"]), "unit": one["unit"],
                 "clock": one["clock"], "from": one["from"], "floor": one["floor"], "histogram": one["histogram"].to_json(),
                 "bound": worst_bound(one["bounds"])}
                for one in self.latencies.values() if one["histogram"].count]

    def stages_of_result(self):
        return [{"subject": self.subject, "conditions": conditions, "stages": {name: stats.median(v) for name, v in stages.items()}}
                for conditions, stages in self._stages.values() if stages]

    def _key(self, metric, conditions):
        conditions = {**self.conditions, **conditions}
        return (metric, *sorted((name, plain(value)) for name, value in conditions.items())), conditions


def worst_bound(bounds):
    """One turn in which the generator was the limit makes the figure the generator's."""
    for bound in ("generator", "unknown", "device"):
        if bound in bounds:
            return bound
    return "subject"


def comparisons(device, peer, seed):
    """The device against one peer: figures of the same name and conditions, turn by turn."""
    theirs_by_key, turns = peer.figures(), max(device.turns, peer.turns)
    pairs = [(mine, theirs_by_key[key]) for key, mine in device.figures().items() if key in theirs_by_key]
    return [{"metric": mine.metric, "unit": mine.unit, "conditions": mine.conditions, "device": device.subject, "peer": peer.subject,
             "level": stats.LEVEL, **_compared(mine, theirs, turns, seed)}
            for mine, theirs in pairs if mine.unit == theirs.unit and any((*mine.samples, *theirs.samples))]


def _compared(mine, theirs, turns, seed):
    """What a comparison says, {ratio, interval, pairs, method, verdict}, and in its method why it may say nothing."""
    ours, others = mine.by_turn(), theirs.by_turn()
    both = sorted(set(ours) & set(others))
    samples = [[one[turn][0] for turn in both] for one in (ours, others)]
    ratio, interval, method = stats.paired_ratio(*samples, seed)
    verdict = stats.verdict(ratio, interval, mine.better) if ratio is not None else stats.verdict_of_zero(*samples, mine.better)
    reasons = [f"{len(both)} of {turns} turns have both"] if len(both) < turns else []
    against = no_verdict(verdict, worst_bound(mine.bounds), worst_bound(theirs.bounds))
    if any(_differ(ours[turn][1], others[turn][1]) for turn in both):
        against = against or "loads differ" + NO_VERDICT
    return {"ratio": ratio, "interval": interval, "pairs": len(both), "method": "; ".join(filter(None, [method, *reasons, against])),
            "verdict": "unclear" if against else verdict}


def no_verdict(verdict, mine, theirs):
    """Why the bounds of two figures allow no verdict; empty when they do. What a peer could do was not found when its figure's bound is
    unknown: nothing says that the device is better, or the same."""
    if "generator" in (mine, theirs):
        return "the generator was the limit" + NO_VERDICT
    if theirs == "unknown" and (mine == "unknown" or verdict != "worse"):
        return "the limit was not found" + NO_VERDICT
    return ""


def against(method):
    """Why a comparison has no verdict, by what its `method` says; empty when it has one, or only too few turns for one."""
    last = method.rpartition("; ")[2]
    return last if last.endswith(NO_VERDICT) else ""


def _differ(load, other):
    return load is not None and other is not None and abs(load - other) > LOADS_DIFFER * max(load, other)
