"""DPDK's testpmd as a subject: packets as they are (`io`) or with their MACs exchanged (`macswap`), on one core: what the
devices themselves allow. `config: {mode: io | macswap}`."""
import os

from .. import wiring
from ..fields import Reader
from .dpdk import BUFFERS, DpdkProgram, installed_faults


def read(config, faults):
    one = Reader(config, "config", faults)
    mode = one.choice("mode", ("io", "macswap"), "io")
    one.done()
    return mode


class Testpmd(DpdkProgram):
    program = "testpmd"
    wirings = ("replay", "memif", "veth")

    def check(self, config, wiring):
        found = super().check(config, wiring)
        read(config, found)
        return found + installed_faults("testpmd")

    def start(self, place):
        self.joint = wiring.join(place)
        core = place.cores["subject"][0]
        main = min(set(os.sched_getaffinity(0)) - {core})
        topology = "loop" if len(self.joint.ends) == 1 else "paired"
        return self.launch(place, lambda eal: [
            "dpdk-testpmd", "-l", f"{main},{core}", "--main-lcore", main, *eal,
            *[word for end in self.joint.ends for word in ("--vdev", end.device)], "--", f"--forward-mode={read(self.config, [])}",
            "--nb-cores=1", "--auto-start", f"--port-topology={topology}", f"--total-num-mbufs={BUFFERS}", "--no-lsc-interrupt",
            "--stats-period=3600"])
