"""Back-to-back frames: the longest burst at the highest rate without loss (RFC 2544 §26.4; repeated as RFC 9004 asks).

A burst is a trial at `rate` that is as long as the burst. When the device keeps up for `seconds`, the figure is that whole trial and
the limit is not the device's buffer.
"""
from .. import stats
from ..book import worst_bound
from .base import Method, must_offer
from .search import usual_trials


class BackToBack(Method):
    NAME = "back_to_back"
    TRAFFIC = ("packets",)

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.rate = fields.number("rate", 1, 1e10, 1e8)
        self.repeat = fields.number("repeat", 1, 1000, 5, whole=True)
        self.resolution = fields.number("resolution", 0.001, 0.5, 0.02)

    def trials(self):
        """Most bursts are shorter than the longest."""
        return 1 + self.repeat * usual_trials(self.resolution) // 2

    def run(self, bench, book):
        whole = must_offer(self.trial(bench, self.rate), "back_to_back")
        if not whole.failed:
            bound = whole.bound if whole.generator_bound else "unknown"
            book.figure("burst", "frames", "higher", whole.offered, bound, f"no loss in {self.seconds:g} s: no burst is too long", whole.load,
                        rate=self.rate)
            return
        rate = min(self.rate, whole.load)
        searches = [self._longest(bench, rate) for _ in range(self.repeat)]
        burst, bound = stats.median([one for one, _ in searches]), worst_bound([whole.bound, *(bound for _, bound in searches)])
        note = "" if rate > 0.99 * self.rate else f"at {rate:.4g} {bench.unit}, all that could be sent; "
        book.figure("burst", "frames", "higher", burst, bound, f"{note}median of {self.repeat} searches", rate, rate=self.rate)
        # RFC 9004: the buffer drains while the burst lasts, so its own size is the burst less what was forwarded meanwhile.
        book.figure("buffer", "frames", "higher", burst * whole.loss, bound, f"{note}burst less what was forwarded meanwhile", rate,
                    rate=self.rate)

    def _longest(self, bench, rate):
        """(frames, bound): the longest burst without loss, and who was the limit of the trials that found it."""
        lower, upper, best, bounds = 0.0, self.seconds, 0, {}
        while upper - lower > self.resolution * upper and upper * rate > 1:
            seconds = (lower + upper) / 2
            trial = self.trial(bench, rate, max(seconds, 1 / rate))
            passed = trial.offered and not trial.failed
            bounds[passed] = trial.bound      # the last of each are those next to the limit
            if passed:
                lower, best = seconds, max(best, trial.offered)
            else:
                upper = seconds
        return best, worst_bound(bounds.values())
