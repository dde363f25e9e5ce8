"""Sites of a mesh: in each a gateway and a workload host, the gateways on one switch that stands for the fabric.

    w1 10.1.0.11 ── gateway 1 192.0.2.1 ──┐
       2001:db8:1::11       2001:db8:f::1 ├─ fabric (switch) ── foreign peer 192.0.2.9, 2001:db8:f::9
    w2 10.2.0.11 ── gateway 2 192.0.2.2 ──┘
"""
import datetime
import os
import random
import subprocess

from . import objects, traffic
from .gateway import Gateway, cli_path
from .lab import LabError, run, wait_until
from .story import Story

FABRIC4, FABRIC6 = "192.0.2.{}", "2001:db8:f::{}"
SITE4, SITE6 = "10.{}.0.{}", "2001:db8:{}::{}"   # site, host
MANAGEMENT = "198.51.100.{}"   # where the gateways agree on keys: the kernel's network
FOREIGN = 9
TRUST_DOMAIN = "mesh.test"
MARK = b"penstock-mark-of-the-payload-in-clear"
CIPHERS = {   # name in a Peer: bytes of key, salt included; bytes of the integrity key
    "AES-GCM-128": (20, 0), "AES-GCM-256": (36, 0), "ChaCha20-Poly1305": (36, 0),
    "AES-CBC-128-HMAC-SHA256": (16, 32), "AES-CBC-256-HMAC-SHA256": (32, 32)}


def prefixes(site):
    return [f"10.{site}.0.0/16", f"2001:db8:{site}::/48"]


class Site:
    """A gateway, its workload host, and the links between them."""

    def __init__(self, lab, fabric, number, cores, driver):
        self.number, self.cores, self.driver = number, cores, driver
        self.gateway_host = lab.namespace(f"gw{number}")
        self.workload = lab.namespace(f"w{number}")
        lab.link(self.workload, "eth0", self.gateway_host, "lan0")
        fabric.plug(self.gateway_host, "fab0")
        self.identity_files = lab.dir / f"identity{number}"
        self.workload.add_address("eth0", SITE4.format(number, 11) + "/24", SITE6.format(number, 11) + "/64")
        self.workload.add_route("0.0.0.0/0", via=SITE4.format(number, 1))
        self.workload.add_route("::/0", via=SITE6.format(number, 1))
        self.gateway_host.sysctl("net.ipv6.conf.lan0.disable_ipv6=1", "net.ipv6.conf.fab0.disable_ipv6=1")
        self.gateway = Gateway(self.gateway_host, name=f"gateway{number}")

    def node(self, **fields):
        return objects.node(
            objects.interface("lan", objects.device(0, "lan0", self.driver), SITE4.format(self.number, 1) + "/24",
                              SITE6.format(self.number, 1) + "/64"),
            objects.interface("fabric", objects.device(1, "fab0", self.driver), FABRIC4.format(self.number) + "/24",
                              FABRIC6.format(self.number) + "/64"),
            cores=self.cores, **fields)

    def mesh_identity(self):
        """For spec.mesh of the Node."""
        files = {"certificate": "svid.crt", "key": "svid.key", "bundle": "bundle.crt", "revocationLists": "crl.pem"}
        return {"identity": {field: str(self.identity_files / name) for field, name in files.items()},
                "listen": MANAGEMENT.format(self.number) + ":9510"}

    def address(self, v6=False):
        """Of the workload."""
        return (SITE6 if v6 else SITE4).format(self.number, 11)


