"""One run: every variant of a scenario, every subject in turns (A B A B …), one result.

Everything is ended in order whatever happens. When it is interrupted, or when something breaks, the result has what was measured so far
and is marked partial.
"""
import datetime
import time

from . import book, line, machine, scenario as scenarios, subjects
from .alone import alone
from .bench import Bench
from .errors import Interrupted, LabFault, NotThere, unforeseen
from .interruption import ignored, interruptible
from .laboratory import Lab, LabError
from .stability import Stability
from .subjects.base import SubjectError

ALONE_HERE = ("loop", "replay", "nic")     # wirings that have only a generator or only a subject on this machine


class Run:
    """run() once; it gives a result (schema/result-1.json), and `error` is what ended it early, or None."""

    def __init__(self, variants, whole, progress, command, short=False):
        self.variants, self.whole, self.progress = variants, whole, progress
        self.command, self.short = command, short
        self.error = None
        self._books, self._versions, self._stability = [], {}, Stability()

    def run(self, keep=None):
        """keep(result) is called when it is there, before any signal counts again. NotThere: something needed was missing before anything was
        measured."""
        started, clock = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
        first = self.variants[0]
        cores = sorted({*first.cores["generator"], *first.cores["subject"]})
        self._versions = {spec.name: _driver(spec).version() for spec in first.subjects}
        facts = machine.facts(first.cores)
        lab = Lab("perf")
        try:
            with interruptible():
                self.progress.step(f"stability check: what others do on cores {cores}, and the clock")
                self._stability.machine(cores)
                if first.wiring not in ALONE_HERE:
                    self._stability.apart(first.cores)
                self._measure(lab)
        except (LabFault, LabError, SubjectError, Interrupted) as error:
            self.error = error
        except Exception as error:   # a driver's command that took too long, a file that is gone
            self.error = unforeseen(error)
        finally:
            with ignored():
                self.progress.end()
                lab.close()
                self._stability.after_run(cores)
                self._stability.lines([words for group in self._books for one in group for words in one.impossible])
                result = self._result(started, time.monotonic() - clock, facts)
                if isinstance(self.error, NotThere) and not result["figures"]:
                    raise self.error
                if keep:
                    keep(result)
        return result

    def _measure(self, lab):
        self.progress.begin([one.method.expected() for one in self.variants for _ in range(one.turns * len(one.subjects))])
        if self.variants[0].traffic != "memory":
            self.progress.step("stability check: the generator alone")
            with alone(self.variants[0], lab) as generator:
                self._stability.generator_alone(generator, "requests/s" if self.variants[0].traffic == "requests" else "pps")
        for variant in self.variants:
            lines = line.read(variant.resolved) if variant.traffic == "packets" else None
            books = [book.Book(spec.name, variant.conditions, lines) for spec in variant.subjects]
            self._books.append(books)
            for _ in range(variant.turns):
                for spec, one in zip(variant.subjects, books):
                    self._turn(variant, spec, one, lab)

    def _turn(self, variant, spec, one, lab):
        conditions = " ".join(f"{name}={value}" for name, value in variant.conditions.items())
        self.progress.turn(" ".join(filter(None, (variant.name, conditions, one.subject))))
        one.begin_turn()
        with Bench(variant, _driver(spec), lab, self.progress, self._stability.floor, spec.background) as bench:
            try:
                variant.method.run(bench, one)
            finally:
                bench.tell(one)
        self.progress.turn_done()

    def _result(self, started, seconds, facts):
        first = self.variants[0]
        books = [one for group in self._books for one in group]
        compared = [made for group in self._books for peer in group[1:] for made in book.comparisons(group[0], peer, first.seed)]
        notes = list(dict.fromkeys(text for one in books for text in one.notes))
        if self.error is not None:
            notes.append("interrupted" if isinstance(self.error, Interrupted) else f"ended early: {self.error}")
        return {
            "schema": "penstock-lab/1", "name": first.name, "about": first.about,
            "started": started.isoformat(timespec="seconds").replace("+00:00", "Z"), "seconds": round(seconds, 3),
            "partial": self.error is not None, "short": self.short, "command": self.command, "seed": first.seed,
            "scenario": self.whole, "digest": scenarios.digest(self.whole), "machine": facts,
            "versions": {**machine.versions(), **self._versions}, "stability": self._stability.to_json(),
            "subjects": [{"name": spec.name, "driver": spec.driver, "version": self._versions[spec.name], "config": spec.config,
                          "digest": scenarios.digest(spec.config)} for spec in first.subjects],
            "figures": [figure for one in books for figure in one.figures_of_result(first.seed)], "comparisons": compared,
            "curves": [made for one in books for made in one.curves],
            "latencies": [made for one in books for made in one.latencies_of_result()],
            "series": [made for one in books for made in one.series], "stages": [made for one in books for made in one.stages_of_result()],
            "notes": notes}


def _driver(spec):
    """A new one: a subject is started once."""
    return subjects.driver(spec.driver)(spec.config)
