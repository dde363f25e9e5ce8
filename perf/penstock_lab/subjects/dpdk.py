"""What DPDK's own programs have in common as subjects: how they start, and counters from their telemetry socket.

They poll and cannot tell idle rounds from others: busy is all that the forwarding thread ran (Sample.polls), and cycles are not told.
"""
import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import rig

from .. import wiring
from .base import Missing, Sample, Subject, SubjectError, silent

EXAMPLES = pathlib.Path("/usr/share/dpdk/examples")
CACHE = pathlib.Path(__file__).resolve().parents[3] / "build" / "perf-peers"
FORWARDING_SECONDS = 0.02
BUFFERS = 262144          # as Penstock has: an input in memory holds one for each of its packets
# The examples insist on receive checksum offload, which no software device has.
NO_OFFLOAD = {".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM": ".offloads = 0"}


class DpdkProgram(Subject):
    """`words` of the subclass say what is run: see start()."""
    program = ""
    wirings = ("replay", "memif")
    changes = ("stall",)

    def version(self):
        done = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True, text=True, check=False)
        return f"{self.program} of DPDK {done.stdout.strip() or 'unknown'}"

    def launch(self, place, words):
        """Starts the program and waits until its ports are started; with replay until it forwards. They answer no ARP: the
        generator's ports have no gateway."""
        self._prefix = f"lab{os.getpid()}-{time.monotonic_ns()}"
        eal = ["--no-pci", "--file-prefix", self._prefix, *(["--in-memory"] if place.huge else ["--no-huge", "-m", "2048"])]
        self._core, self._ports = place.cores["subject"][0], range(len(self.joint.ends))
        self.process = self.joint.namespace.start(self.program, *words(eal))
        self._telemetry = Telemetry(self._prefix, self.process, self.program)
        if place.wiring == "replay":
            rig.wait_until(lambda: self.sample().sent > 0, 60, 0.1, f"{self.program}: forward the input")
        else:   # whoever connects to a memif before it is started is sent away for good
            rig.wait_until(lambda: all(self._telemetry.ask(f"/ethdev/info,{p}")["dev_started"] for p in self._ports), 30, 0.05,
                           f"{self.program}: start its ports")
            # testpmd throws away what came before it forwards; its thread runs from then on.
            before = self._busy_seconds()
            rig.wait_until(lambda: self._busy_seconds() > before + FORWARDING_SECONDS, 30, 0.01, f"{self.program}: forward")
        return [dataclasses.replace(port, gateway="") for port in self.joint.ports]

    def sample(self):
        stats = [self._telemetry.ask(f"/ethdev/stats,{port}") for port in self._ports]
        total = lambda name: sum(s[name] for s in stats)   # noqa: E731
        return Sample(time.monotonic(), total("opackets"), total("ipackets"),
                      {name: total(name) for name in ("imissed", "oerrors", "rx_nombuf") if total(name)}, self._busy_seconds(), polls=True)

    def _busy_seconds(self):
        """The thread that runs on the subject's core: the main one where the program has one core only."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            if name == self.thread(self._core):
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise SubjectError(f"{self.program}: its forwarding thread is gone")

    def thread(self, core):
        return f"rte-worker-{core}"

    def stop(self):
        if hasattr(self, "_telemetry"):
            self._telemetry.close()
        if hasattr(self, "process"):
            try:
                self.process.stop(timeout=10)
            finally:
                for directory in (runtime_directory(self._prefix), pathlib.Path("/dev/hugepages") / self._prefix):
                    shutil.rmtree(directory, ignore_errors=True)
        super().stop()


def runtime_directory(prefix):
    return pathlib.Path(os.environ.get("RUNTIME_DIRECTORY", "/var/run")) / "dpdk" / prefix


class Telemetry:
    """Counters of any DPDK program, without disturbing it."""

    def __init__(self, prefix, process, program):
        self.process, self._program = process, program
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(10)
        try:
            rig.wait_until(lambda: self._connect(runtime_directory(prefix)), 30, 0.05, f"{program}: answer")
            self._socket.recv(4096)
        except (OSError, rig.LabError) as error:
            self.close()
            raise SubjectError(f"{program}: {error}") from None

    def _connect(self, directory):
        if not self.process.running():
            raise silent(self._program, self.process, "")
        for path in sorted(directory.glob("dpdk_telemetry.v2*")):   # with --in-memory they are numbered
            try:
                self._socket.connect(str(path))
                return True
            except OSError:
                continue
        return False

    def ask(self, command):
        try:
            self._socket.send(command.encode())
            return json.loads(self._socket.recv(1 << 16))[command.split(",")[0]]
        except (OSError, ValueError, KeyError) as error:
            raise silent(self._program, self.process, error) from None

    def close(self):
        self._socket.close()


def installed_faults(name):
    """Of a program that Debian's dpdk-dev brings, and that has a control thread on a core of its own."""
    found = []
    if not shutil.which(f"dpdk-{name}"):
        found.append(Missing(f"{name}: no dpdk-{name}: install the package dpdk-dev"))
    if len(os.sched_getaffinity(0)) < 2:
        found.append(Missing(f"{name}: needs two cores: one of them for its control thread"))
    return found


def example_faults(name):
    """Why one of DPDK's examples cannot be built here."""
    if (CACHE / name / "build" / name).exists():
        return []
    found = [] if (EXAMPLES / name).exists() else [Missing(f"{name}: no {EXAMPLES / name}: install the package dpdk-doc")]
    for program, package in (("make", "make"), ("pkg-config", "pkg-config"), ("cc", "gcc")):
        if not shutil.which(program):
            found.append(Missing(f"{name}: no {program}: install the package {package}"))
    return found


def build_example(name, main, changes):
    """One of DPDK's examples, compiled for this machine, with `changes` to its file `main`."""
    binary = CACHE / name / "build" / name
    if binary.exists():
        return binary
    CACHE.mkdir(parents=True, exist_ok=True)
    for part in (name, "common"):
        shutil.copytree(EXAMPLES / part, CACHE / part, dirs_exist_ok=True)
    source = CACHE / name / main
    text = source.read_text()
    for old, new in changes.items():
        if old not in text:
            raise SubjectError(f"{name}: {main} has no {old!r}: this version of DPDK is not known here")
        text = text.replace(old, new)
    source.write_text(text)
    done = subprocess.run(["make", "-s", "-C", str(CACHE / name)], capture_output=True, text=True, check=False,
                          env={**os.environ, "CFLAGS": "-march=native"})
    if not binary.exists():
        raise SubjectError(f"{name}: does not build: {' '.join(done.stderr.strip().splitlines()[-1:])}")
    return binary