class Keys:
    """What two sides agreed by hand: for each direction SPI and keys of every association."""

    def __init__(self, cipher, first, second, lanes=1, seed=1):
        chance = random.Random(f"{cipher} {first} {second} {seed}")
        key, integrity = CIPHERS[cipher]
        make = lambda: (chance.randbytes(key), chance.randbytes(integrity))   # noqa: E731
        self.cipher = cipher
        # The low bits of an SPI choose the receiving worker: consecutive ones reach all of them.
        self.lines = {(a, b): [(a << 24 | b << 16 | seed << 8 | lane, *make()) for lane in range(lanes)]
                      for a, b in ((first, second), (second, first))}

    def write(self, path, own, other):
        """The file as `own` reads it."""
        text = ""
        for direction, pair in (("out", (own, other)), ("in", (other, own))):
            for spi, key, integrity in self.lines[pair]:
                text += f"{direction} {spi:#010x} {key.hex()} {integrity.hex()}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return str(path)


class Authority:
    """`penstock ca` in a directory of its own."""

    def __init__(self, directory, trust_domain=TRUST_DOMAIN):
        self.directory, self.trust_domain = directory, trust_domain
        self._run("init", "--trust-domain", trust_domain)

    def _run(self, verb, *words):
        return run(cli_path(), "ca", verb, "--dir", self.directory, *words)

    def identity(self, name):
        return f"spiffe://{self.trust_domain}/gateway/{name}"

    def issue(self, name, to, hours=24):
        """Certificate, key, bundle and revocation list in the directory `to`, in place of those that are there."""
        fresh = to.with_name(to.name + ".new")
        self._run("issue", "--id", self.identity(name), "--out-dir", fresh, "--hours", hours)
        self.publish(fresh)
        to.mkdir(exist_ok=True)
        for file in fresh.iterdir():
            file.rename(to / file.name)
        fresh.rmdir()

    def issue_short(self, name, to, seconds):
        """As issue(), for a time that no authority of ours would give."""
        from cryptography import x509   # only here
        from cryptography.hazmat.primitives import hashes, serialization
        self.issue(name, to)
        read = lambda path: (self.directory / path).read_bytes()   # noqa: E731
        root, root_key = x509.load_pem_x509_certificate(read("ca.crt")), serialization.load_pem_private_key(read("ca.key"), None)
        old = x509.load_pem_x509_certificate((to / "svid.crt").read_bytes())
        now = datetime.datetime.utcnow()
        fresh = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number ^ 1, now - datetime.timedelta(seconds=60),
                                        now + datetime.timedelta(seconds=seconds), list(old.extensions))
        text = fresh.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        assert root.subject == old.issuer
        (to / "svid.new").write_bytes(text)
        (to / "svid.new").rename(to / "svid.crt")

    def revoke(self, name):
        self._run("revoke", "--id", self.identity(name))

    def publish(self, to):
        """The revocation list, as a distribution point would: replaced in one step."""
        (to / "crl.new").write_text(self._run("crl").stdout)
        (to / "crl.new").rename(to / "crl.pem")


class Capture:
    """Everything that passes gateway 2 on the fabric, as tcpdump writes it."""

    def __init__(self, namespace, device, path):
        self.path = path
        self._process = namespace.start("tcpdump", "tcpdump", "--immediate-mode", "-Z", "root", "-i", device, "-U", "-s", "0", "-w", path)
        wait_until(lambda: path.exists() and path.stat().st_size >= 24, 5, what="tcpdump")

    def stop(self):
        self._process.stop()
        return self.path.read_bytes()

    def protocols(self):
        """IP protocols seen and how often."""
        text = subprocess.run(["tcpdump", "-nn", "-v", "-r", str(self.path)], capture_output=True, text=True, check=False).stdout
        return {name: text.count(name) for name in ("ESP", "UDP", "TCP", "ICMP")}


