"""Devices of other kinds than the stories' veth pairs, frames of 9000 bytes, and links that go down and come back."""
import rig
from rig import LAN4, WAN4, objects, traffic


class Devices(rig.Story):
    servers = 1

    def link(self, interface):
        return next(p["linkUp"] for p in self.gateway.json("node", "info")["ports"] if p["interface"] == interface)

    def test_devices_without_hardware_come_and_go_while_it_forwards(self):
        """A memif pair (this process is both ends), a ring, a null device: added, up, and removed again."""
        socket = self.lab.dir / "memif.sock"
        extra = {"memif-a": f"net_memif0,role=server,id=1,socket={socket},socket-abstract=no",
                 "memif-b": f"net_memif1,role=client,id=1,socket={socket},socket-abstract=no",
                 "ring": "net_ring0", "null": "net_null0,no-rx=1"}
        node = self.node()
        for number, (name, device) in enumerate(extra.items()):
            node["spec"]["interfaces"].append(objects.interface(name, device, f"172.31.{number}.1/24"))
        self.gateway.replace(node)
        rig.wait_until(lambda: all(self.link(name) for name in extra), 5, what="links up")
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.gateway.replace(self.node())
        self.assertEqual({p["interface"] for p in self.gateway.json("node", "info")["ports"]}, {"wan", "lan"})
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)

    def test_a_missing_device_is_an_error_with_its_path(self):
        node = self.node()
        node["spec"]["interfaces"].append(objects.interface("gone", "net_af_packet7,iface=nobody0", "172.31.9.1/24"))
        with self.assertRaises(rig.CliError) as failed:
            self.gateway.apply(node)
        self.assertIn("spec.interfaces[2].device", str(failed.exception))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)


class LinkEvents(rig.Story):
    servers = 1

    def test_down_and_up_are_logged_counted_and_survived(self):
        self.gateway.replace(self.node())
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.client.ip("link", "set", "eth0", "down")
        rig.wait_until(lambda: 'msg="link down" interface=wan' in self.gateway.process.output(), 5, what="link down")
        self.client.ip("link", "set", "eth0", "up")
        rig.wait_until(lambda: 'msg="link up" interface=wan' in self.gateway.process.output(), 5, what="link up")
        self.client.add_route("0.0.0.0/0", via=WAN4.format(1))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)


class Jumbo(rig.Story):
    """Frames of 9000 bytes, forwarded whole and refused by name where the next link is smaller."""

    servers = 1

    @classmethod
    def build(cls):
        link, switch = cls.lab.link, cls.lab.switch
        cls.lab.link = lambda a, a_device, b, b_device, mtu=9000: link(a, a_device, b, b_device, mtu)
        cls.lab.switch = lambda role: switch(role, mtu=9000)
        super().build()

    @classmethod
    def node(cls, **fields):
        made = super().node(wan={"mtu": 9000}, lan={"mtu": 9000}, **fields)
        for interface in made["spec"]["interfaces"]:
            interface["device"] += ",framesz=9216,blocksz=36864,framecnt=256"
        return made

    def test_nine_thousand_bytes_pass_both_ways(self):
        self.gateway.replace(self.node())
        for payload in (1472, 1473, 4000, 8972):   # with 28 bytes of headers: up to the MTU
            self.assertEqual(traffic.ping(self.client, LAN4.format(11), size=payload, fragment="do"), 3, payload)
        self.assertEqual(traffic.ping(self.client, WAN4.format(1), size=8972, fragment="do"), 3, "the gateway's own echo")


if __name__ == "__main__":
    rig.main()
