"""Loss against load. Loss is drawn on a logarithmic scale, with a row of its own for no loss at all: 0 is no small number."""
from . import facts, units
from .plot import HOLLOW, Picture, Plot, Table
from .scales import Exact, Log

ZERO = 26   # pixels between the lowest loss and none


def pictures(result, styles):
    for place, curves in enumerate(facts.groups(result["curves"], lambda c: facts.key_of(c["conditions"])).values()):
        curves = [c for c in curves if c["points"]]
        if curves:
            yield _picture(result, styles, curves, f"{result['name']}-loss-{place}")


def _picture(result, styles, curves, name):
    unit, where = facts.rate_unit(result), units.conditions(curves[0]["conditions"])
    title = "Loss against load" + (f" · {where}" if where else "")
    points = [p for c in curves for p in c["points"]]
    legend = [("line", s, facts.short(s)) for s in facts.subjects_of(curves)]
    if any(p["bound"] == "generator" for p in points):
        legend.append(("hollow", None, HOLLOW))
    plot = Plot(name, title, facts.setting(result), facts.cautions(result), legend, styles, margins=(62, 24))
    divisor, label = units.scale(unit, max(p["sent"] for p in points))
    x = Exact(0, max(p["sent"] for p in points) / divisor, plot.left, plot.right - 8)
    lossy = [p["loss"] for p in points if p["loss"] > 0]
    y = Log(min(lossy, default=1e-3), 1, plot.bottom - ZERO, plot.top, tell=units.loss)
    plot.y_axis(y, "loss, share of what was sent")
    plot.put_line(plot.left, plot.bottom - ZERO / 2, plot.right, plot.bottom - ZERO / 2, "p-reference")
    plot.put_text(plot.left - 8, plot.bottom - 4, "no loss", anchor="end")
    plot.x_axis([(x(v), words) for v, words in x.ticks()], f"load that was really sent, {label}")
    for curve in curves:
        _draw(plot, curve, lambda p: (x(p["sent"] / divisor), y(p["loss"]) if p["loss"] > 0 else plot.bottom - 8), unit)
    rows = [[c["subject"], units.quantity(p["offered"], unit), units.quantity(p["sent"], unit), units.quantity(p["received"], unit),
             units.loss(p["loss"]), p["bound"]] for c in curves for p in c["points"]]
    description = "Loss of " + ", ".join(facts.subjects_of(curves)) + f" at {len(points)} loads; {sum(p['loss'] == 0 for p in points)} without loss."
    return Picture(name, title, plot.svg(description), Table(["subject", "asked", "sent", "received", "loss", "bound by"], rows))


def _draw(plot, curve, at, unit):
    points = sorted(curve["points"], key=lambda p: p["sent"])
    plot.put_path([at(p) for p in points], plot.stroke(curve["subject"]))
    for p in points:
        hover = f"{curve['subject']}: {units.loss(p['loss'])} of {units.quantity(p['sent'], unit)}"
        plot.put_mark(*at(p), curve["subject"], p["bound"] == "generator", hover)
