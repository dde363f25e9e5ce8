"""What one trial counted, read from a generator's event and checked: a generator that miscounts is broken, not believed.

Loads are per second: packets for `traffic: packets`, requests for `traffic: requests`. A Trial never says more than was
counted: its load is what was sent, not what was asked, and its rate is what came back whole.
"""
import dataclasses

from .errors import Broken
from .histogram import Histogram

BOUNDS = ("none", "subject", "generator")


@dataclasses.dataclass(frozen=True)
class Stream:
    """`received`: came back whole, at the right port, counted once; all else that was sent is lost. None: the stream has no
    signature, and nobody knows. `bytes`: of what was sent."""
    name: str
    sent: int
    received: int | None
    bytes: int
    latency: Histogram
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    strayed: int = 0

    @property
    def counted(self):
        return self.received is not None


@dataclasses.dataclass(frozen=True)
class Trial:
    """`sent`: packets, or requests that were due. `offered`: those of them of which it was counted what became of them.
    `failed`: those of these that are not `good`. `seconds` is 0 when it was stopped before anything counted."""
    seconds: float
    sent: int
    offered: int
    failed: int
    bytes: float                   # of good packets' frames (a stream's lost ones are taken to be like the others), or of good bodies in time
    stopped: bool
    generator_bound: bool          # the load that was asked for was not kept …
    clock: str
    latency: Histogram
    refused: bool = False          # … because a port took no more: on shared memory it is the subject that does not empty it
    untaken: int = 0               # due, and not among `sent`, because a port took no more
    missed: int = 0                # came back, but the generator had no room for it
    silent: bool = False           # nothing at all came back of what was sent, not even something wrong
    in_time: int | None = None     # good requests whose answers came within `seconds`; None: all that is good
    streams: tuple = ()
    errors: dict = dataclasses.field(default_factory=dict)     # requests that failed, by reason
    connections: int = 0
    opened: int = 0
    samples: tuple = ()

    @property
    def bound(self):
        """Who set the limit, as figures say it: the port (device), the generator, or the subject, which is it also where it was asked for
        less than the generator should have sent, and answered nothing."""
        if not self.generator_bound or self.silent and not self.refused:
            return "subject"
        return "device" if self.refused else "generator"

    @property
    def good(self):
        return self.offered - self.failed

    @property
    def load(self):
        """Sent per second."""
        return self.sent / self.seconds if self.seconds else 0.0

    @property
    def rate(self):
        """Good per second: what came after the time was over is good, but was not done in it."""
        done = self.good if self.in_time is None else self.in_time
        return done / self.seconds if self.seconds else 0.0

    @property
    def reasons(self):
        """Why requests failed, as a text; empty when none did."""
        return ", ".join(f"{name} {count}" for name, count in self.errors.items() if count)

    @property
    def loss(self):
        """Share of what was offered that failed; all of it when nothing was offered."""
        return self.failed / self.offered if self.offered else 1.0

    @property
    def blocked(self):
        """Seconds for which the device might as well have been off: what failed, or was not taken, over what was to be offered per second."""
        untaken = self.untaken * (self.offered / self.sent if self.sent else 1)      # of the streams that are counted
        due = self.offered + untaken
        return (self.failed + untaken) / due * self.seconds if due else self.seconds


def of_packets(event, samples=()):
    streams = tuple(_stream(one, index) for index, one in enumerate(_list(event, "streams")))
    counted = [s for s in streams if s.counted]
    refused, missed = (sum(_count(port, name, "ports") for port in _list(event, "ports")) for name in ("refused", "missed"))
    unsent = max(0, _count(event, "due") - sum(s.sent for s in streams))
    unkept = unsent + _count(event, "late")
    subjects = refused > 0.9 * unkept > 0
    came = missed + sum(s.received + s.duplicated + s.corrupted + s.strayed for s in counted)
    return Trial(**_common(event), sent=sum(s.sent for s in streams), offered=sum(s.sent for s in counted),
                 failed=sum(max(s.lost, s.sent - s.received) for s in counted), latency=_merged(s.latency for s in counted),
                 bytes=sum(s.bytes * s.received / s.sent for s in counted if s.sent), streams=streams,
                 refused=subjects, untaken=unsent if subjects else 0, missed=missed,
                 silent=not came and any(s.sent for s in counted), samples=tuple(samples))


def of_requests(event, samples=()):
    errors = event.get("errors", {})
    if not isinstance(errors, dict):
        raise Broken(f"generator: trial.errors is {errors!r}, not a mapping")
    errors = {**{name: _count(errors, name, "errors") for name in errors},
              **{name: _count(event, name) for name in ("unsent", "unanswered")}}
    good, in_time, failed = _count(event, "requests"), _count(event, "inTime"), sum(errors.values())
    missed = sum(_count(port, "missed", "ports") for port in _list(event, "ports"))
    came = good + missed + _count(event, "outside") + sum(errors.get(name, 0) for name in ("reset", "status", "protocol", "ports"))
    if in_time > good:
        raise Broken(f"generator: trial.inTime is {in_time}, of {good} good requests")
    return Trial(**_common(event), sent=good + failed, offered=good + failed, failed=failed, silent=not came and failed > 0, latency=_histogram(event, "latency"),
                 bytes=_count(event, "bytes"), in_time=in_time, errors=errors,
                 connections=_count(event, "held" if "held" in event else "connections"), opened=_count(event, "opened"), samples=tuple(samples))


def _common(event):
    seconds, bound = event.get("seconds"), event.get("bound")
    stopped = event.get("stopped") is True
    if not isinstance(seconds, (int, float)) or not (seconds > 0 or stopped and seconds == 0):
        raise Broken(f"generator: trial.seconds is {seconds!r}, not a time")
    if bound not in BOUNDS:
        raise Broken(f"generator: trial.bound is {bound!r}, none of {', '.join(BOUNDS)}")
    return {"seconds": seconds, "stopped": stopped,
            "generator_bound": bound == "generator", "clock": str(event.get("clock", "unknown"))}


def _stream(one, index):
    where = f"streams[{index}]"
    name, sent = str(one.get("name", index)), _count(one, "sent", where)
    if one.get("received") is None:
        return Stream(name, sent, None, _count(one, "bytes", where), Histogram())
    counts = {field: _count(one, field, where) for field in ("received", "bytes", "lost", "duplicated", "reordered", "corrupted", "strayed")}
    stream = Stream(name, sent, latency=_histogram(one, "latency"), **counts)
    if stream.lost > stream.sent or stream.received > stream.sent:
        raise Broken(f"generator: trial.{where} lost {stream.lost} and received {stream.received} of {stream.sent} sent")
    return stream


def _list(event, name):
    value = event.get(name, [])
    if not isinstance(value, list) or any(not isinstance(one, dict) for one in value):
        raise Broken(f"generator: trial.{name} is not a list of objects")
    return value


def _count(event, name, where="trial"):
    value = event.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Broken(f"generator: {where}.{name} is {value!r}, not a count")
    return value


def _histogram(event, name):
    try:
        return Histogram.from_json(event[name]) if event.get(name) else Histogram()
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"generator: trial.{name} is not a histogram: {error}") from None


def _merged(histograms):
    total = Histogram()
    for one in histograms:
        total.merge(one)
    return total
