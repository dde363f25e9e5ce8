"""Each method on a device in virtual time: it finds what was put in, and says what it does not know."""
import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeBench, FakeDevice  # noqa: E402
from penstock_lab import stats, trial  # noqa: E402
from penstock_lab.book import Book, comparisons  # noqa: E402
from penstock_lab.errors import Broken  # noqa: E402
from penstock_lab.fields import Reader  # noqa: E402
from penstock_lab.methods import METHODS  # noqa: E402
from penstock_lab.subjects.base import Sample  # noqa: E402


def method(name, **fields):
    faults = []
    reader = Reader({"name": name, **fields}, "method", faults)
    reader.raw("name")
    made = METHODS[name](reader)
    reader.done()
    assert not faults, faults
    return made


def run(name, device=None, bench=None, **fields):
    """The book of one run, and its figures by name and conditions."""
    book = Book("dut", {})
    method(name, **fields).run(bench or FakeBench(device), book)
    return book, {(one["metric"], *one["conditions"].values()): one for one in book.figures_of_result(1)}


class PacketMethodsTest(unittest.TestCase):
    def test_throughput(self):
        _, figures = run("throughput", FakeDevice(1e6))
        found = figures["throughput", 0, 1.0]
        self.assertEqual((found["unit"], found["better"], found["bound"]), ("pps", "higher", "subject"))
        self.assertTrue(0.995e6 <= found["value"] <= 1e6)
        self.assertEqual(figures["bandwidth", 0, 1.0]["value"], 8 * 64 * found["value"])

    def test_throughput_of_a_device_that_passes_nothing_is_zero(self):
        _, figures = run("throughput", FakeDevice(frozen=(0, 1)))
        self.assertEqual(figures["throughput", 0, 1.0]["value"], 0)
        self.assertIn("no load down to", figures["throughput", 0, 1.0]["note"])

    def test_the_figure_is_what_came_back_and_not_what_was_asked(self):
        _, figures = run("throughput", FakeDevice(1e9, line=2e6))
        self.assertEqual((figures["throughput", 0, 1.0]["value"], figures["throughput", 0, 1.0]["bound"]), (2e6, "generator"))
        _, figures = run("throughput", FakeDevice(1e9, line=2e6, loss=5e-4), lossRatio=0.001)
        self.assertAlmostEqual(figures["throughput", 0.001, 1.0]["value"], 2e6 * (1 - 5e-4), delta=500)

    def test_a_device_that_loses_a_little_at_any_load_has_no_throughput(self):
        _, figures = run("throughput", FakeDevice(1e6, loss=8e-4, seed=2), least=1e4)
        self.assertEqual(figures["throughput", 0, 1.0]["value"], 0)

    def test_mlrsearch_reports_every_goal_or_says_why_not(self):
        _, figures = run("mlrsearch", FakeDevice(2e6))
        for goal, ratio in (("NDR", 0), ("PDR", 0.005)):
            self.assertTrue(0.99e6 * 2 <= figures["throughput", goal, ratio, 1.0]["value"] <= 2e6)
        book, figures = run("mlrsearch", FakeDevice(2e6), limit=1)
        self.assertEqual(figures, {})
        self.assertEqual(book.notes, ["dut: NDR: no load was confirmed within 1 s of trials",
                                      "dut: PDR: no load was confirmed within 1 s of trials"])

    def test_mlrsearch_that_is_cut_short_says_that_it_is_wide(self):
        _, figures = run("mlrsearch", FakeDevice(2e6), limit=3)
        self.assertEqual([one["bound"] for one in figures.values()], ["unknown"] * len(figures))
        self.assertTrue(all("not narrowed" in one["note"] for one in figures.values()))

    def test_latency_is_at_a_share_of_the_throughput(self):
        device = FakeDevice(1e6, delay=5000)
        book, figures = run("latency", device, shares=[0.5, 0.9])
        self.assertAlmostEqual(device.trials[-2][0], 0.5e6, delta=5000)
        self.assertAlmostEqual(device.trials[-1][0], 0.9e6, delta=9000)
        self.assertEqual(figures["latency_p99", 0.5]["value"], 5000)
        self.assertEqual([one["from"] for one in book.latencies_of_result()], ["sent", "sent"])

    def test_latency_without_a_throughput_is_an_error(self):
        with self.assertRaisesRegex(Broken, "name one with `of`"):
            run("latency", FakeDevice(frozen=(0, 1)))

    def test_what_becomes_of_packets_is_named(self):
        class Odd(FakeDevice):
            def event(self, load, seconds, number=1):
                event = super().event(load, seconds, number)
                event["streams"][0].update(received=990, lost=10, duplicated=1, reordered=2, corrupted=3, strayed=4)
                event["streams"][0]["latency"] = None
                return event

        _, figures = run("open", Odd(1e9), rates=[1000])
        self.assertEqual([figures[name, 1000]["value"] for name in ("loss_ratio", "duplicated", "reordered", "corrupted", "strayed")],
                         [0.01, 1, 2, 3, 4])

    def test_each_of_several_streams_speaks_for_itself(self):
        class Two(FakeDevice):
            def event(self, load, seconds, number=1):
                event = super().event(load, seconds, number)
                other = {**event["streams"][0], "name": "bad", "received": 400, "lost": 600, "latency": None}
                flood = {"name": "flood", "sent": 5000, "received": None, "bytes": 1}
                event["streams"] += [other, flood]
                return event

        _, figures = run("open", Two(1e9), rates=[1000])
        self.assertEqual([figures["loss_ratio", 1000, name]["value"] for name in ("s0", "bad")], [0, 0.6])
        self.assertEqual(figures["loss_ratio", 1000]["value"], 0.3)
        self.assertNotIn(("loss_ratio", 1000, "flood"), figures)

    def test_percentiles_that_too_few_packets_cannot_carry_are_left_out(self):
        _, figures = run("open", FakeDevice(1e6), rates=[500])
        names = {key[0] for key in figures}
        self.assertIn("latency_p99", names)
        self.assertNotIn("latency_p99.9", names)
        self.assertIn("latency_max", names)

    def test_the_loss_curve_ends_at_two_loads_without_loss(self):
        book, figures = run("loss", FakeDevice(0.75e6), most=1e6)
        points = book.curves[0]["points"]
        self.assertEqual([round(point["offered"]) for point in points], [600000, 700000, 800000, 900000, 1000000])
        self.assertEqual([point["loss"] > 0 for point in points], [False, False, True, True, True])
        self.assertAlmostEqual(points[-1]["loss"], 0.25)
        self.assertEqual(figures["lossless_load",]["value"], 700000)

    def test_the_two_loads_without_loss_are_in_a_row(self):
        class Moody(FakeDevice):
            def counts(self, load, seconds):
                sent = round(load * seconds)
                return sent, sent - (len(self.trials) in (0, 2, 4))

        book, figures = run("loss", Moody(), most=1e6)
        self.assertEqual([point["loss"] > 0 for point in book.curves[0]["points"]], [False, False, True, False, True, False, True])
        self.assertEqual(figures["lossless_load",]["value"], 500000)

    def test_a_device_that_always_loses_has_no_lossless_load(self):
        book, figures = run("loss", FakeDevice(1e9, loss=0.01), most=1e6)
        self.assertEqual(len(book.curves[0]["points"]), 10)
        self.assertEqual(figures, {})
        self.assertIn("no two loads in a row", book.notes[0])

    def test_the_generators_limit_is_its_hundred_percent(self):
        book, _ = run("loss", FakeDevice(1.5e6, line=2e6), most=1e8)
        self.assertEqual(book.curves[0]["points"][-1]["bound"], "generator")
        self.assertEqual(round(book.curves[0]["points"][-2]["offered"]), 1800000)

    def test_back_to_back_finds_the_buffer(self):
        # What fits: n frames at 2 Mpps of which half is forwarded meanwhile, and 5000 wait: n = 10000.
        _, figures = run("back_to_back", FakeDevice(1e6, line=2e6, buffer=5000))
        self.assertTrue(9700 <= figures["burst", 1e8]["value"] <= 10000)
        self.assertAlmostEqual(figures["buffer", 1e8]["value"], 5000, delta=200)

    def test_no_burst_is_too_long_for_a_device_that_keeps_up(self):
        _, figures = run("back_to_back", FakeDevice(1e9, line=2e6))
        self.assertEqual((figures["burst",]["value"], figures["burst",]["bound"]), (4e6, "generator"))

    def test_soak_says_what_it_can_say(self):
        _, figures = run("soak", FakeDevice(1e9), load=1e6, seconds=60)
        self.assertEqual(figures["loss_ratio", 1e6]["value"], 0)
        self.assertIn("below 1e-07 with 95 % confidence", figures["loss_ratio", 1e6]["note"])
        _, figures = run("soak", FakeDevice(1e9), load=1e6, seconds=1)
        self.assertIn("1000000 were too few to say", figures["loss_ratio", 1e6]["note"])
        self.assertAlmostEqual(figures["loss_ratio_bound", 1e6]["value"], stats.loss_bound(0, 1000000))
        _, figures = run("soak", FakeDevice(1e9, loss=1e-4), load=1e6, seconds=60)
        self.assertIn("above 1e-07", figures["loss_ratio", 1e6]["note"])

    def test_ramp(self):
        book, figures = run("ramp", FakeDevice(1e6), **{"from": 5e5, "to": 2e6, "steps": 4})
        self.assertEqual([point["offered"] for point in book.curves[0]["points"]], [5e5, 1e6, 1.5e6, 2e6])
        self.assertEqual(figures["highest_rate",]["value"], 1e6)

    def test_spike(self):
        _, figures = run("spike", FakeDevice(1e6), base=5e5, peak=4e6)
        self.assertEqual([figures["loss_ratio", phase]["value"] for phase in ("before", "peak", "after")], [0, 0.75, 0])
        self.assertEqual(figures["recovery",]["value"], 0)

    def test_reconfiguration_loses_for_as_long_as_the_device_stands(self):
        bench = FakeBench(FakeDevice(1e9, frozen=(0.5, 0.75)))
        _, figures = run("reconfiguration", bench=bench, change="routes", pace=100, load=1e6)
        self.assertEqual(bench.changes, [("routes", n) for n in range(200)])
        self.assertAlmostEqual(figures["blocked_time", "routes", 100, 1e6]["value"], 0.25)
        self.assertEqual(figures["lost", "routes", 100, 1e6]["value"], 500000 / 2)
        self.assertEqual(figures["changes", "routes", 100, 1e6]["value"], 100)

    def test_a_pace_that_was_not_met_is_said(self):
        class Slow(FakeBench):
            def trial(self, load, seconds, beside=None, **options):
                for now in range(3):
                    if beside is not None:
                        beside(float(now))
                return self.device.trial(load, seconds)

        _, figures = run("reconfiguration", bench=Slow(FakeDevice(1e9)), change="routes", pace=100, load=1e6)
        self.assertIn("2 changes in 2 s: the asked pace of 100 a second was not met", figures["lost", "routes", 100, 1e6]["note"])

    def test_reset_makes_one_change_and_counts_the_time_without(self):
        bench = FakeBench(FakeDevice(1e9, frozen=(1.0, 1.5)))
        _, figures = run("reset", bench=bench, load=1e6)
        self.assertEqual(bench.changes, [("restart", 0)])
        self.assertAlmostEqual(figures["recovery", "restart", 1e6]["value"], 0.5)

    def test_nothing_sent_is_an_error_and_not_a_figure(self):
        for name, fields in (("throughput", {}), ("loss", {}), ("soak", {"load": 1e6}), ("open", {"rates": [1e6]}), ("mlrsearch", {})):
            with self.subTest(name), self.assertRaisesRegex(Broken, "sent nothing"):
                run(name, FakeDevice(line=0), **fields)

    def test_a_late_generator_marks_every_figure(self):
        for name, fields in (("soak", {"load": 3e6}), ("open", {"rates": [3e6]}), ("ramp", {"from": 2e6, "to": 3e6}), ("rate", {})):
            bench = WorkBench(FakeDevice(1e9, line=2e6))
            _, figures = run(name, bench=bench, **fields)
            self.assertEqual({one["bound"] for one in figures.values()}, {"generator"}, name)


