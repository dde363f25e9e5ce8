"""Penstock's TCP against a Linux kernel of its own behind netem: loss, delay, jitter, reordering, duplicates and damaged
segments in both directions, as the sender and as the receiver. This host's kernel has no netem."""
import hashlib
import random
import re
import socket

import rig
from rig import LAN4, WAN4, objects, uml

PORT, SERVED, PEER = 7000, 7100, LAN4.format(50)
MEGABYTES = 3
ECHO = """
import socket, threading
def serve(connection):
    pieces = []
    while piece := connection.recv(1 << 18):
        pieces.append(piece)
    connection.sendall(b"".join(pieces))
    connection.close()
listener = socket.create_server(("", %d))
print("ECHO-READY", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
WEATHERS = {   # what the kernel sends, and what reaches it: damage there is found by nobody, its device has checked already
    "loss": ("loss 1%", "loss 1%"),
    "far": ("delay 20ms 4ms loss 0.3%", "delay 20ms loss 0.3%"),
    "disorder": ("delay 4ms reorder 20% duplicate 2% corrupt 0.5%", "delay 4ms reorder 20% duplicate 2%"),
    "bursts": ("loss gemodel 0.5% 40% 70% 0%", "loss gemodel 0.5% 40% 70% 0%"),
    "calm": ("delay 10ms", "delay 10ms"),
}


class Netem(rig.Story):
    servers = 1

    @classmethod
    def missing(cls):
        return super().missing() or uml.missing()

    @classmethod
    def build(cls):
        super().build()
        program = cls.lab.dir / "echo.py"
        program.write_text(ECHO % SERVED)
        script = f"ip address add {PEER}/24 dev vec0\nip route add default via {LAN4.format(1)}\n"
        script += f"{cls.lab.dir}/modprobe -a ifb act_mirred cls_matchall sch_ingress\nip link add ifb0 type ifb\nip link set ifb0 up\n"
        script += "tc qdisc add dev vec0 ingress\n"
        script += "tc filter add dev vec0 parent ffff: matchall action mirred egress redirect dev ifb0\n"
        script += f"python3 -B {program} &\n"
        for name, (sent, received) in WEATHERS.items():
            script += (f"(wait_for {name}; tc qdisc replace dev vec0 root netem {sent} && tc qdisc replace dev ifb0 root netem "
                       f"{received}; echo WEATHER-{name} $?) &\n")
        cls.kernel = uml.Kernel(cls.lan, script, memory="256M")
        rig.wait_until(lambda: "ECHO-READY" in cls.kernel.output(), 30, 0.1, "the server in the kernel")
        db = objects.service("db", "203.0.113.99", (SERVED, SERVED))
        cls.gateway.replace(cls.node(), db, objects.endpoints(db, PEER),
                            objects.gateway("edge", [WAN4.format(1)], objects.listener("db", PORT, "TCP")),
                            objects.tcp_route("db", "edge", objects.backend("db", SERVED)))

    def await_weather(self, name):
        if f"WEATHER-{name} " not in self.kernel.output():
            self.kernel.tell(name)
        rig.wait_until(lambda: f"WEATHER-{name} " in self.kernel.output(), 20, 0.05, "netem")
        self.assertIn(f"WEATHER-{name} 0", self.kernel.output())

    def events(self, name):
        found = re.search(rf'^penstock_tcp_events_total{{event="{name}"}} (\S+)', self.gateway.metrics(), re.M)
        return float(found.group(1))

    def there_and_back(self):
        data = random.Random(5).randbytes(MEGABYTES << 20)
        with self.client.entered():
            connection = socket.create_connection((WAN4.format(1), PORT), timeout=120)
        got = hashlib.sha256()
        with connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 18):
                got.update(piece)
        self.assertEqual(got.hexdigest(), hashlib.sha256(data).hexdigest())

    def test_every_weather(self):
        for name in WEATHERS:
            with self.subTest(weather=name):
                self.await_weather(name)
                self.there_and_back()
        self.assertGreater(self.events("retransmitted"), 0)

    def test_pacing_is_switched_while_the_gateway_runs(self):
        self.await_weather("calm")   # the last of all
        before = self.events("paced")
        self.there_and_back()
        rig.wait_until(lambda: self.events("paced") > before, 5, 0.1, "segments that wait for their turn")
        self.gateway.apply(self.node(tcp={"pacing": False}))
        self.addCleanup(self.gateway.apply, self.node())
        before = self.events("paced")
        self.there_and_back()
        self.assertEqual(self.events("paced"), before)


if __name__ == "__main__":
    rig.main()
