"""What a person sees while it runs: rate, loss, latency and time left, on standard error.

On a terminal one line is renewed; elsewhere each trial is a line of its own, and samples are not told.
"""
import os
import sys
import time

from . import console


class Progress:
    def __init__(self, stream=None, clock=time.monotonic):
        self._stream, self._clock = stream or sys.stderr or open(os.devnull, "w", encoding="utf-8"), clock
        self._tty = self._stream.isatty()
        self._expected, self._done, self._took = [], 0, 0.0
        self._started, self._what, self._sampled = clock(), "", 0.0

    def step(self, what):
        """Something before the first turn begins."""
        (self._renew if self._tty else self._line)(what)

    def begin(self, expected):
        """`expected`: about how many seconds each turn takes (Method.expected)."""
        self._expected = expected

    def turn(self, what):
        """A subject begins a turn."""
        self._what, self._started = what, self._clock()
        if not self._tty:
            self._line(f"{what}  (turn {self._done + 1} of {len(self._expected)}{self._left()})")

    def turn_done(self):
        self._done += 1
        self._took += self._clock() - self._started

    def sample(self, event):
        if not self._tty:
            return
        sent, lost, interval = event.get("sent", 0), event.get("lost", 0), event.get("t", 0) - self._sampled
        self._sampled = event.get("t", 0)
        rate = f"{si(sent / interval)}/s" if interval > 0 else ""
        loss = f"loss {share(lost / sent)}" if sent else "nothing sent"
        self._renew(f"{self._what}  {self._sampled:.1f} s  {rate}  {loss}  p99 {duration(event.get('p99') or 0)}{self._left()}")

    def trial(self, trial, unit):
        self._sampled = 0.0
        latency = f"  p50 {duration(trial.latency.percentile(0.5))}  p99 {duration(trial.latency.percentile(0.99))}" \
            if trial.latency.count else ""
        text = f"{self._what}  {si(trial.load)}{unit}  loss {share(trial.loss)}{latency}" + \
            ("  (silent: nothing came back)" if trial.silent else "  (generator's limit)" if trial.generator_bound else "") + self._left()
        if self._tty:
            self._renew(text)
        else:
            self._line("  " + text)

    def end(self):
        if self._tty:
            console.put("\r\x1b[K", self._stream)

    def _left(self):
        """As expected until a turn has been timed, then as much longer or shorter as those were. Nothing, when it takes longer than that."""
        expected, done = self._expected[self._done:], sum(self._expected[:self._done])
        left = sum(expected) * (self._took / done if done else 1) - (self._clock() - self._started)
        if not expected or left < 0.5:
            return ""
        return f"  about {left / 3600:.1f} h left" if left > 5400 else f"  about {left / 60:.0f} min left" if left > 90 else f"  about {left:.0f} s left"

    def _renew(self, text):
        console.put(f"\r\x1b[K{text[:200]}", self._stream)

    def _line(self, text):
        console.say(text, self._stream)


def share(value):
    """12.3%, 0.00004%; never 0% of something, and never all of what is not all."""
    percent = f"{100 * value:.3g}"
    if value < 1 and float(percent) >= 100:
        return "99.9%"
    return f"{float(percent):.12f}".rstrip("0").rstrip(".") + "%" if 1e-10 < value < 1 else f"{percent}%"


def si(value):
    """A number with a prefix of the SI and a blank: 1.234 M."""
    return _scaled(value, ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")), 4)


def quantity(value, unit):
    """1.234 Mpps, 5.67 µs."""
    return duration(value) if unit == "ns" else duration(value * 1e9) if unit == "s" else f"{si(value)}{unit}"


def duration(nanos):
    return _scaled(nanos, ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")), 3)


def _scaled(value, units, digits):
    """In the largest unit of which it is one, also when only its rounding makes it so: 999,600 ns are 1 ms. More than a thousand of the
    largest have all their digits."""
    rounded = abs(float(f"{value:.{digits}g}"))
    limit, unit = next((one for one in units if rounded >= one[0]), units[-1])
    told = f"{value / limit:.{digits}g}" if rounded < 1000 * limit else f"{value / limit:.0f}"
    return f"{told} {unit}"
