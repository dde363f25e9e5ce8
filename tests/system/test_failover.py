"""What fails between gateways and what goes on: a peer that dies, one of its addresses, an endpoint here, a path that gets
narrow. Outages are measured by the sequence numbers of a pulse of 1 ms, printed, and bounded generously: virtual cores
stand still for up to seconds."""
import hashlib
import random
import socket
import time

import rig
from rig import objects, traffic
from rig.gateway import Gateway
from rig.mesh import FABRIC4, Keys
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

IP_MTU_DISCOVER = 10   # linux/in.h; socket has no name for it
FABRIC_B = "198.18.0.{}"   # a second fabric
CLIENT, SERVER = "10.1.0.11", "10.9.0.11"
PREFIX = {1: "10.1.0.0/16", 2: "10.9.0.0/16", 3: "10.9.0.0/16"}


class Place:
    """A gateway with a fabric or two, and one segment behind it."""

    def __init__(self, lab, number, fabrics, inside, address, cores):
        self.number, self.address, self.cores = number, address, cores
        self.host = lab.namespace(f"gw{number}")
        for device, fabric in fabrics.items():
            fabric.plug(self.host, device)
        inside.plug(self.host, "lan0")
        self.fabrics = list(fabrics)
        self.host.sysctl(*[f"net.ipv6.conf.{d}.disable_ipv6=1" for d in (*fabrics, "lan0")])
        self.gateway = Gateway(self.host, name=f"gateway{number}")

    def node(self, *more, **fields):
        """`more`: further addresses inside."""
        outside = {"fab0": FABRIC4, "fab1": FABRIC_B}
        return objects.node(
            objects.interface("lan", objects.device(0, "lan0", rig.Story.driver), self.address + "/24", *more),
            *[objects.interface(name, objects.device(1 + i, name, rig.Story.driver), outside[name].format(self.number) + "/24")
              for i, name in enumerate(self.fabrics)],
            cores=self.cores, **fields)


