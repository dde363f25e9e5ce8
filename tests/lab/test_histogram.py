"""Histograms: the same as the generators' own, exact where they must be, and closed to what is none."""
import copy
import json
import os
import random
import subprocess
import unittest

import samples  # noqa: F401  (the lab's folder)
from penstock_lab.histogram import BUCKETS, LARGEST, Histogram, HistogramError, index_of, upper_bound

TABLE = os.environ.get("PENSTOCK_HISTOGRAM_TABLE")


def made_by_the_generators(values):
    done = subprocess.run([TABLE], input=" ".join(map(str, values)), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def of(*values):
    counts = {}
    for value in values:
        counts[index_of(value)] = counts.get(index_of(value), 0) + 1
    return Histogram.from_json({"unit": "ns", "count": len(values), "sum": sum(values), "min": min(values), "max": max(values),
                                "counts": [[i, counts[i]] for i in sorted(counts)]})


@unittest.skipUnless(TABLE, "needs the program lab_histogram_table in PENSTOCK_HISTOGRAM_TABLE")
class AsTheGenerators(unittest.TestCase):
    def agree(self, values):
        table = made_by_the_generators(values)
        for value, index, bound in table["buckets"]:
            self.assertEqual((index_of(value), upper_bound(index)), (index, bound), value)
        histogram = Histogram.from_json(table["histogram"])
        self.assertEqual(histogram.to_json(), table["histogram"])
        for share, nanos in table["percentiles"]:
            self.assertEqual(histogram.percentile(share), nanos, share)

    def test_at_every_edge(self):
        self.agree([v for e in range(45) for v in (2**e - 1, 2**e, 2**e + 1, 2**e + 2**e // 3)] + [LARGEST - 1, LARGEST])

    def test_beyond_the_largest(self):
        self.agree([LARGEST + 1, 2**60])

    def test_random_values(self):
        chance = random.Random(7)
        for n in (1, 2, 3, 10, 1000, 9999):
            self.agree([int(chance.lognormvariate(9, 2)) for _ in range(n)])

    def test_nothing(self):
        self.agree([])


class Percentiles(unittest.TestCase):
    def test_of_few_values(self):
        histogram = of(10, 20, 30, 40)
        self.assertEqual([histogram.percentile(p) for p in (0, 0.25, 0.26, 0.5, 0.75, 0.76, 1)], [10, 10, 20, 20, 30, 40, 40])

    def test_are_never_told_smaller_and_never_above_the_largest(self):
        chance = random.Random(8)
        for _ in range(50):
            values = sorted(int(chance.lognormvariate(10, 3)) for _ in range(chance.randrange(1, 200)))
            histogram = of(*values)
            for share in (0.01, 0.5, 0.9, 0.99, 1):
                exact = values[max(0, -int(-len(values) * share // 1) - 1)]
                told = histogram.percentile(share)
                self.assertGreaterEqual(told, exact)
                self.assertLessEqual(told, min(values[-1], exact * (1 + 1 / 128)))

    def test_of_nothing(self):
        self.assertEqual(Histogram().percentile(0.5), 0)

    def test_share_out_of_range(self):
        for share in (-0.1, 1.1, 50, float("nan")):
            with self.assertRaises(ValueError):
                of(1).percentile(share)

    def test_every_bucket_follows_the_one_before(self):
        for index in range(1, BUCKETS):
            self.assertEqual(index_of(upper_bound(index - 1) + 1), index)
            self.assertEqual(index_of(upper_bound(index)), index)
        self.assertEqual(upper_bound(BUCKETS - 1), LARGEST)


class Merging(unittest.TestCase):
    def test_is_as_if_one_had_seen_all(self):
        chance = random.Random(9)
        left, right = ([int(chance.lognormvariate(9, 2)) for _ in range(500)] for _ in range(2))
        both = of(*left)
        both.percentile(0.5)   # a merge after a question must not leave the old answer
        both.merge(of(*right))
        self.assertEqual(both.to_json(), of(*left, *right).to_json())
        self.assertEqual(both.percentile(0.99), of(*left, *right).percentile(0.99))

    def test_with_nothing(self):
        made = Histogram()
        made.merge(of(5, 6))
        made.merge(Histogram())
        self.assertEqual(made.to_json(), of(5, 6).to_json())


class FromOutside(unittest.TestCase):
    def test_what_contradicts_itself_is_refused(self):
        good = of(10, 1000, 1000, 5000).to_json()
        for change, word in ((("count", 5), "count"), (("count", -1), "count"), (("count", True), "count"), (("sum", 10**9), "sum"),
                             (("sum", "7"), "sum"), (("min", 11), "min"), (("max", 10**6), "max"), (("unit", "us"), "unit"),
                             (("counts", {}), "counts"), (("counts", [[10, 4], [10, 1]]), "counts[1]"), (("counts", [[0, 0]]), "counts[0]"),
                             (("counts", [[BUCKETS, 4]]), "counts[0]"), (("counts", [[10, 4.0]]), "counts[0]"),
                             (("counts", [[10]]), "counts[0]"), (("counts", [[-1, 4]]), "counts[0]")):
            bad = copy.deepcopy(good)
            bad[change[0]] = change[1]
            with self.subTest(change), self.assertRaises(HistogramError) as raised:
                Histogram.from_json(bad)
            self.assertIn(word, str(raised.exception))

    def test_other_shapes(self):
        for bad in (None, [], "x", {}, {**of(1).to_json(), "more": 1}):
            with self.subTest(bad), self.assertRaises(HistogramError):
                Histogram.from_json(bad)


if __name__ == "__main__":
    unittest.main()
