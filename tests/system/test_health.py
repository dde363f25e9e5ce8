"""Health checks through the engine: every kind, thresholds, failover while traffic flows."""
import time

import rig
from rig import LAN4, LAN6, VIP4, VIP6, WAN4, objects, traffic

FAST = {"interval": "100ms", "timeout": "80ms", "rise": 2, "fall": 2}


class Health(rig.Story):

    def states(self, service="web"):
        """Endpoint address -> up, by the gateway's own word."""
        return {h["endpoint"]: h.get("up", False) for h in self.gateway.stats().get("health", [])
                if service in h["service"] and h.get("known", False)}

    def wait_for(self, wanted, seconds=5):
        """Until the checks say so, and the live generation knows."""
        def so():
            live = [e["state"] != "down" for s in self.gateway.stats().get("services", []) for e in s["endpoints"]]
            return sorted(self.states().values()) == wanted == sorted(live)
        rig.wait_until(so, seconds, what=f"health {wanted}")

    def apply(self, check, address=(VIP4,), **policy):
        self.gateway.replace(self.node(), self.web_service(address=address, healthCheck={**check, **FAST}, **policy))

    def test_tcp_both_families_and_failover(self):
        webs = [traffic.nginx(host) for host in self.hosts]
        self.apply({"tcp": {}}, address=(VIP4, VIP6))
        self.wait_for([True] * 4)
        self.assertEqual(len(traffic.fetch_many(self.client, f"http://{VIP4}/", 30)), 2)
        webs[0].stop()
        self.wait_for([False, False, True, True])
        self.assertEqual(set(traffic.fetch_many(self.client, f"http://{VIP4}/", 30)), {"s2 " + WAN4.format(2)})
        webs[0] = traffic.nginx(self.hosts[0])
        self.wait_for([True] * 4)
        self.assertEqual(len(traffic.fetch_many(self.client, f"http://{VIP4}/", 30)), 2)
        for web in webs:
            web.stop()

    def test_http_status_decides(self):
        webs = [traffic.nginx(host, root_bytes=10 * (host is self.hosts[0])) for host in self.hosts]
        self.apply({"http": {"path": "/big", "statusLow": 200, "statusHigh": 299}})   # only s1 has /big; s2 says 404
        self.wait_for([False, True])
        self.assertEqual(set(traffic.fetch_many(self.client, f"http://{VIP4}/", 20)), {"s1 " + WAN4.format(2)})
        for web in webs:
            web.stop()

    def test_udp_and_icmp(self):
        echo = traffic.UdpEcho(self.hosts[0], 9000)   # s2 answers with a port unreachable
        made = objects.service("web", VIP4, (9000, 9000, "UDP"))
        self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11), LAN4.format(12)),
                             objects.service_policy("web", healthCheck={"udp": {"send": "are you there", "expect": "s1 are"}, **FAST}))
        self.wait_for([False, True])
        echo.close()
        self.wait_for([False, False])
        self.gateway.apply(objects.service_policy("web", healthCheck={"icmp": {}, **FAST}))
        self.wait_for([True, True])
        self.hosts[1].ip("link", "set", "eth0", "down")
        self.wait_for([False, True])
        self.hosts[1].ip("link", "set", "eth0", "up")
        self.hosts[1].add_route("0.0.0.0/0", via=LAN4.format(1))
        self.hosts[1].add_address("eth0", LAN6.format(12) + "/64")
        self.hosts[1].add_route("::/0", via=LAN6.format(1))
        self.wait_for([True, True])

    def test_failover_under_load(self):
        """A server dies in the middle of a stream of requests: after the checks noticed, not one request fails."""
        webs = [traffic.nginx(host) for host in self.hosts]
        self.apply({"tcp": {}})
        self.wait_for([True, True])
        load = self.client.start("load", "bash", "-c", "for i in $(seq 60); do "
                                 f"curl -s -o /dev/null -w '%{{http_code}} %{{time_total}}\\n' --max-time 2 http://{VIP4}/; sleep 0.05; done")
        time.sleep(0.7)
        died = time.monotonic()
        webs[0].kill()
        self.wait_for([False, True])
        noticed = time.monotonic() - died
        load.wait(60)
        answers = [line.split()[0] for line in load.output().splitlines()]
        failed = answers.count("000")
        print(f"    noticed after {noticed * 1000:.0f} ms; {failed} of {len(answers)} requests failed")
        self.assertEqual(answers[-20:], ["200"] * 20)
        webs[1].stop()

    def test_flows_of_a_dead_endpoint_are_moved_or_reset(self):
        for action in ("move", "reset"):
            web = traffic.Streams(self.hosts, 9200)
            made = objects.service("web", VIP4, (9200, 9200))
            self.gateway.replace(self.node(), made, objects.endpoints(made, LAN4.format(11), LAN4.format(12)),
                                 objects.service_policy("web", onEndpointDown=action, healthCheck={"icmp": {}, **FAST}))
            self.wait_for([True, True])
            web.open(self.client, VIP4, 9200, 12)
            served = web.exchange()
            self.assertEqual(set(served), {"s1", "s2"})
            self.hosts[0].ip("link", "set", "eth0", "down")
            self.wait_for([False, True])
            for sock in web.connections:
                sock.settimeout(0.8)
            after = web.exchange()
            self.assertEqual([a for a, b in zip(after, served) if b == "s2"], ["s2"] * served.count("s2"),
                             "flows of the living endpoint suffered")
            self.assertEqual({a for a, b in zip(after, served) if b == "s1"}, {None})
            if action == "reset":
                self.assertGreaterEqual(self.gateway.drops().get("flow_endpoint_down", 0), served.count("s1"))
            web.close()
            self.hosts[0].ip("link", "set", "eth0", "up")
            self.hosts[0].add_route("0.0.0.0/0", via=LAN4.format(1))
            self.hosts[0].add_address("eth0", LAN6.format(11) + "/64")
            self.hosts[0].add_route("::/0", via=LAN6.format(1))

    def test_all_down_is_answered_as_configured(self):
        self.apply({"tcp": {}})
        self.wait_for([False, False])
        self.assertEqual(traffic.fetch_status(self.client, f"http://{VIP4}/", timeout=1), 7)
        self.apply({"tcp": {}}, noEndpoint="drop")
        self.assertEqual(traffic.fetch_status(self.client, f"http://{VIP4}/", timeout=1), 28)


if __name__ == "__main__":
    rig.main()
