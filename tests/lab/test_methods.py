"""Each method on a device in virtual time: it finds what was put in, and says what it does not know."""
import dataclasses
import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeBench, FakeDevice  # noqa: E402
from penstock_lab import stats, trial  # noqa: E402
from penstock_lab.bench import Bench  # noqa: E402
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

    def test_loads_that_are_the_same_are_one_figure(self):
        _, figures = run("open", FakeDevice(1e6), rates=[1000, 1000.0, 2000])
        self.assertEqual([(key[1], len(one["samples"])) for key, one in figures.items() if key[0] == "rate"], [(1000, 2), (2000, 1)])

    def test_latencies_and_courses_say_who_set_the_limit(self):
        for line, expected in ((1e9, "subject"), (500, "generator")):
            book, _ = run("soak", FakeDevice(1e6, line=line), load=1000)
            self.assertEqual([one["bound"] for one in book.latencies_of_result()], [expected])
            book.samples(dataclasses.replace(FakeDevice(1e6, line=line).trial(1000, 1), samples=({"t": 1.0},)), 1.0)
            self.assertEqual([one["bound"] for one in book.series], [expected])

    def test_latency_is_at_a_share_of_the_throughput(self):
        device = FakeDevice(1e6, delay=5000)
        book, figures = run("latency", device, shares=[0.5, 0.9])
        self.assertAlmostEqual(device.trials[-2][0], 0.5e6, delta=5000)
        self.assertAlmostEqual(device.trials[-1][0], 0.9e6, delta=9000)
        self.assertEqual(figures["latency_p99", 0.5]["value"], 5000)
        self.assertEqual([one["from"] for one in book.latencies_of_result()], ["sent", "sent"])

    def test_latencies_at_different_loads_are_not_compared(self):
        def compared(peer, **fields):
            books = [Book(name, {}) for name in ("dut", "peer")]
            for _ in range(3):
                for one, (capacity, delay) in zip(books, ((1e6, 5000), peer)):
                    one.begin_turn()
                    method("latency", shares=[0.5], **fields).run(FakeBench(FakeDevice(capacity, delay=delay)), one)
            return next(one for one in comparisons(*books, 1) if one["metric"] == "latency_p99")

        for peer, fields, expected in (((2e6, 10000), {}, "unclear"), ((1.005e6, 10000), {}, "better"), ((2e6, 10000), {"of": 1e5}, "better")):
            found = compared(peer, **fields)
            self.assertEqual((found["verdict"], "loads differ" in found["method"]), (expected, expected == "unclear"))

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
        self.assertEqual(figures["burst", 1e8]["bound"], "generator", "it was asked for fifty times as much")
        self.assertIn("at 2e+06 pps, all that could be sent; median", figures["burst", 1e8]["note"])
        self.assertAlmostEqual(figures["buffer", 1e8]["value"], 5000, delta=200)
        _, figures = run("back_to_back", FakeDevice(1e6, line=1e9, buffer=5000), rate=2e6)
        self.assertEqual((figures["burst", 2e6]["bound"], figures["burst", 2e6]["note"]), ("subject", "median of 5 searches"))

    def test_no_burst_is_too_long_for_a_device_that_keeps_up(self):
        _, figures = run("back_to_back", FakeDevice(1e9, line=2e6))
        self.assertEqual((figures["burst", 1e8]["value"], figures["burst", 1e8]["bound"]), (4e6, "generator"))

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

    def test_recovery_from_a_spike(self):
        """Sent and received in intervals of 0.1 s after the peak, and lost as a generator knows it."""
        class After(FakeBench):
            def trial(self, load, seconds, **_):
                one = self.device.trial(load, seconds)
                return dataclasses.replace(one, samples=tuple({"t": (n + 1) / 10, "sent": sent, "received": received, "lost": lost,
                                                               "p99": 1_000_000} for n, (sent, received, lost) in enumerate(self.course)))

        whole, none = (50_000, 50_000, 0), (50_000, 0, 0)
        on_its_way = (50_000, 49_500, 0)        # of 1 ms at 500,000 a second
        for course, seconds, said in (([whole] * 10, 0, False), ([none] * 10, 1, True), ([whole] * 6 + [none] * 4, 1, True),
                                      ([none] * 4 + [whole] * 6, 0.4, False), ([none] + [whole] * 8 + [on_its_way], 0.1, False),
                                      ([whole] * 3 + [(50_000, 50_000, 7)] + [whole] * 6, 0.4, False),
                                      ([whole] * 3 + [none, (50_000, 100_000, 0)] + [whole] * 5, 0, False),
                                      ([whole] * 9 + [(50_000, 10_000, 0)], 1, True)):
            bench = After(FakeDevice(1e6))
            bench.course = course
            _, figures = run("spike", bench=bench, base=5e5, peak=4e6)
            self.assertEqual((figures["recovery",]["value"], "did not recover" in figures["recovery",]["note"]), (seconds, said), course)
            _, figures = run("reset", bench=bench, load=5e5)
            self.assertEqual("did not recover" in figures["recovery", "restart", 5e5]["note"], said, course)

    def test_a_stream_that_nobody_counts_is_no_time_of_service(self):
        """A quarter of the counted packets is lost in two seconds, beside nine times as many that are not counted."""
        class Flooded(FakeDevice):
            def event(self, load, seconds, number=1):
                event = super().event(load / 10, seconds, number)
                event["streams"].append({"name": "flood", "sent": 9 * event["streams"][0]["sent"], "received": None, "bytes": 1})
                return event

        for name, metric, conditions in (("reconfiguration", "blocked_time", {"pace": 10, "change": "routes"}), ("reset", "recovery", {"seconds": 2})):
            _, figures = run(name, bench=FakeBench(Flooded(1e9, frozen=(0, 0.5))), load=1e6, **conditions)
            self.assertAlmostEqual(next(one["value"] for key, one in figures.items() if key[0] == metric), 0.5)

        class Small(Flooded):
            def counts(self, load, seconds):
                return super().counts(load * 10, seconds)

        _, figures = run("back_to_back", Small(1e6, line=2e6, buffer=5000))
        self.assertAlmostEqual(figures["buffer", 1e8]["value"], 5000, delta=200)

    def test_changes_are_made_in_what_is_counted(self):
        class Generator:
            """Calls what is beside a trial from its command on."""
            def trial(self, command, _, beside=None):
                now = 0.0
                while beside is not None and (wait := beside(now)) is not None:
                    now += wait
                    calls.append(round(now, 6))
                return {"seconds": command["seconds"], "bound": "none", "requests": 10}, []

        for warmup in (0, 3):
            calls, made = [], []
            scenario = types.SimpleNamespace(traffic="requests", clients={})
            bench = Bench(scenario, None, None, types.SimpleNamespace(sample=None, trial=lambda *_: None))
            bench._generator, bench.change = Generator(), lambda kind, n: made.append((calls or [0])[-1])
            run("reset", bench=bench, load=1000, seconds=2, at=0.5, warmup=warmup)
            self.assertEqual(made, [warmup + 0.5])
            made.clear(), calls.clear()
            run("reconfiguration", bench=bench, load=1000, seconds=2, change="routes", pace=2, warmup=warmup)
            self.assertEqual(made, [warmup + at for at in (0, 0.5, 1, 1.5)])

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

    def test_a_port_that_takes_nothing_blocks_what_is_due(self):
        event = FakeDevice(1e9).event(1000, 1.0)
        event.update(due=1500, bound="generator", ports=[{"name": "left", "refused": 500}])
        blocked = trial.of_packets(event)
        self.assertEqual((blocked.bound, blocked.untaken, blocked.failed), ("device", 500, 0))
        self.assertAlmostEqual(blocked.blocked, 1 / 3)
        self.assertEqual(trial.of_packets({**event, "late": 400}).untaken, 0, "the generator was late itself")

    def test_a_silence_is_time_without_service_though_nothing_was_lost(self):
        class Bench(FakeBench):
            def trial(self, load, seconds, sample=0.1, **_):
                events = [{"t": (n + 1) * sample, "sent": 20, "received": 0 if silent[0] <= n < silent[1] else 20}
                          for n in range(round(seconds / sample) + 10)]       # and a drain
                return dataclasses.replace(self.device.trial(load, seconds), samples=tuple(events))

        for load, silent, recovery in ((1000, (10, 35), 0.5), (1000, (10, 12), 0), (1000, (0, 10), 0.2), (1000, (90, 200), 0.2), (10, (10, 35), 0)):
            with self.subTest(load=load, silent=silent):
                _, figures = run("reset", bench=Bench(FakeDevice(1e9)), load=load, seconds=2)
                self.assertAlmostEqual(figures["recovery", "restart", load]["value"], recovery)

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

    def test_idle_rounds_of_a_drain_are_nobodys_work(self):
        """Who polls is busy for all of the 1.25 s; a million packets of one second are counted. Who is busy with packets only is left alone."""
        for polls, busy, work in ((True, 1.25, 1e6), (True, 1.0, 1.25e6), (False, 1.25, 0.8e6)):
            bench = WorkBench(FakeDevice(1e6))
            taken = [Sample(time=5.0, busy_seconds=3.0, polls=polls), Sample(time=6.25, busy_seconds=3.0 + busy, polls=polls)]
            bench.sample = lambda taken=taken: taken.pop(0)
            _, figures = run("rate", bench=bench, seconds=1)
            self.assertAlmostEqual(figures["work",]["value"], work)

    def test_who_limits_a_rate(self):
        class Short(FakeDevice):
            """Its generator sends 2 Mpps; `lost`, and of them `missed` by the generator."""
            lost = missed = refused = 0

            def event(self, load, seconds, number=1):
                event = super().event(load, seconds, number)
                event["streams"][0]["received"] -= self.lost
                event["streams"][0].update(lost=self.lost, latency=None)
                event["ports"][0].update(missed=self.missed, refused=self.refused)
                return {**event, "due": event["sent"] + self.refused}

        for lost, missed, refused, expected in ((0, 0, 0, "generator"), (1, 0, 0, "generator"), (40_000, 0, 0, "generator"),
                                                (40_001, 0, 0, "subject"), (400_000, 0, 0, "subject"), (400_000, 1, 0, "generator"),
                                                (1, 0, 10**6, "device"), (400_000, 0, 10**6, "device")):
            device = Short(1e9, line=2e6)
            device.lost, device.missed, device.refused = lost, missed, refused
            _, figures = run("rate", bench=WorkBench(device))
            self.assertEqual({one["bound"] for one in figures.values()}, {expected}, (lost, missed, refused))

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
    refuses = True         # what it does not keep; else it is silent

    def trial(self, load, seconds, connections=None, **_):
        due = round((load or 1000) * seconds)
        good = min(due, int(self.device.capacity * seconds))
        held = min(connections or 10, 100)
        refused = (connections or 10) - held if self.refuses else 0
        return trial.of_requests({"seconds": seconds, "bound": "none", "clock": "virtual", "requests": good, "inTime": good, "unsent": due - good,
                                  "errors": {"timeout": 0, "refused": refused}, "bytes": good * 128,
                                  "connections": connections, "held": held, "opened": good})