class WorkBench(FakeBench):
    """The subject is busy for a quarter of a microsecond with each packet, and has 1000 cycles for it."""

    def __init__(self, device):
        super().__init__(device)
        self.now = 0.0

    def sample(self):
        done = sum(received for _, _, _, received in self.device.trials)
        return Sample(time=self.now, sent=done, busy_seconds=done * 0.25e-6, cycles=done * 1000)

    def sleep(self, seconds):
        self.now += seconds
        self.device.event(1e9, seconds)

    def stages(self):
        return {"parse": 40.0}


class WorkTest(unittest.TestCase):
    def test_rate_and_work_of_a_saturated_device(self):
        book, figures = run("rate", bench=WorkBench(FakeDevice(1e6)))
        self.assertEqual((figures["rate",]["value"], figures["rate",]["bound"]), (1e6, "subject"))
        self.assertAlmostEqual(figures["work",]["value"], 4e6)
        self.assertEqual(figures["cycles",]["value"], 1000)
        for cycles in (50.0, 60.0):
            book.stage_cycles({"parse": cycles})
        self.assertEqual([one["stages"] for one in book.stages_of_result()], [{"parse": 50.0}])

    def test_rate_of_memory_is_the_subjects_own_count(self):
        bench = WorkBench(FakeDevice(1e6))
        bench.traffic = "memory"
        _, figures = run("rate", bench=bench, seconds=2)
        self.assertEqual(figures["rate",]["value"], 1e6)
        bench.sample = lambda: Sample(time=1.0)
        with self.assertRaisesRegex(Broken, "does not count what it sends"):
            run("rate", bench=bench)


