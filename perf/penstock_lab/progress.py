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
        self._turns = self._done = 0
        self._started, self._what, self._sampled = clock(), "", 0.0

    def begin(self, turns):
        self._turns, self._started = turns, self._clock()

    def turn(self, what):
        """A subject begins a turn."""
        self._what = what
        if not self._tty:
            self._line(f"{what}  (turn {self._done + 1} of {self._turns}{self._left()})")

    def turn_done(self):
        self._done += 1

    def sample(self, event):
        if not self._tty:
            return
        sent, lost, interval = event.get("sent", 0), event.get("lost", 0), event.get("t", 0) - self._sampled
        self._sampled = event.get("t", 0)
        rate = f"{si(sent / interval)}/s" if interval > 0 else ""
        loss = f"loss {lost / sent:.3%}" if sent else "nothing sent"
        self._renew(f"{self._what}  {self._sampled:.1f} s  {rate}  {loss}  p99 {duration(event.get('p99') or 0)}{self._left()}")

    def trial(self, trial, unit):
        self._sampled = 0.0
        latency = f"  p50 {duration(trial.latency.percentile(0.5))}  p99 {duration(trial.latency.percentile(0.99))}" \
            if trial.latency.count else ""
        text = f"{self._what}  {si(trial.load)}{unit}  loss {trial.loss:.4%}{latency}" + \
            ("  (silent: nothing came back)" if trial.silent else "  (generator's limit)" if trial.generator_bound else "") + self._left()
        if self._tty:
            self._renew(text)
        else:
            self._line("  " + text)

    def end(self):
        if self._tty:
            console.put("\r\x1b[K", self._stream)

    def _left(self):
        """Known once a turn has been timed."""
        if not self._done or self._done >= self._turns:
            return ""
        left = (self._clock() - self._started) / self._done * (self._turns - self._done)
        return f"  about {left / 60:.0f} min left" if left > 90 else f"  about {left:.0f} s left"

    def _renew(self, text):
        console.put(f"\r\x1b[K{text[:200]}", self._stream)

    def _line(self, text):
        console.say(text, self._stream)


def si(value):
    """A number with a prefix of the SI and a blank: 1.234 M."""
    for limit, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.4g} {prefix}"
    return f"{value:.4g} "


def quantity(value, unit):
    """1.234 Mpps, 5.67 µs."""
    return duration(value) if unit == "ns" else duration(value * 1e9) if unit == "s" else f"{si(value)}{unit}"


def duration(nanos):
    for limit, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanos >= limit:
            return f"{nanos / limit:.3g} {unit}"
    return f"{nanos:.3g} ns"
