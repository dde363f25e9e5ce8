"""One scenario of a report: what was measured, its pictures, the numbers behind them, and how to repeat it."""
from . import facts, pictures, ratios, summary, tables, units
from .markup import Markup, element, join
from .plot import Table

HOLLOW = "\u25b2 Hollow marks are bound by the generator: what was measured may be better than they say."


def _picture(picture):
    numbers = tables.folded("the numbers", tables.plain(picture.table))
    return element("figure", picture.svg, numbers, class_="wide" if picture.wide else None)


def _figures(result):
    rows = [[f["subject"], facts.what(f), join([units.quantity(f["value"], f["unit"]), summary.bound(f), summary.warnings(result)]),
             facts.interval_words(f, f["unit"]), f"{f['better']} is better", f["bound"], f["note"]] for f in result["figures"]]
    return Table(["subject", "figure", "value", "interval", "", "bound by", "note"], rows)


def _checks(result):
    def verdict(check):
        return element("span", "passed" if check["ok"] else "failed", class_="better" if check["ok"] else "worse")
    rows = [[c["name"].replace("_", " "), _with_unit(c["value"], c["unit"]), _with_unit(c["limit"], c["unit"]), verdict(c), c["about"]]
            for c in result["stability"]["checks"]]
    return Table(["check", "value", "limit", "", "of what"], rows)


def _with_unit(value, unit):
    words = tables.told(value)
    return words if unit in ("", "ratio", "share") or isinstance(value, str) else f"{words}{units.THIN}{unit}"


def _subject(subject):
    digest = element("code", subject["digest"][:16], title=subject["digest"])
    return subject["name"], join([f"{subject['driver']} {subject['version']}, configuration ", digest])


def _repeat(result):
    """Everything needed to measure it again."""
    run = [("command", element("code", result["command"])), ("started", result["started"]), ("took", f"{units.number(result['seconds'])} s"),
           ("form", "short" if result["short"] else "full"), ("seed", str(result["seed"])), ("scenario", element("code", result["digest"]))]
    run += [*map(_subject, result["subjects"]), *((f"version of {name}", version) for name, version in result["versions"].items())]
    machine = [(name.replace("_", " "), value) for name, value in result["machine"].items()]
    halves = [element("div", element("h3", title), tables.facts(pairs)) for title, pairs in (("Run", run), ("Machine", machine))]
    return tables.folded("Machine, versions and how to repeat it", element("div", *halves, class_="repeat"))


def _folded(result):
    """What most readers skip, and nobody should have to miss."""
    figures, comparisons, checks = result["figures"], result["comparisons"], result["stability"]["checks"]
    if figures:
        yield tables.folded(f"All figures: {len(figures)}", tables.plain(_figures(result)))
    if comparisons:
        yield tables.folded(f"All comparisons: {len(comparisons)}", tables.plain(ratios.table(facts.Book(result), comparisons)))
    failed = sum(not check["ok"] for check in checks)
    title = f"Stability of the testbed: {summary.counted(len(checks), 'check')}, {failed} failed"
    yield tables.folded(title, tables.plain(_checks(result)), opened=failed > 0)
    yield _repeat(result)


def _notes(result):
    notes = [element("li", note) for note in result["notes"]]
    return element("ul", *notes, class_="notes") if notes else Markup("")


def section(result, place, styles):
    """The part of the page with the id result-<place>."""
    warnings = [f"\u25b2 {caution}" for caution in facts.cautions(result)] + ([HOLLOW] if facts.bound_by_generator(result) else [])
    subjects = ", ".join(f"{s['name']} {s['version']}" for s in result["subjects"])
    where = " · ".join(filter(None, [subjects, facts.setting(result), result["machine"]["cpu"]]))
    return element(
        "section", element("h2", result["name"], summary.warnings(result), id=f"title-{place}"), element("p", result["about"]),
        *(element("p", words, class_="warning") for words in warnings), element("p", where, class_="facts"), _notes(result),
        element("div", *map(_picture, pictures.of(result, styles)), class_="pictures"),
        element("div", *_folded(result), class_="more"), id=f"result-{place}", aria_labelledby=f"title-{place}")
