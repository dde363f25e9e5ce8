"""Services in every mode, both families, all balancings — with nginx and curl, and with frames where the kernel has no tunnel."""
import collections

import rig
from rig import LAN4, LAN6, VIP4, VIP6, WAN4, WAN6, objects, traffic
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP

URL4, URL6 = f"http://{VIP4}/", f"http://[{VIP6}]/"


class Nat(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()

    def test_both_families_reach_all_endpoints_and_the_client_keeps_its_address(self):
        self.gateway.replace(self.node(), self.web_service())
        for url, client in ((URL4, WAN4.format(2)), (URL6, WAN6.format(2))):
            bodies = traffic.fetch_many(self.client, url, 100)
            self.assertEqual(set(bodies), {f"s1 {client}", f"s2 {client}"}, bodies)
            self.assertGreater(min(bodies.values()), 20, bodies)

    def test_udp(self):
        made = objects.service("dns", VIP4, (53, 5353, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11), LAN4.format(12)))
        echoes = [traffic.UdpEcho(host, 5353) for host in self.hosts]
        answers = [traffic.udp_ask(self.client, VIP4, 53) for _ in range(60)]
        self.assertEqual(set(answers), {"s1 hello", "s2 hello"})
        self.assertEqual({p for e in echoes for p in e.peers}, {WAN4.format(2)})

    def test_target_port_differs_from_the_port(self):
        made = objects.service("web", VIP4, (8088, 80))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)))
        self.assertEqual(traffic.fetch(self.client, f"http://{VIP4}:8088/").strip(), "s1 " + WAN4.format(2))
        before = self.gateway.drops()
        self.assertEqual(traffic.fetch_status(self.client, URL4, timeout=1), 7, "a port without a service is refused")
        self.assertGreaterEqual(self.gateway.drops_since(before).get("service_no_port", 0), 1)

    def test_all_ports(self):
        made = objects.service("any", VIP4, (80, 80), (53, 53, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)),
                             objects.service_policy("any", allPorts=True))
        echo = traffic.UdpEcho(self.hosts[0], 6007)
        self.assertEqual(traffic.udp_ask(self.client, VIP4, 6007), "s1 hello")
        self.assertEqual(echo.received, 1)
        self.assertEqual(traffic.fetch(self.client, URL4).strip(), "s1 " + WAN4.format(2))

    def test_weights(self):
        self.gateway.replace(self.node(), self.web_service(
            address=[VIP4], weights=[{"address": LAN4.format(11), "weight": 300}, {"address": LAN4.format(12), "weight": 100}]))
        bodies = traffic.fetch_many(self.client, URL4, 400)
        share = bodies["s1 " + WAN4.format(2)] / 400
        self.assertAlmostEqual(share, 0.75, delta=0.08)

    def test_weight_zero_gets_nothing(self):
        self.gateway.replace(self.node(), self.web_service(address=[VIP4], weights=[{"address": LAN4.format(11), "weight": 0}]))
        self.assertEqual(set(traffic.fetch_many(self.client, URL4, 50)), {"s2 " + WAN4.format(2)})

    def test_round_robin_is_even(self):
        self.gateway.replace(self.node(), self.web_service(address=[VIP4], balancing="roundRobin"))
        self.assertEqual(sorted(traffic.fetch_many(self.client, URL4, 100).values()), [50, 50])

    def test_least_connections_fills_the_emptier_one(self):
        streams = traffic.Streams(self.hosts, 9100)
        made = objects.service("long", VIP4, (9100, 9100))
        policy = objects.service_policy("long", balancing="leastConnections")
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)), policy)
        streams.open(self.client, VIP4, 9100, 10)    # all on s1
        self.assertEqual(collections.Counter(streams.exchange()), {"s1": 10})
        self.gateway.apply(objects.endpoints(made, LAN4.format(11), LAN4.format(12)))
        streams.open(self.client, VIP4, 9100, 10)    # s2 is the emptier one for all of these
        self.assertEqual(collections.Counter(streams.exchange()), {"s1": 10, "s2": 10})
        streams.drop()

    def test_client_affinity_keeps_a_client_on_its_endpoint(self):
        made = objects.service("web", VIP4, (80, 80), affinity=60)
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11), LAN4.format(12)))
        self.assertEqual(len(traffic.fetch_many(self.client, URL4, 30)), 1)
        self.client.add_address("eth0", *[WAN4.format(n) + "/24" for n in range(100, 120)])
        used = {traffic.fetch(self.client, URL4, extra=("--interface", WAN4.format(n))).split()[0] for n in range(100, 120)}
        self.assertEqual(used, {"s1", "s2"}, "all clients on one endpoint: that is not affinity by client")

    def test_icmp_errors_are_translated_back(self):
        """A closed UDP port on the server: the client must see the virtual address in the error, or its socket never hears."""
        made = objects.service("closed", VIP4, (53, 5999, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)))
        with traffic.udp_socket(self.client) as sock:
            sock.connect((VIP4, 53))
            sock.send(b"x")
            with self.assertRaises(ConnectionRefusedError):
                sock.recv(100)

    def test_without_endpoints_the_answer_is_as_configured(self):
        made = objects.service("web", [VIP4, VIP6], (80, 80))
        self.gateway.replace(self.node(), made)
        before = self.gateway.drops()
        self.assertEqual(traffic.fetch_status(self.client, URL4, timeout=1), 7, "reject: refused at once")
        self.assertEqual(traffic.fetch_status(self.client, URL6, timeout=1), 7)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("service_no_endpoint", 0), 2)
        self.gateway.apply(objects.service_policy("web", noEndpoint="drop"))
        self.assertEqual(traffic.fetch_status(self.client, URL4, timeout=1), 28, "drop: silence")


