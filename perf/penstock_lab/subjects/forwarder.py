"""A device in the generator's own process: a thread on the subject's core that hands packets from port to port as they are, over rings
(perf/packets/ring.h). It has no configuration, copies nothing and counts nothing: the ceiling of what a device on another core can do."""
import time

from ..fields import Reader
from .base import Port, Sample, Subject


class Forwarder(Subject):
    wirings = ("ring",)

    def check(self, config, wiring):
        found = super().check(config, wiring)
        Reader(config, "config", found).done()
        return found

    def version(self):
        return "the generator's"

    def start(self, place):
        self.generator_fields = {"forwarderCore": place.cores["subject"][0]}
        return [Port(name=name, device=f"ring:{other}", mac=f"02:00:00:00:01:0{n}", address=f"198.51.100.{1 + n}/24")
                for n, name, other in ((1, "left", "right"), (2, "right", "left"))]

    def sample(self):
        return Sample(time=time.monotonic())
