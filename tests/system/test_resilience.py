"""Endpoints that fail: ejected for their answers, taken out by health checks, saved by retries, ended by the longest time."""
import http.server
import re
import socket
import socketserver
import threading
import time

import rig
from rig import LAN4, WAN4, objects

HERE = WAN4.format(1)
PORT, SERVED = 80, 8080


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what its server is told to, and its name."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        healthy = self.server.healthy
        status = (200 if healthy else 503) if self.path == "/healthz" else self.server.status
        body = self.server.name.encode()
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                while True:
                    self.wfile.write(b"more\n")
                    time.sleep(0.05)
            except OSError:
                return
        time.sleep(self.server.delay)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, host):
        with host.entered():
            super().__init__(("0.0.0.0", SERVED), Handler)
        self.name, self.status, self.healthy, self.delay = host.role, 200, True, 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        host.lab.at_close(self.end)

    def handle_error(self, *_):
        pass

    def end(self):
        self.shutdown()
        self.server_close()


class Failing(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.running = [Server(host) for host in cls.hosts]

    def setUp(self):
        for server in self.running:
            server.status, server.healthy, server.delay = 200, True, 0

    def tearDown(self):
        rig.wait_until(lambda: self.gateway.balance() == 0, 10, what=lambda: "packets that are nowhere")

    def serve(self, rule=None, **policy):
        """A route to both servers, by a Service without any virtual address."""
        made = objects.service("both", [], (SERVED, SERVED))
        self.gateway.replace(
            self.node(), made, *objects.endpoints(made, LAN4.format(11), LAN4.format(12)),
            objects.service_policy("both", **policy), objects.gateway("edge", [HERE], objects.listener("web", PORT)),
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("both", SERVED), **(rule or {}))))

    def ask(self, times=20, *words):
        """[(status, server)] of requests one after the other."""
        text = self.client.run("curl", "-sS", "--max-time", 20, "-w", " %{http_code}\n", *words,
                               f"http://{HERE}/?[1-{times}]", timeout=60).stdout
        answers = [(int(line.split()[1]), line.split()[0]) for line in text.splitlines()]
        self.assertEqual(len(answers), times)
        return answers

    def metric(self, name, **labels):
        """The sum of a metric's samples with those labels."""
        total = 0.0
        for line in self.gateway.metrics().splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                if all(f'{k}="{v}"' in line for k, v in labels.items()):
                    total += float(line.rsplit(" ", 1)[1])
        return total


