"""Peers of another make: what Linux and scapy make of our ESP, and we of theirs."""
import rig
from rig import objects, traffic, uml
from rig.mesh import CIPHERS, FABRIC4, Keys, Mesh
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.layers.l2 import Ether

SCAPY = {"AES-GCM-128": ("AES-GCM", "NULL"), "AES-GCM-256": ("AES-GCM", "NULL"), "ChaCha20-Poly1305": ("CHACHA20-POLY1305", "NULL"),
         "AES-CBC-128-HMAC-SHA256": ("AES-CBC", "SHA2-256-128"), "AES-CBC-256-HMAC-SHA256": ("AES-CBC", "SHA2-256-128")}
STRANGER = 9


class Linux(Mesh):
    """A stock kernel with a tunnel per cipher: addresses 192.0.2.21…, behind them 10.21.0.1…"""

    sites = 1

    @classmethod
    def missing(cls):
        return super().missing() or uml.missing()

    @classmethod
    def build(cls):
        super().build()
        cls.keys, peers, script = {}, [], ""
        for n, cipher in enumerate(CIPHERS, 21):
            esn, udp = n % 2 == 0, n == 25
            keys = cls.keys[n] = Keys(cipher, 1, n)
            ours, theirs = FABRIC4.format(1), FABRIC4.format(n)
            script += f"ip address add {theirs}/24 dev vec0\nip address add 10.{n}.0.1/32 dev lo\n"
            script += uml.states(keys, n, 1, theirs, ours, esn=esn, udp=udp, reqid=n)
            script += uml.policies(f"10.{n}.0.0/16", "10.1.0.0/16", theirs, ours, reqid=n)
            path = keys.write(cls.lab.dir / f"keys-{n}", 1, n)
            peers.append(objects.peer(f"linux{n}", theirs, f"10.{n}.0.0/16", cipher=cipher, extendedSequenceNumbers=esn,
                                      encapsulation="UDP" if udp else "ESP", staticKeys={"file": path}))
        script += f"ip route add 10.1.0.0/16 via {FABRIC4.format(1)}\niperf3 -s -D >/dev/null\n"
        # The kernel takes ESP in UDP from a socket that says so (UDP_ENCAP, UDP_ENCAP_ESPINUDP).
        script += ("python3 -c 'import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); "
                   "s.setsockopt(17,100,2); s.bind((\"\",4500)); time.sleep(1000)' &\n")
        for n in cls.keys:
            script += f"(wait_for pings; echo PING-{n} $(ping -n -q -c 5 -i 0.1 -W 2 -I 10.{n}.0.1 10.1.0.11 | grep received)) &\n"
        script += "(wait_for rain; tc qdisc add dev vec0 root netem delay 2ms 1ms loss 2% reorder 10%; echo RAIN $?; wait_for dry; tc qdisc del dev vec0 root; echo DRY $?) &\n"
        cls.kernel = uml.Kernel(cls.fabric, script)
        cls.gateway.replace(cls.site[1].node(), *peers)

    def test_we_reach_what_is_behind_the_kernel(self):
        for n, keys in self.keys.items():
            with self.subTest(cipher=keys.cipher):
                self.assertEqual(traffic.ping(self.site[1].workload, f"10.{n}.0.1", count=5, timeout=3), 5)
                self.assertEqual(traffic.ping(self.site[1].workload, f"10.{n}.0.1", count=3, size=1300, timeout=3), 3)
        self.assertEqual(self.gateway.balance(), 0)

    def test_the_kernel_reaches_what_is_behind_us(self):
        self.kernel.tell("pings")
        rig.wait_until(lambda: self.kernel.output().count("PING-") == len(self.keys), 20, what="the kernel's pings")
        said = self.kernel.output()
        for n, keys in self.keys.items():
            with self.subTest(cipher=keys.cipher):
                self.assertRegex(said, rf"PING-{n} 5 packets transmitted, 5 received")

    def test_tcp_through_loss_and_reorder(self):
        speed = lambda seconds: traffic.iperf3(   # noqa: E731  (-R: the kernel sends, and its rain falls on what it sends)
            self.site[1].workload, "10.22.0.1", seconds, extra=("-R",))["end"]["sum_received"]["bits_per_second"]
        dry = speed(1)
        self.kernel.tell("rain")
        rig.wait_until(lambda: "RAIN 0" in self.kernel.output(), 10, what="netem")
        wet = speed(2)
        self.kernel.tell("dry")
        rig.wait_until(lambda: "DRY 0" in self.kernel.output(), 10, what="the end of netem")
        print(f"    TCP from the kernel: {dry / 1e6:.0f} Mbit/s, {wet / 1e6:.1f} Mbit/s with loss and reorder")
        self.assertGreater(min(dry, wet), 1e5)
        self.assertEqual(self.gateway.balance(), 0)