class ThreeGateways(rig.Story):
    """
        client 10.1.0.11 ── gateway 1 ──┬── gateway 2 (10.9.0.2, priority 0) ──┬── server 10.9.0.11
                                        └── gateway 3 (10.9.0.3, priority 1) ──┘   (answers through gateway 3)
    Gateways 1 and 2 also share a second fabric.
    """
    cores = (0, 1)

    @classmethod
    def build(cls):
        lab = cls.lab
        cls.fabric, cls.fabric_b = lab.switch("fabric"), lab.switch("fabricb")
        cls.front, cls.back = lab.switch("front"), lab.switch("back")
        cls.place = {1: Place(lab, 1, {"fab0": cls.fabric, "fab1": cls.fabric_b}, cls.front, "10.1.0.1", (0, 1)),
                     2: Place(lab, 2, {"fab0": cls.fabric, "fab1": cls.fabric_b}, cls.back, "10.9.0.2", (0,)),
                     3: Place(lab, 3, {"fab0": cls.fabric}, cls.back, "10.9.0.3", (1,))}
        cls.client = lab.host("client", cls.front, CLIENT + "/24", gateway=("10.1.0.1",))
        cls.server = lab.host("server", cls.back, SERVER + "/24", gateway=("10.9.0.3",))
        for place in cls.place.values():
            place.gateway.start()
            place.gateway.apply(place.node())
        cls.gateway = cls.place[1].gateway
        # After a restart of one side alone: without replay windows.
        cls.keys = {n: Keys("AES-GCM-128", 1, n, lanes=2) for n in (2, 3)}

    def peer(self, own, other, prefix=None, **spec):
        pair = self.keys[max(own, other)]
        path = pair.write(self.lab.dir / f"keys-{own}-{other}", own, other)
        return objects.peer(f"site{other}", FABRIC4.format(other), prefix or PREFIX[other],
                            **{"cipher": pair.cipher, "staticKeys": {"file": path}, "liveness": {}, "replayWindow": 0,
                               "extendedSequenceNumbers": False, **spec})

    def connect(self, more=(), to2=None, from2=None):
        self.place[1].gateway.replace(self.place[1].node(), self.peer(1, 2, priority=0, **(to2 or {})), self.peer(1, 3, priority=1), *more)
        self.place[2].gateway.replace(self.place[2].node(), self.peer(2, 1, **(from2 or {})))
        self.place[3].gateway.replace(self.place[3].node(), self.peer(3, 1))
        for n in (2, 3):
            self.wait_state(n, "up")

    def peers(self):
        return {p["name"].split("/")[1]: p for p in self.gateway.json("peer", "show")["peers"]}

    def path(self, peer, index=0):
        return self.peers()[f"site{peer}"]["paths"][index]

    def wait_state(self, peer, state, index=0, seconds=20):
        rig.wait_until(lambda: self.path(peer, index).get("state") == state, seconds, 0.1,
                       f"path {index} of peer {peer} is {state}")

    def carries(self, peer):
        """Packets that gateway 1 encrypted for a peer while a hundred went by."""
        def count():
            rig.settle()
            return sum(int(a.get("packets", 0)) for a in self.peers()[f"site{peer}"]["associations"] if a["direction"] == "out")
        quiet = count()
        self.ask_often(300)
        return count() - quiet

    def ask_often(self, times):
        with traffic.udp_socket(self.client) as sock:
            for n in range(times):
                sock.sendto(b"%d" % n, (SERVER, 5000))
                time.sleep(0.001)

    def echo(self):
        server = traffic.UdpEcho(self.server, 5000)
        self.addCleanup(server.close)
        rig.wait_until(lambda: traffic.udp_ask(self.client, SERVER, 5000), 20, what="an answer of the server")
        return server

    def outage(self, what, fail, seconds=4.0):
        """Runs `fail` in the middle of a pulse; the longest outage in seconds."""
        with traffic.Pulse(self.client, SERVER, 5000, packets_per_second=1000) as pulse:
            time.sleep(1)
            fail()
            time.sleep(seconds)
        print(f"    {what}: {pulse.longest_outage * 1000:.0f} ms without answers, {pulse.lost} of {pulse.sent} lost")
        self.assertGreater(pulse.sent, 1000)
        self.assertLess(pulse.longest_outage, 3)
        return pulse.longest_outage

    def restore(self, number):
        gateway = self.place[number].gateway
        if not gateway.process.running():
            gateway.start()

    def test_a_peer_is_killed_and_returns(self):
        self.connect()
        self.echo()
        self.addCleanup(self.restore, 2)
        self.assertGreater(self.carries(2), 250)
        self.outage("kill -9 of the active peer", self.place[2].gateway.kill)
        self.assertFalse(self.peers()["site2"].get("up", False))
        self.assertTrue(self.peers()["site3"]["up"])
        self.assertGreater(self.carries(3), 250)
        self.assertIn('penstock_peer_up{peer="default/site2"} 0', self.gateway.metrics())
        self.assertIn("peer is down", self.gateway.process.output())
        self.restore(2)
        self.wait_state(2, "up")
        rig.wait_until(lambda: self.carries(2) > 250, 10, what="the preferred peer in use again")
        page = self.gateway.metrics()
        for metric in ("penstock_peer_path_rtt_seconds", "penstock_peer_path_loss", "penstock_peer_path_up", "penstock_peer_probes_total"):
            self.assertIn(metric + '{peer="default/site2",address="192.0.2.2"}', page)

    def test_a_transfer_survives_the_death_of_a_peer(self):
        self.connect()
        self.addCleanup(self.restore, 2)
        sent = random.Random(7).randbytes(24 << 20)
        source, target = self.lab.dir / "sent", self.lab.dir / "received"
        source.write_bytes(sent)
        sink = self.server.start("sink", "bash", "-c", f"exec nc -l 7000 > {target}")
        rig.wait_until(lambda: ":7000 " in self.server.run("ss", "-Hltn").stdout, 5, what="listener")
        # Slow enough that it is under way when the peer dies.
        self.client.start("source", "bash", "-c", f"pv -q -L 6m {source} | nc -N {SERVER} 7000" if rig.run("which", "pv", check=False).returncode == 0
                          else f"(for n in $(seq 0 95); do dd if={source} bs=256k skip=$n count=1 status=none; sleep 0.04; done) | nc -N {SERVER} 7000")
        rig.wait_until(lambda: target.exists() and target.stat().st_size > 2 << 20, 20, what="a part of the transfer")
        self.place[2].gateway.kill()
        rig.wait_until(lambda: not sink.running(), 60, what="the end of the transfer")
        self.assertEqual(hashlib.sha256(target.read_bytes()).hexdigest(), hashlib.sha256(sent).hexdigest())

    def test_another_address_of_the_same_peer(self):
        self.connect(to2={"addresses": [FABRIC_B.format(2)]}, from2={"addresses": [FABRIC_B.format(1)]})
        self.wait_state(2, "up", 1)
        self.echo()
        self.assertGreater(self.carries(2), 250)
        port = self.fabric.namespace   # the switch's end of gateway 2's link
        self.addCleanup(port.ip, "link", "set", "p1", "up")
        self.outage("the first address of the peer is cut off", lambda: port.ip("link", "set", "p1", "down"))
        self.assertEqual(self.path(2, 0)["state"], "down")
        self.assertTrue(self.path(2, 1)["active"])
        self.assertTrue(self.peers()["site2"]["up"])
        before = self.gateway.drops()
        self.assertGreater(self.carries(2), 250)   # the peer of the lower priority number, by the other fabric
        self.assertFalse([r for r in self.gateway.drops_since(before) if r.startswith("esp_")])
        port.ip("link", "set", "p1", "up")
        self.wait_state(2, "up", 0)
        rig.wait_until(lambda: self.path(2, 0).get("active"), 10, what="the first address in use again")
        self.assertGreater(self.carries(2), 250)

    def test_endpoints_here_first_and_others_when_they_are_gone(self):
        web = objects.service("web", "203.0.113.10", (5000, 5000, "UDP"))
        here = traffic.UdpEcho(self.client, 5000)
        self.addCleanup(here.close)
        both = objects.endpoints(web, CLIENT, SERVER)
        self.connect(more=(web, *both))
        there = self.echo()
        # Asks through the gateway and is answered through it, on the endpoint's own link.
        asker = self.lab.host("asker", self.front, "10.1.0.12/32")
        asker.add_route("10.1.0.1/32", dev="eth0")
        asker.add_route("0.0.0.0/0", via="10.1.0.1")
        self.client.add_route("10.1.0.12/32", via="10.1.0.1")

        def answers(times=20):
            got = [traffic.udp_ask(asker, "203.0.113.10", 5000, b"n%d" % n) for n in range(times)]
            return {name: sum((g or "").startswith(name + " ") for g in got) for name in ("client", "server")}
        self.assertEqual(answers(), {"client": 20, "server": 0})
        # One flow that began here stays here while its endpoint drains; new ones go there.
        with traffic.udp_socket(asker, port=4999) as flow:
            flow.sendto(b"a", ("203.0.113.10", 5000))
            self.assertTrue(flow.recv(100).startswith(b"client "))
            self.gateway.apply(*objects.endpoints(web, CLIENT, SERVER, draining=(CLIENT,)))
            flow.sendto(b"b", ("203.0.113.10", 5000))
            self.assertTrue(flow.recv(100).startswith(b"client "))
        self.assertEqual(answers(), {"client": 0, "server": 20})
        self.gateway.apply(*objects.endpoints(web, CLIENT, SERVER))
        self.assertEqual(answers(), {"client": 20, "server": 0})
        self.assertGreater(there.received, 20)

    def test_an_endpoint_behind_a_dead_peer_gets_no_new_flows(self):
        second = self.lab.host("second", self.back, "10.10.0.11/24", gateway=("10.10.0.3",))
        self.server.ip("route", "replace", "default", "via", "10.9.0.2")
        self.addCleanup(self.server.ip, "route", "replace", "default", "via", "10.9.0.3")
        web = objects.service("web", "203.0.113.10", (5000, 5000, "UDP"))
        for host in (self.server, second):
            self.addCleanup(traffic.UdpEcho(host, 5000).close)
        self.connect()
        self.place[1].gateway.replace(self.place[1].node(), self.peer(1, 2), self.peer(1, 3, prefix="10.10.0.0/16"), web,
                                      *objects.endpoints(web, SERVER, "10.10.0.11"))
        self.place[3].gateway.replace(self.place[3].node("10.10.0.3/24"), self.peer(3, 1))
        self.addCleanup(self.restore, 2)

        def answers(times):
            got = [traffic.udp_ask(self.client, "203.0.113.10", 5000, b"n%d" % n, timeout=0.5) for n in range(times)]
            return {name: sum((g or "").startswith(name + " ") for g in got) for name in ("server", "second")}
        rig.wait_until(lambda: all(answers(10).values()), 20, what="answers of both")
        self.place[2].gateway.kill()
        self.wait_state(2, "down")
        rig.wait_until(lambda: answers(10) == {"server": 0, "second": 10}, 20, what=lambda: f"the other endpoint alone: {answers(10)}")
        self.assertEqual(answers(40), {"server": 0, "second": 40})
        self.restore(2)
        self.wait_state(2, "up")
        rig.wait_until(lambda: all(answers(10).values()), 20, what="answers of both again")


