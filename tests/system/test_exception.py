"""The exception path: a daemon on the gateway's own kernel talks through the twin of a port."""
import rig
from rig import LAN4, WAN4, WAN6, traffic


class Exception_(rig.Story):
    servers = 1
    driver = "af_xdp"   # takes the packets: with af_packet this kernel, which now has the address too, would see them twice

    @classmethod
    def missing(cls):
        import pathlib
        return super().missing() or ("" if pathlib.Path("/dev/net/tun").exists() else "needs /dev/net/tun")

    @classmethod
    def node(cls, **fields):
        return super().node(wan={"exception": {"twin": "twin0", "rules": [{"protocol": "tcp", "port": 179},
                                                                           {"protocol": "udp", "port": 3784}]}}, **fields)

    def test_a_routing_daemon_is_reached_and_reaches_out(self):
        """BGP's port on the gateway's address: nginx plays the daemon, in the gateway's own namespace."""
        self.assertIn(WAN4.format(1), self.gateway_host.ip("address", "show", "twin0"), "the twin has the port's addresses")
        traffic.nginx(self.gateway_host, ports=(179,))
        self.assertEqual(traffic.fetch(self.client, f"http://{WAN4.format(1)}:179/").strip(), "gw " + WAN4.format(2))
        self.assertEqual(traffic.fetch(self.client, f"http://[{WAN6.format(1)}]:179/").strip(), "gw " + WAN6.format(2))
        traffic.nginx(self.client, ports=(179,))
        self.assertEqual(traffic.fetch(self.gateway_host, f"http://{WAN4.format(2)}:179/").strip(), "client " + WAN4.format(1))

    def test_udp_both_ways(self):
        echo = traffic.UdpEcho(self.gateway_host, 3784)
        self.assertEqual(traffic.udp_ask(self.client, WAN4.format(1), 3784), "gw hello")
        self.assertEqual(echo.received, 1)

    def test_other_ports_do_not_reach_the_kernel(self):
        traffic.nginx(self.gateway_host, ports=(8022,))
        before = self.gateway.drops()
        self.assertNotEqual(traffic.fetch_status(self.client, f"http://{WAN4.format(1)}:8022/", timeout=1), 0)
        self.assertGreaterEqual(self.gateway.drops_since(before).get("local_unwanted", 0), 1)

    def test_traffic_through_the_gateway_is_not_concerned(self):
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)


if __name__ == "__main__":
    rig.main()
