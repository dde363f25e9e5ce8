"""Bad input: every fault is named with its path, all at once, and nothing changes."""
import copy

import rig
from rig import LAN4, VIP4, WAN4, objects, traffic


class BadBundles(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        cls.good = [cls.node(), *cls.web_service()]
        cls.gateway.replace(cls.good)

    def refused(self, *bundle, expect):
        """Applies it; every one of `expect` must be in the message; revision, generation and traffic stay."""
        before = self.gateway.json("node", "info")
        with self.assertRaises(rig.CliError) as raised:
            self.gateway.apply(*bundle)
        for text in expect:
            self.assertIn(text, raised.exception.text)
        after = self.gateway.json("node", "info")
        self.assertEqual((before["revision"], before["generation"]), (after["revision"], after["generation"]))
        self.assertIsNotNone(traffic.fetch(self.client, f"http://{VIP4}/"), "traffic suffers from a refused bundle")

    def test_all_faults_at_once(self):
        bad_service = objects.service("bad", "not-an-address", (0, 80))
        bad_limit = objects.rate_limit("bad", {"interface": "nowhere"}, {"packetsPerSecond": -5}, action="explode")
        bad_policy = objects.access_policy("bad", {"action": "maybe", "from": ["300.1.1.1/8"], "ports": ["99999"]})
        self.refused(bad_service, bad_limit, bad_policy, objects.rate_limit("good", {"interface": "wan"}, {"packetsPerSecond": 5}),
                     expect=["bad", "externalIPs", "packetsPerSecond", "action", "from", "ports"])
        self.assertEqual(self.gateway.json("limits", "list").get("limits", []), [], "half of the bundle was applied")

    def test_references_to_nothing(self):
        self.refused(objects.rate_limit("r", {"interface": "nowhere"}, {"packetsPerSecond": 5}), expect=["nowhere", "spec.target"])
        self.refused(objects.rate_limit("r", {"service": {"name": "ghost"}}, {"packetsPerSecond": 5}), expect=["ghost"])
        self.refused(objects.rate_limit("r", {"rule": {"policy": "ghost", "name": "x"}}, {"packetsPerSecond": 5}), expect=["ghost"])
        self.refused(objects.service_policy("ghost"), expect=["ghost", "targetRef"])
        self.refused(objects.mirror("m", {"interface": "nowhere"}), expect=["nowhere"])

    def test_unknown_fields_of_ours_and_known_tolerance_for_kubernetes(self):
        policy = objects.service_policy("web", balancing="maglev")
        policy["spec"]["balancng"] = "maglev"
        self.refused(policy, expect=["balancng"])
        made = self.web_service()[0]
        made["spec"].update({"internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "futureField": {"a": [1, 2]}})
        made["status"] = {"conditions": []}
        self.gateway.apply(made)

    def test_numbers_that_are_none(self):
        for rate in (float("nan"), float("inf"), -1, 0, 1e300, "10k"):
            self.refused(objects.rate_limit("n", {"interface": "wan"}, {"packetsPerSecond": rate}), expect=["ate"])
        for interval in ("5", "-1s", "1 fortnight", "0ms"):
            self.refused(objects.service_policy("web", healthCheck={"tcp": {}, "interval": interval}), expect=["interval"])

    def test_duplicates_and_overlaps(self):
        self.refused(objects.rate_limit("d", {"interface": "wan"}, {"packetsPerSecond": 5}),
                     objects.rate_limit("d", {"interface": "wan"}, {"packetsPerSecond": 6}), expect=["d"])
        self.refused(objects.service("second", VIP4, (80, 80)), expect=[VIP4])
        node = copy.deepcopy(self.good[0])
        node["spec"]["interfaces"][1]["addresses"].append(WAN4.format(1) + "/24")
        self.refused(node, expect=["addresses"])
        node = copy.deepcopy(self.good[0])
        node["spec"]["interfaces"][1]["name"] = "wan"
        self.refused(node, expect=["wan"])

    def test_devices_that_do_not_exist(self):
        node = copy.deepcopy(self.good[0])
        node["spec"]["interfaces"].append(objects.interface("x", "net_af_packet9,iface=missing0"))
        self.refused(node, expect=["spec.interfaces[2].device"])
        node["spec"]["interfaces"][2]["device"] = "0000:ff:1f.7"
        self.refused(node, expect=["spec.interfaces[2].device"])
        node["spec"]["interfaces"][2]["device"] = "net_nonsense0"
        self.refused(node, expect=["spec.interfaces[2].device"])

    def test_text_that_is_no_yaml_and_yaml_that_is_no_object(self):
        for text in ("a: [1", "just words", "- 1\n- 2\n", "kind: Service\n", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n",
                     "apiVersion: penstock.io/v1alpha1\nkind: RateLimit\nmetadata: {name: '" + "x" * 5000 + "'}\n",
                     "&a [*a, *a]", "\0\1\2", "a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c]\n",
                     "[" * 20000):
            with self.subTest(text[:40]):
                self.refused(text, expect=[])

    def test_an_oversized_bundle_is_refused_with_words(self):
        many = [objects.access_policy(f"p{n}", {"action": "allow", "from": [f"10.{n % 250}.{i % 250}.0/24" for i in range(4097)]})
                for n in range(3)]
        self.refused(*many, expect=["from"])

    def test_validate_and_diff_change_nothing(self):
        before = self.gateway.json("node", "info")
        path = self.gateway.file_of(objects.rate_limit("new", {"interface": "wan"}, {"packetsPerSecond": 5}), name="new.yaml")
        self.gateway.cli("validate", "-f", path)
        self.assertIn("new", self.gateway.cli("diff", "-f", path, check=False).stdout)
        self.assertEqual(self.gateway.json("node", "info")["revision"], before["revision"])
        bad = self.gateway.file_of(objects.rate_limit("new", {"interface": "nope"}, {"packetsPerSecond": 5}), name="bad.yaml")
        self.assertNotEqual(self.gateway.cli("validate", "-f", bad, check=False).returncode, 0)


class RudeClients(rig.Story):
    """A client that floods, stalls or disappears costs nobody else anything."""
    servers = 1

    def test_garbage_on_the_socket(self):
        import os
        import socket
        stuck = []
        for n in range(200):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(2)
            sock.connect(str(self.gateway.socket))
            try:
                sock.send(os.urandom(4096) if n % 2 else b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            except OSError:
                pass
            stuck.append(sock)   # kept open: stalled
        self.assertEqual(self.gateway.json("node", "info")["name"], "gateway")
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        for sock in stuck:
            sock.close()

    def test_a_flood_of_commands(self):
        flood = [self.gateway.begin("stats", "-o", "json") for _ in range(40)]
        self.assertIsNotNone(self.gateway.apply(self.node()))
        self.assertEqual({p.wait(30) for p in flood}, {0})

    def test_clients_that_vanish_in_a_stream(self):
        for command in (("stats", "--watch"), ("get", "Service", "--watch"), ("flows", "dump", "--tracked")):
            process = self.gateway.begin(*command)
            rig.settle(0.2)
            process.kill()
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.assertTrue(self.gateway.process.running())


if __name__ == "__main__":
    rig.main()
