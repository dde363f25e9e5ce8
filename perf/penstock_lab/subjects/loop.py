"""No device at all: the generator's ports are joined to each other, through test stages if the configuration asks for them.

What is measured is the lab itself. `config`: {stages: [{from: left, to: right, drop: {every: 1000}, …}]} (perf/LAB.md, Generators);
the stages are checked by the generator.
"""
import time

from ..wiring import BESIDE
from .base import Port, Sample, Subject


def beside_port():
    """The port of a background without a device: joined to itself."""
    return Port(name=BESIDE.name, device=f"loop:{BESIDE.name}", mac=BESIDE.generator_mac, address=f"{BESIDE.generator}/24")


class Loop(Subject):
    wirings = ("loop",)
    beside = True

    def check(self, config, wiring):
        faults = super().check(config, wiring)
        known = ("stages",)
        faults += [f"config.{name}: is not known here; known: {', '.join(known)}" for name in config if name not in known]
        if not isinstance(config.get("stages", []), list):
            faults.append("config.stages: is not a list")
        return faults

    def version(self):
        return "none"

    def start(self, place):
        if self.config.get("stages"):
            self.generator_fields = {"stages": self.config["stages"]}
        # Connections ask for their gateway; packets do not need one, and a frozen stage would not let it answer.
        asks = place is not None and place.scenario["traffic"] == "requests"
        return [*(Port(name=name, device=f"loop:{other}", mac=f"02:00:00:00:01:0{n}", address=f"198.51.100.{1 + n}/24",
                       gateway=f"198.51.100.{4 - n}" if asks else "") for n, name, other in ((1, "left", "right"), (2, "right", "left"))),
                *([beside_port()] if place is not None and place.scenario.get("background") else [])]

    def sample(self):
        return Sample(time=time.monotonic())

    def stop(self):
        pass
