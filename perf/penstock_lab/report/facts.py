"""What several parts of a report need to know of a result: warnings, units of its rates, names of files, groups."""
import re

from penstock_lab import document, line
from penstock_lab.errors import WrongInput

from . import units
from .markup import shorten


def cautions(result):
    """Why a reader should be careful with everything of this result."""
    found = []
    if not result["stability"]["trusted"]:
        found.append("Not trusted: " + "; ".join(result["stability"]["reasons"]))
    if result["partial"]:
        found.append("Partial: the run was ended before its end")
    return found + [f"Above line rate, which cannot be: {words}" for words in above_line_rate(result)]


def bound_by_generator(result):
    told = [*result["figures"], *result["latencies"], *result["series"], *(point for curve in result["curves"] for point in curve["points"])]
    return any(map(generators, told))


def generators(item):
    """Whether the generator was the limit of a figure, point, latency or course: older results do not say it of the last two."""
    return item.get("bound") == "generator"


def in_short(items):
    """Without what a histogram tells better: of latency only the median and the 99th percentile are told beside other figures."""
    return [i for i in items if not i["metric"].startswith("latency_") or i["metric"] in ("latency_p50", "latency_p99")]


def rate_unit(result):
    """Of curves and series."""
    return "requests/s" if result["scenario"].get("traffic") == "requests" else "pps"


def _items(result, field):
    """The objects of a list of the scenario; it is the scenario's word, not the schema's, that this is one."""
    items = result["scenario"].get(field)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def line_rate(result):
    """Bits a second of all ports that send together, of the slowest port if nobody says who sends; None if a rate is not known."""
    ports = {str(port.get("name")): port.get("lineRate") for port in _items(result, "ports")}
    senders = {str(stream.get("from")) for stream in _items(result, "streams")}
    rates = [ports.get(name) for name in senders or ports]
    if not rates or not all(isinstance(rate, (int, float)) and not isinstance(rate, bool) and rate > 0 for rate in rates):
        return None
    return sum(rates) if senders else min(rates)


def above_line_rate(result):
    """Figures that claim more than the line can carry: by the sizes of the scenario's streams, and by the size in their conditions."""
    rate, lines = line_rate(result), _lines(result["scenario"])

    def possible(f):
        size, stream = f["conditions"].get("size"), f["conditions"].get("stream")
        if f["unit"] == "pps" and rate is not None and is_size(size) and f["value"] > line.pps(rate, size) * (1 + line.CLOCKS):
            return False
        mine = [one for conditions, one in lines if one and conditions.items() <= f["conditions"].items()]
        return f["metric"].startswith("background_") or all(one.below(f["value"], f["unit"], stream) for one in mine)
    return [f"{short(f['subject'])}, {what(f)}: {units.quantity(f['value'], f['unit'])}" for f in result["figures"] if not possible(f)]


def _lines(scenario):
    """[(conditions, line)] of its variants. A result's scenario is a stranger's word: what makes no sense has none."""
    try:
        return [(conditions, line.read(one)) for conditions, one in document.variants(scenario)]
    except (WrongInput, RecursionError):
        return []


def is_size(value):
    """A frame's length in bytes, not the name of a mix."""
    return type(value) in (int, float) and value > 0


def slug(words):
    """Safe in file names and in ids."""
    return re.sub(r"[^a-z0-9]+", "-", str(words).lower()).strip("-")[:80] or "x"


def groups(items, key):
    """{key: [items]} in the order in which keys come."""
    made = {}
    for item in items:
        made.setdefault(key(item), []).append(item)
    return made


def key_of(conditions):
    """Equal for equal conditions."""
    return tuple(sorted((name, str(value)) for name, value in conditions.items()))


def subjects_of(items):
    return list(dict.fromkeys(item["subject"] for item in items))


def short(name):
    """A subject's name in a picture."""
    return shorten(name, 40)


def what(item):
    """throughput, 64 B frames"""
    return ", ".join(filter(None, [units.metric(item["metric"]), units.conditions(item["conditions"])]))


def interval_words(item, unit=None):
    """[6.871, 6.934], in the unit that the value is told in; of a comparison, that of its ratio."""
    if item["interval"] is None:
        return ""
    if unit is None:
        return "[" + ", ".join(map(units.ratio, item["interval"])) + "]"
    divisor = units.scale(unit, item["value"])[0]
    return "[" + ", ".join(units.number(units.divided(end, divisor), keep=divisor != 1) for end in item["interval"]) + "]"


class Book:
    """The figures of a result, to be looked up."""

    def __init__(self, result):
        self.figures = {(f["subject"], f["metric"], key_of(f["conditions"])): f for f in result["figures"]}

    def pair(self, comparison):
        """The figures that were compared, None where one is not there."""
        where = comparison["metric"], key_of(comparison["conditions"])
        return tuple(self.figures.get((comparison[role], *where)) for role in ("device", "peer"))

    def ratio(self, comparison):
        """≤ 0.478; no ratio where one of the figures is zero."""
        if comparison["ratio"] is None:
            return "no ratio"
        return side(*self.pair(comparison)) + units.ratio(comparison["ratio"])


def side(mine, peer):
    """On which side of the told ratio the true one lies, when one of its figures is the generator's: ≤, ≥, or ? for both."""
    bound = [figure is not None and figure["bound"] == "generator" for figure in (mine, peer)]
    if not any(bound):
        return ""
    if all(bound):
        return "? "
    more = bound[0] == ((mine or peer)["better"] == "higher")   # the device could have done more, or the peer taken less time
    return "≥ " if more else "≤ "


def level_words(result):
    """What whiskers are."""
    levels = sorted({c["level"] for c in result["comparisons"]})
    return f"{units.percent(levels[0])} interval" if len(levels) == 1 else "confidence interval"


def setting(result, items=()):
    """A line under a title: what was measured how."""
    words = [str(result["scenario"][name]) for name in ("traffic", "wiring") if result["scenario"].get(name)]
    samples = {len(item.get("samples", ())) for item in items} - {0}
    if samples:
        words.append(f"{min(samples)} turns" if len(samples) == 1 else f"{min(samples)} to {max(samples)} turns")
    return " · ".join(words)
