"""The head of a report: is it to be trusted, and how does the device stand against its peers?"""
from penstock_lab.result import BOUNDS

from . import facts, ratios, units
from .markup import Markup, element, join, shorten
from .plot import text_width
from .scales import Log
from .tables import chip, scrolled

MARK = 150   # width of the mark of a row


def counted(n, word):
    return f"{n} {word}" + ("" if n == 1 else "s")


def verdict(results):
    """The line that a reader must not miss."""
    careful = [r for r in results if facts.cautions(r)]
    checks = sum(len(r["stability"]["checks"]) for r in results)
    bound = sum(f["bound"] == "generator" for r in results for f in r["figures"])
    figures, scenarios = counted(sum(len(r["figures"]) for r in results), "figure"), counted(len(results), "scenario")
    marked = f" {bound} of {figures} bound by the generator, and marked so." if bound else ""
    if not careful and checks:
        return _verdict("Trusted.", f" All {checks} stability checks of {scenarios} passed.{marked}", "verdict")
    if not careful:
        return _verdict("Not checked.", f" No stability checks were made.{marked}", "verdict warn")
    reasons = [element("li", f"{r['name']}: {shorten(caution, 240)}") for r in careful for caution in facts.cautions(r)]
    distrusted = any(not r["stability"]["trusted"] or facts.above_line_rate(r) for r in careful)
    words = f" {len(careful)} of {scenarios} must be read with care.{marked}"
    return _verdict("Not to be trusted as a whole." if distrusted else "Not complete.", words, "verdict warn", element("ul", *reasons))


def _verdict(first, words, class_, *more):
    return element("div", element("strong", first), words, *more, class_=class_)


def standing(results):
    """How often better, worse and neither; nothing without comparisons."""
    verdicts = [c["verdict"] for r in results for c in r["comparisons"]]
    if not verdicts:
        return Markup("")
    counts = [f"{verdicts.count(kind)} {kind}" for kind in ("better", "worse", "same", "unclear") if kind in verdicts]
    return element("p", f"{counted(len(verdicts), 'comparison')} with peers: {', '.join(counts)}.")


def warnings(result):
    """Chips: everything that speaks against reading a figure of this result alone."""
    words = [] if result["stability"]["trusted"] else ["not trusted"]
    return join(map(chip, words + (["partial"] if result["partial"] else [])))


def bound(figure):
    """A chip on a figure whose limit is not the subject's own."""
    return chip(BOUNDS[figure["bound"]]) if figure is not None and BOUNDS[figure["bound"]] else Markup("")


def _axis(ends):
    """Ticks over the column of marks."""
    x, parts = Log(*ends, 4, MARK - 4, whole=False), []
    for value, words in sorted(x.ticks(), key=lambda tick: abs(x(tick[0]) - x(1))):   # 1 has the first choice of room
        half = text_width(words) / 2 + 3
        if half <= x(value) <= MARK - half and all(abs(x(value) - taken) > half + room for taken, _, room in parts):
            parts.append((x(value), words, half))
    texts = [element("text", words, x=f"{place:.1f}", y="11", text_anchor="middle", class_="p-quiet") for place, words, _ in parts]
    return Markup(f'<svg class="plot whisker" style="width:{MARK}px" viewBox="0 0 {MARK} 14" width="{MARK}" height="14" role="img">'
                  + element("title", "scale of ratios, logarithmic") + join(texts) + "</svg>")


def _what(item, figure):
    """throughput, 64 B frames; with an arrow when lower is better."""
    arrow = " \u2193" if figure and figure["better"] == "lower" else ""
    where = units.conditions(item["conditions"])
    return element("td", units.metric(item["metric"]) + arrow, element("span", f", {where}" if where else "", class_="quiet"))


def _value(figure):
    return element("td", bound(figure), "" if figure is None else units.quantity(figure["value"], figure["unit"]), class_="number")


def _compared(result, book, c, first, ends):
    """The row of a comparison; what it has in common with the row above is left out."""
    mine, peer = book.pair(c)
    ratio = [book.ratio(c), " ", element("span", facts.interval_words(c), class_="quiet")]
    shared = [_what(c, mine), _value(mine)] if first else [element("td", ""), element("td", "")]
    return element("tr", *shared, element("td", c["peer"], class_="peer"), _value(peer), element("td", *ratio, class_="number"),
                   element("td", ratios.small(c, book, ends, MARK), class_="mark"),
                   element("td", element("span", c["verdict"], class_=c["verdict"]), warnings(result), class_="tell"))


def _alone(result, figure):
    """The row of a figure without a peer."""
    return element("tr", _what(figure, figure), _value(figure), element("td", "no peer", class_="quiet"), *[element("td", "")] * 3,
                   element("td", warnings(result), class_="tell"))


def _rows(result, ends):
    """A row for each comparison, then one for each figure of the device that has none."""
    book, last, compared = facts.Book(result), None, set()
    for c in facts.in_short(result["comparisons"]):
        at = (c["metric"], facts.key_of(c["conditions"]))
        yield _compared(result, book, c, at != last, ends)
        last = at
        compared.add(at)
    alone = [f for f in facts.in_short(result["figures"]) if f["subject"] == result["subjects"][0]["name"]]
    yield from (_alone(result, f) for f in alone if (f["metric"], facts.key_of(f["conditions"])) not in compared)


def table(results):
    """All figures of the device with their ratios; a body of rows for each scenario."""
    ends = ratios.ends([c for r in results for c in r["comparisons"]])
    headers = [("figure", None), ("device", "number"), ("peer", None), ("peer's figure", "number"), ("ratio, interval", "number")]
    head = element("tr", *(element("th", words, class_=kind, scope="col") for words, kind in headers),
                   element("th", _axis(ends), class_="mark", scope="col"), element("th", "verdict", scope="col"))
    bodies = []
    for place, result in enumerate(results):
        device = element("span", f" · device: {facts.short(result['subjects'][0]['name'])}", class_="quiet")
        title = join([element("a", result["name"], href=f"#result-{place}"), device, warnings(result)])
        rows = list(_rows(result, ends)) or [element("tr", element("td", "no figures", colspan="7", class_="quiet"))]
        bodies.append(element("tbody", element("tr", element("th", title, colspan="7", scope="rowgroup")), *rows))
    return scrolled(element("table", element("thead", head), *bodies))
