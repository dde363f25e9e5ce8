"""No device at all: the generator's ports are joined to each other, through test stages if the configuration asks for them.

What is measured is the lab itself. `config`: {stages: [{from: left, to: right, drop: {every: 1000}, …}]} (perf/LAB.md, Generators);
the stages are checked by the generator.
"""
import time

from .base import Port, Sample, Subject


class Loop(Subject):
    wirings = ("loop",)

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
        self.generator_fields = {"stages": self.config["stages"]} if self.config.get("stages") else {}
        return [Port(name="left", device="loop:right", mac="02:00:00:00:01:01", address="198.51.100.2/24",
                     gateway="198.51.100.3"),
                Port(name="right", device="loop:left", mac="02:00:00:00:01:02", address="198.51.100.3/24",
                     gateway="198.51.100.2")]

    def sample(self):
        return Sample(time=time.monotonic())

    def stop(self):
        pass
