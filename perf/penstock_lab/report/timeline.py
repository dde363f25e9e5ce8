"""What happened when: rate, losses and latency, one above the other over the same time, of all subjects and turns under one condition.

A long course has more points than the picture has columns. A column then shows the mean and the range of the rates of its time, the
sum of what was lost and the worst of each percentile: nothing is smoothed away.
"""
from . import facts, units
from .plot import HOLLOW, WIDE, Plot, Table
from .scales import Exact, Linear, Log

COLUMNS = 480
FEWEST = 4                                    # points that make a course
RATE, LOST, LATENCY, GAP = 130, 70, 120, 44   # heights
MOST_ROWS = 120                               # of the table, for each series


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
    known = [series for series in result["series"] if len(series["points"]) >= FEWEST]
    for place, same in enumerate(facts.groups(known, lambda s: facts.key_of(s["conditions"])).values()):
        yield Course(result, styles, same, f"{result['name']}-course-{place}").picture()


class Course:
    """A picture being drawn: three strips over one time."""

    def __init__(self, result, styles, series, name):
        self.series, self.unit, self.subjects = series, facts.rate_unit(result), facts.subjects_of(series)
        self.lines = [(s["subject"], columns(s)) for s in series]
        self.all = [column for _, line in self.lines for column in line]
        title = " · ".join(filter(None, ["Course of time", units.conditions(series[0]["conditions"])]))
        self.alone = len(series) == 1
        legend = [("solid" if self.alone else "stroke", s, self._words(s)) for s in self.subjects]
        legend += [("reference", None, "sent"), ("faint", self.subjects[0], "p50 of latency")] if self.alone else []
        self.plot = Plot(name, title, self._about(), facts.cautions(result), legend, styles, width=WIDE,
                         height=RATE + LOST + LATENCY + 2 * GAP, margins=(62, 16))
        self.x = Exact(0, max(c.t for c in self.all), self.plot.left, self.plot.right)

    def _words(self, subject):
        mine = [facts.generators(s) for s in self.series if s["subject"] == subject]
        turns = "" if all(mine) else f" in {sum(mine)} of {len(mine)} turns"
        return facts.short(subject) + (f", {HOLLOW}{turns}" if any(mine) else "")

    def _about(self):
        intervals = sorted({s["interval"] for s in self.series})
        words = [f"points of {' and '.join(map(units.number, intervals))} s"]
        if len(self.series) > len(self.subjects):
            words.append("a line for each turn")
        if len(self.all) < sum(len(s["points"]) for s in self.series):
            words.append("several points in a column: mean and range of rates, sum of losses, worst percentiles")
        return ", ".join(words)

    def picture(self):
        top = self.plot.top
        self._rates(top)
        self._losses(top + RATE + GAP)
        self._latencies(top + RATE + LOST + 2 * GAP)
        self.plot.x_axis([(self.x(v), words) for v, words in self.x.ticks()], "seconds since the start")
        told = [f"{subject}: {sum(c.lost for c in line)} lost, in {sum(c.lost > 0 for c in line)} of {len(line)} columns"
                for subject, line in self.lines]
        return self.plot.picture("; ".join(told), self._table())

    def _strip(self, top, scale, label):
        self.plot.top = top
        self.plot.y_axis(scale, label)

    def _draw(self, subject, points):
        """A course alone needs no dash to be known."""
        self.plot.put_path(points, f"l {self.plot.styles.colour(subject)}" if self.alone else self.plot.stroke(subject))

    def _rates(self, top):
        highest = max(max(c.high, c.sent) for c in self.all)
        divisor, label = units.scale(self.unit, highest)
        y = Linear(highest / divisor or 1, top + RATE, top, most=4)
        self._strip(top, y, f"rate received, {label}")
        for subject, line in self.lines:
            if any(c.low < c.high for c in line):
                upper = [(self.x(c.t), y(c.high / divisor)) for c in line]
                lower = [(self.x(c.t), y(c.low / divisor)) for c in line]
                self.plot.put_path(upper + lower[::-1], f"{self.plot.styles.colour(subject)} t area", closed=True)
            if self.alone:
                self.plot.put_path([(self.x(c.t), y(c.sent / divisor)) for c in line], "p-reference")
            self._draw(subject, [(self.x(c.t), y(c.received / divisor)) for c in line])

    def _losses(self, top):
        worst = max(c.lost for c in self.all)
        if worst == 0:
            self.plot.put_line(self.plot.left, top + LOST, self.plot.right, top + LOST, "p-grid")
            self.plot.put_text(0, top - 14, "lost", class_="p-quiet axis-label")
            self.plot.put_text(self.plot.left + 6, top + LOST - 8, "nothing was lost")
            return
        what = "requests" if self.unit == "requests/s" else "packets"
        if worst <= 10:
            y, label = Linear(worst, top + LOST, top, most=3), f"lost, {what}"
        else:
            label = f"lost, {what} (logarithmic)"
            y = Log(0.8, worst, top + LOST, top, tell=lambda v: units.number(v) if v >= 1 else "")
        self._strip(top, y, label)
        for subject, line in self.lines:
            for c in (c for c in line if c.lost):
                x = self.x(c.t) + 1.5 * self.subjects.index(subject)   # beside the other subjects'
                self.plot.put_line(x, top + LOST, x, y(c.lost), f"l {self.plot.styles.colour(subject)}")

    def _latencies(self, top):
        fields = ("p50", "p99") if self.alone else ("p99",)
        known = [v for c in self.all for v in (getattr(c, field) for field in fields) if v]
        if not known:
            self.plot.put_text(0, top - 14, "latency", class_="p-quiet axis-label")
            self.plot.put_text(self.plot.left + 6, top + LATENCY / 2, "latency was not measured")
            return
        divisor, label = units.scale("ns", max(known))
        if max(known) > 8 * min(known):
            divisor, label = 1, ""
            y = Log(min(known), max(known), top + LATENCY, top, tell=lambda v: units.plain(v, "ns"))
        else:
            y = Linear(max(known) / divisor, top + LATENCY, top, most=4)
        self._strip(top, y, ", ".join(filter(None, ["p99 of latency", label])))
        for subject, line in self.lines:
            for field in fields:
                at = [(self.x(c.t), y(getattr(c, field) / divisor)) if getattr(c, field) else None for c in line]
                if field == "p50":
                    self.plot.put_path(at, f"l {self.plot.styles.colour(subject)} faint")
                else:
                    self._draw(subject, at)

    def _table(self):
        rows = [[s["subject"], units.number(c.t), *(units.quantity(v, self.unit) for v in (c.sent, c.received)), f"{c.lost:,}",
                 *(units.quantity(v, "ns") if v else "" for v in (c.p50, c.p99)), s.get("bound", "")]
                for s in self.series for c in columns(s, MOST_ROWS)]
        return Table(["subject", "until second", "sent", "received", "lost", "p50", "p99", "bound by"], rows)
