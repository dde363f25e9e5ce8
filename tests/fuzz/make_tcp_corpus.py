#!/usr/bin/python3
"""Writes the seeds of the TCP fuzzers: headers with each option, and short programs for the actor (see the targets)."""
import pathlib
import random
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def segment(flags, options=b"", payload=b""):
    options += b"\0" * (-len(options) % 4)
    offset = (20 + len(options)) // 4 << 4
    return struct.pack(">HHIIBBHHH", 1, 2, 1000, 2000, offset, flags, 500, 0, 0) + options + payload


SEGMENTS = {
    "syn": segment(2, b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x08\x0a\0\0\0\1\0\0\0\0"),
    "sack": segment(16, b"\x01\x01\x05\x12" + struct.pack(">IIII", 1, 11, 21, 31), b"data"),
    "malformed": segment(16, b"\x05\xff\x02\x00"),
    "unknown": segment(24, b"\xfd\x04ab\x00"),
    "short": segment(4)[:19],
    "offset": segment(4)[:12] + b"\xf0" + segment(4)[13:],
}


def program(seed):
    """Mostly polite operations, so that mutation begins inside of an open connection."""
    r = random.Random(seed)
    out = bytearray([r.randrange(256), r.randrange(8)]) + bytes([0x40, 0, 0, 15, 0, 0, 5, 180, 3])
    for _ in range(40):
        out += bytes([r.choice([0, 4, 8, 9, 12, 13, 100, 140, 141, 170, 171, 200, 232]), 3, r.randrange(256)])
        out += bytes(r.choice([0, 0, 0, 200, 255]) if i % 3 else r.randrange(160) for i in range(14))
    return bytes(out)


def write(folder, files):
    (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (CORPUS / folder / name).write_bytes(content)


write("tcp_segment", {name: b"\0" + bytes_ for name, bytes_ in SEGMENTS.items()})
write("tcp_connection", {f"program{seed}": program(seed) for seed in range(24)})
