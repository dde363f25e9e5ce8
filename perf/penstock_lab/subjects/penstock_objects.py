"""The configuration objects of Penstock for a scenario: what `config` of the driver asks for, in the words of its API.

    routes: 10000                          so many more routes than the one that is used
    nat: {address: 203.0.113.10, port: 80, server: 8080, endpoints: 10}      a service of UDP and TCP
    filter: 1000                           rules, of which only the last matches
    limits: true                           one of all packets, one of each source, never reached
    esp: {cipher: AES-GCM-128, operation: encrypt, peers: 1, associations: 1}
    proxy: {protocol: http, port: 80, server: 8080}
"""
from rig import objects

from ..fields import Reader
from ..wiring import BEHIND, BESIDE, SERVERS
from . import tunnel

FORWARDED, SERVICES = "198.18.0.0/16", "203.0.113.0/24"
ADDRESS = r"203\.0\.113\.(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])"


def read(config, faults):
    """`config` with its defaults; what is wrong with it is added to `faults`."""
    one = Reader(config, "config", faults)
    made = {"idle": one.choice("idle", ("poll", "adaptive"), None), "driver": one.choice("driver", ("af_packet", "af_xdp"), "af_packet"),
            "memory": one.number("memory", 256, 1 << 20, 3072, whole=True),
            "flows": one.number("flows", 1024, 1 << 26, 1 << 18, whole=True),
            "buffers": one.number("buffers", 4096, 1 << 22, 1 << 18, whole=True),
            "routes": one.number("routes", 0, 100_000, 0, whole=True), "filter": one.number("filter", 0, 100_000, 0, whole=True),
            "limits": one.flag("limits", False), "nat": _nat(one), "esp": tunnel.read(one),
            "proxy": read_proxy(one.mapping("proxy")) if one.has("proxy") else None}
    one.done()
    return made


def _nat(fields):
    if not fields.has("nat"):
        return None
    one = fields.mapping("nat")
    made = {"address": one.text("address", ADDRESS, "203.0.113.10", f"an IPv4 address of {SERVICES}"),
            "port": one.number("port", 1, 65535, 80, whole=True),
            "server": one.number("server", 1, 65535, 8080, whole=True),
            "endpoints": one.number("endpoints", 1, SERVERS, 10, whole=True)}
    one.done()
    return made


def read_proxy(one):
    """Who listens where, and where the servers do; the other proxies have these fields, too."""
    made = {"protocol": one.choice("protocol", ("http", "tcp"), "http"), "port": one.number("port", 1, 65535, 80, whole=True),
            "server": one.number("server", 1, 65535, 8080, whole=True)}
    one.done()
    return made


def neighbours(config):
    """How many servers the subject sends to, with the one that services() brings later."""
    return config["nat"]["endpoints"] + 1 if config["nat"] else 2 if config["esp"] else 1


class Objects:
    """Everything that is applied, part by part, so that a part can be applied again in another form."""

    def __init__(self, config, joint, core, directory):
        self.config, self.joint, self.core, self.directory = config, joint, core, directory
        self.esp, self.nat, self.proxy = config["esp"], config["nat"], config["proxy"]

    def all(self):
        return [self.node(), *self.services(), *self.policies(), *self.peers(), *self.proxies()]

    def node(self, detour=0):
        """`detour`: the number of a route that changes from one Node to the next."""
        config, side = self.config, self.joint.servers
        interfaces = [objects.interface(end.side.name, end.device, end.side.cidr,
                                        **({} if end.interface else {"mac": end.side.mac})) for end in self.joint.all_ends]
        routes = ([objects.route(tunnel.UNDERLAY, side.server(0)), objects.route(tunnel.LOCAL, side.server(1))] if self.esp
                  else [objects.route(FORWARDED, side.server(0))])
        if self.joint.beside:
            routes.append(objects.route(BEHIND, BESIDE.generator))
        routes += [objects.route(f"10.{64 + n // 65536}.{n // 256 % 256}.{n % 256}/32", side.server(0))
                   for n in range(config["routes"])]
        if detour:
            routes.append(objects.route(f"172.30.{detour % 250}.0/24", side.server(0)))
        workers = {"flows": config["flows"], "buffers": config["buffers"], "sources": 1 << 18}
        return objects.node(*interfaces, cores=[self.core], idle=config["idle"], workers=workers, routes=routes)

    def services(self, shift=0):
        """`shift`: the last endpoint is another one for each."""
        if not self.nat:
            return []
        nat, side = self.nat, self.joint.servers
        made = objects.service("web", nat["address"], *[(nat["port"], nat["server"], protocol) for protocol in ("UDP", "TCP")])
        members = [side.server(n) for n in range(nat["endpoints"])]
        if shift:
            members[-1] = side.server(nat["endpoints"] - 1 + shift % 2)
        return [made, *objects.endpoints(made, *members)]

    def policies(self):
        made, rules = [], self.config["filter"]
        if rules:
            made.append(objects.access_policy("many", *[
                {"name": f"r{n}", "action": "deny", "from": [f"172.{16 + n // 250 % 14}.{n % 250}.0/24"], "protocol": "udp",
                 "ports": [str(1000 + n % 60000)]} for n in range(rules - 1)], {"name": "rest", "action": "allow"}))
        if self.config["limits"]:
            made.append(objects.rate_limit("all", {"interface": self.joint.ends[0].side.name}, {"packetsPerSecond": 1e9}))
            if self.nat:
                made.append(objects.rate_limit("each", {"service": {"name": "web"}}, {"packetsPerSecond": 1e6}, per="source"))
        return made

    def rule(self, n):
        """One rule that matches nothing of the traffic and is another for each n."""
        return [objects.access_policy("changing", {"name": "it", "action": "deny", "from": [f"172.30.{n % 250}.0/24"]}, priority=10)]

    def peers(self, generation=0):
        """`generation`: each has other keys, in a file of another name, because a Peer that says the same is not read again."""
        if not self.esp:
            return []
        made = []
        for n in range(self.esp["peers"]):
            path = self.directory / f"keys-{n}-{generation % 2}"
            tunnel.write_keys(path, self.esp, n, generation)
            made.append(objects.peer(f"p{n}", tunnel.host(tunnel.UNDERLAY, 1 + n), tunnel.peer_prefix(n, self.esp["peers"]),
                                     cipher=self.esp["cipher"], staticKeys={"file": str(path)}, extendedSequenceNumbers=False,
                                     replayWindow=0, localAddress=tunnel.OURS))
        return made

    def proxies(self):
        """A listener on the left, the generator's server on the right."""
        if not self.proxy:
            return []
        left, right = (end.side for end in self.joint.ends)
        made = objects.service("shop", "203.0.113.11", (self.proxy["server"], self.proxy["server"]))
        to, http = objects.backend("shop", self.proxy["server"]), self.proxy["protocol"] == "http"
        return [made, *objects.endpoints(made, right.generator),
                objects.gateway("edge", [left.subject], objects.listener("web", self.proxy["port"], "HTTP" if http else "TCP")),
                objects.http_route("shop", "edge", objects.http_rule(to)) if http else objects.tcp_route("shop", "edge", to)]
