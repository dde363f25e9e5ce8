"""Peers of the lab: DPDK's own testpmd and l3fwd on the same devices as the gateway, and what they forward."""
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import json

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system"))
from rig.lab import LabError, wait_until  # noqa: E402

EXAMPLES = pathlib.Path("/usr/share/dpdk/examples")
CACHE = ROOT / "build" / "perf-peers"
PACKET_BUFFERS = 262144


class Missing(Exception):
    """A peer is not there; the text is the reason, for the table."""


def huge_pages_free():
    """MB of free 2 MB pages."""
    match = re.search(r"HugePages_Free:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return 2 * int(match.group(1)) if match else 0


def eal(cores, prefix, huge):
    return ["-l", cores, "--no-pci", "--file-prefix", prefix, *(["--in-memory"] if huge else ["--no-huge", "-m", "2048"])]


def build_example(name, main, changes):
    """One of DPDK's examples, from Debian's dpdk-doc, compiled for this machine, with `changes` to its file `main`."""
    binary = CACHE / name / "build" / name
    if binary.exists():
        return binary
    if not (EXAMPLES / name).exists():
        raise Missing(f"no /usr/share/dpdk/examples/{name}: install dpdk-doc")
    if not shutil.which("make"):
        raise Missing("no make")
    CACHE.mkdir(parents=True, exist_ok=True)
    for part in (name, "common"):
        shutil.copytree(EXAMPLES / part, CACHE / part, dirs_exist_ok=True)
    source = CACHE / name / main
    text = source.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    source.write_text(text)
    done = subprocess.run(["make", "-s", "-C", str(CACHE / name)], capture_output=True, text=True, check=False,
                          env={**os.environ, "CFLAGS": "-march=native"})
    if not binary.exists():
        raise Missing(f"{name} does not build: {done.stderr.strip().splitlines()[-1:]}")
    return binary


# They insist on receive checksum offload, which no software device has.
NO_OFFLOAD = {".offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM": ".offloads = 0"}


def build_l3fwd():
    """With as many buffers as ours: the input holds every packet of the file."""
    return build_example("l3fwd", "main.c", {**NO_OFFLOAD, "(unsigned)8192)": f"(unsigned){PACKET_BUFFERS})"})


class Telemetry:
    """Port counters of any DPDK program, from its telemetry socket, without disturbing it."""

    def __init__(self, prefix, process):
        # With --in-memory there is no runtime directory of its own: sockets are numbered in that of the prefix.
        directory = pathlib.Path(os.environ.get("RUNTIME_DIRECTORY", "/var/run")) / "dpdk" / prefix
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def connect():
            if not process.running():
                raise LabError(f"{prefix}: {process.tail(5)}")
            for path in sorted(directory.glob("dpdk_telemetry.v2*")):
                try:
                    self._socket.connect(str(path))
                    return True
                except OSError:
                    continue
            return False
        wait_until(connect, 30, 0.1, f"telemetry of {prefix}")
        self._socket.recv(4096)

    def ask(self, command):
        self._socket.send(command.encode())
        return json.loads(self._socket.recv(1 << 16))[command.split(",")[0]]

    def packets_out(self, ports):
        return sum(self.ask(f"/ethdev/stats,{port}")["opackets"] for port in ports)


def rate_of(counter, seconds):
    """Packets per second by a counter read twice."""
    first, begun = counter(), time.monotonic()
    time.sleep(seconds)
    last, ended = counter(), time.monotonic()
    return (last - first) / (ended - begun)


def wait_for_traffic(counter):
    wait_until(lambda: counter() > 0, 30, 0.1, "first packet")
    time.sleep(0.5)


def l3fwd_rate(lab, input_device, core, seconds, huge, number):
    """LPM forwarding, out of the port the packets came in by."""
    binary, prefix = build_l3fwd(), f"l3fwd{os.getpid()}-{number}"
    (lab.dir / "v4.cfg").write_text("R198.18.0.0/16 0\n")
    (lab.dir / "v6.cfg").write_text("R2001:0200:0000:0000:0000:0000:0000:0000/48 0\n")
    process = lab.start("l3fwd", binary, *eal(str(core), prefix, huge), "--vdev", input_device, "--", "-p", "1", "-P",
                        f"--config=(0,0,{core})", "--lookup=lpm", "--eth-dest=0,02:00:00:00:00:09", "--parse-ptype",
                        f"--rule_ipv4={lab.dir}/v4.cfg", f"--rule_ipv6={lab.dir}/v6.cfg")
    return measured(process, prefix, seconds)


def ipsec_secgw_rate(lab, input_device, crypto_device, config, operation, core, seconds, huge, number):
    """ESP by DPDK's security gateway: what comes in by port 0 leaves there. Port 1 only has to exist."""
    binary, prefix = build_example("ipsec-secgw", "ipsec-secgw.c", NO_OFFLOAD), f"secgw{os.getpid()}-{number}"
    path = lab.dir / "secgw.cfg"
    path.write_text(config)
    unprotected = "1" if operation == "decrypt" else "2"
    process = lab.start("ipsec-secgw", binary, *eal(str(core), prefix, huge), "--vdev", input_device, "--vdev", "net_null0,no-rx=1",
                        "--vdev", crypto_device, "--", "-p", "3", "-P", "-u", unprotected, "-l", "-w", "0", "-s", "32768",
                        f"--config=(0,0,{core}),(1,0,{core})", "-f", path)
    return measured(process, prefix, seconds)


def testpmd_rate(lab, input_device, core, mode, seconds, huge, number):
    if not shutil.which("dpdk-testpmd"):
        raise Missing("no dpdk-testpmd: install dpdk-dev")
    prefix = f"testpmd{os.getpid()}-{number}"
    main = next(c for c in sorted(os.sched_getaffinity(0)) if c != core)
    process = lab.start("testpmd", "dpdk-testpmd", *eal(f"{main},{core}", prefix, huge), "--main-lcore", str(main),
                        "--vdev", input_device, "--", f"--forward-mode={mode}", "--nb-cores=1", "--auto-start",
                        "--port-topology=loop", f"--total-num-mbufs={PACKET_BUFFERS}", "--no-lsc-interrupt",
                        "--stats-period=3600")
    return measured(process, prefix, seconds)


def measured(process, prefix, seconds):
    try:
        telemetry = Telemetry(prefix, process)
        counter = lambda: telemetry.packets_out([0])   # noqa: E731
        wait_for_traffic(counter)
        return rate_of(counter, seconds)
    finally:
        process.stop(timeout=10)


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
