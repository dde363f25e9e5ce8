#!/usr/bin/env python3
"""Writes the seeds of fuzz_parse into corpus/parse/. Each is one way-in byte (see parse_fuzz.cpp) and one packet.

Built here from bytes, not by wire/build: the seeds must not share its mistakes.
"""
import pathlib
import struct

MACS = bytes.fromhex("020000000002" "020000000001")
SRC4, DST4 = bytes([192, 0, 2, 1]), bytes([198, 51, 100, 2])
SRC6 = bytes.fromhex("20010db8000000000000000000000001")
DST6 = bytes.fromhex("20010db8000000000000000000000002")
NODE6 = bytes.fromhex("ff0200000000000000000001ff000002")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def sealed(data, at, pseudo):
    return data[:at] + struct.pack("!H", checksum(pseudo + data)) + data[at + 2 :]


def ip4(protocol, body, fragment=0x4000, options=b""):
    length = 20 + len(options)
    words = 0x40 | length // 4
    head = struct.pack("!BBHHHBBH", words, 0, length + len(body), 7, fragment, 64, protocol, 0) + SRC4 + DST4
    return sealed(head + options, 10, b"") + body


def ip6(protocol, body, hops=64, dst=DST6):
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, hops, SRC6, dst) + body


def pseudo4(protocol, body):
    return SRC4 + DST4 + struct.pack("!HH", protocol, len(body))


def pseudo6(protocol, body, dst=DST6):
    return SRC6 + dst + struct.pack("!II", len(body), protocol)


def tcp(flags, options=b"", payload=b""):
    offset = (20 + len(options)) // 4 << 4
    return struct.pack("!HHIIBBHHH", 40000, 80, 1, 2, offset, flags, 65535, 0, 0) + options + payload


def udp(payload):
    return struct.pack("!HHHH", 5353, 53, 8 + len(payload), 0) + payload


def eth(ether_type, body, tags=b""):
    return MACS + tags + struct.pack("!H", ether_type) + body


def seeds():
    mss = bytes([2, 4, 5, 180, 1, 3, 3, 7])
    odd_mss = bytes([1, 2, 4, 5, 180, 1, 1, 0])
    syn = tcp(2, mss)
    syn4 = ip4(6, sealed(syn, 16, pseudo4(6, syn)))
    odd = tcp(2, odd_mss)
    query = udp(b"question")
    query4 = ip4(17, sealed(query, 6, pseudo4(17, query)))
    query6 = ip6(17, sealed(query, 6, pseudo6(17, query)))
    echo = struct.pack("!BBHHH", 8, 0, 0, 77, 1) + b"abcdefgh"
    error = struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + query4[:28]
    too_big = struct.pack("!BBHI", 2, 0, 0, 1280) + query6
    solicit = struct.pack("!BBHI16s", 135, 0, 0, 0, DST6) + bytes([1, 1]) + MACS[6:]
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, MACS[6:], SRC4, bytes(6), DST4)
    hop = bytes([60, 0, 5, 2, 0, 0, 1, 0])
    chain = hop + bytes([43, 0, 1, 4, 0, 0, 0, 0]) + bytes([44, 0, 0, 0, 0, 0, 0, 0]) + bytes([17, 0, 0, 1, 0, 0, 0, 9])
    yield "tcp4_syn", 0, eth(0x0800, syn4)
    yield "tcp4_syn_odd_mss", 0, eth(0x0800, ip4(6, sealed(odd, 16, pseudo4(6, odd))))
    yield "udp4", 0, eth(0x0800, query4)
    yield "udp4_qinq", 0, eth(0x0800, query4, bytes.fromhex("88a80007" "81000064"))
    yield "udp4_options", 0, eth(0x0800, ip4(17, query, options=bytes([148, 4, 0, 0, 1, 131, 7, 4, 10, 0, 0, 1])))
    yield "udp4_first_fragment", 0, eth(0x0800, ip4(17, query, fragment=0x2000))
    yield "udp4_later_fragment", 0, eth(0x0800, ip4(17, query, fragment=100))
    yield "echo4", 0, eth(0x0800, ip4(1, sealed(echo, 2, b"")))
    yield "error4", 0, eth(0x0800, ip4(1, sealed(error, 2, b"")))
    yield "udp6", 0, eth(0x86DD, query6)
    yield "udp6_chain", 0, eth(0x86DD, ip6(0, chain + query))
    yield "ah6", 0, eth(0x86DD, ip6(51, bytes([50, 4]) + bytes(22) + bytes(8)))
    yield "too_big6", 0, eth(0x86DD, ip6(58, sealed(too_big, 2, pseudo6(58, too_big))))
    yield "solicit6", 0, eth(0x86DD, ip6(58, sealed(solicit, 2, pseudo6(58, solicit, NODE6)), 255, NODE6))
    yield "arp", 0, eth(0x0806, arp)
    yield "udp4_unverified", 1, eth(0x0800, query4)
    yield "ip4_whole", 2, syn4
    yield "ip6_whole", 2, query6
    yield "ip4_quoted", 3, query4[:28]
    yield "ip6_quoted", 3, query6[:48]


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "parse"
    folder.mkdir(parents=True, exist_ok=True)
    for name, way, packet in seeds():
        (folder / name).write_bytes(bytes([way]) + packet)


if __name__ == "__main__":
    main()
