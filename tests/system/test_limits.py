"""Rate limits are what they say: within 1 % over a second with one worker, within 2 % with two that share one."""
import threading
import time

import rig
from rig import LAN4, VIP4, WAN4, objects, traffic
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether


class Limits(rig.Story):
    servers = 1
    tolerance = 0.01

    def frames(self, count=256, size=100, destination=LAN4.format(11), sources=1):
        """UDP frames of `size` IP bytes with varying ports (all workers get some)."""
        wire = self.wire(self.client)
        return wire, [Ether(src=wire.mac, dst=self.gateway_host.mac("wan0")) /
                      IP(src=f"198.51.100.{20 + n % sources}", dst=destination) / UDP(sport=10000 + n, dport=9) /
                      bytes(size - 28) for n in range(count)]

    def measure(self, offered, seconds=4.0, **frames):
        """Packets per second that arrive at the server, over whole seconds after the burst; by the kernel's time stamps."""
        wire, packets = self.frames(**frames)
        sender = threading.Thread(target=wire.send_many, args=(packets, offered, seconds + 1.5))
        sender.start()
        time.sleep(0.7)
        times = traffic.record(self.hosts[0], "eth0", seconds, "udp dst port 9")
        sender.join()
        wire.close()
        times = [t for t in times if times[0] + 0.2 <= t]
        whole = int(times[-1] - times[0])
        rates = [sum(times[0] + s <= t < times[0] + s + 1 for t in times) for s in range(whole)]
        self.assertTrue(rates, "nothing arrived")
        return rates

    def expect_rate(self, rates, wanted):
        print(f"    wanted {wanted:g}/s, got {rates} in whole seconds", flush=True)
        for rate in rates:
            self.assertAlmostEqual(rate, wanted, delta=max(2, wanted * self.tolerance), msg=str(rates))

    def limit(self, target, rate, **spec):
        return objects.rate_limit("l", target, rate, **spec)

    def test_packets_per_second_of_an_interface(self):
        for wanted in (1000, 10000):
            self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": wanted}))
            before = self.gateway.drops()
            self.expect_rate(self.measure(wanted * 2), wanted)
            self.assertGreater(self.gateway.drops_since(before).get("limit_exceeded", 0), wanted)

    def test_bits_per_second_to_a_prefix(self):
        self.gateway.replace(self.node(), self.limit({"prefix": LAN4.format(11) + "/32"}, {"bitsPerSecond": 8_000_000}))
        self.expect_rate(self.measure(20000, size=200), 8_000_000 / 8 / 200)

    def test_below_the_rate_nothing_is_lost(self):
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 10000}))
        before = self.gateway.drops()
        wire, packets = self.frames()
        wire.send_many(packets, 8000, 3)
        self.assertEqual(self.gateway.drops_since(before).get("limit_exceeded", 0), 0)

    def test_each_source_has_its_own(self):
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 500}, per="source"))
        self.expect_rate(self.measure(8000, sources=4), 2000)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3, "a quiet source suffers")

    def test_each_flow_and_destination_has_its_own(self):
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 100}, per="flow"))
        self.expect_rate(self.measure(4000, count=10), 1000)
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 700}, per="destination"))
        self.expect_rate(self.measure(4000), 700)

    def test_a_service_and_a_rule(self):
        made = objects.service("sink", VIP4, (9, 9, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)),
                             self.limit({"service": {"name": "sink"}}, {"packetsPerSecond": 1500}))
        self.expect_rate(self.measure(5000, destination=VIP4), 1500)
        self.gateway.replace(self.node(), objects.access_policy("edge", {"name": "bulk", "action": "allow", "protocol": "udp"}),
                             self.limit({"rule": {"policy": "edge", "name": "bulk"}}, {"packetsPerSecond": 1200}))
        self.expect_rate(self.measure(5000), 1200)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3, "another rule's packets suffer")

    def test_connections_per_second(self):
        """Each datagram from a port of its own is a new flow."""
        made = objects.service("sink", VIP4, (9, 9, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11)),
                             self.limit({"service": {"name": "sink"}}, {"connectionsPerSecond": 1000}))
        self.expect_rate(self.measure(2500, count=20000, seconds=4.0, destination=VIP4), 1000)

    def test_mark_lets_everything_pass_and_marks_the_excess(self):
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 1000}, action="mark", dscp=10))
        wire, packets = self.frames()
        inside = self.wire(self.hosts[0])
        inside.clear()
        sent = wire.send_many(packets, 3000, 2)
        seen = inside.receive_all(lambda f: f.haslayer(UDP) and f[UDP].dport == 9, 8, sent)
        marked = sum(f[IP].tos >> 2 == 10 for f in seen)
        self.assertEqual(len(seen), sent)
        self.assertAlmostEqual(sent - marked, 2000, delta=60)

    def test_a_new_rate_holds_within_ten_milliseconds_and_the_bucket_goes_on(self):
        self.gateway.replace(self.node(), self.limit({"interface": "wan"}, {"packetsPerSecond": 2000}))
        wire, packets = self.frames()
        sender = threading.Thread(target=wire.send_many, args=(packets, 12000, 5))
        sender.start()
        time.sleep(1)
        reply = self.gateway.json("limits", "set", "l", "--pps", "8000")
        times = traffic.record(self.hosts[0], "eth0", 2, "udp dst port 9")
        sender.join()
        inside = [t for t in times if times[0] + 0.5 <= t < times[0] + 1.5]
        self.assertAlmostEqual(len(inside), 8000, delta=80 if self.tolerance == 0.01 else 160)
        took = sum(int(reply["times"].get(k, 0)) for k in ("queue", "validate", "prepare", "compile", "store", "publish", "adopt"))
        print(f"    new rate live after {took} µs")
        self.assertLess(took, 10_000)


class LimitsOfTwoWorkers(Limits):
    cores = (0, 1)
    tolerance = 0.02


if __name__ == "__main__":
    rig.main()
