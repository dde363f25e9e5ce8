"""A generator as a process: what it says is passed on, what it does wrong is named, and it is always gone afterwards."""
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "perf"))
from penstock_lab import generators  # noqa: E402
from penstock_lab.errors import Broken, NotThere  # noqa: E402

SPEC = {"prefix": f"labtest{os.getpid()}", "ports": [{"name": "left"}], "streams": [{"size": 64}]}


class GeneratorTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "perf").mkdir()
        (self.directory / "perf" / "penstock-lab-packets").symlink_to(HERE / "fake_generator.py")
        environment = mock.patch.dict(os.environ, PENSTOCK_BUILD=str(self.directory))
        environment.start()
        self.addCleanup(environment.stop)

    def start(self, spec=SPEC, **wrong):
        with mock.patch.dict(os.environ, PENSTOCK_FAKE=json.dumps(wrong)):
            made = generators.Generator("packets", spec, self.directory)
        self.addCleanup(made.close)
        return made

    def assert_gone(self, pid):
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_trials_and_their_samples(self):
        seen = []
        with self.start(capacity=600) as generator:
            event, samples = generator.trial({"pps": 1000, "seconds": 1.0}, seen.append)
            self.assertEqual((event["id"], event["sent"], event["streams"][0]["received"]), (1, 1000, 600))
            self.assertEqual((len(samples), samples), (10, seen))
            self.assertEqual(generator.trial({"pps": 10, "seconds": 1.0})[0]["id"], 2)
            pid = generator.pid
        self.assert_gone(pid)

    def test_a_trial_that_goes_on_beside_others_ends_when_it_is_told_to(self):
        with self.start() as generator:
            for number in (1, 2):
                generator.begin({"seconds": 10.0, "drain": 0.0})
                event = generator.end()
                self.assertEqual((event["event"], event["id"]), ("trial", number))
            self.assertEqual(generator.trial({"pps": 10, "seconds": 1.0})[0]["id"], 3)
        with self.start(die=1) as generator, self.assertRaisesRegex(Broken, "ended with 3"):
            generator.begin({"seconds": 10.0, "drain": 0.0})
            generator.end()

    def test_what_is_done_beside_a_trial_is_done_while_it_runs(self):
        calls = []

        def beside(now):
            calls.append(now)
            return 0.1 if len(calls) < 3 else None

        with self.start(seconds=True) as generator:
            generator.trial({"pps": 1000, "seconds": 0.5}, beside=beside)
        self.assertEqual(len(calls), 3)
        self.assertTrue(calls[0] < calls[1] < calls[2] < 0.5)

    def test_an_end_during_a_trial_is_named_with_its_last_words(self):
        generator = self.start(die=2)
        generator.trial({"pps": 1, "seconds": 1.0})
        with self.assertRaisesRegex(Broken, "penstock-lab-packets: ended with 3 while we waited for trial 2.*out of memory"):
            generator.trial({"pps": 1, "seconds": 1.0})
        with self.assertRaisesRegex(Broken, "ended with 3 while we waited for a command"):
            generator.trial({"pps": 1, "seconds": 1.0})

    def test_a_signal_is_named(self):
        generator = self.start()
        os.kill(generator.pid, signal.SIGKILL)
        with self.assertRaisesRegex(Broken, "ended by SIGKILL"):
            generator.trial({"pps": 1, "seconds": 1.0})

    def test_silence_is_not_waited_for_longer_than_a_trial_may_take(self):
        generator = self.start(silent=1)
        with mock.patch.object(generators, "GRACE_SECONDS", 0.2), self.assertRaisesRegex(Broken, "silent for too long.*trial 1"):
            generator.trial({"pps": 1, "seconds": 0.1})
        pid = generator.pid
        generator.close()     # it does not end when its input does: it is ended
        self.assert_gone(pid)

    def test_a_line_that_is_no_event(self):
        with self.start(babble=1) as generator, self.assertRaisesRegex(Broken, "said b'no JSON', which is no event"):
            generator.trial({"pps": 1, "seconds": 0.1})

    def test_a_generator_that_does_not_get_ready_says_why(self):
        with self.assertRaisesRegex(NotThere, r"ports\[0\].gateway: 198.51.100.1 does not answer"):
            self.start(error="198.51.100.1 does not answer")

    def test_check_gives_every_fault(self):
        self.assertEqual(generators.check("packets", SPEC, self.directory), [])
        wrong = {**SPEC, "streams": [{"size": 1}, {"size": 64}, {"size": 2}]}
        self.assertEqual(generators.check("packets", wrong, self.directory),
                         [("streams[0].size", "1 is below 64"), ("streams[2].size", "2 is below 64")])

    def test_it_ends_when_we_do(self):
        """Also when we are killed and cannot clean up, and it does not listen."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            made = self.start(silent=1)
            made._say({"do": "trial", "id": 1})
            time.sleep(0.5)
            os.write(write, str(made.pid).encode())
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        pid = int(os.read(read, 20))
        os.close(read), os.close(write)
        deadline = time.monotonic() + 10
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(_alive(pid))

    def test_the_directory_of_dpdk_goes_with_it(self):
        place = self.directory / "dpdk" / SPEC["prefix"]
        place.mkdir(parents=True)
        (place / "config").touch()
        with mock.patch.dict(os.environ, RUNTIME_DIRECTORY=str(self.directory)):
            self.start().close()
        self.assertFalse(place.exists())

    def test_a_generator_that_is_not_built(self):
        with mock.patch.dict(os.environ, PENSTOCK_BUILD="/nowhere"):
            self.assertIn("/nowhere/perf/penstock-lab-packets is not there", generators.missing("packets"))
        self.assertEqual(generators.missing("packets"), "")


def _alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


if __name__ == "__main__":
    unittest.main()
