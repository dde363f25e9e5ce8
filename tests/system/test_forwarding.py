"""Packets between two networks: IPv4 and IPv6, path MTU, routes of every action, neighbours, and what is refused."""
import rig
from rig import LAN4, LAN6, WAN4, WAN6, objects, traffic
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether


class Forwarding(rig.Story):

    def test_ping_reaches_servers_and_the_gateway_itself(self):
        for address in (LAN4.format(11), LAN4.format(12), LAN6.format(11), LAN6.format(12),
                        WAN4.format(1), WAN6.format(1), LAN4.format(1), LAN6.format(1)):
            self.assertEqual(traffic.ping(self.client, address, count=3), 3, address)

    def test_traceroute_names_the_gateway_first(self):
        for protocol in ("udp", "icmp", "tcp"):
            self.assertEqual(traffic.traceroute(self.client, LAN4.format(11), protocol), [WAN4.format(1), LAN4.format(11)])
        self.assertEqual(traffic.traceroute(self.client, LAN6.format(11)), [WAN6.format(1), LAN6.format(11)])

    def test_ttl_is_one_less_behind_the_gateway(self):
        server = self.wire(self.hosts[0])
        with rig.listening(server, lambda f: f.haslayer(UDP) and f[UDP].dport == 7777) as seen:
            with traffic.udp_socket(self.client) as sock:
                sock.sendto(b"x", (LAN4.format(11), 7777))
            with traffic.udp_socket(self.client, "::") as sock:
                sock.sendto(b"x", (LAN6.format(11), 7777))
        self.assertEqual({f[IP].ttl for f in seen if f.haslayer(IP)}, {63})
        self.assertEqual({f[IPv6].hlim for f in seen if f.haslayer(IPv6)}, {63})

    def test_tcp_of_a_megabyte_arrives_whole(self):
        traffic.nginx(self.hosts[0], ports=(8000,), root_bytes=1 << 20)
        for host in (LAN4.format(11), f"[{LAN6.format(11)}]"):
            body = traffic.fetch(self.client, f"http://{host}:8000/big", timeout=10)
            self.assertEqual(len(body or ""), 1 << 20)

    def test_static_routes_and_their_actions(self):
        behind = "192.0.2.7"   # an address on s2's loopback: reached by a route through s2
        self.hosts[1].add_address("lo", behind + "/32", "2001:db8:77::7/128")
        self.gateway.replace(self.node(routes=[
            objects.route("192.0.2.0/24", LAN4.format(12)), objects.route("2001:db8:77::/64", LAN6.format(12)),
            objects.route("192.0.2.64/26", action="blackhole"), objects.route("192.0.2.128/26", action="unreachable"),
            objects.route("192.0.2.192/26", action="prohibit")]))
        self.assertEqual(traffic.ping(self.client, behind), 3)
        self.assertEqual(traffic.ping(self.client, "2001:db8:77::7"), 3)
        before = self.gateway.drops()
        said = {a: self.client.run("ping", "-n", "-c1", "-W1", a, check=False).stdout
                for a in ("192.0.2.65", "192.0.2.129", "192.0.2.193")}
        self.assertNotIn("From", said["192.0.2.65"])
        self.assertIn("Destination Host Unreachable", said["192.0.2.129"])
        self.assertRegex(said["192.0.2.193"], "Packet filtered|prohibited")
        dropped = self.gateway.drops_since(before)
        self.assertEqual((dropped.get("route_blackhole"), dropped.get("route_unreachable"), dropped.get("route_prohibit")),
                         (1, 1, 1))
        self.gateway.replace(self.node())
        self.assertIn("Unreachable", self.client.run("ping", "-n", "-c1", "-W1", behind, check=False).stdout)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("no_route", 0), 1)

    def test_equal_cost_routes_share_flows_and_keep_each_on_its_way(self):
        for host in self.hosts:
            host.add_address("lo", "192.0.2.99/32")
        self.gateway.replace(self.node(routes=[objects.route("192.0.2.99/32", LAN4.format(11), LAN4.format(12))]))
        echoes = [traffic.UdpEcho(host, 7000, "192.0.2.99") for host in self.hosts]
        for _ in range(2):
            for source_port in range(20000, 20100):
                self.assertIsNotNone(traffic.udp_ask(self.client, "192.0.2.99", 7000, source_port=source_port))
        counts = sorted(e.received for e in echoes)
        self.assertEqual(sum(counts), 200)
        self.assertGreater(counts[0], 50, "one of two equal next hops got less than a quarter")
        self.assertTrue(all(c % 2 == 0 for c in counts), "a flow changed its next hop")
        self.gateway.replace(self.node())

    def test_a_neighbour_that_does_not_answer_is_reported(self):
        before = self.gateway.drops()
        done = self.client.run("ping", "-n", "-c2", "-i", "0.2", "-W5", LAN4.format(99), check=False, timeout=15)
        self.assertIn("Destination Host Unreachable", done.stdout)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("neighbour_failed", 0), 1)