class Routed(rig.Story):
    """
        client ── gateway 1 192.0.2.1 ── router (a kernel) ── gateway 2 198.18.0.2 ── server
    """
    cores = (0, 1)

    @classmethod
    def build(cls):
        lab = cls.lab
        cls.near, cls.far = lab.switch("near"), lab.switch("far")
        front, back = lab.switch("front"), lab.switch("back")
        cls.place = {1: Place(lab, 1, {"fab0": cls.near}, front, "10.1.0.1", (0,)),
                     2: Place(lab, 2, {"fab1": cls.far}, back, "10.9.0.2", (1,))}
        cls.router = lab.namespace("router")
        cls.near.plug(cls.router, "r0")
        cls.far.plug(cls.router, "r1")
        cls.router.add_address("r0", FABRIC4.format(254) + "/24")
        cls.router.add_address("r1", FABRIC_B.format(254) + "/24")
        cls.router.sysctl("net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
        cls.client = lab.host("client", front, CLIENT + "/24", gateway=("10.1.0.1",))
        cls.server = lab.host("server", back, SERVER + "/24", gateway=("10.9.0.2",))
        cls.keys = Keys("AES-GCM-128", 1, 2, lanes=2)
        for place in cls.place.values():
            place.gateway.start()
        cls.gateway = cls.place[1].gateway

    @classmethod
    def connect(cls, **spec):
        for own, other, address, route in ((1, 2, FABRIC_B.format(2), objects.route("198.18.0.0/24", FABRIC4.format(254))),
                                           (2, 1, FABRIC4.format(1), objects.route("192.0.2.0/24", FABRIC_B.format(254)))):
            place, path = cls.place[own], cls.keys.write(cls.lab.dir / f"keys-{own}-{other}", own, other)
            place.gateway.replace(place.node(routes=(route,)), objects.peer(
                f"site{other}", address, PREFIX[other], cipher=cls.keys.cipher, staticKeys={"file": path}, **spec))


class NarrowPath(Routed):
    @classmethod
    def build(cls):
        super().build()
        cls.connect()

    def mtu(self):
        return self.gateway.json("peer", "show")["peers"][0]["pathMtu"]

    def fits(self, size):
        self.client.ip("route", "flush", "cache")
        return traffic.ping(self.client, SERVER, size=size, fragment="do", count=3)

    def forged(self, spi, quoted_destination=FABRIC_B.format(2), mtu=600):
        outer = IP(src=FABRIC4.format(1), dst=quoted_destination, proto=50, flags="DF") / Raw(spi.to_bytes(4, "big") + bytes(1400))
        wire = self.wire(self.router, "r0")
        wire.send(Ether(src=wire.mac, dst=self.place[1].host.mac("fab0")) / IP(src=FABRIC4.format(254), dst=FABRIC4.format(1)) /
                  ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(bytes(outer)[:548]))
        rig.settle()

    def test_a_router_says_that_the_path_is_narrow(self):
        rig.wait_until(lambda: traffic.ping(self.client, SERVER, timeout=1) == 3, 10, what="the tunnel")
        self.assertEqual(self.mtu(), 1500)
        self.assertEqual(self.fits(1400), 3)
        # What quotes nothing of ours changes nothing.
        self.forged(0x01020304)
        self.forged(self.keys.lines[1, 2][0][0], quoted_destination=FABRIC_B.format(77))
        self.forged(self.keys.lines[2, 1][0][0])   # an SPI that we receive with
        self.assertEqual(self.mtu(), 1500)
        self.assertEqual(self.fits(1400), 3)
        self.assertIn("penstock_path_mtu_refused_total 3", self.gateway.metrics())
        # The router's link to the other side carries 1300 bytes.
        self.router.ip("link", "set", "r1", "mtu", "1300")
        self.client.run("ping", "-c2", "-i0.3", "-W1", "-M", "do", "-s", "1400", SERVER, check=False)
        rig.wait_until(lambda: self.mtu() == 1300, 10, what="a path MTU of 1300")
        self.client.ip("route", "flush", "cache")
        told = self.client.run("ping", "-c1", "-W1", "-M", "do", "-s", "1400", SERVER, check=False).stdout
        self.assertIn("mtu = 12", told)   # inside: the tunnel's own share is taken off
        self.assertEqual(self.fits(1200), 3)
        # What may be cut is, before it is encrypted. (One way: what the router is sent on its narrow link, its kernel drops.)
        server = traffic.UdpEcho(self.server, 5000)
        self.addCleanup(server.close)
        with traffic.udp_socket(self.client) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)   # without DF
            sock.sendto(bytes(1400), (SERVER, 5000))
            rig.wait_until(lambda: server.received == 1, 5, what="the datagram in pieces")
        self.assertEqual(self.place[1].gateway.balance(), 0)


if __name__ == "__main__":
    rig.main()
