"""DPDK's ipsec-secgw as a subject: the same tunnel as Penstock's (tunnel.py), on one core and one crypto device.
`config: {esp: {cipher, operation}, mode: cpu-crypto | queues}`: called synchronously, or asked through the device's queues."""
import tempfile

from .. import wiring
from ..fields import Reader
from . import tunnel
from .dpdk import NO_OFFLOAD, DpdkProgram, build_example, example_faults

MODES = {"cpu-crypto": "cpu-crypto", "queues": "no-offload"}   # what it calls them


def read(config, faults):
    one = Reader(config, "config", faults)
    made = {"mode": one.choice("mode", tuple(MODES), "cpu-crypto"), "esp": tunnel.read(one)}
    if not made["esp"]:
        one.fault("esp", "is missing")
    elif made["esp"]["peers"] != 1 or made["esp"]["associations"] != 1:
        one.fault("esp", "ipsec-secgw has one peer with one association here")
    one.done()
    return made


class IpsecSecgw(DpdkProgram):
    program = "ipsec-secgw"
    wirings = ("replay",)

    def check(self, config, wiring):
        found = super().check(config, wiring)
        read(config, found)
        return found + example_faults("ipsec-secgw")

    def start(self, place):
        binary, config = build_example("ipsec-secgw", "ipsec-secgw.c", NO_OFFLOAD), read(self.config, [])
        directory, esp = tempfile.mkdtemp(prefix="secgw-", dir=place.lab.dir), config["esp"]
        decrypts = esp["operation"] == "decrypt"
        self.joint = wiring.join(place, seal=tunnel.sealer(esp) if decrypts else None, sealed=esp if decrypts else None)
        core = place.cores["subject"][0]
        with open(f"{directory}/secgw.cfg", "w") as file:
            file.write(tunnel.secgw_config(esp, MODES[config["mode"]]))
        # What comes in by port 0 leaves there. Port 1 only has to exist.
        return self.launch(place, lambda eal: [
            binary, "-l", core, *eal, "--vdev", self.joint.ends[0].device, "--vdev", "net_null0,no-rx=1", "--vdev", tunnel.CRYPTO_DEVICE,
            "--", "-p", "3", "-P", "-u", "1" if decrypts else "2", "-l", "-w", "0", "-s", "32768",
            f"--config=(0,0,{core}),(1,0,{core})", "-f", f"{directory}/secgw.cfg"])

    def thread(self, core):
        return self.program   # the main thread forwards