class ClosedLoopTest(unittest.TestCase):
    def test_a_subject_that_was_idle_was_not_the_limit(self):
        class Closed(RequestBench):
            latency_from = "sent"

            def __init__(self, busy, failed=0, bound="subject"):
                super().__init__(FakeDevice(1e4))
                self.samples = iter((Sample(0, busy_seconds=1.0), Sample(2, busy_seconds=busy and 1.0 + busy)))
                self.busy, self.failed, self.bound = busy, failed, bound

            def trial(self, load, seconds, **_):
                return trial.of_requests({"seconds": seconds, "bound": self.bound, "requests": 1000, "errors": {"reset": self.failed}})

            def sample(self):
                return next(self.samples)

            def stages(self):
                return {}

        for bench, expected in ((Closed(1.9), "subject"), (Closed(1.7), "generator"), (Closed(1.7, failed=1), "subject"), (Closed(None), "subject"),
                                (Closed(1.9, bound="generator"), "generator")):
            _, figures = run("rate", bench=bench, seconds=2)
            self.assertEqual(figures["rate",]["bound"], expected)
            self.assertEqual("not busy" in figures["rate",]["note"], expected == "generator" and bench.bound == "subject")
            self.assertEqual({key: one["bound"] for key, one in figures.items() if key == ("work",)}, {("work",): bench.bound} if bench.busy else {})


