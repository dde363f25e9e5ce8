"""Workloads reach the outside with the gateway's addresses: masquerade, pools, mappings, hairpin, bounds."""
import rig
from rig import LAN4, LAN6, WAN4, WAN6, objects, traffic
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

INSIDE = (LAN4.format(0) + "/24", LAN6.format(0) + "/64")


class Egress(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.client.ip("route", "del", "default")        # the outside knows no way to the inside:
        cls.client.ip("-6", "route", "del", "default")  # what comes back was translated
        traffic.nginx(cls.client)

    def setUp(self):
        self.gateway.replace(self.node(), objects.egress("out", *INSIDE, interfaces=["wan"]))

    def test_masquerade_uses_the_interface_address(self):
        for host in self.hosts:
            self.assertEqual(traffic.fetch(host, f"http://{WAN4.format(2)}/").strip(), "client " + WAN4.format(1))
            self.assertEqual(traffic.fetch(host, f"http://[{WAN6.format(2)}]/").strip(), "client " + WAN6.format(1))
            self.assertEqual(traffic.ping(host, WAN4.format(2)), 3)
            self.assertEqual(traffic.ping(host, WAN6.format(2)), 3)

    def test_a_pool_of_addresses(self):
        pool = [WAN4.format(100), WAN4.format(101), WAN6.format(100)]
        self.gateway.replace(self.node(), objects.egress("out", *INSIDE, interfaces=["wan"], pool=pool))
        seen = {traffic.fetch(h, f"http://{WAN4.format(2)}/").split()[1] for h in self.hosts for _ in range(4)}
        self.assertLessEqual(seen, set(pool))
        self.assertEqual(traffic.fetch(self.hosts[0], f"http://[{WAN6.format(2)}]/").split()[1], WAN6.format(100))

    def test_mapping_is_independent_of_the_destination(self):
        """RFC 4787 REQ-1: one inside socket has one outside address and port, whomever it talks to."""
        self.client.add_address("eth0", WAN4.format(3) + "/24")
        wire = self.wire(self.client)
        with rig.listening(wire, lambda f: f.haslayer(UDP) and f[UDP].dport == 3478) as seen:
            with traffic.udp_socket(self.hosts[0], "", 40000) as sock:
                sock.sendto(b"a", (WAN4.format(2), 3478))
                sock.sendto(b"b", (WAN4.format(3), 3478))
        self.assertEqual(len(seen), 2)
        self.assertEqual(len({(f[IP].src, f[UDP].sport) for f in seen}), 1)

    def test_hairpin_two_inside_hosts_talk_through_their_outside_mapping(self):
        self.gateway.replace(self.node(), objects.egress("out", INSIDE[0], interfaces=["wan"], pool=[WAN4.format(100)]))
        echo = traffic.udp_socket(self.hosts[1], "", 5555, timeout=2)
        echo.sendto(b"punch", (WAN4.format(2), 9))
        wire = self.wire(self.client)
        wire.clear()
        echo.sendto(b"punch", (WAN4.format(2), 9))
        mapping = wire.receive(lambda f: f.haslayer(UDP) and f[UDP].dport == 9)
        self.assertIsNotNone(mapping)
        with traffic.udp_socket(self.hosts[0], "", 6666, timeout=2) as sock:
            sock.sendto(b"neighbour", (mapping[IP].src, mapping[UDP].sport))
            data, peer = echo.recvfrom(100)
            self.assertEqual(data, b"neighbour")
            self.assertEqual(peer[0], WAN4.format(100), "hairpin must show the outside mapping (RFC 4787 REQ-9)")
            echo.sendto(b"hello back", peer)
            self.assertEqual(sock.recv(100), b"hello back")
        echo.close()

    def test_destinations_not_on_the_list_are_dropped(self):
        self.gateway.replace(self.node(), objects.egress("out", *INSIDE, interfaces=["wan"], allow=[WAN4.format(2) + "/32"]))
        self.client.add_address("eth0", WAN4.format(4) + "/24")
        before = self.gateway.drops()
        self.assertEqual(traffic.ping(self.hosts[0], WAN4.format(2)), 3)
        self.assertEqual(traffic.ping(self.hosts[0], WAN4.format(4)), 0)
        self.assertEqual(self.gateway.drops_since(before).get("egress_not_allowed"), 3)

    def test_exhausted_ports_are_a_named_drop(self):
        self.gateway.replace(self.node(), objects.egress("out", *INSIDE, interfaces=["wan"], portRange="20000-20019"))
        before = self.gateway.drops()
        for port in range(30000, 30030):
            with traffic.udp_socket(self.hosts[0], "", port) as sock:
                sock.sendto(b"x", (WAN4.format(2), 9))
        self.assertEqual(self.gateway.drops_since(before).get("nat_ports_exhausted"), 10)
        self.assertGreaterEqual(int(self.gateway.entry("egresses", name="default/out")["exhausted"]), 10)

    def test_a_source_may_hold_only_so_many(self):
        self.gateway.replace(self.node(), objects.egress("out", *INSIDE, interfaces=["wan"], maxPortsPerSource=5))
        before = self.gateway.drops()
        self.hosts[0].add_address("eth0", LAN4.format(77) + "/24")   # an address without mappings of earlier tests
        for port in range(31000, 31008):
            with traffic.udp_socket(self.hosts[0], LAN4.format(77), port) as sock:
                sock.sendto(b"x", (WAN4.format(2), 9))
        self.assertEqual(self.gateway.drops_since(before).get("nat_source_limit"), 3)
        self.assertEqual(traffic.ping(self.hosts[1], WAN4.format(2)), 3, "another source is not concerned")

    def test_nobody_outside_gets_in_without_a_mapping(self):
        self.gateway.replace(self.node(), objects.egress("out", INSIDE[0], interfaces=["wan"], pool=[WAN4.format(100)]))
        before = self.gateway.drops()
        wire = self.wire(self.client)
        wire.send(Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) /
                  IP(src=WAN4.format(2), dst=WAN4.format(100)) / UDP(sport=9, dport=33333) / b"knock")
        self.assertEqual(self.gateway.drops_since(before).get("nat_no_mapping"), 1)


if __name__ == "__main__":
    rig.main()
