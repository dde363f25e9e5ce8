"""The head of a report: is it to be trusted, and how does the device stand against its peers?"""
from . import facts, ratios, units
from .markup import Markup, element, join
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
    marked = f" {counted(bound, 'figure')} of {sum(len(r['figures']) for r in results)} bound by the generator, and marked so." if bound else ""
    if not careful:
        words = f" All {checks} stability checks of {counted(len(results), 'scenario')} passed." if checks else " No stability checks were made."
        return element("div", element("strong", "Trusted." if checks else "Not checked."), words + marked, class_="verdict" + ("" if checks else " warn"))
    reasons = [element("li", f"{r['name']}: {caution}") for r in careful for caution in facts.cautions(r)]
    words = f" {counted(len(careful), 'scenario')} of {len(results)} must be read with care." + marked
    return element("div", element("strong", "Not to be trusted as a whole."), words, element("ul", *reasons), class_="verdict warn")


def standing(results):
    """How often better, worse and neither; nothing without comparisons."""
    verdicts = [c["verdict"] for r in results for c in r["comparisons"]]
    if not verdicts:
        return Markup("")
    counts = [f"{verdicts.count(kind)} {kind}" for kind in ("better", "worse", "same", "unclear") if kind in verdicts]
    return element("p", f"{counted(len(verdicts), 'comparison')} with peers: {', '.join(counts)}.")


def _axis(ends):
    """Ticks over the column of marks."""
    x, parts, free = Log(*ends, 4, MARK - 4, whole=False), [], -9
    for value, words in sorted(x.ticks(), key=lambda tick: tick[0]):
        if x(value) - 12 >= free and 10 <= x(value) <= MARK - 10:
            parts.append(element("text", words, x=f"{x(value):.1f}", y="11", text_anchor="middle", class_="p-quiet"))
            free = x(value) + 16
    return Markup(f'<svg class="plot whisker" style="width:{MARK}px" viewBox="0 0 {MARK} 14" width="{MARK}" height="14" role="img" aria-label="ratio">'
                  + element("title", "scale of ratios") + join(parts) + "</svg>")


def warnings(result, figure):
    """Chips of a figure: everything that speaks against reading it alone."""
    chips = []
    if figure is not None and figure["bound"] == "generator":
        chips.append(chip("generator-bound"))
    if not result["stability"]["trusted"]:
        chips.append(chip("not trusted"))
    if result["partial"]:
        chips.append(chip("partial"))
    return join(chips)


def _value(result, figure):
    if figure is None:
        return element("td", "", class_="number")
    bound = chip("generator-bound") if figure["bound"] == "generator" else ""
    return element("td", bound, " ", units.quantity(figure["value"], figure["unit"]), class_="number")


def _rows(result, ends):
    """A row for each figure of the device, or for each of its comparisons."""
    known = {(f["subject"], f["metric"], facts.key_of(f["conditions"])): f for f in result["figures"]}
    compared = {(c["device"], c["metric"], facts.key_of(c["conditions"])) for c in result["comparisons"]}
    last = None
    for c in result["comparisons"]:
        at = (c["metric"], facts.key_of(c["conditions"]))
        mine, peer = known.get((c["device"], *at)), known.get((c["peer"], *at))
        first, last = at != last, at
        yield _row(result, mine, [
            element("td", _what(c, mine) if first else ""), _value(result, mine if first else None), element("td", c["peer"]), _value(result, peer),
            element("td", f"{units.number(c['ratio'], 3)} ", element("span", facts.interval_words(c), class_="quiet"), class_="number"),
            element("td", ratios.small(c, ends, MARK), class_="mark"), element("td", c["verdict"], class_=c["verdict"])])
    device = result["subjects"][0]["name"]
    for key, figure in known.items():
        if key not in compared and (figure["subject"] == device or not result["comparisons"]):
            yield _row(result, figure, [element("td", _what(figure, figure)), _value(result, figure), element("td", "no peer", class_="quiet"),
                                        *[element("td", "")] * 4])


def _row(result, figure, cells):
    return element("tr", *cells)


def _what(item, figure):
    better = {"lower": " \u2193", "higher": ""}[figure["better"]] if figure else ""
    where = units.conditions(item["conditions"])
    return join([units.metric(item["metric"]) + better, element("span", f", {where}" if where else "", class_="quiet")])


def table(results):
    """All figures of the device with their ratios; a body of rows for each scenario."""
    ends = ratios.ends([c for r in results for c in r["comparisons"]])
    headers = [("figure", ""), ("device", "number"), ("peer", ""), ("peer's figure", "number"), ("ratio, interval", "number")]
    head = element("tr", *(element("th", words, class_=kind or None, scope="col") for words, kind in headers),
                   element("th", _axis(ends), class_="mark", scope="col"), element("th", "verdict", scope="col"))
    bodies = []
    for place, result in enumerate(results):
        rows = list(_rows(result, ends))
        if rows:
            title = join([element("a", result["name"], href=f"#result-{place}"), " ", element("span", f"· device: {facts.short(result['subjects'][0]['name'])}", class_="quiet"),
                          warnings(result, None)])
            bodies.append(element("tbody", element("tr", element("th", title, colspan="7", scope="rowgroup")), *rows))
    return scrolled(element("table", element("thead", head), *bodies)) if bodies else element("p", "No figures.")
