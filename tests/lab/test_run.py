"""The command from a scenario to a result, over generators in virtual time: what it writes, says and returns, and what it leaves."""
import contextlib
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
PERF = HERE.parents[1] / "perf"
sys.path.insert(0, str(PERF))
from penstock_lab import cli, result, run, scenario, subjects  # noqa: E402

SCENARIO = """
name: self_test
about: The lab itself.
traffic: packets
wiring: loop
subjects: [{name: a, driver: loop}, {name: b, driver: loop}]
streams: [{size: "${size}", from: left, to: right}]
method: {name: throughput, seconds: 0.1}
variants: {size: [64, 512]}
turns: 2
short: {turns: 1, variants: {size: [64]}}
"""

EXTERNAL = """
name: external
wiring: nic
subjects: [{driver: external, config: {ports: [{name: left, device: net_tap0, address: 192.0.2.1/24}]}}]
method: {name: open, seconds: 0.1}
"""
REQUESTS = """
traffic: requests
clients: {{stack: kernel, target: "127.0.0.1:9", connections: 1, arrivals: {{open: {{rate: 100}}}}}}
servers: {{stack: kernel, listen: "{listen}", body: 1}}
"""


class RunTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "perf").mkdir()
        (self.directory / "perf" / "penstock-lab-packets").symlink_to(HERE / "fake_generator.py")
        self.scenario = self.write("s.yaml", SCENARIO)
        self.json = self.directory / "r.json"

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def start(self, *words, streams=subprocess.PIPE, **device):
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        environment = {**os.environ, "PENSTOCK_BUILD": str(self.directory), "TMPDIR": str(temporary),
                       "PENSTOCK_FAKE": json.dumps({"capacity": 3e6, **device})}
        return subprocess.Popen([PERF / "penstock-lab", *map(str, words)], stdout=streams, stderr=streams, text=True,
                                env=environment, stdin=subprocess.DEVNULL)

    def lab(self, *words, **device):
        """(exit code, standard output, standard error)"""
        process = self.start(*words, **device)
        out, err = process.communicate(timeout=120)
        self.assertEqual(list((self.directory / "tmp").iterdir()), [], "files are left")
        return process.returncode, out, err

    def test_a_run_writes_a_result_that_is_one(self):
        code, out, err = self.lab("run", self.scenario, "--json", self.json)
        self.assertEqual(code, 0, err)
        found = result.load(self.json)
        self.assertFalse(found["partial"])
        self.assertEqual((found["name"], found["seed"], found["short"]), ("self_test", 1, False))
        throughputs = [one for one in found["figures"] if one["metric"] == "throughput"]
        self.assertEqual([(one["subject"], one["conditions"]["size"], len(one["samples"])) for one in throughputs],
                         [("a", 64, 2), ("b", 64, 2), ("a", 512, 2), ("b", 512, 2)])
        self.assertTrue(all(0.99 * 3e6 <= one["value"] <= 3e6 for one in throughputs))
        self.assertEqual({(one["device"], one["peer"], one["pairs"], one["ratio"]) for one in found["comparisons"]}, {("a", "b", 2, 1.0)})
        self.assertIn("throughput", out)
        # The fake loses what it is asked beyond its capacity, also without a device: the testbed is not to be trusted.
        self.assertFalse(found["stability"]["trusted"])
        self.assertIn("NOT TRUSTED", out)

    def test_subjects_take_turns(self):
        _, _, err = self.lab("run", self.scenario, "--set", "variants.size=[64]")
        turns = [line.split()[2] for line in err.splitlines() if "(turn" in line]
        self.assertEqual(turns, ["a", "b", "a", "b"])

    def test_short_seed_and_settings_are_in_the_result(self):
        code, _, err = self.lab("run", self.scenario, "--json", self.json, "--short", "--seed", 7, "--set", "about=Changed.")
        self.assertEqual(code, 0, err)
        found = result.load(self.json)
        self.assertEqual((found["short"], found["seed"], found["about"], found["scenario"]["turns"]), (True, 7, "Changed.", 1))
        self.assertIn("--short --seed 7", found["command"])

    def test_wrong_input_starts_nothing(self):
        wrong = self.write("wrong.yaml", SCENARIO.replace("turns: 2", "turns: 0\ncolour: red").replace("[64, 512]", "[3]"))
        code, _, err = self.lab("run", wrong, "--json", self.json)
        self.assertEqual(code, 2)
        self.assertIn(f"{wrong}: turns: 0 is below 1", err)
        self.assertIn(f"{wrong}: colour: is not known here", err)
        self.assertFalse(self.json.exists())

    def test_the_generators_faults_are_the_scenarios(self):
        code, _, err = self.lab("check", self.scenario, "--set", "variants.size=[3, 64]")
        self.assertEqual((code, err), (2, f"{self.scenario}: streams[0].size: 3 is below 64\n"))
        self.assertEqual(self.lab("check", self.scenario)[:2], (0, f"{self.scenario}: 2 variants, nothing wrong\n"))

    def test_a_rate_above_the_line_is_not_asked_for_and_not_believed(self):
        streams = "streams=[{from: left, to: right, size: 64, rate: {pps: 2e6}}]"
        line = ("--set", "ports=[{name: left, lineRate: 1e9}, {name: right}]", "--set", streams, "--set", "variants={}", "--set", "turns=1")
        for method, expected in (("{name: open}", "streams[0].rate: all from left are 1.344e+09 bits/s"), ("{name: soak, load: 2e6}", "method.load: 2e+06"),
                                 ("{name: open, rates: [1e6, 2e6]}", "method.rates: 2e+06"), ("{name: spike, base: 1, peak: 1.5e6}", "method.peak: 1.5e+06")):
            code, _, err = self.lab("check", self.scenario, *line, "--set", f"method={method}")
            self.assertEqual(code, 2)
            self.assertIn(expected, err)
        code, out, _ = self.lab("run", self.scenario, *line, "--set", "method={name: rate, seconds: 0.1}", "--json", self.json)
        self.assertEqual(code, 0)
        found = result.load(self.json)
        rate = next(one for one in found["figures"] if one["metric"] == "rate")
        self.assertEqual((rate["value"], rate["bound"]), (3e6, "unknown"))
        self.assertIn("above line rate, which cannot be: 1.488 Mpps", rate["note"])
        self.assertIn("line_rate", [one["name"] for one in found["stability"]["checks"] if not one["ok"]])
        self.assertIn("NOT TRUSTED", out)
        self.assertIn("above line rate", out)

    def test_drivers_are_asked_before_anything_starts(self):
        for old, new, expected in (("driver: loop}]", "driver: lop}]", "subjects[1].driver: 'lop' is none of loop"),
                                   ("driver: loop}]", "driver: loop, config: {speed: 1}}]", "subjects[1].config.speed: is not known"),
                                   ("name: throughput", "name: reset, load: 10", "method.change: 'restart' is none of loop's: it has none"),
                                   ("wiring: loop", "wiring: ring", "subjects[0].wiring: ring is not for this driver: loop"),
                                   ("wiring: loop", "wiring: memif", "subjects[0].wiring: memif is not for this driver: loop")):
            with self.subTest(new):
                code, _, err = self.lab("run", self.write("wrong.yaml", SCENARIO.replace(old, new)))
                self.assertEqual(code, 2)
                self.assertIn(expected, err)

    def test_a_generator_that_is_not_built_is_missing(self):
        (self.directory / "perf" / "penstock-lab-packets").unlink()
        code, _, err = self.lab("run", self.scenario)
        self.assertEqual(code, 3)
        self.assertIn("penstock-lab-packets is not there", err)

    def test_what_is_missing_before_anything_was_measured_leaves_no_result(self):
        code, out, err = self.lab("run", self.scenario, "--json", self.json, error="198.51.100.1 does not answer")
        self.assertEqual((code, out), (3, ""))
        self.assertIn("ports[0].gateway: 198.51.100.1 does not answer", err)
        self.assertFalse(self.json.exists())

    @unittest.skipIf(os.geteuid(), "devices of this machine need root")
    def test_interfaces_and_ports_that_are_not_to_be_had_are_missing(self):
        (self.directory / "perf" / "penstock-lab-requests").symlink_to(HERE / "fake_generator.py")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"127.0.0.1:{taken.getsockname()[1]}"
            for fields, expected in (
                    (EXTERNAL + "traffic: packets\nstreams: [{size: 64, from: left, to: right}]\nports: [{name: left, device: 'net_af_packet0,iface=nowhere0'}]\n",
                     "ports[0].device: no interface nowhere0 in this machine"),
                    (EXTERNAL.replace("net_tap0", "'net_af_packet0,iface=nowhere0'") + "traffic: packets\nstreams: [{size: 64, from: left, to: right}]\n",
                     "subjects[0]: config.ports: left: no interface nowhere0 in this machine"),
                    (EXTERNAL + REQUESTS.format(listen=listen), f"servers.listen: {listen}: Address already in use"),
                    (EXTERNAL + REQUESTS.format(listen="192.0.2.77:80"), "servers.listen: 192.0.2.77:80: Cannot assign requested address")):
                with self.subTest(expected):
                    code, out, err = self.lab("run", self.write("nic.yaml", fields), "--json", self.json, log=str(self.directory / "log"))
                    self.assertEqual((code, out, err), (3, "", f"{self.directory}/nic.yaml: {expected}\n"))
        self.assertEqual(self.lab("check", self.write("nic.yaml", EXTERNAL + REQUESTS.format(listen=listen)))[0], 0)
        self.assertFalse(self.json.exists() or (self.directory / "log").exists())

    def test_clients_that_nobody_answers_measure_nothing(self):
        (self.directory / "perf" / "penstock-lab-requests").symlink_to(HERE / "fake_generator.py")
        text = SCENARIO.replace("traffic: packets", REQUESTS.format(listen="127.0.0.1:0")).replace("throughput", "rate")
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("streams", "variants", "short")))
        path = self.write("requests.yaml", text)
        self.assertEqual(self.lab("run", path, "--json", self.json)[0], 0)
        self.json.unlink()
        code, out, err = self.lab("run", path, "--json", self.json, frozen=[0, 1000])
        self.assertEqual((code, out, err.splitlines()[-1][:51]), (3, "", "clients.target: 127.0.0.1:9: nothing answers: timeo"))
        self.assertFalse(self.json.exists())

    def test_a_silent_device_is_named_so(self):
        for method in ("{name: open, rates: [1000], seconds: 0.1}", "{name: latency, shares: [0.5]}"):
            _, out, err = self.lab("run", self.scenario, "--short", "--json", self.json, "--set", f"method={method}", frozen=[0, 1000], line=500)
            found = result.load(self.json)
            self.assertTrue(any(note.startswith("a: silent (frozen, or not reached): nothing came back in ") for note in found["notes"]), found["notes"])
            self.assertEqual({one["bound"] for one in found["figures"]} - {"subject"}, set())
            self.assertIn("note: a: silent", out)
            self.assertIn("(silent: nothing came back)", err)

    def test_a_place_for_the_result_that_is_not_there(self):
        self.json.mkdir()
        fifo, long = self.directory / "fifo", self.directory / ("r" * 300)
        os.mkfifo(fifo)
        for path, expected in ((self.directory / "no" / "r.json", "No such file or directory"), (self.json, "is a directory"),
                               (fifo, "is no file"), (long, "File name too long"), ("/proc/r.json", "")):
            with self.subTest(path):
                code, out, err = self.lab("run", self.scenario, "--json", path, log=str(self.directory / "log"))
                self.assertEqual((code, out), (2, ""))
                self.assertTrue(err.startswith(f"--json {path}: {expected}"), err)
        self.assertFalse((self.directory / "log").exists(), "something was started")
        self.assertFalse(list(self.directory.glob(".*")))

    def test_trying_the_place_changes_nothing_there(self):
        self.json.write_text("kept")
        result.writable(self.json)
        self.assertEqual(self.json.read_text(), "kept")

    def test_a_result_that_cannot_be_written_was_told(self):
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.dict(os.environ, PENSTOCK_BUILD=str(self.directory), PENSTOCK_FAKE='{"capacity": 3e6}'), \
                mock.patch.object(result, "write_whole", side_effect=OSError(28, "No space left on device", "r.json")), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.assertEqual(cli.main(["run", str(self.scenario), "--short", "--json", str(self.json)]), 2)
        self.assertIn("throughput", out.getvalue())
        self.assertEqual(err.getvalue().splitlines()[-1], "r.json: No space left on device")

    def test_a_generator_that_dies_leaves_a_partial_result(self):
        code, out, err = self.lab("run", self.scenario, "--json", self.json, "--set",
                                  "method={name: open, seconds: 0.1, rates: [1000, 2000, 3000, 4000, 5000, 6000, 7000]}", die=7)
        self.assertEqual(code, 4)
        self.assertIn("ended with 3", err)
        found = result.load(self.json)
        self.assertTrue(found["partial"])
        self.assertTrue(any("ended early" in note for note in found["notes"]))
        self.assertEqual([one["conditions"]["rate"] for one in found["figures"] if one["metric"] == "rate"],
                         [1000, 2000, 3000, 4000, 5000, 6000])
        self.assertIn("PARTIAL", out)

    def test_an_interrupted_run_keeps_what_it_has(self):
        process = self.start("run", self.scenario, "--json", self.json, "--set", "method={name: open, rates: [1000], seconds: 0.5}",
                             "--set", "turns=50", seconds=True)
        lines = []
        while sum("(turn" in line for line in lines) < 3:
            lines.append(process.stderr.readline())
        children = _children(process.pid)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        found = result.load(self.json)
        self.assertTrue(found["partial"])
        self.assertIn("interrupted", found["notes"])
        self.assertTrue(found["figures"])
        self.assertEqual({one["subject"] for one in found["figures"]}, {"a", "b"})
        self.assertTrue(children)
        self.assertFalse([pid for pid in children if pathlib.Path(f"/proc/{pid}").exists()])
        self.assertEqual(list((self.directory / "tmp").iterdir()), [])

    def test_a_signal_while_a_turn_is_cleaned_up_leaves_nothing(self):
        runtime = self.directory / "runtime"
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            with self.subTest(number), mock.patch.dict(os.environ, RUNTIME_DIRECTORY=str(runtime)):
                process = self.start("run", self.scenario, "--json", self.json, linger=0.5)
                while not list(runtime.glob("dpdk/*/ending")):
                    self.assertIsNone(process.poll())
                    time.sleep(0.02)
                process.send_signal(number)
                _, err = process.communicate(timeout=30)
                self.assertEqual(process.returncode, 130, err)
                self.assertTrue(result.load(self.json)["partial"])
                self.assertEqual([*(runtime / "dpdk").iterdir(), *(self.directory / "tmp").iterdir()], [])

    def deaf(self, *words, **device):
        """A run whose standard output and error lead nowhere any more."""
        reader, writer = os.pipe()
        os.close(reader)
        process = self.start(*words, streams=writer, **device)
        os.close(writer)
        return process

    def test_a_result_outlives_those_who_listened(self):
        process = self.deaf("run", self.scenario, "--short", "--json", self.json)
        self.assertEqual(process.wait(60), 0)
        self.assertFalse(result.load(self.json)["partial"])

    def test_an_interrupted_run_that_nobody_hears_keeps_what_it_has(self):
        log = self.directory / "log"
        process = self.deaf("run", self.scenario, "--json", self.json, "--set", "method={name: open, rates: [1000], seconds: 0.5}",
                            "--set", "turns=50", seconds=True, log=str(log))
        while not log.exists() or log.read_text().count("1000") < 3:
            self.assertIsNone(process.poll())
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 130)
        self.assertTrue(result.load(self.json)["partial"])
        self.assertTrue(result.load(self.json)["figures"])

    def test_a_signal_before_the_result_is_written_does_not_lose_it(self):
        def write(path, document):
            os.kill(os.getpid(), signal.SIGHUP)
            kept.append((path, document))

        kept = []
        with mock.patch.dict(os.environ, PENSTOCK_BUILD=str(self.directory), PENSTOCK_FAKE='{"capacity": 3e6}'), \
                mock.patch.object(result, "write", write), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(cli.main(["run", str(self.scenario), "--short", "--json", str(self.json)]), 0)
        self.assertEqual(len(kept), 1)

    def test_a_comparison_outlives_those_who_listened(self):
        self.lab("run", self.scenario, "--short", "--json", self.json)
        process = self.deaf("compare", self.json, self.json, "--json", self.directory / "c.json")
        self.assertEqual(process.wait(60), 0)
        self.assertTrue(json.loads((self.directory / "c.json").read_text())["rows"])

    def test_gates(self):
        code, _, err = self.lab("run", self.scenario, "--short", "--fail-below", 0.9)
        self.assertEqual(code, 5)      # the fake loses at any load that the stability check tries
        self.assertIn("--fail-below 0.9: cannot judge: the result is not trusted", err)
        code, _, err = self.lab("run", self.scenario, "--short", "--fail-below", 1.1)
        self.assertEqual(code, 1)
        self.assertIn("--fail-below 1.1: throughput {'size': 64", err)
        alone = self.write("alone.yaml", SCENARIO.replace(", {name: b, driver: loop}", ""))
        code, _, err = self.lab("run", alone, "--short", "--fail-below", 0.1)
        self.assertEqual((code, err.splitlines()[-1]), (1, "--fail-below 0.1: there is nothing to compare"))

    def test_words_that_make_no_command(self):
        for words in ([], ["fly"], ["run"], ["run", self.scenario, "--fail-below", "-1"], ["run", self.scenario, "--seed", "x"],
                      ["report", self.json], ["compare", self.json]):
            with self.subTest(words):
                code, _, err = self.lab(*words)
                self.assertEqual(code, 2)
                self.assertTrue(err)

    def test_files_that_are_no_results(self):
        bad = self.write("bad.json", '{"schema": "penstock-lab/1"}')
        for words in (["compare", bad, bad], ["compare", self.json, self.json], ["report", bad, "--smp", self.directory / "s.json"]):
            with self.subTest(words):
                self.assertEqual(self.lab(*words)[0], 2)
        self.assertFalse((self.directory / "s.json").exists())


