"""Facts of the machine a result comes from: everything somebody needs to say whether theirs is alike."""
import os
import pathlib
import platform
import re
import shutil
import subprocess

from . import check
from .generators import ROOT


def facts(cores):
    """`cores`: the core map of the scenario."""
    info, os_release = _read("/proc/cpuinfo"), _read("/etc/os-release")
    flags = set(_first(r"^flags\s*: (.*)$", info).split())
    return {
        "cpu": _first(r"^model name\s*: (.*)$", info) or platform.machine(), "cores": os.cpu_count(),
        "microcode": _first(r"^microcode\s*: (.*)$", info) or None,
        "memory_megabytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(), "os": _first(r'^PRETTY_NAME="?([^"\n]*)', os_release) or "unknown",
        "clock": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or "unknown",
        "hugepages": {"free_megabytes": check.free_megabytes()}, "dpdk": _output("pkg-config", "--modversion", "libdpdk") or None,
        "compiler": _output("c++", "--version").split("\n")[0] or None, "virtual": "hypervisor" in flags,
        "nics": nics(), "core_map": {role: list(numbers) for role, numbers in cores.items()}}


def nics():
    """Network devices with hardware behind them, or those of a hypervisor."""
    found = []
    for device in sorted(pathlib.Path("/sys/class/net").glob("*/device")):
        name = device.parent.name
        said = _output("ethtool", "-i", name)
        found.append({"name": name, "driver": _first(r"^driver: (.*)$", said) or "unknown",
                      "firmware": _first(r"^firmware-version: (.*)$", said) or "unknown",
                      "speed": _read(device.parent / "speed") or "unknown"})
    return found


def versions():
    """Of the programs of the lab itself."""
    cmake = _read(ROOT / "CMakeLists.txt")
    commit = _output("git", "-c", "safe.directory=*", "-C", ROOT, "describe", "--always", "--dirty")
    return {"penstock-lab": _first(r"project\(penstock VERSION ([\d.]+)", cmake) + (f" ({commit})" if commit else ""),
            "python": platform.python_version()}


def _read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else ""


def _output(*words):
    if not shutil.which(words[0]):
        return ""
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=10, check=False,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
