"""The access log and the metrics of requests: a line for each request in both formats, rotation at SIGHUP and by size, a
disk that is full, and the same numbers on the Prometheus page."""
import json
import re
import socket

import rig
from rig import LAN4, VIP4, WAN4, objects

PORT = 8080
HERE = WAN4.format(1)
TEXT = ('%START_TIME% "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_SENT% '
        '%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %ROUTE_NAME% %REQ(:AUTHORITY)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%')


class AccessLogStory(rig.Story):
    servers = 1
    start_gateway = False
    options = ()

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        cls.log = cls.lab.dir / "access.log"
        cls.gateway.start("--access-log", cls.log, *cls.options)
        web = objects.service("web", VIP4, (80, 80))
        dead = objects.service("dead", "203.0.113.99", (7999, 7999))   # nothing listens there
        cls.gateway.replace(
            cls.node(), web, objects.endpoints(web, LAN4.format(11)), dead, objects.endpoints(dead, LAN4.format(11)),
            objects.gateway("edge", [HERE], objects.listener("http", PORT)),
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("web", 80), path="/shop"),
                               objects.http_rule(objects.backend("dead", 7999), path="/dead")),
            objects.http_route("other", "edge", objects.http_rule(objects.backend("web", 80), path="/other")))

    def fetch(self, path, *extra):
        """The status, and the bytes of the body."""
        done = self.client.run("curl", "-sS", "-g", "--path-as-is", "--max-time", 20, "-o", "/dev/null",
                               "-w", "%{http_code} %{size_download}", *extra, f"http://{HERE}:{PORT}{path}")
        return tuple(map(int, done.stdout.split()))

    def lines(self, count, path=None):
        """The lines of the log, as soon as there are so many."""
        path = path or self.log
        read = lambda: path.read_text().splitlines() if path.exists() else []   # noqa: E731
        rig.wait_until(lambda: len(read()) >= count, 20, what=lambda: f"{count} lines in {read()}")
        return read()

    def value(self, pattern):
        values = [float(line.rsplit(" ", 1)[1]) for line in self.gateway.metrics().splitlines()
                  if not line.startswith("#") and re.search(pattern, line)]
        self.assertTrue(values, f"no sample like {pattern}")
        return sum(values)


