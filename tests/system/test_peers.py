"""Ordinary tools through the gateway: iperf3 over TCP and UDP, nc and socat moving a file, over IPv4 and IPv6."""
import hashlib
import random

import rig
from rig import LAN4, LAN6, VIP4, VIP6, objects, traffic

SIZE = 3 << 20


class Peers(rig.Story):
    servers = 1

    @classmethod
    def build(cls):
        super().build()
        cls.file = cls.lab.dir / "payload"
        cls.file.write_bytes(random.Random(5).randbytes(SIZE))
        cls.digest = hashlib.sha256(cls.file.read_bytes()).hexdigest()

    def setUp(self):
        made = objects.service("any", (VIP4, VIP6), (7000, 7000), (7001, 7001, "UDP"))
        self.gateway.replace(self.node(), made, *objects.endpoints(made, LAN4.format(11), LAN6.format(11)))

    def move(self, listener, sender):
        """What the listener stored of what the sender sent."""
        target = self.lab.dir / "received"
        target.unlink(missing_ok=True)
        server = self.hosts[0].start("listener", "bash", "-c", f"exec {listener} > {target}")
        rig.wait_until(lambda: ":7000 " in self.hosts[0].run("ss", "-Hltn").stdout, 5, what="listener")
        self.client.run("bash", "-c", f"{sender} < {self.file}", timeout=30)
        rig.wait_until(lambda: target.stat().st_size >= SIZE or not server.running(), 10, what="the whole file")
        server.stop()
        return hashlib.sha256(target.read_bytes()).hexdigest()

    def test_nc(self):
        self.assertEqual(self.move("nc -l 7000", f"nc -N {VIP4} 7000"), self.digest)
        self.assertEqual(self.move("nc -6 -l 7000", f"nc -6 -N {VIP6} 7000"), self.digest)

    def test_socat(self):
        self.assertEqual(self.move("socat -u TCP4-LISTEN:7000,reuseaddr -", f"socat -u - TCP4:{VIP4}:7000"), self.digest)
        self.assertEqual(self.move("socat -u TCP6-LISTEN:7000,reuseaddr -", f"socat -u - TCP6:[{VIP6}]:7000"), self.digest)

    def test_iperf3(self):
        server = traffic.iperf3_server(self.hosts[0])
        self.addCleanup(server.stop)
        for address in (LAN4.format(11), LAN6.format(11)):
            tcp = traffic.iperf3(self.client, address, 1)["end"]["sum_received"]["bits_per_second"]
            udp = traffic.iperf3(self.client, address, 1, extra=("-u", "-b", "20M"))["end"]["sum"]
            print(f"    {address}: TCP {tcp / 1e6:.0f} Mbit/s, UDP 20 Mbit/s with {udp['lost_packets']} of {udp['packets']} lost")
            self.assertGreater(tcp, 1e6)
            self.assertGreater(udp["packets"], 1000)
            self.assertLess(udp["lost_percent"], 1)


if __name__ == "__main__":
    rig.main()
