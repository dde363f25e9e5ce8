"""Packets beside the requests that are measured: a generator and a port (BESIDE) of their own, on around each trial (perf/LAB.md, Background).

    background.begin(seconds)          before the trial; it would end by itself after so long, which no trial takes
    kept = background.end()            after it: whether what was asked for was sent
    background.tell(book)              after all trials of a turn: the figures

One thread.
"""
from . import trial
from .wiring import BESIDE

KEPT = 0.99              # of what was due: less is another background than the one that was asked for
MARGIN_SECONDS = 60      # beyond a trial, with what the generator gives a trial to come to its end
REST_MICROS = 50         # ten packets of 200,000 a second


class Background:
    """`generator`: of packets, ready; the caller closes it."""

    def __init__(self, generator):
        self._generator = generator
        self._seconds, self._due, self._trials, self._returned = 0.0, 0, [], 0

    def begin(self, seconds):
        self._generator.begin({"seconds": seconds + MARGIN_SECONDS, "drain": 0.01})

    def end(self):
        """True: at least KEPT of what was due was sent, or the port took no more."""
        event = self._generator.end()
        done, ports = trial.of_packets(event), event.get("ports", [])
        self._trials.append(done)
        self._seconds += done.seconds
        self._due += event.get("due", done.sent)
        self._returned += sum(port.get("foreign", 0) for port in ports)
        return done.refused or done.sent >= KEPT * event.get("due", done.sent)

    def tell(self, book):
        """`book`: of the turn that these trials belong to."""
        if not self._seconds:
            return
        sent, offered = (sum(getattr(one, name) for one in self._trials) for name in ("sent", "offered"))
        bound = self._bound(sent)
        note = "" if sent >= KEPT * self._due else f"{sent / self._due:.1%} of what was due"
        book.figure("background_sent", "pps", "higher", sent / self._seconds, bound, note)
        book.figure("background_returned", "pps", "higher", self._returned / self._seconds, bound)
        if offered:
            book.figure("background_loss", "ratio", "lower", sum(one.failed for one in self._trials) / offered, bound, note)

    def _bound(self, sent):
        """Late packets are nobody's limit here: nothing is timed by them."""
        if sent >= KEPT * self._due:
            return "subject"
        return "device" if any(one.refused for one in self._trials) else "generator"


def specification(scenario, port, common):
    """Of the generator of `port`; `common`: bench.common()."""
    cores = scenario.cores["background"][:1]
    fields = {name: getattr(port, name) for name in ("device", "mac", "address", "gateway", "answers") if getattr(port, name)}
    return {**common, "cores": cores, "restMicros": REST_MICROS if cores[0] in scenario.cores["generator"] else 0,
            "ports": [{"name": BESIDE.name, **fields}],
            "streams": [{**stream, "from": BESIDE.name} for stream in scenario.background["streams"]]}
