"""Access rules: order, actions, every kind of match, counters."""
import rig
from rig import LAN4, LAN6, WAN4, objects, traffic
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether


def rule(action, name=None, **match):
    return {"action": action, **({"name": name} if name else {}), **match}


class Filter(rig.Story):
    servers = 1

    @classmethod
    def build(cls):
        super().build()
        cls.start_web(ports=(80, 8080))

    def set_rules(self, *rules, wan=None):
        self.gateway.replace(self.node(wan=wan), objects.access_policy("edge", *rules))

    def status(self, port=80, address=LAN4.format(11)):
        host = f"[{address}]" if ":" in address else address
        return traffic.fetch_status(self.client, f"http://{host}:{port}/", timeout=1)

    def test_allow_deny_reject(self):
        self.set_rules(rule("deny", "silent", protocol="tcp", ports=["8080"]),
                       rule("reject", "loud", protocol="tcp", ports=["80"]))
        before = self.gateway.drops()
        self.assertEqual(self.status(8080), 28, "deny is silence")
        self.assertEqual(self.status(80), 7, "reject is a reset")
        self.assertEqual(self.status(80, LAN6.format(11)), 7)
        dropped = self.gateway.drops_since(before)
        self.assertGreaterEqual(dropped.get("filter_denied", 0), 1)
        self.assertEqual(dropped.get("filter_rejected"), 2)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3, "nothing else is concerned")

    def test_reject_of_udp_is_an_icmp_error(self):
        self.set_rules(rule("reject", protocol="udp"))
        for address in (LAN4.format(11), LAN6.format(11)):
            with traffic.udp_socket(self.client, "::" if ":" in address else "") as sock:
                sock.connect((address, 9))
                sock.send(b"x")
                with self.assertRaises(OSError, msg=address) as raised:
                    sock.recv(10)
                self.assertNotIsInstance(raised.exception, TimeoutError, address)

    def test_first_match_wins_over_policies_by_priority(self):
        deny_all = objects.access_policy("zz", rule("deny"), priority=2000)
        allow_web = objects.access_policy("aa", rule("allow", protocol="tcp", ports=["80"]),
                                          rule("allow", **{"from": [LAN4.format(0) + "/24"]}), priority=1000)
        self.gateway.replace(self.node(), deny_all, allow_web)
        self.assertEqual((self.status(80), self.status(8080)), (0, 28))
        deny_all["spec"]["priority"] = 10
        self.gateway.apply(deny_all)
        self.assertEqual(self.status(80), 28)

    def test_default_action_of_the_interface_and_states(self):
        """The classic edge: outside may only answer what inside began."""
        self.set_rules(rule("allow", "answers", state="established"), rule("allow", "errors", state="related"),
                       wan={"defaultAction": "deny"})
        traffic.nginx(self.client, ports=(81,))
        before = self.gateway.drops()
        self.assertEqual(self.status(80), 28)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("filter_default", 0), 1)
        self.assertIsNotNone(traffic.fetch(self.hosts[0], f"http://{WAN4.format(2)}:81/"))
        self.assertEqual(traffic.traceroute(self.hosts[0], WAN4.format(2))[-1], WAN4.format(2), "related errors pass")

    def test_prefixes_ports_flags_types(self):
        self.set_rules(rule("deny", "source", **{"from": [WAN4.format(66) + "/32"]}),
                       rule("deny", "range", protocol="tcp", ports=["8000-8999"]),
                       rule("deny", "xmas", protocol="tcp", tcpFlags="FIN,PSH,URG"),
                       rule("deny", "echo", protocol="icmp", icmpType=8))
        self.client.add_address("eth0", WAN4.format(66) + "/24")
        self.assertEqual((self.status(80), self.status(8080)), (0, 28))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 0)
        self.assertEqual(traffic.ping(self.client, LAN6.format(11)), 3)
        self.assertEqual(traffic.fetch(self.client, f"http://{LAN4.format(11)}/", timeout=1,
                                       extra=("--interface", WAN4.format(66))), None)
        wire, inside = self.wire(self.client), self.wire(self.hosts[0])
        with rig.listening(inside, lambda f: f.haslayer(TCP) and f[TCP].sport == 1234) as seen:
            wire.send(Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) /
                      IP(src=WAN4.format(2), dst=LAN4.format(11)) / TCP(sport=1234, dport=80, flags="FPU"))
        self.assertEqual(seen, [])
        self.assertEqual(int(self.gateway.entry("rules", name="default/edge/xmas")["matched"]["packets"]), 1)

    def test_counters_count_packets_and_bytes_of_each_rule(self):
        self.set_rules(rule("allow", "pings", protocol="icmp"), rule("allow", "rest"))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11), count=10, size=100), 10)
        matched = self.gateway.entry("rules", name="default/edge/pings")["matched"]
        self.assertEqual(int(matched["packets"]), 20, "10 requests and 10 replies")
        self.assertEqual(int(matched["bytes"]), 20 * 142)

    def test_ten_thousand_rules_hold_and_decide(self):
        many = [rule("deny", f"r{n}", **{"from": [f"10.{n // 250 % 250}.{n % 250}.0/24"]}, protocol="tcp",
                     ports=[str(1 + n % 60000)]) for n in range(10000)]
        self.gateway.replace(self.node(), objects.access_policy("many", *many, rule("reject", "last", protocol="tcp",
                                                                                    ports=["8080"])))
        self.assertEqual((self.status(80), self.status(8080)), (0, 7))


if __name__ == "__main__":
    rig.main()
