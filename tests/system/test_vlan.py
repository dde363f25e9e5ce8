"""802.1Q sub-interfaces. This kernel has no VLAN devices, so the neighbour on the VLAN is played with frames."""
import rig
from rig import LAN4, WAN4, traffic
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import ARP, Dot1Q, Ether

VLAN_ADDRESS, NEIGHBOUR = "192.0.2.1", "192.0.2.20"


class Vlan(rig.Story):
    servers = 1

    @classmethod
    def node(cls, **fields):
        return super().node(wan={"vlans": [{"id": 100, "addresses": [VLAN_ADDRESS + "/24"]},
                                           {"name": "blue", "id": 200, "addresses": ["192.0.3.1/24"]}]}, **fields)

    def setUp(self):
        self.peer = self.wire(self.client)
        self.peer.clear()
        self.gateway_mac = self.gateway_host.mac("wan0")

    def frame(self, vlan=100, destination=None):
        return Ether(src=self.peer.mac, dst=destination or self.gateway_mac) / Dot1Q(vlan=vlan)

    def tagged(self, layer, vlan=100):
        return lambda f: f.haslayer(Dot1Q) and f[Dot1Q].vlan == vlan and f.haslayer(layer)

    def answer_arp(self, vlan=100, address=NEIGHBOUR):
        request = self.peer.receive(lambda f: self.tagged(ARP, vlan)(f) and f[ARP].pdst == address)
        self.assertIsNotNone(request, "the gateway does not ask for the neighbour on the VLAN")
        self.peer.send(self.frame(vlan) / ARP(op=2, hwsrc=self.peer.mac, psrc=address, hwdst=request.src,
                                              pdst=request[ARP].psrc))

    def test_arp_is_answered_inside_the_tag_only(self):
        broadcast = "ff:ff:ff:ff:ff:ff"
        self.peer.send(self.frame(destination=broadcast) / ARP(hwsrc=self.peer.mac, psrc=NEIGHBOUR, pdst=VLAN_ADDRESS))
        answer = self.peer.receive(self.tagged(ARP))
        self.assertIsNotNone(answer)
        self.assertEqual((answer[ARP].op, answer[ARP].psrc, answer[ARP].hwsrc), (2, VLAN_ADDRESS, self.gateway_mac))
        self.peer.send(self.frame(200, broadcast) / ARP(hwsrc=self.peer.mac, psrc="192.0.3.9", pdst=VLAN_ADDRESS))
        self.assertIsNone(self.peer.receive(lambda f: f.haslayer(ARP) and f[ARP].op == 2, 0.5),
                          "an address of VLAN 100 was answered for on VLAN 200")

    def test_echo_to_the_gateway_and_through_it(self):
        for target in (VLAN_ADDRESS, LAN4.format(11)):
            self.peer.send(self.frame() / IP(src=NEIGHBOUR, dst=target) / ICMP(id=7) / b"tagged")
            reply = self.peer.receive(lambda f: self.tagged(ICMP)(f) or self.tagged(ARP)(f))
            if reply is not None and reply.haslayer(ARP):
                self.peer.send(self.frame() / ARP(op=2, hwsrc=self.peer.mac, psrc=NEIGHBOUR, hwdst=reply.src,
                                                  pdst=reply[ARP].psrc))
                reply = self.peer.receive(self.tagged(ICMP))
            self.assertIsNotNone(reply, f"no echo from {target}")
            self.assertEqual((reply[ICMP].type, reply[IP].src, bytes(reply[ICMP].payload)), (0, target, b"tagged"))

    def test_untagged_and_tagged_sides_talk(self):
        with traffic.udp_socket(self.hosts[0], "", 4000) as sock:
            sock.sendto(b"to the vlan", (NEIGHBOUR, 5000))
            request = self.peer.receive(lambda f: self.tagged(ARP)(f) or self.tagged(IP)(f), 2)
            if request is not None and request.haslayer(ARP):
                self.peer.send(self.frame() / ARP(op=2, hwsrc=self.peer.mac, psrc=NEIGHBOUR, hwdst=request.src,
                                                  pdst=request[ARP].psrc))
                request = self.peer.receive(self.tagged(IP), 2)
        self.assertIsNotNone(request, "nothing arrived tagged")
        self.assertEqual((request[IP].src, request[IP].dst, request[IP].ttl), (LAN4.format(11), NEIGHBOUR, 63))

    def test_the_untagged_interface_works_beside_it(self):
        self.assertEqual(traffic.ping(self.client, WAN4.format(1)), 3)

    def test_a_tag_nobody_configured_is_a_named_drop(self):
        before = self.gateway.drops()
        self.peer.send(self.frame(300) / IP(src=NEIGHBOUR, dst=VLAN_ADDRESS) / ICMP())
        self.assertEqual(self.gateway.drops_since(before).get("unknown_vlan"), 1)


if __name__ == "__main__":
    rig.main()
