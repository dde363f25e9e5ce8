"""One scenario of a report: what was measured, its pictures, the numbers behind them, and how to repeat it."""
from . import facts, pictures, ratios, summary, tables, units
from .markup import Markup, element, join
from .plot import Table


def _picture(picture):
    return element("figure", picture.svg, tables.folded("the numbers", tables.plain(picture.table)), class_="wide" if picture.wide else None)


def _figures(result):
    rows = [[f["subject"], units.metric(f["metric"]), units.conditions(f["conditions"]), join([units.quantity(f["value"], f["unit"]), summary.bound(f), summary.warnings(result)]),
             facts.interval_words(f, f["unit"]), f"{f['better']} is better", f["bound"], f["note"]] for f in result["figures"]]
    return Table(["subject", "figure", "conditions", "value", "interval", "", "bound by", "note"], rows)


def _checks(result):
    rows = [[c["name"], _with_unit(c["value"], c["unit"]), _with_unit(c["limit"], c["unit"]),
             element("span", "passed" if c["ok"] else "failed", class_="better" if c["ok"] else "worse"), c["about"]]
            for c in result["stability"]["checks"]]
    return Table(["check", "value", "limit", "", "of what"], rows)


def _with_unit(value, unit):
    words = tables.told(value)
    return words if unit in ("", "ratio") or isinstance(value, str) else f"{words}{units.THIN}{unit}"


def _repeat(result):
    """Everything needed to measure it again."""
    subjects = [(s["name"], join([f"{s['driver']} {s['version']}, configuration ", element("code", s["digest"][:16], title=s["digest"])]))
                for s in result["subjects"]]
    run = tables.facts([("command", element("code", result["command"])), ("started", result["started"]), ("took", f"{units.number(result['seconds'])} s"),
                        ("form", "short" if result["short"] else "full"), ("seed", str(result["seed"])),
                        ("scenario", element("code", result["digest"])), *subjects, *((f"version of {n}", v) for n, v in result["versions"].items())])
    machine = tables.facts((name.replace("_", " "), value) for name, value in result["machine"].items())
    return tables.folded("Machine, versions and how to repeat it", element("div", element("div", element("h3", "Run"), run),
                         element("div", element("h3", "Machine"), machine), class_="repeat"))


def _notes(result):
    notes = [element("li", note) for note in result["notes"]]
    return element("ul", *notes, class_="notes") if notes else Markup("")


def _folded(result):
    """What most readers skip, and nobody should have to miss."""
    if result["figures"]:
        yield tables.folded(f"All figures: {len(result['figures'])}", tables.plain(_figures(result)))
    if result["comparisons"]:
        yield tables.folded(f"All comparisons: {len(result['comparisons'])}", tables.plain(ratios.table(facts.Book(result), result["comparisons"])))
    failed = sum(not c["ok"] for c in result["stability"]["checks"])
    yield tables.folded(f"Stability of the testbed: {summary.counted(len(result['stability']['checks']), 'check')}, {failed} failed",
                        tables.plain(_checks(result)), opened=failed > 0)
    yield _repeat(result)


def section(result, place, styles):
    """The part of the page with the id result-<place>."""
    parts = [element("h2", result["name"], summary.warnings(result), id=f"title-{place}"), element("p", result["about"])]
    parts += [element("p", f"\u25b2 {caution}", class_="warning") for caution in facts.cautions(result)]
    if facts.bound_by_generator(result):
        parts.append(element("p", "\u25b2 Hollow marks are bound by the generator: what was measured may be better than they say.", class_="warning"))
    subjects = ", ".join(f"{s['name']} {s['version']}" for s in result["subjects"])
    parts.append(element("p", " · ".join(filter(None, [subjects, facts.setting(result), result["machine"]["cpu"]])), class_="facts"))
    parts.append(_notes(result))
    parts.append(element("div", *map(_picture, pictures.of(result, styles)), class_="pictures"))
    parts.append(element("div", *_folded(result), class_="more"))
    return element("section", *parts, id=f"result-{place}", aria_labelledby=f"title-{place}")
