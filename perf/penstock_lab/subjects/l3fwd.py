"""DPDK's l3fwd as a subject: IPv4 by longest prefix match, on one core. It has no neighbours: its packets go to the generator's
MAC. With one port they leave where they came in. Addresses of services are routed, too: it gets the same packets as Penstock."""
import tempfile

from .. import wiring
from ..fields import Reader
from .dpdk import BUFFERS, NO_OFFLOAD, DpdkProgram, build_example, example_faults
from .penstock_objects import FORWARDED, SERVICES

CHANGES = {**NO_OFFLOAD, "(unsigned)8192)": f"(unsigned){BUFFERS})"}   # as many buffers as the input has packets


class L3fwd(DpdkProgram):
    program = "l3fwd"

    def check(self, config, wiring):
        found = super().check(config, wiring)
        Reader(config, "config", found).done()
        return found + example_faults("l3fwd")

    def start(self, place):
        binary = build_example("l3fwd", "main.c", CHANGES)
        directory = tempfile.mkdtemp(prefix="l3fwd-", dir=place.lab.dir)
        self.joint = wiring.join(place)
        core, ports = place.cores["subject"][0], range(len(self.joint.ends))
        rules = {"v4": f"R{FORWARDED} {ports[-1]}\nR{SERVICES} {ports[-1]}\n",
                 "v6": f"R2001:0200:0000:0000:0000:0000:0000:0000/48 {ports[-1]}\n"}
        for name, text in rules.items():
            with open(f"{directory}/{name}.cfg", "w") as file:
                file.write(text)
        return self.launch(place, lambda eal: [
            binary, "-l", core, *eal, *[word for end in self.joint.ends for word in ("--vdev", end.device)],
            "--", "-p", f"{(1 << len(ports)) - 1:x}", "-P", "--config=" + ",".join(f"({n},0,{core})" for n in ports), "--lookup=lpm",
            *[f"--eth-dest={n},{end.side.generator_mac}" for n, end in enumerate(self.joint.ends)], "--parse-ptype",
            f"--rule_ipv4={directory}/v4.cfg", f"--rule_ipv6={directory}/v6.cfg"])

    def thread(self, core):
        return self.program   # the main thread forwards
