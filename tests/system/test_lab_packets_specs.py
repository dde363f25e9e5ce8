#!/usr/bin/python3
"""Wrong specifications of the packet generator: every fault is named with its path and what would be valid, all at once."""
import copy
import json
import os
import subprocess
import tempfile

from scapy.all import IP, UDP, Ether, wrpcap

from rig import story
from rig.packet_generator import PROGRAM, Built, spec, stream


class Faults(Built):
    """`--check`: each fault by its path, with what would be valid."""

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
            file.flush()
            done = subprocess.run([PROGRAM, "--check", file.name], capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_good_one(self):
        self.assertEqual(self.check(spec()), (0, [{"event": "ok"}]))

    def test_one_fault_each(self):
        cases = [
            (["streams", 0, "size"], 63, "streams[0].size", "below 64"),
            (["streams", 0, "size"], 9217, "streams[0].size", "above 9216"),
            (["streams", 0, "size"], -1, "streams[0].size", "64 to 9216"),
            (["streams", 0, "size"], "imax", "streams[0].size", "imix"),
            (["streams", 0, "size"], {"emix": "abj"}, "streams[0].size.emix", "16000"),
            (["streams", 0, "size"], {"emix": "abc\u00e9"}, "streams[0].size.emix", "\"\u00e9\" is not a size"),
            (["streams", 0, "size"], {"min": 100, "max": 99}, "streams[0].size.max", "below min"),
            (["streams", 0, "size"], [{"size": 64, "weight": 0}], "streams[0].size", "weight"),
            (["streams", 0, "rate"], {"pps": 0}, "streams[0].rate.pps", "above 0"),
            (["streams", 0, "rate"], {"pps": 2e9}, "streams[0].rate.pps", "1000000000"),
            (["streams", 0, "rate"], {"line": 0.5}, "streams[0].rate.line", "lineRate"),
            (["streams", 0, "from"], "middle", "streams[0].from", "left, right"),
            (["streams", 0, "colour"], "red", "streams[0].colour", "known"),
            (["streams", 0, "spacing"], {"burst": 0}, "streams[0].spacing.burst", "below 1"),
            (["streams", 0, "payload"], {"hex": "abc"}, "streams[0].payload.hex", "pairs"),
            (["streams", 0, "headers", "udp"], {"source": 65536}, "streams[0].headers.udp.source", "above 65535"),
            (["streams", 0, "headers", "udp"], {"source": {"from": 65000, "count": 537}}, "streams[0].headers.udp.source",
             "largest value"),
            (["streams", 0, "headers", "ipv4", "destination"], "10.0.0", "streams[0].headers.ipv4.destination", "IPv4"),
            (["streams", 0, "headers", "ipv4", "destination"], "::1", "streams[0].headers.ipv4.destination", "IPv4"),
            (["streams", 0, "headers", "vlan"], {"id": 4095}, "streams[0].headers.vlan.id", "above 4094"),
            (["streams", 0, "headers", "tcp"], {"flags": "SX"}, "streams[0].headers.tcp.flags", "F, S, R"),
            (["streams", 0, "headers"], {"udp": {}}, "streams[0].headers", "ipv4 or ipv6"),
            (["streams", 0, "headers"], {"ipv6": {"source": "::1", "destination": "::2"}}, "streams[0].size", "84"),
            (["ports", 0, "device"], "loop:nowhere", "ports[0].device", "loop port"),
            (["ports", 0, "device"], "ring:right", "ports[0].device", "ring port"),
            (["ports", 0, "device"], "ring:right", "forwarderCore", "is missing"),
            (["forwarderCore"], 1, "forwarderCore", "without ports"),
            (["forwarderCore"], 0, "forwarderCore", "one of its own"),
            (["restMicros"], 1001, "restMicros", "above 1000"),
            (["ports", 0, "mac"], "01:00:00:00:00:01", "ports[0].mac", "group"),
            (["ports", 0, "gateway"], "2001:db8::1", "ports[0].gateway", "family"),
            (["ports", 1, "name"], "left", "ports[1].name", "another port"),
            (["stages"], [{"from": "left", "to": "left"}], "stages[0]", "no way"),
            (["cores"], [0, 1], "cores", "1 to 1"),
            (["memoryMegabytes"], 1, "memoryMegabytes", "below 64"),
            (["prefix"], "../x", "prefix", "letters"),
            (["extra"], 1, "extra", "known")]
        for path, value, field, phrase in cases:
            broken = copy.deepcopy(spec())
            if path[-1] == "tcp":
                del broken["streams"][0]["headers"]["udp"]
            place = broken
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            status, events = self.check(broken)
            told = [e for e in events if e["field"] == field and phrase in e["message"]]
            self.assertTrue(status == 2 and told, f"{path} = {value}: {events}")

    def test_a_name_that_is_no_text(self):
        done = subprocess.run([PROGRAM, "--check", b"/nowhere/\xff\xc3"], capture_output=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot be read", json.loads(done.stdout)["message"])

    def test_all_of_them_at_once(self):
        broken = spec(stream(size=1, rate={"pps": 0}, to="nowhere"), stream("b", size="x"), memoryMegabytes=1)
        status, events = self.check(broken)
        self.assertEqual(status, 2)
        self.assertEqual({e["field"] for e in events}, {"memoryMegabytes", "streams[0].size", "streams[0].rate.pps",
                                                        "streams[0].to", "streams[1].size"})

    def test_recordings(self):
        with tempfile.TemporaryDirectory() as place:
            packet = Ether() / IP() / UDP()
            packet.wirelen = 500
            wrpcap(f"{place}/cut.pcap", [packet])
            with open(f"{place}/noise.pcap", "wb") as file:
                file.write(os.urandom(100))
            for name, phrase in (("missing.pcap", "not a file"), ("noise.pcap", "no recording"), ("cut.pcap", "in part"),
                                 ("", "not a file")):
                replayed = {"from": "left", "pcap": {"file": f"{place}/{name}"}}
                status, events = self.check(spec(replayed))
                self.assertEqual((status, events[0]["field"]), (2, "streams[0].pcap.file"))
                self.assertIn(phrase, events[0]["message"])

    def test_times_of_recordings(self):
        with tempfile.TemporaryDirectory() as place:
            for times, phrase in (((3, 2, 1), "the recording's times run backwards from packet 2 on"),
                                  ((3, 3, 2), "the recording's times run backwards from packet 3 on"),
                                  ((3, 3, 3), "all packets of the recording have the same time")):
                packets = [Ether() / IP() / UDP() for _ in times]
                for packet, time in zip(packets, times):
                    packet.time = time
                wrpcap(f"{place}/x.pcap", packets)
                status, events = self.check(spec({"from": "left", "pcap": {"file": f"{place}/x.pcap"}}))
                self.assertEqual((status, events[0]["field"]), (2, "streams[0].pcap.timing"))
                self.assertEqual(events[0]["message"], f"must be rate: {phrase}")

    def test_what_is_no_specification(self):
        for text in ("", "{", "[]", "null", "[" * 100000, "1e999", '{"ports": "x", "streams": 7}', '{"streams": [[]], "ports": [{}]}',
                     json.dumps({**spec(), "ports": []}), '{"ports": {"a": 1}, "streams": {}}'):
            status, events = self.check(text)
            self.assertEqual((status, {e["event"] for e in events}), (2, {"error"}), text[:60])


if __name__ == "__main__":
    story.main()