class CapacityTest(unittest.TestCase):
    def test_rates(self):
        for of, metric, factor in (("requests", "requests_rate", 1), ("connections", "connections_rate", 1),
                                   ("throughput", "bandwidth", 8 * 128)):
            _, figures = run("capacity", bench=RequestBench(FakeDevice(5000)), of=of)
            self.assertTrue(0.98 * 5000 <= figures[metric, 1e-5]["value"] / factor <= 5000, figures)

    def test_concurrent_connections(self):
        _, figures = run("capacity", bench=RequestBench(FakeDevice(5000)), of="concurrent", resolution=0.01, seconds=1)
        found = figures["concurrent_connections", 1e-5]
        self.assertTrue(98 <= found["value"] <= 100)
        self.assertEqual((found["bound"], found["note"]), ("subject", "refused 1"))

    def test_connections_that_were_only_not_open_yet_are_no_limit(self):
        bench = RequestBench(FakeDevice(5000))
        bench.refuses = False
        _, figures = run("capacity", bench=bench, of="concurrent", resolution=0.01, seconds=1)
        self.assertEqual(figures["concurrent_connections", 1e-5]["bound"], "unknown")
        self.assertIn("100 were open after 1 s and none failed", figures["concurrent_connections", 1e-5]["note"])


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
            mine.begin_turn(), theirs.begin_turn()
            mine.figure("rate", "pps", "higher", 3 - turn)
            theirs.figure("rate", "pps", "higher", 1.5 - turn / 2)
        theirs.figure("other", "pps", "higher", 1)
        (found,) = comparisons(mine, theirs, 1)
        self.assertAlmostEqual(found["ratio"], 2)
        self.assertEqual((found["pairs"], found["device"], found["peer"], found["verdict"]), (3, "a", "b", "better"))

    def test_a_turn_without_a_figure_shifts_no_other(self):
        """Each turn is half as fast as the one before, for both; the device has no figure of the second, nor the peer a latency."""
        mine, theirs = Book("a", {}), Book("b", {})
        for turn in range(5):
            mine.begin_turn(), theirs.begin_turn()
            if turn != 1:
                mine.figure("rate", "pps", "higher", 3 / 2 ** turn)
                theirs.percentiles(FakeDevice(1e9, delay=1000 * 2 ** turn).trial(100, 1.0).latency)
            theirs.figure("rate", "pps", "higher", 1 / 2 ** turn)
            mine.percentiles(FakeDevice(1e9, delay=1000 * 2 ** turn).trial(100, 1.0).latency)
        for found in comparisons(mine, theirs, 1):
            self.assertAlmostEqual(found["ratio"], 3 if found["metric"] == "rate" else 1, places=2)
            self.assertEqual(found["pairs"], 4)
            self.assertIn("4 of 5 turns have both", found["method"])

    def compared(self, mine, theirs, bounds=("subject", "subject")):
        books = Book("a", {}), Book("b", {})
        for one, values, bound in zip(books, (mine, theirs), bounds):
            for value in values:
                one.begin_turn()
                one.figure("rate", "pps", "higher", value, bound)
        return comparisons(*books, 1)

    def test_there_is_no_verdict_where_a_limit_was_not_the_subjects(self):
        for mine, bounds, expected, said in ((2, ("generator", "subject"), "unclear", "the generator was the limit"),
                                             (2, ("subject", "unknown"), "unclear", "the limit was not found"),
                                             (1, ("subject", "unknown"), "unclear", "the limit was not found"),
                                             (0.5, ("unknown", "unknown"), "unclear", "the limit was not found"),
                                             (0.5, ("subject", "unknown"), "worse", ""), (2, ("unknown", "subject"), "better", "")):
            (found,) = self.compared([mine] * 3, [1] * 3, bounds)
            self.assertEqual(found["verdict"], expected, (mine, bounds))
            self.assertIn(said, found["method"])

    def test_a_figure_of_zero_is_compared(self):
        (found,) = self.compared([0] * 3, [1] * 3)
        self.assertEqual((found["ratio"], found["interval"], found["pairs"], found["verdict"]), (None, None, 3, "worse"))
        self.assertEqual(self.compared([1] * 3, [0] * 3)[0]["verdict"], "better")

    def test_figures_of_no_common_turn_say_nothing(self):
        mine, theirs = Book("a", {}), Book("b", {})
        for one, other in ((mine, theirs), (theirs, mine)):
            one.begin_turn(), other.begin_turn()
            one.figure("rate", "pps", "higher", 1)
        (found,) = comparisons(mine, theirs, 1)
        self.assertEqual((found["ratio"], found["pairs"], found["verdict"]), (None, 0, "unclear"))

    def test_two_figures_of_zero_are_no_comparison(self):
        self.assertEqual(self.compared([0] * 3, [0] * 3), [])


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

    def test_a_silent_device_is_silent_and_not_the_generators_limit(self):
        frozen = FakeDevice(frozen=(0, 10), line=500).event(1000, 1)
        self.assertEqual((frozen["bound"], trial.of_packets(frozen).silent, trial.of_packets(frozen).bound), ("generator", True, "subject"))
        for name in ("corrupted", "strayed", "duplicated"):
            spoke = {**frozen, "streams": [{**frozen["streams"][0], name: 1}]}
            self.assertEqual((trial.of_packets(spoke).silent, trial.of_packets(spoke).bound), (False, "generator"))
        for port, silent, bound in (({"missed": 1}, False, "generator"), ({"refused": 500}, True, "device")):
            one = trial.of_packets({**frozen, "due": 1000, "ports": [port]})
            self.assertEqual((one.silent, one.bound), (silent, bound))
        self.assertFalse(trial.of_packets({**frozen, "streams": [{"name": "unsigned", "sent": 5, "received": None, "bytes": 0}]}).silent)
        self.assertFalse(trial.of_packets(FakeDevice(1).event(1000, 1)).silent)

    def test_requests_that_nobody_answers(self):
        unanswered = {"seconds": 1.0, "bound": "generator", "requests": 0, "errors": {"refused": 9}, "unsent": 1}
        one = trial.of_requests(unanswered)
        self.assertEqual((one.silent, one.bound, one.reasons), (True, "subject", "refused 9, unsent 1"))
        for change in ({"outside": 1}, {"errors": {"status": 1}}, {"errors": {"protocol": 1}}, {"errors": {"reset": 1}}, {"errors": {"ports": 1}},
                       {"ports": [{"missed": 1}]}, {"errors": {}, "unsent": 0}):
            self.assertFalse(trial.of_requests({**unanswered, **change}).silent, change)

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