class RequestBench(FakeBench):
    """A server: answers up to its capacity, keeps up to 100 connections."""
    traffic, unit, latency_from = "requests", "requests/s", "scheduled"
    scenario = types.SimpleNamespace(clients={"connections": 300})

    def trial(self, load, seconds, connections=None, **_):
        due = round((load or 1000) * seconds)
        good = min(due, int(self.device.capacity * seconds))
        held = min(connections or 10, 100)
        return trial.of_requests({"seconds": seconds, "bound": "none", "clock": "virtual", "requests": good, "inTime": good, "unsent": due - good,
                                  "errors": {"timeout": 0, "reset": 0}, "bytes": good * 128,
                                  "connections": connections, "held": held, "opened": good})


class CapacityTest(unittest.TestCase):
    def test_rates(self):
        for of, metric, factor in (("requests", "requests_rate", 1), ("connections", "connections_rate", 1),
                                   ("throughput", "bandwidth", 8 * 128)):
            _, figures = run("capacity", bench=RequestBench(FakeDevice(5000)), of=of)
            self.assertTrue(0.98 * 5000 <= figures[metric, 1e-5]["value"] / factor <= 5000, figures)

    def test_concurrent_connections(self):
        _, figures = run("capacity", bench=RequestBench(FakeDevice(5000)), of="concurrent", resolution=0.01, seconds=1)
        self.assertTrue(98 <= figures["concurrent_connections", 1e-5]["value"] <= 100)


