"""What the methods found, collected over all turns, and how it becomes the figures of a result.

A Book belongs to one subject and one variant. The same figure of several turns becomes one with several samples, and its value is their
median; percentiles are those of the added histograms, with one sample for each turn; curves and series are kept as they came.
"""
import dataclasses

from . import stats
from .histogram import Histogram


PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999))


@dataclasses.dataclass
class Figure:
    """`value`: None is the median of the samples."""
    metric: str
    unit: str
    better: str
    conditions: dict
    samples: list = dataclasses.field(default_factory=list)
    bounds: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    value: float | None = None

    def to_json(self, subject, seed):
        value, interval = self.value, stats.interval_of_median(self.samples, seed)
        if value is None:
            value = stats.median(self.samples)
        return {"subject": subject, "metric": self.metric, "unit": self.unit, "better": self.better, "conditions": self.conditions,
                "value": value, "samples": self.samples, "interval": interval and [min(value, interval[0]), max(value, interval[1])],
                "bound": worst_bound(self.bounds), "note": "; ".join(filter(None, self.notes))}


class Book:
    def __init__(self, subject, conditions):
        self.subject, self.conditions = subject, conditions
        self._figures, self._tails, self._stages, self.latencies = {}, {}, {}, {}
        self.curves, self.series, self.notes = [], [], []

    def figure(self, metric, unit, better, value, bound="subject", note="", /, **conditions):
        """One sample. `bound`: subject | generator | device | unknown: who set the limit."""
        key, conditions = self._key(metric, conditions)
        made = self._figures.setdefault(key, Figure(metric, unit, better, conditions))
        made.samples.append(float(value))
        made.bounds.append(bound)
        if note not in made.notes:
            made.notes.append(note)

    def percentiles(self, histogram, bound="subject", note="", /, **conditions):
        """The latencies of one turn, for the figures latency_p50 … latency_max."""
        if histogram.count:
            key, conditions = self._key("percentiles", conditions)
            self._tails.setdefault(key, (conditions, []))[1].append((histogram, bound, note))

    def figures(self):
        """Figures by metric and conditions. A percentile is there when the values can carry it: the p99.99 of a thousand would be
        their maximum under another name."""
        found = dict(self._figures)
        for conditions, turns in self._tails.values():
            total = Histogram()
            for histogram, _, _ in turns:
                total.merge(histogram)
            for name, share in (*PERCENTILES, ("max", 1)):
                if name == "max" or total.count * (1 - share) >= 1:
                    key = self._key(f"latency_{name}", conditions)[0]
                    found[key] = Figure(f"latency_{name}", "ns", "lower", conditions, [float(h.percentile(share)) for h, _, _ in turns],
                                        [bound for _, bound, _ in turns], list(dict.fromkeys(note for _, _, note in turns)),
                                        float(total.percentile(share)))
        return found

    def latency(self, trial, bench, /, **conditions):
        """The histogram of a trial, beside the generator's own floor."""
        key, conditions = self._key("latency", conditions)
        entry = self.latencies.setdefault(key, {"conditions": conditions, "loads": [], "unit": bench.unit, "clock": trial.clock,
                                                "from": bench.latency_from, "floor": bench.floor, "histogram": Histogram()})
        entry["loads"].append(trial.load)
        entry["histogram"].merge(trial.latency)

    def curve(self, points, /, **conditions):
        self.curves.append({"subject": self.subject, "conditions": self._key("", conditions)[1], "points": points})

    def samples(self, trial, interval, /, **conditions):
        """The samples of a trial as a time series."""
        points = [{name: sample.get(name, 0) for name in ("t", "sent", "received", "lost", "p50", "p99")} for sample in trial.samples]
        if points:
            self.series.append({"subject": self.subject, "conditions": self._key("", conditions)[1], "interval": interval,
                                "points": points})

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
                 "clock": one["clock"], "from": one["from"], "floor": one["floor"], "histogram": one["histogram"].to_json()}
                for one in self.latencies.values() if one["histogram"].count]

    def stages_of_result(self):
        return [{"subject": self.subject, "conditions": conditions, "stages": {name: stats.median(v) for name, v in stages.items()}}
                for conditions, stages in self._stages.values() if stages]

    def _key(self, metric, conditions):
        conditions = {**self.conditions, **conditions}
        return (metric, *sorted((name, str(value)) for name, value in conditions.items())), conditions


def worst_bound(bounds):
    """One turn in which the generator was the limit makes the figure the generator's."""
    for bound in ("generator", "device", "unknown"):
        if bound in bounds:
            return bound
    return "subject"


def comparisons(device, peer, seed):
    """The device against one peer: figures of the same name and conditions, turn by turn."""
    made = []
    theirs_by_key = peer.figures()
    for key, mine in device.figures().items():
        theirs = theirs_by_key.get(key)
        if theirs is None or theirs.unit != mine.unit:
            continue
        pairs = min(len(mine.samples), len(theirs.samples))
        ratio, interval, method = stats.paired_ratio(mine.samples[:pairs], theirs.samples[:pairs], seed)
        if ratio is None:
            continue
        limited = "generator" in (worst_bound(mine.bounds), worst_bound(theirs.bounds))
        made.append({"metric": mine.metric, "unit": mine.unit, "conditions": mine.conditions, "device": device.subject,
                     "peer": peer.subject, "ratio": ratio, "interval": interval, "level": stats.LEVEL, "pairs": pairs,
                     "method": method + ("; the generator was the limit, so no verdict" if limited else ""),
                     "verdict": "unclear" if limited else stats.verdict(ratio, interval, mine.better)})
    return made
