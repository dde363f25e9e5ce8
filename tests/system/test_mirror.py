"""Mirrors: copies to an interface and to an ERSPAN collector, sampled and truncated, the original untouched."""
import rig
from rig import LAN4, WAN4, objects, traffic
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import GRE, Ether


class Mirror(rig.Story):
    """s2 is the collector; a third port of the gateway leads to a tap of its own."""

    @classmethod
    def build(cls):
        cls.span = None
        super().build()

    @classmethod
    def node(cls, **fields):
        if cls.span is None:
            cls.span = cls.lab.namespace("span")
            cls.lab.link(cls.span, "eth0", cls.gateway_host, "span0")
            cls.gateway_host.sysctl("net.ipv6.conf.span0.disable_ipv6=1")
        made = super().node(**fields)
        made["spec"]["interfaces"].append(objects.interface("span", objects.device(2, "span0", cls.driver)))
        return made

    def copies(self, wire, wanted, act):
        with rig.listening(wire, wanted) as seen:
            act()
        return seen

    def copied(self):
        return int(self.gateway.entry("mirrors", name="default/m")["copied"]["packets"])

    def test_to_an_interface_as_it_is(self):
        self.gateway.replace(self.node(), objects.mirror("m", {"interface": "span"}, {"interfaces": ["wan"], "protocol": "icmp"}))
        before = self.copied()
        seen = self.copies(self.wire(self.span), lambda f: f.haslayer(ICMP),
                           lambda: self.assertEqual(traffic.ping(self.client, LAN4.format(11), count=5), 5))
        self.assertEqual([(f[IP].src, f[IP].dst, f[ICMP].type, f[IP].ttl) for f in seen],
                         [(WAN4.format(2), LAN4.format(11), 8, 64)] * 5, "copies are of the packet as it came in")
        self.assertEqual(self.copied() - before, 5)

    def test_sampled_and_truncated(self):
        self.gateway.replace(self.node(), objects.mirror("m", {"interface": "span"}, {"protocol": "icmp"}, sample=4, truncate=60))
        seen = self.copies(self.wire(self.span), lambda f: f.haslayer(IP),
                           lambda: self.assertEqual(traffic.ping(self.client, LAN4.format(11), count=200, size=500, interval=0.005), 200))
        self.assertAlmostEqual(len(seen), 100, delta=45, msg="400 packets, one of 4 by chance")
        self.assertEqual({len(f) for f in seen}, {60})

    def test_erspan_type_two(self):
        self.erspan({"collector": LAN4.format(12), "session": 77, "source": LAN4.format(1)})

    def test_erspan_from_the_address_of_the_egress_interface(self):
        self.erspan({"collector": LAN4.format(12), "session": 77})

    def erspan(self, to):
        self.gateway.replace(self.node(), objects.mirror("m", {"erspan": to}, {"interfaces": ["wan"], "protocol": "icmp"}))
        seen = self.copies(self.wire(self.hosts[1]), lambda f: f.haslayer(GRE),
                           lambda: self.assertEqual(traffic.ping(self.client, LAN4.format(11), count=5), 5))
        self.assertEqual(len(seen), 5)
        sequence = []
        for frame in seen:
            self.assertEqual((frame[IP].src, frame[IP].dst), (LAN4.format(1), LAN4.format(12)))
            raw = bytes(frame[IP].payload)
            flags, protocol, number = raw[0:2], int.from_bytes(raw[2:4], "big"), int.from_bytes(raw[4:8], "big")
            self.assertEqual((flags, protocol), (b"\x10\x00", 0x88be), "GRE with a sequence number, ERSPAN type II")
            header = int.from_bytes(raw[8:16], "big")
            self.assertEqual((header >> 60, header >> 32 & 0x3ff), (1, 77))
            inner = Ether(raw[16:])
            self.assertEqual((inner[IP].src, inner[ICMP].type), (WAN4.format(2), 8))
            sequence.append(number)
        self.assertEqual(sequence, list(range(sequence[0], sequence[0] + 5)))

    def test_what_does_not_match_is_not_copied(self):
        self.gateway.replace(self.node(), objects.mirror("m", {"interface": "span"}, {"from": ["192.0.2.0/24"]}))
        seen = self.copies(self.wire(self.span), lambda f: f.haslayer(IP), lambda: traffic.ping(self.client, LAN4.format(11)))
        self.assertEqual(seen, [])


if __name__ == "__main__":
    rig.main()
