"""Packet files for wiring `replay`: the scenario's streams as frames that a subject reads from memory for ever.

A file holds each flow of each stream once, and at least 256 frames, so that sizes come in their proportions; bounds: FRAMES.
Streams have those fields of perf/LAB.md that say what a packet is: name, size, and headers of UDP or TCP over IPv4. The subject takes
as fast as it can, so there is no rate. The same scenario makes the same bytes.
"""
import hashlib
import ipaddress
import itertools
import json
import math
import pathlib
import random
import socket
import struct

from .fields import REQUIRED, Reader, shown

FRAMES = 200_000                    # a port holds a buffer for each
CRC, ETHER = 4, 14
IMIX = [(64, 7), (594, 4), (1518, 1)]                                     # RFC 6985, 4: 7:4:1 of 40, 576 and 1500 bytes of IP
EMIX = dict(zip("abcdefghi", (64, 128, 256, 512, 1024, 1280, 1518, 2112, 9000)))      # RFC 6985, 4; here to g
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
PROTOCOLS = {"udp": 17, "tcp": 6}
CLIENT_MAC = bytes.fromhex("020000000102")


def check(streams):
    """Faults of streams that no file can be made of; empty: all can."""
    if not isinstance(streams, (list, tuple)) or not streams:
        return ["streams: wiring replay needs at least one"]
    found = []
    for n, stream in enumerate(streams):
        before = len(found)
        _check_stream(Reader(stream, f"streams[{n}]", found))
        if len(found) == before and flows([stream]) > FRAMES:
            found.append(f"streams[{n}]: {flows([stream])} flows are more than the {FRAMES} frames of a file")
    if not found and (total := sum(map(_frames, streams))) > FRAMES:
        found.append(f"streams: {total} frames of all together are more than the {FRAMES} of a file")
    return found


def _check_stream(one):
    one.text("name", r"\S{1,64}", default="")
    try:
        _sizes({"size": one.raw("size", 64)})
    except (KeyError, TypeError, ValueError):
        one.fault("size", f"{shown(one.value['size'])} is no size of 64 to 1518, imix, {{emix: a to g}} or [{{size, weight}}, …] of such")
    headers = one.mapping("headers")
    ip = headers.mapping("ipv4")
    for name in ("source", "destination"):
        _check_counted(ip, name, address, "an IPv4 address")
    ip.number("ttl", 1, 255, 64, whole=True)
    ip.number("dscp", 0, 63, 0, whole=True)
    ip.done()
    present = [name for name in PROTOCOLS if headers.has(name)]
    if len(present) != 1:
        headers.fault("udp", "one of udp and tcp must be there")
    for name in present:
        transport = headers.mapping(name)
        for end, default in (("source", 1024), ("destination", 9)):
            _check_counted(transport, end, port_number, "a port, 0 to 65535", default)
        if name == "tcp":
            transport.text("flags", f"[{''.join(FLAGS)}]{{0,6}}", "S", about=f"some of {''.join(FLAGS)}")
        transport.done()
    headers.done()
    one.done()


def _check_counted(fields, name, convert, about, default=REQUIRED):
    """One value, or {from, count, step, order, group}, of which the last must be possible, too."""
    value = fields.raw(name, default)
    if not isinstance(value, dict):
        value = {"from": value}
    elif fields.has(name):
        one, before = fields.mapping(name), len(fields.faults)
        one.raw("from")
        one.number("count", 1, 1 << 32, whole=True)
        one.number("step", 1, 1 << 32, 1, whole=True)
        one.choice("order", ("increment", "random"), "increment")
        one.text("group", r"\w{1,32}", default="")
        one.done()
        if len(fields.faults) > before:
            return
    try:
        convert(value["from"])
        if convert is address:
            ipaddress.IPv4Address(address(value["from"]) + (value.get("count", 1) - 1) * value.get("step", 1))
        else:
            port_number(value["from"] + (value.get("count", 1) - 1) * value.get("step", 1))
    except (TypeError, ValueError):
        fields.fault(name, f"{shown(value['from'])} and what follows it is not {about}")


def file(directory, scenario, side, neighbours=0, seal=None, sealed=None):
    """The path of such a file in `directory`; made by write() when there is none yet. `sealed`: names what `seal` does."""
    what = json.dumps([scenario["streams"], scenario.get("seed", 1), side.name, neighbours, sealed], sort_keys=True)
    path = pathlib.Path(directory) / f"input-{hashlib.sha256(what.encode()).hexdigest()[:16]}.pcap"
    if not path.exists():
        write(path, scenario, side, neighbours, seal)
    return path


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


def _frames(stream):
    """Of a stream in a file: a whole number of turns through its flows, 256 at least."""
    count = flows([stream])
    return count * math.ceil(256 / count)


def datagrams(stream, seed=1):
    """Every flow of a stream, in the order of its counters."""
    wheels, sizes, (protocol, transport) = _wheels(stream), _sizes(stream), _transport(stream)
    count = _frames(stream)
    ip, chance = stream["headers"]["ipv4"], random.Random(seed)
    fields = [_values(ip["source"], "source", wheels, address), _values(ip["destination"], "destination", wheels, address),
              _values(transport.get("source", 1024), protocol + ".source", wheels, port_number),
              _values(transport.get("destination", 9), protocol + ".destination", wheels, port_number)]
    shuffled = random.Random(seed).sample(sizes, len(sizes))
    chosen = itertools.cycle(shuffled)
    fixed = (ip.get("ttl", 64), ip.get("dscp", 0) << 2, chance.getrandbits)
    return [_datagram(protocol, transport, [f(n) for f in fields], next(chosen) - ETHER - CRC, fixed) for n in range(count)]


def address(value):
    if not isinstance(value, str):
        raise ValueError(value)
    return int(ipaddress.IPv4Address(value))


def port_number(value):
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise ValueError(value)
    return value


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
    if isinstance(size, list) and sum(entry["weight"] for entry in size) > FRAMES:
        raise ValueError(size)
    found = [entry["size"] for entry in size for _ in range(entry["weight"])] if isinstance(size, list) else [size]
    if not found or not all(isinstance(entry, int) and 64 <= entry <= 1518 for entry in found):
        raise ValueError(size)
    return found


def _transport(stream):
    protocol = next(name for name in PROTOCOLS if name in stream["headers"])
    return protocol, stream["headers"][protocol]


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
