"""Results as a page of Markdown, to be kept beside the sources: perf/RESULTS.md.

`write(results, path)`: figures and ratios of each scenario with date, machine and command; first of all, what is not to be trusted
and where the device is behind its peers.
"""
import math
import re

from penstock_lab.result import BOUNDS, write_whole

from . import facts, summary, units
from .markup import UNFIT

# What means something anywhere; an underscore at the edge of a word; an address; what means something at the start of a line.
SPECIAL = re.compile(r"([\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|^[-+#=]|(?<=^\d)[.)]|(?<=^\d\d)[.)])")


def text(value):
    """A stranger's words, on one line and without meaning for Markdown."""
    return SPECIAL.sub(r"\\\1", " ".join(UNFIT.sub("\ufffd", str(value)).split()))


def code(value):
    """As code, whatever quotes are in it."""
    words = " ".join(UNFIT.sub("\ufffd", str(value)).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    return f"{fence} {words} {fence}" if "`" in words else f"`{words}`"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def _warnings(figure, result):
    words = [BOUNDS[figure["bound"]]] if figure and BOUNDS[figure["bound"]] else []
    words += [] if result["stability"]["trusted"] else ["not trusted"]
    return "".join(f" ({word})" for word in words + (["partial"] if result["partial"] else []))


def _figure(figure, result):
    return "" if figure is None else text(units.quantity(figure["value"], figure["unit"])) + _warnings(figure, result)


def _ratio(book, comparison):
    return f"{book.ratio(comparison)} {facts.interval_words(comparison)}".strip()


def _rows(result):
    """A row for each comparison, and for each figure that is in none."""
    book, told = facts.Book(result), set()
    for c in result["comparisons"]:
        at = (c["metric"], facts.key_of(c["conditions"]))
        mine, peer = book.pair(c)
        told |= {(c["device"], *at), (c["peer"], *at)}
        yield row([text(facts.what(c)), f"{text(c['device'])}: {_figure(mine, result)}", f"{text(c['peer'])}: {_figure(peer, result)}",
                   _ratio(book, c), c["verdict"]])
    for key, figure in book.figures.items():
        if key not in told:
            yield row([text(facts.what(figure)), f"{text(figure['subject'])}: {_figure(figure, result)}", "", "", ""])


def _scenario(result):
    yield f"## {text(result['name'])}"
    yield text(result["about"])
    machine, form = result["machine"], "short" if result["short"] else "full"
    subjects = ", ".join(f"{s['name']} {s['version']}" for s in result["subjects"])
    yield (f"{result['started'][:10]}, {text(machine['cpu'])}, {machine['cores']} cores, Linux {text(machine['kernel'])}; "
           f"{text(subjects)}; seed {result['seed']}, {form} form. {code(result['command'])}")
    yield from (f"**{text(caution)}.**" for caution in facts.cautions(result))
    rows = list(_rows(result))
    if rows:
        yield "\n".join([row(["figure", "device", "peer", "ratio", "verdict"]), row(["---"] * 5), *rows])
    notes = [*result["notes"], *(f"{f['subject']}, {units.metric(f['metric'])}: {f['note']}" for f in result["figures"] if f["note"])]
    if notes:
        yield "\n".join(f"- {text(note)}" for note in dict.fromkeys(notes))


def _behind(results):
    """Where the device loses, the worst first."""
    def distance(pair):
        ratio = pair[1]["ratio"]
        return max(ratio, 1 / ratio) if ratio is not None else math.inf     # one of them is zero
    lost = sorted(((r, c) for r in results for c in r["comparisons"] if c["verdict"] == "worse"), key=distance, reverse=True)
    for result, c in lost:
        yield f"- {text(result['name'])}: {text(facts.what(c))}: {_ratio(facts.Book(result), c)} of {text(c['peer'])}"


def page(results):
    if not results:
        raise ValueError("a report needs at least one result")
    behind, careful = list(_behind(results)), [f"- {text(r['name'])}: {text(c)}" for r in results for c in facts.cautions(r)]
    parts = ["# Results of the performance lab",
             "Written by `penstock-lab`. Ratios are device / peer of the same run, with their confidence interval; numbers are cut, never "
             "rounded up. *Generator-bound*: the generator could do no more, the device perhaps. *Device-bound*: a port took no more. "
             "*Limit not found*: the search was not allowed higher, or not narrowed."]
    if careful:
        parts += [f"**{summary.counted(len(careful), 'warning')}: read these results with care.**", "\n".join(careful)]
    verdicts = [c["verdict"] for r in results for c in r["comparisons"]]
    parts.append(f"{summary.counted(len(verdicts), 'comparison')} with peers: "
                 + ", ".join(f"{verdicts.count(kind)} {kind}" for kind in ("better", "worse", "same", "unclear")) + ".")
    if behind:
        parts += ["## Behind its peers", "\n".join(behind)]
    return "\n\n".join([*parts, *(part for result in results for part in _scenario(result))]) + "\n"


def write(results, path):
    """The page of these results into the file."""
    write_whole(path, page(results).encode("utf-8"))
