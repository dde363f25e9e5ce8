"""A scenario: what is measured, with which traffic, by which method. Format: perf/LAB.md, Scenario.

load() gives one Scenario for each combination of variants, or raises WrongInput with every fault at once. `streams`,
`clients` and `servers` are the generators' own and are checked by them (check.py); a subject's `config` by its driver.
"""
import copy
import dataclasses
import hashlib
import json
import os

from . import document, methods
from .errors import WrongInput
from .fields import Reader, device_fault

TRAFFIC = ("packets", "requests", "memory")
WIRINGS = ("loop", "ring", "memif", "veth", "nic", "replay")
NAME = r"[a-z0-9_]{1,64}"
PORT_NAME = r"[A-Za-z0-9_.-]{1,32}"


@dataclasses.dataclass(frozen=True)
class SubjectSpec:
    """`background`: it is measured beside the scenario's background, if there is one."""
    name: str
    driver: str
    config: dict
    background: bool = True


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`resolved`: the document this variant was read from; `conditions`: the variant's values, shown with each figure."""
    name: str
    about: str
    traffic: str
    wiring: str
    subjects: tuple
    cores: dict               # generator, subject, and background if there is one: lists of core numbers
    huge: bool                # 2 MB pages
    megabytes: int            # of the generator's memory
    ports: tuple              # of the generator, as written
    streams: tuple
    clients: dict | None
    servers: dict | None
    background: dict | None   # {streams: as written}
    method: object
    turns: int
    seed: int
    conditions: dict
    resolved: dict


def load(path, short=False, settings=(), seed=None):
    """[Scenario], the whole document they come from."""
    whole = document.shortened(document.read(path), short)
    for setting in settings:
        document.set_value(whole, setting)
    if seed is not None:
        whole["seed"] = seed
    try:
        made = [(conditions, *_read(one, conditions)) for conditions, one in document.variants(whole)]
    except WrongInput as error:
        raise WrongInput(*(f"{path}: {sentence}" for sentence in error.sentences)) from None
    faults = list(dict.fromkeys(f"{path}: {fault}" for _, _, found in made for fault in found))
    if faults:
        raise WrongInput(*faults)
    return [scenario for _, scenario, _ in made], whole


def digest(value):
    """sha256 of a JSON value, the same for the same content."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def _read(resolved, conditions):
    faults = []
    fields = Reader(resolved, "", faults)
    traffic = fields.choice("traffic", TRAFFIC)
    scenario = Scenario(
        name=fields.text("name", NAME, about="a name of a-z, 0-9 and _"), about=fields.text("about", default=""),
        traffic=traffic, wiring=fields.choice("wiring", WIRINGS), subjects=_subjects(fields), cores=_cores(fields),
        **_memory(fields), **_traffic_fields(fields, traffic), background=_background(fields, traffic), method=_method(fields, traffic),
        turns=fields.number("turns", 1, 100, 3, whole=True), seed=fields.number("seed", 0, 2**53, 1, whole=True),
        conditions=conditions, resolved=copy.deepcopy(resolved))
    faults += _arrival_faults(scenario)
    if (scenario.wiring == "replay") != (traffic == "memory"):
        faults.append("wiring: replay goes with traffic: memory, and only with it")
    fields.done()
    return scenario, faults


def _arrival_faults(scenario):
    """A method that sets the rate of requests needs clients that keep one."""
    wanted, clients = getattr(scenario.method, "arrivals", ""), scenario.clients
    if scenario.traffic != "requests" or not wanted or not isinstance(clients, dict):
        return
    arrivals = clients.get("arrivals")
    if not isinstance(arrivals, dict) or wanted not in arrivals:
        yield f"clients.arrivals: the method {scenario.method.NAME} needs {{{wanted}: …}}"
    if wanted == "hold" and not isinstance(clients.get("connections"), int):
        yield "clients.connections: is missing: how many the method may open"


def _subjects(fields):
    made = []
    for one in fields.items("subjects", most=16):
        driver = one.text("driver", r"[a-z0-9-]{1,32}", about="a driver's name")
        spec = SubjectSpec(one.text("name", r"[\w .:+-]{1,64}", driver, about="a name of letters, digits and . : + -"), driver,
                           one.raw("config", {}), one.flag("background", True))
        if one.has("background") and not fields.has("background"):
            one.fault("background", "means nothing: the scenario has none")
        one.done()
        if any(spec.name == other.name for other in made):
            one.fault("name", f"{spec.name!r} is there twice")
        made.append(spec)
    if fields.has("subjects") and not made:
        fields.fault("subjects", "must name at least one")
    return tuple(made)


def _cores(fields):
    """By default the generator has the lowest core, the subject the highest, and a background the generator's."""
    allowed = sorted(os.sched_getaffinity(0))
    one = fields.mapping("cores", {})
    cores = {}
    roles = {"generator": allowed[:1], "subject": allowed[-1:], **({"background": None} if fields.has("background") else {})}
    for role, default in roles.items():
        default = default or cores["generator"]
        cores[role] = one.raw(role, default)
        if not isinstance(cores[role], list) or not cores[role] or \
                any(type(core) is not int or core not in allowed for core in cores[role]):
            one.fault(role, f"{cores[role]!r} is not a list of this machine's cores {allowed}")
            cores[role] = default
    one.done()
    return cores


