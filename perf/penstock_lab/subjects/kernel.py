"""What lives in the kernel's network as a subject: what all such subjects share, and the kernel itself as a router.

Such a subject is pinned to one core, which also receives its packets: busy seconds are its process's and those of the kernel on its
behalf (kernel_time.py). Packets are those of its interfaces. `config: {conntrack: true}` tracks connections.
"""
import platform
import shutil
import time

from .. import wiring
from ..fields import Reader
from .base import Missing, Sample, Subject
from .kernel_time import KernelTime
from .penstock_objects import FORWARDED

TRACK = "add table inet lab; add chain inet lab f { type filter hook forward priority 0; }; add rule inet lab f ct state established,new accept"


class InKernel(Subject):
    """Has the addresses of the subject on its interfaces from join() on. `pid`: of its process, if it has one."""
    wirings = ("veth",)
    beside = True
    pid = None
    _cost = None

    def join(self, place):
        self._cores = place.cores["subject"]
        self.joint = wiring.join(place)
        for end in self.joint.all_ends:
            self.joint.namespace.add_address(end.interface, end.side.cidr)
        if self.joint.beside:
            self.joint.namespace.add_route(wiring.BEHIND, via=wiring.BESIDE.generator)

    def sample(self):
        """Columns of /proc/net/dev: bytes and packets received are 0 and 1, drops 3; the same of what was sent are 8, 9 and 11."""
        rows = [line.split(":") for line in self.joint.namespace.run("cat", "/proc/net/dev").stdout.splitlines()[2:]]
        counted = [list(map(int, row[1].split())) for row in rows if row[0].strip() in [end.interface for end in self.joint.all_ends]]
        dropped = sum(row[3] + row[11] for row in counted)
        self._cost = self._cost or KernelTime(self._cores, self.pid)
        return Sample(time.monotonic(), sum(row[9] for row in counted), sum(row[1] for row in counted),
                      {"interface": dropped} if dropped else {}, self._cost.seconds())


class Kernel(InKernel):

    def check(self, config, wiring):
        found = super().check(config, wiring)
        fields = Reader(config, "config", found)
        track = fields.flag("conntrack", False)
        fields.done()
        if track and not shutil.which("nft"):
            found.append(Missing("kernel: no nft: install the package nftables"))
        return found

    def version(self):
        return f"Linux {platform.release()}"

    def start(self, place):
        self.join(place)
        self.joint.namespace.sysctl("net.ipv4.ip_forward=1")
        self.joint.namespace.add_route(FORWARDED, via=self.joint.servers.server(0))
        if self.config.get("conntrack"):
            self.joint.namespace.run("nft", TRACK)
        return self.joint.ports
