"""The highest load that passes, by halves (RFC 2544 §26.1), for a generator that may not keep the load it was asked for.

What is believed of a trial is what it counted: a trial of 10 Mpps of which 9.7 were sent speaks of 9.7. When the generator cannot
go higher, the search ends there and says that the limit is the generator's.
"""
import dataclasses
import math


GENERATOR_TRIES = 3      # that fall short in a row, before the load is taken for the generator's limit


@dataclasses.dataclass(frozen=True)
class Found:
    """`trial`: the one with the highest load that passed; None when none did. `bound`: subject | generator | device (a port
    took no more) | unknown, and then `note` says why."""
    trial: object
    bound: str
    note: str = ""


def most_trials(most, least, resolution):
    """highest_load() makes no more than these."""
    return 2 + GENERATOR_TRIES * math.ceil(math.log2(most / least) + math.log2(1 / resolution) + 2)


def usual_trials(resolution):
    """That highest_load() takes where the first overload tells about where to look."""
    return 4 + math.ceil(math.log2(1 / resolution))


def highest_load(measure, passes, most, least, resolution):
    """measure(load) gives a Trial, passes(trial) a yes or no. Loads from `least` to `most`; ends when the lowest load that failed
    is within `resolution` (a share) of the highest that passed, or when there is no other load between them: in a short trial one
    packet more or less is a larger step."""
    trial = measure(most)
    for _ in range(GENERATOR_TRIES - 1):
        if passes(trial) and trial.generator_bound:
            again = measure(most)
            trial = max(trial, again, key=lambda one: one.load) if passes(again) else again
    if passes(trial):
        return Found(trial, trial.bound) if trial.generator_bound else Found(trial, "unknown", "the search was not allowed higher")
    lower, upper, best, bound = 0.0, min(most, trial.load), None, "subject"
    # An overloaded device often still does what it can: begin there, and go away from it in steps that double.
    load, step, short = trial.rate, resolution, 0
    for _ in range(most_trials(most, least, resolution) - GENERATOR_TRIES):
        if upper <= least or upper - lower <= max(resolution * upper, (1 + 1e-6) / trial.seconds):
            break
        load = max(least, load if lower < load < upper else (lower + upper) / 2)
        trial = measure(load)
        offered, passed = min(load, trial.load), passes(trial)
        short = short + 1 if trial.generator_bound and offered <= lower * (1 + resolution) else 0
        if 0 < short < GENERATOR_TRIES:
            continue                            # tells nothing new: its core may have been taken away
        if short:
            upper, bound, short = load, trial.bound, 0
        elif passed and offered <= lower:
            break                               # as many were sent as in the best one: nothing lies between
        elif passed:
            lower, best = offered, trial
        else:
            upper, bound = min(upper, offered), "subject"
        if load <= least and not passed:
            break
        step *= 2
        load = min((lower + upper) / 2, lower * (1 + step)) if best else max(upper / 2, upper * (1 - step))
    else:
        bound = "unknown"
    if best is None:
        return Found(None, "subject")
    bound = best.bound if best.generator_bound else bound
    return Found(best, bound, f"not narrowed to {resolution:g}" if bound == "unknown" else "")
