"""A device of somebody else as a subject: nothing is started or counted, the generator's ports only learn where it is.

    config:
      ports:
        - {name: left, device: "0000:01:00.0", address: 198.51.100.2/24, gateway: 198.51.100.1}
        - {name: right, device: "0000:01:00.1", address: 10.0.1.2/24, gateway: 10.0.1.1, answers: [198.18.0.0/16]}

A port named beside is the background's. A `device` is a PCI address or devargs of DPDK. With `interface` in its place a kernel stack uses
that interface of this machine.
"""
import ipaddress
import pathlib
import re
import time

from ..fields import Reader, device_fault, shown
from ..wiring import BESIDE
from .base import Missing, Port, Sample, Subject

PCI = r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"


def read(config, faults):
    """The ports; what is wrong is added to `faults`."""
    fields, made = Reader(config, "config", faults), []
    for one in fields.items("ports", most=16):
        port = Port(one.text("name", r"[a-z][a-z0-9]{0,15}", about="a name"), device=one.text("device", default=""),
                    interface=one.text("interface", r"[\w.-]{1,15}", default="", about="an interface"),
                    address=one.text("address"), gateway=one.text("gateway", default=""), mac=one.text("mac", default=""),
                    answers=_prefixes(one))
        _check(one, port)
        one.done()
        made.append(port)
    fields.done()
    if not made and not faults:
        fields.fault("ports", "must name at least one")
    return made


def _prefixes(fields):
    value = fields.raw("answers", [])
    if not isinstance(value, list) or len(value) > 64 or not all(isinstance(one, str) and one for one in value):
        fields.fault("answers", f"{shown(value)} is not a list of at most 64 prefixes")
        return ()
    return tuple(value)


def _check(fields, port):
    if bool(port.device) == bool(port.interface):
        fields.fault("device", "one of device and interface, and not both")
    if fault := device_fault(port.device):
        fields.fault("device", fault)
    for name, value, kind in [("address", port.address, ipaddress.ip_interface), ("gateway", port.gateway, ipaddress.ip_address),
                              *(("answers", a, ipaddress.ip_network) for a in port.answers)]:
        try:
            if value:
                kind(value)
        except ValueError as error:
            fields.fault(name, str(error))
    if port.gateway and port.address and not any(f.startswith(fields.path) for f in fields.faults):
        if ipaddress.ip_address(port.gateway) not in ipaddress.ip_interface(port.address).network:
            fields.fault("gateway", f"{port.gateway} is not in the network of {port.address}: nobody could reach it")


def missing_interface(device, interface=""):
    """The kernel's interface that this port needs and this machine has not; devargs may also make their own, as net_tap's do."""
    named = re.search(r"[,/]\s*iface\s*=\s*([^,/\s]+)", device) if re.search(r"af_packet|af_xdp|pcap", device) else None
    needed = named[1] if named else interface
    return needed if needed and not pathlib.Path("/sys/class/net", needed).exists() else ""


class External(Subject):
    wirings = ("nic",)

    def check(self, config, wiring):
        found = super().check(config, wiring)
        for port in read(config, found):
            if re.fullmatch(PCI, port.device) and not pathlib.Path(f"/sys/bus/pci/devices/{port.device}").exists():
                found.append(Missing(f"config.ports: {port.name}: no device {port.device} in this machine"))
            if interface := missing_interface(port.device, port.interface):
                found.append(Missing(f"config.ports: {port.name}: no interface {interface} in this machine"))
        return found

    def has_beside(self):
        return any(port.name == BESIDE.name for port in read(self.config, []))

    def version(self):
        return "unknown: somebody else's"

    def start(self, place):
        return read(self.config, [])

    def sample(self):
        return Sample(time.monotonic())
