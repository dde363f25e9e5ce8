"""How a generator and a subject are joined.

    left  198.51.100.2 ── 198.51.100.1  subject  10.0.1.1 ── 10.0.1.2  right        (servers: 10.0.1.129 …)
                           192.0.2.1 ── 192.0.2.2  beside, of a scenario with a background        (behind it: 198.19.0.0/16)

- `memif`: shared memory between two processes, no kernel; the generator is the client of both sockets.
- `veth`: the kernel's virtual wires; the subject has a network namespace of its own. For packets, and for the lab's own stack,
  both ends are in one namespace without addresses; for kernel stacks each end is a host with its address.
- `replay`: the subject reads a file from memory for ever and sends out of the same port, to servers 198.51.100.129 …
- `nic`: ports of this machine that the scenario names, to a device that somebody else runs.

A Joint is one subject's: its namespaces are gone with close(), and with them addresses, routes and what connections left behind.
"""
import dataclasses
import ipaddress
import tempfile

from . import inputs
from .subjects.base import Port, SubjectError


@dataclasses.dataclass(frozen=True)
class Side:
    """A network between the generator and the subject."""
    name: str
    subject: str
    generator: str
    network: str
    mac: str              # the subject's
    generator_mac: str

    @property
    def cidr(self):
        return f"{self.subject}/{ipaddress.ip_network(self.network).prefixlen}"

    @property
    def servers(self):
        """The addresses the generator answers for besides its own: the upper half of the network."""
        return str(list(ipaddress.ip_network(self.network).subnets(1))[1])

    def server(self, n):
        return str(ipaddress.ip_network(self.servers)[1 + n])


LEFT = Side("left", "198.51.100.1", "198.51.100.2", "198.51.100.0/24", "02:00:00:00:00:01", "02:00:00:00:01:01")
RIGHT = Side("right", "10.0.1.1", "10.0.1.2", "10.0.1.0/24", "02:00:00:00:00:02", "02:00:00:00:01:02")
BESIDE = Side("beside", "192.0.2.1", "192.0.2.2", "192.0.2.0/24", "02:00:00:00:00:03", "02:00:00:00:01:03")
BEHIND = "198.19.0.0/16"  # the network of those who send from beside
SERVERS = 100             # at most, on one side
GENERATOR_RING = ",framecnt=4096"    # of af_packet: it reads many ports with one core, and must not miss what came


@dataclasses.dataclass(frozen=True)
class End:
    """The subject's end of a side: a DPDK device or a kernel interface."""
    side: Side
    device: str = ""
    interface: str = ""


@dataclasses.dataclass
class Joint:
    ends: list            # one (replay) or two: left, right
    ports: list           # of the generator, as many, and that of the background; none with replay
    namespaces: list      # the first is where the subject runs
    beside: End | None = None       # where the background arrives

    @property
    def servers(self):
        """The side on which the servers are."""
        return self.ends[-1].side

    @property
    def all_ends(self):
        return [*self.ends, *([self.beside] if self.beside else [])]

    @property
    def namespace(self):
        return self.namespaces[0]

    def close(self):
        """After everything in it has ended. May be called again."""
        while self.namespaces:
            self.namespaces.pop().delete()


def join(place, driver="af_packet", neighbours=0, seal=None, sealed=None):
    """The joint of a Place. `driver`: of DPDK on veth, af_packet or af_xdp; the rest: of the file on replay (inputs.py)."""
    if place.wiring == "replay":
        path = inputs.file(place.lab.dir, place.scenario, LEFT, neighbours, seal, sealed)
        return Joint([End(LEFT, f"net_pcap0,rx_pcap={path},infinite_rx=1")], [], [place.lab.namespace("subject")])
    if place.wiring == "memif":
        return _memif(place)
    if place.wiring == "veth":
        return _veth(place, driver)
    raise SubjectError(f"wiring: nothing joins two ends by {place.wiring}")


def _sides(place):
    return (LEFT, RIGHT, BESIDE) if place.scenario.get("background") else (LEFT, RIGHT)


def _joint(ends, ports, namespaces):
    return Joint(ends[:2], ports, namespaces, ends[2] if len(ends) > 2 else None)


def _memif(place):
    sockets, ends, ports = tempfile.mkdtemp(prefix="memif-", dir=place.lab.dir), [], []   # a name that no earlier subject left behind
    for number, side in enumerate(_sides(place)):
        socket = f"socket={sockets}/{side.name}.sock,socket-abstract=no,id=0"
        ends.append(End(side, f"net_memif{number},role=server,{socket},mac={side.mac}"))
        ports.append(_port(side, device=f"net_memif{number},role=client,{socket},mac={side.generator_mac}"))
    return _joint(ends, ports, [place.lab.namespace("subject")])


def _veth(place, driver):
    lab, kernel, sides = place.lab, place.scenario.get("clients", {}).get("stack") == "kernel", _sides(place)
    roles = ["subject", "clients", "servers", "beside"][:1 + len(sides)] if kernel else ["subject", "generator"]
    namespaces, ends, ports = [lab.namespace(role) for role in roles], [], []
    subject = namespaces[0]
    for number, side in enumerate(sides):
        other = namespaces[1 + number if kernel else 1]
        lab.link(other, side.name, subject, side.name)
        _pin(subject, side.name, place.cores["subject"])
        _pin(other, side.name, place.cores["background" if side is BESIDE else "generator"])
        for end in (other, subject):
            end.sysctl(f"net.ipv6.conf.{side.name}.disable_ipv6=1")
        if kernel and side is not BESIDE:
            other.add_address(side.name, f"{side.generator}/{side.cidr.split('/')[1]}")
        ends.append(End(side, veth_device(number, side.name, driver), side.name))
        ports.append(_port(side, device=veth_device(number, side.name, "af_packet") + GENERATOR_RING,
                           namespace=other, interface=side.name, mac=other.mac(side.name)))
    return _joint(ends, ports, namespaces)


def veth_device(number, interface, driver):
    if driver == "af_xdp":
        return f"net_af_xdp{number},iface={interface},queue_count=1,force_copy=1"
    return f"net_af_packet{number},iface={interface},qpairs=1,qdisc_bypass=1"


def _pin(namespace, interface, cores):
    """Packets that arrive here are received by the kernel on these cores: the cost belongs to whom they are for."""
    namespace.run("sh", "-c", f"echo {cpu_mask(cores)} > /sys/class/net/{interface}/queues/rx-0/rps_cpus")


def cpu_mask(cores):
    """As the kernel reads it: words of 32 cores, the highest first, with commas between them."""
    mask = sum(1 << core for core in set(cores))
    words = [mask >> at & 0xffffffff for at in range(0, mask.bit_length(), 32)]
    return ",".join(f"{word:08x}" for word in reversed(words)).lstrip("0")


def _port(side, **fields):
    return Port(side.name, **{"address": f"{side.generator}/{side.cidr.split('/')[1]}", "gateway": side.subject,
                              "mac": side.generator_mac, "answers": (side.servers,), **fields})
