"""Results as the lab would write them, made up from a seed: several kinds of scenario, and every kind of mark a report must show."""
import copy
import functools
import hashlib
import math
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import histogram  # noqa: E402

SIZES = [64, 128, 256, 512, 1024, 1280, 1518]
TEN_GIGABIT = 1e10


def made_once(make):
    """Making thousands of durations takes time; every caller gets a copy of its own."""
    kept = functools.cache(make)
    return functools.wraps(make)(lambda *words: copy.deepcopy(kept(*words)))


def digest(*words):
    return hashlib.sha256(repr(words).encode()).hexdigest()


def check(name, value, unit, limit, ok=True, about=""):
    return {"name": name, "value": value, "unit": unit, "limit": limit, "ok": ok, "about": about}


def checks():
    return [check("repeatability", 0.004, "ratio", 0.02, about="spread of five trials of the generator alone"),
            check("steal", 0.0, "ratio", 0.01, about="time taken by the hypervisor"),
            check("clock", 0.8, "ppm", 50, about="TSC against CLOCK_MONOTONIC"),
            check("longest gap", 41.0, "µs", 100, about="of a thread that does nothing but look at the clock"),
            check("governor", "performance", "", "performance", about="of the cores in use")]


def empty(name, about, subjects, **scenario):
    """A result with nothing measured yet."""
    return {
        "schema": "penstock-lab/1", "name": name, "about": about, "started": "2026-05-04T10:20:30Z", "seconds": 47.2, "partial": False,
        "short": False, "command": f"penstock-lab run perf/scenarios/{name}.yaml --seed 1", "seed": 1,
        "scenario": {"name": name, "about": about, "seed": 1, "turns": 5, **scenario}, "digest": digest(name, scenario),
        "machine": {"cpu": "AMD EPYC 9575F 64-Core Processor", "cores": 2, "kernel": "6.1.0-18-amd64", "os": "Debian GNU/Linux 12",
                    "clock": "tsc", "hugepages": {"2MB": 2048}, "dpdk": "22.11.11", "compiler": "g++ 12.2.0", "virtual": "kvm",
                    "nics": [{"name": "0000:01:00.0", "driver": "vfio-pci", "firmware": "9.20"}],
                    "core_map": {"generator": [0], "subject": [1]}},
        "versions": {"penstock": "0.1.0", "dpdk": "22.11.11", "python": "3.11.2"},
        "stability": {"trusted": True, "reasons": [], "checks": checks()},
        "subjects": [{"name": s, "driver": s, "version": v, "config": {}, "digest": digest(s)} for s, v in subjects],
        "figures": [], "comparisons": [], "curves": [], "latencies": [], "series": [], "stages": [], "notes": []}


def figure(chance, subject, metric, unit, value, conditions, noise=0.01, better="higher", bound="subject", note=""):
    samples = [value * (1 + chance.gauss(0, noise)) for _ in range(5)]
    middle = sorted(samples)[2]
    return {"subject": subject, "metric": metric, "unit": unit, "better": better, "conditions": conditions, "value": middle,
            "samples": samples, "interval": [min(samples), max(samples)], "bound": bound, "note": note}


def comparison(device, peer, spread=0.01):
    ratio = device["value"] / peer["value"]
    low, high = ratio * (1 - spread), ratio * (1 + spread)
    sign = 1 if device["better"] == "higher" else -1
    verdict = "unclear" if low < 1 < high else "better" if (ratio - 1) * sign > 0 else "worse"
    return {"metric": device["metric"], "unit": device["unit"], "conditions": device["conditions"], "device": device["subject"],
            "peer": peer["subject"], "ratio": ratio, "interval": [low, high], "level": 0.95, "pairs": 5,
            "method": "geometric mean of paired ratios, Student's t of their logarithms", "verdict": verdict}


def compare_all(result):
    """The first subject's figures against everybody else's under the same conditions."""
    device = result["subjects"][0]["name"]
    for mine in [f for f in result["figures"] if f["subject"] == device]:
        result["comparisons"] += [comparison(mine, f) for f in result["figures"] if f["subject"] != device
                                  and (f["metric"], f["conditions"]) == (mine["metric"], mine["conditions"])]


def durations(chance, n, middle, sigma, stall=0.0, stall_nanos=2e6):
    """A histogram of log-normal durations, a share of which met a core that stood still."""
    counts, total, least, most = {}, 0, None, 0
    for _ in range(n):
        nanos = middle * math.exp(chance.gauss(0, sigma))
        if chance.random() < stall:
            nanos += chance.random() * stall_nanos
        nanos = int(nanos)
        index = histogram.index_of(nanos)
        counts[index] = counts.get(index, 0) + 1
        total, most, least = total + nanos, max(most, nanos), nanos if least is None else min(least, nanos)
    return {"unit": "ns", "count": n, "sum": total, "min": least or 0, "max": most, "counts": [[i, counts[i]] for i in sorted(counts)]}


def latency(subject, conditions, load, unit, values, start="sent", floor=None):
    return {"subject": subject, "conditions": conditions, "load": load, "unit": unit, "clock": "tsc", "from": start, "floor": floor,
            "histogram": values}