class FullNat(rig.Story):
    pool4, pool6 = "10.0.1.200", "2001:db8:2::200"

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        for host in cls.hosts:   # the way back exists only through the gateway's pool address: no default routes
            host.ip("route", "del", "default")
            host.ip("-6", "route", "del", "default")

    def test_servers_see_the_pool_and_need_no_route_back(self):
        self.gateway.replace(self.node(), self.web_service(mode="fullnat", sourcePool=[self.pool4, self.pool6]))
        for url, pool in ((URL4, self.pool4), (URL6, self.pool6)):
            bodies = traffic.fetch_many(self.client, url, 60)
            self.assertEqual(set(bodies), {f"s1 {pool}", f"s2 {pool}"}, bodies)

    def test_without_a_pool_the_interface_address_is_used(self):
        self.gateway.replace(self.node(), self.web_service(mode="fullnat"))
        self.assertEqual(traffic.fetch(self.client, URL4).split()[1], LAN4.format(1))
        self.assertEqual(traffic.fetch(self.client, URL6).split()[1], LAN6.format(1))

    def test_gateway_answers_arp_and_discovery_for_the_pool(self):
        self.gateway.replace(self.node(), self.web_service(mode="fullnat", sourcePool=[self.pool4, self.pool6]))
        self.assertEqual(self.hosts[0].run("ip", "neigh", "flush", "dev", "eth0").returncode, 0)
        self.assertIn(traffic.fetch(self.client, URL4).split()[0], ("s1", "s2"))
        table = "".join(h.ip("neigh") for h in self.hosts)
        self.assertIn(f"{self.pool4} dev eth0 lladdr {self.gateway_host.mac('lan0')}", table)


class Dsr(rig.Story):
    """Servers hold the virtual address themselves and answer the client over a link of their own."""

    @classmethod
    def build(cls):
        super().build()
        for n, host in enumerate(cls.hosts, 1):
            host.add_address("lo", VIP4 + "/32", VIP6 + "/128")
            host.sysctl("net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2")
            cls.lab.link(host, "direct", cls.client, f"direct{n}")
            host.add_address("direct", f"192.168.{n}.1/24", f"fd00:{n}::1/64")
            cls.client.add_address(f"direct{n}", f"192.168.{n}.2/24", f"fd00:{n}::2/64")
            host.add_route(WAN4.format(0) + "/24", via=f"192.168.{n}.2")
            host.add_route(WAN6.format(0) + "/64", via=f"fd00:{n}::2")
        cls.start_web()

    def test_requests_come_through_the_gateway_and_answers_do_not(self):
        self.gateway.replace(self.node(), self.web_service(mode="dsr"))
        for url, client in ((URL4, WAN4.format(2)), (URL6, WAN6.format(2))):
            back = traffic.received_packets(self.client, "eth0")
            bodies = traffic.fetch_many(self.client, url, 40)
            self.assertEqual(set(bodies), {f"s1 {client}", f"s2 {client}"}, bodies)
            self.assertLess(traffic.received_packets(self.client, "eth0") - back, 20, "answers came through the gateway")

    def test_only_the_mac_address_is_rewritten(self):
        self.gateway.replace(self.node(), self.web_service(mode="dsr", members=[1]))
        wire = self.wire(self.hosts[0])
        with rig.listening(wire, lambda f: f.haslayer(TCP) and f[TCP].flags == "S") as seen:
            traffic.fetch(self.client, URL4)
        self.assertEqual({(f.src, f.dst, f[IP].src, f[IP].dst, f[TCP].dport) for f in seen},
                         {(self.gateway_host.mac("lan0"), wire.mac, WAN4.format(2), VIP4, 80)})


