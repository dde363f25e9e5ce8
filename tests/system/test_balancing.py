"""Which endpoint serves a request, and how many at a time: sessions, hashes, pools, zones, subsets; as users write them."""
import concurrent.futures
import json
import secrets

import rig
from rig import LAN4, objects
import test_http
from test_http import HERE4, SERVED, URL, Http


class Endpoints(Http):
    servers = 3

    @classmethod
    def web(cls, *numbers, zones=None, **policy):
        made = cls.service("web", *numbers)
        if zones:
            for endpoint, zone in zip(made[1]["endpoints"], zones):
                endpoint["zone"] = zone
        return [*made, objects.service_policy("web", **policy)]


class Balancing(Endpoints):

    def apply(self, services, zone=None, **rule):
        self.gateway.replace(type(self).node(**({"zone": zone} if zone else {})), *services,
                             objects.gateway("edge", [HERE4], objects.listener("web", 80)),
                             objects.http_route("shop", "edge", objects.http_rule(objects.backend("web", SERVED), **rule)))

    def server(self, *words):
        return self.seen(f"{URL}/", *words)["server"]

    def counter(self, name):
        for line in self.gateway.metrics().splitlines():
            if line.startswith(f"penstock_l7_{name}_total"):
                return float(line.split()[-1])
        self.fail(f"no counter {name}")

    def test_a_cookie_keeps_a_client_at_its_endpoint_across_changes(self):
        session = {"sessionPersistence": {"sessionName": "id", "type": "Cookie"}}
        self.apply(self.web(1, 2, 3), **session)
        _, headers, body = self.curl(f"{URL}/")
        name, _, token = headers["set-cookie"].split(";")[0].partition("=")
        self.assertEqual((name, len(token)), ("id", 80))
        first = json.loads(body)["server"]
        cookie = ("-H", f"Cookie: id={token}")
        self.assertEqual({self.server(*cookie) for _ in range(6)}, {first})
        self.assertEqual(len({self.server() for _ in range(3)}), 3)   # others take turns
        self.apply(self.web(1, 2, 3, connectionPool={"maxConnections": 100}), path="/", **session)
        self.assertEqual({self.server(*cookie) for _ in range(6)}, {first})
        # Its endpoint goes: another one, and another cookie.
        others = [n for n in (1, 2, 3) if f"s{n}" != first]
        self.apply(self.web(*others), **session)
        _, headers, body = self.curl(f"{URL}/", *cookie)
        moved = json.loads(body)["server"]
        self.assertNotEqual(moved, first)
        cookie = ("-H", f"Cookie: {headers['set-cookie'].split(';')[0]}")
        self.assertEqual({self.server(*cookie) for _ in range(4)}, {moved})

    def test_a_header_leads_to_the_same_endpoint(self):
        policy = {"loadBalancer": {"consistentHash": {"keys": [{"httpHeaderName": "X-User"}], "maglev": {}}}}
        self.apply(self.web(1, 2, 3, **policy))
        users = [f"user-{n}" for n in range(12)]
        at = {user: self.server("-H", f"x-user: {user}") for user in users}
        self.assertGreater(len(set(at.values())), 1)
        for user in users[:6]:
            self.assertEqual(self.server("-H", f"X-User: {user}"), at[user])
        self.apply(self.web(1, 2, **policy))
        now = {user: self.server("-H", f"x-user: {user}") for user in users}
        stayed = [user for user in users if at[user] != "s3"]
        self.assertGreaterEqual(sum(now[user] == at[user] for user in stayed), len(stayed) - 2)
        self.assertNotIn("s3", now.values())

    def test_a_pool_bounds_what_is_under_way(self):
        self.apply(self.web(1, connectionPool={"maxConnections": 1, "maxPendingRequests": 0}))
        before = self.counter("pool_overflows")
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            answers = sorted(pool.map(lambda _: self.curl(f"{URL}/slow")[0], range(3)))
        self.assertEqual(answers, [200, 503, 503])
        self.assertEqual(self.counter("pool_overflows") - before, 2)
        self.assertEqual(self.curl(f"{URL}/")[0], 200)

    def test_the_own_zone_serves_until_it_cannot(self):
        policy = {"loadBalancer": {"simple": "RANDOM", "localityLbSetting": {"enabled": True}}}
        services = self.web(1, 2, 3, zones=["a", "b", "b"], **policy)
        self.apply(services, zone="a")
        self.assertEqual({self.server() for _ in range(8)}, {"s1"})
        before = self.counter("failover_picks")
        self.apply(self.web(2, 3, zones=["b", "b"], **policy), zone="a")
        self.assertEqual({self.server() for _ in range(12)}, {"s2", "s3"})
        self.assertEqual(self.counter("failover_picks") - before, 12)
        with self.assertRaisesRegex(rig.CliError, "spec.loadBalancer.localityLbSetting.enabled: Node/gateway says no"):
            self.apply(services)


