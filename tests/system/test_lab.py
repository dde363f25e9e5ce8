"""penstock-lab from its command line, with real devices under test: kept scenarios, results, faults, and what is left behind."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

import rig
from rig.gateway import ROOT, build_dir

sys.path.insert(0, str(ROOT / "perf"))
from penstock_lab import result as results  # noqa: E402

COMMAND = ROOT / "perf" / "penstock-lab"
SCENARIOS = ROOT / "perf" / "scenarios"
QUICK = ["--short", "--set", "turns=1", "--set", "method.seconds=0.3"]


def left_behind(pid, mark):
    """What a run of the lab with this process id, and with `mark` in its environment, has made and not removed."""
    names = {str(p) for pattern in (f"/run/netns/pstk{pid}-*", f"/var/run/dpdk/*lab{pid}-*", f"/dev/hugepages/*lab{pid}-*")
             for p in pathlib.Path("/").glob(pattern[1:])}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes() and int(entry.name) != pid:
                names.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return names


class Lab(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for network namespaces")
        if len(os.sched_getaffinity(0)) < 2:
            raise unittest.SkipTest("needs two cores")
        for name in ("penstock-lab-packets", "penstock-lab-requests"):
            if not (build_dir() / "perf" / name).exists():
                raise unittest.SkipTest(f"{name} is not built")

    def setUp(self):
        self.lab = rig.Lab("cli")
        self.addCleanup(self.lab.close)

    def begin(self, *words, env=None):
        """A run, marked, so that what it starts is told from what others do on this machine."""
        self.mark = f"PENSTOCK_LAB_MARK={os.getpid()}-{time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        return subprocess.Popen([COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "PENSTOCK_BUILD": str(build_dir()), name: value, **(env or {})})

    def end(self, process, code):
        """What it said on its output and on its error output, once it has ended as it should and left nothing."""
        try:
            said = process.communicate(timeout=200)
        finally:
            process.kill()
        self.assertEqual(process.returncode, code, "".join(said))
        self.assertEqual(left_behind(process.pid, self.mark), set())
        return said

    def run_lab(self, *words, env=None, code=0):
        return self.end(self.begin(*words, env=env), code)

    def measure(self, name, *settings):
        """A kept scenario, made quick: its figures by subject and metric."""
        path = self.lab.dir / f"{name}.json"
        self.run_lab("run", SCENARIOS / f"{name}.yaml", *QUICK, *[w for s in settings for w in ("--set", s)], "--json", path)
        result = results.load(path)
        self.assertFalse(result["partial"])
        self.assertTrue(result["digest"] and result["machine"]["kernel"] and result["versions"])
        return {(f["subject"], f["metric"], f["conditions"].get("stream")): f for f in result["figures"]}

    def test_every_kept_scenario_is_right(self):
        paths = sorted(SCENARIOS.glob("*.yaml"))
        self.assertGreater(len(paths), 15)
        for path in paths:
            for options in ([], ["--short"]):
                with self.subTest(scenario=path.name, options=options):
                    self.run_lab("check", *options, path)
        listed = self.run_lab("list")[0]
        self.assertEqual([p.name for p in paths if p.name not in listed], [])

    def test_forwarding_from_memory(self):
        figures = self.measure("l3_forward", "variants.size=[64]", "subjects=[{name: penstock, driver: penstock}]")
        rate, work, cycles = (figures[("penstock", name, None)] for name in ("rate", "work", "cycles"))
        self.assertGreater(rate["value"], 1e4)
        # Busy time is at most all time, so work per busy second is at least the rate; the two clocks are read a moment apart.
        self.assertGreater(work["value"], rate["value"] * 0.9)
        self.assertGreater(cycles["value"], 10)

    def test_packets_at_a_rate_that_anybody_keeps(self):
        figures = self.measure("syn_flood", "method.rates=[11000]")
        good = figures[("penstock", "rate", None)]   # the flood is not counted: it has no signature
        self.assertGreater(good["value"], 100)
        self.assertLess(good["value"], 1000 * 1.05, "more good packets than a tenth of what was asked for")
        self.assertEqual(figures[("penstock", "loss_ratio", None)]["unit"], "ratio")

    def test_changes_while_packets_flow(self):
        figures = self.measure("reconfiguration", "variants.change=[rules]", "method.load=5000")
        self.assertGreater(figures[("penstock", "changes", None)]["value"], 0)
        self.assertEqual(figures[("penstock", "blocked_time", None)]["unit"], "s")

    def test_requests_with_and_without_a_kernel(self):
        for name, protocol in (("http1_keepalive", "http"), ("http1_keepalive_kernel_free", "http"), ("tcp_connections_kernel_free", "tcp"),
                               ("tcp_transactions", "tcp")):
            with self.subTest(name):
                figures = self.measure(name, f"subjects=[{{name: penstock, driver: penstock, config: {{proxy: {{protocol: {protocol}}}}}}}]",
                                       *(["variants.body=[128]"] if "http1" in name else []))
                self.assertGreater(figures[("penstock", "rate", None)]["value"], 10)
                self.assertGreater(figures[("penstock", "work", None)]["value"], 10)

    def test_what_is_wrong_or_missing_is_said_before_anything_starts(self):
        l3, proxy = SCENARIOS / "l3_forward.yaml", SCENARIOS / "http1_keepalive.yaml"
        for setting, said in (("subjects=[{driver: cisco}]", "subjects[0].driver"), ("subjects[0].config={colour: 1}", "subjects[0].config.colour"),
                              ("streams[0].headers.udp.source=65536", "streams[0].headers.udp.source"), ("wiring=ring", "wiring"),
                              ("cores={subject: [999]}", "cores.subject"), ("variants.size=[63]", "streams[0].size")):
            with self.subTest(setting):
                self.assertIn(said, self.run_lab("run", l3, "--set", setting, code=2)[1])
        # A machine on which nothing of the peers is installed.
        path = self.lab.dir / "bin"
        path.mkdir()
        for program in ("python3", "ip", "env"):
            (path / program).symlink_to(subprocess.run(["which", program], capture_output=True, text=True, check=True).stdout.strip())
        said = self.run_lab("run", proxy, env={"PATH": str(path)}, code=3)[1]
        self.assertIn("install the package haproxy", said)
        self.assertIn("install the package nginx-light", said)

    def test_an_interrupt_leaves_a_partial_result_and_nothing_else(self):
        path = self.lab.dir / "partial.json"
        process = self.begin("run", SCENARIOS / "l3_forward.yaml", "--set", "method.seconds=2", "--json", path)
        rig.wait_until(lambda: any("penstock-gatewayd" in name for name in left_behind(process.pid, self.mark)), 60, 0.1, "a gateway of the lab")
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        self.end(process, 130)
        self.assertTrue(json.loads(path.read_text())["partial"])


if __name__ == "__main__":
    rig.main()