class BookTest(unittest.TestCase):
    def test_turns_become_samples_and_histograms_are_added(self):
        book, device = Book("dut", {"size": 64}), FakeDevice(1e6, delay=1000)
        for _ in range(3):
            method("open", rates=[1000]).run(FakeBench(device), book)
        figure = next(one for one in book.figures_of_result(1) if one["metric"] == "rate")
        self.assertEqual((figure["samples"], figure["conditions"]), ([1000.0] * 3, {"size": 64, "rate": 1000}))
        self.assertEqual(book.latencies_of_result()[0]["histogram"]["count"], 3000)

    def test_percentiles_are_those_of_all_turns_together(self):
        """Nine turns of 1 µs and one of 9 µs: the p99 of all is 9 µs, which the median of ten p99s would never say."""
        book = Book("dut", {})
        for turn in range(10):
            book.percentiles(FakeDevice(1e9, delay=9000 if turn == 9 else 1000).trial(100, 1.0).latency)
        found = {one["metric"]: one for one in book.figures_of_result(1)}
        self.assertEqual((found["latency_p50"]["value"], found["latency_p99"]["value"], found["latency_max"]["value"]), (1003, 9000, 9000))
        self.assertEqual(found["latency_p99"]["samples"], [1000.0] * 9 + [9000.0])
        self.assertIn("latency_p99.9", found)      # a thousand can carry it, a hundred could not
        self.assertNotIn("latency_p99.99", found)
        low, high = found["latency_p99"]["interval"]
        self.assertTrue(low <= 9000 <= high)

    def test_one_turn_limited_by_the_generator_is_enough(self):
        book = Book("dut", {})
        for bound in ("subject", "generator", "unknown", "subject"):
            book.figure("rate", "pps", "higher", 1, bound)
        self.assertEqual(book.figures_of_result(1)[0]["bound"], "generator")

    def test_comparisons_pair_the_turns(self):
        mine, theirs = Book("a", {}), Book("b", {})
        for turn in range(3):
            mine.figure("rate", "pps", "higher", 3 - turn)
            theirs.figure("rate", "pps", "higher", 1.5 - turn / 2)
        theirs.figure("other", "pps", "higher", 1)
        (found,) = comparisons(mine, theirs, 1)
        self.assertAlmostEqual(found["ratio"], 2)
        self.assertEqual((found["pairs"], found["device"], found["peer"], found["verdict"]), (3, "a", "b", "better"))

    def test_there_is_no_verdict_where_the_generator_was_the_limit(self):
        mine, theirs = Book("a", {}), Book("b", {})
        for _ in range(3):
            mine.figure("rate", "pps", "higher", 2, "generator")
            theirs.figure("rate", "pps", "higher", 1)
        (found,) = comparisons(mine, theirs, 1)
        self.assertEqual(found["verdict"], "unclear")
        self.assertIn("the generator was the limit", found["method"])


