"""The generator without a device, for the stability check: its ports are joined to each other (own stack, packets), or its clients speak
to its servers through the loop-back interface of a namespace of their own (kernel's stack).
"""
import contextlib

from . import trial
from .background import Background
from .bench import background_specification, common, specifications
from .generators import Generator
from .subjects.base import Port
from .subjects.loop import Loop, beside_port

CLIENTS = {4: ("198.51.100.2", 24), 6: ("2001:db8::2", 64)}      # and the length of the network of both
ANY, SELF = {4: "0.0.0.0", 6: "[::]"}, {4: "127.0.0.1", 6: "[::1]"}
MOST_PACKETS = 1e9      # a second: more than anybody can send


@contextlib.contextmanager
def alone(scenario, lab):
    """alone(load, seconds) -> Trial, as stability.Stability.generator_alone wants it."""
    if scenario.traffic == "packets":
        loop = Loop({})
        ports = [Port(name=name, device=f"loop:{other}", mac=port.mac, address=port.address, gateway=port.gateway)
                 for (name, other), port in zip(_names(scenario), loop.start(None))]
        kind, spec, namespace = specifications(scenario, loop, ports)[0]
        with Generator(kind, spec, lab.dir, namespace) as generator:
            yield lambda load, seconds: trial.of_packets(
                generator.trial({"seconds": seconds, "drain": 0.05, "pps": load or MOST_PACKETS})[0])
    elif scenario.background:
        # What it takes from the requests' generator is the lab's own, too.
        kind, spec, _ = background_specification(scenario, [beside_port()])
        with Generator(kind, spec, lab.dir) as generator:
            beside = Background(generator)
            yield lambda load, seconds: _requests(scenario, lab, load, seconds, beside)
    else:
        yield lambda load, seconds: _requests(scenario, lab, load, seconds)


def _requests(scenario, lab, load, seconds, beside=None):
    """A process for each trial: whether the loop is open or closed is for its whole life."""
    spec, namespace = _request_specification(scenario, lab, {"open": {"rate": load}} if load else {"closed": {}})
    with Generator("requests", spec, lab.dir, namespace) as generator:
        if beside:
            beside.begin(seconds)
        done = trial.of_requests(generator.trial({"seconds": seconds, "drain": 0.2, "warmup": 0.1})[0])
        if beside:
            beside.end()
        return done


def _request_specification(scenario, lab, arrivals):
    host, _, port = str(scenario.clients.get("target", "")).rpartition(":")
    family = 6 if host.startswith("[") else 4
    stack = scenario.clients.get("stack", "kernel")
    clients = {**scenario.clients, "stack": stack, "arrivals": arrivals}
    servers = {**(scenario.servers or _servers_for(scenario.clients)), "stack": stack, "listen": f"{ANY[family]}:{port}"}
    if stack == "kernel":
        clients["target"] = f"{SELF[family]}:{port}"
        namespace = lab.namespaces.get("alone") or lab.namespace("alone")
        return {**common(scenario), "ports": [], "clients": clients, "servers": servers}, namespace.name
    address, (own, length) = host.strip("[]"), CLIENTS[family]
    ports = [{"name": "clients", "device": "loop:servers", "mac": "02:00:00:00:01:01", "address": f"{own}/{length}", "gateway": address},
             {"name": "servers", "device": "loop:clients", "mac": "02:00:00:00:01:02", "address": f"{address}/{length}", "gateway": own}]
    return {**common(scenario), "ports": ports, "clients": clients, "servers": servers}, None


def _servers_for(clients):
    """What answers them, where the scenario's servers are somebody else's."""
    same = {name: clients[name] for name in ("protocol", "exchange") if name in clients}
    return same if same.get("protocol") == "tcp" else {"body": 128}


def _names(scenario):
    """Each of the two ports with the other's name."""
    names = ([port["name"] for port in scenario.ports] + ["left", "right"])[:2] if len(scenario.ports) != 1 else ["left", "right"]
    return [(names[0], names[1]), (names[1], names[0])]
