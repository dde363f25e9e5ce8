"""Latency by percentile: how slow the slow ones are, with the tail as long as the measured values allow.

Every line is one histogram. It is full where at least ten values lie beyond it and faint where fewer do, and ends at the largest
value. The generator's own floor, where it was measured, is drawn below.
"""
from penstock_lab.histogram import Histogram

from . import facts, units
from .plot import HOLLOW, Plot, Table, spread, text_width
from .scales import Linear, Log, Percentiles

SURE = 10        # values beyond a percentile that make it more than an anecdote
RAREST = 1e6     # the axis ends at 99.9999 %
TOLD = (0.5, 0.9, 0.99, 0.999, 0.9999)
MOST_LINES = 4   # in one picture, before loads get pictures of their own: the lowest of every subject, the second lowest, …


class Line:
    """One histogram to be drawn."""

    def __init__(self, entry):
        self.subject, self.load, self.unit, self.entry = entry["subject"], entry["load"], entry["unit"], entry
        self.histogram, self.hollow = Histogram.from_json(entry["histogram"]), facts.generators(entry)

    def label(self, with_load=True):
        load = "" if self.load is None or not with_load else f" at {units.plain(self.load, self.unit, 3)}"
        return facts.short(self.subject) + load + (f", {HOLLOW}" if self.hollow else "")


def pictures(result, styles):
    number = 0
    lines = [line for line in map(Line, result["latencies"]) if line.histogram.count]
    for same in facts.groups(lines, lambda line: facts.key_of(line.entry["conditions"])).values():
        parts = [same] if len(same) <= MOST_LINES else _by_rank_of_load(same)
        for part in parts:
            yield _picture(result, styles, part, f"{result['name']}-latency-{number}")
            number += 1


def _by_rank_of_load(lines):
    ranks = {id(line): rank for mine in facts.groups(lines, lambda line: line.subject).values()
             for rank, line in enumerate(sorted(mine, key=lambda line: line.load or 0))}
    return [made for _, made in sorted(facts.groups(lines, lambda line: ranks[id(line)]).items())]


def _share(text):
    """p99.9 as 0.999."""
    return float(text[1:]) / 100


def _floor(lines):
    """[(share, nanoseconds)] of the first line that has one."""
    for line in lines:
        if line.entry["floor"]:
            return sorted((_share(key), nanos) for key, nanos in line.entry["floor"].items())
    return []


def _about(lines):
    """Where latency starts and which clock told it."""
    starts = {"scheduled": "from the scheduled time", "sent": "from the time of sending"}
    words = [starts[start] for start in dict.fromkeys(line.entry["from"] for line in lines)]
    return " · ".join([*words, *dict.fromkeys(f"clock: {line.entry['clock']}" for line in lines)])


def _value_scale(lines, floor, plot):
    """(scale, divisor, unit): linear when the span is small."""
    lowest = min([line.histogram.min for line in lines] + [nanos for _, nanos in floor])
    highest = max(line.histogram.max for line in lines)
    if highest > 8 * max(lowest, 1):
        return Log(max(lowest, 1), max(highest, 2), plot.bottom, plot.top, tell=lambda v: units.plain(v, "ns")), 1, "latency"
    divisor, unit = units.scale("ns", highest)
    return Linear(highest / divisor or 1, plot.bottom, plot.top), divisor, f"latency, {unit}"


def _picture(result, styles, lines, name):
    where = units.conditions(lines[0].entry["conditions"])
    loads = {(line.load, line.unit) for line in lines}
    if len(loads) == 1 and lines[0].load is not None:
        where = ", ".join(filter(None, [where, f"at {units.plain(lines[0].load, lines[0].unit, 3)}"]))
    title, floor = "Latency by percentile" + (f" · {where}" if where else ""), _floor(lines)
    legend = [("line", line.subject, line.label(with_load=len(loads) > 1)) for line in lines]
    legend += [("hollow", None, HOLLOW)] if any(line.hollow for line in lines) else []
    legend += [("reference", None, "floor: the generator alone")] if floor else []
    plot = Plot(name, title, _about(lines), facts.cautions(result), legend, styles, margins=(56, 62))
    x = Percentiles(min(RAREST, max(line.histogram.count for line in lines)), plot.left, plot.right)
    y, divisor, label = _value_scale(lines, floor, plot)
    plot.y_axis(y, label)
    plot.x_axis([(x(share), words) for share, words in x.ticks()], "percentile, %", grid=True)
    at_floor = [(x(share), y(max(nanos / divisor, 1e-9))) for share, nanos in floor if 1 / (1 - share) <= x.rarest]
    if at_floor:
        plot.put_path([(plot.left, at_floor[0][1]), *at_floor], "p-reference")
    ends = [_draw(plot, line, x, lambda nanos: y(max(nanos, 1) / divisor)) for line in lines]
    _name_ends(plot, lines, ends)
    return plot.picture(_describe(lines), _table(lines, floor))


def _draw(plot, line, x, y):
    """The line of one histogram; gives where it ends."""
    count = line.histogram.count
    sure, last = x.at(max(1, min(x.rarest, count / SURE))), x.at(min(x.rarest, count))

    def at(place):
        share = 1 - 1 / x.rarity(place)
        return place, y(line.histogram.percentile(max(0.0, min(1.0, share))))
    places = range(round(x.start), int(sure) + 1)
    plot.put_path([at(place) for place in places], plot.stroke(line.subject))
    tail = [at(place) for place in range(int(sure), int(last) + 1)]
    plot.put_path(tail, plot.stroke(line.subject) + " faint")
    for share in TOLD:
        if count * (1 - share) >= SURE and 1 / (1 - share) <= x.rarest:
            nanos = line.histogram.percentile(share)
            hover = f"{line.label()}, {share * 100:g} %: {units.quantity(nanos, 'ns')}"
            plot.put_mark(x(share), y(nanos), line.subject, line.hollow, hover, size=3.2)
    return tail[-1] if tail else at(int(last))


def _name_ends(plot, lines, ends):
    """The largest value of each, beside the end of its line."""
    places = spread([y + 4 for _, y in ends], 13, plot.top, plot.bottom)
    for line, (x, _), place in zip(lines, ends, places):
        words = units.quantity(line.histogram.max, "ns", 3)
        right = min(x + 6, plot.width - text_width(words))
        class_ = f"{plot.styles.colour(line.subject)} t p-mono"
        plot.put_text(right, place, words, class_=class_, hover=f"{line.label()}: the largest value")


def _describe(lines):
    told = []
    for line in lines:
        half, most, every = (units.quantity(line.histogram.percentile(share), "ns") for share in (0.5, 0.99, 1))
        told.append(f"{line.label()}: half within {half}, 99 % within {most}, all within {every}")
    return "; ".join(told)


def _told(histogram, share):
    """A percentile, when at least one value lies beyond it."""
    return units.quantity(histogram.percentile(share), "ns") if histogram.count * (1 - share) >= 1 else "too few values"


def _table(lines, floor):
    rows = []
    for line in lines:
        told = [_told(line.histogram, share) for share in TOLD]
        rows.append([line.label(), f"{line.histogram.count:,}", *told, units.quantity(line.histogram.max, "ns"), line.entry.get("bound", "")])
    known = {share: nanos for share, nanos in floor}
    if floor:
        rows.append(["floor", "", *(units.quantity(known[s], "ns") if s in known else "" for s in TOLD), "", ""])
    return Table(["subject", "values", *(f"p{share * 100:g}" for share in TOLD), "max", "bound by"], rows)
