"""Where encryption is required nothing travels in clear, with or without a Peer: by prefix (Node spec.mesh.encrypt) and by
interface. The fabric offers a way in clear all the time: static routes between the two sites."""
import time

import rig
from rig import objects, traffic
from rig.mesh import FABRIC4, FABRIC6, Mesh, prefixes
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

MARK = b"penstock-mark-of-the-payload-in-clear"


class Encrypt(Mesh):
    foreign = True

    def setUp(self):
        self.introduce()
        self.server = traffic.UdpEcho(self.site[2].workload, 5000, "::")
        self.addCleanup(self.server.close)

    def node(self, own, mode=None, fabric=None):
        """With routes to the other site in clear; `mode` of its prefixes, `fabric`: encrypt of that interface."""
        other = 3 - own
        ways = [objects.route(prefix, (FABRIC6 if ":" in prefix else FABRIC4).format(other)) for prefix in prefixes(other)]
        entries = {"encrypt": [{"prefix": prefix, "mode": mode} for prefix in prefixes(other)]} if mode else {}
        node = self.site[own].node(mesh={**self.site[own].mesh_identity(), **entries}, routes=ways)
        if fabric:
            node["spec"]["interfaces"][1]["encrypt"] = fabric
        return node

    def settle_in(self, mode=None, fabric=None, **peer):
        for own in self.site:
            self.site[own].gateway.replace(self.node(own, mode, fabric), self.trusted_peer(own, 3 - own, **peer))
        self.wait_for_state("Up", 1, 2)
        self.assertTrue(self.ask(timeout=5))

    def ask(self, v6=False, payload=MARK, timeout=1.0):
        return traffic.udp_ask(self.site[1].workload, self.site[2].address(v6), 5000, payload, timeout=timeout)

    def wait_for_answer(self, v6=False, seconds=20):
        rig.wait_until(lambda: self.ask(v6), seconds, 0.05, "the tunnel")

    def explain(self, own, to, source=None, interface="lan"):
        return self.site[own].gateway.cli("flows", "explain", "--interface", interface, "--src", source or self.site[own].address(),
                                          "--dst", to, "--protocol", "udp", "--src-port", "1000", "--dst-port", "53").stdout

    def test_a_peer_is_deleted_and_comes_back_under_traffic(self):
        gateway = self.site[1].gateway
        for encryption in ("Required", "Preferred"):
            with self.subTest(encryption=encryption):
                self.settle_in("Required", encryption=encryption)
                capture, before = self.capture(), gateway.drops()
                with traffic.Pulse(self.site[1].workload, self.site[2].address(), 5000, 200):
                    self.assertTrue(self.ask(True, timeout=5))
                    gateway.cli("delete", "Peer", "site2")
                    for v6 in (False, True):
                        self.assertIsNone(self.ask(v6, timeout=0.3))
                    time.sleep(0.5)
                    self.assertGreater(gateway.drops_since(before).get("clear_not_sent", 0), 20)
                    gateway.apply(self.trusted_peer(1, 2, encryption=encryption))
                    for v6 in (False, True):
                        self.wait_for_answer(v6)
                seen = capture.stop()
                self.assertFalse(MARK in seen)
                counts = capture.protocols()
                self.assertEqual((counts["UDP"], counts["TCP"]), (0, 0), counts)
                self.assert_balanced()

    def test_what_waits_for_keys_arrives(self):
        """Though the Peer would take clear text too: one datagram, sent before there can be keys."""
        self.settle_in("Required", encryption="Preferred")
        gateway = self.site[1].gateway
        capture, received, drops = self.capture(), self.server.received, gateway.drops()
        for _ in range(3):   # a packet waits for two seconds, and this machine may stand still for as long
            gateway.cli("delete", "Peer", "site2")
            gateway.apply(self.trusted_peer(1, 2, encryption="Preferred"))
            self.ask(timeout=0.05)
            end = time.monotonic() + 4
            while self.server.received == received and time.monotonic() < end:
                time.sleep(0.05)
            if self.server.received > received:
                break
        self.assertGreater(self.server.received, received)
        self.assertFalse(MARK in capture.stop())
        self.assertNotIn("clear_not_sent", gateway.drops_since(drops))

    def test_without_the_policy_it_is_seen(self):
        """The proof can fail: the same story with the same routes."""
        self.settle_in()
        self.site[2].gateway.cli("delete", "Peer", "site1")   # or it would refuse what comes in clear
        self.site[1].gateway.cli("delete", "Peer", "site2")
        capture = self.capture()
        self.assertTrue(self.ask(timeout=5))
        self.assertTrue(MARK in capture.stop())

    def test_a_peer_that_was_never_applied_and_a_restart(self):
        gateway = self.site[1].gateway
        gateway.replace(self.node(1, "Required"))
        for _ in range(2):
            capture = self.capture()
            for v6 in (False, True):
                refused = gateway.drops().get("clear_not_sent", 0)
                while gateway.drops().get("clear_not_sent", 0) == refused:   # devices may not be open yet
                    self.assertIsNone(self.ask(v6, timeout=0.2))
            self.assertFalse(MARK in capture.stop())
            self.assertIn("demanded by prefix 10.2.0.0/16 of spec.mesh.encrypt", self.explain(1, self.site[2].address()))
            gateway.kill()
            gateway.start()   # with what is stored

    def test_clear_text_from_the_fabric_is_refused(self):
        gateway = self.site[1].gateway
        gateway.replace(self.node(1, "Required"))
        wire, to = self.wire(self.stranger), self.site[1].gateway_host.mac("fab0")
        before = gateway.drops()
        for n in range(10):   # as if from site 2
            wire.send(Ether(src=wire.mac, dst=to) / IP(src=self.site[2].address(), dst=self.site[1].address()) / UDP(sport=4000 + n, dport=5000) / MARK)
            wire.send(Ether(src=wire.mac, dst=to) / IPv6(src=self.site[2].address(True), dst=self.site[1].address(True)) / UDP(sport=4000 + n, dport=5000) / MARK)
        self.assertEqual(gateway.drops_since(before), {"clear_refused": 20})
        self.assertIn('reason="clear_refused"', gateway.metrics())
        said = self.explain(1, self.site[1].address(), self.site[2].address(), "fabric")
        self.assertIn("demanded by prefix 10.2.0.0/16 of spec.mesh.encrypt", said)

    def test_an_interface_that_takes_and_sends_nothing_in_clear(self):
        self.settle_in(fabric="Required", encryption="Preferred")
        gateway = self.site[1].gateway
        capture, before = self.capture(), gateway.drops()
        for v6 in (False, True):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
            self.assertTrue(self.ask(v6, timeout=5))
        self.assertEqual(traffic.ping(self.stranger, FABRIC4.format(1), count=2), 0)
        self.assertEqual(traffic.ping(self.site[1].workload, FABRIC4.format(9), count=2), 0)
        dropped = gateway.drops_since(before)
        self.assertGreaterEqual(dropped.get("link_clear_refused", 0), 2, dropped)
        self.assertGreaterEqual(dropped.get("link_clear_not_sent", 0), 2, dropped)
        self.assertIn("demanded by interface fabric", self.explain(1, FABRIC4.format(9)))
        gateway.cli("delete", "Peer", "site2")
        self.assertIsNone(self.ask(timeout=0.3))
        gateway.apply(self.trusted_peer(1, 2, encryption="Preferred"))
        self.wait_for_answer()
        self.assertFalse(MARK in capture.stop())
        self.assert_balanced()

    def test_a_trusted_link_carries_what_is_only_preferred_in_clear(self):
        self.settle_in(fabric="Off", encryption="Preferred")
        capture = self.capture()
        self.assertTrue(self.ask(timeout=5))
        self.assertTrue(MARK in capture.stop())
        self.site[1].gateway.apply(self.node(1, "Required", "Off"))   # never weaker than what is required
        self.site[2].gateway.apply(self.node(2, "Required", "Off"))
        capture = self.capture()
        self.wait_for_answer()
        self.assertFalse(MARK in capture.stop())

    def test_wrong_configurations_are_refused_with_a_path(self):
        gateway = self.site[1].gateway
        good = self.node(1, "Required")
        gateway.replace(good)
        for entries, where in (
                ([{"prefix": "10.2.0.1/16", "mode": "Required"}], "spec.mesh.encrypt[0].prefix: 10.2.0.1/16 has host bits set"),
                ([{"prefix": "10.2.0.0/16", "mode": "Off"}] * 2, "spec.mesh.encrypt[1].prefix: 10.2.0.0/16 is also the prefix of"),
                ([{"prefix": "10.2.0.0/16", "mode": "Always"}], 'spec.mesh.encrypt[0].mode: "Always" is not one of'),
                ([{"prefix": "10.2.0.0/16"}], "spec.mesh.encrypt[0].mode: is missing")):
            node = self.node(1)
            node["spec"]["mesh"]["encrypt"] = entries
            with self.subTest(where=where), self.assertRaises(rig.CliError) as refused:
                gateway.apply(node)
            self.assertIn(where, refused.exception.text)
        with self.assertRaises(rig.CliError) as refused:
            gateway.apply(self.peer(1, 2, None, encryption="Off"))
        self.assertIn("spec.prefixes[0]: encryption is Off, but Node spec.mesh.encrypt[0] says Required", refused.exception.text)
        with self.assertRaises(rig.CliError) as refused:
            gateway.apply(self.node(1, fabric="Required"), objects.mirror("tap", {"interface": "fabric"}))
        self.assertIn('spec.to.interface: copies leave in clear, but interface "fabric" has encrypt Required', refused.exception.text)
        self.assertEqual(gateway.objects("Node")[0]["spec"]["mesh"]["encrypt"], good["spec"]["mesh"]["encrypt"])


if __name__ == "__main__":
    rig.main()
