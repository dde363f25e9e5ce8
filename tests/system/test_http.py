"""HTTP/1.1 through the gateway's own TCP: real clients (curl, wrk, Python) in front, real servers (nginx, Python) behind."""
import base64
import collections
import concurrent.futures
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import socketserver
import threading
import time

import rig
from rig import LAN4, WAN4, WAN6, objects, traffic

HERE4, HERE6 = WAN4.format(1), WAN6.format(1)
PORT, SERVED = 80, 8080
URL = f"http://{HERE4}"
DATE = r"^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT$"


class Handler(http.server.BaseHTTPRequestHandler):
    """Says what it was asked; some paths do something special."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/status/"):
            return self.answer(int(path.split("/")[2]), b"as you wish\n")
        if path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two ", b"three\n"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            return self.wfile.write(b"0\r\n\r\n")
        if path == "/until-close":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            return self.wfile.write(b"to the end\n")
        if path == "/bare":
            self.close_connection = True
            return self.wfile.write(b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nbare\n")
        if path == "/socket":
            return self.web_socket()
        if path == "/slow":
            time.sleep(2)
        seen = {"server": self.server.name, "method": self.command, "path": self.path,
                "headers": {k.lower(): v for k, v in self.headers.items()}}
        return self.answer(200, json.dumps(seen).encode() + b"\n")

    do_HEAD = do_DELETE = do_OPTIONS = do_GET

    def do_POST(self):
        if self.path == "/echo":
            self.send_response(200)
            self.send_header("Content-Length", self.headers["Content-Length"])
            self.end_headers()
            for piece in self.content():
                self.wfile.write(piece)
            return
        digest, total = hashlib.sha256(), 0
        for piece in self.content():
            digest.update(piece)
            total += len(piece)
        self.answer(200, f"{total} {digest.hexdigest()}\n".encode())

    do_PUT = do_POST

    def content(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(left, 1 << 18))
            if not piece:
                return
            left -= len(piece)
            yield piece

    def web_socket(self):
        """The handshake of RFC 6455, and then an echo of bytes."""
        accept = base64.b64encode(hashlib.sha1(
            (self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        self.send_response(101)
        for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        while piece := self.connection.recv(65536):
            self.connection.sendall(piece)

    def answer(self, status, body):
        self.send_response(status)
        has_content = status not in (204, 304)
        if has_content:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if has_content and self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, host, port=SERVED):
        with host.entered():
            super().__init__(("0.0.0.0", port), Handler)
        self.name = host.role
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        host.lab.at_close(self.end)

    def handle_error(self, *_):
        pass

    def end(self):
        self.shutdown()
        self.server_close()


class Http(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.servers_running = [Server(host) for host in cls.hosts]

    @classmethod
    def service(cls, name, *numbers, port=SERVED):
        made = objects.service(name, f"203.0.113.{100 + sum(map(ord, name)) % 100}", (port, port))
        return [made, *objects.endpoints(made, *[LAN4.format(10 + n) for n in numbers])]

    @classmethod
    def route(cls, *rules, services=None, hostnames=(), extra=()):
        services = services or [*cls.service("one", 1), *cls.service("two", 2)]
        cls.gateway.replace(cls.node(), *services, objects.gateway("edge", [HERE4, HERE6], objects.listener("web", PORT)),
                            objects.http_route("shop", "edge", *rules, hostnames=hostnames), *extra)

    def curl(self, *words, timeout=10):
        """(status, headers as a dictionary in lower case, body)"""
        text = self.client.run("curl", "-sS", "-g", "-i", "--max-time", timeout, *words, check=False).stdout
        while text.startswith("HTTP/1.1 100"):
            text = text.split("\n\n", 1)[1] if "\n\n" in text else text.split("\r\n\r\n", 1)[1]
        head, _, body = text.replace("\r\n", "\n").partition("\n\n")
        lines = head.splitlines()
        self.assertTrue(lines, "no answer")
        return (int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if ": " in line)}, body)

    def seen(self, *words):
        status, _, body = self.curl(*words)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def connect(self, timeout=20):
        with self.client.entered():
            return socket.create_connection((HERE4, PORT), timeout=timeout)

    def tearDown(self):
        rig.wait_until(lambda: self.gateway.balance() == 0, 10, what=lambda: "packets that are nowhere")


class Messages(Http):
    """What passes, and as what."""

    @classmethod
    def build(cls):
        super().build()
        cls.route(objects.http_rule(objects.backend("one", SERVED)))

    def test_a_request_and_what_the_server_sees_of_it(self):
        seen = self.seen(f"{URL}/a/b?c=d", "-H", "X-Own: kept", "-H", "Connection: x-hop", "-H", "X-Hop: not kept")
        self.assertEqual((seen["server"], seen["method"], seen["path"]), ("s1", "GET", "/a/b?c=d"))
        headers = seen["headers"]
        self.assertEqual((headers["host"], headers["x-own"]), (HERE4, "kept"))
        self.assertNotIn("x-hop", headers)
        self.assertEqual(headers["x-forwarded-for"], WAN4.format(2))
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertRegex(headers["x-request-id"], r"^[0-9a-f-]{32,36}$")

    def test_over_ipv6(self):
        self.assertEqual(self.seen(f"http://[{HERE6}]/")["headers"]["x-forwarded-for"], WAN6.format(2))

    def test_every_framing_of_an_answer(self):
        self.assertEqual(self.curl(f"{URL}/chunked")[2], "one two three\n")
        self.assertEqual(self.curl(f"{URL}/until-close")[2], "to the end\n")
        for status in (204, 304):
            self.assertEqual(self.curl(f"{URL}/status/{status}")[0], status)
        status, headers, body = self.curl("--head", f"{URL}/status/200")
        self.assertEqual((status, headers["content-length"], body), (200, "12", ""))

    def test_an_answer_without_phrase_and_date(self):
        status, headers, body = self.curl(f"{URL}/bare")
        self.assertEqual((status, body), (200, "bare\n"))
        self.assertRegex(headers["date"], DATE)

    def test_a_trace_that_ends_here(self):
        status, headers, _ = self.curl("-X", "TRACE", "-H", "Max-Forwards: 0", f"{URL}/")
        self.assertEqual(status, 405)
        self.assertIn("GET", headers["allow"])
        self.assertRegex(headers["date"], DATE)

    def test_a_scheme_in_the_target_is_not_believed(self):
        seen = self.seen("--request-target", "https://shop.example/a", f"{URL}/")
        self.assertEqual((seen["path"], seen["headers"]["x-forwarded-proto"]), ("/a", "http"))

    def test_content_of_requests_by_digest(self):
        path = self.lab.dir / "content"
        path.write_bytes(os.urandom(1 << 20) * 20)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for words in (["--data-binary", f"@{path}"], ["-H", "Transfer-Encoding: chunked", "--data-binary", f"@{path}"],
                      ["-H", "Expect: 100-continue", "-T", path]):
            self.assertEqual(self.curl(*words, f"{URL}/put", timeout=60)[2], f"{20 << 20} {digest}\n")

    def test_pipelined_requests_are_answered_in_order(self):
        with self.connect() as connection:
            connection.sendall(b"".join(b"GET /n%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50)))
            text = b""
            while text.count(b'"path"') < 50:
                piece = connection.recv(65536)
                self.assertTrue(piece, text[-300:])
                text += piece
            self.assertEqual(re.findall(rb'"path": "/n(\d+)"', text), [b"%d" % n for n in range(50)])

    def test_a_web_socket(self):
        with self.connect() as connection:
            connection.sendall(b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
            self.assertIn(b"s3pplmbitxaq9kygzzhzrbk+xoo=", head.lower())
            data = os.urandom(1 << 20)
            threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
            got = bytearray()
            while len(got) < len(data):
                got += connection.recv(65536)
            self.assertEqual(hashlib.sha256(got).digest(), hashlib.sha256(data).digest())

    def test_what_is_refused(self):
        for request, status in ((b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
                                (b"GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", b"400"),
                                (b"GET / HTTP/1.1\r\nBad Header: x\r\nHost: a\r\n\r\n", b"400"),
                                (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"), (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),
                                (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70000 + b"\r\n\r\n", b"431")):
            with self.connect() as connection:
                connection.sendall(request)
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
                self.assertEqual(answer[9:12], status, (request[:60], answer[:100]))
                self.assertIn(b"connection: close", answer.lower())

    def test_many_connections_and_requests(self):
        """wrk: no error in some ten thousand requests over 200 connections; and the memory is what it was."""
        run = lambda: self.client.run("wrk", "-t", 2, "-c", 200, "-d", 4, f"{URL}/", timeout=60).stdout   # noqa: E731
        run()
        before = self.gateway.resident_megabytes()
        text = run()
        self.assertNotRegex(text, r"Socket errors|Non-2xx")
        self.assertGreater(int(re.search(r"(\d+) requests in", text).group(1)), 1000)
        self.assertLess(self.gateway.resident_megabytes() - before, 20)


class Rules(Http):
    """What routes do."""

    def test_by_host_path_header_query_and_method(self):
        self.route(objects.http_rule(objects.backend("two", SERVED), matches=[
            {"path": {"type": "PathPrefix", "value": "/two"}}, {"headers": [{"name": "X-To", "value": "two"}]},
            {"queryParams": [{"name": "to", "value": "two"}]}, {"method": "DELETE"},
            {"path": {"type": "RegularExpression", "value": "/items/[0-9]+"}}]),
            objects.http_rule(objects.backend("one", SERVED)), hostnames=["shop.example.com", "*.example.org"])
        ask = lambda *words: self.seen("-H", "Host: shop.example.com", *words)["server"]   # noqa: E731
        self.assertEqual(ask(f"{URL}/"), "s1")
        self.assertEqual(ask(f"{URL}/two/deep"), "s2")
        self.assertEqual(ask(f"{URL}/twofold"), "s1")
        self.assertEqual(ask("-H", "x-to: two", f"{URL}/"), "s2")
        self.assertEqual(ask(f"{URL}/?to=two"), "s2")
        self.assertEqual(ask("-X", "DELETE", f"{URL}/"), "s2")
        self.assertEqual(ask(f"{URL}/items/42"), "s2")
        self.assertEqual(ask(f"{URL}/items/x"), "s1")
        self.assertEqual(self.seen("-H", "Host: a.example.org", f"{URL}/")["server"], "s1")
        self.assertEqual(self.curl("-H", "Host: elsewhere.example", f"{URL}/")[0], 404)

    def test_a_canary_of_ten_percent(self):
        self.route(objects.http_rule(objects.backend("one", SERVED, weight=90), objects.backend("two", SERVED, weight=10)))
        with self.connect() as connection:
            client = http.client.HTTPConnection(HERE4)
            client.sock = connection
            servers = collections.Counter()
            for _ in range(1000):
                client.request("GET", "/")
                servers[json.loads(client.getresponse().read())["server"]] += 1
        self.assertAlmostEqual(servers["s2"], 100, delta=40)

    def test_redirect_rewrite_and_header_filters(self):
        self.route(
            objects.http_rule(path="/old", filters=[{"type": "RequestRedirect", "requestRedirect": {
                "scheme": "https", "hostname": "new.example", "statusCode": 301,
                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}}]),
            objects.http_rule(objects.backend("one", SERVED), path="/api", filters=[
                {"type": "URLRewrite", "urlRewrite": {"hostname": "inside", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2"}}},
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                    "set": [{"name": "X-Set", "value": "1"}], "add": [{"name": "X-Add", "value": "2"}], "remove": ["X-Gone"]}},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Answer", "value": "yes"}], "remove": ["Server"]}}]))
        status, headers, _ = self.curl(f"{URL}/old/page?x=1")
        self.assertEqual((status, headers["location"]), (301, "https://new.example/new/page?x=1"))
        status, headers, body = self.curl(f"{URL}/api/things", "-H", "X-Gone: x")
        seen = json.loads(body)
        self.assertEqual((seen["path"], seen["headers"]["host"]), ("/v2/things", "inside"))
        self.assertEqual((seen["headers"]["x-set"], seen["headers"]["x-add"]), ("1", "2"))
        self.assertNotIn("x-gone", seen["headers"])
        self.assertEqual(headers["x-answer"], "yes")
        self.assertNotIn("server", headers)

    def test_what_a_backend_hears_of_the_client(self):
        """The host that was sent, unless the route says otherwise; a backend's rewrite is about the path that matched."""
        rewrite = lambda prefix, **fields: {"type": "URLRewrite", "urlRewrite": {   # noqa: E731
            "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": prefix}, **fields}}
        self.route(
            objects.http_rule(objects.backend("one", SERVED, filters=[rewrite("/B")]), path="/p",
                              filters=[rewrite("/longer/prefix", hostname="inside.example")]),
            objects.http_rule(objects.backend("one", SERVED), path="/said", filters=[
                {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                    "set": [{"name": "X-Forwarded-Proto", "value": "https"}], "remove": ["Via"]}}]))
        seen = self.seen("-H", "Host: shop.example", f"{URL}/p/x")
        headers = seen["headers"]
        self.assertEqual((seen["path"], headers["host"], headers["x-forwarded-host"]), ("/B/x", "inside.example", "shop.example"))
        headers = self.seen(f"{URL}/said")["headers"]
        self.assertEqual(headers["x-forwarded-proto"], "https")
        self.assertNotIn("via", headers)

    def test_the_gateways_own_answers_are_answers_of_the_rule(self):
        filters = [{"type": "CORS", "cors": {"allowOrigins": ["https://a.example"], "allowCredentials": True, "exposeHeaders": ["*"]}},
                   {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-Rule", "value": "yes"}]}}]
        away = {"type": "RequestRedirect", "requestRedirect": {"hostname": "other.example"}}
        self.route(
            objects.http_rule(path="/away", filters=[*filters, away]),
            objects.http_rule(objects.backend("nowhere", SERVED), path="/none", filters=filters),
            objects.http_rule(objects.backend("one", SERVED), path="/limited", filters=filters),
            extra=[objects.rate_limit("few", {"httpRoute": {"name": "shop"}}, {"requestsPerHour": 1}, matches=[{"path": {"value": "/limited"}}])])
        self.seen(f"{URL}/limited")
        for path, wanted in (("/away", 302), ("/none", 500), ("/limited", 429)):
            status, headers, _ = self.curl("-H", "Origin: https://a.example", URL + path)
            self.assertEqual((status, headers["access-control-allow-origin"], headers["x-rule"]), (wanted, "https://a.example", "yes"))
            self.assertRegex(headers["date"], DATE)
            self.assertIn("x-rule", headers["access-control-expose-headers"])
        self.assertIn("retry-after", headers["access-control-expose-headers"])

    def test_mirrored_requests_reach_the_other_server_and_only_the_first_answers(self):
        self.route(objects.http_rule(objects.backend("one", SERVED), filters=[
            {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "two", "port": SERVED}}}]))
        asked = []
        original = Handler.do_GET
        try:
            Handler.do_GET = lambda handler: (asked.append(handler.server.name), original(handler))[1]
            for _ in range(20):
                self.assertEqual(self.seen(f"{URL}/")["server"], "s1")
            rig.wait_until(lambda: asked.count("s2") == 20, 10, what=lambda: f"20 copies: {asked}")
        finally:
            Handler.do_GET = original

    def test_a_retry_saves_a_request(self):
        """One endpoint refuses connections, another answers 503: both are tried again elsewhere."""
        both = self.service("both", 1, 2)
        self.route(objects.http_rule(objects.backend("both", SERVED), retry={"attempts": 3, "codes": [503]}), services=both)
        self.servers_running[1].end()
        try:
            for _ in range(30):
                self.assertEqual(self.seen(f"{URL}/")["server"], "s1")
        finally:
            type(self).servers_running[1] = Server(self.hosts[1])

    def test_a_backend_that_is_not_there_and_one_that_is_slow(self):
        self.route(objects.http_rule(objects.backend("nowhere", SERVED), path="/a"),
                   objects.http_rule(objects.backend("one", SERVED), path="/slow", timeouts={"request": "500ms"}))
        self.assertEqual(self.curl(f"{URL}/a")[0], 500)
        self.assertEqual(self.curl(f"{URL}/slow")[0], 504)
        self.assertEqual(self.curl(f"{URL}/other")[0], 404)

    def test_faults(self):
        fault = {"apiVersion": objects.OURS, "kind": "Fault", "metadata": {"name": "f"}, "spec": {
            "targetRef": {"kind": "HTTPRoute", "name": "shop"}, "abort": {"httpStatus": 418, "percentage": 100}}}
        self.route(objects.http_rule(objects.backend("one", SERVED)), extra=[fault])
        self.assertEqual(self.curl(f"{URL}/")[0], 418)


