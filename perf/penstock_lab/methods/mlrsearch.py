"""Multiple Loss Ratio search: several goals (NDR, PDR, …) in one search (draft-ietf-bmwg-mlrsearch).

Every trial is kept by its load. For a goal a load is a lower bound, an upper bound or undecided (the draft's load classification):
trials may exceed the goal's loss ratio for a share `exceedRatio` of `sum` seconds. Short trials find the neighbourhood, and only
trials of the goal's own length confirm it. A goal is reached when its bounds are within `width` of each other; the figure is
the conditional throughput, as counted, and the best of it where several loads are lower bounds (a load a little higher may have lost
just so much that less came back). The whole search ends at `limit` seconds of trials: what is not narrowed by then says so.
"""
import dataclasses
import math

from .base import Method, must_offer
from .search import GENERATOR_TRIES

LOWER, UPPER, UNDECIDED = "lower", "upper", "undecided"


@dataclasses.dataclass(frozen=True)
class Goal:
    name: str
    loss_ratio: float
    exceed_ratio: float
    seconds: float       # of a trial that confirms
    sum: float           # of such trials' seconds
    width: float         # relative distance of the bounds at the end

    def shorter(self, seconds):
        """The same with short trials and wider bounds: where this goal's search begins."""
        return dataclasses.replace(self, seconds=min(seconds, self.seconds), sum=min(seconds, self.seconds), width=4 * self.width)


@dataclasses.dataclass(frozen=True)
class Tried:
    """A trial at some load: its length, the share it lost, what came back per second, and who fell short of the load
    (generator, device), if anybody did."""
    seconds: float
    loss: float
    rate: float
    short: str = ""


def classify(trials, goal):
    """What the trials at one load say of a goal (the draft's appendix A)."""
    def total(long, good):
        return math.fsum(t.seconds for t in trials if (t.seconds >= goal.seconds) == long and (t.loss <= goal.loss_ratio) == good)

    forgiven = total(False, True) * goal.exceed_ratio / (1 - goal.exceed_ratio)
    bad = total(True, False) + max(0.0, total(False, False) - forgiven)
    good = total(True, True)
    whole = max(good + bad, goal.sum)
    allowed = whole * goal.exceed_ratio
    if whole - good <= allowed:
        return LOWER
    return UNDECIDED if bad <= allowed else UPPER


def conditional_throughput(trials, goal):
    """What came back at one load in all but the exceeding share of time (appendix B); 0 when too little was measured to say."""
    long = sorted((t for t in trials if t.seconds >= goal.seconds), key=lambda t: t.loss)
    remaining = max(goal.sum, math.fsum(t.seconds for t in long)) * (1 - goal.exceed_ratio)
    for one in long:
        remaining -= one.seconds
        if remaining <= 1e-9:
            return one.rate
    return 0.0


