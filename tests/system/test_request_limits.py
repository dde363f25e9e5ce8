"""Rate limits of requests: curl counts what passes, over two workers that share the buckets."""
import collections
import os
import re
import socket
import socketserver
import threading
import time

import rig
from rig import LAN4, VIP4, WAN4, objects, traffic

PORT = 8080
URL = f"http://{WAN4.format(1)}:{PORT}"
SECOND = WAN4.format(3)
# So few that nothing comes back while a story runs.
TEN = {"requestsPerHour": 10}
RAW, ECHO = 5432, 9000


class Echo(socketserver.BaseRequestHandler):
    """Switches protocols when it is asked for that, and sends back what comes."""

    def handle(self):
        data = self.request.recv(65536)
        if data.startswith(b"GET "):
            while b"\r\n\r\n" not in data:
                data += self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            data = data.partition(b"\r\n\r\n")[2]
        while data := data or self.request.recv(65536):
            self.request.sendall(data)
            data = b""


class RequestLimits(rig.Story):
    servers = 1
    cores = (0, 1)

    @classmethod
    def build(cls):
        super().build()
        cls.client.add_address("eth0", SECOND + "/24")
        cls.start_web(root_bytes=1_000_000)

    def limit(self, *limits):
        """A Gateway whose only route has two rules, and these limits. Each story starts with buckets of its own: limits
        of another name."""
        web = objects.service("web", VIP4, (80, 80))
        rule = lambda name, path: objects.http_rule(objects.backend("web", 80), path=path, name=name, filters=[  # noqa: E731
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}}}])
        self.gateway.replace(
            self.node(), web, objects.endpoints(web, LAN4.format(11)),
            objects.gateway("edge", [WAN4.format(1)], objects.listener("http", PORT)),
            objects.http_route("shop", "edge", rule("api", "/api"), rule("site", "/site"),
                               objects.http_rule(objects.backend("web", 80), path="/big", name="big", filters=[
                                   {"type": "URLRewrite", "urlRewrite": {"path": {
                                       "type": "ReplaceFullPath", "replaceFullPath": "/big"}}}])), *limits)

    def statuses(self, path, count, *words, connections=True):
        """How often each status came, of so many requests with a connection each."""
        close = ["--no-keepalive", "-H", "Connection: close"] if connections else []
        done = self.client.run("curl", "-sS", "--max-time", 20, "-o", "/dev/null", "-w", "%{http_code}\\n", *close,
                               *words, f"{URL}{path}?n=[1-{count}]", timeout=60)
        return collections.Counter(map(int, re.findall(r"(?m)^\d{3}$", done.stdout)))

    def usage(self, name):
        entry = self.gateway.entry("limits", name=f"default/{name}")
        return [int(entry.get(key, 0)) for key in ("passedPackets", "exceededPackets", "shadowRequests")]

    def sample(self, name, verdict):
        at = f'penstock_l7_limit_total{{limit="default/{name}",verdict="{verdict}"}} '
        return next(int(float(line[len(at):])) for line in self.gateway.metrics().splitlines() if line.startswith(at))

    def test_ten_of_forty_over_two_workers(self):
        self.limit(objects.rate_limit("ten", {"httpRoute": {"name": "shop", "sectionName": "api"}}, TEN))
        self.assertEqual(self.statuses("/api", 40), {200: 10, 429: 30})
        self.assertEqual(self.statuses("/site", 20), {200: 20}, "another rule")
        self.assertEqual(self.usage("ten"), [10, 30, 0])
        self.assertEqual([self.sample("ten", v) for v in ("allowed", "limited", "shadow")], [10, 30, 0])
        flags = re.search(r'penstock_l7_response_flags_total{flag="RL"} (\d+)', self.gateway.metrics())
        self.assertGreaterEqual(int(flags.group(1)), 30)
        head = self.client.run("curl", "-sS", "-i", f"{URL}/api").stdout.lower()
        self.assertRegex(head, r"http/1.1 429 [^\0]*retry-after: 3[0-9]{2}\r?\n")
        self.assertIn('ratelimit-policy: "default/ten";q=10;w=3600', head)
        self.assertRegex(head, r'ratelimit: "default/ten";r=0;t=3[56][0-9]{2}')

    def test_each_source_and_each_key_has_its_own(self):
        self.limit(objects.rate_limit("by-source", {"gateway": {"name": "edge"}}, TEN, per="source",
                                      matches=[{"path": {"value": "/site"}}]),
                   objects.rate_limit("by-key", {"httpRoute": {"name": "shop"}}, TEN, burst=5, headers=True,
                                      descriptors=[{"type": "header", "name": "X-Key"}, {"type": "method"}]))
        self.assertEqual(self.statuses("/site", 15), {200: 10, 429: 5})
        self.assertEqual(self.statuses("/site", 15, "--interface", SECOND), {200: 10, 429: 5})
        for key in ("a", "b"):
            self.assertEqual(self.statuses("/api", 10, "-H", f"X-Key: {key}", connections=False), {200: 5, 429: 5})
        self.assertEqual(self.statuses("/api", 10, "-I", "-H", "X-Key: a"), {200: 5, 429: 5}, "another method")
        self.assertEqual(self.statuses("/api", 20), {200: 20}, "without the field")
        head = self.client.run("curl", "-sS", "-i", "-H", "X-Key: c", f"{URL}/api").stdout.lower()
        self.assertIn('ratelimit: "default/by-key";r=4;t=', head)

    def test_shadow_and_then_in_earnest(self):
        quiet = objects.rate_limit("quiet", {"gateway": {"name": "edge", "sectionName": "http"}}, TEN, shadow=True)
        self.limit(quiet)
        self.assertEqual(self.statuses("/api", 30), {200: 30})
        self.assertEqual(self.usage("quiet"), [10, 0, 20])
        self.assertEqual(self.sample("quiet", "shadow"), 20)
        del quiet["spec"]["shadow"]
        self.gateway.apply(quiet)
        self.assertEqual(self.statuses("/api", 5), {429: 5}, "the bucket outlived the change")
        self.assertEqual(self.statuses("/nowhere", 5), {429: 5}, "what no route serves is the Gateway's, too")

    def test_another_rate_while_it_runs(self):
        self.limit(objects.rate_limit("live", {"httpRoute": {"name": "shop"}}, TEN))
        self.assertEqual(self.statuses("/api", 20), {200: 10, 429: 10})
        self.gateway.cli("limits", "set", "live", "--rps", "1000")
        # The bucket is empty, and full again before long; at the old rate that would take minutes.
        rig.wait_until(lambda: self.statuses("/api", 5) == {200: 5}, 20, 0.05, "the new rate")
        self.gateway.cli("limits", "set", "live", "--rph", "2")
        self.assertGreaterEqual(self.statuses("/api", 10)[429], 8)
        self.assertIn("requests/h", self.gateway.cli("limits", "list").stdout)

    def look(self, *patterns, **spec):
        return {"apiVersion": objects.OURS, "kind": "RequestInspection", "metadata": {"name": "look"},
                "spec": {"targetRefs": [{"kind": "HTTPRoute", "name": "shop"}], "patterns": list(patterns), **spec}}

    def test_what_an_inspection_finds_counts_and_nothing_else(self):
        """Patterns of head and content share one limit per source."""
        names = {"action": "limit", "rateLimit": "probes"}
        found = objects.rate_limit("probes", {"findings": {}}, TEN, per="source")
        look = self.look({"name": "sql", "expression": "union\\s+select", "in": ["query", "body"], **names},
                         {"name": "dots", "expression": "\\.\\./", "in": ["query"], **names}, bodyBytes=1000)
        self.limit(found, look)
        self.assertEqual(self.statuses("/api", 20), {200: 20})
        self.assertEqual(self.statuses("/api", 6, "-G", "--data-urlencode", "q=../union select"), {200: 6}, "once a request")
        self.assertEqual(self.statuses("/site", 10, "-d", "q=union+select"), {200: 4, 429: 6})
        self.assertEqual(self.statuses("/site", 12, "-d", "q=union+select", "--interface", SECOND), {200: 10, 429: 2})
        self.assertEqual(self.statuses("/site", 5, "-d", "q=select+union"), {200: 5}, "the rest of the client's requests")
        self.assertEqual(self.usage("probes"), [20, 8, 0])
        head = self.client.run("curl", "-sS", "-i", "-d", "q=union+select", f"{URL}/api").stdout.lower()
        self.assertRegex(head, r"http/1.1 429 [^\0]*retry-after: 3[0-9]{2}\r?\n")
        self.assertRegex(head, r'ratelimit: "default/probes";r=0;t=3[56][0-9]{2}')
        counted = 'penstock_l7_inspection_total{inspection="default/look",pattern="sql",action="limit"} 29'
        self.assertIn(counted, self.gateway.metrics())
        self.assertIn("findings", self.gateway.cli("get", "RateLimit").stdout)
        # What runs changes: another rate, then shadow, then another action.
        self.gateway.cli("limits", "set", "probes", "--rps", "1000")
        rig.wait_until(lambda: self.statuses("/api", 5, "-d", "q=union+select") == {200: 5}, 20, 0.05, "the new rate")
        self.gateway.apply(objects.rate_limit("probes", {"findings": {}}, {"requestsPerHour": 1}, per="source", shadow=True))
        self.assertEqual(self.statuses("/api", 5, "-d", "q=union+select"), {200: 5})
        self.assertGreaterEqual(self.usage("probes")[2], 3)
        refused = self.gateway.cli("delete", "RateLimit", "probes", check=False)
        self.assertIn("spec.patterns[0].rateLimit", refused.stdout + refused.stderr)
        self.assertNotEqual(refused.returncode, 0)
        for pattern in look["spec"]["patterns"]:
            del pattern["rateLimit"]
            pattern["action"] = "deny"
        self.gateway.apply(look)
        self.assertEqual(self.statuses("/api", 3, "-d", "q=union+select"), {403: 3})
        self.gateway.cli("delete", "RateLimit", "probes")

    def test_a_limit_that_is_not_there_or_for_something_else_is_refused_with_its_place(self):
        look = self.look({"name": "a", "expression": "a", "in": ["path"], "action": "limit", "rateLimit": "none"},
                         {"name": "b", "expression": "b", "in": ["path"], "action": "limit", "rateLimit": "other"},
                         {"name": "c", "expression": "c", "in": ["path"], "action": "limit"})
        with self.assertRaises(Exception) as refused:
            self.limit(look, objects.rate_limit("other", {"httpRoute": {"name": "shop"}}, TEN))
        for n in range(3):
            self.assertIn(f"spec.patterns[{n}].rateLimit", str(refused.exception))

    def test_bandwidth_of_tunnels_and_tcp(self):
        """1 MB at 8 Mbit/s takes a second, one way and the other, in a WebSocket and behind a TCP listener."""
        with self.hosts[0].entered():
            server = socketserver.ThreadingTCPServer(("", ECHO), Echo)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        echo = objects.service("echo", VIP4, (ECHO, ECHO))
        data = os.urandom(1_000_000)
        for way, field in (("passed", None), ("up", "requestBitsPerSecond"), ("down", "responseBitsPerSecond")):
            limits = [objects.rate_limit(way, {"gateway": {"name": "edge"}}, {field: 8_000_000})] if field else []
            self.gateway.replace(
                self.node(), echo, objects.endpoints(echo, LAN4.format(11)),
                objects.gateway("edge", [WAN4.format(1)], objects.listener("http", PORT), objects.listener("raw", RAW, "TCP")),
                objects.http_route("shop", "edge", objects.http_rule(objects.backend("echo", ECHO))),
                objects.tcp_route("raw", "edge", objects.backend("echo", ECHO), section="raw"), *limits)
            for port in (PORT, RAW):
                with self.subTest(way=way, port=port):
                    self.there_and_back(port, data, at_least=0.8 if field else 0)
            if field:
                self.assertGreaterEqual(int(self.gateway.entry("limits", name=f"default/{way}")["passedBytes"]), 2 * len(data))

    def there_and_back(self, port, data, at_least):
        with self.client.entered():
            connection = socket.create_connection((WAN4.format(1), port), timeout=60)
        with connection:
            if port == PORT:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1)
                self.assertTrue(head.startswith(b"HTTP/1.1 101"), head)
            began, got = time.monotonic(), bytearray()
            sender = threading.Thread(target=connection.sendall, args=(data,), daemon=True)
            sender.start()
            while len(got) < len(data):
                piece = connection.recv(65536)
                self.assertTrue(piece, len(got))
                got += piece
            sender.join()
            self.assertEqual(got, data)
            self.assertGreaterEqual(time.monotonic() - began, at_least)

    def test_bandwidth_of_answers_and_a_fault(self):
        """2 MB at 8 Mbit/s take two seconds, alone or in two; and a field asks for a reset."""
        fault = {"apiVersion": "penstock.io/v1alpha1", "kind": "Fault", "metadata": {"name": "f"}, "spec": {
            "targetRef": {"kind": "HTTPRoute", "name": "shop"}, "reset": {}, "headers": [{"name": "X-Fault", "value": "reset"}]}}
        self.limit(objects.rate_limit("slow", {"httpRoute": {"name": "shop", "sectionName": "big"}},
                                      {"responseBitsPerSecond": 8_000_000}), fault)
        began = time.monotonic()
        done = self.client.run("curl", "-sS", "-Z", "-o", "/dev/null", "-w", "%{size_download}\\n", "--max-time", 60,
                               f"{URL}/big/?[1-2]", timeout=90)
        took = time.monotonic() - began
        self.assertEqual(done.stdout.split(), ["1000000"] * 2)
        self.assertGreater(took, 1.7)
        self.assertLess(took, 20)
        self.assertGreaterEqual(int(self.gateway.entry("limits", name="default/slow")["passedBytes"]), 2_000_000)
        self.assertEqual(traffic.fetch_status(self.client, f"{URL}/api"), 0)
        done = self.client.run("curl", "-sS", "-H", "X-Fault: reset", f"{URL}/api", check=False)
        self.assertEqual(done.returncode, 56, done.stderr)   # connection reset by peer


if __name__ == "__main__":
    rig.main()