class PathMtu(rig.Story):
    """The segment behind the gateway takes 1400 bytes only."""

    servers = 1

    @classmethod
    def build(cls):
        original = cls.lab.switch
        cls.lab.switch = lambda role: original(role, mtu=1400)
        super().build()

    @classmethod
    def node(cls, **fields):
        return super().node(lan={"mtu": 1400}, **fields)

    def test_tracepath_finds_the_path_mtu(self):
        self.assertEqual(traffic.tracepath(self.client, LAN4.format(11))[0], 1400)
        self.assertEqual(traffic.tracepath(self.client, LAN6.format(11))[0], 1400)

    def test_what_may_be_fragmented_is_and_the_rest_is_refused(self):
        self.client.run("ip", "route", "flush", "cache")
        self.assertEqual(traffic.ping(self.client, LAN4.format(11), size=1472, fragment="dont"), 3, "1500 bytes, no DF")
        before = self.gateway.drops()
        wire = self.wire(self.client)
        wire.clear()
        wire.send(Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) /
                  IP(src=WAN4.format(2), dst=LAN4.format(11), flags="DF") / UDP(sport=9, dport=9) / bytes(1460))
        answer = wire.receive(lambda f: f.haslayer(ICMP) and f[ICMP].type == 3)
        self.assertIsNotNone(answer, "no ICMP error came back")
        self.assertEqual((answer[ICMP].code, answer[ICMP].nexthopmtu), (4, 1400))
        self.assertEqual(self.gateway.drops_since(before).get("too_big"), 1)

    def test_tcp_finds_its_way_through_the_narrow_link(self):
        traffic.nginx(self.hosts[0], ports=(8000,), root_bytes=1 << 20)
        self.assertEqual(len(traffic.fetch(self.client, f"http://{LAN4.format(11)}:8000/big", timeout=10) or ""), 1 << 20)


class MssClamp(PathMtu):
    """The same narrow segment, but SYNs are clamped: no large segment is ever sent."""

    @classmethod
    def node(cls, **fields):
        return rig.Story.node.__func__(cls, lan={"mtu": 1400, "mssClamp": "auto"}, **fields)

    def test_syn_announces_what_fits(self):
        server = self.wire(self.hosts[0])
        with rig.listening(server, lambda f: f.haslayer(TCP) and f[TCP].flags == "S") as seen:
            traffic.fetch_status(self.client, f"http://{LAN4.format(11)}:81/")
        self.assertEqual({dict(f[TCP].options)["MSS"] for f in seen}, {1360})


