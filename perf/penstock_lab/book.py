"""What the methods found, collected over all turns, and how it becomes the figures of a result.

A Book belongs to one subject and one variant. The same figure of several turns becomes one with several samples; histograms of
the same latency are added; curves, series and stages are kept as they came.
"""
import dataclasses

from . import stats
from .histogram import Histogram


@dataclasses.dataclass
class Figure:
    metric: str
    unit: str
    better: str
    conditions: dict
    samples: list
    bounds: list
    notes: list


class Book:
    def __init__(self, subject, conditions):
        self.subject, self.conditions = subject, conditions
        self.figures, self.latencies = {}, {}
        self.curves, self.series, self.stages, self.notes = [], [], [], []

    def figure(self, metric, unit, better, value, bound="subject", note="", /, **conditions):
        """One sample. `bound`: subject | generator | device | unknown: who set the limit."""
        key, conditions = self._key(metric, conditions)
        made = self.figures.setdefault(key, Figure(metric, unit, better, conditions, [], [], []))
        made.samples.append(float(value))
        made.bounds.append(bound)
        if note and note not in made.notes:
            made.notes.append(note)

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
        if stages:
            self.stages.append({"subject": self.subject, "conditions": self._key("", conditions)[1], "stages": stages})

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def figures_of_result(self, seed):
        return [{"subject": self.subject, "metric": one.metric, "unit": one.unit, "better": one.better, "conditions": one.conditions,
                 "value": stats.median(one.samples), "samples": one.samples, "interval": stats.interval_of_median(one.samples, seed),
                 "bound": worst_bound(one.bounds), "note": "; ".join(one.notes)} for one in self.figures.values()]

    def latencies_of_result(self):
        return [{"subject": self.subject, "conditions": one["conditions"], "load": stats.median(one["loads"]), "unit": one["unit"],
                 "clock": one["clock"], "from": one["from"], "floor": one["floor"], "histogram": one["histogram"].to_json()}
                for one in self.latencies.values() if one["histogram"].count]

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
    for key, mine in device.figures.items():
        theirs = peer.figures.get(key)
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
