"""Configuration objects as plain dictionaries, written the way users write them in YAML, with little to type."""
import yaml

OURS = "penstock.io/v1alpha1"


def to_yaml(objects):
    return yaml.dump_all(objects, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=False)


def _object(kind, name, spec, api=OURS):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}


def device(port, kernel_interface, driver="af_packet", queues=1):
    """Devargs of DPDK for an end of a veth pair."""
    if driver == "af_xdp":
        return f"net_af_xdp{port},iface={kernel_interface},queue_count={queues},force_copy=1"
    return f"net_af_packet{port},iface={kernel_interface},qpairs={queues},qdisc_bypass=1"


def replay(port, path):
    """A port that receives the frames of a file over and over, from memory, as fast as the worker takes them."""
    return f"net_pcap{port},rx_pcap={path},infinite_rx=1"


def interface(name, device_arguments, *addresses, **fields):
    return {"name": name, "device": device_arguments, "addresses": list(addresses), **fields}


def node(*interfaces, cores=(1,), idle="adaptive", routes=(), workers=None, **fields):
    """A gateway with small tables, so that it starts at once."""
    sizes = {"flows": 65536, "sources": 16384, "exactFlows": 65536, "neighbours": 1024, "buffers": 32768}
    spec = {"workers": {"cores": list(cores), "idle": idle, **sizes, **(workers or {})},
            "interfaces": list(interfaces), **fields}
    if routes:
        spec["routes"] = list(routes)
    return _object("Node", "gateway", spec)


def route(prefix, *next_hops, action=None):
    hops = [h if isinstance(h, dict) else {"via": h} for h in next_hops]
    return {"prefix": prefix, **({"nextHops": hops} if hops else {}), **({"action": action} if action else {})}


def service(name, address, *ports, affinity=None):
    """ports: (port, target port[, protocol]); address: one or a list."""
    addresses = [address] if isinstance(address, str) else list(address)
    spec = {"externalIPs": addresses, "ports": [
        {"name": f"p{p[0]}{(p[2] if len(p) > 2 else 'TCP').lower()}", "port": p[0], "targetPort": p[1],
         "protocol": p[2] if len(p) > 2 else "TCP"} for p in ports]}
    if affinity:
        spec["sessionAffinity"] = "ClientIP"
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": affinity}}
    return _object("Service", name, spec, "v1")


def endpoints(service_object, *addresses, draining=()):
    """The slices of a service: one per address family, its ports as in the service."""
    name, ports = service_object["metadata"]["name"], service_object["spec"]["ports"]
    slices = []
    for family, label in ((lambda a: ":" not in a, "IPv4"), (lambda a: ":" in a, "IPv6")):
        members = [a for a in addresses if family(a)]
        if members:
            slices.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": label,
                "metadata": {"name": f"{name}-{label.lower()}", "labels": {"kubernetes.io/service-name": name}},
                "endpoints": [{"addresses": [a], "conditions": {"ready": a not in draining, "serving": True,
                                                                "terminating": a in draining}} for a in members],
                "ports": [{"name": p["name"], "port": p["targetPort"], "protocol": p["protocol"]} for p in ports]})
    return slices


def service_policy(service_name, **spec):
    return _object("ServicePolicy", service_name, {"targetRef": {"kind": "Service", "name": service_name}, **spec})


def access_policy(name, *rules, priority=1000):
    return _object("AccessPolicy", name, {"priority": priority, "rules": list(rules)})


def rate_limit(name, target, rate, **spec):
    return _object("RateLimit", name, {"target": target, "rate": rate, **spec})


def egress(name, *sources, **spec):
    return _object("Egress", name, {"from": list(sources), **spec})


def mirror(name, to, match=None, **spec):
    return _object("Mirror", name, {"match": match or {}, "to": to, **spec})


def workload(name, identity, interface, *addresses, labels=None, **spec):
    made = _object("Workload", name, {"identity": identity, "interface": interface,
                                      **({"addresses": list(addresses)} if addresses else {}), **spec})
    made["metadata"].update({"labels": labels} if labels else {})
    return made


def service_subset(name, service_name, labels, **spec):
    return _object("ServiceSubset", name, {"service": service_name, "selector": {"matchLabels": labels}, **spec})


def peer(name, address, *prefixes, **spec):
    return _object("Peer", name, {"address": address, "prefixes": list(prefixes), **spec})


GATEWAY_API = "gateway.networking.k8s.io/v1"


def listener(name, port, protocol="HTTP", **fields):
    return {"name": name, "port": port, "protocol": protocol, **fields}


def gateway(name, addresses, *listeners):
    return _object("Gateway", name, {"gatewayClassName": "penstock", "listeners": list(listeners),
                                     "addresses": [{"type": "IPAddress", "value": a} for a in addresses]}, GATEWAY_API)


def backend(name, port, **fields):
    return {"name": name, "port": port, **fields}


def subset_backend(name, port, **fields):
    return {"group": "penstock.io", "kind": "ServiceSubset", "name": name, "port": port, **fields}


def http_rule(*backends, path=None, **fields):
    matches = [{"path": {"type": "PathPrefix", "value": path}}] if path else []
    return {**({"matches": matches} if matches else {}), **({"backendRefs": list(backends)} if backends else {}), **fields}


def http_route(name, parent, *rules, hostnames=()):
    return _object("HTTPRoute", name, {"parentRefs": [{"name": parent}], **({"hostnames": list(hostnames)} if hostnames else {}),
                                       "rules": list(rules)}, GATEWAY_API)


def tcp_route(name, parent, *backends, section=None):
    return _object("TCPRoute", name, {"parentRefs": [{"name": parent, **({"sectionName": section} if section else {})}],
                                      "rules": [{"backendRefs": list(backends)}]}, "gateway.networking.k8s.io/v1alpha2")


def listener_policy(name="edge", gateway="edge", section=None, **spec):
    target = {"kind": "Gateway", "name": gateway, **({"sectionName": section} if section else {})}
    return _object("ListenerPolicy", name, {"targetRef": target, **spec})
