"""A result as messages of Service Mesh Performance (service-mesh-performance.io): PerformanceTestConfig and PerformanceTestResult.

JSON with the field names of that project's service_mesh_performance.proto, which its parsers accept as they are; smp_binary.py makes protobuf
of it. What those messages have
no field for (packets per second, drops, cycles, p99.99, conditions) is in their `labels`, a map of texts, under names that begin with
"penstock.": a parser that allows no unknown field reads them, too.
"""
import datetime
import uuid

from .histogram import Histogram

VERSION = "v0.0.1"
INT32, INT64 = (1 << 31) - 1, (1 << 63) - 1
NAMESPACE = uuid.UUID("5b0f4a52-8f0e-5d6c-9a51-6d2b5a6f1c11")
EXTENSIONS = {"pps": (("throughput", "rate"), "pps"), "drops": (("lost",), "packets"), "cycles_per_packet": (("cycles",), "cycles/packet"),
              "loss_ratio": (("loss_ratio",), "ratio"), "p99.99_ms": (("latency_p99.99",), "ns")}


def document(result):
    """{"config": PerformanceTestConfig, "results": [PerformanceTestResult]}: one for each subject and set of conditions."""
    identity = str(uuid.uuid5(NAMESPACE, f"{result['digest']} {result['started']}"))
    return {"config": _config(result, identity), "results": [_result(result, identity, subject, conditions)
                                                            for subject, conditions in _groups(result)]}


def _config(result, identity):
    clients = result["scenario"].get("clients") or {}
    request, arrivals = clients.get("request") or {}, clients.get("arrivals") or {}
    client = {"internal": False, "load_generator": "penstock-lab", "protocol": "http" if clients else "udp",
              "connections": _whole(clients.get("connections"), INT32), "rps": _whole((arrivals.get("open") or {}).get("rate"), INT64),
              "headers": {str(name): str(value) for name, value in (request.get("headers") or {}).items()},
              "endpoint_url": [f"http://{clients['target']}{request.get('path', '/')}"] if "target" in clients else []}
    return {"smp_version": VERSION, "id": identity, "name": result["name"],
            "labels": {"penstock.digest": result["digest"], "penstock.seed": str(result["seed"]), "penstock.command": result["command"]},
            "clients": [client], "duration": f"{result['seconds']:g}s"}


def _result(result, identity, subject, conditions):
    started = datetime.datetime.fromisoformat(result["started"].replace("Z", "+00:00"))
    figures = {(one["metric"], one["unit"]): one["value"] for one in result["figures"] if _of(one, subject, conditions)}
    labels = {"penstock.subject": subject, "penstock.trusted": str(result["stability"]["trusted"]).lower(),
              "penstock.partial": str(result["partial"]).lower(), **{f"penstock.{name}": str(value) for name, value in conditions.items()}}
    for name, (metrics, unit) in EXTENSIONS.items():
        for value in (figures[metric, unit] for metric in metrics if (metric, unit) in figures):
            labels[f"penstock.{name}"] = repr(value / 1e6 if name.endswith("_ms") else value)
    message = {"smp_version": VERSION, "id": str(uuid.uuid5(NAMESPACE, f"{identity} {subject} {sorted(conditions.items())}")),
               "labels": labels, "start_time": _time(started), "end_time": _time(started + datetime.timedelta(seconds=result["seconds"])),
               "testId": identity}
    rate = next((figures[metric, "requests/s"] for metric in ("rate", "requests_rate") if (metric, "requests/s") in figures), None)
    if rate is not None:
        message["actual_QPS"] = rate
    latency = next((one for one in result["latencies"] if _of(one, subject, conditions)), None)
    if latency is not None:
        message["latencies_ms"] = _latencies(Histogram.from_json(latency["histogram"]))
    return message


def _latencies(histogram):
    values = {"min": histogram.min or 0, "average": histogram.sum / histogram.count if histogram.count else 0,
              **{name: histogram.percentile(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}, "max": histogram.max}
    return {name: value / 1e6 for name, value in values.items()}


def _groups(result):
    seen = {}
    for one in (*result["figures"], *result["latencies"]):
        seen.setdefault((one["subject"], *sorted((name, str(v)) for name, v in one["conditions"].items())),
                        (one["subject"], one["conditions"]))
    return seen.values()


def _of(one, subject, conditions):
    return one["subject"] == subject and one["conditions"] == conditions


def _whole(value, most):
    """0, which is nothing said, where the message could not hold it."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < most else 0


def _time(when):
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
