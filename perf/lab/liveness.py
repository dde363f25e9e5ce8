"""What it costs to ask many peers whether they are alive: CPU of the control thread and of a worker, per second, of a gateway
with so many peers that answer, and of one whose peers do not. Two gateways, a veth pair between them.

    sudo perf/lab/liveness.py [--peers 1000] [--seconds 5]
"""
import argparse
import os
import pathlib
import random
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "system")]
import rig  # noqa: E402
from rig import objects  # noqa: E402
from rig.lab import Lab  # noqa: E402

PER_NETWORK = 60   # addresses of one VLAN


def end(side, n):
    """Of gateway `side` (0 or 1), towards its peer n."""
    return f"10.64.{n // PER_NETWORK}.{1 + 100 * side + n % PER_NETWORK}"


class Gateway:
    def __init__(self, lab, side, peers):
        self.side, self.peers, self.lab = side, peers, lab
        self.gateway = rig.Gateway(lab.namespaces[f"gw{side}"], f"gateway{side}", options=["--no-huge", "--memory", "1024"])
        self.gateway.start()

    def configure(self, count):
        chance = random.Random(7)
        vlans = [{"id": 100 + v, "addresses": [end(self.side, n) + "/24" for n in range(v * PER_NETWORK, min(count, (v + 1) * PER_NETWORK))]}
                 for v in range((count + PER_NETWORK - 1) // PER_NETWORK)]
        node = objects.node(objects.interface("fabric", objects.device(0, "fab0") + ",framecnt=8192", **({"vlans": vlans} if vlans else {})),
                            cores=(self.side,), workers={"neighbours": 8192})
        bundle = [node]
        for n in range(count):
            keys = [chance.randbytes(20).hex() for _ in range(2)]
            lines = [f"{'out' if self.side == d else 'in'} {0x10000 * (d + 1) + n:#x} {keys[d]}\n" for d in (0, 1)]
            path = self.lab.dir / f"keys-{self.side}-{n}"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write("".join(lines))
            bundle.append(objects.peer(f"p{n}", end(1 - self.side, n), f"10.{128 + n // 256 + 64 * self.side}.{n % 256}.0/24", localAddress=end(self.side, n),
                                       staticKeys={"file": str(path)}, liveness={}, replayWindow=0, extendedSequenceNumbers=False))
        began = time.monotonic()
        self.gateway.replace(*bundle)
        return time.monotonic() - began

    def cpu(self):
        """Seconds that each thread has run, by name."""
        out, tick = {}, os.sysconf("SC_CLK_TCK")
        for task in pathlib.Path(f"/proc/{self.gateway.process.pid}/task").iterdir():
            name, fields = (task / "comm").read_text().strip(), (task / "stat").read_text().rsplit(")", 1)[1].split()
            out[name] = out.get(name, 0) + (int(fields[11]) + int(fields[12])) / tick
        return out

    def probes(self):
        paths = [p for peer in self.gateway.json("peer", "show").get("peers", []) for p in peer.get("paths", [])]
        return sum(int(p.get("probes", 0)) for p in paths), sum(p.get("state") == "up" for p in paths), sum(p.get("mtuState") == "complete" for p in paths)

    def measure(self, what, seconds):
        before, sent, began = self.cpu(), self.probes()[0], time.monotonic()
        time.sleep(seconds)
        took, after = time.monotonic() - began, self.cpu()
        now, up, complete = self.probes()
        share = {name: (after[name] - before.get(name, 0)) / took for name in ("control", "worker0")}
        print(f"{what:34} {(now - sent) / took:8.0f} probes/s {up:5} up {complete:5} MTUs confirmed   control {share['control']:6.1%}   worker {share['worker0']:6.1%}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--peers", type=int, default=1000)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments = arguments.parse_args()
    lab = Lab("liveness")
    try:
        for side in (0, 1):
            lab.namespace(f"gw{side}")
        lab.link(lab.namespaces["gw0"], "fab0", lab.namespaces["gw1"], "fab0")
        for side in (0, 1):
            lab.namespaces[f"gw{side}"].sysctl("net.ipv6.conf.fab0.disable_ipv6=1")
        one, other = (Gateway(lab, side, arguments.peers) for side in (0, 1))
        one.configure(0)
        one.measure("no peers", arguments.seconds)
        print(f"{arguments.peers} peers applied in {one.configure(arguments.peers):.2f} s")
        time.sleep(3)
        one.measure("peers that do not answer", arguments.seconds)
        other.configure(arguments.peers)
        rig.wait_until(lambda: one.probes()[1] == arguments.peers, 60, 0.5, "all peers up")
        time.sleep(3)
        one.measure("peers that answer", arguments.seconds)
        other.measure("the other gateway", arguments.seconds)
        other.gateway.kill()
        began = time.monotonic()
        rig.wait_until(lambda: 'penstock_peer_up{peer="default/p0"} 0' in one.gateway.metrics(), 30, 0.02, "the death of all")
        print(f"all dead: seen after {time.monotonic() - began:.2f} s")
        one.measure("peers that are dead", arguments.seconds)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
