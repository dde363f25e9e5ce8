"""Histograms of durations, as perf/generator/histogram.h makes and writes them.

A value is in nanoseconds, from 0 to 2^45 - 1 (nearly ten hours; what is longer counts as this long) and kept with 1/128 of itself or
better. Bucket i stands for the value i below 256; above, with e = i // 128 - 1, for the 2^e values that end at upper_bound(i).

Histograms of workers, trials and subjects are added with `merge`, never their percentiles. Not safe for use by several threads.
`Histogram.from_json` raises HistogramError with the field and what would be valid.
"""
import bisect
import itertools

BUCKETS = 128 * 39
LARGEST = (1 << 45) - 1
FIELDS = ("unit", "count", "sum", "min", "max", "counts")


class HistogramError(ValueError):
    """What is no histogram."""


def index_of(nanos):
    """The bucket of a duration."""
    if nanos < 256:
        return nanos
    nanos = min(nanos, LARGEST)
    e = nanos.bit_length() - 8
    return (e + 1) * 128 + (nanos >> e) - 128


def upper_bound(index):
    """The largest value of a bucket: a percentile is never told smaller than it was."""
    if index < 256:
        return index
    e = index // 128 - 1
    return ((128 + index % 128 + 1) << e) - 1


def _natural(document, field):
    value = document[field]
    if type(value) is not int or value < 0:   # a bool is an int, too
        raise HistogramError(f"{field}: {value!r:.60} is not a natural number")
    return value


def _counts(pairs):
    """{index: n} of what came as [[index, n], …]."""
    if not isinstance(pairs, list):
        raise HistogramError("counts: must be a list of [index, n]")
    counts, last = {}, -1
    for place, pair in enumerate(pairs):
        if not (isinstance(pair, list) and len(pair) == 2 and all(type(x) is int for x in pair)):
            raise HistogramError(f"counts[{place}]: {pair!r:.60} is not [index, n]")
        index, n = pair
        if not last < index < BUCKETS:
            raise HistogramError(f"counts[{place}]: index {index} is not between {last + 1} and {BUCKETS - 1}")
        if n < 1:
            raise HistogramError(f"counts[{place}]: {n} is below 1")
        counts[index], last = n, index
    return counts


class Histogram:
    """How often each duration was seen."""

    def __init__(self):
        self.count = self.sum = self.max = 0
        self.min = None                 # of nothing
        self._counts = {}
        self._running = None            # ([index], [count up to and with it]), made when asked for

    @classmethod
    def from_json(cls, document):
        if not isinstance(document, dict) or set(document) != set(FIELDS):
            raise HistogramError(f"a histogram has exactly the fields {', '.join(FIELDS)}")
        if document["unit"] != "ns":
            raise HistogramError(f"unit: {document['unit']!r:.60} is not ns")
        made = cls()
        made.count, made.sum, made.max, least = (_natural(document, field) for field in ("count", "sum", "max", "min"))
        made._counts = _counts(document["counts"])
        if sum(made._counts.values()) != made.count:
            raise HistogramError(f"count: {made.count} is not the sum of counts, {sum(made._counts.values())}")
        if made.count == 0:
            if made.sum or made.max or least:
                raise HistogramError("sum, min and max of nothing must be 0")
            return made
        made.min = least
        ends = (min(made._counts), max(made._counts))
        if (index_of(least), index_of(made.max)) != ends:
            raise HistogramError(f"min, max: {least} and {made.max} are not in the first and last bucket, {ends[0]} and {ends[1]}")
        if not least * made.count <= made.sum <= made.max * made.count:
            raise HistogramError(f"sum: {made.sum} is not between count times min and count times max")
        return made

    def merge(self, other):
        """Adds what the other has seen."""
        for index, n in other._counts.items():
            self._counts[index] = self._counts.get(index, 0) + n
        self.count += other.count
        self.sum += other.sum
        self.max = max(self.max, other.max)
        if other.min is not None:
            self.min = other.min if self.min is None else min(self.min, other.min)
        self._running = None

    def percentile(self, share):
        """The value that `share` (0 to 1) of all do not exceed, in nanoseconds; 0 of nothing."""
        if not 0 <= share <= 1:
            raise ValueError(f"a share is from 0 to 1, not {share}")
        if self.count == 0:
            return 0
        if self._running is None:
            indexes = sorted(self._counts)
            self._running = indexes, list(itertools.accumulate(self._counts[i] for i in indexes))
        indexes, running = self._running
        place = bisect.bisect_left(running, float(self.count) * share)
        return min(upper_bound(indexes[min(place, len(indexes) - 1)]), self.max)

    def to_json(self):
        return {"unit": "ns", "count": self.count, "sum": self.sum, "min": self.min or 0, "max": self.max,
                "counts": [[index, self._counts[index]] for index in sorted(self._counts)]}
