#!/usr/bin/python3 -B
"""Speaks the lines of a generator (perf/LAB.md) around a FakeDevice, in virtual time: a trial takes no time.

The environment variable PENSTOCK_FAKE has the FakeDevice's arguments as JSON, and what to do wrong: {"die": 3} ends at the third trial,
{"silent": 3} never answers it, {"babble": 3} answers with what is no JSON, {"seconds": true} takes the time that a trial takes, and
{"error": "text"} never gets ready; {"linger": 0.5} takes so long to end, and says so with a file in DPDK's directory;
{"log": "file"} writes there what each process was told: a line of its kind (packets | requests), its ports and its command for each.
"""
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeDevice  # noqa: E402


OURS = ("die", "silent", "babble", "seconds", "error", "linger", "log")


def say(event):
    print(json.dumps(event), flush=True)


def check(spec):
    """A few faults, as the real one would tell them."""
    faults = [(f"streams[{index}].size", f"{stream['size']} is below 64") for index, stream in enumerate(spec.get("streams", ()))
              if isinstance(stream.get("size"), int) and stream["size"] < 64]
    for field, message in faults:
        say({"event": "error", "field": field, "message": message})
    return not faults


def main():
    wrong = json.loads(os.environ.get("PENSTOCK_FAKE", "{}"))
    device = FakeDevice(**{name: value for name, value in wrong.items() if name not in OURS})
    spec = json.loads(pathlib.Path(sys.argv[2]).read_text())
    if not check(spec):
        return 2
    if sys.argv[1] == "--check":
        say({"event": "ok"})
        return 0
    if "error" in wrong:
        say({"event": "error", "field": "ports[0].gateway", "message": wrong["error"]})
        return 2
    kind = "packets" if "streams" in spec else "requests"
    say({"event": "ready", "ports": [port["name"] for port in spec["ports"]]})
    for line in sys.stdin:
        command = json.loads(line)
        if "log" in wrong:
            with open(wrong["log"], "a", encoding="utf-8") as log:
                print(json.dumps({"kind": kind, "ports": [port["name"] for port in spec["ports"]], "command": command}), file=log)
        if command["do"] == "quit":
            break
        if command["do"] == "trial":
            answer(command, device, wrong, kind)
    if "linger" in wrong:
        runtime = pathlib.Path(os.environ["RUNTIME_DIRECTORY"]) / "dpdk" / spec["prefix"]
        runtime.mkdir(parents=True)
        (runtime / "ending").touch()
        time.sleep(wrong["linger"])
    return 0


def answer(command, device, wrong, kind):
    number = command["id"]
    if wrong.get("die") == number:
        print("fake: out of memory", file=sys.stderr)
        os._exit(3)
    if wrong.get("babble") == number:
        print("no JSON", flush=True)
    while wrong.get("silent") == number:
        time.sleep(1)
    if kind == "requests":
        say(device.requests_event(command.get("rate"), command["seconds"], number))
        return
    event = device.event(command.get("pps", 1000.0), command["seconds"], number)
    if "sample" not in command:      # a background's
        say({**event, "due": round(command.get("pps", 1000.0) * command["seconds"])})
        return
    count = min(100, max(1, int(command["seconds"] / command["sample"])))
    for n in range(count):
        if wrong.get("seconds"):
            time.sleep(command["seconds"] / count)
        say({"event": "sample", "id": number, "t": (n + 1) * command["sample"], "sent": event["sent"] // count,
             "received": event["streams"][0]["received"] // count, "lost": event["streams"][0]["lost"] // count, "p50": device.delay,
             "p99": device.delay})
    say(event)


sys.exit(main())
