"""Loss against load. Loss is drawn on a logarithmic scale, with rows of its own for no loss at all: 0 is no small number."""
from . import facts, units
from .plot import HOLLOW, Plot, Table
from .scales import Exact, Log

ROW = 12   # of a subject, where nothing was lost


def pictures(result, styles):
    known = [curve for curve in result["curves"] if curve["points"]]
    for place, curves in enumerate(facts.groups(known, lambda c: facts.key_of(c["conditions"])).values()):
        yield _picture(result, styles, curves, f"{result['name']}-loss-{place}")


def _picture(result, styles, curves, name):
    unit, where, subjects = facts.rate_unit(result), units.conditions(curves[0]["conditions"]), facts.subjects_of(curves)
    title = "Loss against load" + (f" · {where}" if where else "")
    points = [p for c in curves for p in c["points"]]
    lossy, zeros = [p["loss"] for p in points if p["loss"] > 0], ROW * len(subjects) + 10
    legend = [("line", s, facts.short(s)) for s in subjects]
    if any(p["bound"] == "generator" for p in points):
        legend.append(("hollow", None, HOLLOW))
    plot = Plot(name, title, facts.setting(result), facts.cautions(result), legend, styles, margins=(62, 24),
                height=zeros + (210 if lossy else 0))
    divisor, label = units.scale(unit, max(p["sent"] for p in points))
    x = Exact(0, max(p["sent"] for p in points) / divisor, plot.left, plot.right - 8)
    plot.x_axis([(x(v), words) for v, words in x.ticks()], f"load that was really sent, {label}")
    y = _loss_axis(plot, lossy, plot.bottom - zeros)
    plot.put_text(plot.left - 8, plot.bottom - zeros / 2 + 8, "no loss", anchor="end")
    for curve in curves:
        none = plot.bottom - 8 - ROW * (len(subjects) - 1 - subjects.index(curve["subject"]))
        _draw(plot, curve, lambda p, none=none: (x(p["sent"] / divisor), y(p["loss"]) if p["loss"] > 0 else none), unit)
    description = f"Loss of {', '.join(subjects)} at {len(points)} loads; {len(points) - len(lossy)} without loss."
    return plot.picture(description, _table(curves, unit))


def _loss_axis(plot, lossy, bottom):
    """The scale above the rows of no loss; None when there is nothing to draw on it."""
    if not lossy:
        return None
    y = Log(min(lossy), 1, bottom, plot.top, tell=units.loss)
    plot.y_axis(y, "loss, share of what was sent")
    plot.put_line(plot.left, bottom + 4, plot.right, bottom + 4, "p-reference")
    return y


def _draw(plot, curve, at, unit):
    points = sorted(curve["points"], key=lambda p: p["sent"])
    plot.put_path([at(p) for p in points], plot.stroke(curve["subject"]))
    for p in points:
        hover = f"{curve['subject']}: {units.loss(p['loss'])} of {units.quantity(p['sent'], unit)}"
        plot.put_mark(*at(p), curve["subject"], p["bound"] == "generator", hover)


def _table(curves, unit):
    return Table(["subject", "asked", "sent", "received", "loss", "bound by"], [
        [c["subject"], units.quantity(p["offered"], unit), units.quantity(p["sent"], unit), units.quantity(p["received"], unit),
         units.loss(p["loss"]), p["bound"]] for c in curves for p in c["points"]])
