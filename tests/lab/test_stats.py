"""Statistics against reference values: worked out by hand where the samples are small, else from the source that is named."""
import math
import pathlib
import random
import sys
import unittest

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import stats  # noqa: E402

# NIST Statistical Reference Datasets, univariate, NumAcc1: mean 10000002, standard deviation 1.
NUMACC1 = [10000001, 10000003, 10000002]
# Student's own ten differences of sleep (Biometrika 6, 1908): mean 0.75, standard deviation 1.78901, t interval of 95 % [-0.530, 2.030].
SLEEP = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]


class ReferenceTest(unittest.TestCase):
    def test_median_and_deviation(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)
        self.assertEqual(stats.mad([1, 1, 2, 2, 4, 6, 9]), 1)       # deviations 1 1 0 0 2 4 7
        self.assertEqual(stats.mad([5, 5, 5, 1000]), 0)

    def test_spread_of_large_numbers_keeps_its_digits(self):
        self.assertAlmostEqual(stats.relative_spread(NUMACC1) * 10000002, 1.0, places=6)

    def test_students_interval_is_students(self):
        low, high = stats._t_interval(SLEEP)
        self.assertAlmostEqual(low, -0.530, places=3)
        self.assertAlmostEqual(high, 2.030, places=3)

    def test_few_samples_have_students_interval_of_their_logarithms(self):
        # Logarithms 0, 1, 2: mean 1, deviation 1, t(2) = 4.303: exp(1 ± 4.303 / sqrt(3)).
        low, high = stats.interval_of_median([1, math.e, math.e ** 2])
        self.assertAlmostEqual(math.log(low), 1 - 2.48434, places=4)
        self.assertAlmostEqual(math.log(high), 1 + 2.48434, places=4)
        low, high = stats.interval_of_median([0, 1, 2])     # zero has no logarithm
        self.assertAlmostEqual(high, 1 + 2.48434, places=4)
        self.assertIsNone(stats.interval_of_median([1, 2]))

    def test_few_pairs(self):
        # Ratios 2, 4, 8: logarithms have mean log 4 and deviation log 2: 4 times or over exp(4.303 * log 2 / sqrt(3)).
        ratio, (low, high), method = stats.paired_ratio([2, 4, 8], [1, 1, 1])
        self.assertAlmostEqual(ratio, 4)
        self.assertAlmostEqual(math.log(high / 4) / math.log(2), 2.48434, places=4)
        self.assertAlmostEqual(low * high, 16)
        self.assertIn("Student", method)
        ratio, interval, method = stats.paired_ratio([2, 8], [1, 1])
        self.assertAlmostEqual(ratio, 4)
        self.assertIsNone(interval)
        self.assertIn("fewer than 3 pairs", method)
        self.assertEqual(stats.paired_ratio([2, 0], [1, 1])[:2], (None, None))

    def test_pairs_take_out_what_both_have(self):
        """The day gets slower turn by turn; the ratio does not."""
        day = [1, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2]
        ratio, (low, high), _ = stats.paired_ratio([110 * d for d in day], [100 * d for d in day])
        self.assertAlmostEqual(ratio, 1.1)
        self.assertAlmostEqual(low, 1.1)
        self.assertAlmostEqual(high, 1.1)

    def test_welch(self):
        # Means 2 and 5, variances 1 and 1, three each: 4 degrees of freedom, error sqrt(2/3), t = 2.776.
        low, high = stats._welch(numpy.array([4., 5., 6.]), numpy.array([1., 2., 3.]))
        self.assertAlmostEqual(low, 3 - 2.776 * math.sqrt(2 / 3), places=6)
        self.assertAlmostEqual(high, 3 + 2.776 * math.sqrt(2 / 3), places=6)
        self.assertEqual(stats._welch(numpy.array([2., 2.]), numpy.array([1., 1.])), [1, 1])

    def test_the_ranks_of_small_samples(self):
        """The innermost that hold the median at 0.95 or more (David, Nagaraja, 7.1): 1 and 6 of 6, 2 and 8 of 9, 2 and 9 of 10, 4 and 12 of 15."""
        for count, rank in ((6, 1), (7, 1), (8, 1), (9, 2), (10, 2), (11, 2), (12, 3), (15, 4), (20, 6)):
            values = list(range(1, count + 1))
            self.assertEqual(stats.interval_of_median(values[::-1]), [rank, count + 1 - rank], count)

    def test_an_interval_of_a_median_misses_no_more_often_than_it_says(self):
        """3,000 seeded draws for each number of samples, skewed ones: at most 6.5 % of the intervals miss the median of what they are of."""
        chance = numpy.random.default_rng(5)
        for count in range(3, 16):
            drawn = numpy.exp(chance.normal(0, 0.3, (3000, count)))
            missed = sum(not low <= 1 <= high for low, high in map(stats.interval_of_median, drawn))
            self.assertLessEqual(missed, 0.065 * 3000, count)

    def test_two_runs_miss_no_more_often_than_they_say(self):
        chance = numpy.random.default_rng(6)
        for count in (3, 6, 9, 15):
            after, before = numpy.exp(chance.normal(0, 0.2, (2, 3000, count)))
            missed = sum(not low <= 1 <= high for low, high in (stats.ratio_of_medians(a, b)[1] for a, b in zip(after, before)))
            self.assertLessEqual(missed, 0.065 * 3000, count)

    def test_an_interval_holds_the_truth_as_often_as_it_says(self):
        """Of 400 seeded experiments, at least 90 % of the intervals have the true ratio: five and ten pairs, noise of 5 %."""
        chance = random.Random(9)
        for pairs in (3, 5, 10):
            held = 0
            for n in range(400):
                device = [1.2 * math.exp(chance.gauss(0, 0.05)) for _ in range(pairs)]
                peer = [math.exp(chance.gauss(0, 0.05)) for _ in range(pairs)]
                low, high = stats.paired_ratio(device, peer)[1]
                held += low <= 1.2 <= high
            self.assertGreaterEqual(held, 360, pairs)

    def test_the_bound_of_a_loss(self):
        # None of 3,000,000 lost: the rule of three says 1e-6; exactly 1 - 0.05^(1/n).
        self.assertAlmostEqual(stats.loss_bound(0, 3_000_000) * 1e6, 0.99858, places=4)
        self.assertEqual(stats.loss_bound(0, 0), 1.0)
        # Of many, Poisson's: half the chi-square quantile of 2 (n + 1) degrees of freedom, which tables have as 9.488 and 12.592.
        for lost, chi_square in ((1, 9.488), (2, 12.592)):
            self.assertAlmostEqual(stats.loss_bound(lost, 10**9) * 10**9, chi_square / 2, places=3)
        self.assertEqual(stats.loss_bound(7, 7), 1.0)

    def test_the_bound_of_a_loss_is_exact(self):
        """At the bound, so few are lost one time in twenty: the sum of the binomial distribution says so."""
        for lost, sent in ((0, 10), (1, 10), (9, 10), (10, 1000), (300, 1000)):
            share = stats.loss_bound(lost, sent)
            chance = math.fsum(math.comb(sent, n) * share ** n * (1 - share) ** (sent - n) for n in range(lost + 1))
            self.assertAlmostEqual(chance, 0.05, places=9)

    def test_a_ratio_is_in_its_interval_to_the_last_bit(self):
        chance = random.Random(3)
        for n in range(2000):
            rate, factor = chance.uniform(1, 1e7), chance.uniform(0.2, 5)
            for samples in (3, 4, 5):
                for ratio_of in (stats.paired_ratio, stats.ratio_of_medians):
                    ratio, (low, high), _ = ratio_of([factor * rate] * samples, [rate] * samples)
                    self.assertTrue(low <= ratio <= high, (rate, factor, samples))


