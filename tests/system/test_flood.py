"""A SYN flood beside a real connection. The flood replays in memory from a net_pcap port, so that making it costs little."""
import time

import rig
from rig import LAN4, VIP4, WAN4, objects, traffic
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

FLOWS = 16384


class Flood(rig.Story):
    workers = {"flows": FLOWS, "buffers": 131072}   # the port holds a buffer for each packet of its file

    @classmethod
    def build(cls):
        super().build()
        path = cls.lab.dir / "syn.pcap"
        mac = "02:00:00:00:00:fd"
        wrpcap(str(path), [Ether(src="02:00:00:00:00:fe", dst=mac) /
                           IP(src=f"192.0.{2 + n // 16384}.{n // 64 % 250 + 1}", dst=VIP4) /
                           TCP(sport=1024 + n * 7 % 60000, dport=5201, flags="S", seq=n) for n in range(40000)])
        cls.flood_port = objects.interface("flood", f"net_pcap0,rx_pcap={path},infinite_rx=1", "192.0.2.1/24", mac=mac)
        for host in cls.hosts:
            traffic.iperf3_server(host)

    def base(self, *more):
        made = objects.service("iperf", VIP4, (5201, 5201))
        return [*more, made, *objects.endpoints(made, LAN4.format(11))]   # iperf3 needs both its connections at one server

    def flooded(self):
        node = self.node()
        node["spec"]["interfaces"].append(self.flood_port)
        return node

    def test_the_table_stays_bounded_and_the_stream_flows(self):
        self.gateway.replace(self.base(self.node()))
        alone = traffic.iperf3(self.client, VIP4, 2)["end"]["sum_received"]["bits_per_second"]
        stream = traffic.Iperf3Run(self.client, VIP4, 8)
        time.sleep(1.5)
        self.gateway.apply(self.flooded())
        time.sleep(4)
        self.assertTrue(stream.running(), "the stream broke")
        flows = self.gateway.workers("flows")
        counted = {k: sum(self.gateway.workers(k)) for k in ("flowsCreated", "flowsEvicted", "flowsRefused", "received")}
        drops = self.gateway.drops()
        self.gateway.replace(self.base(self.node()))
        report = stream.report()
        rates = [i["sum"]["bits_per_second"] for i in report["intervals"]]
        print(f"    alone {alone / 1e6:.0f} Mbit/s; beside the flood {[f'{r / 1e6:.0f}' for r in rates]} Mbit/s a second")
        print(f"    flows {flows}, {counted}, {({k: v for k, v in drops.items() if 'flow' in k})}")
        self.assertLessEqual(max(flows), FLOWS)
        self.assertGreater(counted["received"], 200_000, "that was no flood")
        self.assertGreater(counted["flowsEvicted"] + counted["flowsRefused"], 10_000, "no counter says what happened")
        self.assertNotIn("error", report)
        self.assertGreater(min(rates[2:7]), alone / 50, "the established stream starved")
        self.assertEqual(self.gateway.balance(), 0)

    def test_new_connections_are_served_again_right_after(self):
        self.gateway.replace(self.base(self.flooded()))
        time.sleep(2)
        self.gateway.replace(self.base(self.node()))
        self.assertGreater(traffic.iperf3(self.client, VIP4, 1)["end"]["sum_received"]["bits_per_second"], 1e6)


class Overload(rig.Story):
    """More than one worker can do: what cannot be carried is dropped under a name, and the sum is right."""
    servers = 1

    def test_packets_in_are_packets_out_plus_named_drops_plus_held(self):
        path = self.lab.dir / "mix.pcap"
        mac = "02:00:00:00:00:fd"
        wrpcap(str(path), [Ether(src="02:00:00:00:00:fe", dst=mac) /
                           IP(src="192.0.2.9", dst=[LAN4.format(11), LAN4.format(99), "198.18.0.1", "192.0.2.1"][n % 4],
                              ttl=1 if n % 7 == 0 else 64, flags="MF" if n % 11 == 0 else "") /
                           TCP(sport=1000 + n % 5000, dport=80, flags="S") for n in range(10000)])
        node = self.node()
        node["spec"]["interfaces"].append(
            objects.interface("flood", f"net_pcap0,rx_pcap={path},infinite_rx=1", "192.0.2.1/24", mac=mac))
        self.gateway.replace(node, objects.access_policy("a", {"action": "allow", "state": "new"}))
        time.sleep(3)
        self.gateway.replace(self.node())
        self.assertEqual(self.gateway.balance(), 0)
        drops = self.gateway.drops()
        print(f"    {drops}")
        self.assertLessEqual({"ttl_expired", "no_route"}, set(drops))
        self.assertEqual(sum(self.gateway.workers("dropped")), sum(drops.values()))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.assertEqual(traffic.ping(self.client, WAN4.format(1)), 3)


if __name__ == "__main__":
    rig.main()
