"""Packet files for wiring `replay`: the scenario's streams as frames that a subject reads from memory for ever.

A file holds each flow of each stream once, and at least 256 frames, so that sizes come in their proportions; bounds: FRAMES.
Of the streams' fields (perf/LAB.md, Streams) those count that say what a packet is; rate, spacing and signature have no meaning
here, because the subject takes as fast as it can. The same scenario makes the same bytes.
"""
import ipaddress
import itertools
import math
import random
import socket
import struct

FRAMES = 200_000                    # a port holds a buffer for each
CRC, ETHER = 4, 14
IMIX = [(64, 7), (594, 4), (1518, 1)]                                     # RFC 6985, 4: 7:4:1 of 40, 576 and 1500 bytes of IP
EMIX = dict(zip("abcdefg", (64, 128, 256, 512, 1024, 1280, 1518)))      # RFC 6985, 4
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
PROTOCOLS = {"udp": 17, "tcp": 6}
CLIENT_MAC = bytes.fromhex("020000000102")


def check(streams):
    """Faults of streams that no file can be made of; empty: all can."""
    if not isinstance(streams, list) or not streams:
        return ["streams: wiring replay needs at least one"]
    found = []
    for n, stream in enumerate(streams):
        try:
            flows = math.prod(_wheels(stream).values())
            _sizes(stream)
            _transport(stream)
            if flows > FRAMES:
                found.append(f"streams[{n}]: {flows} flows do not fit into a file of {FRAMES} frames")
        except (KeyError, TypeError, ValueError) as fault:
            found.append(f"streams[{n}]: wiring replay can make UDP and TCP over IPv4 of one size, imix, emix or weighted sizes: {fault!r}")
    return found


def write(path, scenario, side, neighbours=0, seal=None):
    """The file of a scenario. `side`: where the subject receives; `neighbours`: so many servers say in it where they are, once
    in each turn, because nobody is there who could be asked. `seal(number, datagram)`: makes another datagram of each."""
    mac, made = bytes.fromhex(side.mac.replace(":", "")), []
    for stream in scenario["streams"]:
        made += datagrams(stream, scenario.get("seed", 1))
    if seal:
        made = [seal(n, datagram) for n, datagram in enumerate(made)]
    frames = [mac + CLIENT_MAC + b"\x08\x00" + datagram for datagram in made]
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in [*_arp(side, mac, neighbours), *frames]:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def flows(streams):
    return sum(math.prod(_wheels(stream).values()) for stream in streams)


def datagrams(stream, seed=1):
    """Every flow of a stream, in the order of its counters."""
    wheels, sizes, (protocol, transport) = _wheels(stream), _sizes(stream), _transport(stream)
    count = math.prod(wheels.values())
    count *= math.ceil(256 / count)
    ip, chance = stream["headers"]["ipv4"], random.Random(seed)
    fields = [_values(ip["source"], "source", wheels, address), _values(ip["destination"], "destination", wheels, address),
              _values(transport.get("source", 1024), protocol + ".source", wheels, int),
              _values(transport.get("destination", 9), protocol + ".destination", wheels, int)]
    shuffled = random.Random(seed).sample(sizes, len(sizes))
    chosen = itertools.cycle(shuffled)
    fixed = (ip.get("ttl", 64), ip.get("dscp", 0) << 2, chance.getrandbits)
    return [_datagram(protocol, transport, [f(n) for f in fields], next(chosen) - ETHER - CRC, fixed) for n in range(count)]


def address(value):
    return int(ipaddress.IPv4Address(value))


def _counted(stream):
    """(name, {from, count, …}) of every field that changes from packet to packet; the first turns fastest."""
    ip, (protocol, transport) = stream["headers"]["ipv4"], _transport(stream)
    for name, value in (("source", ip["source"]), ("destination", ip["destination"]),
                        (protocol + ".source", transport.get("source")), (protocol + ".destination", transport.get("destination"))):
        if isinstance(value, dict):
            yield name, value


def _wheels(stream):
    """Positions of each counter: one for each field, or for each group of fields."""
    found = {}
    for name, value in _counted(stream):
        if not isinstance(value["count"], int) or value["count"] < 1:
            raise ValueError(f"{name}.count: {value['count']!r} is below 1")
        found[value.get("group", name)] = max(value["count"], found.get(value.get("group", name), 1))
    return found


def _values(value, name, wheels, convert):
    """Packet number to value of a field: a digit of the mixed-radix counter."""
    if not isinstance(value, dict):
        fixed = convert(value)
        return lambda n: fixed
    start, count, step = convert(value["from"]), value["count"], value.get("step", 1)
    wheel, divisor = value.get("group", name), 1
    for other, size in wheels.items():
        if other == wheel:
            break
        divisor *= size
    order = list(range(count))
    if value.get("order") == "random":
        random.Random(count).shuffle(order)
    return lambda n: start + order[n // divisor % wheels[wheel] % count] * step


def _sizes(stream):
    """Frame sizes in their proportions."""
    size = stream.get("size", 64)
    if size == "imix":
        size = [{"size": bytes_, "weight": weight} for bytes_, weight in IMIX]
    if isinstance(size, dict) and "emix" in size:
        size = [{"size": EMIX[letter], "weight": 1} for letter in size["emix"]]
    found = [entry["size"] for entry in size for _ in range(entry["weight"])] if isinstance(size, list) else [size]
    if not found or not all(isinstance(entry, int) and 64 <= entry <= 1518 for entry in found):
        raise ValueError(f"size: {size!r} is not within 64 to 1518")
    return found


def _transport(stream):
    for protocol in PROTOCOLS:
        if protocol in stream["headers"]:
            return protocol, stream["headers"][protocol]
    raise ValueError("headers: neither udp nor tcp")


def _datagram(protocol, transport, fields, length, fixed):
    source, destination, source_port, destination_port = fields
    ttl, tos, bits = fixed
    head = struct.pack("!BBHHHBBHII", 0x45, tos, length, 0, 0, ttl, PROTOCOLS[protocol], 0, source, destination)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    if protocol == "udp":   # no check sum: RFC 768 allows it
        return head + struct.pack("!HHHH", source_port, destination_port, length - 20, 0) + bytes(length - 28)
    flags = sum(FLAGS[letter] for letter in transport.get("flags", "S"))
    body = struct.pack("!HHIIBBHHH", source_port, destination_port, bits(32), 0, 0x50, flags, 65535, 0, 0) + bytes(length - 40)
    pseudo = struct.pack("!IIBBH", source, destination, 0, 6, len(body))
    return head + body[:16] + struct.pack("!H", checksum(pseudo + body + bytes(len(body) % 2))) + body[18:]


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def _arp(side, mac, neighbours):
    """Replies of the servers to the subject."""
    to = socket.inet_aton(side.subject)
    server = bytes.fromhex(side.generator_mac.replace(":", ""))
    return [mac + server + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, server, socket.inet_aton(side.server(n)), mac, to) +
            bytes(18) for n in range(neighbours)]
