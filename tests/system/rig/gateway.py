"""The gateway under test as a process in its own namespace, and the CLI that talks to it."""
import json
import os
import pathlib
import signal
import subprocess
import time

import yaml

from . import objects
from .lab import LabError, run, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]


def build_dir():
    return pathlib.Path(os.environ.get("PENSTOCK_BUILD", ROOT / "build" / "release"))


def daemon_path():
    return build_dir() / "dpdk-app" / "gatewayd" / "penstock-gatewayd"


def cli_path():
    return build_dir() / "tools" / "penstock"


class CliError(Exception):
    """The CLI refused; `text` is what it wrote to stderr."""

    def __init__(self, status, text):
        super().__init__(f"exit status {status}: {text.strip()}")
        self.status, self.text = status, text


class Gateway:
    """One penstock-gatewayd; start() may be called again after stop() or kill() (same store, same socket)."""

    def __init__(self, namespace, name="gateway", options=("--no-huge",)):
        self.namespace, self.lab, self.name = namespace, namespace.lab, name
        self.socket = self.lab.dir / f"{name}.sock"
        self.store = self.lab.dir / f"{name}.db"
        self.options, self.process = list(options), None
        self.metrics_address = "127.0.0.1:9464"

    # ---- the process ----

    def launch(self, *more):
        """Starts without waiting: for tests of what it says when it cannot."""
        self.process = self.namespace.start(
            self.name, daemon_path(), "--store", self.store, "--socket", self.socket,
            "--metrics", self.metrics_address, *self.options, *more)
        return self.process

    def start(self, *more, seconds=20):
        self.launch(*more)
        wait_until(self._answers, seconds, 0.05, f"{self.name}: answer\n{self.process.tail()}")
        return self

    def _answers(self):
        if not self.process.running():
            raise LabError(f"{self.name}: exit status {self.process.wait()}\n{self.process.tail()}")
        return self.socket.exists() and self.cli("node", "info", check=False).returncode == 0

    def stop(self, timeout=20):
        return self.process.stop(timeout=timeout)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait()

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    # ---- the CLI ----

    def command(self, *words):
        return [str(cli_path()), "--address", f"unix:{self.socket}", *map(str, words)]

    def cli(self, *words, check=True, timeout=60):
        done = run(*self.command(*words), check=False, timeout=timeout)
        if check and done.returncode:
            raise CliError(done.returncode, done.stderr or done.stdout)
        return done

    def json(self, *words, timeout=60):
        """What a command says with -o json."""
        text = self.cli(*words, "-o", "json", timeout=timeout).stdout
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise LabError(f"penstock {' '.join(map(str, words))}: no JSON: {error}: {text[:200]}") from None

    def begin(self, *words):
        """A long-running command (watch, capture, trace) as a process of the lab."""
        return self.lab.start("cli-" + words[0], *self.command(*words))

    def file_of(self, *objects_or_text, name="bundle.yaml"):
        path = self.lab.dir / name
        text = objects_or_text[0] if objects_or_text and isinstance(objects_or_text[0], str) \
            else objects.to_yaml(flat(objects_or_text))
        path.write_text(text)
        return path

    def apply(self, *bundle, replace=False):
        """Applies objects (lists are unrolled); the reply. Raises CliError with every fault named."""
        path = self.file_of(*bundle)
        return self.json("apply", "-f", path, *(["--replace"] if replace else []))

    def replace(self, *bundle):
        """This and nothing else is the configuration afterwards."""
        return self.apply(*bundle, replace=True)

    def objects(self, kind):
        """The configured objects of a kind, as dictionaries."""
        text = self.cli("get", kind, "-o", "yaml").stdout
        found = []
        for document in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            found += document.get("items", [document]) if document else []
        return found

    # ---- what it counted ----

    def stats(self):
        return self.json("stats")

    def drops(self):
        """Dropped packets by reason, all workers together; reasons with zero left out."""
        settle()
        return {entry["reason"]: int(entry["packets"]) for entry in self.stats().get("drops", [])
                if int(entry.get("packets", 0))}

    def drops_since(self, before):
        return {reason: count - before.get(reason, 0) for reason, count in self.drops().items()
                if count > before.get(reason, 0)}

    def entry(self, section, **fields):
        """The entry of a section of the statistics whose fields are these, e.g. entry("limits", name="default/l")."""
        settle()
        entries = self.stats().get(section, [])
        for entry in entries:
            if all(entry.get(key) == value for key, value in fields.items()):
                return entry
        raise LabError(f"no {section} with {fields} among {entries}")

    def workers(self, counter):
        """A counter of each worker, in their order."""
        settle()
        return [int(w.get(counter, 0)) for w in self.stats().get("workers", [])]

    def balance(self):
        """Packets in minus packets out, dropped and held: zero, or a packet was lost without a name (or made twice)."""
        inward = ("received", "fromWorkers", "fromControl", "generated")
        outward = ("transmitted", "toWorkers", "punted", "terminated", "merged", "dropped", "held")
        settle()
        workers = self.stats().get("workers", [])
        total = lambda names: sum(int(w.get(n, 0)) for w in workers for n in names)   # noqa: E731
        return total(inward) - total(outward)

    def metrics(self):
        """The Prometheus page as text."""
        return self.namespace.run("curl", "-sS", "--max-time", "5", f"http://{self.metrics_address}/metrics").stdout

    def busy_seconds(self):
        """CPU seconds the process used so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_megabytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


def flat(items):
    """Objects out of nested lists."""
    out = []
    for item in items:
        out += [item] if isinstance(item, dict) else flat(item)
    return out


def version():
    return subprocess.run([str(daemon_path()), "--version"], capture_output=True, text=True, check=False).stdout.strip()


def settle(seconds=0.3):
    """Workers publish counters every few milliseconds of traffic: wait until they did."""
    time.sleep(seconds)
