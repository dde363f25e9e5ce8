"""A device in virtual time: what a generator would count of it. Seeded; no clock, so that a search of hours takes milliseconds."""
import random
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import trial  # noqa: E402
from penstock_lab.histogram import index_of  # noqa: E402


class FakeDevice:
    """`capacity`: packets per second that pass. `loss`: share lost at any load, at random. `line`: what the generator can send.
    `delay`: nanoseconds. `frozen`: from when and to when of a trial nothing passes. `drift`: share by which the capacity
    changes from trial to trial, at random. `buffer`: packets that pass beyond the capacity, in each trial."""

    def __init__(self, capacity=1e6, loss=0.0, line=1e9, delay=1000, frozen=(0.0, 0.0), drift=0.0, buffer=0, seed=1):
        self.capacity, self.loss, self.line, self.delay, self.frozen = capacity, loss, line, delay, frozen
        self.drift, self.buffer, self.random = drift, buffer, random.Random(seed)
        self.trials, self.seconds = [], 0.0

    def counts(self, load, seconds):
        """(sent, received) of a trial."""
        sent = round(min(load, self.line) * seconds)
        capacity = self.capacity * (1 + self.random.uniform(-self.drift, self.drift))
        stopped = max(0.0, min(self.frozen[1], seconds) - min(self.frozen[0], seconds))
        passed = min(sent - round(stopped / seconds * sent), int(capacity * seconds) + self.buffer)
        return sent, max(0, passed - self._lost(passed))

    def _lost(self, passed):
        """Binomial by its normal limit where it is wide, exactly where it is not."""
        expected = passed * self.loss
        if expected == 0:
            return 0
        if expected > 50:
            return max(0, round(self.random.gauss(expected, expected ** 0.5)))
        lost, at = 0, self.random.expovariate(self.loss)
        while at < passed:
            lost, at = lost + 1, at + self.random.expovariate(self.loss)
        return lost

    def event(self, load, seconds, number=1):
        """The `trial` event of a generator of packets."""
        sent, received = self.counts(load, seconds)
        self.trials.append((load, seconds, sent, received))
        self.seconds += seconds
        histogram = {"unit": "ns", "count": received, "sum": received * self.delay, "min": self.delay if received else 0,
                     "max": self.delay if received else 0, "counts": [[index_of(self.delay), received]] if received else []}
        bound = "generator" if sent < 0.999 * load * seconds - 1 else "none"
        return {"event": "trial", "id": number, "stopped": False, "asked": load, "sent": sent, "seconds": seconds, "clock": "virtual",
                "bound": bound, "ports": [{"name": "left", "sent": sent, "received": 0, "foreign": 0, "refused": 0}],
                "streams": [{"name": "s0", "sent": sent, "received": received, "lost": sent - received, "duplicated": 0, "reordered": 0,
                             "corrupted": 0, "strayed": 0, "bytes": 64 * sent, "latency": histogram}]}

    def requests_event(self, rate, seconds, number=1):
        """The `trial` event of a generator of requests: in open loop at `rate`, in closed loop as many as pass."""
        sent, good = self.counts(self.capacity if rate is None else rate, seconds)
        histogram = {"unit": "ns", "count": good, "sum": good * self.delay, "min": self.delay if good else 0, "max": self.delay if good else 0,
                     "counts": [[index_of(self.delay), good]] if good else []}
        return {"event": "trial", "id": number, "stopped": False, "seconds": seconds, "clock": "virtual", "bound": "none", "requests": good,
                "inTime": good, "bytes": 128 * good, "errors": {"timeout": sent - good}, "unsent": 0, "unanswered": 0, "connections": 1,
                "opened": 1, "held": 1, "latency": histogram}

    def trial(self, load, seconds):
        return trial.of_packets(self.event(load, seconds))


class FakeBench:
    """What a method gets in place of a Bench."""
    traffic, unit, latency_from, floor = "packets", "pps", "sent", None

    def __init__(self, device):
        self.device, self.changes = device, []

    def trial(self, load, seconds, drain=0.2, warmup=0, sample=0.1, connections=None, beside=None):
        now = 0.0
        while beside is not None and (wait := beside(now)) is not None:
            now += wait
        return self.device.trial(load, seconds)

    def change(self, kind, n):
        self.changes.append((kind, n))