class Scapy(Mesh):
    """scapy's IPsec layer in the foreign namespace: what it sends is taken, what it gets it can read."""

    sites = 1
    foreign = True

    def associations(self, keys, esn, udp, v6):
        crypt, auth = SCAPY[keys.cipher]
        made = {}
        for pair, src, dst in (((STRANGER, 1), STRANGER, 1), ((1, STRANGER), 1, STRANGER)):
            spi, key, integrity = keys.lines[pair][0]
            address = rig.mesh.FABRIC6 if v6 else FABRIC4
            header = (IPv6 if v6 else IP)(src=address.format(src), dst=address.format(dst))
            made[pair] = SecurityAssociation(ESP, spi=spi, crypt_algo=crypt, crypt_key=key, auth_algo=auth, auth_key=integrity or None,
                                             tunnel_header=header, nat_t_header=UDP(sport=4500, dport=4500) if udp else None,
                                             esn_en=esn, esn=0)
        return made[STRANGER, 1], made[1, STRANGER]

    def configure(self, keys, esn, udp, v6):
        path = keys.write(self.lab.dir / "keys", 1, STRANGER)
        address = (rig.mesh.FABRIC6 if v6 else FABRIC4).format(STRANGER)
        self.gateway.replace(self.site[1].node(), objects.peer(
            "scapy", address, "10.9.0.0/16", "2001:db8:9::/48", cipher=keys.cipher, extendedSequenceNumbers=esn,
            encapsulation="UDP" if udp else "ESP", staticKeys={"file": path}))

    def exchange(self, keys, esn, udp, outer_v6):
        """Echoes of several sizes, both families, sealed and opened by scapy."""
        self.configure(keys, esn, udp, outer_v6)
        out, back = self.associations(keys, esn, udp, outer_v6)
        wire, number = self.wire(self.stranger), 0
        to = self.site[1].gateway_host.mac("fab0")
        for inner_v6 in (False, True):
            for size in (1, 64, 511, 1300):
                number += 1
                ask = (IPv6(src="2001:db8:9::5", dst=self.site[1].address(True)) / ICMPv6EchoRequest(id=number, data=bytes(size))
                       if inner_v6 else IP(src="10.9.0.5", dst=self.site[1].address()) / ICMP(id=number) / bytes(size))
                sealed = out.encrypt(ask, seq_num=number)
                if udp:
                    del sealed[UDP].len   # scapy counted it before there was a payload
                wire.send(Ether(src=wire.mac, dst=to) / sealed)
                spi = back.spi.to_bytes(4, "big")
                frame = wire.receive(lambda f: spi in bytes(f)[34:70])
                self.assertIsNotNone(frame, f"no answer to {number}")
                answer = back.decrypt((IPv6 if outer_v6 else IP)(bytes(frame)[14:]))
                reply = ICMPv6EchoReply if inner_v6 else ICMP
                self.assertIn(reply, answer)
                self.assertEqual(answer[reply].id, number)

    def test_every_cipher_both_ways(self):
        for cipher in CIPHERS:
            for esn, udp, outer_v6 in ((True, False, False), (False, True, False), (True, False, True)):
                esn = esn and not cipher.startswith("AES-CBC")   # scapy's has no ESN with an integrity algorithm of its own
                with self.subTest(cipher=cipher, esn=esn, udp=udp, outer_v6=outer_v6):
                    self.exchange(Keys(cipher, 1, STRANGER), esn, udp, outer_v6)
        self.assertEqual(self.gateway.balance(), 0)


if __name__ == "__main__":
    rig.main()
