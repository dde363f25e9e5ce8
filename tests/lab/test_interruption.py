"""Signals during a run: raised once, and not while something is cleaned up."""
import os
import pathlib
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import interruption  # noqa: E402
from penstock_lab.errors import Interrupted  # noqa: E402


class InterruptionTest(unittest.TestCase):
    def setUp(self):
        for number in interruption.NUMBERS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def test_each_signal_interrupts_and_a_second_one_does_not(self):
        for number in interruption.NUMBERS:
            done = []
            with self.subTest(number), self.assertRaises(Interrupted), interruption.interruptible():
                try:
                    os.kill(os.getpid(), number)
                finally:
                    os.kill(os.getpid(), number)
                    done.append("cleaned up")
            self.assertEqual(done, ["cleaned up"])

    def test_a_clean_up_goes_on_to_its_end_first(self):
        done = []
        with self.assertRaises(Interrupted), interruption.interruptible():
            with interruption.deferred():
                with interruption.deferred():
                    os.kill(os.getpid(), signal.SIGHUP)
                    done.append("inner")
                done.append("outer")
            done.append("never")
        self.assertEqual(done, ["inner", "outer"])

    def test_without_a_signal_nothing_happens(self):
        with interruption.interruptible(), interruption.deferred():
            pass
        with interruption.ignored():
            os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)


if __name__ == "__main__":
    unittest.main()
