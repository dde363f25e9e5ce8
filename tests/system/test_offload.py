"""Checksums left to a device, against the kernel: net_tap finishes them as a NIC does. With ordinary and long frames."""
import hashlib
import http.server
import os
import socket
import threading

import rig
from rig import objects

HERE, THERE, SERVED = "198.51.100.1", "198.51.100.2", 8080
HERE6, THERE6 = "2001:db8:51::1", "2001:db8:51::2"

LONG = "net_af_packet0,iface=wan0,framesz=9728,blocksz=77824,framecnt=512"   # frames of 9000 bytes and their headers


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    content = b""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def do_POST(self):
        digest = hashlib.sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(digest)))
        self.end_headers()
        self.wfile.write(digest)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6   # and IPv4 as well
    daemon_threads = allow_reuse_address = True


class Offload(rig.Story):
    """A kernel behind a tap of the gateway is client and server at once."""
    MTU = 1500

    @classmethod
    def attach(cls):
        """(namespace of the gateway, of the kernel, its device, ours)"""
        both = cls.lab.namespace("gw")
        return both, both, "tap0", "net_tap0,iface=tap0"

    @classmethod
    def build(cls):
        own, cls.client, kernel, device = cls.attach()
        cls.gateway = rig.Gateway(own)
        cls.gateway.start()
        service = objects.service("one", "203.0.113.10", (SERVED, SERVED))
        six = objects.service("six", "2001:db8:113::10", (SERVED, SERVED))
        cls.gateway.apply(
            objects.node(objects.interface("wan", device, HERE + "/24", HERE6 + "/64", mtu=cls.MTU)),
            service, *objects.endpoints(service, THERE), six, *objects.endpoints(six, THERE6),
            objects.gateway("edge", [HERE, HERE6], objects.listener("web", 80)),
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("six", SERVED), path="/six"),
                               objects.http_rule(objects.backend("one", SERVED))))
        rig.wait_until(lambda: cls.client.run("ip", "link", "show", kernel, check=False).returncode == 0, 10, what=kernel)
        cls.client.run("ip", "link", "set", kernel, "up")
        cls.client.add_address(kernel, THERE + "/24")
        cls.client.add_address(kernel, THERE6 + "/64")
        Handler.content = os.urandom(1 << 20) * 2
        with cls.client.entered():
            server = Server(("::", SERVED), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        cls.lab.at_close(lambda: (server.shutdown(), server.server_close()))
        rig.wait_until(lambda: cls.ask(f"http://{HERE}/", "-o", "/dev/null").returncode == 0, 20, what="an answer")

    @classmethod
    def ask(cls, *words):
        return cls.client.run("curl", "-sS", "-g", "--max-time", 30, *words, check=False)

    def down_and_up(self, url):
        path = self.lab.dir / "content"
        path.write_bytes(Handler.content)
        digest = hashlib.sha256(Handler.content).hexdigest()
        self.assertEqual(self.ask("--data-binary", f"@{path}", "-H", "Expect:", url).stdout, digest)
        answer = self.lab.dir / "answer"
        self.assertEqual(self.ask("-o", answer, url).returncode, 0)
        self.assertEqual(hashlib.sha256(answer.read_bytes()).hexdigest(), digest)
        refused = {k: v for k, v in self.gateway.drops().items() if k in ("offload_refused", "bad_l4_checksum")}
        self.assertFalse(any(refused.values()), refused)

    def test_of_ipv4(self):
        self.down_and_up(f"http://{HERE}/")

    def test_of_ipv6_too(self):
        self.down_and_up(f"http://[{HERE6}]/six")


class LongFrames(Offload):
    """9000 bytes, over a veth: net_tap has 1500 at most."""
    MTU = 9000

    @classmethod
    def attach(cls):
        own, kernel = cls.lab.namespace("gw"), cls.lab.namespace("client")
        cls.lab.link(kernel, "eth0", own, "wan0", mtu=cls.MTU)
        return own, kernel, "eth0", LONG

    def test_segments_are_as_long_as_the_frames(self):
        before = int(self.client.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)
        self.assertEqual(self.ask("-o", "/dev/null", f"http://{HERE}/").returncode, 0)
        received = int(self.client.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout) - before
        # 2 MiB to the client, and the acknowledgements of those of the server.
        self.assertLess(received, 2 * (2 << 20) / 4000)


class TooLong(rig.Story):
    """A device that cannot send what its interface allows is refused by name; a twin carries what it can."""

    @classmethod
    def build(cls):
        cls.gateway = rig.Gateway(cls.lab.namespace("gw"))
        cls.gateway.start()

    def test_a_tap_of_9000(self):
        with self.assertRaisesRegex(rig.CliError, "takes an MTU of at most 1500"):
            self.gateway.apply(objects.node(objects.interface("wan", "net_tap0,iface=tap0", HERE + "/24", mtu=9000)))

    def test_the_twin_of_a_port_of_9000(self):
        own, other = self.gateway.namespace, self.lab.namespace("other")
        self.lab.link(other, "eth0", own, "wan0", mtu=9000)
        self.gateway.apply(objects.node(objects.interface("wan", LONG, HERE + "/24", mtu=9000, exception={
            "twin": "twin0", "rules": [{"protocol": "tcp", "port": 179}]})))
        self.assertIn("mtu 1500", own.run("ip", "link", "show", "twin0").stdout)


if __name__ == "__main__":
    rig.main()