class Json(AccessLogStory):

    def test_1_each_request_is_an_object(self):
        status, size = self.fetch("/shop/cart?x=1", "-H", "X-Request-Id: of-mine", "-H", "Host: shop.example", "-d", "12345")
        self.assertEqual(status, 200)
        self.assertEqual(self.fetch("/nowhere")[0], 404)
        self.assertEqual(self.fetch("/dead")[0], 503)
        first, second, third = map(json.loads, self.lines(3))
        want = {"method": "POST", "authority": "shop.example", "path": "/shop/cart", "protocol": "HTTP/1.1",
                "response_code": 200, "response_flags": None, "bytes_received": 5, "bytes_sent": size,
                "listener": "Gateway/default/edge/http", "route_name": "default/shop", "rule": 0,
                "upstream_cluster": "Service/default/web:80", "upstream_host": f"{LAN4.format(11)}:80",
                "upstream_request_attempt_count": 1}
        self.assertEqual({key: first[key] for key in want}, want)
        self.assertRegex(first["start_time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ$")
        self.assertRegex(first["downstream_remote_address"], "^" + re.escape(WAN4.format(2)) + r":\d+$")
        self.assertGreaterEqual(first["duration_ms"], first["request_duration_ms"])
        self.assertTrue(first["request_id"])
        self.assertEqual((second["response_code"], second["response_flags"], second["route_name"]), (404, "NR", None))
        self.assertEqual((third["response_code"], third["route_name"], third["rule"]), (503, "default/shop", 1))
        self.assertIn("UF", third["response_flags"])

    def test_2_the_page_says_the_same(self):
        before = [self.value(rf'^penstock_l7_{what}_requests_total{{.*{label}.*class="2xx"')
                  for what, label in (("listener", "edge/http"), ("route", "default/other"), ("service", "default/web:80"),
                                      ("endpoint", f"{LAN4.format(11)}:80"))]
        shop = self.value(r'^penstock_l7_route_requests_total{.*default/shop.*class="2xx"')
        sent = self.value(r'^penstock_l7_route_bytes_total{.*default/other.*direction="sent"')
        durations = self.value(r"^penstock_l7_request_duration_seconds_count")
        lines = len(self.lines(0))
        size = sum(self.fetch("/other")[1] for _ in range(7))
        logged = [json.loads(line) for line in self.lines(lines + 7)[lines:]]
        self.assertEqual([each["route_name"] for each in logged], ["default/other"] * 7)
        after = [self.value(rf'^penstock_l7_{what}_requests_total{{.*{label}.*class="2xx"')
                 for what, label in (("listener", "edge/http"), ("route", "default/other"), ("service", "default/web:80"),
                                     ("endpoint", f"{LAN4.format(11)}:80"))]
        self.assertEqual([b - a for a, b in zip(before, after)], [7] * 4)
        self.assertEqual(self.value(r'^penstock_l7_route_requests_total{.*default/shop.*class="2xx"'), shop)
        self.assertEqual(self.value(r'^penstock_l7_route_bytes_total{.*default/other.*direction="sent"') - sent, size)
        self.assertEqual(self.value(r"^penstock_l7_request_duration_seconds_count") - durations, 7)
        self.assertEqual(self.value(r"^penstock_l7_exchanges_total"), lines + 7)
        stats = self.gateway.json("stats", "requests")["requests"]
        self.assertEqual({each["name"]: int(each["success"]) for each in stats["routes"]}["default/other"], after[1])
        self.assertEqual(sum(int(each.get("success", 0)) for each in stats["endpoints"]), after[3])
        self.assertRegex(self.gateway.cli("stats", "requests").stdout, r"default/other +\d+ ")
        self.assertIn("ROUTE", self.gateway.cli("top", "--once", "--interval", "200ms").stdout)
        self.assertEqual(self.value(r"^penstock_access_log_lines_total"), lines + 7)
        self.assertEqual(self.value(r"^penstock_l7_log_lost_total") + self.value(r"^penstock_access_log_lost_total"), 0)
        rig.wait_until(lambda: self.value(r'^penstock_tcp_listener_events_total{event="accepted"}')
                       == self.value(r"^penstock_l7_connections_accepted_total"), 10, what="TCP's count of connections")
        self.assertGreater(self.value(r'^penstock_tcp_events_total{event="segments_in"}'), 0)

    def test_3_what_is_no_http_is_counted_by_reason(self):
        lines = len(self.lines(0))
        with self.client.entered():
            connection = socket.socket()
        with connection:
            connection.settimeout(20)
            connection.connect((HERE, PORT))
            connection.sendall(b"GET /\x00\xff\"\\ HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b" 400 ", connection.recv(4096))
        said = json.loads(self.lines(lines + 1)[-1])
        self.assertEqual((said["response_code"], said["response_flags"]), (400, "DPE"))
        self.assertEqual(self.value(rf'^penstock_l7_refused_messages_total{{reason="{said["refusal"]}"}}'), 1)
        self.assertEqual(self.value(r'^penstock_l7_response_flags_total{flag="DPE"}'), 1)

    def test_4_promtool_accepts_the_page(self):
        path = self.lab.dir / "metrics"
        path.write_text(self.gateway.metrics())
        done = rig.run("sh", "-c", f"promtool check metrics <{path}", check=False)
        self.assertEqual((done.returncode, done.stderr.strip()), (0, ""))

    def test_5_a_removed_route_takes_its_series_along_and_a_new_one_begins_at_zero(self):
        self.fetch("/other")
        self.gateway.cli("delete", "HTTPRoute", "other")
        self.assertNotIn('route="default/other"', self.gateway.metrics())
        self.gateway.apply(objects.http_route("later", "edge", objects.http_rule(objects.backend("web", 80), path="/later")))
        self.assertEqual(self.value(r'^penstock_l7_route_requests_total{.*default/later.*class="2xx"'), 0)
        self.assertEqual(self.fetch("/later")[0], 200)
        self.assertEqual(self.value(r'^penstock_l7_route_requests_total{.*default/later.*class="2xx"'), 1)

    def read(self, *options):
        """`penstock accesslog` in the background; ends by its own bound."""
        return self.lab.start("accesslog", *self.gateway.command("accesslog", *options))

    def test_6_lines_are_streamed_too(self):
        self.assertIn("NONSENSE", self.gateway.cli("accesslog", "--format", "%NONSENSE%", check=False).stderr)
        every = self.read("-n", "3", "--timeout", "60s")
        errors = self.read("--minimum-status", "400", "-n", "1", "--format", "%REQ(:PATH)% %RESPONSE_CODE%")
        sampled = self.read("--sample", "1000000", "--timeout", "3s", "--format", "%REQ(:PATH)%")

        def ended():   # asked for again and again: readers begin at a moment of their own
            self.fetch("/shop/1")
            self.fetch("/nowhere")
            return not (every.running() or errors.running() or sampled.running())
        rig.wait_until(ended, 60, 0.05, "three readers")
        self.assertEqual([each.wait() for each in (every, errors, sampled)], [0, 0, 0])
        paths = [json.loads(line)["path"] for line in every.log.read_text().splitlines()]
        self.assertEqual((len(paths), set(paths)), (3, {"/nowhere", "/shop/1"}))
        self.assertEqual(errors.log.read_text(), "/nowhere 404\n")
        self.assertEqual(len(sampled.log.read_text().splitlines()), 1)


class Text(AccessLogStory):
    options = ("--access-log-format", TEXT)

    def test_rotation_at_sighup(self):
        status, size = self.fetch("/shop")
        self.assertEqual(status, 200)
        line = self.lines(1)[0]
        self.assertRegex(line, r"^20\S+Z " + re.escape(
            f'"GET /shop HTTP/1.1" 200 - {size} {LAN4.format(11)}:80 Service/default/web:80 default/shop {HERE} '
            f'{WAN4.format(2)}') + "$")
        older = self.log.with_suffix(".older")
        self.log.rename(older)
        self.gateway.hang_up()
        rig.wait_until(self.log.exists, 10, what="a new file")
        self.fetch("/shop/second")
        self.assertIn("/shop/second", self.lines(1)[0])
        self.assertEqual(older.read_text().splitlines(), [line])


class Bounds(AccessLogStory):
    options = ("--access-log-max-mb", 1, "--access-log-format", "%REQ(:PATH)% " + "x" * 4000, "--access-log-sample", 2)

    def test_every_second_request_and_one_older_file(self):
        urls = [f"http://{HERE}:{PORT}/shop/{n}" for n in range(600)]
        for at in range(0, len(urls), 100):
            self.client.run("curl", "-sS", "-o", "/dev/null", "--max-time", 60, *sum(([u, "-o", "/dev/null"] for u in urls[at:at + 100]), [])[:-2])
        older = self.log.with_name(self.log.name + ".1")
        rig.wait_until(lambda: self.value("^penstock_access_log_lines_total") == 300, 20, what="300 lines")
        numbers = [int(line.split()[0].rsplit("/", 1)[1]) for path in (older, self.log) for line in path.read_text().splitlines()]
        self.assertEqual(numbers, list(range(0, 600, 2)))
        self.assertEqual(sorted(p.name for p in self.lab.dir.glob("access.log*")), ["access.log", "access.log.1"])
        self.assertLessEqual(older.stat().st_size, 1 << 20)


class FullDisk(AccessLogStory):
    """The file is a device that is always full."""

    @classmethod
    def build(cls):
        cls.options = ()
        super().build()
        cls.gateway.stop()
        cls.gateway.start("--access-log", "/dev/full")

    def test_lines_are_lost_with_a_count_and_said_once(self):
        for _ in range(5):
            self.assertEqual(self.fetch("/shop")[0], 200)
        rig.wait_until(lambda: self.value("^penstock_access_log_lost_total") == 5, 20, what="five lost lines")
        self.assertEqual(self.gateway.process.tail(1000).count("access log cannot be written"), 1)


class Refused(AccessLogStory):

    @classmethod
    def build(cls):
        super(AccessLogStory, cls).build()

    def test_bad_options_are_named(self):
        for options, why in ((("--access-log-format", "%NO%"), 'character 1: unknown operator "NO"'),
                             (("--access-log", "/no/such/folder/x"), "/no/such/folder/x: No such file or directory")):
            process = self.gateway.launch(*options)
            self.assertNotEqual(process.wait(), 0)
            self.assertIn(why, process.tail())


if __name__ == "__main__":
    rig.main()