class Mesh(Story):
    """Two sites (or more), connected once a method calls connect()."""

    sites = 2
    cores = (0, 1)
    foreign = False   # a third party on the fabric, without a gateway

    @classmethod
    def build(cls):
        cls.fabric = cls.lab.switch("fabric")
        cls.site = {n: Site(cls.lab, cls.fabric, n, cls.cores, cls.driver) for n in range(1, cls.sites + 1)}
        if cls.foreign:
            cls.stranger = cls.lab.host("foreign", cls.fabric, FABRIC4.format(FOREIGN) + "/24", FABRIC6.format(FOREIGN) + "/64")
        for site in cls.site.values():
            site.gateway.start()
            site.gateway.apply(site.node())
        cls.gateway = cls.site[1].gateway

    def peer(self, own, other, keys, v6=False, **spec):
        """The Peer object of `own` for `other`; keys: its Keys, or None for none."""
        if keys is not None:
            path = keys.write(self.lab.dir / f"keys-{own}-{other}", own, other)
            spec = {"cipher": keys.cipher, "staticKeys": {"file": path}, **spec}
        return objects.peer(f"site{other}", (FABRIC6 if v6 else FABRIC4).format(other), *prefixes(other), **spec)

    def introduce(self):
        """An authority for all sites, a certificate for each, and a network on which the gateways reach each other."""
        cls = type(self)
        if hasattr(cls, "authority"):
            return
        cls.authority = Authority(self.lab.dir / "ca")
        management = self.lab.switch("mgmt")
        for number, site in self.site.items():
            management.plug(site.gateway_host, "mgmt0")
            site.gateway_host.add_address("mgmt0", MANAGEMENT.format(number) + "/24")
            self.authority.issue(f"site{number}", site.identity_files)

    def trusted_peer(self, own, other, **spec):
        """The Peer object of `own` for `other`, by identity."""
        spec = {"identity": self.authority.identity(f"site{other}"), "link": MANAGEMENT.format(other) + ":9510", **spec}
        return self.peer(own, other, None, **spec)

    def agree(self, first=1, second=2, more=(), **spec):
        """Two sites that agree on keys by themselves; returns when they have."""
        for own, other in ((first, second), (second, first)):
            site = self.site[own]
            site.gateway.replace(site.node(mesh=site.mesh_identity()), self.trusted_peer(own, other, **spec), *more)
        self.wait_for_state("Up", first, second)

    def link(self, own):
        """What a gateway says of its (only) peer."""
        return self.site[own].gateway.json("peer", "show")["peers"][0]["link"]

    def wait_for_state(self, state, *sites, seconds=20):
        for own in sites:
            try:
                wait_until(lambda own=own: self.link(own)["state"] == state, seconds, 0.05, f"gateway {own}: state {state}")
            except LabError as error:
                raise LabError(f"{error}: {self.link(own)}") from None

    def connect(self, keys, first=1, second=2, more=(), **spec):
        """A tunnel between two sites and nothing else."""
        for own, other in ((first, second), (second, first)):
            site = self.site[own]
            site.gateway.replace(site.node(), self.peer(own, other, keys, **spec), *more)

    def capture(self):
        self.captures = getattr(self, "captures", 0) + 1
        return Capture(self.fabric.namespace, "p1", self.lab.dir / f"{self._testMethodName}-{self.captures}.pcap")

    def assert_balanced(self):
        for site in self.site.values():
            self.assertEqual(site.gateway.balance(), 0, f"gateway {site.number}")


class DeviceMesh(Mesh):
    """Two sites of which one has a crypto device, and what stories ask of them."""

    def setUp(self):
        """A device that failed stays so: each story begins with gateways that know nothing."""
        self.introduce()
        for site in self.site.values():
            site.gateway.kill()
            for file in self.lab.dir.glob(site.gateway.store.name + "*"):
                file.unlink()
            site.gateway.start()

    def echo(self):
        server = traffic.UdpEcho(self.site[2].workload, 5000, "::")
        self.addCleanup(server.close)

    def ask(self, payload):
        return traffic.udp_ask(self.site[1].workload, self.site[2].address(), 5000, payload)

    def associations(self, own):
        return self.site[own].gateway.json("peer", "show")["peers"][0].get("associations", [])

    def paths(self, own):
        return {each["path"] for each in self.associations(own)}

    def agreed(self):
        return sum(int(self.link(own)["agreedOutbound"]) for own in self.site)
