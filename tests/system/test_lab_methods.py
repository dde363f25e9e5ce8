"""The methods of penstock-lab over real generators, in their shortest form. Nothing is said of speed: what a test stage harmed is counted
exactly, results have their parts, and who was the limit is named."""
import rig
from rig.lab_command import LabCommand

PACKETS = """
name: methods
traffic: packets
wiring: {wiring}
subjects: [{subject}]
streams: [{{from: left, to: right, rate: {{pps: 1000}}, headers: {headers}}}]
method: {method}
turns: 1
"""
REQUESTS = """
name: methods
traffic: requests
wiring: {wiring}
subjects: [{subject}]
clients: {{stack: own, target: "{target}", connections: 8, arrivals: {arrivals}, requestsPerConnection: {each}, timeout: 2s,
          request: {{method: GET, path: /, headers: {{host: shop}}, body: 0}}}}
servers: {{stack: own, listen: "{listen}", body: 128}}
method: {method}
turns: 1
"""
UDP = "{ether: {destination: '02:00:00:00:00:01'}, ipv4: {source: 10.0.0.1, destination: 198.18.1.1}, udp: {}}"
EVERY_1000TH = "{driver: loop, config: {stages: [{from: left, to: right, drop: {every: 1000}}]}}"
FROZEN = "{driver: loop, config: {stages: [{from: left, to: right, freeze: true}]}}"
PENSTOCK, TESTPMD = "{driver: penstock}", "{driver: testpmd}"


class Case(LabCommand):

    def run_scenario(self, text, **fields):
        """The result, {metric: figure}."""
        path = self.lab.dir / "s.yaml"
        path.write_text(text.format(**fields))
        made = self.result(path)
        return made, {figure["metric"]: figure for figure in made["figures"]}

    def over_loop(self, method, subject=EVERY_1000TH):
        return self.run_scenario(PACKETS, wiring="loop", subject=subject, headers=UDP, method=method)

    def over_memif(self, method, subject):
        return self.run_scenario(PACKETS, wiring="memif", subject=subject, headers=UDP, method=method)


