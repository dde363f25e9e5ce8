"""dpdk-test-crypto-perf as a subject: the cipher alone, on the crypto device that the gateways use. Its packets are operations on
as many bytes as ESP encrypts for a frame of the scenario's first stream: no gateway on this device can be faster.
`config: {esp: {cipher, operation}}`."""
import os
import time

from .. import wiring
from ..fields import Reader
from ..inputs import CRC, ETHER
from . import tunnel
from .base import Sample, SubjectError
from .dpdk import DpdkProgram, installed_faults

OPERATIONS = 1_000_000_000   # over half a minute of them; as many empty ones go before, to warm up


def read(config, faults):
    one = Reader(config, "config", faults)
    esp = tunnel.read(one)
    if not esp:
        one.fault("esp", "is missing")
    one.done()
    return esp


class CryptoPerf(DpdkProgram):
    program = "crypto-perf"
    wirings = ("replay",)

    def check(self, config, wiring):
        found = super().check(config, wiring)
        read(config, found)
        return found + installed_faults("test-crypto-perf")

    def start(self, place):
        esp, core = read(self.config, []), place.cores["subject"][0]
        size = place.scenario["streams"][0].get("size", 64)
        if not isinstance(size, int):
            raise SubjectError(f"crypto-perf: works on operations of one size, not {size!r}")
        inner, main = size - ETHER - CRC, min(set(os.sched_getaffinity(0)) - {core})
        self.joint = wiring.Joint([], [], [place.lab.namespace("subject")])
        return self.launch(place, lambda eal: [
            "dpdk-test-crypto-perf", "-l", f"{main},{core}", "--main-lcore", main, *eal, "--vdev", tunnel.CRYPTO_DEVICE, "--",
            "--ptest", "throughput", "--devtype", tunnel.CRYPTO_DEVICE, "--optype", "aead", "--aead-algo", "aes-gcm",
            "--aead-op", esp["operation"], "--aead-key-sz", tunnel.CIPHERS[esp["cipher"]], "--aead-iv-sz", "12", "--aead-aad-sz", "8",
            "--digest-sz", "16", "--buffer-sz", inner + 2 + -(inner + 2) % 4, "--burst-sz", "64", "--total-ops", OPERATIONS, "--silent"])

    def sample(self):
        stats = self._telemetry.ask("/cryptodev/stats,0")
        return Sample(time.monotonic(), stats["dequeued_count"], stats["enqueued_count"],
                      {"failed": stats["dequeue_err_count"]} if stats["dequeue_err_count"] else {}, self._busy_seconds(), polls=True)