class TrialTest(unittest.TestCase):
    def test_what_a_generator_cannot_have_counted_is_not_believed(self):
        good = FakeDevice(1e6).event(1000, 1.0)
        trial.of_packets(good)
        for change in ({"seconds": 0}, {"seconds": "1"}, {"bound": "maybe"}, {"streams": {}}, {"streams": [{"sent": -1}]},
                       {"streams": [{"sent": 1.5}]}, {"streams": [{"sent": 1, "received": 2}]}, {"streams": [{"sent": 1, "received": 0, "lost": 2}]},
                       {"streams": [{"sent": 1, "received": 1, "latency": {"count": 1}}]}):
            with self.subTest(change), self.assertRaises(Broken):
                trial.of_packets({**good, **change})

    def test_a_stream_without_signature_is_sent_and_counts_for_nothing_else(self):
        event = FakeDevice(1e9).event(1000, 1.0)
        event["streams"].append({"name": "flood", "sent": 9000, "received": None, "lost": None, "latency": None, "bytes": 576000})
        one = trial.of_packets(event)
        self.assertEqual((one.sent, one.offered, one.good, one.failed, one.load, one.loss, one.bytes), (10000, 1000, 1000, 0, 10000, 0, 64000))

    def test_failures_of_requests_are_all_kinds_of_them(self):
        one = trial.of_requests({"seconds": 2, "bound": "none", "requests": 90, "inTime": 80, "errors": {"timeout": 3, "reset": 2}, "unsent": 4,
                                 "unanswered": 1, "bytes": 10})
        self.assertEqual((one.offered, one.failed, one.good, one.load, one.rate, one.loss), (100, 10, 90, 50, 40, 0.1))
        self.assertEqual(one.reasons, "timeout 3, reset 2, unsent 4, unanswered 1")

    def test_more_in_time_than_there_were_is_not_believed(self):
        with self.assertRaisesRegex(Broken, "inTime"):
            trial.of_requests({"seconds": 2, "bound": "none", "requests": 90, "inTime": 91})

    def test_a_trial_that_was_stopped_before_it_counted_has_no_rate(self):
        one = trial.of_requests({"seconds": 0.0, "stopped": True, "bound": "subject", "requests": 0})
        self.assertEqual((one.stopped, one.seconds, one.load, one.rate), (True, 0, 0, 0))
        for stopped in (False, None):
            with self.assertRaisesRegex(Broken, "seconds"):
                trial.of_requests({"seconds": 0.0, "stopped": stopped, "bound": "subject", "requests": 0})


if __name__ == "__main__":
    unittest.main()
