"""Figures that belong to no frame size: a row for each subject under each condition, with every turn's sample behind the value."""
from . import facts, sizes, units
from .plot import HOLLOW, Plot, Table, fit
from .scales import Linear, Log, Rows

ROW = 26
LOGARITHMIC = 30   # from this ratio of largest to smallest on


def grouped(result):
    """{(metric, unit, better): figures} without what `sizes` draws."""
    drawn = {id(figure) for items in sizes.grouped(result).values() for figure in items}
    left = [figure for figure in facts.in_short(result["figures"]) if id(figure) not in drawn]
    return facts.groups(left, lambda f: (f["metric"], f["unit"], f["better"]))


def pictures(result, styles):
    for place, ((metric, unit, better), items) in enumerate(grouped(result).items()):
        yield _picture(result, styles, items, f"{result['name']}-{facts.slug(metric)}-{place}", metric, unit, better)


def _ends(item):
    return [item["value"], *item["samples"], *(item["interval"] or ())]


def _scale(items, divisor, plot):
    values = [value for item in items for value in _ends(item)]
    if min(values) > 0 and max(values) > LOGARITHMIC * min(values):
        return Log(min(values) / divisor, max(values) / divisor, plot.left, plot.right)
    if min(values) < 0:
        return Linear(max(max(values), 0) / divisor, plot.left, plot.right, low=min(values) / divisor)
    return Linear(max(values) / divisor or 1, plot.left, plot.right)


def _picture(result, styles, items, name, metric, unit, better):
    divisor, label = units.scale(unit, max(abs(value) for item in items for value in _ends(item)))
    title = f"{units.metric(metric).capitalize()} · {better} is better"
    legend = [("mark", s, facts.short(s)) for s in facts.subjects_of(items)]
    if any(i["interval"] for i in items):
        legend.append(("whisker", None, facts.level_words(result)))
    if any(i["bound"] == "generator" for i in items):
        legend.append(("hollow", None, HOLLOW))
    groups = facts.groups(items, lambda i: facts.key_of(i["conditions"]))
    count = len(items) + len(groups)
    plot = Plot(name, title, facts.setting(result, items), facts.cautions(result), legend, styles, height=ROW * count,
                margins=(128, 74))
    rows, x, row = Rows(count, plot.top - 12, plot.bottom), _scale(items, divisor, plot), 0
    plot.x_axis([(x(v), words) for v, words in x.ticks()], label if label and label != "ratio" else units.metric(metric), grid=True)
    for same in groups.values():
        plot.put_text(0, rows(row) + 8, fit(units.conditions(same[0]["conditions"]) or "all", plot.right), class_="p-ink")
        row += 1
        for item in same:
            words = units.number(units.divided(item["value"], divisor), keep=divisor != 1)
            _draw(plot, item, rows(row), lambda value: x(value / divisor), words)
            row += 1
    description = "; ".join(f"{i['subject']} {units.quantity(i['value'], unit)}" for i in items)
    table = Table(["subject", "conditions", "figure", "interval", "samples", "bound by", "note"], [
        [i["subject"], units.conditions(i["conditions"]), units.quantity(i["value"], unit), facts.interval_words(i, unit),
         ", ".join(units.quantity(v, unit) for v in i["samples"][:20]), i["bound"], i["note"]] for i in items])
    return plot.picture(description, table)


def _draw(plot, item, y, x, words):
    subject = item["subject"]
    plot.put_text(plot.left - 10, y + 4, fit(facts.short(subject), plot.left - 22), anchor="end")
    for sample in item["samples"]:
        plot.put_line(x(sample), y - 6, x(sample), y + 6, f"l thin faint {plot.styles.colour(subject)}")
    if item["interval"]:
        plot.put_whisker(x(item["interval"][0]), y, x(item["interval"][1]), y, f"l thin {plot.styles.colour(subject)}")
    hover = f"{subject}: {units.quantity(item['value'], item['unit'])}"
    plot.put_mark(x(item["value"]), y, subject, item["bound"] == "generator", hover)
    plot.put_text(plot.right + 10, y + 4, fit(words, plot.width - plot.right - 10), class_="p-ink p-mono")