class Refused(rig.Story):
    """What no host may send, each under its own name, and nothing else suffers."""

    servers = 1

    def setUp(self):
        self.wire_out = self.wire(self.client)
        self.ethernet = Ether(src=self.wire_out.mac, dst=self.gateway_host.mac("wan0"))

    def expect_drop(self, reason, *frames):
        with self.subTest(reason):
            before = self.gateway.drops()
            inside = self.wire(self.hosts[0])
            with rig.listening(inside, lambda f: f.haslayer(UDP) and f[UDP].dport == 4242) as seen:
                self.wire_out.send(*frames)
                rig.settle()
            self.assertEqual(self.gateway.drops_since(before).get(reason), len(frames),
                             f"{reason}: {self.gateway.drops_since(before)}")
            self.assertEqual(seen, [], "it was forwarded")

    def udp(self, **ip):
        return IP(**{"src": WAN4.format(2), "dst": LAN4.format(11), **ip}) / UDP(sport=4242, dport=4242) / b"hello"

    def test_each_under_its_name(self):
        e = self.ethernet
        whole = bytes(e / self.udp())
        self.expect_drop("bad_ip_checksum", e / self.udp(chksum=0x1234))
        self.expect_drop("bad_ip_version", whole[:14] + b"\x65" + whole[15:])
        self.expect_drop("bad_ip_header_length", whole[:14] + b"\x42" + whole[15:])
        self.expect_drop("truncated_ip", e / self.udp(len=1400))
        self.expect_drop("martian_source", e / self.udp(src="127.0.0.1"), e / self.udp(src="224.1.2.3"),
                         e / self.udp(src="0.1.2.3"), e / self.udp(src="255.255.255.255"))
        self.expect_drop("martian_destination", e / self.udp(dst="127.0.0.9"), e / self.udp(dst="0.0.0.0"))
        self.expect_drop("land", e / self.udp(src=LAN4.format(11)))
        self.expect_drop("source_route", e / IP(src=WAN4.format(2), dst=LAN4.format(11),
                                                options=[b"\x83\x07\x04\x01\x02\x03\x04\x00"]) / UDP(sport=1, dport=4242))
        self.expect_drop("not_for_us", Ether(src=self.wire_out.mac, dst="02:00:00:00:00:99") / self.udp())
        self.expect_drop("unknown_ether_type", Ether(src=self.wire_out.mac, dst=e.dst, type=0x88b5) / (b"xx" * 30))
        self.expect_drop("unknown_vlan", whole[:12] + b"\x81\x00\x00\x2a" + whole[12:])
        self.expect_drop("bad_transport_header", e / IP(src=WAN4.format(2), dst=LAN4.format(11)) /
                         TCP(sport=1, dport=4242, dataofs=2))
        self.expect_drop("truncated_transport", e / IP(src=WAN4.format(2), dst=LAN4.format(11), proto=17) / b"\0\1\2")
        self.expect_drop("multicast_not_forwarded", Ether(src=self.wire_out.mac, dst="01:00:5e:01:02:03") /
                         self.udp(dst="239.1.2.3"))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3, "good packets suffer")

    def test_reverse_path_strict_refuses_spoofed_sources(self):
        self.gateway.replace(self.node(wan={"reversePath": "strict"}))
        self.expect_drop("reverse_path", self.ethernet / self.udp(src=LAN4.format(77)),
                         self.ethernet / self.udp(src="8.8.8.8"))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.gateway.replace(self.node(wan={"reversePath": "loose"}))
        self.expect_drop("reverse_path", self.ethernet / self.udp(src="8.8.8.8"))
        inside = self.wire(self.hosts[0])
        with rig.listening(inside, lambda f: f.haslayer(UDP) and f[UDP].dport == 4242) as seen:
            self.wire_out.send(self.ethernet / self.udp(src=LAN4.format(77)))
        self.assertEqual(len(seen), 1, "loose: a route to the source exists")
        self.gateway.replace(self.node())

    def test_a_million_broken_frames_change_nothing(self):
        """Mutations of good packets: whatever they are, the gateway goes on and loses none without a name."""
        import random
        chance = random.Random(7)
        seeds = [bytes(self.ethernet / self.udp()), bytes(self.ethernet / IPv6(src=WAN6.format(2), dst=LAN6.format(11)) /
                                                          TCP(sport=1, dport=2)),
                 bytes(self.ethernet / IP(src=WAN4.format(2), dst=LAN4.format(11)) / ICMP(type=3, code=4) /
                       self.udp())]
        frames = []
        for _ in range(5000):
            frame = bytearray(chance.choice(seeds))
            for _ in range(chance.randint(1, 6)):
                frame[chance.randrange(12, len(frame))] = chance.randrange(256)
            frames.append(bytes(frame[:chance.randint(14, len(frame))]))
        self.wire_out.send_many(frames, seconds=3)
        self.assertTrue(self.gateway.process.running())
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.assertEqual(traffic.ping(self.client, LAN6.format(11)), 3)


if __name__ == "__main__":
    rig.main()