class CoresTest(unittest.TestCase):
    def test_a_core_for_generator_and_subject_is_in_the_result(self):
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(run.Run, "_measure"), mock.patch.object(run, "_driver"):
            path = pathlib.Path(directory) / "s.yaml"
            for wiring, shared in (("memif", True), ("loop", False)):
                path.write_text(SCENARIO.replace("wiring: loop", f"wiring: {wiring}"))
                core = min(os.sched_getaffinity(0))
                variants, whole = scenario.load(path, settings=[f"cores={{generator: [{core}], subject: [{core}]}}"])
                one = run.Run(variants, whole, mock.Mock(), "penstock-lab run")
                one.run()
                failed = [check["name"] for check in one._stability.checks if not check["ok"]]
                self.assertEqual("cores_apart" in failed, shared, wiring)


class UnforeseenTest(unittest.TestCase):
    def say(self, **environment):
        err = io.StringIO()
        with contextlib.redirect_stderr(err), mock.patch.dict(os.environ, **environment), \
                mock.patch.object(cli.document, "read", side_effect=KeyError("a\nb")):
            self.assertEqual(cli.main(["list"]), 4)
        return err.getvalue()

    def test_what_nobody_thought_of_is_one_line_and_no_failed_gate(self):
        self.assertEqual(self.say(PENSTOCK_LAB_DEBUG=""), "penstock-lab: KeyError: 'a\\nb' (PENSTOCK_LAB_DEBUG=1 shows where)\n")
        self.assertIn("Traceback", self.say(PENSTOCK_LAB_DEBUG="1"))


class ListTest(unittest.TestCase):
    def test_kept_scenarios_are_listed_with_what_they_are_about(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(cli.main(["list"]), 0)
        names = {line.split()[0] for line in out.getvalue().splitlines()[1:]}
        self.assertEqual(names, {path.name for path in cli.SCENARIOS.glob("*.yaml")})

    def test_every_driver_that_is_here_has_one_class(self):
        for name in subjects.DRIVERS:
            self.assertTrue(subjects.driver(name).wirings, name)


def _children(pid):
    time.sleep(0.2)
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


if __name__ == "__main__":
    unittest.main()
