#!/usr/bin/python3
"""Writes the seeds of fuzz_esp_in: ways, then packets behind their lengths (see the target, which seals them)."""
import ipaddress
import pathlib
import struct

NULL, UDP, ESN, SEAL, REPAIR, SELECTORS, SEGMENTS, BURST = (1 << bit for bit in range(8))
SPI = 0x11223344


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(protocol, payload, src="192.0.2.1", dst="198.51.100.2", tos=0, fragment=0, ttl=64, options=b""):
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload), 1, fragment, ttl,
                       protocol, 0, ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(protocol, payload, src="fd00:1::5", dst="fd00:2::9", traffic_class=0):
    return struct.pack("!IHBB16s16s", 6 << 28 | traffic_class << 20, len(payload), protocol, 64,
                       ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed) + payload


def udp(payload, src=4000, dst=53):
    return struct.pack("!HHHH", src, dst, 8 + len(payload), 0) + payload


INNER4 = ipv4(17, udp(b"question"), "10.1.0.5", "10.2.0.9", tos=2)
INNER6 = ipv6(17, udp(b"question"))


def esp(inner, next_header, sequence=1, null=False, padding=None):
    """In clear, with room for IV and tag."""
    if padding is None:
        padding = bytes(range(1, 1 + -(len(inner) + 2) % 4))
    iv = b"" if null else struct.pack("!Q", sequence)
    return struct.pack("!II", SPI, sequence) + iv + inner + padding + bytes([len(padding), next_header]) + bytes(16)


def seeds():
    for null in (0, NULL):
        kind = "null" if null else "gcm"
        base = null | SEAL | REPAIR

        def sealed(inner, next_header, null=null, **more):
            return esp(inner, next_header, null=bool(null), **more)

        yield f"{kind}_v4", base | SELECTORS, [ipv4(50, sealed(INNER4, 4))]
        yield f"{kind}_v6", base | SELECTORS | ESN, [ipv6(50, sealed(INNER6, 41))]
        yield f"{kind}_udp", base | UDP, [ipv4(17, udp(sealed(INNER4, 4), 4500, 4500), tos=3)]
        yield f"{kind}_tfc", base | ESN, [ipv4(50, sealed(INNER4 + bytes(40), 4))]
        yield f"{kind}_dummy", base, [ipv4(50, sealed(bytes(20), 59))]
        yield f"{kind}_not_ip", base, [ipv4(50, sealed(bytes(20), 6))]
        yield f"{kind}_padding", base, [ipv4(50, sealed(INNER4, 4, padding=b"\x01\x02\x03\x04\x05\x07"))]
        yield f"{kind}_empty", base, [ipv4(50, sealed(b"", 4))]
        yield f"{kind}_segments", base | SEGMENTS, [ipv4(50, sealed(INNER4, 4))]
        yield f"{kind}_burst", base | BURST | ESN, [ipv4(50, sealed(INNER4, 4, sequence=n)) for n in (1, 100, 1, 200)]
        yield f"{kind}_stream", base | ESN, [ipv4(50, sealed(INNER4, 4, sequence=n)) for n in (2**32 - 1, 0, 5, 7)]
        yield f"{kind}_ce", base, [ipv4(50, sealed(ipv4(1, bytes(8), "10.1.0.5", "10.2.0.9"), 4), tos=3)]
    yield "raw", 0, [ipv4(50, esp(INNER4, 4))]
    yield "keepalive", UDP, [ipv4(17, udp(b"\xff", 4500, 4500))]
    yield "marker", UDP, [ipv4(17, udp(bytes(28), 4500, 4500))]
    yield "fragment", 0, [ipv4(50, esp(INNER4, 4), fragment=0x2000)]
    yield "options", SEAL, [ipv4(50, esp(INNER4, 4), options=b"\x94\x04\x00\x00")]
    extension = struct.pack("!BBBBI", 50, 0, 1, 4, 0)
    yield "v6_extension", SEAL, [ipv6(60, extension + esp(INNER6, 41))]
    yield "short", UDP, [ipv4(17, udp(b"\x11\x22", 4500, 4500)), ipv4(50, b"\x11"), ipv4(50, struct.pack("!II", SPI, 1))]


def main():
    folder = pathlib.Path(__file__).parent / "corpus" / "esp_in"
    folder.mkdir(parents=True, exist_ok=True)
    for name, ways, packets in seeds():
        body = b"".join(struct.pack("!H", len(packet)) + packet for packet in packets)
        (folder / name).write_bytes(bytes([ways]) + body)


if __name__ == "__main__":
    main()