class Search:
    """The trials so far and what to try next. measure(load, seconds) gives a Trial."""

    def __init__(self, measure, goals, most, least, initial_seconds, limit):
        self.measure, self.goals, self.most, self.least = measure, goals, most, least
        self.initial, self.limit, self.spent = initial_seconds, limit, 0.0
        self.loads, self.start = {}, most
        # Of the generator: the most it has offered, how often in a row it fell short without news, the load it cannot keep,
        # and whether that was because a port took no more.
        self.offered, self.short, self.ceiling, self.refusing = 0.0, 0, math.inf, False

    def run(self):
        first = self._offer(self.most, self.initial)
        if first:
            self.start = max(self.least, min(self.most, first.rate))
        for goal in self.goals:
            for phase, hints in ((goal.shorter(self.initial), None), (goal, goal.shorter(self.initial))):
                while (load := self.next_load(phase, hints)) is not None:
                    if self._offer(load, phase.seconds) is None:
                        return
        # Trials for a later goal may have moved the bounds of an earlier one.
        while (open_goals := [(goal, load) for goal in self.goals if (load := self.next_load(goal, None)) is not None]):
            if self._offer(open_goals[0][1], open_goals[0][0].seconds) is None:
                return

    def bounds(self, goal):
        """(highest lower bound below every upper bound, lowest upper bound); None where there is none."""
        lower = None
        for load in sorted(self.loads):
            kind = classify(self.loads[load], goal)
            if kind == UPPER:
                return lower, load
            if kind == LOWER:
                lower = load
        return lower, self.ceiling if self.ceiling < math.inf else None

    def reached(self, goal):
        lower, upper = self.bounds(goal)
        if lower is None:
            return upper is not None and upper <= self.least
        return lower >= self.most or (upper is not None and upper - lower <= goal.width * upper)

    def next_load(self, goal, hints):
        """What tells most about a goal; None when it is reached. `hints`: the goal whose bounds to confirm first."""
        if self.reached(goal):
            return None
        lower, upper = self.bounds(goal)
        low, high = lower or 0.0, upper or math.inf
        begun = [load for load, trials in self.loads.items() if low < load < high and
                 any(t.seconds >= goal.seconds for t in trials)]
        if begun:
            return max(begun)
        for hint in self.bounds(hints) if hints else ():
            if hint is not None and low < hint < high:
                return hint
        if lower is None and upper is None:
            return self.start
        if upper is None:
            return min(self.most, lower + 2 * self._step(lower, goal, -1))
        if lower is None:
            return max(self.least, upper - 2 * self._step(upper, goal, +1))
        return (lower + upper) / 2

    def best(self, goal):
        """(conditional throughput, its load), or None when no load is a lower bound."""
        lower, _ = self.bounds(goal)
        return max(((conditional_throughput(trials, goal), load) for load, trials in self.loads.items()
                    if lower is not None and load <= lower and classify(trials, goal) == LOWER), default=None)

    def _step(self, load, goal, side):
        """The distance to the next load known on that side, so that steps double; at least the width."""
        others = [abs(other - load) for other in self.loads if (other - load) * side > 0]
        return max(goal.width * load, min(min(others, default=0.0), load / 4))

    def _offer(self, load, seconds):
        """A trial into the books, under the load that was really offered. None when there is no time left."""
        if self.spent + seconds > self.limit:
            return None
        self.spent += seconds
        trial = must_offer(self.measure(load, seconds), "mlrsearch")
        offered = min(load, trial.load) if trial.generator_bound else load
        self._ask_generator(trial, load, offered)
        self.loads.setdefault(offered, []).append(Tried(seconds, trial.loss, trial.rate, trial.bound if trial.generator_bound else ""))
        return trial

    def _ask_generator(self, trial, load, offered):
        """A generator that falls short of a load is tried again (its core may have been taken away), but not for ever: what it
        does not keep, and has not come near before, is above its limit."""
        news = offered > self.offered
        self.short = self.short + 1 if trial.generator_bound and not news else 0
        if self.short and (load > self.offered * (1 + self.goals[0].width) or self.short >= GENERATOR_TRIES):
            self.ceiling, self.refusing = min(self.ceiling, load), trial.refused
        self.offered = max(self.offered, offered)


class Mlrsearch(Method):
    NAME = "mlrsearch"

    def __init__(self, fields):
        self.trial_seconds(fields, 1.0)
        self.initial = fields.number("initialSeconds", 0.01, 3600, min(0.25, self.seconds))
        self.most = fields.number("most", 1, 1e10, 1e8)
        self.least = fields.number("least", 1, 1e10, min(1000, self.most))
        self.limit = fields.number("limit", 1, 86400, 120)
        self.width = fields.number("width", 0.0001, 0.5, 0.005)
        goals = fields.items("goals", [{"name": "NDR", "lossRatio": 0}, {"name": "PDR", "lossRatio": 0.005}], most=10)
        self.goals = [self._goal(one) for one in goals]
        if not self.goals:
            fields.fault("goals", "must have at least one")
        if self.least > self.most:
            fields.fault("least", f"{self.least:g} is above most, {self.most:g}")

    def _goal(self, fields):
        goal = Goal(fields.text("name", r"\w{1,20}", about="a name of letters, digits and _"), fields.number("lossRatio", 0, 0.5),
                    fields.number("exceedRatio", 0, 0.9, 0.5), self.seconds, fields.number("sum", 0.01, 86400, self.seconds),
                    self.width)
        fields.done()
        return goal

    def expected(self):
        return self.limit

    def run(self, bench, book):
        search = Search(lambda load, seconds: self.trial(bench, load, seconds), self.goals, self.most, self.least, self.initial,
                        self.limit)
        search.run()
        for goal in self.goals:
            self._report(bench, book, search, goal)

    def _report(self, bench, book, search, goal):
        best, (lower, upper) = search.best(goal), search.bounds(goal)
        conditions = {"goal": goal.name, "loss_ratio": goal.loss_ratio, "trial_seconds": goal.seconds}
        if best is None and not search.reached(goal):
            book.note(f"{book.subject}: {goal.name}: no load was confirmed within {self.limit:g} s of trials")
            return
        bound = "generator" if upper is not None and upper >= search.ceiling else "unknown" if upper is None else "subject"
        short = [one.short for one in search.loads[best[1]] if one.short] if best is not None else []
        if short or bound == "generator":
            bound = "device" if search.refusing and "generator" not in short else "generator"
        note = ""
        if not search.reached(goal):
            note = f"not narrowed to {goal.width:g} within {self.limit:g} s of trials"
            bound = "unknown" if bound == "subject" else bound
        elif best is None:
            note = f"no load down to {self.least:g} {bench.unit} passed"
        elif lower >= self.most:
            note = "the search was not allowed higher"
        book.figure("throughput", bench.unit, "higher", best[0] if best else 0, bound, note, **conditions)
