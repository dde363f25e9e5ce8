"""Draining: of an endpoint, of the whole gateway, and at SIGTERM — old flows go on, new ones go elsewhere or nowhere."""
import signal
import time

import rig
from rig import LAN4, VIP4, objects, traffic


class Drain(rig.Story):

    def setUp(self):
        self.streams = traffic.Streams(self.hosts, 9300)
        self.made = objects.service("long", VIP4, (9300, 9300))
        self.gateway.replace(self.node(drainTimeout="3s"), self.made,
                             objects.endpoints(self.made, LAN4.format(11), LAN4.format(12)))

    def tearDown(self):
        self.streams.close()

    def test_a_draining_endpoint_keeps_its_flows_and_gets_no_new_ones(self):
        self.streams.open(self.client, VIP4, 9300, 20)
        before = self.streams.exchange()
        self.assertEqual(set(before), {"s1", "s2"})
        self.gateway.apply(objects.endpoints(self.made, LAN4.format(11), LAN4.format(12), draining=(LAN4.format(11),)))
        self.assertEqual(self.streams.exchange(), before, "a flow was lost or moved")
        self.streams.open(self.client, VIP4, 9300, 20)
        self.assertEqual(self.streams.exchange()[20:], ["s2"] * 20)

    def test_removing_an_endpoint_breaks_no_flow_of_the_others(self):
        self.streams.open(self.client, VIP4, 9300, 40)
        before = self.streams.exchange()
        self.gateway.apply(objects.endpoints(self.made, LAN4.format(12)))
        for sock in self.streams.connections:
            sock.settimeout(0.5)
        after = self.streams.exchange()
        self.assertEqual([a for a, b in zip(after, before) if b == "s2"], ["s2"] * before.count("s2"))

    def test_a_draining_gateway_refuses_new_flows_until_undrained(self):
        self.streams.open(self.client, VIP4, 9300, 5)
        before = self.gateway.drops()
        self.gateway.cli("node", "drain")
        self.assertNotIn(None, self.streams.exchange())
        with self.assertRaises(OSError):
            self.streams.open(self.client, VIP4, 9300, 1, timeout=0.5)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("draining", 0), 1)
        self.gateway.cli("node", "undrain")
        self.streams.open(self.client, VIP4, 9300, 1)
        self.assertNotIn(None, self.streams.exchange())

    def test_sigterm_lets_flows_finish_within_the_deadline(self):
        self.streams.open(self.client, VIP4, 9300, 3)
        self.assertNotIn(None, self.streams.exchange())
        begun = time.monotonic()
        self.gateway.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        self.assertNotIn(None, self.streams.exchange(), "flows were cut before the deadline")
        self.assertEqual(self.gateway.process.wait(20), 0)
        took = time.monotonic() - begun
        self.assertTrue(2.5 <= took <= 15, f"left after {took:.1f} s; the deadline is 3 s")
        self.gateway.start()
        self.streams.drop()
        self.streams.open(self.client, VIP4, 9300, 2)
        self.assertNotIn(None, self.streams.exchange())

    def test_sigterm_without_flows_leaves_at_once(self):
        self.gateway.stop()
        self.gateway.start()
        begun = time.monotonic()
        self.assertEqual(self.gateway.stop(), 0)
        self.assertLess(time.monotonic() - begun, 20, "the deadline is not for a gateway without flows")
        self.gateway.start()


if __name__ == "__main__":
    rig.main()
