"""Explain, trace and capture: what would happen, what happens, and the packets themselves."""
import time

import rig
from rig import LAN4, VIP4, WAN4, objects, traffic


class Watching(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()

    def setUp(self):
        self.gateway.replace(self.node(), self.web_service(), objects.access_policy(
            "edge", {"name": "no-ssh", "action": "deny", "protocol": "tcp", "ports": ["22"]}))

    def explain(self, **fields):
        words = [w for key, value in fields.items() for w in ("--" + key.replace("_", "-"), value)]
        return self.gateway.json("flows", "explain", *words)["packets"][0]

    def test_explain_names_the_service_the_rule_and_the_way(self):
        before = sum(self.gateway.workers("transmitted"))
        told = self.explain(interface="wan", src=WAN4.format(2), dst=VIP4, protocol="tcp", src_port=4000, dst_port=80)
        text = " ".join(f"{s['stage']} {s.get('verdict')} {s.get('detail', '')}" for s in told["steps"])
        self.assertIn("web", text)
        self.assertRegex(text, r"10\.0\.1\.1[12]:80")
        self.assertEqual(told.get("egressInterface"), "lan")
        self.assertEqual([s["verdict"] for s in told["steps"] if s["stage"] in ("resolve", "emit")], ["forward", "forward"])
        denied = self.explain(interface="wan", src=WAN4.format(2), dst=LAN4.format(11), protocol="tcp", src_port=4000, dst_port=22)
        text = " ".join(f"{s.get('reason', '')} {s.get('detail', '')}" for s in denied["steps"])
        self.assertIn("filter_denied", text)
        self.assertIn("edge/no-ssh", text)
        self.assertEqual(denied.get("egressInterface", ""), "")
        self.assertEqual(sum(self.gateway.workers("transmitted")), before, "explaining sent something")

    def test_explain_agrees_with_what_happens(self):
        """The endpoint foretold for each port is the one that answers."""
        for port in range(42000, 42020):
            told = self.explain(interface="wan", src=WAN4.format(2), dst=VIP4, protocol="tcp", src_port=port, dst_port=80)
            text = " ".join(s.get("detail", "") for s in told["steps"])
            answered = traffic.fetch(self.client, f"http://{VIP4}/", source_port=port).split()[0]
            self.assertIn(LAN4.format(10 + int(answered[1:])), text)

    def test_trace_follows_live_packets_through_the_stages(self):
        trace = self.gateway.begin("trace", "icmp", "-n", "2")
        time.sleep(0.7)
        traffic.ping(self.client, LAN4.format(11), count=3)
        trace.wait(10)
        text = trace.output()
        for stage in ("parse", "route", "filter", "steer", "emit"):
            self.assertIn(stage, text)
        self.assertIn(LAN4.format(11), text)

    def test_capture_opens_in_wireshark(self):
        path = self.lab.dir / "capture.pcapng"
        capture = self.gateway.begin("capture", "-w", path, "icmp or tcp port 22", "--timeout", "4s")
        time.sleep(0.7)
        traffic.ping(self.client, LAN4.format(11), count=4)
        traffic.fetch_status(self.client, f"http://{LAN4.format(11)}:22/", timeout=1)
        traffic.fetch_many(self.client, f"http://{VIP4}/", 3)
        capture.wait(20)
        done = rig.run("tshark", "-n", "-r", path, "-T", "fields", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction",
                       "-e", "frame.comment", "-e", "icmp.type", "-e", "tcp.dstport", check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual({r[4] for r in rows} - {""}, {"22"}, "the filter expression let others through")
        echoes = [r for r in rows if r[3] == "8"]
        self.assertEqual({r[0] for r in echoes}, {"wan", "lan"}, rows)
        self.assertTrue([r for r in rows if "filter_denied" in r[2]], f"no drop reason in the comments: {rows}")

    def test_a_bad_filter_expression_is_an_error(self):
        with self.assertRaises(rig.CliError):
            self.gateway.cli("capture", "-w", self.lab.dir / "x", "tcp prot 80", "--timeout", "1s")

    def test_captures_and_traces_leave_nothing_behind(self):
        """A client that disappears in the middle: the watch ends, traffic goes on."""
        for _ in range(5):
            capture = self.gateway.begin("capture", "-w", self.lab.dir / "gone.pcapng", "icmp", "--timeout", "60s")
            time.sleep(0.3)
            capture.kill()
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.assertEqual(self.gateway.balance(), 0)


if __name__ == "__main__":
    rig.main()
