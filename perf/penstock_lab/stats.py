"""Statistics of few and noisy samples. Numbers in, numbers out.

An interval is [low, high] at LEVEL, or None when the samples cannot carry one. From ORDER_FROM samples on that of a median lies between
two of the samples, sorted: how often so many of n fall on one side of the median is binomial whatever they are drawn from, and the ranks
are the innermost that hold it at LEVEL or more (David, Nagaraja, Order Statistics, 2003, 7.1). A bootstrap of the median of so few misses
the truth up to one time in eight. Of fewer than ORDER_FROM not even the whole range is enough, so there it is Student's t, of their
logarithms where they are above zero, as rates and ratios are.
"""
import math

import numpy

LEVEL = 0.95
FEWEST = 3           # samples for an interval: of two it would be wider than anybody can use
ORDER_FROM = 6       # samples whose range holds the median at LEVEL: 1 - 2 / 2^6 is 0.969
SAME = 0.02          # a difference nobody would act on
NO_RATIO = "none: a figure of zero has no ratio"
# Student's t at 0.975 by degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def median(values):
    return float(numpy.median(values))


def mad(values):
    """Median absolute deviation from the median: the spread that one wild sample does not change."""
    return float(numpy.median(numpy.abs(numpy.asarray(values, float) - numpy.median(values))))


def relative_spread(values):
    """Standard deviation over mean (coefficient of variation), of two values or more."""
    mean = float(numpy.mean(values))
    return float(numpy.std(values, ddof=1)) / abs(mean) if mean else math.inf


def order_interval(values):
    """Interval of the median by the ranks of ORDER_FROM samples or more; its coverage is at least LEVEL, exactly."""
    count, beyond, outside = len(values), 0, 0
    below = 1                        # math.comb(count, beyond): of 2^count ways, those with `beyond` samples below the median
    while 2 * (outside + below) <= (1 - LEVEL) * 2 ** count:
        outside, below = outside + below, below * (count - beyond) // (beyond + 1)
        beyond += 1
    ordered = sorted(map(float, values))
    return [ordered[beyond - 1], ordered[count - beyond]]


def interval_of_median(values):
    """Where the median of the population is."""
    if len(values) < FEWEST:
        return None
    if len(values) >= ORDER_FROM:
        low, high = order_interval(values)
    elif min(values) > 0:
        low, high = (math.exp(edge) for edge in _t_interval(numpy.log(values)))
    else:
        low, high = _t_interval(values)
    return _around(median(values), (low, high))


def paired_ratio(device, peer):
    """(ratio, interval, method) of figures measured in turns: each of `device` over that of the same turn of `peer`."""
    if not device:
        return None, None, "none: no turn has both"
    if min(*device, *peer) <= 0:
        return None, None, NO_RATIO
    ratios = [a / b for a, b in zip(device, peer)]
    logs = numpy.log(ratios)
    mean = math.exp(float(numpy.mean(logs)))
    if len(ratios) < FEWEST:
        return mean, None, f"geometric mean of paired ratios; fewer than {FEWEST} pairs: no interval"
    if len(ratios) < ORDER_FROM:
        interval = _around(mean, map(math.exp, _t_interval(logs)))
        return mean, interval, "geometric mean of paired ratios, Student's t of their logarithms"
    middle = median(ratios)
    return middle, _around(middle, order_interval(ratios)), "median of paired ratios, order statistics"


def ratio_of_medians(after, before):
    """(ratio, interval, method) of two runs, whose samples have nothing to do with each other."""
    if min([*after, *before], default=0) <= 0:
        return None, None, NO_RATIO
    ratio = median(after) / median(before)
    if min(len(after), len(before)) < FEWEST:
        return ratio, None, f"ratio of medians; fewer than {FEWEST} samples: no interval"
    interval = _around(ratio, map(math.exp, _welch(numpy.log(after), numpy.log(before))))
    return ratio, interval, "ratio of medians, Welch's t of logarithms"


def verdict(ratio, interval, better):
    """What a ratio with its interval says: better | worse | same | unclear. `better`: higher | lower."""
    if ratio is None or interval is None:
        return "unclear"
    low, high = interval
    if 1 - SAME <= low and high <= 1 + SAME:
        return "same"
    if low <= 1 <= high:
        return "unclear"
    return "better" if (low > 1) == (better == "higher") else "worse"


def verdict_of_zero(after, before, better):
    """What the samples of two figures say that have no ratio because of a zero: a figure of zero against one that never was zero is
    better or worse, and nothing against nothing is the same."""
    if not after or not before:
        return "unclear"
    if not any(after) and not any(before):
        return "same"
    if median(after) <= 0 < min(before):
        return "worse" if better == "higher" else "better"
    if median(before) <= 0 < min(after):
        return "better" if better == "higher" else "worse"
    return "unclear"


def loss_bound(lost, sent):
    """The highest share of loss that `lost` of `sent` still allow, one-sided at LEVEL: the share at which no more than so many would be
    lost only one time in twenty (exact: Clopper, Pearson, Biometrika 26, 1934). Of none lost it is about 3 / sent, the rule of three."""
    if lost >= sent:
        return 1.0
    low, high = lost / sent, min(1.0, (lost + 3 + 3 * math.sqrt(lost)) / sent)
    for _ in range(40):
        share = (low + high) / 2
        low, high = (share, high) if _at_most(lost, sent, share) > 1 - LEVEL else (low, share)
    return high


def _at_most(lost, sent, share):
    """The probability that `lost` or fewer of `sent` are lost when each is with probability `share`, above lost / sent: terms of the
    binomial distribution from the largest down."""
    if share >= 1:
        return 0.0
    chosen = math.lgamma(sent + 1) - math.lgamma(lost + 1) - math.lgamma(sent - lost + 1)
    term = total = math.exp(chosen + lost * math.log(share) + (sent - lost) * math.log1p(-share))
    for n in range(lost, 0, -1):
        term *= n * (1 - share) / ((sent - n + 1) * share)
        total += term
        if term <= total * 1e-12:
            break
    return total


def _around(value, ends):
    """[low, high] with the value inside also where the last bits of two ways to reckon it differ."""
    low, high = ends
    return [min(low, value), max(high, value)]


def _t(freedom):
    """The value in the table for these degrees of freedom, or the next fewer: never too narrow."""
    return T_975[max(1, min(int(freedom), len(T_975))) - 1]


def _t_interval(values):
    half = _t(len(values) - 1) * float(numpy.std(values, ddof=1)) / math.sqrt(len(values))
    return [float(numpy.mean(values)) - half, float(numpy.mean(values)) + half]


def _welch(after, before):
    """Interval of the difference of two means (Welch, Biometrika 34, 1947)."""
    a, b = (float(numpy.var(values, ddof=1)) / len(values) for values in (after, before))
    difference = float(numpy.mean(after) - numpy.mean(before))
    if a + b == 0:
        return [difference, difference]
    freedom = (a + b) ** 2 / (a * a / (len(after) - 1) + b * b / (len(before) - 1))
    half = _t(freedom) * math.sqrt(a + b)
    return [difference - half, difference + half]
