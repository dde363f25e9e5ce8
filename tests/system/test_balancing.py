"""Which endpoint serves a request, and how many at a time: sessions, hashes, pools, zones; as users write them."""
import concurrent.futures
import json
import secrets

import rig
from rig import objects
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
