#!/usr/bin/python3
"""Writes the seeds of the HTTP/1 fuzzers: one file for each kind of message. The first byte is the way (see the target)."""
import pathlib

FIELDS = b"Host: a\r\n"
REQUESTS = {
    "get": b"GET /a/../b?c=d HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
    "absolute": b"GET http://Example.COM:8080?q HTTP/1.1\r\nHost: other\r\n\r\n",
    "options": b"OPTIONS * HTTP/1.1\r\n" + FIELDS + b"\r\n",
    "connect": b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n",
    "length": b"POST / HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5, 5\r\nExpect: 100-continue\r\n\r\nhello",
    "chunked": b"POST / HTTP/1.1\r\n" + FIELDS
               + b"Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n5;x=\"y\\\"\";z\r\nhello\r\n0\r\nA: b\r\n\r\n",
    "pipelined": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.0\r\nConnection: keep-alive, x\r\nX: y\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\n" + FIELDS + b"Connection: upgrade\r\nUpgrade: websocket, a/1\r\n\r\n",
    "escapes": b"GET /%7e/%2F/%5c/%2e%2e//%41%25 HTTP/1.2\r\n" + FIELDS + b"\r\n",
    "both_lengths": b"POST / HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "folded": b"GET / HTTP/1.1\r\n" + FIELDS + b"A: b\r\n c\r\n\r\n",
}
RESPONSES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0;e\r\nX: 1\r\n\r\n",
    "close": b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end",
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    "empty": b"HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
}


def main():
    for side, seeds in (("request", REQUESTS), ("response", RESPONSES)):
        folder = pathlib.Path(__file__).parent / "corpus" / f"h1_{side}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, message in seeds.items():
            way = 4 if name in ("switching", "escapes") else 0
            (folder / name).write_bytes(bytes([way]) + message)


if __name__ == "__main__":
    main()
