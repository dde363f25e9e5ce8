"""What lives in the kernel's network as a subject: what all such subjects share, and the kernel itself as a router.

Such a subject is pinned to one core, which also receives its packets: busy seconds are its process's and those of the kernel on its
behalf (wiring.busy_seconds). Packets are those of the two interfaces. `config: {conntrack: true}` tracks connections.
"""
import platform
import shutil
import time

from .. import wiring
from ..fields import Reader
from .base import Missing, Sample, Subject
from .penstock_objects import FORWARDED

TRACK = "add table inet lab; add chain inet lab f { type filter hook forward priority 0; }; add rule inet lab f ct state established,new accept"


class InKernel(Subject):
    """Has the addresses of the subject on its two interfaces from join() to stop(). `pid`: of its process, if it has one."""
    wirings = ("veth",)
    pid = None

    def join(self, place):
        self._cores = place.cores["subject"]
        joint = wiring.join(place)
        self._namespace, self._ends = joint.namespace, joint.ends
        for end in joint.ends:
            joint.namespace.add_address(end.interface, end.side.cidr)
        return joint

    def sample(self):
        """Columns of /proc/net/dev: bytes and packets received are 0 and 1, drops 3; the same of what was sent are 8, 9 and 11."""
        rows = [line.split(":") for line in self._namespace.run("cat", "/proc/net/dev").stdout.splitlines()[2:]]
        counted = [list(map(int, row[1].split())) for row in rows if row[0].strip() in [end.interface for end in self._ends]]
        dropped = sum(row[3] + row[11] for row in counted)
        return Sample(time.monotonic(), sum(row[9] for row in counted), sum(row[1] for row in counted),
                      {"interface": dropped} if dropped else {}, wiring.busy_seconds(self._cores, self.pid))

    def stop(self):
        """The next subject may have the interfaces for itself."""
        for end in getattr(self, "_ends", ()):
            self._namespace.run("ip", "address", "flush", "dev", end.interface, check=False)


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
        joint = self.join(place)
        joint.namespace.sysctl("net.ipv4.ip_forward=1")
        joint.namespace.add_route(FORWARDED, via=joint.servers.server(0))
        if self.config.get("conntrack"):
            joint.namespace.run("nft", TRACK)
        return joint.ports

    def stop(self):
        if hasattr(self, "_namespace"):
            self._namespace.sysctl("net.ipv4.ip_forward=0")
            self._namespace.run("nft", "delete table inet lab", check=False)
        super().stop()
