"""What a person sees while it runs, on a terminal and elsewhere, by a clock of the test's."""
import io
import pathlib
import sys
import types
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeDevice  # noqa: E402
from penstock_lab.fields import Reader  # noqa: E402
from penstock_lab.methods import METHODS  # noqa: E402
from penstock_lab.progress import Progress, duration, quantity, share, si  # noqa: E402


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressTest(unittest.TestCase):
    def setUp(self):
        self.now = 100.0
        self.stream = Terminal()
        self.progress = Progress(self.stream, lambda: self.now)

    def said(self):
        """The last line on the terminal."""
        return self.stream.getvalue().rpartition("\x1b[K")[2]

    def sample(self, seconds):
        self.now += seconds
        self.progress.sample({"t": 0.1, "sent": 1000, "lost": 0, "p99": 5000})
        return self.said()

    def test_the_only_turn_has_a_time_left(self):
        self.progress.begin([600.2])
        self.progress.turn("soak")
        self.assertTrue(self.sample(0.2).endswith("about 10 min left"))
        self.assertTrue(self.sample(540).endswith("about 60 s left"))
        self.assertTrue(self.sample(50).endswith("about 10 s left"))
        self.assertNotIn("left", self.sample(30))

    def test_turns_that_were_timed_correct_what_was_expected(self):
        self.progress.begin([10, 10, 20])
        self.progress.turn("a")
        self.assertTrue(self.sample(5).endswith("about 35 s left"))
        self.now += 10      # 15 for 10: with half as much again, 45 for the other 30
        self.progress.turn_done()
        self.progress.turn("b")
        self.assertTrue(self.sample(5).endswith("about 40 s left"))
        self.now += 10
        self.progress.turn_done()
        self.progress.turn("c")
        self.progress.turn_done()
        self.assertNotIn("left", self.sample(1))

    def test_days_are_hours(self):
        self.progress.begin([86400])
        self.progress.turn("soak")
        self.assertTrue(self.sample(0).endswith("about 24.0 h left"))

    def test_steps_before_the_first_turn_are_told(self):
        self.progress.step("stability check: the generator alone")
        self.assertEqual(self.said(), "stability check: the generator alone")
        plain = io.StringIO()
        Progress(plain).step("stability check: the clock")
        self.assertEqual(plain.getvalue(), "stability check: the clock\n")

    def test_elsewhere_each_turn_and_trial_is_a_line(self):
        plain = io.StringIO()
        progress = Progress(plain, lambda: self.now)
        progress.begin([30])
        progress.turn("a")
        progress.sample({"t": 0.1, "sent": 1000})
        progress.trial(FakeDevice(1e6, loss=4e-7).trial(1e7, 1.0), "pps")
        self.assertEqual(plain.getvalue().splitlines()[0], "a  (turn 1 of 1  about 30 s left)")
        self.assertIn("loss 90%", plain.getvalue().splitlines()[1])

    def test_a_small_loss_is_not_none(self):
        self.progress.begin([1])
        self.progress.turn("a")
        trial = types.SimpleNamespace(load=1e7, loss=4e-7, latency=types.SimpleNamespace(count=0), silent=False, generator_bound=False)
        self.progress.trial(trial, "pps")
        self.assertIn("loss 0.00004%", self.said())


class Words(unittest.TestCase):
    def test_shares(self):
        for value, expected in ((0, "0%"), (1, "100%"), (0.5, "50%"), (4e-7, "0.00004%"), (1e-7, "0.00001%"), (1.234e-9, "0.000000123%"),
                                (1e-12, "1e-10%"), (0.99999, "99.9%"), (0.1234, "12.3%"), (0.9, "90%")):
            self.assertEqual(share(value), expected)

    def test_rounding_does_not_leave_the_unit(self):
        for nanos, expected in ((0, "0 ns"), (5, "5 ns"), (999.4, "999 ns"), (999.6, "1 µs"), (999_600, "1 ms"), (999_400, "999 µs"), (999_600_000, "1 s"),
                                (1e9, "1 s"), (12.34e9, "12.3 s"), (1234e9, "1234 s"), (0.25, "0.25 ns")):
            self.assertEqual(duration(nanos), expected)
        for value, expected in ((999.94, "999.9 "), (999.96, "1 k"), (999_960, "1 M"), (1.2345e6, "1.234 M"), (0, "0 "), (-2500, "-2.5 k"),
                                (1.2345e13, "12345 G"), (0.0123, "0.0123 ")):
            self.assertEqual(si(value), expected)
        self.assertEqual([quantity(1e-3, "s"), quantity(14.8809e6, "pps")], ["1 ms", "14.88 Mpps"])


class Expected(unittest.TestCase):
    """Seconds of a turn, of every method."""
    FIELDS = {"soak": {"load": 1}, "spike": {"base": 1, "peak": 2}, "ramp": {"from": 1, "to": 2}, "capacity": {"of": "requests"},
              "reset": {"load": 1}, "reconfiguration": {"load": 1, "change": "rules"}}

    def test_every_method_has_an_idea(self):
        for name, made in METHODS.items():
            faults = []
            one = made(Reader({"name": name, "seconds": 2, "drain": 0.5, "warmup": 1, **self.FIELDS.get(name, {})}, "method", faults))
            self.assertEqual(faults, [])
            self.assertGreaterEqual(one.expected(), 3.5, name)
        soak = METHODS["soak"](Reader({"seconds": 600, "load": 1}, "method", []))
        self.assertEqual(soak.expected(), 600.2)
        steps = METHODS["open"](Reader({"seconds": 1, "rates": [1, 2, 3]}, "method", []))
        self.assertAlmostEqual(steps.expected(), 3.6)


if __name__ == "__main__":
    unittest.main()
