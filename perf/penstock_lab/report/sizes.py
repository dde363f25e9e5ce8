"""Throughput against frame size, beside the line's rate: frames a second, and the bits that they carry."""
from penstock_lab import line as line_of

from . import facts, units
from .plot import HOLLOW, Plot, Table
from .scales import Linear

BITS = ("bps", "bit/s")


def grouped(result):
    """Figures that were taken at several frame sizes: {(metric, other conditions): figures}."""
    def key(figure):
        others = {name: value for name, value in figure["conditions"].items() if name != "size"}
        return figure["metric"], figure["unit"], facts.key_of(others)
    sized = [figure for figure in facts.in_short(result["figures"]) if "size" in figure["conditions"]]
    return {k: items for k, items in facts.groups(sized, key).items() if len({str(i["conditions"]["size"]) for i in items}) > 1}


def pictures(result, styles):
    told_in_bits = any(unit in BITS for _, unit, _ in grouped(result))
    for place, ((metric, unit, _), items) in enumerate(grouped(result).items()):
        others = {name: value for name, value in items[0]["conditions"].items() if name != "size"}
        title = " · ".join([f"{units.metric(metric).capitalize()} by frame size", *filter(None, [units.conditions(others)])])
        name = f"{result['name']}-{facts.slug(metric)}-by-size" + (f"-{place}" if place else "")
        yield _picture(result, styles, items, name, title, unit, lambda value, size: value)
        if unit == "pps" and not told_in_bits and all(facts.is_size(i["conditions"]["size"]) for i in items):
            bits = title + ", bits of frames"
            yield _picture(result, styles, items, name + "-bits", bits, "bps", lambda value, size: value * size * 8)


def _picture(result, styles, items, name, title, unit, convert):
    sizes = sorted({i["conditions"]["size"] for i in items}, key=lambda s: (isinstance(s, str), s))
    rate = facts.line_rate(result) if unit in ("pps", *BITS) else None
    line = [(s, line_of.pps(rate, s) * (s * 8 if unit in BITS else 1)) for s in sizes if rate and facts.is_size(s)]
    subjects = facts.subjects_of(items)
    legend = [("line", s, facts.short(s)) for s in subjects]
    if any(i["bound"] == "generator" for i in items):
        legend.append(("hollow", None, HOLLOW))
    if any(i["interval"] for i in items):
        legend.append(("whisker", None, facts.level_words(result)))
    if line:
        legend.append(("reference", None, f"line rate, {units.plain(rate, 'bps')}"))
    plot = Plot(name, title, facts.setting(result, items), facts.cautions(result), legend, styles)
    ends = [convert(end, i["conditions"]["size"]) for i in items for end in [i["value"], *(i["interval"] or ())]]
    highest = max([*ends, *(value for _, value in line)])
    divisor, label = units.scale(unit, highest)
    y = Linear(highest / divisor or 1, plot.bottom, plot.top)
    step = (plot.right - plot.left) / len(sizes)
    columns = {size: plot.left + step * (place + 0.5) for place, size in enumerate(sizes)}
    plot.y_axis(y, label)
    plot.x_axis([(columns[size], str(size)) for size in sizes], "frame size, bytes with CRC")
    for size, value in line:   # a lid on its column: the line between two sizes means nothing
        middle, height = columns[size], y(value / divisor)
        plot.put_line(middle - step * 0.42, height, middle + step * 0.42, height, "p-reference")
    for place, subject in enumerate(subjects):
        shift = (place - (len(subjects) - 1) / 2) * min(7, step / (len(subjects) + 1))
        mine = sorted((i for i in items if i["subject"] == subject), key=lambda i: columns[i["conditions"]["size"]])
        _draw(plot, subject, mine, lambda s, shift=shift: columns[s] + shift, lambda v, s: y(convert(v, s) / divisor))
    return plot.picture(_describe(subjects, sizes, items), _table(items, subjects, line, unit, convert))


def _draw(plot, subject, items, x, y):
    at = [(x(i["conditions"]["size"]), y(i["value"], i["conditions"]["size"])) for i in items]
    plot.put_path(at, plot.stroke(subject))
    for item, (across, up) in zip(items, at):
        size = item["conditions"]["size"]
        if item["interval"]:
            low, high = item["interval"]
            plot.put_whisker(across, y(low, size), across, y(high, size), f"l thin {plot.styles.colour(subject)}")
        hover = f"{subject}, {size} bytes: {units.quantity(item['value'], item['unit'])} {facts.interval_words(item, item['unit'])}"
        plot.put_mark(across, up, subject, item["bound"] == "generator", hover)


def _describe(subjects, sizes, items):
    return (f"Lines of {', '.join(map(str, subjects))} over frames of {', '.join(map(str, sizes))} bytes; "
            f"{sum(i['bound'] == 'generator' for i in items)} of {len(items)} points are bound by the generator.")


def _table(items, subjects, line, unit, convert):
    rates = dict(line)
    rows = []
    for size in dict.fromkeys(i["conditions"]["size"] for i in items):
        for i in (i for i in items if i["conditions"]["size"] == size):
            value = convert(i["value"], size)
            share = units.share(value, rates[size]) if size in rates else ""
            rows.append([size, i["subject"], units.quantity(value, unit), share, i["bound"], i["note"]])
    return Table(["bytes", "subject", "figure", "of line rate", "bound by", "note"], rows)
