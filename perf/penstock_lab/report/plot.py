"""The sheet of a plot: title, conditions, warnings, legend, axes, and the marks on it. What is plotted is the plots' own business.

Lengths are pixels at natural size; the picture scales with its place. Widths of text are estimated on the wide side, from the
proportions of Helvetica, so that nothing overlaps in the fonts that stand in for it.
"""
import dataclasses

from .markup import Markup, element, join, text

LINE = 15            # height of a line of text
HALF, WIDE = 526, 1064
HOLLOW = "bound by the generator"
WIDTHS = {**dict.fromkeys("iljtfI.,:;'|!()[] \u202f/", 0.33), **dict.fromkeys("mwMW%@…", 0.92),   # of an em; others below
          **dict.fromkeys("ABCDEFGHKLNOPQRSTUVXYZ&", 0.72)}


def text_width(words, size=11):
    return size * 1.03 * sum(WIDTHS.get(letter, 0.57 if ord(letter) < 0x2e80 else 1.0) for letter in str(words))


def fit(words, width, size=11):
    """As much of it as has room."""
    words = str(words)
    if text_width(words, size) <= width:
        return words
    room, kept = width - text_width("…", size), 0
    for letter in words:
        room -= text_width(letter, size)
        if room < 0:
            break
        kept += 1
    return words[:kept] + "…"


@dataclasses.dataclass
class Table:
    """The numbers behind a picture."""
    headers: list
    rows: list


@dataclasses.dataclass
class Picture:
    """`name` is safe in a file name; `wide` ones take the whole width of the page."""
    name: str
    title: str
    svg: Markup
    table: Table
    width: float
    height: float

    @property
    def wide(self):
        return self.width > HALF