class Ipip(rig.Story):
    """This kernel has no ipip device: the server's frames are read as they arrive."""

    def packets_to_servers(self, count, family):
        for n in (11, 12):   # so that nothing waits for a neighbour
            self.assertEqual(traffic.ping(self.client, (LAN6 if family == 6 else LAN4).format(n)), 3)
        wires = [self.wire(h) for h in self.hosts]
        for w in wires:
            w.clear()
        for port in range(30000, 30000 + count):
            with traffic.udp_socket(self.client, "::" if family == 6 else "", port) as sock:
                sock.sendto(b"payload", (VIP6 if family == 6 else VIP4, 53))
        layer = IPv6 if family == 6 else IP
        return [w.receive_all(lambda f: f.haslayer(layer) and f.haslayer(UDP) and f[UDP].dport == 53, 1.0) for w in wires]

    def check(self, family, inner, outer, vip, client, lan):
        made = objects.service("dns", vip, (53, 53, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, lan.format(11), lan.format(12)),
                             objects.service_policy("dns", mode="ipip"))
        arrived = self.packets_to_servers(100, family)
        self.assertEqual(sum(map(len, arrived)), 100)
        outer_sources = set()
        for n, frames in enumerate(arrived, 1):
            self.assertGreater(len(frames), 20, f"s{n}")
            for frame in frames:
                tunnel, packet = frame[outer], frame[outer].payload
                self.assertEqual((tunnel.dst, packet.src, packet.dst), (lan.format(10 + n), client, vip))
                self.assertIsInstance(packet, inner)
                self.assertEqual(bytes(packet[UDP].payload), b"payload")
                self.assertEqual(getattr(packet, "ttl", getattr(packet, "hlim", 0)), 63)
                outer_sources.add(tunnel.src)
        self.assertGreater(len(outer_sources), 20, "the outer source must vary with the flow, for the NIC of the server")

    def test_ipv4_in_ipv4(self):
        self.check(4, IP, IP, VIP4, WAN4.format(2), LAN4)

    def test_ipv6_in_ipv6(self):
        self.check(6, IPv6, IPv6, VIP6, WAN6.format(2), LAN6)

    def test_a_server_that_decapsulates_by_hand_completes_the_conversation(self):
        made = objects.service("dns", VIP4, (53, 53, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)),
                             objects.service_policy("dns", mode="ipip"))
        wire = self.wire(self.hosts[0])
        with traffic.udp_socket(self.client, "", 31000) as sock:
            sock.sendto(b"question", (VIP4, 53))
            frame = wire.receive(lambda f: f.haslayer(UDP) and f[UDP].dport == 53)
            self.assertIsNotNone(frame)
            inner = frame[IP].payload
            wire.send(type(frame)(src=wire.mac, dst=frame.src) / IP(src=inner.dst, dst=inner.src) /
                      UDP(sport=53, dport=inner[UDP].sport) / b"answer")
            self.assertEqual(sock.recv(100), b"answer")


class Announced(rig.Story):
    servers = 1

    def test_virtual_addresses_on_the_link_are_answered_for(self):
        """A virtual address inside the client's own network: found by ARP and discovery, announced when it appears."""
        self.start_web()
        vip4, vip6 = WAN4.format(50), WAN6.format(50)
        wire = self.wire(self.client)
        with rig.listening(wire, lambda f: f.haslayer(ARP) and f[ARP].psrc == vip4) as announced:
            self.gateway.replace(self.node(), self.web_service(address=[vip4, vip6]))
        self.assertTrue(announced, "no gratuitous ARP for the new address")
        self.assertEqual(traffic.fetch(self.client, f"http://{vip4}/").split()[0], "s1")
        self.assertEqual(traffic.fetch(self.client, f"http://[{vip6}]/").split()[0], "s1")


if __name__ == "__main__":
    rig.main()
