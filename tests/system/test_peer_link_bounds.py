"""What PeerLink bears: connections by the hundred, and Peer objects that do not quite fit each other."""
import re
import socket

import rig
from rig import traffic
from rig.mesh import MANAGEMENT, Mesh, prefixes

OF_STRANGER = 16   # control/mesh/guests.h
STRANGER = MANAGEMENT.format(77)


class Bounds(Mesh):
    def setUp(self):
        self.introduce()

    def metric(self, own, name, **labels):
        text = ",".join(f'{k}="{v}"' for k, v in labels.items())
        found = re.search("^" + re.escape(name + (f"{{{text}}}" if text else "")) + r" (\S+)$", self.site[own].gateway.metrics(), re.M)
        return float(found.group(1)) if found else 0.0

    def test_a_crowd_at_the_door_keeps_nobody_out(self):
        self.agree()
        outside = self.site[1].gateway_host
        outside.add_address("mgmt0", STRANGER + "/24")
        crowd = []
        self.addCleanup(lambda: [each.close() for each in crowd])
        with outside.entered():
            for _ in range(60):
                each = socket.socket()
                each.bind((STRANGER, 0))
                each.connect((MANAGEMENT.format(2), 9510))
                crowd.append(each)

        def closed():
            count = 0
            for each in crowd:
                each.setblocking(False)
                try:
                    count += each.recv(1, socket.MSG_PEEK) == b""
                except BlockingIOError:
                    pass
                except ConnectionError:
                    count += 1
            return count
        rig.wait_until(lambda: closed() >= len(crowd) - OF_STRANGER, 20, 0.1, "all but a few connections are refused")
        refused = self.metric(2, "penstock_peer_link_refused_total", reason="too_many_of_address")
        self.assertGreaterEqual(refused, len(crowd) - OF_STRANGER)
        before = int(self.link(1)["agreedOutbound"])
        self.site[1].gateway.cli("peer", "rekey", "default/site2")
        rig.wait_until(lambda: int(self.link(1)["agreedOutbound"]) > before, 20, 0.1, "new keys")
        # Who says nothing is sent away when the time of a handshake is over, and counted out.
        rig.wait_until(lambda: closed() == len(crowd), 30, 0.2, "the end of all handshakes")
        rig.wait_until(lambda: self.metric(2, "penstock_peer_link_connections") <= 3, 20, 0.2, "connections of the peer alone")
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)

    def test_what_one_sees_behind_the_other_and_that_one_does_not(self):
        self.agree()
        self.assertEqual([self.link(own).get("differences", []) for own in (1, 2)], [[], []])
        peer = self.trusted_peer(1, 2)
        peer["spec"]["prefixes"] = [*prefixes(2), "10.77.0.0/16"]
        self.site[1].gateway.apply(peer)
        rig.wait_until(lambda: self.link(1).get("differences"), 20, 0.1, "a difference at the one that believes too much")
        self.assertIn("10.77.0.0/16", self.link(1)["differences"][0])
        before = int(self.link(2)["agreedOutbound"])
        self.site[2].gateway.cli("peer", "rekey", "default/site1")
        rig.wait_until(lambda: int(self.link(2)["agreedOutbound"]) > before and self.link(2).get("differences"), 20, 0.1, "and at the other")
        self.assertIn("behind this gateway", self.link(2)["differences"][0])
        self.assertEqual([self.link(own)["state"] for own in (1, 2)], ["Up", "Up"])
        self.assertEqual(self.metric(1, "penstock_peer_link_differences", peer="default/site2"), 1)
        self.site[1].gateway.apply(self.trusted_peer(1, 2))
        rig.wait_until(lambda: not self.link(1).get("differences"), 20, 0.1, "no difference")


if __name__ == "__main__":
    rig.main()
