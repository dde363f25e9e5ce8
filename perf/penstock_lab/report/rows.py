"""Results as one flat list of named rows, for scripts that follow a figure from version to version.

`write(results, path)`: `{"machine": …, "results": [row, …]}`; a row has name, value, unit, runs, bound_by, trusted, peer,
peer_value and ratio, which is null beside a figure of zero. A ratio has an interval where both took turns in one run; without a kernel
there is no proxy of the kernel's, and the peer's figure is that over virtual wires of the same set of results. A name whose scenario is
not among the results has no row.
"""
import dataclasses
import json

from penstock_lab.result import write_whole


@dataclasses.dataclass(frozen=True)
class Name:
    name: str
    scenario: str
    conditions: dict
    metric: str = "rate"
    subject: str = "penstock"
    peers: str = ""          # scenario of the peers, when it is another one


def _proxy(name, kind, body):
    plain = Name(name, f"http1_{kind}", {"body": body}, "work")
    return [plain, dataclasses.replace(plain, name=name + "_kernel_free", scenario=plain.scenario + "_kernel_free", peers=plain.scenario)]


def _esp(operation):
    sizes = {82: "64B", 530: "512B", 1418: "1400B"}   # frames, and the datagrams in them
    return [Name(f"esp_{operation}_{label}{'' if cipher.endswith('128') else '_256'}", f"esp_{operation}", {"cipher": cipher, "size": size})
            for cipher in ("AES-GCM-128", "AES-GCM-256") for size, label in sizes.items()]


NAMES = [
    *(Name(f"l3_forward_{size}B", "l3_forward", {"size": size}) for size in (64, 128, 256, 512, 1024, 1280, 1518)),
    Name("l4_nat_1_64B", "l4_nat", {"flows": 1}), Name("l4_nat_100k_64B", "l4_nat", {"flows": 100_000}),
    Name("l4_nat_100k_filter_limits_64B", "limits", {}, subject="limits and filter"),
    *_esp("encrypt"), *_esp("decrypt"), Name("esp_1000_peers", "esp_peers", {}, "cycles", subject="1000 peers"),
    *_proxy("http1_128B_keepalive", "keepalive", 128), *_proxy("http1_10KB_keepalive", "keepalive", 10_240),
    *_proxy("http1_1MB", "bulk", 1 << 20), *_proxy("http1_new_connection", "new_connections", 128),
]


def write(results, path):
    by_name = {one["name"]: one for one in results}
    rows = [row for each in NAMES if each.scenario in by_name for row in _rows(each, by_name)]
    document = {"machine": results[0]["machine"], "results": rows}
    write_whole(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())


def _figures(name, result):
    """By subject."""
    return {f["subject"]: f for f in result["figures"] if f["metric"] == name.metric and f["conditions"] == name.conditions}


def _rows(name, by_name):
    result = by_name[name.scenario]
    own = _figures(name, result).get(name.subject)
    if own is None:
        return
    row = {"name": name.name, "value": own["value"], "unit": own["unit"], "runs": len(own["samples"]), "bound_by": own["bound"],
           "trusted": result["stability"]["trusted"], "peer": None, "peer_value": None, "ratio": None}
    others = by_name.get(name.peers or name.scenario)
    peers = {s: f for s, f in _figures(name, others).items() if s != name.subject} if others else {}
    for peer, figure in peers.items():
        ratio = own["value"] / figure["value"] if own["value"] and figure["value"] else None
        yield {**row, "peer": peer, "peer_value": figure["value"], "ratio": ratio, **_compared(name, peer, result)}
    if not peers:
        yield row


def _compared(name, peer, result):
    for each in result["comparisons"]:
        pair = each["metric"] == name.metric and each["conditions"] == name.conditions and {each["device"], each["peer"]} == {name.subject, peer}
        if pair and each["device"] == name.subject:
            return {"ratio": each["ratio"], "interval": each["interval"], "verdict": each["verdict"]}
    return {}
