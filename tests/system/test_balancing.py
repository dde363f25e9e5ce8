"""Which endpoint serves a request, and how many at a time: sessions, hashes, pools, zones; as users write them."""
import concurrent.futures
import json

import rig
from rig import objects
from test_http import HERE4, SERVED, URL, Http


class Balancing(Http):
    servers = 3

    @classmethod
    def web(cls, *numbers, zones=None, **policy):
        made = cls.service("web", *numbers)
        if zones:
            for endpoint, zone in zip(made[1]["endpoints"], zones):
                endpoint["zone"] = zone
        return [*made, objects.service_policy("web", **policy)]

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
        self.assertEqual((name, len(token)), ("id", 48))
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


del Http   # its stories are told in test_http.py

if __name__ == "__main__":
    rig.main()