class Changes(Http):
    """Configuration, endpoints and listeners change under load: no request fails."""

    class Load:
        """Clients that ask one thing after another on kept connections; every answer but 200 is remembered."""

        def __init__(self, story, clients=8):
            self._stop, self.failed, self.done, self.servers = threading.Event(), [], 0, collections.Counter()
            self._threads = [threading.Thread(target=self._ask, args=(story,), daemon=True) for _ in range(clients)]

        def _ask(self, story):
            connection = None
            while not self._stop.is_set():
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection(HERE4)
                        connection.sock = story.connect()
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    body = answer.read()
                    if answer.status != 200:
                        self.failed.append(answer.status)
                    else:
                        self.servers[json.loads(body)["server"]] += 1
                    if answer.will_close:
                        connection.close()
                        connection = None
                    self.done += 1
                except (OSError, http.client.HTTPException) as error:
                    self.failed.append(repr(error))
                    connection = None

        def __enter__(self):
            for thread in self._threads:
                thread.start()
            return self

        def __exit__(self, *_):
            self._stop.set()
            for thread in self._threads:
                thread.join(30)

    def test_routes_weights_and_headers_change(self):
        rule = lambda n: objects.http_rule(objects.backend("one", SERVED, weight=n % 3), objects.backend("two", SERVED, weight=1 + n % 2),   # noqa: E731
                                           filters=[{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "X-N", "value": str(n)}]}}])
        self.route(rule(0))
        with self.Load(self) as load:
            for n in range(60):
                self.route(rule(n))
        self.assertEqual(load.failed, [])
        self.assertGreater(load.done, 100)

    def test_older_gateways_join_and_leave_the_same_port(self):
        """The door keeps its connections, its name and its counters, whoever is the oldest behind it."""
        def gateway(name, year, *addresses, **fields):
            made = objects.gateway(name, addresses, objects.listener("web", PORT, **fields))
            made["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
            return made
        def counted():   # noqa: E306
            found = re.findall(r'^penstock_l7_listener_requests_total{.*class="2xx".*} ([\d.e+]+)', self.gateway.metrics(), re.M)
            return sum(map(float, found))
        named = 'listener="Gateway/default/edge/web"'
        self.gateway.replace(self.node(), *self.service("one", 1), gateway("edge", 2024, HERE4, HERE6),
                             objects.http_route("shop", "edge", objects.http_rule(objects.backend("one", SERVED))))
        self.seen(f"{URL}/")
        before = counted()
        with self.Load(self) as load:
            for n in range(20):
                where = [HERE4] if n % 2 else [HERE4, HERE6]
                self.gateway.apply(gateway(f"old{n % 3}", 2000 + n, *where, hostname=f"old{n % 3}.example"))
                self.assertIn(named, self.gateway.metrics())
                if n % 3 == 2:
                    self.gateway.cli("delete", "Gateway", f"old{n % 3}")
        self.assertEqual(load.failed, [])
        self.assertGreater(load.done, 100)
        self.assertGreaterEqual(counted() - before, load.done)

    def test_an_endpoint_is_drained(self):
        both = self.service("both", 1, 2)
        rule = objects.http_rule(objects.backend("both", SERVED))
        self.route(rule, services=both)
        with self.Load(self) as load:
            time.sleep(1)
            made = both[0]
            self.gateway.apply(objects.endpoints(made, LAN4.format(11), LAN4.format(12), draining=[LAN4.format(12)]))
            time.sleep(0.5)
            load.servers.clear()
            time.sleep(1)
            after = dict(load.servers)
        self.assertEqual(load.failed, [])
        self.assertEqual(set(after), {"s1"})

    def test_an_endpoint_dies(self):
        """Idempotent requests are tried again, so that nobody sees it."""
        self.route(objects.http_rule(objects.backend("both", SERVED), retry={"attempts": 3}), services=self.service("both", 1, 2))
        with self.Load(self) as load:
            time.sleep(1)
            self.servers_running[1].end()
            time.sleep(2)
        type(self).servers_running[1] = Server(self.hosts[1])
        self.assertEqual(load.failed, [])
        self.assertGreater(load.servers["s1"], 0)


class Leaving(Http):
    """The gateway is told to end while requests are under way."""
    node_fields = {"drainTimeout": "20s"}

    def busy_clients(self, leave):
        """Four clients with kept connections that ask ten times a second, while the gateway is told to `leave`: each is told
        that its connection ends, and none loses a request before."""
        self.route(objects.http_rule(objects.backend("one", SERVED)))

        def ask(pause):
            with self.connect(timeout=10) as connection:
                answers = connection.makefile("rb")
                while True:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
                    head = b"".join(iter(answers.readline, b"\r\n"))
                    self.assertIn(b" 200 ", head.split(b"\r\n")[0])
                    answers.read(int(re.search(rb"content-length: (\d+)", head)[1]))
                    if b"connection: close" in head:
                        return answers.read()
                    time.sleep(pause)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(ask, pause) for pause in (0.1, 0.15, 0.2, 3)]
            time.sleep(1)
            leave()
            for each in clients:
                self.assertEqual(each.result(), b"")

    def test_a_drained_node_tells_who_asks(self):
        def leave():
            self.assertRegex(self.gateway.cli("node", "drain").stdout, r"[4-9] connections of clients go on")
        self.busy_clients(leave)
        self.gateway.cli("node", "undrain")
        self.assertEqual(self.curl(f"{URL}/")[0], 200)

    def test_what_is_under_way_is_answered(self):
        self.route(objects.http_rule(objects.backend("one", SERVED)))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            slow = []

            def leave():
                slow.extend(pool.submit(self.curl, f"{URL}/slow") for _ in range(4))
                time.sleep(0.7)
                self.gateway.process.send_signal(signal.SIGTERM)
            self.busy_clients(leave)
            for each in slow:
                status, headers, _ = each.result()
                self.assertEqual((status, headers.get("connection")), (200, "close"))
        self.assertEqual(self.gateway.process.wait(30), 0)

    def tearDown(self):
        pass   # it is gone


