"""When a device had recovered, by the samples of a trial.

A gap in the numbers shows a loss only when something comes after it, so that of a device that is dead nothing is `lost`. Less came back
than was sent, though, and what never comes later is lost: from the end backwards, more than can be on its way.
"""
import statistics

BURST = 32      # packets that may be on their way at any load
CERTAIN = 10    # packets: where so many were due and none came, something stood still


def recovered(trial):
    """(seconds to the end of the last interval with loss, a note). 0 when nothing was lost; the whole trial when it did not recover."""
    counted = trial.offered / trial.sent if trial.sent else 0.0      # a sample has all that was sent, also streams without signature
    missing, last, way = 0.0, 0.0, _on_the_way(trial)
    for sample in reversed(trial.samples):
        missing += counted * sample.get("sent", 0) - sample.get("received", 0)
        if sample.get("lost") or missing > way:
            last = sample["t"]
            break
    sending = [sample for sample in trial.samples if sample.get("sent")]
    if not sending:
        return (trial.seconds, "no samples: when it recovered is not known") if trial.failed else (0.0, "")
    if last >= sending[-1]["t"] or not sending[-1].get("received"):
        return trial.seconds, f"it did not recover within {trial.seconds:.3g} s"
    return last, ""


def longest_silence(trial):
    """Seconds: the longest row of samples within the trial in which nothing came back; 0 when it is shorter than two samples, or than what
    sends so many that one would have come."""
    longest = since = 0.0
    for sample in trial.samples:
        now = min(sample["t"], trial.seconds)
        if sample.get("received"):
            since = now
        longest = max(longest, now - since)
    interval = trial.samples[0]["t"] if trial.samples else 0
    due = (trial.sent + trial.untaken) / trial.seconds if trial.seconds else 0
    return longest if longest > 2 * interval and longest * due > CERTAIN else 0.0


def _on_the_way(trial):
    """How much is between sending and receiving at any time: rate times usual delay (Little's law)."""
    delays = [sample["p99"] for sample in trial.samples if sample.get("received") and sample.get("p99")]
    return BURST + trial.load * statistics.median(delays) * 1e-9 if delays else BURST