class Resilience(Failing):

    def test_a_slow_try_goes_on_beside_the_next(self):
        """Hedged: one slow endpoint costs the time of a try; two slow ones no more than the faster of them."""
        self.serve(retry={"attempts": 1, "backoff": "1ms", "retryOn": ["reset"], "perTryTimeout": "200ms",
                          "hedgeOnPerTryTimeout": True})
        self.running[0].delay = 3
        self.assertEqual(self.ask(4), [(200, "s2")] * 4)
        hedges = self.metric("penstock_l7_hedges_total")
        self.assertGreaterEqual(hedges, 1)
        self.assertEqual(self.metric("penstock_l7_hedges_won_total"), 0)
        for server in self.running:
            server.delay = 0.3   # longer than a try: the first of two answers before the second
        self.assertEqual([status for status, _ in self.ask(3)], [200] * 3)
        self.assertEqual(self.metric("penstock_l7_hedges_won_total"), 3)

    def test_an_endpoint_that_answers_500_is_ejected_and_comes_back(self):
        self.serve(outlierDetection={"consecutive5xxErrors": 3, "baseEjectionTime": "6s", "interval": "1s", "maxEjectionPercent": 50})
        self.running[0].status = 500
        answers = self.ask(40)
        self.assertEqual(answers.count((500, "s1")), 3, answers)
        self.assertEqual(answers.count((200, "s2")), 37, answers)
        at = f"{LAN4.format(11)}:{SERVED}"
        self.assertEqual(self.metric("penstock_l7_ejections_total", endpoint=at, reason="consecutive_5xx"), 1)
        self.assertEqual(self.metric("penstock_l7_ejected", endpoint=at), 1)
        self.running[0].status = 200
        rig.wait_until(lambda: self.metric("penstock_l7_ejected", endpoint=at) == 0, 20, what="the ejection's end")
        self.assertEqual({server for _, server in self.ask(10)}, {"s1", "s2"})

    def test_a_health_check_of_a_service_that_only_routes_name(self):
        self.serve(healthCheck={"http": {"path": "/healthz"}, "interval": "100ms", "timeout": "90ms", "rise": 2, "fall": 2})
        known = lambda: sorted(h.get("up", False) for h in self.gateway.stats().get("health", []) if h.get("known"))   # noqa: E731
        rig.wait_until(lambda: known() == [True, True], 20, what=lambda: f"health of both: {known()}")
        self.assertEqual({server for _, server in self.ask(10)}, {"s1", "s2"})
        self.running[0].healthy = False
        rig.wait_until(lambda: known() == [False, True], 20, what=lambda: f"one that is ill: {known()}")
        rig.wait_until(lambda: set(self.ask(6)) == {(200, "s2")}, 10, what="requests at the other one")
        self.assertEqual(set(self.ask(20)), {(200, "s2")})
        self.running[0].healthy = True
        rig.wait_until(lambda: known() == [True, True], 20, what=lambda: f"health of both: {known()}")
        rig.wait_until(lambda: {server for _, server in self.ask(6)} == {"s1", "s2"}, 10, what="requests at both")

    def test_retries_by_the_services_conditions_within_a_budget(self):
        self.serve(retry={"attempts": 1, "backoff": "1ms", "retryOn": ["gateway-error"]})
        self.running[0].status = 503
        self.assertEqual(set(self.ask(10)), {(200, "s2")})
        self.assertEqual({status for status, _ in self.ask(10, "-X", "POST")}, {200, 503})   # not idempotent
        self.serve(retry={"attempts": 1, "backoff": "1ms", "retryOn": ["gateway-error"]},
                   retryBudget={"budget": {"percent": 10, "interval": "1h"}, "minRetryRate": {"count": 0}})
        before = self.metric("penstock_l7_retries_over_budget_total")
        statuses = [status for status, _ in self.ask(40)]
        self.assertGreater(statuses.count(503), 10)
        self.assertEqual(statuses.count(503), self.metric("penstock_l7_retries_over_budget_total") - before)

    def test_the_longest_time(self):
        self.serve(maxStreamDuration="1s")
        with self.client.entered():
            connection = socket.create_connection((HERE, PORT), timeout=20)
        with connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            text = b""
            try:
                while piece := connection.recv(65536):
                    text += piece
            except ConnectionResetError:
                pass
        self.assertRegex(text, rb"^HTTP/1.1 200")
        self.assertEqual(self.metric("penstock_l7_response_flags_total", flag="UMSDR"), 1)

    def test_what_is_wrong_is_said(self):
        with self.assertRaises(rig.CliError) as refused:
            self.serve(retry={"retryOn": ["refused-stream"]}, outlierDetection={"maxEjectionPercent": 101})
        self.assertRegex(str(refused.exception), re.escape("spec.retry.retryOn[0]"))


class TwoWorkers(Failing):
    """What one worker sees counts for both."""
    cores = (0, 1)

    def ask_apart(self, times):
        """Each request on a connection of its own, so that both workers have some."""
        return self.ask(times, "-H", "Connection: close")

    def test_a_run_of_failures_is_counted_over_both_and_ejects_for_both(self):
        rules = {"consecutive5xxErrors": 5, "baseEjectionTime": "15s", "interval": "1s", "maxEjectionPercent": 50}
        self.serve(outlierDetection=rules)
        self.running[0].status = 500
        answers = self.ask_apart(60)
        self.assertTrue(all(int(w) for w in self.gateway.workers("terminated")), "one worker did everything")
        self.assertEqual((answers.count((500, "s1")), answers.count((200, "s2"))), (5, 55), answers)
        at = f"{LAN4.format(11)}:{SERVED}"
        self.assertEqual(self.metric("penstock_l7_ejections_total", endpoint=at, reason="consecutive_5xx"), 1)
        self.assertEqual(self.metric("penstock_l7_ejected", endpoint=at), 1)
        self.serve(outlierDetection=rules, connectionPool={"maxConnections": 100})   # a change does not end it
        self.assertEqual({server for _, server in self.ask_apart(20)}, {"s2"})
        self.running[0].status = 200
        rig.wait_until(lambda: self.metric("penstock_l7_ejected", endpoint=at) == 0, 40, what="the ejection's end")
        self.assertEqual({server for _, server in self.ask_apart(20)}, {"s1", "s2"})


if __name__ == "__main__":
    rig.main()
