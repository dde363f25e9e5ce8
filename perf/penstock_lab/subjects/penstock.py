"""Penstock's gateway as a subject: one worker on one core, configured and counted through its own CLI.

`config` says what it does (penstock_objects.py). Packets are those of its ports; drops those it names. Busy seconds: over replay
and memif what the worker's thread ran, times its share of cycles in rounds with packets; over veth its process, and the kernel
that moves packets on its behalf (kernel_time.py). Cycles are the worker's, idle rounds included.
"""
import pathlib
import shutil
import time

import rig
from rig.gateway import cli_path, daemon_path
from rig.gateway import version as daemon_version

from .. import inputs, wiring
from . import tunnel
from .base import Missing, Sample, Subject, SubjectError, silent
from .kernel_time import KernelTime
from .penstock_objects import Objects, neighbours, read

QUIET_DROPS = ("punt_limited", "punt_queue_full")   # for the control plane, not the traffic
LOST = 0.001              # of the packets in: more lost to drops is no forwarding


class Penstock(Subject):
    wirings = ("replay", "memif", "veth")
    beside = True
    changes = ("rules", "routes", "endpoints", "keys", "restart", "stall")

    def check(self, config, wiring):
        found = super().check(config, wiring)
        made = read(config, found)
        if wiring == "replay" and made["proxy"]:
            found.append("config.proxy: connections need somebody who answers: wiring memif or veth")
        if wiring != "replay" and made["esp"] and made["esp"]["operation"] == "decrypt":
            found.append("config.esp.operation: decrypt needs wiring replay, whose packets are sealed")
        if wiring != "veth" and isinstance(config, dict) and "driver" in config:
            found.append(f"config.driver: means nothing with wiring {wiring}")
        return found + [Missing(f"{path} is not built: cmake --build build/release --target penstock-gatewayd penstock")
                        for path in (daemon_path(), cli_path()) if not path.exists()]

    def version(self):
        return daemon_version()

    def start(self, place):
        core, config = place.cores["subject"][0], read(self.config, [])
        self._veth, self._core, self._busy, self._last = place.wiring == "veth", core, 0.0, None
        self._cost = None   # over veth
        path = pathlib.Path(place.lab.dir) / f"penstock-{time.monotonic_ns()}"
        path.mkdir()
        config["idle"] = config["idle"] or ("adaptive" if self._veth else "poll")
        sealed = config["esp"] if config["esp"] and config["esp"]["operation"] == "decrypt" else None
        self.joint = wiring.join(place, config["driver"], neighbours(config), tunnel.sealer(sealed) if sealed else None, sealed)
        self.objects = Objects(config, self.joint, core, path)
        memory = str(config["memory"])
        options = [] if place.huge else ["--no-huge", "--memory", memory]
        self._path, self._gateway = path, rig.Gateway(self.joint.namespace, path.name, options)
        self._gateway.start(seconds=60)
        self._apply(self.objects.all())
        if place.wiring == "replay":
            self._wait_for_traffic(inputs.flows(place.scenario["streams"]) * 0.99 if self.objects.nat else 0)
        return self.joint.ports

    def _apply(self, bundle):
        try:
            self._gateway.apply(bundle)
        except rig.CliError as refused:
            raise SubjectError(f"penstock: refused its configuration: {refused.text.strip()}") from None

    def _wait_for_traffic(self, flows):
        def flowing():
            sample, workers = self.sample(), self._gateway.json("stats", "workers")["workers"]
            return sample.sent > 0 and sum(int(w.get("flows", 0)) for w in workers) >= flows
        rig.wait_until(flowing, 60, 0.2, "penstock: forward the input")
        time.sleep(0.2)   # neighbours are known by now, and packets that waited for them are gone
        before = self.sample()
        time.sleep(0.2)
        after = self.sample()
        lost = {name: count - before.drops.get(name, 0) for name, count in after.drops.items() if name not in QUIET_DROPS}
        if sum(lost.values()) > (after.received - before.received) * LOST:
            raise SubjectError(f"penstock: drops what it should forward: {lost}")

    @property
    def process(self):
        return self._gateway.process

    def generation(self):
        """Of the configuration that the worker has adopted."""
        return int(self._gateway.json("stats", "workers")["workers"][0]["generation"])

    def sample(self):
        stats = self._stats()
        ports, workers = stats["ports"], stats["workers"]
        busy, idle = (sum(int(w[name]) for w in workers) for name in ("busyCycles", "idleCycles"))
        drops = {d["reason"]: int(d["packets"]) for d in stats.get("drops", []) if int(d.get("packets", 0))}
        packets = lambda way: sum(int(p.get(way, {}).get("packets", 0)) for p in ports)   # noqa: E731
        return Sample(int(stats["time"]) / 1e9, packets("tx"), packets("rx"), drops, self._busy_seconds(busy, idle), busy + idle)

    def _stats(self):
        try:
            return self._gateway.json("stats")
        except (rig.CliError, rig.LabError) as error:
            raise silent("penstock", self.process, error) from None

    def _busy_seconds(self, busy, idle):
        if self._veth:
            self._cost = self._cost or KernelTime([self._core], self.process.pid)
            return self._cost.seconds()
        now = (busy, idle, self._thread_seconds())
        if self._last:
            spent = [b - a for a, b in zip(self._last, now)]
            self._busy += spent[2] * spent[0] / max(1, spent[0] + spent[1])
        self._last = now
        return self._busy

    def _thread_seconds(self):
        """What the worker's thread has run: without what other processes took from its core."""
        for task in pathlib.Path(f"/proc/{self._gateway.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "worker0":
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise SubjectError("penstock: its worker is gone")

    def stages(self):
        return {s["name"]: float(s["cyclesPerPacket"]) for s in self._stats().get("stages", []) if float(s.get("cyclesPerPacket", 0))}

    def change(self, kind, n):
        """While packets flow: a rule, a route, an endpoint, the keys of all peers; or a restart."""
        if kind == "restart":
            self._gateway.stop()
            self._gateway.start(seconds=60)
            self._last = self._cost = None   # its counters begin again
            return
        made = {"rules": self.objects.rule, "routes": lambda n: [self.objects.node(n)],
                "endpoints": self.objects.services, "keys": self.objects.peers}
        if kind not in made:
            super().change(kind, n)
            return
        bundle = made[kind](1 + n)   # 0 is what it started with
        if not bundle:
            raise SubjectError(f"penstock: change {kind} needs {'config.nat' if kind == 'endpoints' else 'config.esp'}")
        self._apply(bundle)

    def stop(self):
        if hasattr(self, "_gateway") and self._gateway.process:
            self._gateway.kill()   # asked to stop, it would let its flows come to an end first; killed, it leaves no files either
        if hasattr(self, "_path"):
            shutil.rmtree(self._path, ignore_errors=True)
        super().stop()