class Subsets(Http):
    """Parts of a Service by labels: s1 and s2 are version v1, s3 is v2, unless a story says otherwise."""
    servers = 3

    def workload(self, n, version):
        return objects.workload(f"s{n}", f"spiffe://example.org/s{n}", "lan", LAN4.format(10 + n), labels={"version": version})

    def apply(self, *rules, versions=("v1", "v1", "v2"), extra=(), **subset):
        self.gateway.replace(
            self.node(), *self.service("web", 1, 2, 3), *[self.workload(n, version) for n, version in enumerate(versions, 1)],
            *[objects.service_subset(v, "web", {"version": v}, **subset) for v in ("v1", "v2")],
            objects.gateway("edge", [HERE4], objects.listener("web", 80)), objects.http_route("shop", "edge", *rules), *extra)

    @staticmethod
    def split(v1, v2, **fields):
        return objects.http_rule(objects.subset_backend("v1", SERVED, weight=v1), objects.subset_backend("v2", SERVED, weight=v2), **fields)

    def server(self, *words):
        return self.seen(f"{URL}/", *words)["server"]

    def value(self, name, **labels):
        for line in self.gateway.metrics().splitlines():
            if line.startswith(f"penstock_l7_{name}{{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.split()[-1])
        return 0.0

    def conditions(self, name):
        status = self.gateway.json("get", "ServiceSubset", name)["status"]
        return status.get("endpoints", 0), {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}

    def test_a_canary_by_weight_header_and_session(self):
        session = {"sessionPersistence": {"sessionName": "id", "type": "Cookie"}}
        by_header = {"matches": [{"headers": [{"name": "x-canary", "value": "yes"}]}]}
        self.apply(objects.http_rule(objects.subset_backend("v2", SERVED), **by_header), self.split(3, 1, **session))
        self.assertEqual({self.server("-H", "x-canary: yes") for _ in range(4)}, {"s3"})
        at = [self.server() for _ in range(60)]
        self.assertEqual(set(at), {"s1", "s2", "s3"})
        self.assertTrue(3 <= at.count("s3") <= 30, at)
        # A session stays in its subset when the canary is taken out, and nobody new gets there.
        headers = {}
        while "s3" not in headers:
            _, answer, body = self.curl(f"{URL}/")
            headers[json.loads(body)["server"]] = f"Cookie: {answer['set-cookie'].split(';')[0]}"
        self.apply(self.split(1, 0, **session))
        self.assertEqual({self.server("-H", headers["s3"]) for _ in range(4)}, {"s3"})
        self.assertNotIn("s3", {self.server() for _ in range(10)})

    def test_its_name_is_told(self):
        self.apply(self.split(0, 1))
        before = self.value("service_requests_total", service=f"ServiceSubset/default/v2:{SERVED}", **{"class": "2xx"})
        reader = self.lab.start("lines", *self.gateway.command("accesslog", "-n", "1", "--format", "%UPSTREAM_CLUSTER% %UPSTREAM_HOST%"))
        asked = 0

        def ended():   # the reader begins at a moment of its own
            nonlocal asked
            asked += 1
            self.server()
            return not reader.running()
        rig.wait_until(ended, 30, 0.05, "a line")
        self.assertEqual(reader.log.read_text().strip(), f"ServiceSubset/default/v2:{SERVED} {LAN4.format(13)}:{SERVED}")
        self.assertEqual(self.value("service_requests_total", service=f"ServiceSubset/default/v2:{SERVED}", **{"class": "2xx"}) - before,
                         asked)
        self.assertEqual(self.conditions("v1"), (2, {"ResolvedRefs": ("True", "ResolvedRefs"), "Ready": ("True", "Ready")}))
        self.assertIn("of web: version=v2; 1 of 1 endpoint ready", self.gateway.cli("get", "ServiceSubset").stdout)
        self.assertIn("ANY_ENDPOINT", self.gateway.cli("explain", "ServiceSubset.spec").stdout)

    def test_labels_endpoints_and_weights_change_under_load(self):
        self.apply(self.split(1, 1))
        turns = [("v1", "v1", "v2"), ("v1", "v2", "v2"), ("v2", "v1", "v1"), ("v2", "v2", "v1")]
        made = self.service("web", 1, 2, 3)[0]
        with test_http.Changes.Load(self) as load:
            for n in range(40):
                versions = turns[n % 4]
                self.gateway.apply([self.workload(i, v) for i, v in enumerate(versions, 1)])
                if n % 5 == 0:
                    self.apply(self.split(1 + n % 3, 1), versions=versions)
                if n % 8 == 4:   # of two with the same label one is drained and comes back
                    alike = next(i for i in (1, 2, 3) if versions.count(versions[i - 1]) == 2)
                    every = [LAN4.format(10 + i) for i in (1, 2, 3)]
                    self.gateway.apply(objects.endpoints(made, *every, draining=[LAN4.format(10 + alike)]))
                    self.gateway.apply(objects.endpoints(made, *every))
        self.assertEqual(load.failed, [])
        self.assertGreater(load.done, 100)
        self.assertEqual(set(load.servers), {"s1", "s2", "s3"})

    def test_one_without_endpoints_is_told_and_may_fall_back(self):
        self.apply(objects.http_rule(objects.subset_backend("v2", SERVED)), versions=("v1", "v1", "v1"))
        before = self.value("response_flags_total", flag="UH")
        self.assertEqual(self.curl(f"{URL}/")[0], 503)
        self.assertEqual(self.value("response_flags_total", flag="UH") - before, 1)
        self.assertEqual(self.conditions("v2"), (0, {"ResolvedRefs": ("True", "ResolvedRefs"), "Ready": ("False", "NoEndpoints")}))
        self.apply(objects.http_rule(objects.subset_backend("v2", SERVED)), versions=("v1", "v1", "v1"), fallback="ANY_ENDPOINT")
        self.assertEqual({self.server() for _ in range(6)}, {"s1", "s2", "s3"})
        # It is no longer alone: the live change ends the fall-back.
        self.gateway.apply(self.workload(2, "v2"))
        self.assertEqual({self.server() for _ in range(4)}, {"s2"})

    def test_references_to_nothing(self):
        self.apply(objects.http_rule(objects.subset_backend("v9", SERVED)),
                   extra=[objects.service_subset("odd", "gone", {"versoin": "v1"}),
                          objects.http_route("odd", "edge", objects.http_rule(objects.subset_backend("odd", SERVED), path="/odd"))])
        self.assertEqual((self.curl(f"{URL}/")[0], self.curl(f"{URL}/odd")[0]), (500, 500))
        for name, said in (("shop", "ServiceSubset/default/v9"), ("odd", "its Service is not there")):
            parent = self.gateway.json("get", "HTTPRoute", name)["status"]["parents"][0]
            refs = next(each for each in parent["conditions"] if each["type"] == "ResolvedRefs")
            self.assertEqual((refs["status"], refs["reason"]), ("False", "BackendNotFound"))
            self.assertIn(said, refs["message"])
        self.assertEqual(self.conditions("odd")[1]["ResolvedRefs"], ("False", "ServiceNotFound"))
        self.assertEqual(self.conditions("odd")[1]["Ready"], ("False", "UnknownLabel"))

    def test_a_policy_of_its_own_and_ejection_within_it(self):
        own = {"outlierDetection": {"consecutive5xxErrors": 2, "baseEjectionTime": "60s", "interval": "1s", "maxEjectionPercent": 100}}
        policy = objects.service_policy("v1", **own)
        policy["spec"]["targetRef"]["kind"] = "ServiceSubset"
        self.apply(self.split(1, 0), extra=[policy])
        for _ in range(4):
            self.curl(f"{URL}/status/500")
        ejected = lambda: sum(self.value("ejected", service=f"ServiceSubset/default/v1:{SERVED}",   # noqa: E731
                                         endpoint=f"{LAN4.format(10 + n)}:{SERVED}") for n in (1, 2, 3))
        rig.wait_until(lambda: ejected() == 2, 10, what=lambda: f"two ejected endpoints, not {ejected()}")
        with self.assertRaisesRegex(rig.CliError, "spec.weights: a ServiceSubset has none of its own"):
            self.gateway.apply({**policy, "spec": {**policy["spec"], "weights": [{"address": LAN4.format(11), "weight": 1}]}})


class Sessions(Endpoints):
    """What a client's cookie means after the gateway that wrote it."""

    def setUp(self):
        self.store = self.gateway.store
        self.keys = self.lab.dir / "session.keys"
        self.write(secrets.token_hex(16))

    def tearDown(self):
        if not self.gateway.process.running():
            self.gateway.store = self.store
            self.write(secrets.token_hex(16))
            self.gateway.start()
        super().tearDown()

    def write(self, *lines, mode=0o600):
        fresh = self.keys.with_suffix(".new")
        fresh.touch(mode)
        fresh.chmod(mode)
        fresh.write_text("".join(f"{line}\n" for line in lines))
        fresh.rename(self.keys)

    def serve(self, *numbers, shared=False):
        session = {"sessionPersistence": {"sessionName": "id", "type": "Cookie"}}
        node = self.node(**({"sessions": {"keyFile": str(self.keys)}} if shared else {}))
        self.gateway.replace(node, *self.web(*numbers), objects.gateway("edge", [HERE4], objects.listener("web", 80)),
                             objects.http_route("shop", "edge", objects.http_rule(objects.backend("web", SERVED), **session)))

    def begin(self):
        """A cookie and the server that it stands for; not the first in any order."""
        while True:
            _, headers, body = self.curl(f"{URL}/")
            if json.loads(body)["server"] == "s2":
                return ("-H", "Cookie: " + headers["set-cookie"].split(";")[0]), "s2"

    def holds(self, cookie, server):
        for _ in range(6):
            _, headers, body = self.curl(f"{URL}/", *cookie)
            self.assertEqual(json.loads(body)["server"], server)
            self.assertNotIn("set-cookie", headers)

    def test_the_same_endpoint_after_a_restart(self):
        self.serve(1, 2)
        cookie, server = self.begin()
        self.gateway.stop()
        self.gateway.start()
        self.holds(cookie, server)
        self.gateway.kill()
        self.gateway.start()
        self.serve(3, 2)   # and where it stands among the others does not matter
        self.holds(cookie, server)
        # It goes: another endpoint, and another cookie.
        self.serve(1, 3)
        _, headers, _ = self.curl(f"{URL}/", *cookie)
        self.assertIn("set-cookie", headers)

    def test_two_gateways_with_one_key(self):
        self.serve(1, 2, shared=True)
        cookie, server = self.begin()
        self.gateway.stop()
        self.gateway.store = self.lab.dir / "other.db"   # another gateway: nothing of the first but the file
        self.gateway.start()
        self.serve(3, 2, 1)
        _, headers, _ = self.curl(f"{URL}/", *cookie)
        self.assertIn("set-cookie", headers, "it has other keys")
        self.serve(3, 2, 1, shared=True)
        self.holds(cookie, server)
        # The key is exchanged while it runs: what the old one sealed is believed, and told anew.
        old = self.keys.read_text().strip()
        self.write(secrets.token_hex(16), old)
        rig.wait_until(lambda: "set-cookie" in self.curl(f"{URL}/", *cookie)[1], 10, what="the new key")
        _, headers, body = self.curl(f"{URL}/", *cookie)
        self.assertEqual(json.loads(body)["server"], server)
        self.holds(("-H", "Cookie: " + headers["set-cookie"].split(";")[0]), server)

    def test_a_wrong_key_file_is_an_error_by_name(self):
        self.serve(1, 2, shared=True)
        cookie, server = self.begin()
        good = self.keys.read_text().strip()
        self.write("password")
        self.serve(1, 2, 3, shared=True)   # a change of something else: the keys from before go on
        self.holds(cookie, server)
        self.gateway.stop()
        for lines, mode, what in ((["password"], 0o600, "keyFile.*line 1: want a key of 32 hexadecimal digits"),
                                  ([good], 0o644, "keyFile.*chmod 600"), ([], 0o600, "keyFile.*has no key")):
            self.write(*lines, mode=mode)
            process = self.gateway.launch()
            self.assertNotEqual(process.wait(20), 0)
            self.assertRegex(process.output(), what)
        self.write(good)
        self.gateway.start()
        self.holds(cookie, server)


del Http   # its stories are told in test_http.py

if __name__ == "__main__":
    rig.main()
