"""The demo's little town: who lives where, started and ended. Uses the rig of tests/system."""
import json
import os
import pathlib
import shutil
import signal
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
import rig  # noqa: E402
from rig import traffic  # noqa: E402

PREFIX = "penstock-"
IDENTITIES = pathlib.Path("/run/penstock-demo")
STATE = pathlib.Path("/run/penstock-demo.json")   # what --keep left, for --stop
HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
HUGE_WANTED = 512   # 1 GB

PICTURE = """
   client                         gateway                     web1 10.0.1.11   nginx
   198.51.100.2 ────────── wan ┤ penstock- ├ lan ──────────── web2 10.0.1.12   python3 -m http.server
   2001:db8:1::2               │ gatewayd  │
                               └─ fabric ──┴───── fabric 172.20.0.2, networks 172.21.0.0/16 behind it
                                                    │
                              shop 10.2.0.11 ── gateway 2 172.22.0.1 (a site of its own)
   virtual addresses: 203.0.113.10 and 2001:db8:f::10 (web), 203.0.113.20 (echo)
"""


class HugePages:
    """Reserves 2 MB pages when there are none, and gives back what it reserved."""

    def __init__(self):
        self.before = self.after = self.read()
        if self.free() < HUGE_WANTED:
            try:
                HUGE.write_text(str(self.before + HUGE_WANTED - self.free()))
            except OSError:
                pass
            self.after = self.read()
        self.enough = self.free() >= HUGE_WANTED

    @staticmethod
    def read():
        return int(HUGE.read_text()) if HUGE.exists() else 0

    @staticmethod
    def free():
        path = HUGE.with_name("free_hugepages")
        return int(path.read_text()) if path.exists() else 0

    def say(self):
        if self.enough and self.after == self.before:
            return "hugepages: enough are reserved already"
        if self.enough:
            return f"hugepages: reserved {self.after - self.before} of 2 MB (given back at the end)"
        return "hugepages: none to be had here, using ordinary memory (slower, otherwise the same)"

    @staticmethod
    def restore(count):
        if count is not None and HUGE.exists():
            HUGE.write_text(str(count))


