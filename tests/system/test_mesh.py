"""Two gateways and an encrypted fabric between them: workloads behind one reach those behind the other, nothing travels
in clear, and nobody else gets in."""
import hashlib
import random

import rig
from rig import objects, traffic
from rig.mesh import CIPHERS, FABRIC4, FABRIC6, FOREIGN, Keys, Mesh
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

MARK = b"penstock-mark-of-the-payload-in-clear"


class TwoSites(Mesh):
    foreign = True

    def ask(self, v6=False, payload=b"hello", port=5000):
        return traffic.udp_ask(self.site[1].workload, self.site[2].address(v6), port, payload)

    def associations(self, site):
        rig.settle()
        return self.site[site].gateway.json("peer", "show")["peers"][0]["associations"]

    def echo(self):
        server = traffic.UdpEcho(self.site[2].workload, 5000, "::")
        self.addCleanup(server.close)
        return server

    def test_every_cipher_carries_both_families_over_both(self):
        for cipher in CIPHERS:
            for over_v6 in (False, True):
                self.connect(Keys(cipher, 1, 2, lanes=2), v6=over_v6)
                for v6 in (False, True):
                    with self.subTest(cipher=cipher, over_v6=over_v6, v6=v6):
                        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
        self.assert_balanced()

    def test_no_byte_of_payload_is_seen_on_the_fabric(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        self.echo()
        capture = self.capture()
        for v6 in (False, True):
            for number in range(20):
                answer = self.ask(v6, MARK + b"%d" % number)
                self.assertIn(MARK.decode(), answer or "")
        seen = capture.stop()
        self.assertFalse(MARK in seen)
        counts = capture.protocols()
        self.assertGreaterEqual(counts["ESP"], 80, counts)
        self.assertEqual((counts["UDP"], counts["TCP"], counts["ICMP"]), (0, 0, 0), counts)
        # The same search finds it where nothing is encrypted: the proof can fail.
        self.connect(None, encryption="Off")
        capture = self.capture()
        self.assertIn(MARK.decode(), self.ask(False, MARK) or "")
        self.assertTrue(MARK in capture.stop())

    def test_tshark_reads_it_with_the_keys(self):
        algorithms = {"AES-GCM-128": ("AES-GCM with 16 octet ICV [RFC4106]", "NULL"), "AES-GCM-256": ("AES-GCM with 16 octet ICV [RFC4106]", "NULL"),
                      "AES-CBC-128-HMAC-SHA256": ("AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]")}
        self.echo()
        for cipher, (encryption, integrity) in algorithms.items():
            with self.subTest(cipher=cipher):
                keys = Keys(cipher, 1, 2)
                self.connect(keys)
                capture = self.capture()
                self.assertIn(MARK.decode(), self.ask(False, MARK) or "")
                capture.stop()
                tables = []
                for lines in keys.lines.values():
                    for spi, key, second in lines:
                        second = f"0x{second.hex()}" if second else ""
                        tables += ["-o", f'uat:esp_sa:"IPv4","*","*","{spi:#010x}","{encryption}","0x{key.hex()}","{integrity}","{second}"']
                read = rig.run("tshark", "-r", capture.path, "-o", "esp.enable_encryption_decode:TRUE", *tables, "-T", "fields", "-e", "udp.payload").stdout
                self.assertEqual(read.count(MARK.hex()), 2, read)

    def test_udp_encapsulation(self):
        self.connect(Keys("AES-GCM-256", 1, 2, lanes=2), encapsulation="UDP")
        capture = self.capture()
        for v6 in (False, True):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
        capture.stop()
        counts = capture.protocols()
        self.assertGreaterEqual(counts["UDP"], 12, counts)   # ESP is what tcpdump finds inside port 4500

    def test_iperf3_and_digest(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        self.addCleanup(traffic.iperf3_server(self.site[2].workload).stop)
        for v6 in (False, True):
            report = traffic.iperf3(self.site[1].workload, self.site[2].address(v6), 2, extra=("-P", "4"))
            rate = report["end"]["sum_received"]["bits_per_second"]
            print(f"    IPv{6 if v6 else 4} inside: TCP {rate / 1e6:.0f} Mbit/s")
            self.assertGreater(rate, 1e6)
        sent = random.Random(7).randbytes(4 << 20)
        source, target = self.lab.dir / "sent", self.lab.dir / "received"
        source.write_bytes(sent)
        server = self.site[2].workload.start("sink", "bash", "-c", f"exec nc -l 7000 > {target}")
        rig.wait_until(lambda: ":7000 " in self.site[2].workload.run("ss", "-Hltn").stdout, 5, what="listener")
        self.site[1].workload.run("bash", "-c", f"nc -N {self.site[2].address()} 7000 < {source}", timeout=30)
        rig.wait_until(lambda: not server.running(), 10, what="the end of the transfer")
        self.assertEqual(hashlib.sha256(target.read_bytes()).hexdigest(), hashlib.sha256(sent).hexdigest())
        workers = [int(a["packets"]) for a in self.associations(1) if a["direction"] == "out"]
        self.assertTrue(all(workers), workers)   # both lanes were used
        self.assert_balanced()

    def test_one_association_serves_all_workers(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=1))
        for n in range(10):   # flows of both workers
            self.echo_once(5100 + n)
        self.assert_balanced()

    def echo_once(self, port):
        server = traffic.UdpEcho(self.site[2].workload, port, "::")
        try:
            self.assertIn("hello", self.ask(port=port) or "")
        finally:
            server.close()

    def test_large_packets(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        w1, there = self.site[1].workload, self.site[2].address()
        self.assertEqual(traffic.ping(w1, there, size=1400, fragment="do"), 3)
        # Too long and may not be cut: the sender is told what fits, and it is more than 1400 bytes.
        w1.ip("route", "flush", "cache")
        told = w1.run("ping", "-c1", "-W1", "-M", "do", "-s", "1472", there, check=False).stdout
        self.assertIn("mtu = 14", told)
        # May be cut: is, before it is encrypted.
        w1.ip("route", "flush", "cache")
        self.assertEqual(traffic.ping(w1, there, size=1472, fragment="dont"), 3)
        self.assertEqual(traffic.ping(w1, there, size=1440, fragment="dont"), 3)
        self.assert_balanced()

    def test_plaintext_from_the_fabric_is_refused(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        self.echo()
        gateway = self.site[2].gateway
        before = gateway.drops()
        wire = self.wire(self.stranger)
        to = self.site[2].gateway_host.mac("fab0")
        packets = 20
        for n in range(packets):   # as if from site 1
            wire.send(Ether(src=wire.mac, dst=to) / IP(src=self.site[1].address(), dst=self.site[2].address()) /
                      UDP(sport=4000 + n, dport=5000) / MARK)
            wire.send(Ether(src=wire.mac, dst=to) / IPv6(src=self.site[1].address(True), dst=self.site[2].address(True)) /
                      UDP(sport=4000 + n, dport=5000) / MARK)
        self.assertEqual(gateway.drops_since(before), {"clear_refused": 2 * packets})
        # Where it is only preferred, the same packet passes.
        gateway.replace(self.site[2].node(), self.peer(2, 1, Keys("AES-GCM-128", 1, 2, lanes=2), encryption="Preferred"))
        seen = self.wire(self.site[2].workload)
        wire.send(Ether(src=wire.mac, dst=to) / IP(src=self.site[1].address(), dst=self.site[2].address()) / UDP(dport=5000) / MARK)
        self.assertIsNotNone(seen.receive(lambda frame: MARK in bytes(frame)))

    def test_forged_esp_is_refused_by_name(self):
        keys = Keys("AES-GCM-128", 1, 2, lanes=2)
        self.connect(keys, encapsulation="UDP")   # then port 4500 is looked at, too
        gateway = self.site[2].gateway
        wire = self.wire(self.stranger)
        to = self.site[2].gateway_host.mac("fab0")
        way = {"src": FABRIC4.format(1), "dst": FABRIC4.format(2)}
        outer = Ether(src=wire.mac, dst=to) / IP(**way) / UDP(sport=4500, dport=4500, chksum=0)
        bare = Ether(src=wire.mac, dst=to) / IP(proto=50, **way)
        spi = keys.lines[1, 2][0][0].to_bytes(4, "big")
        before = gateway.drops()
        chance = random.Random(3)
        for n in range(10):
            wire.send(outer / (spi + (1000 + n).to_bytes(4, "big") + chance.randbytes(64)))       # wrong tag
            wire.send(outer / (b"\x7f\0\0" + bytes([n]) + (1).to_bytes(4, "big") + bytes(64)))   # no such SPI
            wire.send(outer / (spi + bytes(4) + bytes(64)))                                     # number zero
            wire.send(outer / (spi + (2000).to_bytes(4, "big") + bytes(16)))                    # too short
            wire.send(outer / b"\xff")
            wire.send(bare / (spi + (1000 + n).to_bytes(4, "big") + bytes(64)))                 # not as agreed
        dropped = gateway.drops_since(before)
        self.assertEqual(dropped, {"esp_failed_authentication": 10, "esp_unknown_spi": 10, "esp_zero_sequence": 10,
                                   "esp_truncated_esp": 10, "esp_nat_keepalive": 10, "esp_wrong_encapsulation": 10})
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address()), 3)

    def test_a_replay_is_refused(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        wire = self.wire(self.stranger)
        capture = self.capture()
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), count=5), 5)
        capture.stop()
        from scapy.utils import rdpcap
        recorded = [p for p in rdpcap(str(capture.path)) if IP in p and p[IP].dst == FABRIC4.format(2) and p[IP].proto == 50]
        self.assertEqual(len(recorded), 5)
        before = self.site[2].gateway.drops()
        for frame in recorded:
            frame.src = wire.mac   # or the switch would take us for gateway 1
        wire.send(*recorded)
        self.assertEqual(self.site[2].gateway.drops_since(before), {"esp_replayed": 5})

    def test_a_lost_key_file_stops_its_peer_alone(self):
        keys = Keys("AES-GCM-128", 1, 2)
        self.connect(keys, replayWindow=0, extendedSequenceNumbers=False)
        site, file = self.site[1], self.lab.dir / "keys-1-2"
        text = file.read_text()
        site.gateway.stop()
        file.unlink()
        site.gateway.start()
        self.assertIn("peer has no keys", site.gateway.process.output())
        capture = self.capture()
        self.assertIsNone(self.ask(payload=MARK))
        self.assertFalse(MARK in capture.stop())
        site.gateway.apply(objects.service("other", "10.1.0.200", (80, 80)))   # what else changes is not held up by it
        keys.write(file, 1, 2)
        self.assertEqual(file.read_text(), text)
        site.gateway.apply(objects.service("other", "10.1.0.201", (80, 80)))   # and with the next change it is back
        self.echo()
        rig.wait_until(lambda: self.ask(payload=MARK), 10, what="an answer")

    def test_a_restart_of_one_side_without_replay_windows(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2), replayWindow=0, extendedSequenceNumbers=False)
        for site in (1, 2):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address()), 3)
            self.site[site].gateway.kill()
            self.site[site].gateway.start()   # with the keys of the stored Peer
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)

    def test_sources_that_are_not_behind_the_peer(self):
        keys = Keys("AES-GCM-128", 1, 2, lanes=2)
        self.connect(keys)
        before = self.site[2].gateway.drops()
        wire = self.wire(self.site[1].workload)
        for n in range(10):
            wire.send(Ether(src=wire.mac, dst=self.site[1].gateway_host.mac("lan0")) / IP(src=f"10.77.0.{n + 1}", dst=self.site[2].address()) / ICMP())
        self.assertEqual(self.site[2].gateway.drops_since(before), {"esp_selector_mismatch": 10})

    def test_without_an_association_nothing_leaves(self):
        site = self.site[1]
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        site.gateway.cli("delete", "Peer", "site2")
        self.assertEqual(traffic.ping(site.workload, self.site[2].address(), count=2), 0)
        self.assertGreaterEqual(site.gateway.drops().get("no_route", 0), 2)

    def test_a_service_in_front_of_a_remote_site(self):
        web = objects.service("web", "203.0.113.10", (5000, 5000, "UDP"))
        site = self.site[1]
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        server = self.echo()
        site.gateway.apply(web, *objects.endpoints(web, self.site[2].address()))
        for n in range(10):
            answer = traffic.udp_ask(site.workload, "203.0.113.10", 5000, b"n%d" % n)
            self.assertIn(f"n{n}", answer or "")
        self.assertEqual(server.received, 10)
        self.assert_balanced()

    def test_wrong_configurations_are_refused_with_a_path(self):
        site = self.site[1]
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        keys = Keys("AES-GCM-128", 1, 2)
        good = self.peer(1, 2, keys)
        path = good["spec"]["staticKeys"]["file"]
        for change, where in (
                ({"address": FABRIC4.format(1)}, "spec.address"), ({"address": "10.2.0.7"}, "spec.prefixes[0]"),
                ({"prefixes": []}, "spec.prefixes"), ({"prefixes": ["10.1.0.0/24"]}, "spec.prefixes[0]"),
                ({"cipher": "ROT13"}, "spec.cipher"), ({"pathMtu": 100}, "spec.pathMtu"), ({"pathMtu": 1290}, "spec.pathMtu"),
                ({"replayWindow": 100}, "spec.replayWindow"), ({"weight": 0}, "spec.weight"),
                ({"staticKeys": {"file": "keys"}}, "spec.staticKeys.file"), ({"staticKeys": {"file": "/nowhere"}}, "spec.staticKeys.file"),
                ({"cipher": "AES-GCM-256"}, "spec.staticKeys.file"), ({"localAddress": "192.0.2.77"}, "spec.localAddress")):
            with self.subTest(change=change):
                with self.assertRaises(rig.CliError) as refused:
                    site.gateway.apply({**good, "spec": {**good["spec"], **change}})
                self.assertIn(where, refused.exception.text)
        rig.run("chmod", "644", path)
        with self.assertRaises(rig.CliError) as refused:
            site.gateway.apply({**good, "spec": {**good["spec"], "pathMtu": 1400}})
        self.assertIn("chmod 600", refused.exception.text)
        self.assertEqual(traffic.ping(site.workload, self.site[2].address()), 3)   # nothing changed

    def test_another_weight_leaves_the_associations_alone(self):
        keys = Keys("AES-GCM-128", 1, 2, lanes=2)
        self.connect(keys)
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address()), 3)
        before = self.associations(1)
        self.site[1].gateway.apply(self.peer(1, 2, keys, weight=7))
        after = self.associations(1)
        self.assertEqual([a["packets"] for a in before], [a["packets"] for a in after])
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address()), 3)

    def test_metrics_of_each_association(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))

        def counts():
            rig.settle()
            page = self.site[1].gateway.metrics()
            self.assertIn('peer="default/site2"', page)
            self.assertIn('path="cpu"', page)
            return [sum(int(float(line.rsplit(" ", 1)[1])) for line in page.splitlines()
                        if line.startswith("penstock_association_packets_total{") and f'direction="{direction}"' in line)
                    for direction in ("out", "in")]
        before = counts()
        self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), count=5), 5)
        self.assertEqual([now - then for then, now in zip(before, counts())], [5, 5])

    def test_explain_names_the_tunnel(self):
        self.connect(Keys("AES-GCM-128", 1, 2, lanes=2))
        before = [a["packets"] for a in self.associations(1)]
        said = self.site[1].gateway.cli("flows", "explain", "--interface", "lan", "--src", self.site[1].address(), "--dst",
                                        self.site[2].address(), "--protocol", "udp", "--src-port", "1000", "--dst-port", "53").stdout
        self.assertIn("to peer default/site2", said)
        self.assertNotIn("no_association", said)
        self.assertEqual([a["packets"] for a in self.associations(1)], before)   # nothing was sent
        self.assert_balanced()

    def test_keys_appear_nowhere(self):
        keys = Keys("AES-GCM-128", 1, 2, lanes=2)
        self.connect(keys)
        gateway = self.site[1].gateway
        said = gateway.cli("get", "Peer", "-o", "yaml").stdout + gateway.cli("peer", "show", "-o", "json").stdout + gateway.process.output()
        stored = b"".join(p.read_bytes() for p in self.lab.dir.glob("gateway1.db*"))
        for lines in keys.lines.values():
            for _, key, _ in lines:
                self.assertNotIn(key.hex(), said)
                self.assertNotIn(key, stored)
                self.assertNotIn(key.hex().encode(), stored)


if __name__ == "__main__":
    rig.main()