class Exact(Case):
    """Of a stage that drops each 1000th packet of a trial."""

    def test_loss_falls_with_load_to_none(self):
        made, figures = self.over_loop("{name: loss, most: 20000, step: 0.1, seconds: 0.2, drain: 0.05}")
        (curve,) = made["curves"]
        points = curve["points"]
        self.assertEqual([round(point["offered"] / 2000) for point in points], list(range(1, 11)))
        for point in points:
            sent = round(point["offered"] * 0.2)
            if point["bound"] != "generator":      # where others took its core away, it sent less or late, and says so
                self.assertEqual((point["loss"], point["bound"]), (sent // 1000 / sent, "subject" if sent >= 1000 else "none"))
        exact = [point for point in points if point["loss"] == round(point["offered"] * 0.2) // 1000 / round(point["offered"] * 0.2)]
        self.assertGreater(len(exact), 5)
        self.assertEqual(figures["lossless_load"]["value"], points[-9]["sent"])      # the first with fewer than 1000 packets
        self.assertLess(figures["lossless_load"]["value"], 5000)

    def test_the_longest_burst(self):
        _, figures = self.over_loop("{name: back_to_back, rate: 20000, repeat: 2, seconds: 0.2, drain: 0.05}")
        burst = figures["burst"]
        self.assertTrue(950 <= burst["value"] <= 999, burst)
        self.assertLessEqual(figures["buffer"]["value"], 2)      # all but the lost one were forwarded meanwhile

    def test_a_soak_says_what_it_can_say(self):
        made, figures = self.over_loop("{name: soak, load: 20000, seconds: 1, drain: 0.05}")
        ratio = figures["loss_ratio"]
        if ratio["bound"] != "generator":
            self.assertEqual(ratio["value"], 0.001)
        self.assertIn("above 1e-07", ratio["note"])
        self.assertGreater(figures["loss_ratio_bound"]["value"], ratio["value"])
        (series,) = made["series"]
        self.assertGreater(len(series["points"]), 5)
        self.assertIn(sum(point["lost"] for point in series["points"]), (18, 19, 20))     # nothing comes behind the last one

    def test_a_ramp_rises(self):
        made, figures = self.over_loop("{name: ramp, from: 6000, to: 20000, steps: 3, seconds: 0.2, drain: 0.05}")
        points = made["curves"][0]["points"]
        self.assertEqual([point["offered"] for point in points], [6000, 13000, 20000])
        self.assertTrue(all(point["received"] < point["sent"] for point in points))
        self.assertEqual(figures["highest_rate"]["value"], max(point["received"] for point in points))


class Stalled(Case):
    """A device that stands still is the limit itself; the generator that cannot get rid of its packets is not."""

    def test_a_stage_that_gives_nothing_back(self):
        _, figures = self.over_loop("{name: open, rates: [2000], seconds: 0.3, drain: 0.05}", FROZEN)
        self.assertEqual((figures["loss_ratio"]["value"], figures["rate"]["value"]), (1, 0))
        self.assertIn(figures["rate"]["bound"], ("subject", "generator"))

    def test_a_process_that_is_stopped_for_a_while(self):
        for subject in (PENSTOCK, TESTPMD):
            with self.subTest(subject):
                for _ in range(3):      # where others take its core away, the generator is late for that, too, and says so
                    made, figures = self.over_memif("{name: reset, change: stall, load: 50000, seconds: 0.4, at: 0.05}", subject)
                    recovery = figures["recovery"]
                    # Its ring was full for most of 200 ms; little or nothing was lost.
                    self.assertTrue(0.1 < recovery["value"] < 0.4, recovery)
                    self.assertIn("silent for 0.", recovery["note"])
                    self.assertIn(recovery["bound"], ("device", "generator"))
                    if recovery["bound"] == "device":
                        break
                others = next(check for check in made["stability"]["checks"] if check["name"] == "others")
                if others["ok"]:
                    self.assertEqual(recovery["bound"], "device", recovery)
                else:
                    print(f"    {others['about']}: the generator was late, too")


class Devices(Case):

    def test_a_gateway_that_starts_anew(self):
        made, figures = self.over_memif("{name: reset, change: restart, load: 10000, seconds: 8, at: 0.2}", PENSTOCK)
        recovery = figures["recovery"]
        self.assertGreater(recovery["value"], 0.05)
        self.assertLess(recovery["value"], 8)
        self.assertIn("silent for", recovery["note"])
        self.assertNotIn("did not recover", recovery["note"])
        self.assertGreater(sum(point["received"] for point in made["series"][0]["points"][-30:]), 100)

    def test_capacity_of_a_proxy(self):
        for of, each, metric in (("requests", 0, "requests_rate"), ("connections", 1, "connections_rate"), ("throughput", 0, "bandwidth")):
            with self.subTest(of):
                _, figures = self.proxy(f"{{name: capacity, of: {of}, most: 2000, least: 100, seconds: 0.2, resolution: 0.2}}",
                                        "{open: {rate: 100}}", each)
                self.assertGreater(figures[metric]["value"], 0)
        _, figures = self.proxy("{name: capacity, of: concurrent, seconds: 0.3}", "{hold: {}}", 0)
        self.assertEqual((figures["concurrent_connections"]["value"], figures["concurrent_connections"]["note"]),
                         (8, "the clients have no more"))
        self.assertEqual(figures["concurrent_connections"]["bound"], "unknown")

    def test_a_ramp_of_requests(self):
        made, figures = self.proxy("{name: ramp, from: 100, to: 1000, steps: 3, seconds: 0.3}", "{open: {rate: 100}}", 0)
        self.assertEqual([point["offered"] for point in made["curves"][0]["points"]], [100, 550, 1000])
        self.assertEqual(figures["highest_rate"]["unit"], "requests/s")

    def proxy(self, method, arrivals, each):
        return self.run_scenario(REQUESTS, wiring="memif", subject="{driver: penstock, config: {proxy: {protocol: http}}}",
                                 target="198.51.100.1:80", listen="10.0.1.2:8080", method=method, arrivals=arrivals, each=each)

    def test_a_device_in_the_generators_process(self):
        _, figures = self.run_scenario(PACKETS, wiring="ring", subject="{driver: forwarder}", headers="{ipv4: {source: 10.0.0.1, "
                                       "destination: 198.18.1.1}, udp: {}}", method="{name: open, rates: [20000], seconds: 0.3}")
        if figures["rate"]["bound"] != "generator":
            self.assertEqual(figures["loss_ratio"]["value"], 0)
        self.assertGreater(figures["rate"]["value"], 1000)
        self.assertGreater(figures["latency_p50"]["value"], 0)


if __name__ == "__main__":
    rig.main()