class SlowClients(Http):
    """Clients that stall at each point are timed out, and others do not notice."""

    def test_a_head_that_never_ends(self):
        self.route(objects.http_rule(objects.backend("one", SERVED)), extra=[objects.listener_policy(timeouts={"header": "3s"})])
        slow = [self.connect(timeout=40) for _ in range(50)]
        for n, connection in enumerate(slow):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "[:5 + n])
        self.assertEqual(self.seen(f"{URL}/")["server"], "s1")
        for connection in slow:
            answer = connection.recv(4096)   # 408, or a close where nothing of a request was there
            self.assertIn(answer[9:12], (b"408", b""))
            connection.close()


    def test_slowhttptest(self):
        """Slow heads, slow contents, slow readers: the tool's probe is served all the time, and the gateway ends what it began."""
        self.route(objects.http_rule(objects.backend("one", SERVED), timeouts={"request": "3s"}),
                   extra=[objects.listener_policy(timeouts={"header": "2s", "idle": "2s"})])
        # A slow reader notices no end before it has read what it got.
        for mode, seconds, end in ((("-H",), 30, "No open connections left"), (("-B", "-s", 100000), 30, "No open connections left"),
                                   (("-X", "-k", 3), 6, "Hit test time limit")):
            with self.subTest(mode=mode[0]):
                text = self.client.run("slowhttptest", *mode, "-c", 200, "-r", 200, "-i", 1, "-l", seconds, "-x", 8, "-p", 10,
                                       "-u", f"{URL}/chunked", check=False, timeout=60).stdout
                said = re.sub(r"\x1b\[[0-9;]*\w", "", text)
                self.assertIn(f"Exit status: {end}", said)
                self.assertEqual(set(re.findall(r"service available: +(\w+)", said)), {"YES"})


