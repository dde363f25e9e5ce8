"""penstock-lab-packets as a process of a test, and specifications for it: two loop ports, one stream from left to right."""
import json
import os
import select
import subprocess
import tempfile
import time
import unittest

from .gateway import build_dir
from .lab import LabError

PROGRAM = build_dir() / "perf" / "penstock-lab-packets"
ANYWHERE = {"destination": "02:00:00:00:00:99"}


def ipv4(**fields):
    return {"ipv4": {"destination": "198.18.0.1", **fields}, "udp": {}}


def stream(name="a", **fields):
    return {"name": name, "from": "left", "to": "right", "rate": {"pps": 20000}, "headers": ipv4(), **fields}


def spec(*streams, ports=None, **fields):
    ports = ports or [{"name": "left", "device": "loop:right", "address": "198.51.100.2/24"},
                      {"name": "right", "device": "loop:left", "address": "203.0.113.2/24"}]
    return {"cores": [0], "huge": False, "memoryMegabytes": 256, "prefix": f"lab-test-{os.getpid()}", "seed": 1,
            "ports": ports, "streams": list(streams) or [stream()], **fields}


class Generator:
    """The program with a specification; `namespace` is where it runs."""

    def __init__(self, specification, namespace=None):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(specification, file)
        self.file = file.name
        words = [*(["ip", "netns", "exec", namespace.name] if namespace else []), PROGRAM, "--spec", self.file]
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            os.unlink(self.file)

    def event(self, seconds=20):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.text:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                raise LabError(f"no event within {seconds} s; the generator's status is {self.process.poll()}")
            self.text += piece
        line, self.text = self.text.split(b"\n", 1)
        return json.loads(line)

    def expect(self, kind, **options):
        event = self.event(**options)
        if event["event"] != kind:
            raise LabError(f"{kind} was expected, not {event}")
        return event

    def ready(self):
        return self.expect("ready")

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def trial(self, **command):
        self.tell(do="trial", **{"id": 1, "seconds": 0.5, "drain": 0.05, **command})
        return self.expect("trial")


def trial_of(specification, **command):
    with Generator(specification) as generator:
        generator.ready()
        return generator.trial(**command)


def counts(result, name="a"):
    return next(s for s in result["streams"] if s["name"] == name)


class Built(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise unittest.SkipTest(f"{PROGRAM} is not built (PENSTOCK_BENCH is off)")
