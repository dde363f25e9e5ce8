"""Workload identities: who may talk to whom is decided by SPIFFE IDs, at the gateway before the server, and a number in
each encrypted packet says who sent it."""
import json

import rig
from rig import objects, traffic
from rig.mesh import Keys, Mesh
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether

WEB, BATCH, DB = "spiffe://example.org/shop/web", "spiffe://example.org/batch/report", "spiffe://example.org/shop/db"
NUMBERS = {WEB: 11, BATCH: 12, DB: 21}
BATCH4 = "10.1.1.12"


def allow_web(**fields):
    return {"name": "web-to-db", "action": "allow", "fromIdentities": [WEB], "toIdentities": [DB], **fields}


class Identities(Mesh):
    """Site 1 has two clients, each behind an interface of its own: web behind lan, batch behind lan1. Site 2 has db."""

    seed = 0

    @classmethod
    def build(cls):
        super().build()
        site = cls.site[1]
        cls.batch = cls.lab.namespace("batch")
        cls.lab.link(cls.batch, "eth0", site.gateway_host, "lan1")
        cls.batch.add_address("eth0", BATCH4 + "/24")
        cls.batch.add_route("0.0.0.0/0", via="10.1.1.1")
        site.gateway_host.sysctl("net.ipv6.conf.lan1.disable_ipv6=1")
        traffic.nginx(cls.site[2].workload, ports=(80, 81), root_bytes=64 << 20)
        cls.web, cls.db = site.workload, cls.site[2].workload

    def node(self, number, fabric="allow", lan1="allow"):
        node = self.site[number].node()
        node["spec"]["interfaces"][1]["defaultAction"] = fabric
        if number == 1:
            device = objects.device(2, "lan1", self.site[1].driver)
            node["spec"]["interfaces"].append(objects.interface("lan1", device, "10.1.1.1/24", defaultAction=lan1))
        return node

    def workloads(self, number, **spec):
        if number == 2:
            return [objects.workload("db", DB, "lan", "10.2.0.11", "2001:db8:2::11", number=NUMBERS[DB], **spec)]
        return [objects.workload("web", WEB, "lan", "10.1.0.11", "2001:db8:1::11", number=NUMBERS[WEB], **spec),
                objects.workload("batch", BATCH, "lan1", BATCH4, number=NUMBERS[BATCH])]

    def told(self, *identities):
        return [{"number": NUMBERS[each], "identity": each} for each in identities]

    def tunnel(self, own, other, **spec):
        """The Peer of `own` with keys of this seed, in a file of their own: another seed is another tunnel."""
        path = self.lab.dir / f"identity-keys-{own}-{other}-{self.seed}"
        Keys("AES-GCM-128", 1, 2, lanes=2, seed=self.seed).write(path, own, other)
        return self.peer(own, other, None, staticKeys={"file": str(path)}, **spec)

    def connect_sites(self, *rules, fabric="deny", told=(WEB, BATCH)):
        """Rules at site 2, where the server is."""
        type(self).seed += 1
        first, second = self.site[1].gateway, self.site[2].gateway
        first.replace(self.node(1), self.workloads(1),
                      self.tunnel(1, 2, identities=True, staticIdentities=self.told(DB)))
        second.replace(self.node(2, fabric), self.workloads(2),
                       self.tunnel(2, 1, identities=True, staticIdentities=self.told(*told)), self.policy(*rules))
        return second

    def policy(self, *rules):
        return [objects.access_policy("east-west", *rules)] if rules else []

    def status(self, host, port=80, v6=False):
        address = f"[{self.site[2].address(True)}]" if v6 else self.site[2].address()
        return traffic.fetch_status(host, f"http://{address}:{port}/", timeout=2)

    def pairs(self, gateway):
        """Decisions between identities as the metrics page has them."""
        rig.settle()
        found = {}
        for line in gateway.metrics().splitlines():
            if line.startswith("penstock_identity_pair_decisions_total{"):
                labels = dict(part.split("=", 1) for part in line[line.index("{") + 1:line.index("}")].split(","))
                key = tuple(labels[name].strip('"') for name in ("from", "to", "decision"))
                found[key] = int(float(line.rsplit(" ", 1)[1]))
        return found

    def test_the_far_gateway_lets_in_by_identity(self):
        gateway = self.connect_sites(allow_web(protocol="tcp", ports=["80"]))
        before, pairs = gateway.drops(), self.pairs(gateway)
        self.assertEqual(self.status(self.web), 0)
        self.assertEqual(self.status(self.web, v6=True), 0)
        self.assertEqual(self.status(self.batch), 28, "another identity of the same site")
        self.assertEqual(self.status(self.web, 81), 28, "another port")
        self.assertEqual(traffic.ping(self.web, self.site[2].address()), 0, "another protocol")
        self.assertGreaterEqual(gateway.drops_since(before).get("filter_default", 0), 5)
        after = self.pairs(gateway)
        grown = {key for key, count in after.items() if count > pairs.get(key, 0)}
        self.assertIn((WEB, DB, "allowed"), grown)
        self.assertIn((BATCH, DB, "denied"), grown)
        self.assertNotIn((BATCH, DB, "allowed"), grown)
        self.assert_balanced()

    def test_all_below_a_prefix(self):
        self.connect_sites(allow_web(fromIdentities=["spiffe://example.org/batch/*"]))
        self.assertEqual((self.status(self.batch), self.status(self.web)), (0, 28))
        self.connect_sites({"action": "deny", "fromIdentities": ["spiffe://example.org/batch/*"]}, fabric="allow")
        self.assertEqual((self.status(self.batch), self.status(self.web)), (28, 0))

    def test_a_reject_tells(self):
        self.connect_sites({"action": "reject", "fromIdentities": [BATCH]}, allow_web())
        self.assertEqual((self.status(self.batch), self.status(self.web)), (7, 0))
        self.connect_sites(allow_web(), fabric="reject")
        self.assertEqual((self.status(self.batch), self.status(self.web)), (7, 0))

    def test_a_forged_source_is_dropped_by_name(self):
        gateway = self.connect_sites(allow_web()) and self.site[1].gateway
        before = gateway.drops()
        wire = self.wire(self.batch)
        to = self.site[1].gateway_host.mac("lan1")
        for n in range(10):   # batch says it is web
            wire.send(Ether(src=wire.mac, dst=to) / IP(src="10.1.0.11", dst=self.site[2].address()) / UDP(sport=n + 1, dport=9))
        self.assertEqual(gateway.drops_since(before).get("identity_spoofed"), 10)
        # With the MAC in the Workload also on the interface of the true one.
        gateway.apply(self.workloads(1, mac=self.web.mac("eth0"))[0])
        self.assertEqual(self.status(self.web), 0)
        before = gateway.drops()
        wire, to = self.wire(self.web), self.site[1].gateway_host.mac("lan0")
        for n in range(10):
            wire.send(Ether(src="02:00:00:00:00:77", dst=to) / IP(src="10.1.0.11", dst=self.site[2].address()) / ICMP(id=n))
        self.assertEqual(gateway.drops_since(before).get("identity_spoofed"), 10)
        self.assert_balanced()

    def test_an_identity_that_the_peer_never_told(self):
        gateway = self.connect_sites(fabric="allow", told=(WEB,))
        before = gateway.drops()
        self.assertEqual(traffic.ping(self.web, self.site[2].address()), 3)
        self.assertEqual(traffic.ping(self.batch, self.site[2].address()), 0)
        self.assertEqual(gateway.drops_since(before).get("identity_unknown"), 3)

    def test_both_sides_must_agree(self):
        self.connect_sites(fabric="allow")
        gateway = self.site[2].gateway
        for first, second, refused in ((True, False, "esp_identity_unexpected"), (False, False, None), (False, True, "esp_identity_missing")):
            with self.subTest(first=first, second=second):
                type(self).seed += 1
                self.site[1].gateway.apply(self.tunnel(1, 2, identities=first))
                gateway.apply(self.tunnel(2, 1, identities=second))
                before = gateway.drops()
                self.assertEqual(traffic.ping(self.web, self.site[2].address()), 0 if refused else 3)
                if refused:
                    self.assertEqual(gateway.drops_since(before).get(refused), 3)

    def test_large_packets_fit_beside_the_header(self):
        self.connect_sites(fabric="allow")
        there = self.site[2].address()
        self.assertEqual(traffic.ping(self.web, there, size=1400, fragment="do"), 3)
        self.web.ip("route", "flush", "cache")
        self.assertEqual(traffic.ping(self.web, there, size=1472, fragment="dont"), 3)
        self.assert_balanced()

    def connections(self, host):
        return [line for line in host.run("ss", "-Htn", "state", "established").stdout.splitlines() if ":80 " in line + " "]

    def open_transfer(self):
        url = f"http://{self.site[2].address()}:80/big"
        curl = self.web.start("curl", "curl", "-sS", "-o", "/dev/null", "--limit-rate", "1M", url)
        rig.wait_until(lambda: self.connections(self.db), 5, what="the connection")
        return curl

    def test_a_change_of_policy_ends_open_connections(self):
        for change in ("default", "rule"):
            with self.subTest(change=change):
                gateway = self.connect_sites(allow_web(), fabric="reject")
                curl = self.open_transfer()
                gateway.apply(objects.access_policy("other", {"action": "allow", "fromIdentities": [BATCH]}))
                self.assertTrue(curl.running(), "a change that does not concern it")
                if change == "default":
                    gateway.cli("delete", "AccessPolicy", "east-west")
                else:
                    gateway.apply(self.policy({"name": "no-more", "action": "reject", "fromIdentities": [WEB]}))
                self.assertEqual(curl.wait(10), 56, "connection reset by peer")
                rig.wait_until(lambda: not self.connections(self.db), 5, what="the server's end")
                self.assertEqual(self.status(self.web), 7)

    def test_a_silent_deny_ends_open_connections_too(self):
        gateway = self.connect_sites(allow_web(), fabric="deny")
        curl = self.open_transfer()
        before = gateway.drops()
        gateway.cli("delete", "AccessPolicy", "east-west")
        rig.wait_until(lambda: gateway.drops_since(before).get("filter_default", 0) >= 1, 5, what="drops")
        self.assertTrue(curl.running())
        curl.kill()
        self.assertEqual(self.status(self.web), 28)

    def test_a_rule_in_shadow_only_counts(self):
        gateway = self.connect_sites({"name": "trial", "action": "deny", "fromIdentities": ["spiffe://example.org/shop/*"], "shadow": True},
                                     {"name": "all", "action": "allow"})
        pairs = self.pairs(gateway).get((WEB, DB, "shadow"), 0)
        self.assertEqual((self.status(self.web), self.status(self.batch)), (0, 0))
        trial = gateway.entry("rules", name="default/east-west/trial")
        self.assertTrue(trial["shadow"])
        self.assertGreaterEqual(int(trial["matched"]["packets"]), 4)
        self.assertGreaterEqual(self.pairs(gateway).get((WEB, DB, "shadow"), 0) - pairs, 1)
        self.assertIn("deny (shadow)", gateway.cli("stats").stdout)

    def test_explain_and_trace_name_identities_and_rule(self):
        gateway = self.connect_sites(allow_web(protocol="tcp", ports=["80"]))
        # ESP as it comes, and what was in it where another worker owns the flow.
        trace = gateway.begin("trace", "ip proto 50 or tcp port 80", "-n", "64")
        rig.settle(1)
        wanted = (f"identity {WEB} -> {DB}", "rule default/east-west/web-to-db")
        rig.wait_until(lambda: self.status(self.web) == 0 and all(each in trace.output() for each in wanted), 20, 0.1, f"a trace with {wanted}")
        trace.stop()
        # On the way out, from db's own interface, to an address of which nothing is known here.
        explained = gateway.json("flows", "explain", "--interface", "lan", "--src", "10.2.0.11", "--dst", self.site[1].address(),
                                 "--protocol", "tcp", "--dst-port", "80")
        self.assertIn(f"identity {DB} -> unknown", json.dumps(explained))

    def test_explain_of_a_workload_with_a_mac(self):
        self.connect_sites(allow_web())
        gateway = self.site[1].gateway
        gateway.apply(self.workloads(1, mac=self.web.mac("eth0"))[0])
        words = ("flows", "explain", "--interface", "lan", "--src", "10.1.0.11", "--dst", self.site[2].address(), "--dst-port", "80")
        self.assertIn("identity_spoofed", json.dumps(gateway.json(*words)))
        self.assertIn(f"identity {WEB} -> unknown", json.dumps(gateway.json(*words, "--src-mac", self.web.mac("eth0"))))

    def test_one_gateway_between_two_interfaces(self):
        gateway = self.site[1].gateway
        gateway.replace(self.node(1, lan1="deny"), self.workloads(1),
                        self.policy({"name": "no", "action": "deny", "fromIdentities": [WEB], "toIdentities": [BATCH], "protocol": "udp"}))
        self.addCleanup(traffic.UdpEcho(self.batch, 5000).close)
        self.assertEqual(traffic.ping(self.web, BATCH4), 3)
        self.assertIsNone(traffic.udp_ask(self.web, BATCH4, 5000))
        self.assertEqual(traffic.ping(self.batch, "10.1.0.11"), 0, "lan1 denies by default")
        gateway.apply(self.policy({"name": "yes", "action": "allow", "fromIdentities": [BATCH], "toIdentities": ["spiffe://example.org/*"]}))
        self.assertEqual(traffic.ping(self.batch, "10.1.0.11"), 3)
        self.assertIsNotNone(traffic.udp_ask(self.web, BATCH4, 5000))

    def test_wrong_configurations_are_refused_with_a_path(self):
        gateway = self.connect_sites(allow_web()) and self.site[1].gateway
        web, peer = self.workloads(1)[0], self.tunnel(1, 2, identities=True)
        rule = lambda **fields: objects.access_policy("x", {"action": "deny", **fields})   # noqa: E731
        changed = lambda thing, **fields: {**thing, "spec": {**thing["spec"], **fields}}   # noqa: E731
        other = lambda **fields: objects.workload("other", **{"identity": "spiffe://example.org/x", "interface": "lan", **fields})   # noqa: E731
        for thing, where in (
                (changed(web, identity="https://example.org/x"), "spec.identity"), (changed(web, interface="lan9"), "spec.interface"),
                (changed(web, mac="01:00:00:00:00:01"), "spec.mac"), (changed(web, addresses=["10.1.0.11/24"]), "spec.addresses[0]"),
                (changed(web, number=32768), "spec.number"), (changed(web, number=12), "spec.number"),
                (objects.workload("twin", "spiffe://example.org/x", "lan", "10.1.0.11"), "spec.addresses[0]"),
                (other(number=11), "spec.number"),
                (changed(peer, staticIdentities=[{"number": 0, "identity": DB}]), "spec.staticIdentities[0].number"),
                (changed(peer, staticIdentities=self.told(DB, DB)), "spec.staticIdentities[1].number"),
                (changed(peer, staticIdentities=[{"number": 1, "identity": "db"}]), "spec.staticIdentities[0].identity"),
                (changed(peer, identities=False, staticIdentities=self.told(DB)), "spec.staticIdentities"),
                (rule(fromIdentities=["db"]), "spec.rules[0].fromIdentities[0]"), (rule(toIdentities=[DB + "*"]), "spec.rules[0].toIdentities[0]")):
            with self.subTest(where=where, spec=thing["spec"]):
                with self.assertRaises(rig.CliError) as refused:
                    gateway.apply(thing)
                self.assertIn(where, refused.exception.text)
        self.assertEqual(self.status(self.web), 0)   # nothing changed


if __name__ == "__main__":
    rig.main()
