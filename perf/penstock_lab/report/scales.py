"""Scales of plots: from a value to a place in pixels, and the ticks that name places.

A scale is called with a value; `ticks()` gives [(value, text)]. `start` and `end` are the pixels of the lowest and highest value.
"""
import math


def _nice_step(span, most):
    """1, 2, 2.5 or 5 times a power of ten, so that at most `most` steps make the span."""
    exact = span / most
    power = 10 ** math.floor(math.log10(exact))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= exact * (1 - 1e-9))


def plain(value):
    """A tick's value: it was chosen to be short."""
    return f"{value:,.10g}" if abs(value) < 1e4 or value % 1 else f"{value:,.0f}"


class Linear:
    """Equal distances for equal differences; from 0 unless told otherwise, to a nice value above the highest."""

    def __init__(self, highest, start, end, low=0, most=6):
        self.step = _nice_step(max(highest - low, 1e-12), most)
        self.low, self.high = low, low + self.step * math.ceil((highest - low) / self.step - 1e-9 or 1)
        self.start, self.end = start, end

    def __call__(self, value):
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self):
        count = round((self.high - self.low) / self.step)
        return [(v, plain(v)) for v in (self.low + self.step * i for i in range(count + 1))]


class Exact(Linear):
    """Linear between two given ends."""

    def __init__(self, low, high, start, end, most=8):
        self.low, self.high, self.start, self.end = low, high if high > low else low + 1, start, end
        self.step = _nice_step(self.high - low, most)

    def ticks(self):
        first = math.ceil(self.low / self.step - 1e-9)
        return [(v, plain(v)) for v in (self.step * i for i in range(first, math.floor(self.high / self.step + 1e-9) + 1))]


class Log:
    """Equal distances for equal ratios. `tell` names a tick."""

    def __init__(self, lowest, highest, start, end, tell=plain, whole=True):
        low, high = math.log10(lowest), math.log10(highest)
        if whole:   # ends at 1, 2 or 5 times a power of ten
            low = max(v for v in self._marks(math.floor(low), 1) if v <= low + 1e-9)
            high = min(v for v in self._marks(math.floor(high), 2) if v >= high - 1e-9)
        self.low, self.high = low, high if high > low else low + 1
        self.start, self.end, self.tell = start, end, tell

    @staticmethod
    def _marks(power, count, parts=(1, 2, 5)):
        return [p + math.log10(m) for p in range(power, power + count) for m in parts]

    def __call__(self, value):
        return self.start + (self.end - self.start) * (math.log10(value) - self.low) / (self.high - self.low)

    def ticks(self):
        span = self.high - self.low
        parts = (1, 1.5, 2, 3, 5, 7) if span <= 1.2 else (1, 2, 5) if span <= 2.5 else (1,)
        marks = self._marks(math.floor(self.low), math.ceil(span) + 2, parts)
        every = max(1, math.ceil(span / 8)) if len(parts) == 1 else 1   # decades; 1 is always among them
        kept = [v for v in marks if self.low - 1e-9 <= v <= self.high + 1e-9 and (every == 1 or round(v) % every == 0)]
        return [(10 ** v, self.tell(float(f"{10 ** v:.6g}"))) for v in kept]


class Percentiles:
    """The share of all, drawn by how rare the rest is: 90, 99 and 99.9 % are equally far from each other."""

    SHARES = (0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)

    def __init__(self, rarest, start, end):
        """`rarest`: 1 / (1 - the highest share)"""
        self.rarest, self.start, self.end = max(rarest, 10), start, end

    def at(self, rarity):
        """The place of the share 1 - 1 / rarity."""
        return self.start + (self.end - self.start) * math.log(rarity) / math.log(self.rarest)

    def __call__(self, share):
        return self.at(1 / (1 - share))

    def rarity(self, place):
        """at(), backwards."""
        return self.rarest ** ((place - self.start) / (self.end - self.start))

    def ticks(self):
        return [(s, f"{s * 100:.8g}") for s in self.SHARES if 1 / (1 - s) <= self.rarest * (1 + 1e-9)]


class Rows:
    """A row for each name, from top to bottom."""

    def __init__(self, count, start, end):
        self.height = (end - start) / max(count, 1)
        self.start = start

    def __call__(self, row):
        return self.start + self.height * (row + 0.5)