def spread(wanted, gap, low, high):
    """Places as near as can be to the wanted ones, at least `gap` from each other, between low and high."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    last = low - gap
    for i in order:
        last = places[i] = max(wanted[i], last + gap)
    limit = high
    for i in reversed(order):
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    return places


class Plot:
    """One picture being drawn. `legend`: [(kind, subject or None, words)], kind: line (with dash and mark) |
    stroke (with dash) | solid | faint | mark | hollow | reference | whisker."""

    def __init__(self, name, title, about="", cautions=(), legend=(), styles=None, width=HALF, height=250, margins=(56, 24)):
        self.name, self.title, self.about, self.styles, self.width = name, str(title), str(about), styles, width
        self.parts = []
        y = 18
        self.put_text(0, y, fit(title, width, 13.5), class_="p-ink p-title")
        lines = [(about, "p-quiet")] if about else []
        for words, class_ in lines + [(f"\u25b2 {caution}", "p-warn") for caution in cautions]:
            y += LINE + 2
            self.put_text(0, y, fit(words, width), class_=class_)
        y = self._legend(legend, y)
        self.left, self.right = margins[0], width - margins[1]
        self.top = y + 40
        self.bottom = self.top + height
        self.height = self.bottom + 44

    # Text and marks

    def put(self, name, *children, **attributes):
        self.parts.append(element(name, *children, **attributes))

    def put_text(self, x, y, words, class_="p-quiet", anchor=None, hover=None):
        children = [words] if hover is None else [words, element("title", hover)]
        self.put("text", *children, x=f"{x:.1f}", y=f"{y:.1f}", class_=class_, text_anchor=anchor)

    def put_line(self, x1, y1, x2, y2, class_):
        self.put("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}", class_=class_)

    def put_path(self, points, class_, closed=False):
        """A line through points; None lifts the pen."""
        words, pen = [], "M"
        for point in points:
            if point is None:
                pen = "M"
                continue
            words.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
            pen = "L"
        if words:
            self.put("path", d="".join(words) + ("Z" if closed else ""), class_=class_)

    def put_mark(self, x, y, subject, hollow=False, hover=None, size=4.0):
        class_ = f"{self.styles.colour(subject)} {'h' if hollow else 'f'}"
        self.parts.append(marker(self.styles.marker(subject), x, y, class_, size, hover))

    def put_whisker(self, x1, y1, x2, y2, class_):
        """A line with a bar at both ends, across or upright."""
        self.put_line(x1, y1, x2, y2, class_)
        dx, dy = (0, 3) if y1 == y2 else (3, 0)
        for x, y in ((x1, y1), (x2, y2)):
            self.put_line(x - dx, y - dy, x + dx, y + dy, class_)

    def stroke(self, subject):
        """The classes of a subject's line."""
        return f"l {self.styles.colour(subject)} d{self.styles.dash(subject)}"

    # Legend and axes

    def _legend(self, entries, y):
        x = 0
        for place, (kind, subject, words) in enumerate(entries):
            words = fit(words, self.width - 40)
            wide = 30 + text_width(words) + 18
            if place == 0 or x + wide - 18 > self.width:
                x, y = 0, y + LINE + 4
            self._sample(kind, subject, x, y - 4)
            self.put_text(x + 30, y, words, class_="p-quiet legend")
            x += wide
        return y

    def _sample(self, kind, subject, x, y):
        series = "p-reference" if subject is None else self.stroke(subject)
        if kind in ("line", "stroke", "reference"):
            self.put_line(x, y, x + 24, y, series)
        if kind in ("solid", "faint"):
            self.put_line(x, y, x + 24, y, f"l {self.styles.colour(subject)}" + (" faint" if kind == "faint" else ""))
        if kind == "whisker":
            self.put_whisker(x + 2, y, x + 22, y, "p-whisker")
        if kind in ("line", "mark") and subject is not None:
            self.put_mark(x + 12, y, subject)
        if kind == "hollow":
            self.put("circle", cx=f"{x + 12:.1f}", cy=f"{y:.1f}", r="4", class_="p-hollow")

    def y_axis(self, scale, label, grid=True):
        """Ticks at the left of the area, the unit above them."""
        self.put_text(0, self.top - 14, label, class_="p-quiet axis-label")
        for value, words in scale.ticks():
            y = scale(value)
            if grid:
                self.put_line(self.left, y, self.right, y, "p-grid")
            self.put_text(self.left - 8, y + 4, words, class_="p-quiet p-mono", anchor="end")

    def x_axis(self, ticks, label, grid=False):
        """ticks: [(place, words)] from left to right; a name that has no room beside the one before is left out."""
        self.put_line(self.left, self.bottom, self.right, self.bottom, "p-rule")
        free = -1e9
        for x, words in ticks:
            if grid:
                self.put_line(x, self.top, x, self.bottom, "p-grid")
            self.put_line(x, self.bottom, x, self.bottom + 4, "p-rule")
            half = text_width(words) / 2
            if x - half >= free:
                self.put_text(x, self.bottom + 17, words, class_="p-quiet p-mono", anchor="middle")
                free = x + half + 5
        self.put_text(self.right, self.bottom + 35, label, class_="p-quiet axis-label", anchor="end")

    def picture(self, description, table):
        """What was drawn; `description` tells it to who cannot see it."""
        width, height = f"{self.width:.0f}", f"{self.height:.0f}"
        head = Markup(f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" role="img" aria-label="{text(self.title)}">')
        names = join([element("title", self.title), element("desc", description)])
        return Picture(self.name, self.title, Markup(head + names + join(self.parts) + "</svg>"), table, self.width, self.height)


def marker(kind, x, y, class_, size=4.0, hover=None):
    """A mark around a point."""
    children = () if hover is None else (element("title", hover),)
    if kind == "circle":
        return element("circle", *children, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{size:.1f}", class_=class_)
    s = size
    shapes = {"square": [(-s, -s), (s, -s), (s, s), (-s, s)],
              "triangle": [(0, -1.25 * s), (1.15 * s, .85 * s), (-1.15 * s, .85 * s)],
              "diamond": [(0, -1.35 * s), (1.35 * s, 0), (0, 1.35 * s), (-1.35 * s, 0)],
              "cross": [(-s, -.5 * s), (-.5 * s, -s), (0, -.5 * s), (.5 * s, -s), (s, -.5 * s), (.5 * s, 0), (s, .5 * s), (.5 * s, s),
                        (0, .5 * s), (-.5 * s, s), (-s, .5 * s), (-.5 * s, 0)],
              "bar": [(-.5 * s, -1.4 * s), (.5 * s, -1.4 * s), (.5 * s, 1.4 * s), (-.5 * s, 1.4 * s)]}
    path = "M" + "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in shapes[kind]) + "Z"
    return element("path", *children, d=path, class_=class_)
