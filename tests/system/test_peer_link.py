"""Gateways that agree on keys by themselves: certificates, key changes, restarts, and everybody who should not get in."""
import hashlib
import random
import socket
import subprocess
import time

import rig
from rig import objects, traffic
from rig.mesh import MANAGEMENT, Authority, Mesh

MARK = b"penstock-mark-of-the-payload-in-clear"


class Link(Mesh):
    def setUp(self):
        self.introduce()

    def ask(self, v6=False, payload=b"hello"):
        return traffic.udp_ask(self.site[1].workload, self.site[2].address(v6), 5000, payload)

    def echo(self):
        server = traffic.UdpEcho(self.site[2].workload, 5000, "::")
        self.addCleanup(server.close)
        return server

    def associations(self, own):
        return self.site[own].gateway.json("peer", "show")["peers"][0].get("associations", [])

    def test_they_agree_and_carry_both_families(self):
        self.agree()
        for v6 in (False, True):
            self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(v6), timeout=3), 3)
        for own in self.site:
            made = [(a["direction"], a.get("worker", 0)) for a in self.associations(own)]
            workers = len(self.cores)
            for direction in ("out", "in"):   # one for each pair of workers
                self.assertEqual(sorted(w for d, w in made if d == direction), sorted(list(range(workers)) * workers))
        self.assert_balanced()

    def test_every_cipher(self):
        for cipher in rig.mesh.CIPHERS:
            with self.subTest(cipher=cipher):
                self.agree(cipher=cipher)
                self.assertEqual(traffic.ping(self.site[1].workload, self.site[2].address(), timeout=3), 3)

    def test_a_thousand_rekeys_under_load(self):
        """Not one datagram lost, none in clear, and a TCP transfer arrives as it was sent."""
        self.agree()
        self.echo()
        capture = self.capture()
        self.assertIn(MARK.decode(), self.ask(payload=MARK) or "")
        before = [self.link(own) for own in self.site]
        hosts = self.site[1].workload, self.site[2].workload
        with traffic.Transfer(*hosts, self.site[2].address(), 7000) as transfer, traffic.Pulse(self.site[1].workload, self.site[2].address(), 5000, 200) as pulse:
            deadline = time.monotonic() + 180
            while self.rekeys(before) < 1000 and time.monotonic() < deadline:
                for site in self.site.values():
                    site.gateway.cli("peer", "rekey", "default/site2" if site.number == 1 else "default/site1")
            self.assertGreaterEqual(self.rekeys(before), 1000)
        self.assertEqual(pulse.lost, 0, f"of {pulse.sent}, first {pulse.first_lost}")
        self.assertEqual(transfer.sent, transfer.arrived)
        self.assertFalse(MARK in capture.stop())
        print(f"\n    {self.rekeys(before)} rekeys, {transfer.bytes >> 20} MiB and {pulse.sent} datagrams, {pulse.lost} lost", end=" ")
        for site in self.site.values():
            self.assertNotIn("clear_refused", site.gateway.drops())
        self.assert_balanced()

    def rekeys(self, before):
        return sum(int(self.link(own)["agreedOutbound"]) - int(old["agreedOutbound"]) for own, old in zip(self.site, before))


if __name__ == "__main__":
    rig.main()
