#!/usr/bin/python3
"""Writes the seeds of fuzz_inflate: content that is compressed well, in every way, to be spoilt (inflate_fuzz.cpp)."""
import pathlib
import sys
import zlib

ENDS, TWICE, GZIP, INNER_GZIP = 1, 2, 4, 8
TEXT = b"the quick brown fox jumps over the lazy dog, again and again, " * 4


def compressed(text, bits, level=6, flush=0, strategy=zlib.Z_DEFAULT_STRATEGY):
    stream = zlib.compressobj(level, zlib.DEFLATED, bits, 8, strategy)
    out = b"".join(stream.compress(text[i:i + flush]) + stream.flush(zlib.Z_SYNC_FLUSH) for i in range(0, len(text), flush)) \
        if flush else stream.compress(text)
    return out + stream.flush()


def seed(way, most, content):
    return bytes([way]) + (most - 1).to_bytes(2, "big") + content


NAMED = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x03\0abc" + b"name\0comment\0"
SEEDS = {
    "gzip": seed(ENDS | GZIP, 4096, compressed(TEXT, 31)),
    "gzip_goes_on": seed(GZIP, 4096, compressed(TEXT, 31)),
    "gzip_cut": seed(ENDS | GZIP, 20, compressed(TEXT, 31)),
    "members": seed(ENDS | GZIP, 4096, compressed(TEXT[:50], 31) + compressed(TEXT[50:], 31, 0)),
    "trailing": seed(ENDS | GZIP, 4096, compressed(TEXT, 31) + b"junk"),
    "fields": seed(ENDS | GZIP, 4096, NAMED),
    "zlib": seed(ENDS, 4096, compressed(TEXT, 15)),
    "zlib_stored": seed(ENDS, 4096, compressed(TEXT, 15, 0)),
    "zlib_fixed": seed(ENDS, 4096, compressed(TEXT, 15, 6, 40, zlib.Z_FIXED)),
    "bare": seed(ENDS, 4096, compressed(TEXT, -15)),
    "both_ways": seed(ENDS, 4, b"\x78\x01\x00\xfe\xff\x01\x00\x05\x00\xfa\xffevil!\x03\x00"),
    "twice": seed(ENDS | TWICE | GZIP | INNER_GZIP, 4096, compressed(compressed(TEXT, 31), 31)),
    "mixed": seed(ENDS | TWICE | GZIP, 4096, compressed(compressed(TEXT, 31), 15)),
    "bomb": seed(ENDS | GZIP, 65536, compressed(b"\0" * 1000000, 31, 9)),
}


def main():
    to = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus" / "inflate")
    to.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (to / name).write_bytes(data)


if __name__ == "__main__":
    main()