def curve(subject, conditions, capacity, highest):
    """A device that loses nothing below its capacity, and what is too much above it."""
    points = []
    for share in (0.2, 0.4, 0.6, 0.8, 0.9, 1.0):
        offered = highest * share
        received = min(offered, capacity) * (1 if offered < 0.97 * capacity else 1 - 2e-6)
        points.append({"offered": offered, "sent": offered, "received": received, "loss": 1 - received / offered,
                       "bound": "generator" if share == 1.0 else "subject"})
    return {"subject": subject, "conditions": conditions, "points": points}


@made_once
def packets():
    chance = random.Random(1)
    made = empty("l3_forward", "Routing at every frame size of RFC 2544, one core.",
                 [("penstock", "0.1.0"), ("l3fwd", "22.11.11"), ("testpmd", "22.11.11")], traffic="packets", wiring="nic",
                 ports=[{"name": "left", "lineRate": TEN_GIGABIT}, {"name": "right", "lineRate": TEN_GIGABIT}],
                 method={"name": "mlrsearch"})
    capacity = {"penstock": 6.9e6, "l3fwd": 11.2e6, "testpmd": 20e6}
    for size in SIZES:
        line = TEN_GIGABIT / ((size + 20) * 8)
        for subject, most in capacity.items():
            bound = "subject" if most < line else "generator" if size == 64 else "device"
            value = most if most < line else line * 0.97
            made["figures"].append(figure(chance, subject, "throughput", "pps", value, {"size": size}, 0.004, bound=bound))
    compare_all(made)
    for size in (64, 512):
        line = TEN_GIGABIT / ((size + 20) * 8)
        made["curves"] += [curve(s, {"size": size}, most, line) for s, most in capacity.items()]
    floor = {"p50": 740, "p90": 790, "p99": 910, "p99.9": 1900, "p99.99": 8200}
    for subject, middle in (("penstock", 3900), ("l3fwd", 2800), ("testpmd", 2100)):
        made["latencies"].append(latency(subject, {"size": 64}, capacity[subject] / 2, "pps",
                                         durations(chance, 100_000, middle, 0.12, 0.002, 9e4), floor=floor))
    made["stages"] = [{"subject": "penstock", "conditions": {"size": 64}, "stages": {
        "receive": 38.2, "parse": 21.4, "martian check": 17.9, "route": 64.0, "next hop": 41.3, "rewrite": 22.6, "count": 31.0,
        "transmit": 44.8}}]
    made["notes"] = ["testpmd at 64 bytes: the generator could send no more, so the device may well be faster than this."]
    return made


@made_once
def requests():
    chance = random.Random(2)
    made = empty("http1_keepalive", "HTTP/1.1 proxy, 64 kept connections.", [("penstock", "0.1.0"), ("haproxy", "2.6.12"), ("nginx", "1.22.1")],
                 traffic="requests", wiring="veth", method={"name": "open"})
    for body, rates in ((128, (214e3, 72e3, 66e3)), (10240, (61e3, 58e3, 45e3))):
        for (subject, rate) in zip(("penstock", "haproxy", "nginx"), rates):
            made["figures"].append(figure(chance, subject, "requests_per_busy_second", "requests/s", rate, {"body": body}, 0.02))
            made["figures"].append(figure(chance, subject, "latency_p99", "ns", 9e10 / rate, {"body": body}, 0.06, better="lower"))
    compare_all(made)
    for load in (10e3, 30e3):
        for subject, middle, sigma in (("penstock", 96e3, 0.35), ("haproxy", 340e3, 0.3), ("nginx", 362e3, 0.31)):
            made["latencies"].append(latency(subject, {"body": 128}, load, "requests/s",
                                             durations(chance, 60_000, middle * (1 + load / 1e5), sigma, 0.003, 4e6), "scheduled"))
    made["notes"] = ["With veth the virtual device is most of the cost; the figure without a kernel is beside it."]
    return made


def esp():
    chance = random.Random(3)
    made = empty("esp_tunnel", "ESP tunnel, AES-GCM-128, encrypt.", [("penstock", "0.1.0"), ("ipsec-secgw", "22.11.11")], traffic="memory",
                 wiring="replay", method={"name": "rate"})
    for size, mine, peer in ((64, 8.1e6, 11.7e6), (512, 7.2e6, 8.9e6), (1400, 5.6e6, 5.9e6)):
        made["figures"] += [figure(chance, "penstock", "rate", "pps", mine, {"size": size}),
                            figure(chance, "ipsec-secgw", "rate", "pps", peer, {"size": size})]
    compare_all(made)
    for size, cost in ((64, 1.0), (1400, 1.35)):
        made["stages"].append({"subject": "penstock", "conditions": {"size": size}, "stages": {
            "receive": 40.1, "parse": 20.2, "policy": 55.0, "encrypt": 210 * cost, "outer header": 33.3, "transmit": 47.7}})
    return made


