"""The device against its peers: a row for each comparison, ratio and interval as dot and whisker around 1."""
from . import facts, units
from .markup import Markup, element, join
from .plot import HOLLOW, WIDE, Plot, Table, fit, marker
from .scales import Log, Rows

ROW = 22
TELLS = {"better": "good", "worse": "bad", "same": "quiet", "unclear": "warn"}
SIGNS = {"better": "circle", "worse": "square", "same": "bar", "unclear": "diamond"}


def ends(comparisons):
    """(lowest, highest) of a scale that all comparisons fit on, 1 among them."""
    values = [v for c in comparisons if c["ratio"] is not None for v in [c["ratio"], *(c["interval"] or ())] if v > 0]
    return min([0.8, *values]) * 0.95, max([1.25, *values]) * 1.05


def tell(value):
    return units.number(value, 2) + units.TIMES


def pictures(result, styles):
    items = facts.in_short(result["comparisons"])
    if items:
        yield _picture(result, styles, items)


def _picture(result, styles, items):
    name, title = f"{result['name']}-ratios", "Ratios to peers, measured in turns"
    device = items[0]["device"]
    about = " · ".join([f"{facts.short(device)} divided by the peer", facts.setting(result)])
    book = facts.Book(result)
    legend = [(f"verdict-{verdict}", None, verdict) for verdict in TELLS if any(c["verdict"] == verdict for c in items)]
    if any(facts.side(*book.pair(c)) for c in items):
        legend.append(("hollow", None, HOLLOW))
    plot = RatioPlot(name, title, about, facts.cautions(result), legend, styles, width=WIDE,
                      height=ROW * len(items) + 6, margins=(430, 190))
    rows, x = Rows(len(items), plot.top, plot.bottom), Log(*ends(items), plot.left, plot.right, tell=tell, whole=False)
    plot.x_axis([(x(v), words) for v, words in x.ticks()], "ratio, logarithmic", grid=True)
    plot.put_line(x(1), plot.top - 6, x(1), plot.bottom, "p-one")
    for row, c in enumerate(items):
        y = rows(row)
        plot.put_text(0, y + 4, fit(facts.what(c), 270), class_="p-ink")
        plot.put_text(280, y + 4, fit(f"to {facts.short(c['peer'])}", plot.left - 300))
        plot.parts.append(mark(c, book, x, y))
        words = f"{book.ratio(c)} {c['verdict']} {facts.interval_words(c)}"
        plot.put_text(plot.right + 14, y + 4, fit(words, plot.width - plot.right - 14),
                      class_=f"p-{TELLS[c['verdict']]} p-mono")
    description = "; ".join(f"{facts.what(c)}: {book.ratio(c)} of {c['peer']}, {c['verdict']}" for c in items)
    return plot.picture(description, table(book, items))


def table(book, items):
    return Table(["figure", "device", "peer", "ratio", "interval", "level", "pairs", "method", "verdict"], [
        [facts.what(c), c["device"], c["peer"], book.ratio(c), facts.interval_words(c), units.percent(c["level"]), c["pairs"],
         c["method"], c["verdict"]] for c in items])


class RatioPlot(Plot):
    """Its legend tells verdicts."""

    def _sample(self, kind, subject, x, y):
        if kind.startswith("verdict-"):
            verdict = kind.removeprefix("verdict-")
            self.parts.append(marker(SIGNS[verdict], x + 12, y, f"v-{TELLS[verdict]}"))
        else:
            super()._sample(kind, subject, x, y)


def mark(comparison, book, x, y):
    """Dot and whisker of a comparison on the scale x at the height y; hollow when one of its figures is the generator's."""
    class_, parts = f"v-{TELLS[comparison['verdict']]}", []
    hollow = " vh" if facts.side(*book.pair(comparison)) else ""
    if comparison["interval"]:
        low, high = (max(min(x(max(end, 1e-9)), x.end), x.start) for end in comparison["interval"])
        parts = [element("line", x1=f"{low:.1f}", x2=f"{high:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}", class_=class_ + " l")]
        parts += [element("line", x1=f"{end:.1f}", x2=f"{end:.1f}", y1=f"{y - 3:.1f}", y2=f"{y + 3:.1f}", class_=class_ + " l")
                  for end in (low, high)]
    return join([*parts, marker(SIGNS[comparison["verdict"]], _place(comparison, book, x), y, class_ + hollow, 3.6)])


def _place(comparison, book, x):
    """Where a comparison is on the scale x: without a ratio at that end of it where a device of zero, or a peer of zero, would be."""
    if comparison["ratio"] is not None:
        return x(comparison["ratio"])
    device = book.pair(comparison)[0]
    return x.start if device is not None and device["value"] == 0 else x.end


def small(comparison, book, ends_of_all, width=150, height=18):
    """The mark alone, for a row of a table."""
    x = Log(*ends_of_all, 4, width - 4, whole=False)
    one = element("line", x1=f"{x(1):.1f}", x2=f"{x(1):.1f}", y1=0, y2=height, class_="p-one")
    words = f"{book.ratio(comparison)} {facts.interval_words(comparison)}, {comparison['verdict']}"
    return Markup(f'<svg class="whisker" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
                  + element("title", words) + one + mark(comparison, book, x, height / 2) + "</svg>")
