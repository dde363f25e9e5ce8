"""What happened when: rate, losses and latency, one above the other over the same time.

A long course has more points than the picture has columns. A column then shows the mean, the lowest and the highest rate of its
time, the sum of what was lost and the worst of each percentile: nothing is smoothed away.
"""
from . import facts, units
from .plot import WIDE, Plot, Table
from .scales import Exact, Linear, Log

COLUMNS = 480
RATE, LOST, LATENCY, GAP = 130, 70, 120, 44   # heights
MOST_ROWS = 120                               # of the table


class Column:
    """Neighbouring points."""

    def __init__(self, points, interval):
        self.t, self.lost = points[-1]["t"], sum(p["lost"] for p in points)
        self.sent = sum(p["sent"] for p in points) / len(points) / interval
        rates = [p["received"] / interval for p in points]
        self.low, self.high, self.received = min(rates), max(rates), sum(rates) / len(rates)
        self.p50, self.p99 = (max((p[name] for p in points if p[name]), default=None) for name in ("p50", "p99"))


def columns(series, most=COLUMNS):
    points = series["points"]
    size = -(-len(points) // most)
    return [Column(points[start:start + size], series["interval"]) for start in range(0, len(points), size)]


def pictures(result, styles):
    for place, series in enumerate(s for s in result["series"] if s["points"]):
        yield _picture(result, styles, series, f"{result['name']}-course-{place}")


def _picture(result, styles, series, name):
    unit, subject = facts.rate_unit(result), series["subject"]
    title = " · ".join(filter(None, ["Course of time", facts.short(subject), units.conditions(series["conditions"])]))
    all_of = columns(series)
    merged = len(series["points"]) > len(all_of)
    about = f"points of {units.number(series['interval'])} s" + (", several in a column: mean and range of rates, sum of losses, worst percentiles" if merged else "")
    legend = [("solid", subject, "received, and p99 of latency"), ("reference", None, "sent"), ("faint", subject, "p50 of latency")]
    plot = Plot(name, title, about, facts.cautions(result), legend, styles, width=WIDE, height=RATE + LOST + LATENCY + 2 * GAP, margins=(62, 16))
    x = Exact(0, all_of[-1].t, plot.left, plot.right)
    top = plot.top
    _rates(plot, subject, all_of, x, top, unit)
    _losses(plot, all_of, x, top + RATE + GAP)
    _latencies(plot, subject, all_of, x, top + RATE + LOST + 2 * GAP)
    plot.top = top
    plot.x_axis([(x(v), words) for v, words in x.ticks()], "seconds since the start")
    lost = sum(c.lost for c in all_of)
    description = f"{len(series['points'])} points of {subject}; {lost} lost, in {sum(c.lost > 0 for c in all_of)} of {len(all_of)} columns."
    return plot.picture(description, _table(series, unit))


def _strip(plot, top, scale, label):
    plot.top = top
    plot.y_axis(scale, label)


def _rates(plot, subject, all_of, x, top, unit):
    divisor, label = units.scale(unit, max(max(c.high, c.sent) for c in all_of))
    y = Linear(max(max(c.high, c.sent) for c in all_of) / divisor or 1, top + RATE, top, most=4)
    _strip(plot, top, y, f"rate, {label}")
    edge = [(x(c.t), y(c.high / divisor)) for c in all_of] + [(x(c.t), y(c.low / divisor)) for c in reversed(all_of)]
    if any(c.low < c.high for c in all_of):
        plot.put_path(edge, f"{plot.styles.colour(subject)} t area", closed=True)
    plot.put_path([(x(c.t), y(c.sent / divisor)) for c in all_of], "p-reference")
    plot.put_path([(x(c.t), y(c.received / divisor)) for c in all_of], f"l {plot.styles.colour(subject)}")


def _losses(plot, all_of, x, top):
    worst = max(c.lost for c in all_of)
    if worst == 0:
        plot.put_text(0, top - 14, "lost", class_="p-quiet axis-label")
        plot.put_line(plot.left, top + LOST, plot.right, top + LOST, "p-grid")
        plot.put_text(plot.left + 6, top + LOST - 8, "nothing was lost")
        return
    y = Log(0.8, max(worst, 10), top + LOST, top, tell=lambda v: units.number(v) if v >= 1 else "0")
    if worst <= 10:
        y = Linear(worst, top + LOST, top, most=3)
    _strip(plot, top, y, "lost, packets" if worst <= 10 else "lost, packets (logarithmic)")
    for c in all_of:
        if c.lost:
            plot.put_line(x(c.t), top + LOST, x(c.t), y(c.lost), "p-lost")


def _latencies(plot, subject, all_of, x, top):
    known = [v for c in all_of for v in (c.p50, c.p99) if v]
    if not known:
        plot.put_text(0, top - 14, "latency", class_="p-quiet axis-label")
        plot.put_text(plot.left + 6, top + LATENCY / 2, "latency was not measured")
        return
    if max(known) > 8 * min(known):
        y = Log(min(known), max(known), top + LATENCY, top, tell=lambda v: units.plain(v, "ns"))
        divisor, label = 1, "latency"
    else:
        divisor, label = units.scale("ns", max(known))
        y, label = Linear(max(known) / divisor, top + LATENCY, top, most=4), f"latency, {label}"
    _strip(plot, top, y, label)
    for field, faint in (("p50", " faint"), ("p99", "")):
        at = [(x(c.t), y(getattr(c, field) / divisor)) if getattr(c, field) else None for c in all_of]
        plot.put_path(at, f"l {plot.styles.colour(subject)}{faint}")


def _table(series, unit):
    shown = columns(series, MOST_ROWS)
    rows = [[units.number(c.t), units.quantity(c.sent, unit), units.quantity(c.received, unit), f"{c.lost:,}",
             *(units.quantity(v, "ns") if v else "" for v in (c.p50, c.p99))] for c in shown]
    return Table(["until second", "sent", "received", "lost", "p50", "p99"], rows)
