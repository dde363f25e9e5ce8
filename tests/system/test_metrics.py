"""The Prometheus page: accepted by promtool, complete, bounded, true."""
import re

import rig
from rig import LAN4, VIP4, objects, traffic


class Metrics(rig.Story):

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()
        cls.gateway.replace(cls.node(), cls.web_service(healthCheck={"tcp": {}, "interval": "100ms", "timeout": "80ms"}),
                            objects.access_policy("edge", {"name": "web", "action": "allow"}),
                            objects.rate_limit("l", {"interface": "wan"}, {"packetsPerSecond": 100000}),
                            objects.egress("out", "10.99.0.0/16"))
        traffic.fetch_many(cls.client, f"http://{VIP4}/", 50)
        rig.settle(0.5)
        cls.page = cls.gateway.metrics()

    def value(self, pattern, page=None):
        """Sum of the samples whose line matches."""
        values = [float(line.rsplit(" ", 1)[1]) for line in (page or self.page).splitlines()
                  if not line.startswith("#") and re.search(pattern, line)]
        self.assertTrue(values, f"no sample like {pattern}")
        return sum(values)

    def test_promtool_accepts_it(self):
        path = self.lab.dir / "metrics"
        path.write_text(self.page)
        done = rig.run("sh", "-c", f"promtool check metrics <{path}", check=False)
        self.assertEqual((done.returncode, done.stderr.strip()), (0, ""))

    def test_everything_is_there(self):
        names = set(re.findall(r"^# TYPE (\S+)", self.page, re.MULTILINE))
        for about in ("port", "worker", "service", "endpoint", "rule", "limit", "flow", "drop", "generation", "health"):
            self.assertTrue([n for n in names if about in n], f"nothing about {about} in {sorted(names)}")
        self.assertTrue(all(n.startswith(("penstock_", "exposer_", "process_")) for n in names), sorted(names))

    def test_counters_tell_the_truth(self):
        received = self.value(r'^penstock_port_\w*received\w*packets\w*\{.*"wan"|^penstock_port_r\w*packets\w*\{.*"wan"')
        self.assertGreaterEqual(received, 50 * 5)
        before = self.value("^penstock_service.*flows.*total|^penstock_service.*flows")
        traffic.fetch_many(self.client, f"http://{VIP4}/", 20)
        rig.settle(0.5)
        self.assertGreaterEqual(self.value("^penstock_service.*flows.*total|^penstock_service.*flows", self.gateway.metrics())
                                - before, 20)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)

    def test_labels_are_bounded(self):
        """Traffic from many sources adds no sample."""
        def samples():
            return len([line for line in self.gateway.metrics().splitlines() if not line.startswith("#")])
        before = samples()
        for port in range(25000, 25300):
            with traffic.udp_socket(self.client, "", port) as sock:
                sock.sendto(b"x", (LAN4.format(11), port))
        rig.settle(0.5)
        self.assertLessEqual(samples() - before, 5)


if __name__ == "__main__":
    rig.main()
