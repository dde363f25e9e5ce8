"""Where the cycles of a packet go: the stages of a device one after the other, each starting where the one before ended. What the
stages leave of all its cycles is the last bar, where it is known.
"""
from penstock_lab.book import REST

from . import facts, units
from .plot import WIDE, Plot, Table, fit, text_width
from .scales import Linear

ROW = 22


def pictures(result, styles):
    for place, entry in enumerate(e for e in result["stages"] if e["stages"]):
        yield _picture(result, styles, entry, f"{result['name']}-stages-{place}")


def _picture(result, styles, entry, name):
    subject, stages = entry["subject"], list(entry["stages"].items())
    total = sum(cycles for _, cycles in stages)
    title = " · ".join(filter(None, ["Cycles per packet", facts.short(subject), units.conditions(entry["conditions"])]))
    about = f"{len(stages) - 1} stages and the rest, {units.number(total)} cycles in all" if REST in entry["stages"] else \
        f"{units.number(total)} cycles in {len(stages)} stages; what is around them is left out"
    plot = Plot(name, title, about, facts.cautions(result), (), styles, width=WIDE, height=ROW * len(stages) + 8, margins=(190, 90))
    x = Linear(total or 1, plot.left, plot.right, most=8)
    plot.put_text(0, plot.top - 14, "stage", class_="p-quiet axis-label")
    plot.x_axis([(x(v), words) for v, words in x.ticks()], "cycles, one stage after the other", grid=True)
    before = 0.0
    for row, (stage, cycles) in enumerate(stages):
        y = plot.top + ROW * row + 4
        words = f"{units.number(cycles)} ({units.share(cycles, total, 2)})"
        plot.put_text(plot.left - 10, y + 13, fit(stage, plot.left - 14), class_="p-ink", anchor="end", hover=stage)
        width = max(x(before + cycles) - x(before), 1)
        plot.put("rect", x=f"{x(before):.1f}", y=f"{y:.1f}", width=f"{width:.1f}", height=ROW - 6, class_=f"{styles.colour(subject)} f")
        end = x(before + cycles) + 6
        if end + text_width(words) > plot.width:
            plot.put_text(x(before) - 6, y + 13, words, class_="p-quiet p-mono", anchor="end")
        else:
            plot.put_text(end, y + 13, words, class_="p-quiet p-mono")
        before += cycles
    description = f"{subject}: " + ", ".join(f"{stage} {units.number(cycles)}" for stage, cycles in stages)
    rows = [[stage, units.number(cycles), units.share(cycles, total)] for stage, cycles in stages]
    return plot.picture(description, Table(["stage", "cycles", "share"], rows))
