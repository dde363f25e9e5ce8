"""Fragments: forwarded, balanced and translated like the packet they were cut from, in any order, bounded."""
import random

import rig
from rig import LAN4, LAN6, VIP4, WAN4, objects, traffic
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Ether


class Fragments(rig.Story):
    """Over AF_XDP: DPDK's af_packet driver has the kernel put fragments together before it sees them."""

    driver = "af_xdp"
    node_fields = {"fragments": {"timeout": "300ms", "datagrams": 64}}

    def test_large_echoes_pass(self):
        for size in (2000, 8000, 40000):
            self.assertEqual(traffic.ping(self.client, LAN4.format(11), size=size), 3, size)
            self.assertEqual(traffic.ping(self.client, LAN6.format(11), size=size), 3, size)

    def service(self, **policy):
        made = objects.service("big", VIP4, (5000, 6000, "UDP"))
        return [made, *objects.endpoints(made, LAN4.format(11), LAN4.format(12)),
                *([objects.service_policy("big", **policy)] if policy else [])]

    def echoes(self):
        made = [traffic.UdpEcho(host, 6000) for host in self.hosts]
        self.addCleanup(lambda: [e.close() for e in made])
        return made

    def test_a_large_datagram_is_translated_both_ways(self):
        for policy in ({}, {"mode": "fullnat"}):
            self.gateway.replace(self.node(), self.service(**policy))
            echoes = self.echoes()
            payload = random.Random(1).randbytes(5000).hex().encode()[:7000]
            for _ in range(20):   # different source ports: both servers
                self.assertEqual((traffic.udp_ask(self.client, VIP4, 5000, payload) or "")[3:], payload.decode())
            self.assertTrue(all(e.received for e in echoes), [e.received for e in echoes])
            self.doCleanups()

    def test_fragments_in_any_order_reach_one_server(self):
        self.gateway.replace(self.node(), self.service())
        echoes = self.echoes()
        wire = self.wire(self.client)
        chance = random.Random(3)
        for number in range(30):
            whole = IP(src=WAN4.format(2), dst=VIP4, id=1000 + number) / UDP(sport=20000 + number, dport=5000) / bytes(4000)
            pieces = fragment(whole, 1400)
            chance.shuffle(pieces)
            wire.send(*[Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) / p for p in pieces])
        rig.settle(0.5)
        self.assertEqual(sum(e.received for e in echoes), 30)

    def test_unfinished_datagrams_are_bounded_and_named(self):
        self.gateway.replace(self.node(), self.service())
        before = self.gateway.drops()
        wire = self.wire(self.client)
        later = [bytes(Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) /
                       IP(src=WAN4.format(2), dst=VIP4, id=number, frag=100, proto=17) / bytes(64)) for number in range(500)]
        wire.send(*later)   # the first never comes
        rig.settle(1.5)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        dropped = self.gateway.drops_since(before)
        self.assertGreaterEqual(dropped.get("fragment_timeout", 0), 32, dropped)
        self.assertGreaterEqual(dropped.get("fragment_table_full", 0), 300, dropped)
        self.assertEqual(dropped.get("fragment_timeout", 0) + dropped.get("fragment_table_full", 0), 500, dropped)


if __name__ == "__main__":
    rig.main()