class VerdictTest(unittest.TestCase):
    def test_every_verdict(self):
        for interval, better, expected in (
                ([1.05, 1.2], "higher", "better"), ([1.05, 1.2], "lower", "worse"), ([0.8, 0.9], "higher", "worse"),
                ([0.8, 0.9], "lower", "better"), ([0.99, 1.01], "higher", "same"), ([0.981, 1.019], "lower", "same"),
                ([0.9, 1.1], "higher", "unclear"), ([0.99, 1.05], "higher", "unclear"), ([1.005, 1.01], "higher", "same"),
                (None, "higher", "unclear")):
            self.assertEqual(stats.verdict(1.0, interval, better), expected, (interval, better))

    def test_of_a_zero(self):
        for after, before, better, expected in (
                ([0, 0, 0], [5, 5, 5], "higher", "worse"), ([0, 0, 0], [5, 5, 5], "lower", "better"), ([5, 5], [0, 0], "lower", "worse"),
                ([5, 5], [0, 0], "higher", "better"), ([0, 0, 4], [1, 0, 2], "lower", "unclear"), ([0, 5, 5], [5, 5, 5], "higher", "unclear"),
                ([0, 0, 5], [5, 5, 5], "higher", "worse"), ([0, 0], [0, 0], "lower", "same"),
                ([], [], "lower", "unclear")):
            self.assertEqual(stats.verdict_of_zero(after, before, better), expected, (after, before, better))

    def test_of_two_runs(self):
        slow, fast = [100, 101, 99, 100, 102, 98], [120, 121, 119, 120, 122, 118]
        ratio, interval, _ = stats.ratio_of_medians(slow, fast)
        self.assertAlmostEqual(ratio, 100 / 120)
        self.assertEqual(stats.verdict(ratio, interval, "higher"), "worse")
        ratio, interval, method = stats.ratio_of_medians([100, 101, 110], [100, 101, 110])
        self.assertEqual(ratio, 1)
        self.assertIn("Welch", method)
        self.assertEqual(stats.verdict(ratio, interval, "higher"), "unclear")


if __name__ == "__main__":
    unittest.main()
