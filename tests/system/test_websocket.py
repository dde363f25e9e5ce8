"""WebSockets of others through the gateway: Chromium and Python's `websockets` in front, `websockets` behind (RFC 6455, RFC 7692)."""
import json
import re
import shutil
import unittest

import rig
from rig import LAN4, WAN4, objects

HERE, PORT, SERVED = WAN4.format(1), 80, 8080
RUN = ("/usr/bin/python3", "-u", "-c")

# Echoes every message as the type it came in; /page is a page whose script talks to us and says at last what it saw.
SERVER = """
import asyncio, http, sys, websockets

PAGE = open(sys.argv[2], "rb").read()

async def page(path, headers):
    if path == "/page":
        return http.HTTPStatus.OK, [("Content-Type", "text/html")], PAGE

async def echo(socket):
    try:
        async for message in socket:
            if isinstance(message, str) and message.startswith("result: "):
                print(message)
            else:
                await socket.send(message)
    except websockets.ConnectionClosed:   # with another code than 1000
        pass
    print("closed", socket.close_code, socket.close_reason)

async def main():
    async with websockets.serve(echo, "0.0.0.0", int(sys.argv[1]), process_request=page, max_size=1 << 24):
        print("listening")
        await asyncio.Future()

asyncio.run(main())
"""

# Messages of every length that changes the frame's head, as text and as bytes, whole and in fragments; pings; a close with its code.
CLIENT = """
import asyncio, hashlib, json, random, sys, websockets

LENGTHS = (0, 1, 125, 126, 127, 65535, 65536, 1 << 20)

async def main(address, compression):
    random.seed(7)
    async with websockets.connect(address, compression=compression, max_size=1 << 24) as socket:
        wrong = []
        for length in LENGTHS:
            for message in (random.randbytes(length), "\\u00e9" * length):
                await socket.send(message)
                if await socket.recv() != message:
                    wrong.append(length)
        whole = random.randbytes(300000)
        await socket.send(whole[n:n + 7001] for n in range(0, len(whole), 7001))
        if await socket.recv() != whole:
            wrong.append("fragments")
        many = [random.randbytes(random.randrange(3000)) for _ in range(500)]
        async def send():
            for message in many:
                await socket.send(message)
        sender = asyncio.create_task(send())
        if [await socket.recv() for _ in many] != many:
            wrong.append("many")
        await sender
        await asyncio.wait_for(await socket.ping(b"there?"), 10)
        extensions = [type(each).__name__ for each in socket.extensions]
        await socket.close(4321, "enough")
        print(json.dumps({"wrong": wrong, "extensions": extensions, "code": socket.close_code}))

asyncio.run(main(sys.argv[1], None if sys.argv[2] == "none" else sys.argv[2]))
"""

PAGE = """<!doctype html><meta charset="utf-8"><script>
const lengths = [0, 1, 125, 126, 65535, 65536, 300000], seen = [];
const socket = new WebSocket(`ws://${location.host}/socket`);
socket.binaryType = "arraybuffer";
let sent = 0;
const next = () => {
  if (sent === 2 * lengths.length) {
    socket.send("result: " + JSON.stringify({seen, extensions: socket.extensions, agent: navigator.userAgent}));
    socket.close(4321, "enough");
    return;
  }
  const length = lengths[sent >> 1];
  socket.send(sent & 1 ? new Uint8Array(length).map((_, n) => n * 31) : "é".repeat(length));
  ++sent;
};
socket.onopen = next;
socket.onmessage = ({data}) => {
  if (typeof data === "string") seen.push(["text", data.length, data === "é".repeat(data.length)]);
  else seen.push(["bytes", data.byteLength, new Uint8Array(data).every((byte, n) => byte === (n * 31 & 255))]);
  next();
};
</script>"""


class WebSockets(rig.Story):
    servers = 1

    @classmethod
    def build(cls):
        super().build()
        page = cls.lab.dir / "page.html"
        page.write_text(PAGE, encoding="utf-8")
        cls.server = cls.hosts[0].start("websockets", *RUN, SERVER, SERVED, page)
        rig.wait_until(lambda: "listening" in cls.server.output(), 20, what="server")
        service = objects.service("echo", "203.0.113.100", (SERVED, SERVED))
        cls.gateway.apply(service, *objects.endpoints(service, LAN4.format(11)), objects.gateway("edge", [HERE], objects.listener("web", PORT)),
                          objects.http_route("sockets", "edge", objects.http_rule(objects.backend("echo", SERVED))))

    def closed(self):
        return self.server.output().count("closed 4321 enough")

    def talk(self, compression):
        before = self.closed()
        said = self.client.run(*RUN, CLIENT, f"ws://{HERE}:{PORT}/socket", compression).stdout
        rig.wait_until(lambda: self.closed() == before + 1, what="the close with its code and reason")
        return json.loads(said)

    def test_python_plain(self):
        self.assertEqual(self.talk("none"), {"wrong": [], "extensions": [], "code": 4321})

    def test_python_compressed(self):
        """An extension is the two ends' own matter: the header passes, and so do its frames."""
        self.assertEqual(self.talk("deflate"), {"wrong": [], "extensions": ["PerMessageDeflate"], "code": 4321})

    @unittest.skipUnless(shutil.which("chromium"), "needs the program chromium (Debian package chromium)")
    def test_chromium(self):
        before = self.closed()
        browser = self.client.start("browser", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                    "--no-first-run", "--disable-background-networking", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {HERE}",
                                    f"--user-data-dir={self.lab.dir / 'profile'}",
                                    "--remote-debugging-port=0", f"http://{HERE}/page")
        try:
            result = rig.wait_until(lambda: re.search(r"^result: (.*)$", self.server.output(), re.M) or not browser.running(), 60,
                                    what="the page's result")
            rig.wait_until(lambda: self.closed() == before + 1, what="the close with its code and reason")
        finally:
            browser.kill()
        result = json.loads(result[1])
        lengths = (0, 1, 125, 126, 65535, 65536, 300000)
        self.assertEqual(result["seen"], [[kind, length, True] for length in lengths for kind in ("text", "bytes")])
        self.assertIn("permessage-deflate", result["extensions"])
        self.assertIn("Chrom", result["agent"])


if __name__ == "__main__":
    rig.main()
