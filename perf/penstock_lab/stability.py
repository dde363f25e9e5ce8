"""Is this testbed fit to measure? Asked before the first trial and, of what the host took away, again after the last.

Each check is {name, value, unit, limit, ok, about}; `about` of a failed one is the reason why the result is not trusted. The limits are
the lab's own: a core that stands still for half a millisecond delays 5,000 of 10 million packets a second.
"""
import os
import pathlib
import time

from . import stats
from .histogram import Histogram

STEAL_LIMIT = 0.01            # share of time
OTHERS_LIMIT = 0.10
GAP_LIMIT = 500.0             # µs
DRIFT_LIMIT = 100.0           # ppm
RATE_LIMIT = 0.001            # share: the exactness the lab promises below saturation
SPREAD_LIMIT = 0.10
ALONE_TRIALS, ALONE_SECONDS = 5, 0.2
WATCH_SECONDS, SPIN_SECONDS = 0.5, 0.2


class Stability:
    """The checks so far. `floor`: percentiles of the generator's own latency, when it was measured."""

    def __init__(self):
        self.checks, self.floor, self._before = [], None, None

    def add(self, name, value, unit, limit, ok, about):
        self.checks.append({"name": name, "value": value, "unit": unit, "limit": limit, "ok": bool(ok), "about": about})

    def to_json(self):
        reasons = [check["about"] for check in self.checks if not check["ok"]]
        return {"trusted": not reasons, "reasons": reasons, "checks": self.checks}

    def machine(self, cores):
        """`cores`: those of generator and subject. Takes about a second."""
        before = core_times(cores)
        raw, slewed = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), time.monotonic_ns()
        time.sleep(WATCH_SECONDS)
        after = core_times(cores)
        raw, slewed = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - raw, time.monotonic_ns() - slewed
        total = max(1, after["total"] - before["total"])
        others = (after["busy"] - before["busy"]) / total
        self.add("others", round(others, 4), "share", OTHERS_LIMIT, others <= OTHERS_LIMIT,
                 f"others used {others:.1%} of cores {cores} while nothing was measured")
        self._gaps(cores)
        self._clock(raw, slewed)
        self._governor(cores)
        self._before = core_times(cores)

    def apart(self, cores):
        """`cores`: of generator and subject, when both work here at once."""
        shared = sorted({*cores["generator"], *cores.get("background", ())} & {*cores["subject"]})
        self.add("cores_apart", len(shared), "cores", 0, not shared,
                 f"generator and subject share cores {shared}: each takes time from the other" if shared else "of generator and subject")

    def after_run(self, cores):
        """What the hypervisor took away while it was measured."""
        if self._before is None:
            return
        after = core_times(cores)
        steal = (after["steal"] - self._before["steal"]) / max(1, after["total"] - self._before["total"])
        self.add("steal", round(steal, 5), "share", STEAL_LIMIT, steal <= STEAL_LIMIT,
                 f"the host took {steal:.2%} of the time of cores {cores} away while it was measured")

    def lines(self, impossible):
        """`impossible`: figures above what the lines can carry, in words (Book.impossible). Whoever counted them counts wrongly."""
        if impossible:
            self.add("line_rate", len(impossible), "figures", 0, False, f"above line rate, which cannot be: {'; '.join(impossible[:5])}")

    def generator_alone(self, alone, unit):
        """The generator without a device: how exactly it keeps a rate, whether it loses anything, how alike its trials are, and the
        least latency it can see. alone(load, seconds) gives a Trial; None: as much as it can."""
        most = alone(None, ALONE_SECONDS).load
        trials = [alone(most / 2, ALONE_SECONDS) for _ in range(ALONE_TRIALS)]
        worst = max(abs(one.load / (most / 2) - 1) for one in trials)
        self.add("generator_rate", round(worst, 6), "share", RATE_LIMIT, worst <= RATE_LIMIT,
                 f"the generator alone was {worst:.3%} off half its highest rate, {most / 2:.4g} {unit}")
        lost = sum(one.failed for one in trials)
        self.add("generator_loss", lost, "", 0, not lost, f"the generator alone lost {lost} of what it sent to itself")
        medians = [one.latency.percentile(0.5) for one in trials if one.latency.count]
        if len(medians) == len(trials):
            spread = stats.relative_spread(medians) if any(medians) else 0.0
            self.add("generator_latency_spread", round(spread, 4), "share", SPREAD_LIMIT, spread <= SPREAD_LIMIT,
                     f"the generator's own median latency differed by {spread:.1%} from trial to trial")
            total = Histogram()
            for one in trials:
                total.merge(one.latency)
            self.floor = {name: total.percentile(share) for name, share in (("p50", .5), ("p90", .9), ("p99", .99), ("p99.9", .999))}

    def _gaps(self, cores):
        gap = max(longest_gap(core, SPIN_SECONDS) for core in cores)
        self.add("noise", round(gap, 1), "µs", GAP_LIMIT, gap <= GAP_LIMIT,
                 f"a thread that only reads the clock stood still for {gap:.0f} µs")

    def _clock(self, raw, slewed):
        drift = abs(slewed / raw - 1) * 1e6
        self.add("clock_drift", round(drift, 2), "ppm", DRIFT_LIMIT, drift <= DRIFT_LIMIT,
                 f"the clock is being corrected by {drift:.0f} ppm: CLOCK_MONOTONIC against the raw counter")
        source = _text("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        steady = {"constant_tsc", "nonstop_tsc"} <= set(_text("/proc/cpuinfo").split())
        self.add("clock_source", source, "", "tsc or kvm-clock, steady", source in ("tsc", "kvm-clock") and steady,
                 f"the clock is {source}" + ("" if steady else ", and the processor does not say that its counter is steady"))

    def _governor(self, cores):
        found = {_text(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor") for core in cores} - {""}
        value = ", ".join(sorted(found)) or "not visible"
        self.add("governor", value, "", "performance, or not visible", found <= {"performance"},
                 f"the frequency governor is {value}" +
                 ("" if found <= {"performance"} else ": the processor changes its speed while it is measured"))


def longest_gap(core, seconds):
    """µs for which a thread on this core that does nothing but read the clock did not run."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        longest, last = 0, time.perf_counter_ns()
        end = last + int(seconds * 1e9)
        while last < end:
            now = time.perf_counter_ns()
            if now - last > longest:
                longest = now - last
            last = now
        return longest / 1000
    finally:
        os.sched_setaffinity(0, allowed)


def core_times(cores, stat=None):
    """Ticks of these cores so far: busy (all but idle, waiting and stolen), of them in interrupts, steal, total (proc(5), /proc/stat)."""
    times = {"busy": 0, "interrupts": 0, "steal": 0, "total": 0}
    wanted = {f"cpu{core}" for core in cores}
    for line in (stat if stat is not None else _text("/proc/stat")).splitlines():
        name, *numbers = line.split()
        if name in wanted:
            user, nice, system, idle, waiting, irq, softirq, steal = map(int, numbers[:8])
            busy = user + nice + system + irq + softirq
            times["busy"] += busy
            times["interrupts"] += irq + softirq
            times["steal"] += steal
            times["total"] += busy + idle + waiting + steal
    return times


def _text(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
