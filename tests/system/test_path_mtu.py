"""A link in the middle of the underlay drops long packets and says nothing: the gateways find out what passes."""
import hashlib
import random
import time

import rig
from rig import traffic
from test_failover import SERVER, Routed


class BlackHole(Routed):
    """The router never says a word of its own to the gateways."""

    @classmethod
    def build(cls):
        super().build()
        for network in ("192.0.2.0/24", "198.18.0.0/24"):   # what it forwards has another way in than lo
            cls.router.ip("rule", "add", "iif", "lo", "to", network, "blackhole")

    def join(self, **liveness):
        self.narrow(1500)
        self.connect(liveness=liveness, replayWindow=0, extendedSequenceNumbers=False)
        for own in self.place:
            rig.wait_until(lambda own=own: self.path(own).get("state") == "up", 20, what=f"the path of gateway {own}")

    def path(self, own):
        return self.place[own].gateway.json("peer", "show")["peers"][0]["paths"][0]

    def narrow(self, mtu):
        """The router's link to gateway 2; longer packets are lost in both directions (towards the router 4 bytes later)."""
        self.router.ip("link", "set", "r1", "mtu", str(mtu))

    def wait_complete(self, least, most):
        for own in self.place:
            rig.wait_until(lambda own=own: self.path(own).get("mtuState") == "complete" and
                           least <= self.path(own).get("confirmedMtu", 0) <= most, 30, 0.2, f"path MTU of gateway {own}")
            rig.wait_until(lambda own=own: self.path(own)["pathMtu"] == self.path(own)["confirmedMtu"], 20, 0.1, "that it is used")

    def transfer(self, megabytes=8):
        """Begins one that takes seconds; what was sent, and the file it goes to."""
        sent = random.Random(7).randbytes(megabytes << 20)
        source, target = self.lab.dir / "sent", self.lab.dir / "received"
        source.write_bytes(sent)
        target.unlink(missing_ok=True)
        self.sink = self.server.start("sink", "bash", "-c", f"exec nc -l 7000 > {target}")
        rig.wait_until(lambda: ":7000 " in self.server.run("ss", "-Hltn").stdout, 5, what="listener")
        self.client.start("source", "bash", "-c", f"(for n in $(seq 0 {megabytes * 16 - 1}); do dd if={source} bs=64k skip=$n count=1 "
                          f"status=none; sleep 0.03; done) | nc -N {SERVER} 7000")
        rig.wait_until(lambda: target.exists() and target.stat().st_size > 1 << 20, 20, what="a part of the transfer")
        return sent, target

    def finished(self, sent, target):
        rig.wait_until(lambda: not self.sink.running(), 90, 0.1, "the end of the transfer")
        self.assertEqual(hashlib.sha256(target.read_bytes()).hexdigest(), hashlib.sha256(sent).hexdigest())

    def test_a_transfer_hangs_and_goes_on(self):
        self.join()
        self.wait_complete(1500, 1500)
        self.assertIn('penstock_peer_path_mtu_confirmed_bytes{peer="default/site2",address="198.18.0.2"} 1500', self.gateway.metrics())
        sent, target = self.transfer()
        self.narrow(1300)
        began, before, stalled, since = time.monotonic(), 0, 0.0, time.monotonic()
        while self.sink.running() and self.path(1)["pathMtu"] == 1500 and time.monotonic() < began + 60:
            size = target.stat().st_size
            if size != before:
                before, since = size, time.monotonic()
            stalled = max(stalled, time.monotonic() - since)
            time.sleep(0.05)
        print(f"    path MTU lowered after {time.monotonic() - began:.1f} s, {stalled:.1f} s without progress until then")
        self.assertGreater(stalled, 0.3)
        self.finished(sent, target)
        self.wait_complete(1297, 1304)
        self.assertIn("the path to a peer carries less", self.gateway.process.output())
        self.assertIn('state="complete"', self.gateway.metrics())
        # Hosts inside are told.
        self.client.ip("route", "flush", "cache")
        told = self.client.run("ping", "-c1", "-W1", "-M", "do", "-s", "1400", SERVER, check=False).stdout
        self.assertIn("mtu = 12", told)
        self.assertEqual(traffic.ping(self.client, SERVER, size=1200, fragment="do"), 3)
        # The path was away and is another now: no need to wait for the timer.
        self.router.ip("link", "set", "r1", "down")
        for own in self.place:
            rig.wait_until(lambda own=own: self.path(own)["state"] == "down", 20, what="the path is down")
        self.narrow(1500)
        self.router.ip("link", "set", "r1", "up")
        self.wait_complete(1500, 1500)
        for place in self.place.values():
            self.assertEqual(place.gateway.balance(), 0)

    def test_without_the_search_it_hangs_for_good(self):
        self.join(searchPathMtu=False)
        self.assertEqual(self.path(1).get("mtuState", ""), "")
        sent, target = self.transfer(4)
        self.narrow(1300)
        time.sleep(2)
        size = target.stat().st_size
        time.sleep(4)
        self.assertEqual(target.stat().st_size, size)
        self.assertEqual(self.path(1)["pathMtu"], 1500)
        for own, place in self.place.items():   # the same tunnel goes on
            peer = place.gateway.objects("Peer")[0]
            place.gateway.apply({**peer, "spec": {**peer["spec"], "liveness": {}}})
        self.finished(sent, target)
        self.wait_complete(1297, 1304)


if __name__ == "__main__":
    rig.main()
