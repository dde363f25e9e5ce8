"""The checks of the testbed: each sees what it is for."""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeDevice  # noqa: E402
from penstock_lab import machine, others, result, stability  # noqa: E402

STAT = """cpu  300 0 0 0 0 0 0 0 0 0
cpu0 100 10 20 500 5 1 2 40 0 0
cpu1 200 0 0 600 0 0 0 0 0 0
intr 1
"""


class StabilityTest(unittest.TestCase):
    def checks(self, made):
        return {check["name"]: check for check in made.checks}

    def alone(self, device):
        made = stability.Stability()
        made.generator_alone(lambda load, seconds: device.trial(load or 1e9, seconds), "pps")
        return made

    def test_a_good_generator_is_trusted_and_has_a_floor(self):
        made = self.alone(FakeDevice(1e9, line=5e6, delay=2000))
        self.assertTrue(made.to_json()["trusted"], made.to_json())
        self.assertEqual(made.floor, {"p50": 2000, "p90": 2000, "p99": 2000, "p99.9": 2000})

    def test_a_generator_that_loses_its_own_packets_is_not(self):
        made = self.alone(FakeDevice(1e9, line=5e6, loss=1e-5))
        self.assertEqual([name for name, check in self.checks(made).items() if not check["ok"]], ["generator_loss"])
        self.assertRegex(made.to_json()["reasons"][0], r"the generator alone lost \d+ of what it sent to itself")

    def test_a_generator_that_does_not_keep_its_rate_is_not(self):
        class Fading(FakeDevice):
            def counts(self, load, seconds):
                self.line *= 0.7
                return super().counts(load, seconds)

        self.assertFalse(self.checks(self.alone(Fading(1e9, line=5e6)))["generator_rate"]["ok"])

    def test_latency_that_differs_from_trial_to_trial(self):
        class Wandering(FakeDevice):
            def counts(self, load, seconds):
                self.delay = int(self.delay * 1.3)
                return super().counts(load, seconds)

        self.assertFalse(self.checks(self.alone(Wandering(1e9, line=5e6)))["generator_latency_spread"]["ok"])

    def test_a_core_for_both_is_not_to_be_trusted(self):
        for cores, trusted in (({"generator": [0], "subject": [1]}, True), ({"generator": [0, 1], "subject": [1]}, False)):
            made = stability.Stability()
            made.apart(cores)
            self.assertEqual(made.to_json()["trusted"], trusted)
        self.assertEqual(made.to_json()["reasons"], ["generator and subject share cores [1]: each takes time from the other"])

    def test_times_of_cores(self):
        self.assertEqual(stability.core_times([0], STAT), {"busy": 133, "interrupts": 3, "steal": 40, "total": 678})
        self.assertEqual(stability.core_times([0, 1], STAT), {"busy": 333, "interrupts": 3, "steal": 40, "total": 1478})
        self.assertEqual(stability.core_times([7], STAT)["total"], 0)

    def test_a_clock_that_is_corrected_is_seen(self):
        made = stability.Stability()
        made._clock(1_000_000_000, 1_000_000_000)
        made._clock(1_000_000_000, 1_000_500_000)
        drifts = [check for check in made.checks if check["name"] == "clock_drift"]
        self.assertEqual([check["ok"] for check in drifts], [True, False])
        self.assertAlmostEqual(drifts[1]["value"], 500, places=1)

    def test_this_machine_has_every_check_and_their_form_is_the_results(self):
        made = stability.Stability()
        made.machine([0])
        made.after_run([0])
        self.assertEqual(set(self.checks(made)), {"others", "noise", "clock_drift", "clock_source", "governor", "steal"})
        told = made.to_json()
        self.assertEqual(told["trusted"], not told["reasons"])
        self.assertEqual(len(told["reasons"]), sum(not check["ok"] for check in told["checks"]))

    def test_a_turn_whose_core_was_shared_is_not_trusted(self):
        made = stability.Stability()
        made.turn("turn 1 of x dut", [0, 1], {"others": 0.02, "waited": 0.001})
        made.turn("turn 2 of x dut", [0, 1], {"others": 0.35, "waited": 0.001})
        made.turn("turn 1 of x peer", [0, 1], {"others": 0.0, "waited": 0.2})
        made.turn("turn 2 of x peer", [0, 1], {"others": 0.0, "resolution": 1500})
        made.after_run([0])
        self.assertEqual(self.checks(made).pop("generator_resolution")["value"], 1.5)
        made.checks = [check for check in made.checks if check["name"] != "generator_resolution"]
        self.assertEqual({name: check["value"] for name, check in self.checks(made).items()}, {"others_in_turns": 0.35, "generator_waited": 0.2})
        self.assertEqual(made.to_json()["reasons"], ["turn 2 of x dut: others used 35.0% of cores [0, 1]",
                                                     "turn 1 of x peer: the generator waited 20.0% of the time for cores [0, 1]"])

    def test_others_are_told_from_ours(self):
        """Two cores for ten seconds; ours ran for 900 ticks and a thread of the kernel for 50, which leaves 250 of 2000 to others."""
        with tempfile.TemporaryDirectory() as directory:
            proc = pathlib.Path(directory)
            self.write_proc(proc, busy=0, ours=5, kernel=0, waited=0)
            watch = others.Watch([0, 1], [7], root=7, proc=proc)
            self.write_proc(proc, busy=600, ours=905, kernel=50, waited=30_000_000)
            watch._began -= 10
            shares = watch.shares()
        self.assertAlmostEqual(shares["others"], 250 / 2000)
        self.assertAlmostEqual(shares["waited"], 0.003, places=4)

    def write_proc(self, proc, busy, ours, kernel, waited):
        """Process 7, its child 8 and the kernel's 9 on core 1, and 4, which is a stranger's; 8 has a thread on core 5."""
        for pid, parent, ticks, core in ((7, 4, 0, 0), (8, 7, ours, 1), (9, 2, kernel, 1), (4, 1, 3 * ours, 0)):
            for path, where in ((proc / str(pid), core), (proc / str(pid) / "task" / str(pid), core), (proc / str(pid) / "task" / f"{pid}0", 5)):
                path.mkdir(parents=True, exist_ok=True)
                fields = ["S", str(parent), *["0"] * 9, str(ticks), "0", *["0"] * 23, str(where)]
                (path / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")
        (proc / "7" / "schedstat").write_text(f"0 {waited} 9\n")
        (proc / "stat").write_text("".join(f"cpu{core} {busy} 0 0 {1000 - busy if busy else 0} 0 0 0 0 0 0\n" for core in (0, 1)))

    def test_a_watch_of_this_machine(self):
        shares = others.Watch([0], [os.getpid()]).shares()
        self.assertTrue(all(0 <= share <= 1 for share in shares.values()), shares)

    def test_a_core_that_stands_still_is_noticed(self):
        self.assertGreater(stability.longest_gap(0, 0.02), 0)

    def test_facts_of_the_machine(self):
        facts = machine.facts({"generator": [0], "subject": [1]})
        self.assertGreater(facts["cores"], 0)
        self.assertEqual(facts["core_map"], {"generator": [0], "subject": [1]})
        self.assertRegex(machine.versions()["penstock-lab"], r"^\d+\.\d+")
        faults = [fault for fault in result.faults({"machine": facts}) if fault.startswith("machine")]
        self.assertEqual(faults, [])


if __name__ == "__main__":
    unittest.main()
