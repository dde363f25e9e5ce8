"""penstock-lab from its command line, with real devices under test: kept scenarios, results, faults, and what is left behind."""
import json
import signal
import subprocess
import time

import rig
from rig.gateway import ROOT
from rig.lab_command import LabCommand, left_behind

SCENARIOS = ROOT / "perf" / "scenarios"
QUICK = ["--short", "--set", "turns=1", "--set", "method.seconds=0.3"]


class Lab(LabCommand):

    def measure(self, name, *settings):
        """A kept scenario, made quick: its figures by subject and metric."""
        result = self.result(SCENARIOS / f"{name}.yaml", *QUICK, *[w for s in settings for w in ("--set", s)])
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

    def test_good_requests_beside_a_flood(self):
        """The same door with and without SYNs: what they cost is a ratio of the same run, and the flood is what it was said to be."""
        figures = self.measure("syn_flood_requests")
        good, quiet = figures[("penstock", "rate", None)], figures[("penstock quiet", "rate", None)]
        self.assertEqual((good["unit"], quiet["unit"]), ("requests/s", "requests/s"))
        self.assertGreater(min(good["value"], quiet["value"]), 10)
        sent, returned = (figures[("penstock", f"background_{name}", None)] for name in ("sent", "returned"))
        self.assertLess(sent["value"], 50000 * 1.05)
        self.assertGreater(sent["value"], 1000)
        self.assertGreater(returned["value"], 100, "the door answered no SYN of the flood")
        self.assertNotIn(("penstock quiet", "background_sent", None), figures)

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
