"""ListenerPolicy and DirectResponse: the PROXY protocol in and out, answers of the gateway's own, maintenance."""
import socket
import threading

import rig
from rig import LAN4, VIP4, WAN4, objects
from rig.objects import listener_policy as policy

PORT = 8080
HERE = WAN4.format(1)


class FirstBytes:
    """A server that answers with what its connection began with."""

    def __init__(self, host, port):
        with host.entered():
            self.socket = socket.create_server(("", port))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                seen = b""
                while b"\r\n\r\n" not in seen:
                    piece = connection.recv(4096)
                    if not piece:
                        break
                    seen += piece
                body = seen.split(b"\r\n")[0]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class ListenerPolicy(rig.Story):
    servers = 1

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        cls.first_bytes = FirstBytes(cls.hosts[0], 7001)
        cls.lab.at_close(cls.first_bytes.close)
        web, seen = objects.service("web", VIP4, (80, 80)), objects.service("seen", "203.0.113.99", (7001, 7001))
        cls.objects = [
            cls.node(), web, objects.endpoints(web, LAN4.format(11)), seen, objects.endpoints(seen, LAN4.format(11)),
            objects.service_policy("seen", proxyProtocol="v1"),
            objects.gateway("edge", [HERE], objects.listener("http", PORT)),
            {"apiVersion": objects.OURS, "kind": "DirectResponse", "metadata": {"name": "teapot"},
             "spec": {"status": 418, "contentType": "text/plain", "body": "short and stout"}},
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("web", 80), path="/shop"),
                               objects.http_rule(objects.backend("seen", 7001), path="/seen"),
                               objects.http_rule(path="/tea", filters=[{"type": "ExtensionRef", "extensionRef": {
                                   "group": "penstock.io", "kind": "DirectResponse", "name": "teapot"}}]))]

    def setUp(self):
        self.gateway.replace(*self.objects)

    def fetch(self, path, *extra):
        """Status, content type, Retry-After and body."""
        done = self.client.run("curl", "-sS", "--max-time", 20, "-w", "\n%{http_code}|%{content_type}|%header{retry-after}",
                               *extra, f"http://{HERE}:{PORT}{path}", check=False)
        body, _, rest = done.stdout.rpartition("\n")
        return [*rest.split("|"), body]

    def test_direct_response(self):
        self.assertEqual(self.fetch("/tea"), ["418", "text/plain", "", "short and stout"])
        refused = self.gateway.cli("delete", "DirectResponse", "teapot", check=False)
        self.assertIn("there is no DirectResponse/default/teapot", refused.stderr + refused.stdout)

    def test_maintenance_and_local_replies(self):
        self.gateway.apply(policy(localReplies=[{"statuses": [404], "contentType": "text/plain", "body": "not here"}]))
        self.assertEqual(self.fetch("/nowhere"), ["404", "text/plain", "", "not here"])
        closed = {"retryAfter": "2m", "contentType": "text/plain", "body": "closed"}
        self.gateway.apply(policy(maintenance=closed))
        self.assertEqual(self.fetch("/shop"), ["503", "text/plain", "120", "closed"])
        self.gateway.apply(policy(maintenance={**closed, "except": [WAN4.format(0) + "/24"]}))
        self.assertEqual(self.fetch("/shop")[0], "200")
        self.gateway.cli("delete", "ListenerPolicy", "edge")
        self.assertEqual(self.fetch("/nowhere"), ["404", "", "", ""])

    def test_paths_and_limits(self):
        self.assertEqual(self.fetch("/nowhere/..%2fshop", "--path-as-is")[0], "404")
        self.gateway.apply(policy(path={"escapedSlashesAction": "UnescapeAndForward", "mergeSlashes": True}))
        self.assertEqual(self.fetch("/nowhere/..%2f/shop", "--path-as-is")[0], "200")
        self.gateway.apply(policy(path={"escapedSlashesAction": "RejectRequest"}))
        self.assertEqual(self.fetch("/shop%2f")[0], "400")
        self.assertRegex(self.gateway.metrics(), r'reason="escaped_slash"[^\n]* 1')
        self.gateway.apply(policy(limits={"targetBytes": 64, "headerBytes": 1024, "headerCount": 5, "bodyBytes": 10}))
        self.assertEqual(self.fetch("/shop")[0], "200")
        self.assertEqual(self.fetch("/shop?" + 64 * "q")[0], "414")
        self.assertEqual(self.fetch("/shop", *(word for i in range(5) for word in ("-H", f"X-{i}: y")))[0], "431")
        self.assertEqual(self.fetch("/shop", "-H", "X-Long: " + 1024 * "y")[0], "431")
        self.assertEqual(self.fetch("/shop", "-d", 11 * "x")[0], "413")

    def test_proxy_protocol(self):
        own = self.fetch("/seen")[3].split()
        self.assertEqual(own[:4], ["PROXY", "TCP4", WAN4.format(2), HERE])
        self.gateway.apply(policy(proxyProtocol={"sources": [WAN4.format(2)]}))
        self.assertEqual(self.fetch("/shop")[0], "000", "no header")
        self.assertEqual(self.fetch("/shop", "--haproxy-protocol")[0], "200")
        said = self.fetch("/seen", "--haproxy-protocol")[3].split()
        self.assertEqual(said[:4], own[:4])
        self.assertRegex(self.gateway.metrics(), r'penstock_l7_refused_proxy_headers_total\{reason="no_signature"\} 1')
        self.gateway.apply(policy(proxyProtocol={"sources": ["192.0.2.0/24"]}))
        self.assertEqual(self.fetch("/shop")[0], "200", "others are taken as they are")

    def test_bad_ones_are_named(self):
        for spec, why in (
                          ({"timeouts": {"header": "1ms"}}, "spec.timeouts.header: is out of range (want 100ms to 1h)"),
                          ({"localReplies": [{"statuses": [200]}]}, "spec.localReplies[0].statuses[0]: 200 is out of range"),
                          ({"maintenance": {"body": "x", "status": 204}}, "spec.maintenance.body: an answer with status 204 has none"),
                          ({"limits": {"headerBytes": 61441}}, "spec.limits.headerBytes: 61441 is out of range (want 1024 to 61440)"),
                          ({"forwarding": {"trustedHops": 17}}, "spec.forwarding.trustedHops: 17 is out of range")):
            with self.assertRaises(rig.CliError) as raised:
                self.gateway.apply(policy(**spec))
            self.assertIn(why, str(raised.exception))
        with self.assertRaises(rig.CliError) as raised:
            self.gateway.apply(policy(section="https"))
        self.assertIn("Gateway/default/edge has no such listener", str(raised.exception))


if __name__ == "__main__":
    rig.main()
