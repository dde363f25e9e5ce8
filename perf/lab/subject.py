"""The gateway as a subject of the lab: its input, how it is run, and what is read from it."""
import argparse
import json
import os
import pathlib
import platform
import re
import socket
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(pathlib.Path(__file__).resolve().parent)]
import rig  # noqa: E402
from rig import objects  # noqa: E402

import peers  # noqa: E402

GATEWAY_MAC = bytes.fromhex("020000000001")
SERVER_MAC = bytes.fromhex("020000000009")
CLIENT_MAC = bytes.fromhex("020000000002")
SERVERS = [f"192.0.2.{10 + n}" for n in range(10)]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def udp_datagram(source, source_port, destination, port, length):
    """An IPv4 datagram of `length` bytes."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, source, destination)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return head + struct.pack("!HHHH", source_port, port, length - 20, 0) + bytes(length - 28)


def frame(datagram):
    return GATEWAY_MAC + CLIENT_MAC + b"\x08\x00" + datagram


def arp_replies(servers=SERVERS):
    """The next hops say where they are, once in every turn of the file: the device has nobody behind it who could be asked."""
    return [GATEWAY_MAC + SERVER_MAC + b"\x08\x06" + struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, SERVER_MAC, socket.inet_aton(a), GATEWAY_MAC, socket.inet_aton("192.0.2.1")) +
        bytes(18) for a in servers]


class GatewayRun:
    """The gateway on one polling core with one port; how many packets it sends."""

    def __init__(self, lab, device, core, bundle, huge, routes=()):
        self.gateway = rig.Gateway(lab.namespaces.get("gw") or lab.namespace("gw"), f"gateway{time.monotonic_ns()}",
                                   options=[] if huge else ["--no-huge", "--memory", "3072"])
        node = objects.node(objects.interface("in", device, "192.0.2.1/24", mac="02:00:00:00:00:01"), cores=[core], idle="poll",
                            workers={"flows": 1 << 18, "buffers": peers.PACKET_BUFFERS, "sources": 1 << 18},
                            routes=routes or [objects.route("198.18.0.0/16", SERVERS[0])])
        self.gateway.start(seconds=60)
        self.gateway.apply(node, bundle)

    def sample(self):
        stats = self.gateway.json("stats")
        worker = stats["workers"][0]
        return (int(stats["ports"][0]["tx"]["packets"]), int(stats["time"]) / 1e9,
                int(worker["busyCycles"]) + int(worker["idleCycles"]), int(worker["flows"]) if "flows" in worker else 0)

    def measure(self, seconds, flows):
        """(packets per second, cycles per packet, cycles per second)"""
        rig.wait_until(lambda: self.sample()[0] > 0 and self.sample()[3] >= flows, 60, 0.2,
                       f"traffic and {flows} flows: {self.sample()}, {self.gateway.drops()}")
        time.sleep(1)
        first, drops = self.sample(), self.gateway.drops()
        time.sleep(seconds)
        last = self.sample()
        sent, duration = last[0] - first[0], last[1] - first[1]
        lost = {k: v for k, v in self.gateway.drops_since(drops).items() if k not in ("punt_limited", "punt_queue_full")}
        if sum(lost.values()) > sent / 1000:
            raise rig.LabError(f"the gateway drops what it should forward: {lost}")
        return sent / duration, (last[2] - first[2]) / sent, (last[2] - first[2]) / duration

    def stop(self):
        self.gateway.process.kill()


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
            "dpdk": rig.run("pkg-config", "--modversion", "libdpdk", check=False).stdout.strip()}


def spread(values):
    return (max(values) - min(values)) / statistics.median(values)


def main(program, measure_all, table, about=None, through="input and output of all: net_pcap,infinite_rx=1"):
    """A lab from its command line to its JSON. measure_all(lab, options, huge) gives rows, table(rows) prints them."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    options = parser.parse_args()
    huge = peers.huge_pages_free() >= 1600
    lab = rig.Lab("perf")
    try:
        results = measure_all(lab, options, huge)
    finally:
        lab.close()
    place = {**machine(), "memory": "2 MB pages" if huge else "ordinary pages", "core": options.core, **(about or {})}
    table(results)
    print(f"{through} on core {options.core}, {place['memory']}; "
          f"medians of {options.runs} runs that took turns")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": place, "results": results}, indent=2) + "\n")
