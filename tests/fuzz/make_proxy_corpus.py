#!/usr/bin/python3
"""Writes the seeds of fuzz_proxy: programs (proxy_fuzz.cpp) in which conversations go well, to be spoilt."""
import pathlib
import sys

OPEN, SEND, TAKE, FINISH, RESET, TIME, ADOPT = 0, 0, 90, 110, 120, 125, 135
ANSWER, READ, CLOSE = 150, 210, 230
GET, POST, PUT, EXPECT, DENY, UPGRADE, OLD, CHUNK, LAST, EVIL = range(10)


def say(operation, *words):
    return b"".join(bytes([operation, 0, word]) for word in words)


def program(configuration, *parts):
    return bytes([configuration, OPEN]) + b"".join(parts)


read, answer, take, time = bytes([READ, 0, 255]), lambda *words: say(ANSWER, *words), bytes([TAKE, 0, 255]), bytes([TIME, 0, 50])
SEEDS = {
    "get": program(0, say(SEND, GET), read, answer(0), take, say(SEND, GET), read, answer(0), take),
    "pipelined": program(7, say(SEND, GET, GET, DENY, OLD), read, answer(0, 0, 0), take, take),
    "chunked_held": program(16, say(SEND, PUT, CHUNK, CHUNK, LAST), read, answer(1, 8, 9), take),
    "denied_content": program(16, say(SEND, POST, EVIL), take),
    "continue_held": program(20, say(SEND, EXPECT), take, say(SEND, EVIL), take, time),
    "continue": program(4, say(SEND, EXPECT), read, answer(4, 5), take, say(SEND, EVIL), answer(3), time, answer(0), take),
    "upgrade": program(0, say(SEND, UPGRADE), read, answer(6, 8), take, say(SEND, EVIL), bytes([FINISH, 0]), bytes([CLOSE, 0])),
    "until_close": program(0, say(SEND, GET), read, answer(2, 8), bytes([CLOSE, 0]), take),
    "late": program(26, say(SEND, POST, EVIL), time, time, time, bytes([ADOPT, 0, 3]), time, bytes([RESET, 0])),
}


def main():
    to = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus" / "proxy")
    to.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (to / name).write_bytes(data)


if __name__ == "__main__":
    main()