class Large(Http):
    """Much of everything."""
    megabytes = int(os.environ.get("PENSTOCK_TEST_MEGABYTES", "64"))
    connections = int(os.environ.get("PENSTOCK_TEST_CONNECTIONS", "5000"))

    @classmethod
    def build(cls):
        super().build()
        cls.route(objects.http_rule(objects.backend("one", SERVED)), extra=[objects.listener_policy(timeouts={"idle": "1h"})])

    def test_a_large_content_both_ways_by_digest(self):
        """Sent while it comes back: the server echoes what it reads."""
        size, block, sent, got = self.megabytes << 20, os.urandom(1 << 20), hashlib.sha256(), hashlib.sha256()
        with self.connect(timeout=60) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)

            def send():
                for n in range(self.megabytes):
                    piece = n.to_bytes(8, "big") + block[8:]
                    sent.update(piece)
                    connection.sendall(piece)
            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            answer = http.client.HTTPResponse(connection, method="POST")
            answer.begin()
            while piece := answer.read(1 << 20):
                got.update(piece)
            sender.join()
        self.assertEqual(got.hexdigest(), sent.hexdigest())

    def test_many_thousand_connections(self):
        """Held by several processes, since one may not have as many files."""
        self.client.sysctl("net.ipv4.ip_local_port_range=1024 65535")
        before, each = self.gateway.resident_megabytes(), self.connections // 5
        holders = [self.client.start("hold", "/usr/bin/python3", "-u", "-c", HOLD, HERE4, PORT, each) for _ in range(5)]
        rig.wait_until(lambda: all("all" in h.output() or not h.running() for h in holders), 120, 0.2, "connections")
        self.assertEqual([h.output() for h in holders], ["all\n"] * 5)
        self.assertEqual(self.seen(f"{URL}/")["server"], "s1")
        cost = (self.gateway.resident_megabytes() - before) * 1024 / self.connections
        self.assertLess(cost, 4, "KiB of the gateway for a connection that waits")
        for holder in holders:
            holder.send_signal(signal.SIGUSR1)
        rig.wait_until(lambda: all("answered" in h.output() or not h.running() for h in holders), 120, 0.2, "answers")
        self.assertEqual([h.output() for h in holders], [f"all\n{each} answered\n"] * 5)