def _memory(fields):
    one = fields.mapping("memory", {})
    made = {"huge": one.flag("huge", False), "megabytes": one.number("megabytes", 64, 65536, 512, whole=True)}
    one.done()
    return made


def _traffic_fields(fields, traffic):
    """Packets and memory have streams, requests have clients and servers."""
    ports = tuple(_port(one) for one in fields.items("ports", [], most=16))
    streams, ends = fields.raw("streams", []), {name: fields.raw(name, None) for name in ("clients", "servers")}
    if not isinstance(streams, list) or len(streams) > 4096:
        fields.fault("streams", "must be a list of at most 4096")
        streams = []
    if traffic != "requests" and not streams:
        fields.fault("streams", f"traffic: {traffic} needs at least one")
    if traffic == "requests" and not ends["clients"]:
        fields.fault("clients", "traffic: requests needs them")
    for name, wrong in (("streams", traffic == "requests" and streams), ("clients", traffic != "requests" and ends["clients"]),
                        ("servers", traffic != "requests" and ends["servers"])):
        if wrong:
            fields.fault(name, f"means nothing with traffic: {traffic}")
    for name, value in ends.items():
        if value is not None and not isinstance(value, dict):
            fields.fault(name, "is not a mapping of fields")
    return {"ports": ports, "streams": tuple(streams), **ends}


def _background(fields, traffic):
    """Its streams are checked by the generator of packets."""
    if not fields.has("background"):
        fields.raw("background", None)
        return None
    one = fields.mapping("background")
    if traffic != "requests":
        fields.fault("background", f"is for traffic: requests; {traffic} has several streams")
    streams = one.items("streams", most=256)
    if one.has("streams") and not streams and isinstance(one.value["streams"], list):
        one.fault("streams", "must be at least one")
    for stream in streams:
        for name in ("from", "to"):
            if stream.has(name):
                stream.fault(name, "means nothing: a background has one port")
    one.done()
    return copy.deepcopy(one.value)


def _port(one):
    """As it is written: the other fields are the generator's and checked by it."""
    one.text("name", PORT_NAME, about="a name of letters, digits and - _ .")
    if fault := device_fault(one.text("device", default="")):
        one.fault("device", fault)
    return copy.deepcopy(one.value)


def _method(fields, traffic):
    one = fields.mapping("method")
    name = one.choice("name", tuple(methods.METHODS))
    method = methods.METHODS[name]
    if traffic not in method.TRAFFIC:
        one.fault("name", f"{name} is not for traffic: {traffic}; it is for {', '.join(method.TRAFFIC)}")
    made = method(one)
    one.done()
    return made
