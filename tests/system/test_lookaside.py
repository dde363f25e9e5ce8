"""Tunnels on a look-aside crypto device (a fake one: completions come later, as from hardware): traffic, key changes, and
the device's death under load, after which the associations go on, on the CPU."""
import re
import time

import rig
from rig import traffic
from rig.mesh import MARK, DeviceMesh


class Lookaside(DeviceMesh):
    def agree_on(self, device, sites=(1, 2)):
        """Both sites agree on keys; those named have the device."""
        for own, other in ((1, 2), (2, 1)):
            site, fields = self.site[own], {}
            if own in sites:
                fields["crypto"] = {"devices": [{"device": device}]}
            site.gateway.replace(site.node(mesh=site.mesh_identity(), **fields), self.trusted_peer(own, other))
        self.wait_for_state("Up", 1, 2)

    def test_traffic_and_key_changes(self):
        self.agree_on("penstock_fake_lookaside0,polls=3")
        self.echo()
        for own in self.site:
            self.assertEqual(self.paths(own), {"look-aside"})
            for each in self.associations(own):
                self.assertEqual(each["device"], "penstock_fake_lookaside0")
                self.assertEqual(each.get("whyNotBetter"), "inline: no port on its way offers it")
        capture = self.capture()
        for v6 in (False, True):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
        self.assertIn(MARK.decode(), self.ask(MARK) or "")
        before, drops = self.agreed(), {own: site.gateway.drops() for own, site in self.site.items()}
        hosts = self.site[1].workload, self.site[2].workload
        with traffic.Transfer(*hosts, self.site[2].address(), 7000) as transfer, \
                traffic.Pulse(self.site[1].workload, self.site[2].address(), 5000, 200) as pulse:
            deadline = time.monotonic() + 60
            while self.agreed() - before < 40 and time.monotonic() < deadline:
                self.site[1].gateway.cli("peer", "rekey", "default/site2")
                self.site[2].gateway.cli("peer", "rekey", "default/site1")
        self.assertGreaterEqual(self.agreed() - before, 40)
        self.assertEqual(transfer.sent, transfer.arrived)
        # None by the gateways (below); the virtual devices' rings may overflow on a busy machine.
        self.assertLessEqual(pulse.lost, pulse.sent // 100, f"of {pulse.sent}, first {pulse.first_lost}")
        self.assertFalse(MARK in capture.stop())
        self.addCleanup(traffic.iperf3_server(self.site[2].workload).stop)
        report = traffic.iperf3(self.site[1].workload, self.site[2].address(), 2, extra=("-u", "-b", "20M"))
        self.assertEqual(report["end"]["streams"][0]["udp"]["out_of_order"], 0)
        for own in self.site:
            self.assertEqual(self.paths(own), {"look-aside"})
            dropped = self.site[own].gateway.drops_since(drops[own])
            self.assertFalse([name for name in dropped if name.startswith(("esp_", "clear_", "no_association"))], dropped)
        print(f"\n    {self.agreed() - before} key changes, {transfer.bytes >> 20} MiB, {pulse.lost} of {pulse.sent} datagrams lost", end=" ")
        self.assert_balanced()

    def die(self, how, why):
        """The device of gateway 1 dies in the middle of a transfer."""
        self.agree_on(f"penstock_fake_lookaside0,polls=2,fail={how},after=3000", sites=(1,))
        self.echo()
        gateway = self.site[1].gateway
        before = {own: site.gateway.drops() for own, site in self.site.items()}
        capture = self.capture()
        self.assertEqual(self.paths(1), {"look-aside"})
        self.assertIn(MARK.decode(), self.ask(MARK) or "")
        hosts = self.site[1].workload, self.site[2].workload
        with traffic.Transfer(*hosts, self.site[2].address(), 7000) as transfer, \
                traffic.Pulse(self.site[1].workload, self.site[2].address(), 5000, 200) as pulse:
            rig.wait_until(lambda: self.paths(1) == {"cpu"}, 30, 0.1, "the CPU")
            at_failure = transfer.bytes
            rig.wait_until(lambda: transfer.bytes > at_failure + (8 << 20), 30, 0.1, "8 MiB more")
            for _ in range(50):
                self.ask(MARK)
            gateway.cli("peer", "rekey", "default/site2")
        self.assertEqual(transfer.sent, transfer.arrived)
        self.assertFalse(MARK in capture.stop())
        for each in self.associations(1):
            self.assertIn(f"look-aside: penstock_fake_lookaside0 failed: {why}", each["whyNotBetter"])
        self.assertIn(f"; look-aside: penstock_fake_lookaside0 failed: {why}", gateway.cli("peer", "show").stdout)
        drops = gateway.drops_since(before[1])
        ours = {name: count for name, count in drops.items() if name.startswith(("esp_", "clear_", "no_association"))}
        self.assertLessEqual(set(ours), {"esp_device_failed", "esp_crypto_failed", "esp_device_full"}, drops)
        self.assertLessEqual(sum(ours.values()), 2 * 2 * 2048, drops)   # two workers' queues, and what waited for them
        self.assertFalse([name for name in self.site[2].gateway.drops_since(before[2]) if name.startswith(("esp_", "clear_"))])
        metrics = self.site[1].gateway_host.run("curl", "-s", f"http://{gateway.metrics_address}/metrics").stdout
        self.assertRegex(metrics, r'penstock_crypto_device_up\{device="penstock_fake_lookaside0"\} 0')
        said = lambda: len(re.findall("crypto device failed", gateway.process.output()))   # noqa: E731
        rig.wait_until(said, 10, 0.2, "a line in the log")
        self.assertEqual(said(), 1)
        print(f"\n    {how}: lost {ours}, {pulse.lost} of {pulse.sent} datagrams, outage {pulse.longest_outage:.3f} s", end=" ")
        self.assert_balanced()

    def test_errors(self):
        self.die("errors", "could not do an operation")

    def test_silence(self):
        self.die("silence", "does not give back what it was given")
        self.assertIn("esp_device_failed", self.site[1].gateway.drops())

    def test_refusal(self):
        self.die("refusal", "takes nothing, though nothing is with it")

    def test_devices_that_cannot_be_used_are_refused_by_path(self):
        gateway, node = self.site[1].gateway, self.site[1].node
        wrong = {"penstock_fake_lookaside0,fail=never": "spec.crypto.devices[0].device: penstock_fake_lookaside0: \"fail=never\" is none of",
                 "0000:ff:1f.7": "spec.crypto.devices[0].device: 0000:ff:1f.7: cannot be opened",
                 "": "spec.crypto.devices[0].device: is missing"}
        for device, text in wrong.items():
            with self.subTest(device=device), self.assertRaises(rig.CliError) as refused:
                gateway.replace(node(crypto={"devices": [{"device": device}]}))
            self.assertIn(text, refused.exception.text)
        self.agree_on("penstock_fake_lookaside0")
        with self.assertRaises(rig.CliError) as refused:
            gateway.apply(node(mesh=self.site[1].mesh_identity()))
        self.assertIn("the crypto devices cannot change while peers have associations", refused.exception.text)
        self.assertEqual(self.paths(1), {"look-aside"})
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)


if __name__ == "__main__":
    rig.main()
