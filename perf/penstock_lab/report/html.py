"""The report as one HTML file, which needs nothing else to be read: no network, no script, no font.

`write(results, path)` takes results as penstock_lab.result.load gives them.
"""
import pathlib

from penstock_lab.result import write_whole

from . import summary, theme
from .markup import Markup, element, join
from .section import section

STYLE = pathlib.Path(__file__).resolve().parent / "page.css"
POLICY = "default-src 'none'; style-src 'unsafe-inline'"   # nothing is fetched, nothing runs

LEGEND = ("Ratios are device / peer of the same run; \u2193: lower is better; \u2264, \u2265 and ?: a figure of the ratio is bound by the "
          "generator. Numbers are cut, never rounded up. Other percentiles of latency are with their scenario.")
CLOSING = ("Latencies are percentiles of merged histograms, never averages of percentiles. Whiskers are confidence intervals over turns; "
           "faint strokes are single turns.")


def title(results):
    """What was measured where."""
    machines = {result["machine"]["cpu"] for result in results}
    where = machines.pop() if len(machines) == 1 else f"{len(machines)} kinds of machine"
    return results[0]["name"] if len(results) == 1 else f"{len(results)} scenarios on {where}"


def _head(results):
    style = f"{theme.variables()}\n{STYLE.read_text(encoding='utf-8')}\n{theme.style()}"
    return element("head", Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
                                  f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
                   element("title", f"{title(results)} · penstock-lab"), element("style", Markup(style)))


def _opening(results):
    started = sorted(r["started"][:10] for r in results)
    machines = dict.fromkeys(f"{m['cpu']}, {m['cores']} cores, Linux {m['kernel']}" for m in (r["machine"] for r in results))
    where = " · ".join([" to ".join(dict.fromkeys((started[0], started[-1]))), *machines])
    contents = [element("li", element("a", r["name"], href=f"#result-{place}")) for place, r in enumerate(results)]
    nav = element("nav", element("ol", *contents), aria_label="scenarios") if len(results) > 1 else ""
    return element("header", element("p", "penstock-lab report", class_="eyebrow"), element("h1", title(results)),
                   summary.verdict(results), element("p", where, class_="facts"), nav)


def page(results):
    """The whole document."""
    if not results:
        raise ValueError("a report needs at least one result")
    styles = theme.Styles(results)
    overview = element("section", element("h2", "Summary", id="summary"), summary.standing(results), summary.table(results),
                       element("p", LEGEND, class_="facts"), aria_labelledby="summary")
    sections = [section(result, place, styles) for place, result in enumerate(results)]
    footer = element("footer", CLOSING)
    body = element("body", element("main", _opening(results), overview, *sections, footer))
    return join([Markup('<!doctype html>\n<html lang="en">\n'), _head(results), "\n", body, Markup("\n</html>\n")])


def write(results, path):
    """The report of these results into the file."""
    write_whole(path, page(results).encode("utf-8"))
