"""Exact flows: programmed by the million, each action, timeouts, dumps — while the gateway forwards."""
import re
import time

import rig
from rig import LAN4, WAN4, objects, traffic
from scapy.layers.inet import IP, UDP


class Exact(rig.Story):
    workers = {"exactFlows": 1 << 20}

    def setUp(self):
        self.gateway.cli("flows", "del", "--all")
        self.gateway.replace(self.node())
        self.key = f"src={WAN4.format(2)} dst={LAN4.format(11)} proto=udp sport=5000 dport=6000".split()
        self.echo = traffic.UdpEcho(self.hosts[0], 6000)
        self.addCleanup(self.echo.close)

    def add(self, *words):
        self.gateway.cli("flows", "add", *self.key, *words)

    def ask(self, port=5000):
        return traffic.udp_ask(self.client, LAN4.format(11), 6000, source_port=port, timeout=0.5)

    def dump(self, *words):
        return self.gateway.json("flows", "dump", *words).get("exact", [])

    def test_drop_concerns_this_flow_only_until_it_is_deleted(self):
        self.add("action=drop", "cookie=7")
        before = self.gateway.drops()
        self.assertIsNone(self.ask())
        self.assertEqual(self.ask(5001), "s1 hello")
        self.assertEqual(self.gateway.drops_since(before).get("exact_drop"), 1)
        entry = self.dump("cookie=7")[0]
        self.assertEqual((int(entry["packets"]), entry["key"]["srcPort"]), (1, 5000))
        told = self.gateway.cli("flows", "explain", "--interface", "wan", "--src", WAN4.format(2), "--dst", LAN4.format(11),
                                "--protocol", "udp", "--src-port", 5000, "--dst-port", 6000, check=False).stdout
        self.assertIn("exact_drop", told)
        self.gateway.cli("flows", "del", "cookie=7")
        self.assertEqual(self.ask(), "s1 hello")

    def test_allow_stands_above_the_filter(self):
        self.gateway.apply(objects.access_policy("all", {"action": "deny", "interfaces": ["wan"]}))
        self.assertIsNone(self.ask())
        self.add("action=allow")
        self.assertEqual(self.ask(), "s1 hello")
        self.assertIsNone(self.ask(5001))

    def test_redirect_to_another_next_hop(self):
        wire = self.wire(self.hosts[1])
        self.add("action=redirect", "out=lan", "via=" + LAN4.format(12))
        with rig.listening(wire, lambda f: f.haslayer(UDP) and f[UDP].dport == 6000) as seen:
            self.ask()
        self.assertEqual([f[IP].dst for f in seen], [LAN4.format(11)], "not at the other host, or changed")

    def test_nat_and_dscp(self):
        wire = self.wire(self.hosts[1])
        self.add("action=nat", "nat-dst=" + LAN4.format(12), "nat-dport=7000", "dscp=46")
        with rig.listening(wire, lambda f: f.haslayer(UDP)) as seen:
            self.ask()
        self.assertEqual([(f[IP].dst, f[UDP].dport, f[IP].tos >> 2) for f in seen], [(LAN4.format(12), 7000, 46)])

    def test_a_rate(self):
        self.add("action=allow", "pps=100", "burst=10")
        with traffic.udp_socket(self.client, "", 5000) as sock:
            held, last, ideal = 10.0, time.monotonic(), 0   # the bucket, when the packets were really sent
            for _ in range(200):
                sock.sendto(b"x", (LAN4.format(11), 6000))
                now = time.monotonic()
                held, last = min(10.0, held + 100 * (now - last)), now
                if held >= 1:
                    held, ideal = held - 1, ideal + 1
                time.sleep(0.005)
        rig.settle()
        self.assertAlmostEqual(self.echo.received, ideal, delta=12)

    def test_mirror(self):
        self.gateway.apply(objects.mirror("tap", {"erspan": {"collector": LAN4.format(12), "source": LAN4.format(1)}}, {"from": ["192.0.2.0/24"]}))
        self.add("action=allow", "mirror=default/tap")
        wire = self.wire(self.hosts[1])
        with rig.listening(wire, lambda f: f.haslayer(IP) and f[IP].proto == 47) as seen:
            self.assertEqual(self.ask(), "s1 hello")
        self.assertEqual(len(seen), 1)

    def test_idle_and_hard_timeouts(self):
        """The times are long against the pauses of a shared machine."""
        self.add("action=allow", "idle=5s", "cookie=1")
        self.gateway.cli("flows", "add", *self.key[:3], "sport=5002", "dport=6000", "action=allow", "hard=7s", "cookie=2")
        cookies = lambda: {int(e["cookie"]) for e in self.dump()}
        self.assertEqual(cookies(), {1, 2})
        rig.wait_until(lambda: self.ask() and cookies() == {1}, 20, 0.3, "the hard timeout, while the other entry is used")
        rig.wait_until(lambda: not cookies(), 20, 0.3, "the idle timeout")

    def test_errors_are_per_entry(self):
        path = self.lab.dir / "flows.txt"
        good = "src=1.1.1.1 dst=2.2.2.{} proto=udp sport=1 dport=2 action=drop"
        path.write_text("\n".join([good.format(1), good.format(2), good.format(1), good.format(3)]) + "\n")
        done = self.gateway.cli("flows", "add", "-f", path, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("flow 3", done.stderr)
        self.assertEqual(len(self.dump("src=1.1.1.1")), 3)

    def test_a_million_added_and_deleted_while_it_forwards(self):
        """Prints the operations a second, of which the aim is half a million: perf/README.md."""
        with traffic.Pulse(self.client, LAN4.format(11), 6000, 1000) as pulse:
            done = self.gateway.cli("flows", "load", "--count", "1000000", "--delete", timeout=120)
            stats = self.gateway.workers("exactFlows")
        print("    " + done.stdout.replace("\n", "\n    ").rstrip())
        rates = [float(r.replace(",", "")) for r in re.findall(r"([\d,]+) operations/s", done.stdout)]
        print(f"    meanwhile {pulse.sent} datagrams, {pulse.lost} lost; entries afterwards {stats}")
        self.assertEqual(len(rates), 2)
        self.assertEqual(pulse.lost, 0)
        self.assertEqual(sum(stats), 0)

    def test_a_million_entries_dump(self):
        done = self.gateway.cli("flows", "load", "--count", "1000000", timeout=120)
        self.assertIn(" 0 refused", done.stdout)
        self.assertEqual(sum(self.gateway.workers("exactFlows")), 1_000_000)
        lines = self.gateway.cli("flows", "dump", timeout=120).stdout.count("\n")
        self.assertEqual(lines, 1_000_000)
        print(f"    {self.gateway.resident_megabytes():.0f} MB resident with a million entries")
        self.assertIn("1000000", self.gateway.cli("flows", "del", "--all", timeout=60).stdout)


if __name__ == "__main__":
    rig.main()
