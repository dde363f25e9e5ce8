"""Everything that can be found wrong before anything is started: drivers, their configurations, programs, privileges, and what
the generators say of streams, clients and servers. Raises WrongInput or NotThere with all of it at once.
"""
import ipaddress
import os
import socket
import tempfile

from . import generators, inputs, line, subjects
from .bench import background_specification, specifications
from .errors import NotThere, WrongInput
from .subjects.base import Missing, Port
from .subjects.external import missing_interface
from .subjects.loop import beside_port

HERE = ("nic", "loop")      # wirings whose generators are in this network namespace, and not in one of their own


def check(path, scenarios):
    wrong, missing = [], []
    for scenario in scenarios:
        for fault in _subject_faults(scenario):
            (missing if isinstance(fault, Missing) else wrong).append(str(fault))
        missing += _missing(scenario)
    if not missing:
        with tempfile.TemporaryDirectory(prefix="penstock-lab-check-") as directory:
            for scenario in scenarios:
                found = list(_traffic_faults(scenario, directory))
                wrong += found or _line_faults(scenario)
    if wrong:
        raise WrongInput(*(f"{path}: {fault}" for fault in dict.fromkeys(wrong)))
    if missing:
        raise NotThere(*(f"{path}: {fault}" for fault in dict.fromkeys(missing)))


def _subject_faults(scenario):
    known = list(subjects.DRIVERS)
    change = getattr(scenario.method, "change", None)
    if change == "restart" and scenario.wiring == "memif" and scenario.traffic == "requests":
        yield "method.change: restart: clients do not find a memif again whose other side was away: wiring veth, or traffic: packets"
    if scenario.wiring == "ring" and scenario.traffic != "packets":
        yield f"wiring: ring is for traffic: packets, not {scenario.traffic}"
    if scenario.wiring == "ring" and scenario.cores["subject"][0] in scenario.cores["generator"]:
        yield f"cores.subject: wiring ring needs another core than the generator's {scenario.cores['generator']}"
    for index, spec in enumerate(scenario.subjects):
        if spec.driver not in known:
            yield f"subjects[{index}].driver: {spec.driver!r} is none of {', '.join(known)}"
        elif not isinstance(spec.config, dict):
            yield f"subjects[{index}].config: is not a mapping of fields"
        else:
            driver = subjects.driver(spec.driver)(spec.config)
            if scenario.background and not driver.has_beside():
                yield f"subjects[{index}].driver: {spec.driver} has no port for the background"
            if change is not None and change not in driver.changes:
                yield f"method.change: {change!r} is none of {spec.driver}'s: {', '.join(driver.changes) or 'it has none'}"
            for fault in driver.check(spec.config, scenario.wiring):
                # What is missing is of the machine and has no field.
                yield Missing(f"subjects[{index}]: {fault}") if isinstance(fault, Missing) else f"subjects[{index}].{fault}"


def _line_faults(scenario):
    """What the method asks for that no port could send."""
    lines = line.read(scenario.resolved) if scenario.traffic == "packets" else None
    asked = [(f"method.{name}", load) for name, load in scenario.method.asked()]
    return [f"{path}: {words}" for path, words in lines.faults(asked)] if lines else []


def _missing(scenario):
    if os.geteuid() != 0 and scenario.wiring not in ("loop", "ring"):
        yield f"wiring: {scenario.wiring} needs root, for namespaces and devices"
    if scenario.traffic != "memory" and (reason := generators.missing(scenario.traffic)):
        yield reason
    for index, port in enumerate(scenario.ports if scenario.wiring == "nic" else ()):
        if interface := missing_interface(str(port.get("device", ""))):
            yield f"ports[{index}].device: no interface {interface} in this machine"
    if scenario.traffic == "requests" and scenario.wiring in HERE and (scenario.servers or {}).get("stack") == "kernel":
        yield from _listen_faults(str(scenario.servers.get("listen", "")))
    needed = scenario.megabytes * (2 if scenario.background else 1)
    if scenario.huge and free_megabytes() < needed:
        yield f"memory.huge: {free_megabytes()} MB of 2 MB pages are free, {needed} are needed"


def _listen_faults(listen):
    """Whether the generator's server can listen, tried; what is no address is the generator's to tell."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, int(port)))
            tried.listen()
    except (ValueError, OverflowError):
        return
    except OSError as error:
        yield f"servers.listen: {listen}: {error.strerror}"


def free_megabytes():
    """Of reserved and unused 2 MB pages."""
    with open("/proc/meminfo", encoding="ascii") as file:
        found = dict(line.split(":", 1) for line in file)
    return int(found.get("HugePages_Free", "0")) * int(found.get("Hugepagesize", "0 kB").split()[0]) // 1024


def _traffic_faults(scenario, directory):
    """The generators' word on their fields. Which devices there will be nobody knows yet: the ports are joined to each other."""
    if scenario.traffic == "memory":
        yield from inputs.check(scenario.streams)
        return
    names = [port["name"] for port in scenario.ports] or ["left", "right"]
    names = names if len(names) > 1 else ["left", "right"]
    ports = [Port(name=name, device=f"loop:{names[index ^ 1 if (index ^ 1) < len(names) else 0]}", mac=f"02:00:00:00:01:{index + 1:02x}",
                  address=f"198.51.100.{2 + index}/24", gateway=f"198.51.100.{2 + (index ^ 1)}") for index, name in enumerate(names)]
    for index, spec in enumerate(scenario.subjects):
        subject = subjects.driver("loop")(spec.config if spec.driver == "loop" and isinstance(spec.config, dict) else {})
        subject.start(None)
        for kind, specification, _ in specifications(scenario, subject, ports):
            for field, message in generators.check(kind, specification, directory):
                yield f"subjects[{index}].config.{field}: {message}" if field.startswith("stages") else f"{field}: {message}"
    if scenario.background:
        kind, specification, _ = background_specification(scenario, [beside_port()])
        for field, message in generators.check(kind, specification, directory):
            yield f"background.{field}: {message}"
