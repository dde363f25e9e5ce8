"""Two results: what changed, beyond noise or not; and the gates of a CI.

Absolute figures of two runs hold the difference of two days as well. Where both results compare the device with a peer of their own run,
the ratios are compared instead: what the day did to both is gone from them.
"""
from . import book, stats
from .progress import quantity
from .result import BOUNDS


def compare(before, after, seed=1):
    """A row for each figure of both results: {subject, metric, unit, conditions, better, before, after, ratio, interval, method,
    bound, verdict}; ratio is after / before, None with a figure of zero. What only `before` has is `gone`, and its `after` None. Then, as
    texts, what speaks against comparing."""
    relative = _relative(before, after)
    replaced = {_key({**row, "subject": subject}) for row in relative for subject in row["subjects"]}
    rows = [_row({name: row[name] for name in ("metric", "conditions", "better")} | {"subject": " / ".join(row["subjects"]),
                 "unit": "ratio"}, row["before"], row["after"], row["bounds"], seed) for row in relative]
    known = {_key(figure): figure for figure in before["figures"]}
    for figure in after["figures"]:
        old = known.get(_key(figure))
        if old is not None and _key(figure) not in replaced:
            rows.append(_row(figure, old["samples"], figure["samples"], (figure["bound"], old["bound"]), seed))
    left = {_key(figure) for figure in after["figures"]}
    rows += [_gone(figure) for key, figure in known.items() if key not in left and not _thin(figure)]
    return rows, list(_warnings(before, after))


def common(rows):
    """The rows of figures that both results have."""
    return [row for row in rows if row["verdict"] != "gone"]


def normalised(ratio, better):
    """A ratio of which more is better."""
    return ratio if better == "higher" else 1 / ratio


def below(gate, rows):
    """The rows that fail a gate: worse than `gate` times what they are compared with, or worse without a ratio, or gone."""
    return [row for row in rows if (row["verdict"] in ("worse", "gone") if row["ratio"] is None else
                                    normalised(row["ratio"], row["better"]) < gate)]


def undecided(rows):
    """(row, reason) of those that no gate can judge: neither worse nor good enough can be said of them. Without an interval, for want of
    turns, the ratio alone is judged: the gate is of the ratio."""
    for row in rows:
        if row["verdict"] == "unclear" and (reason := book.against(row["method"]) or row["ratio"] is None and "zero in some turns"):
            yield row, reason


def doubts(result):
    """Why nothing can be judged by a result."""
    if not result["stability"]["trusted"]:
        yield f"is not trusted: {'; '.join(result['stability']['reasons'])}"
    if result["partial"]:
        yield "is partial"


def of_run(result):
    """The comparisons of one result as rows: device against peer; `bound`: the worse of their figures'."""
    figures, rows = {_key(figure): figure for figure in result["figures"]}, []
    for made in result["comparisons"]:
        device, peer = (figures[_key({**made, "subject": made[role]})] for role in ("device", "peer"))
        rows.append({**made, "better": device["better"], "bound": book.worst_bound([device["bound"], peer["bound"]])})
    return rows


def table(rows):
    """Lines of text: one for each row of compare()."""
    if not rows:
        return ["nothing is in both results"]
    lines = []
    for row in rows:
        conditions = " ".join(f"{name}={value}" for name, value in row["conditions"].items())
        interval = f" [{row['interval'][0]:.3f}, {row['interval'][1]:.3f}]" if row["interval"] else ""
        ratio = f"{row['ratio']:.3f}{interval}" if row["ratio"] is not None else "-"
        now = quantity(row["after"], row["unit"]) if row["after"] is not None else "-"
        lines.append((row["subject"], row["metric"], conditions, quantity(row["before"], row["unit"]), now, ratio, row["verdict"],
                      BOUNDS[row["bound"]]))
    return columns(("subject", "metric", "conditions", "before", "after", "ratio", "verdict", "bound"), lines)


def columns(head, lines):
    """Text in columns as wide as their widest word."""
    lines = [head, *[tuple(map(str, line)) for line in lines]]
    widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
    return ["  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines]


def _row(figure, before, after, bounds, seed):
    """`bounds`: of the figure after, and before."""
    ratio, interval, method = stats.ratio_of_medians(after, before, seed)
    verdict = stats.verdict(ratio, interval, figure["better"]) if ratio is not None else \
        stats.verdict_of_zero(after, before, figure["better"])
    if against := book.no_verdict(verdict, *bounds):
        verdict, method = "unclear", f"{method}; {against}"
    return {**_named(figure), "before": stats.median(before), "after": stats.median(after), "ratio": ratio, "interval": interval,
            "method": method, "bound": book.worst_bound(bounds), "verdict": verdict}


def _gone(figure):
    return {**_named(figure), "before": figure["value"], "after": None, "ratio": None, "interval": None, "bound": figure["bound"],
            "method": "none: the second result does not have it", "verdict": "gone"}


def _named(figure):
    return {name: figure[name] for name in ("subject", "metric", "unit", "conditions", "better")}


def _thin(figure):
    """A percentile that fewer values cannot carry is not gone; latencies are when their maximum is."""
    return figure["metric"].startswith("latency_") and figure["metric"] != "latency_max"


def _relative(before, after):
    """The device's figures over its peer's, turn by turn, where both results have them: `before` and `after` are samples."""
    old, new = _paired(before), _paired(after)
    return [{**new[key], "before": old[key]["samples"], "after": new[key]["samples"],
             "bounds": (new[key]["bound"], old[key]["bound"])} for key in new if key in old]


def _paired(result):
    figures = {_key(figure): figure for figure in result["figures"]}
    found = {}
    for one in result["comparisons"]:
        device, peer = (figures[_key({**one, "subject": one[role]})] for role in ("device", "peer"))
        pairs = list(zip(device["samples"], peer["samples"]))
        whole = one["pairs"] == len(device["samples"]) == len(peer["samples"])      # else samples of different turns stand side by side
        if whole and all(b > 0 for _, b in pairs):
            found[_key({**one, "subject": f"{one['device']} / {one['peer']}"})] = {
                **device, "subjects": (one["device"], one["peer"]), "samples": [a / b for a, b in pairs],
                "bound": "generator" if "generator" in (device["bound"], peer["bound"]) else "subject"}
    return found


def _key(figure):
    return (figure["subject"], figure["metric"], figure["unit"], *sorted((name, str(v)) for name, v in figure["conditions"].items()))


def _warnings(before, after):
    for name, one in (("the first", before), ("the second", after)):
        yield from (f"{name} result {doubt}" for doubt in doubts(one))
    if before["digest"] != after["digest"]:
        yield "the scenarios differ"
    for fact in ("cpu", "cores", "kernel"):
        if before["machine"].get(fact) != after["machine"].get(fact):
            yield f"{fact} differs: {before['machine'].get(fact)} and {after['machine'].get(fact)}"
