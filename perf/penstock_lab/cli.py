"""The command `penstock-lab`. Exit codes: 0 done, 1 a gate failed or a comparison is worse beyond noise, 2 wrong input, 3 something
needed is missing, 4 the run broke, 5 a gate could not judge, 130 interrupted.
"""
import argparse
import json
import math
import shlex

from . import check, compare, document, result as results, scenario, smp
from .console import complain, say
from .errors import Interrupted, LabFault, WrongInput, unforeseen
from .generators import ROOT
from .progress import Progress, quantity

UNDECIDED = 5
SCENARIOS = ROOT / "perf" / "scenarios"


def main(words):
    options = _parser().parse_args(words)
    try:
        return options.act(options, words)
    except (LabFault, results.ResultError) as fault:
        complain(fault)
        return getattr(fault, "code", WrongInput.code)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else error)
        return WrongInput.code
    except KeyboardInterrupt:   # outside of a run: nothing was started
        return Interrupted.code
    except Exception as error:
        fault = unforeseen(error)
        complain(f"penstock-lab: {fault}")
        return fault.code


def _parser():
    parser = argparse.ArgumentParser(prog="penstock-lab", description="Measures a device under test and says how far the figures can "
                                     "be trusted.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="measure a scenario", allow_abbrev=False)
    _scenario_options(run)
    run.add_argument("--json", metavar="FILE", help="write the result there")
    run.add_argument("--fail-below", type=_ratio, metavar="RATIO", help="exit 1 when the device has less than RATIO of a peer's, 5 when that cannot be judged")
    run.set_defaults(act=_run)
    checked = commands.add_parser("check", help="say what is wrong with a scenario, and run nothing", allow_abbrev=False)
    _scenario_options(checked)
    checked.set_defaults(act=_check)
    compared = commands.add_parser("compare", help="say what changed from one result to another, and whether beyond noise",
                                   allow_abbrev=False)
    compared.add_argument("before", metavar="A.json")
    compared.add_argument("after", metavar="B.json")
    compared.add_argument("--json", metavar="FILE", help="write the comparison there")
    compared.add_argument("--fail-below", type=_ratio, metavar="RATIO", help="exit 1 below this ratio, and not for less; 5 when that cannot be judged")
    compared.set_defaults(act=_compare)
    report = commands.add_parser("report", help="make an HTML report, pictures or SMP messages of results", allow_abbrev=False)
    report.add_argument("results", nargs="+", metavar="RESULT.json")
    report.add_argument("--html", metavar="FILE")
    report.add_argument("--pictures", metavar="DIRECTORY", help="SVG and PNG of every plot")
    report.add_argument("--markdown", metavar="FILE")
    report.add_argument("--rows", metavar="FILE", help="named figures and their peers, as one flat list in JSON")
    report.add_argument("--smp", metavar="FILE", help="messages of Service Mesh Performance, as JSON")
    report.add_argument("--smp-binary", metavar="DIRECTORY", help="the same messages in protobuf's binary form, a file for each")
    report.set_defaults(act=_report)
    listed = commands.add_parser("list", help="the scenarios that are kept here", allow_abbrev=False)
    listed.set_defaults(act=_list)
    return parser


def _scenario_options(parser):
    parser.add_argument("scenario", metavar="SCENARIO.yaml")
    parser.add_argument("--short", action="store_true", help="merge the scenario's `short` over it: under a minute")
    parser.add_argument("--seed", type=int, metavar="N")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="a field, such as method.seconds=5")


