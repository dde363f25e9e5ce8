"""Tunnels whose cipher is the NIC's (a fake one, with a cipher of its own): traffic in both directions and key changes, a NIC
that refuses, one that stops to decrypt, one without room, and one that forgets to encrypt, which the search must notice."""
import re
import time

import rig
from rig import objects, traffic
from rig.mesh import FABRIC4, MARK, DeviceMesh
from scapy.layers.inet import IP
from scapy.utils import rdpcap

NIC = "penstock_fake_inline0"

class Inline(DeviceMesh):
    foreign = True

    def node(self, own, nic="", queues=2, **fields):
        """The fabric has a queue for each worker, so that each has one to send by."""
        site = self.site[own]
        if nic:
            fields["crypto"] = {"devices": [{"device": f"{NIC},interface=fabric{nic if nic.startswith(',') else ''}"}]}
        node = site.node(mesh=site.mesh_identity(), **fields)
        fabric = [each for each in node["spec"]["interfaces"] if each["name"] == "fabric"]
        fabric[0]["device"] = objects.device(1, "fab0", site.driver, queues)
        return node

    def agree_on(self, nic="yes", queues=2, **spec):
        """Gateway 1 has the NIC, gateway 2 has not."""
        for own, other in ((1, 2), (2, 1)):
            node = self.node(own, nic if own == 1 else "", queues)
            self.site[own].gateway.replace(node, self.trusted_peer(own, other, **{"extendedSequenceNumbers": False, **spec}))
        self.wait_for_state("Up", 1, 2)

    def drops_by_crypto(self, own, before):
        dropped = self.site[own].gateway.drops_since(before)
        return {name: count for name, count in dropped.items() if name.startswith(("esp_", "clear_", "link_", "no_assoc"))}

    def carry_on(self, until, what):
        """Transfers by digest in both directions, all captured, until something has happened, and on after it; nothing is in clear."""
        before = {own: site.gateway.drops() for own, site in self.site.items()}
        self.echo()
        capture = self.capture()
        self.assertIn(MARK.decode(), self.ask(MARK) or "")
        hosts = self.site[1].workload, self.site[2].workload
        slowly = 8 << 20   # what two workers on cores of others can do
        with traffic.Transfer(*hosts, self.site[2].address(), 7000, slowly) as transfer, \
                traffic.Transfer(*reversed(hosts), self.site[1].address(), 7001, slowly) as answer:
            rig.wait_until(until, 60, 0.1, what)
            so_far = transfer.bytes, answer.bytes
            rig.wait_until(lambda: min(transfer.bytes - so_far[0], answer.bytes - so_far[1]) > 4 << 20, 60, 0.1, "4 MiB more each")
            for _ in range(20):
                self.ask(MARK)
        self.assertEqual(transfer.sent, transfer.arrived)
        self.assertEqual(answer.sent, answer.arrived)
        self.assertFalse(MARK in capture.stop())
        self.assertGreater(capture.protocols()["ESP"], 100)
        for own in self.site:
            self.assertEqual(self.drops_by_crypto(own, before[own]), {})
        print(f"\n    {transfer.bytes >> 20} and {answer.bytes >> 20} MiB", end=" ")
        self.assert_balanced()

    def test_traffic_and_key_changes(self):
        self.agree_on()
        for each in self.associations(1):
            self.assertEqual((each["path"], each["device"], each.get("whyNotBetter", "")), ("inline", NIC, ""))
        for each in self.associations(2):
            self.assertRegex(each["whyNotBetter"], "^inline: no port on its way offers it; look-aside: no such device")
        for v6 in (False, True):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), size=1440, fragment="dont", timeout=3), 3)
        before = self.agreed()

        def changed():
            self.site[1].gateway.cli("peer", "rekey", "default/site2")
            self.site[2].gateway.cli("peer", "rekey", "default/site1")
            return self.agreed() - before >= 40
        self.carry_on(changed, "40 key changes")
        self.assertEqual(self.paths(1), {"inline"})
        self.assertEqual(self.paths(2), {"cpu"})
        self.assertIn(" inline ", self.site[1].gateway.cli("peer", "show").stdout)
        self.assertRegex(self.site[1].gateway.metrics(), rf'penstock_crypto_device_up\{{device="{NIC}"\}} 1')

    def test_over_ipv6(self):
        self.agree_on(v6=True)
        self.assertEqual(self.paths(1), {"inline"})
        self.carry_on(lambda: True, "nothing")
        self.assertEqual(self.paths(1), {"inline"})

    def test_one_queue_for_two_workers(self):
        """Who cannot send by a queue of its own encrypts by itself."""
        self.agree_on(queues=1)
        by_worker = {each.get("worker", 0): each for each in self.associations(1) if each["direction"] == "out"}
        self.assertEqual(by_worker[0]["path"], "inline")
        self.assertEqual(by_worker[1]["path"], "cpu")
        self.assertRegex(by_worker[1]["whyNotBetter"], f"^inline: {NIC} has no transmit queue for worker 1; look-aside")
        self.carry_on(lambda: True, "nothing")

    def test_a_nic_that_refuses(self):
        self.agree_on(",fail=metadata,after=3000")
        self.assertEqual(self.paths(1), {"inline"})
        self.carry_on(lambda: self.paths(1) == {"cpu"}, "the CPU")
        gateway = self.site[1].gateway
        for each in self.associations(1):
            self.assertRegex(each["whyNotBetter"], f"^inline: {NIC} failed: refused a packet that it has the key for; look-aside")
        self.assertIn(f"no better path: inline: {NIC} failed", gateway.cli("peer", "show").stdout)
        self.assertRegex(gateway.metrics(), rf'penstock_crypto_device_up\{{device="{NIC}"\}} 0')
        said = lambda: len(re.findall("crypto device failed", gateway.process.output()))   # noqa: E731
        rig.wait_until(said, 10, 0.2, "a line in the log")
        gateway.cli("peer", "rekey", "default/site2")
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)
        self.assertEqual(self.paths(1), {"cpu"})

    def test_a_nic_that_stops_to_decrypt(self):
        self.agree_on(",fail=receive,after=3000")
        began = time.monotonic()
        self.carry_on(lambda: time.monotonic() - began > 2, "two seconds")

    def test_a_nic_without_room(self):
        self.agree_on(",keys=3")
        self.assertEqual(self.paths(1), {"inline", "cpu"})
        without = [each for each in self.associations(1) if each["path"] == "cpu"]
        for each in without:
            self.assertRegex(each["whyNotBetter"], f"^inline: {NIC} has no room for another key, or refuses it; look-aside")
        self.carry_on(lambda: True, "nothing")

    def test_forged_and_replayed_packets_are_named(self):
        self.agree_on()
        capture = self.capture()
        self.assertEqual(traffic.ping(self.site[2].workload, self.site[1].address(), count=5), 5)
        capture.stop()
        recorded = [p for p in rdpcap(str(capture.path)) if IP in p and p[IP].dst == FABRIC4.format(1) and p[IP].proto == 50]
        self.assertGreaterEqual(len(recorded), 5)
        wire = self.wire(self.stranger)
        before = self.site[1].gateway.drops()
        for frame in recorded:
            frame.src, frame.dst = wire.mac, self.site[1].gateway_host.mac("fab0")
        wire.send(*recorded)
        for frame in recorded:   # a number that is still to come, and a byte that is not right
            body = bytearray(bytes(frame[IP].payload))
            body[4:8] = (int.from_bytes(body[4:8], "big") + 500).to_bytes(4, "big")
            body[20] ^= 1
            frame[IP].remove_payload()
            wire.send(frame / bytes(body))
        rig.wait_until(lambda: sum(self.drops_by_crypto(1, before).values()) >= 2 * len(recorded), 10, 0.1, "all of them")
        self.assertEqual(self.drops_by_crypto(1, before),
                         {"esp_replayed": len(recorded), "esp_failed_authentication": len(recorded)})
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)

    def test_the_search_notices_what_is_in_clear(self):
        self.agree_on(",fail=clear,after=40")
        self.echo()
        capture = self.capture()
        for _ in range(60):
            traffic.udp_ask(self.site[1].workload, self.site[2].address(), 5000, MARK, timeout=0.05)
        self.assertTrue(MARK in capture.stop())
        self.assertGreater(self.site[2].gateway.drops().get("esp_failed_authentication", 0), 0)

    def test_captures_of_the_gateway_show_no_more_than_the_wire(self):
        self.agree_on()
        self.echo()
        file = self.lab.dir / "own.pcapng"
        gateway = self.site[1].gateway
        taking = gateway.begin("capture", "-w", file, "esp", "--timeout", "5s")
        time.sleep(1)
        for _ in range(20):
            self.ask(MARK)
        taking.wait(20)
        self.assertGreater(file.stat().st_size, 1000)
        self.assertFalse(MARK in file.read_bytes())

    def test_the_port_goes_and_comes_back(self):
        self.agree_on()
        gateway, site = self.site[1].gateway, self.site[1]
        without = self.node(1)
        without["spec"]["interfaces"] = [each for each in without["spec"]["interfaces"] if each["name"] != "fabric"]
        gateway.replace(without)
        time.sleep(2)   # the device is closed when nobody uses it any more
        gateway.replace(self.node(1), self.trusted_peer(1, 2, extendedSequenceNumbers=False))
        self.wait_for_state("Up", 1, 2)
        self.assertEqual(self.paths(1), {"cpu"})
        self.assertEqual(traffic.ping(site.workload, self.site[2].address(), timeout=3), 3)

    def test_what_cannot_be_is_refused_by_path(self):
        gateway = self.site[1].gateway
        wrong = {f"{NIC},interface=fabric,fail=never": f'spec.crypto.devices[0].device: {NIC}: "fail=never" is none of',
                 NIC: f"spec.crypto.devices[0].device: {NIC}: interface=NAME is missing",
                 f"{NIC},interface=none": f'spec.crypto.devices[0].device: {NIC}: there is no interface "none" with a device'}
        for device, text in wrong.items():
            node = self.node(1, crypto={"devices": [{"device": device}]})
            with self.subTest(device=device), self.assertRaises(rig.CliError) as refused:
                gateway.replace(node)
            self.assertIn(text, refused.exception.text)
        self.agree_on()
        with self.assertRaises(rig.CliError) as refused:
            gateway.apply(self.node(1))
        self.assertIn('spec.crypto.devices: interface "fabric" is open, and penstock_fake_inline comes and goes with it',
                      refused.exception.text)
        self.assertEqual(self.paths(1), {"inline"})


if __name__ == "__main__":
    rig.main()
