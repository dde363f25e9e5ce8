"""Back-to-back frames: the longest burst at the highest rate without loss (RFC 2544 §26.4; repeated as RFC 9004 asks).

A burst is a trial at `rate` that is as long as the burst. When the device keeps up for `seconds`, the figure is that whole trial and
the limit is not the device's buffer.
"""
from .. import stats
from .base import Method, must_offer


class BackToBack(Method):
    NAME = "back_to_back"
    NAME = "back_to_back"
    TRAFFIC = ("packets",)

    def __init__(self, fields):
        self.trial_seconds(fields, 2.0)
        self.rate = fields.number("rate", 1, 1e10, 1e8)
        self.repeat = fields.number("repeat", 1, 1000, 5, whole=True)
        self.resolution = fields.number("resolution", 0.001, 0.5, 0.02)

    def run(self, bench, book):
        whole = must_offer(self.trial(bench, self.rate), "back_to_back")
        if not whole.failed:
            bound = whole.bound if whole.generator_bound else "unknown"
            book.figure("burst", "frames", "higher", whole.offered, bound, f"no loss in {self.seconds:g} s: no burst is too long")
            return
        rate = min(self.rate, whole.load)
        bursts = [self._longest(bench, rate) for _ in range(self.repeat)]
        book.figure("burst", "frames", "higher", stats.median(bursts), "subject", f"median of {self.repeat} searches", rate=self.rate)
        # RFC 9004: the buffer drains while the burst lasts, so its own size is the burst less what was forwarded meanwhile.
        book.figure("buffer", "frames", "higher", stats.median(bursts) * whole.loss, "subject", "burst less what was forwarded "
                    "meanwhile", rate=self.rate)

    def _longest(self, bench, rate):
        lower, upper, best = 0.0, self.seconds, 0
        while upper - lower > self.resolution * upper and upper * rate > 1:
            seconds = (lower + upper) / 2
            trial = self.trial(bench, rate, max(seconds, 1 / rate))
            if trial.offered and not trial.failed:
                lower, best = seconds, max(best, trial.offered)
            else:
                upper = seconds
        return best