def _ratio(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _load(options):
    variants, whole = scenario.load(options.scenario, options.short, options.set, options.seed)
    check.check(options.scenario, variants)
    return variants, whole


def _check(options, _words):
    variants, _ = _load(options)
    say(f"{options.scenario}: {len(variants)} variant{'s' if len(variants) != 1 else ''}, nothing wrong")
    return 0


def _run(options, words):
    if options.json:
        try:
            results.writable(options.json)
        except OSError as error:
            raise WrongInput(f"--json {options.json}: {error.strerror}") from None
    variants, whole = _load(options)
    from .run import Run    # brings the rig with it, which the other commands need not wait for
    unwritten = []

    def keep(result):
        """A disk may have become full since it was tried: the figures are still told."""
        try:
            results.write(options.json, result)
        except (OSError, results.ResultError) as error:
            unwritten.append(error)

    run = Run(variants, whole, Progress(), shlex.join(["penstock-lab", *words]), options.short)
    result = run.run(keep if options.json else None)
    say("\n".join(summary(result)))
    if run.error is not None:
        complain(f"{options.scenario}: {'interrupted' if isinstance(run.error, Interrupted) else run.error}: the result is partial")
    if unwritten:
        raise unwritten[0]
    if run.error is not None:
        return getattr(run.error, "code", 4)
    return _gate(options.fail_below, compare.of_run(result), [f"the result {doubt}" for doubt in compare.doubts(result)])


def _gate(ratio, rows, doubts):
    """`doubts`: why no row can be judged. What is below fails all the same."""
    if ratio is None:
        return 0
    if not rows:
        complain(f"--fail-below {ratio:g}: there is nothing to compare")
        return 1
    failed = compare.below(ratio, rows)
    for row in failed:
        better = "is gone" if row["verdict"] == "gone" else "is worse, and one of its figures zero" if row["ratio"] is None else \
            f"has {compare.normalised(row['ratio'], row['better']):.3f}"
        complain(f"--fail-below {ratio:g}: {row['metric']} {row['conditions']} {better}")
    unjudged = [*doubts, *(f"{row['metric']} {row['conditions']}: {reason}" for row, reason in compare.undecided(rows))]
    for reason in unjudged:
        complain(f"--fail-below {ratio:g}: cannot judge: {reason}")
    return 1 if failed else UNDECIDED if unjudged else 0


def summary(result):
    """The figures of a result as lines of text."""
    lines = []
    for one in result["figures"]:
        conditions = " ".join(f"{name}={value}" for name, value in one["conditions"].items())
        interval = " to ".join(quantity(edge, one["unit"]) for edge in one["interval"] or ())
        lines.append((one["subject"], one["metric"], conditions, quantity(one["value"], one["unit"]), interval,
                      results.BOUNDS[one["bound"]], one["note"]))
    text = [f"{result['name']}: {result['about']}" + ("  PARTIAL" if result["partial"] else "")]
    text += compare.columns(("subject", "metric", "conditions", "value", "interval", "bound", "note"), lines) if lines else []
    for one in compare.of_run(result):
        interval = f" [{one['interval'][0]:.3f}, {one['interval'][1]:.3f}]" if one["interval"] else ""
        conditions = " ".join(f"{name}={value}" for name, value in one["conditions"].items())
        ratio = "none" if one["ratio"] is None else f"{one['ratio']:.3f}"
        text.append(f"{one['metric']} {conditions}: {one['device']} / {one['peer']} = {ratio}{interval}: "
                    f"{', '.join(filter(None, (one['verdict'], results.BOUNDS[one['bound']])))}")
    text += [f"note: {note}" for note in result["notes"]]
    stable = result["stability"]
    text.append("trusted" if stable["trusted"] else "NOT TRUSTED: " + "; ".join(stable["reasons"]))
    return text


def _compare(options, _words):
    before, after = results.load(options.before), results.load(options.after)
    rows, warnings = compare.compare(before, after)
    if options.json:
        _write_json(options.json, {"before": options.before, "after": options.after, "rows": rows, "notes": warnings})
    say("\n".join([*compare.table(rows), *(f"note: {warning}" for warning in warnings)]))
    if not compare.common(rows):
        complain("compare: the results have no figure in common")
        return 1
    if options.fail_below is not None:
        return _gate(options.fail_below, rows, [f"{path} {doubt}" for path, one in ((options.before, before), (options.after, after))
                                                for doubt in compare.doubts(one)])
    return 1 if any(row["verdict"] in ("worse", "gone") for row in rows) else 0


def _report(options, _words):
    if not (options.html or options.pictures or options.markdown or options.rows or options.smp or options.smp_binary):
        raise WrongInput("report: name at least one of --html, --pictures, --markdown, --rows, --smp, --smp-binary")
    loaded = [results.load(path) for path in options.results]
    if options.html:
        from .report import html
        html.write(loaded, options.html)
    if options.pictures:
        from .report import pictures
        pictures.write(loaded, options.pictures)
    if options.markdown:
        from .report import markdown
        markdown.write(loaded, options.markdown)
    if options.rows:
        from .report import rows
        rows.write(loaded, options.rows)
    if options.smp:
        _write_json(options.smp, [smp.document(one) for one in loaded])
    if options.smp_binary:
        from . import smp_binary
        smp_binary.write(loaded, options.smp_binary)
    return 0


def _list(_options, _words):
    lines = [(path.name, document.read(path).get("about", "")) for path in sorted(SCENARIOS.glob("*.yaml"))]
    say("\n".join(compare.columns(("scenario", "about"), lines)))
    return 0


def _write_json(path, value):
    results.write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