@made_once
def soak(points=600):
    chance = random.Random(4)
    made = empty("soak", "A loss ratio of 1e-7 for ten minutes.", [("penstock", "0.1.0")], traffic="packets", wiring="memif",
                 method={"name": "soak", "seconds": points})
    courses = []
    for second in range(1, points + 1):
        stalled = second % 97 == 0
        lost = chance.randrange(40, 4000) if stalled else 0
        p50 = 4000 + chance.randrange(300)
        courses.append({"t": float(second), "sent": 3_000_000, "received": 3_000_000 - lost, "lost": lost, "p50": p50,
                        "p99": p50 * (60 if stalled else 2) + chance.randrange(900)})
    made["series"] = [{"subject": "penstock", "conditions": {"size": 64}, "interval": 1.0, "points": courses}]
    sent, lost = (sum(point[field] for point in courses) for field in ("sent", "lost"))
    made["figures"] = [{"subject": "penstock", "metric": "loss", "unit": "ratio", "better": "lower", "conditions": {"size": 64},
                        "value": lost / sent, "samples": [], "interval": None, "bound": "unknown",
                        "note": "the machine stood still while it was measured"}]
    made["latencies"] = [latency("penstock", {"size": 64}, 3e6, "pps", durations(chance, 200_000, 4200, 0.1, 0.004, 2.5e6))]
    made["stability"] = {"trusted": False, "reasons": ["steal: 4.1 % of the time is not below 1 %", "longest gap: 2310 µs is not below 100 µs"],
                         "checks": [*checks()[:1], check("steal", 0.041, "ratio", 0.01, False, "time taken by the hypervisor"),
                                    check("longest gap", 2310.0, "µs", 100, False, "of a thread that does nothing but look at the clock")]}
    return made


def partial():
    chance = random.Random(5)
    made = empty("reconfiguration", "Packets lost while routes change.", [("penstock", "0.1.0")], traffic="packets", wiring="ring",
                 method={"name": "reconfiguration"})
    made["partial"] = True
    made["figures"] = [figure(chance, "penstock", "blocked_time", "ns", 0, {"kind": "route", "pace": 100}, better="lower"),
                       figure(chance, "penstock", "blocked_time", "ns", 18_400, {"kind": "endpoint", "pace": 100}, 0.2, better="lower",
                              bound="generator")]
    made["notes"] = ["Interrupted after 2 of 4 kinds of change."]
    return made


def crowded():
    """More of everything than a picture was made for."""
    chance = random.Random(7)
    names = [f"a device with quite a long name, the number {n} of many" for n in range(9)]
    made = empty("crowded", "Words " * 60, [(name, "1.0") for name in names], traffic="packets", wiring="nic",
                 ports=[{"name": "left", "lineRate": 1e11}])
    for subject in names:
        for size in (64, 65, 128, 256, 512, 768, 1024, 1280, 1518, 2048, 4096, 9216, "imix"):
            made["figures"].append(figure(chance, subject, "throughput", "pps", 10 ** chance.uniform(3, 8), {"size": size, "flows": 1_000_000}, 0.2))
        for flows in (1, 1000, 100_000_000):
            made["figures"].append(figure(chance, subject, "connections", "connections/s", 10 ** chance.uniform(0, 9),
                                          {"flows": flows, "rules": "a condition that takes many words to tell"}, 0.3))
        made["latencies"].append(latency(subject, {"flows": 9}, chance.uniform(1, 1e9), "pps", durations(chance, 2000, 10 ** chance.uniform(2, 9), 0.7)))
        made["curves"].append(curve(subject, {"flows": 9}, 10 ** chance.uniform(5, 7), 8e6))
    compare_all(made)
    made["series"] = [{**soak(50)["series"][0], "subject": names[8]}]
    made["stages"] = [{"subject": names[0], "conditions": {}, "stages": {f"a stage with a long name, number {n}": 10 ** chance.uniform(-2, 4)
                                                                      for n in range(25)}}]
    made["stability"]["trusted"], made["stability"]["reasons"], made["partial"] = False, ["reason " * 40], True
    return made


def hostile():
    """Words from outside that would like to be more than words."""
    evil = "\"><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>&\u202e]]>"
    made = empty("hostile", evil, [(evil, evil), ("</title></style></svg>", "%s{}${x}")], traffic="packets", wiring=evil)
    chance = random.Random(6)
    for subject in made["subjects"]:
        made["figures"].append(figure(chance, subject["name"], "throughput", evil[:40], 1e6, {"size": 64, "kind": evil}, note=evil))
        made["latencies"].append(latency(subject["name"], {"kind": evil}, 1e5, evil[:40], durations(chance, 1000, 5000, 0.2)))
        made["stages"].append({"subject": subject["name"], "conditions": {"kind": evil}, "stages": {evil[:100]: 3.0}})
    compare_all(made)
    made["notes"], made["command"] = [evil], evil
    made["stability"] = {"trusted": False, "reasons": [evil], "checks": [check(evil[:100], evil, "", evil, False, evil)]}
    made["machine"]["cpu"], made["versions"][evil] = evil, evil
    return made


def all_kinds():
    return [packets(), requests(), esp(), soak(), partial()]