class Town:
    def __init__(self, keep):
        self.lab = rig.Lab("demo", prefix=PREFIX, keep=keep)
        self.huge = HugePages()
        if self.huge.after != self.huge.before:
            self.lab.at_close(lambda: HugePages.restore(self.huge.before))
        lab = self.lab
        self.gw, self.client = lab.namespace("gw"), lab.namespace("client")
        lab.link(self.client, "eth0", self.gw, "wan0")
        self.client.add_address("eth0", "198.51.100.2/24", "198.51.100.200/24", "2001:db8:1::2/64")
        self.client.add_route("0.0.0.0/0", via="198.51.100.1")
        self.client.add_route("::/0", via="2001:db8:1::1")
        lan = lab.switch("lan")
        lan.plug(self.gw, "lan0")
        self.webs = [lab.host(f"web{n}", lan, f"10.0.1.{10 + n}/24", f"2001:db8:2::{10 + n}/64",
                              gateway=("10.0.1.1", "2001:db8:2::1")) for n in (1, 2)]
        self.fabric = lab.namespace("fabric")
        lab.link(self.fabric, "eth0", self.gw, "fab0")
        self.fabric.add_address("eth0", "172.20.0.2/24", "172.25.0.2/24")
        self.fabric.add_address("lo", "172.21.0.1/32", "172.21.5.1/32")
        self.fabric.add_route("0.0.0.0/0", via="172.20.0.1")
        self.gw2, self.shop = lab.namespace("gw2"), lab.namespace("shop")
        lab.link(self.fabric, "eth1", self.gw2, "fab0")
        lab.link(self.fabric, "eth2", self.gw2, "fab1")
        lab.link(self.shop, "eth0", self.gw2, "lan0")
        self.fabric.add_address("eth1", "172.22.0.2/24")
        self.fabric.add_address("eth2", "172.23.0.2/24")
        self.fabric.sysctl("net.ipv4.ip_forward=1")
        self.shop.add_address("eth0", "10.2.0.11/24")
        self.shop.add_route("0.0.0.0/0", via="10.2.0.1")
        self.gw2.sysctl(*[f"net.ipv6.conf.{d}.disable_ipv6=1" for d in ("fab0", "fab1", "lan0")])
        self.gw.sysctl(*[f"net.ipv6.conf.{d}.disable_ipv6=1" for d in ("wan0", "lan0", "fab0")])
        self.gateway = rig.Gateway(self.gw, options=[] if self.huge.enough else ["--no-huge"])
        self.gateway2 = rig.Gateway(self.gw2, name="gateway2", options=["--no-huge"])
        lab.link(self.gw, "mgmt0", self.gw2, "mgmt0")
        for number, host in ((1, self.gw), (2, self.gw2)):
            host.add_address("mgmt0", f"192.0.2.{number}/24")
        shutil.rmtree(IDENTITIES, ignore_errors=True)
        if not keep:
            lab.at_close(lambda: shutil.rmtree(IDENTITIES, ignore_errors=True))

    def certify(self):
        """An authority, and a certificate for either gateway."""
        IDENTITIES.mkdir(mode=0o700)
        self.authority = rig.mesh.Authority(IDENTITIES / "ca", "penstock.demo")
        for name in ("gateway1", "gateway2"):
            self.authority.issue(name, IDENTITIES / name)

    def start_servers(self):
        self.nginx = traffic.nginx(self.webs[0], ports=(8080,))
        site = self.lab.dir / "site"
        site.mkdir()
        (site / "index.html").write_text("web2\n")
        self.webs[1].start("http", "/usr/bin/python3", "-u", "-m", "http.server", "8080", "--bind", "::", "--directory", site)
        for host in self.webs:   # answers with what it was sent, and writes down who asked
            host.start("echo", "/usr/bin/python3", "-u", "-c", ECHO, host.role)
        traffic.nginx(self.client, ports=(80,), addresses=("0.0.0.0",))
        traffic.iperf3_server(self.fabric)
        traffic.nginx(self.shop, ports=(80,), addresses=("0.0.0.0",))
        traffic.iperf3_server(self.shop)
        rig.wait_until(lambda: ":8080 " in self.webs[1].run("ss", "-Hltn").stdout, 5, what="python's web server")

    def remember(self):
        """What --stop needs; start times tell our processes from later ones with the same number."""
        STATE.write_text(json.dumps({
            "processes": [[p.pid, start_time(p.pid)] for p in self.lab.processes if p.running()],
            "namespaces": [n.name for n in self.lab.namespaces.values()], "directory": str(self.lab.dir),
            "huge": self.huge.before if self.huge.after != self.huge.before else None}))


ECHO = """
import collections, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 7007))
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(sys.argv[1].encode() + b" saw " + peer[0].removeprefix("::ffff:").encode() + b": " + data, peer)
"""


def start_time(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def stop_kept():
    """Ends what --keep left; returns whether there was anything."""
    if not STATE.exists():
        return False
    state = json.loads(STATE.read_text())
    alive = lambda: [pid for pid, born in state["processes"] if start_time(pid) == born]   # noqa: E731
    for number, seconds in ((signal.SIGTERM, 6), (signal.SIGKILL, 3)):
        for pid in alive():
            os.killpg(pid, number)
        try:
            rig.wait_until(lambda: not [p for p in alive() if not zombie(p)], seconds, what="end of the demo's processes")
            break
        except rig.LabError:
            continue
    for name in state["namespaces"]:
        rig.run("ip", "netns", "delete", name, check=False)
    HugePages.restore(state["huge"])
    shutil.rmtree(IDENTITIES, ignore_errors=True)
    rig.run("rm", "-rf", "--", state["directory"])
    STATE.unlink()
    return True


def zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
