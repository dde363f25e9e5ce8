#!/usr/bin/python3
"""What the packet generator of penstock-lab writes is what scapy would write, and what it replays is what was recorded."""
import tempfile

from scapy.all import IP, UDP, Ether, NoPayload, Raw, rdpcap, wrpcap

from rig import story
from rig.packet_generator import ANYWHERE, Built, ipv4, spec, trial_of


class Frames(Built):
    """What is written is what scapy would write: every length and check sum."""

    HEADERS = {
        "udp4": ipv4(destination={"from": "198.18.255.250", "count": 1000}),
        "tcp4": {"vlan": [{"id": 10}, {"id": {"from": 20, "count": 3}, "priority": 5}], "ipv4": {"destination": "192.0.2.4"},
                 "tcp": {"flags": "SA", "sequence": {"from": 0, "count": 1000, "step": 4000000}}},
        "icmp4": {"vlan": {"id": 7}, "ipv4": {"destination": "192.0.2.4", "dscp": 46, "ttl": 3},
                  "icmp": {"id": 5, "sequence": {"from": 0, "count": 65536}}},
        "esp4": {"ipv4": {"destination": "192.0.2.4"}, "esp": {"spi": {"from": 77, "count": 9}}},
        "udp6": {"ipv6": {"source": "2001:db8::1", "destination": {"from": "2001:db8::ffff:ffff", "count": 5}},
                 "udp": {"source": {"from": 5, "count": 60000, "order": "random"}, "destination": 53}},
        "tcp6": {"ipv6": {"source": "2001:db8::1", "destination": "2001:db8::2"}, "tcp": {}},
        "icmp6": {"ipv6": {"source": "2001:db8::1", "destination": "2001:db8::2"}, "icmp": {"id": 1}}}

    def sent(self, *streams, **command):
        with tempfile.TemporaryDirectory() as place:
            wrpcap(f"{place}/nothing.pcap", [Ether() / IP() / UDP()])
            port = {"name": "left", "device": f"net_pcap0,rx_pcap={place}/nothing.pcap,tx_pcap={place}/out.pcap",
                    "address": "198.51.100.2/24"}
            result = trial_of(spec(*streams, ports=[port]), **command)
            packets = rdpcap(f"{place}/out.pcap")
        self.assertEqual(len(packets), result["sent"])
        return packets

    @staticmethod
    def rewritten(packet):
        """The packet with every length and check sum made anew."""
        made = packet.__class__(bytes(packet))
        layer = made
        while not isinstance(layer, NoPayload):
            for name in ("chksum", "cksum", "len", "plen"):
                if name in layer.fields:
                    delattr(layer, name)
            layer = layer.payload
        return bytes(made)

    def test_headers_and_payloads(self):
        payloads = ["zeros", "increment", "random", {"hex": "abcdef"}]
        streams = [{"name": name, "from": "left", "rate": {"pps": 400}, "size": {"min": 103, "max": 400},
                    "headers": {"ether": ANYWHERE, **headers}, "payload": payloads[i % 4]}
                   for i, (name, headers) in enumerate(self.HEADERS.items())]
        packets = self.sent(*streams)
        self.assertGreater(len(packets), 100 * len(streams))
        for packet in packets:
            self.assertEqual(bytes(packet).hex(), self.rewritten(packet).hex(), packet.summary())

    def test_flows_go_through_their_ranges(self):
        headers = {"ether": ANYWHERE, "ipv4": {"source": {"from": "10.0.0.0", "count": 4, "group": "g"},
                                               "destination": {"from": "198.18.0.0", "count": 4, "step": 2, "group": "g"}},
                   "udp": {"source": {"from": 1000, "count": 3}}}
        packets = self.sent({"name": "a", "from": "left", "rate": {"pps": 480}, "headers": headers})
        flows = [(p[IP].src, p[IP].dst, p[UDP].sport) for p in packets]
        self.assertEqual(len(set(flows[:12])), 12)
        self.assertEqual(len(set(flows)), 12)
        self.assertEqual(flows[:12], flows[12:24])
        self.assertEqual(flows[1], ("10.0.0.1", "198.18.0.2", 1000))
        self.assertEqual(flows[4], ("10.0.0.0", "198.18.0.0", 1001))

    def test_a_recording_is_sent_as_it_is(self):
        recorded = [Ether(dst="02:00:00:00:00:99") / IP(dst="192.0.2.1") / UDP(dport=n) / Raw(bytes([n]) * (20 + n))
                    for n in range(1, 11)]
        for n, packet in enumerate(recorded):
            packet.time = 1000 + 0.01 * n
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            wrpcap(file.name, recorded)
            for timing, expected in (({"timing": "original"}, 50), ({"timing": "scaled", "scale": 2}, 100),
                                     ({"timing": "original", "loop": False}, 10), ({"timing": "rate"}, 200)):
                rate = {"rate": {"pps": 400}} if timing["timing"] == "rate" else {}
                replayed = {"name": "r", "from": "left", "pcap": {"file": file.name, **timing}, **rate}
                packets = self.sent(replayed)
                self.assertTrue(10 <= len(packets) <= expected, (timing, len(packets)))
                for n, packet in enumerate(packets):
                    self.assertEqual(bytes(packet), bytes(recorded[n % 10]).ljust(60, b"\0"))


if __name__ == "__main__":
    story.main()