HOLD = """
import resource, signal, socket, sys
count = int(sys.argv[3])
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
held = [socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) for _ in range(count)]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("all")
signal.sigwait([signal.SIGUSR1])
answered = 0
for n, each in enumerate(held):
    each.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
    answered += each.recv(4096).startswith(b"HTTP/1.1 200")
    each.close()
print(answered, "answered")
"""


class TwoWorkers(Http):
    cores = (0, 1)

    def test_answers_of_servers_reach_the_worker_that_asked(self):
        self.route(objects.http_rule(objects.backend("one", SERVED)))
        text = self.client.run("wrk", "-t", 1, "-c", 64, "-d", 3, f"{URL}/", timeout=60).stdout
        self.assertNotRegex(text, r"Socket errors|Non-2xx")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(lambda _: self.curl(f"{URL}/")[0], range(200))), {200})
        self.assertTrue(all(int(w) for w in self.gateway.workers("terminated")), "one worker did everything")


class Small(Http):
    """A gateway that was told to be small."""
    workers = {"connections": 1024, "requests": 64, "streamMebibytes": 8, "halfOpen": 16}

    @classmethod
    def build(cls):
        super().build()
        cls.route(objects.http_rule(objects.backend("one", SERVED)))

    def refused(self):
        found = re.search(r"^penstock_l7_connections_refused_total (\S+)", self.gateway.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0

    def test_as_many_connections_as_it_has_room_for(self):
        self.assertEqual(self.refused(), 0)
        held = []
        try:
            for _ in range(530):
                with contextlib.suppress(ConnectionResetError):   # refused before the client knows that it is connected
                    held.append(self.connect())
            rig.wait_until(lambda: self.refused() >= 18, 10, what=lambda: f"{self.refused()} connections refused")
            held[0].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")   # who is in is served
            self.assertTrue(held[0].recv(100).startswith(b"HTTP/1.1 200"))
        finally:
            for connection in held:
                connection.close()
        rig.wait_until(lambda: self.client.run("curl", "-sf", f"{URL}/", check=False).returncode == 0, 10, what="room again")

    def test_more_bytes_than_it_has_memory_for(self):
        path = self.lab.dir / "body"
        path.write_bytes(os.urandom(1 << 20) * 30)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        _, _, body = self.curl("--data-binary", f"@{path}", f"{URL}/", timeout=60)
        self.assertEqual(body.split(), [str(30 << 20), digest])

    def test_other_sizes_need_a_restart(self):
        node = self.node()
        node["spec"]["workers"]["connections"] = 2048
        with self.assertRaisesRegex(rig.CliError, "spec.workers: .*restart"):
            self.gateway.apply(node)
        node["spec"]["workers"]["connections"] = 1000
        with self.assertRaisesRegex(rig.CliError, r"spec.workers.connections: 1000 is out of range \(want 1024 to 4194304"):
            self.gateway.apply(node)


if __name__ == "__main__":
    rig.main()
