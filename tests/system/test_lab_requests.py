"""The request generator of the lab (perf/requests) against servers that count for themselves: what it reports is what they saw."""
import contextlib
import json
import os
import pathlib
import select
import socket
import subprocess
import threading
import time
import unittest

import rig
from rig import traffic

BUILD = pathlib.Path(os.environ.get("PENSTOCK_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build" / "release"))
PROGRAM = BUILD / "perf" / "penstock-lab-requests"
CLIENT, SERVER = "198.51.100.2", "198.51.100.3"
CLIENT6, SERVER6 = "2001:db8::2", "2001:db8::3"
CORES = sorted(os.sched_getaffinity(0))[:2]


class Generator:
    """The program, in a namespace if one is given, with its lines both ways."""

    def __init__(self, lab, spec, host=None):
        path = lab.dir / f"spec-{time.monotonic_ns()}.json"
        path.write_text(spec if isinstance(spec, str) else json.dumps(spec))
        inside = ["ip", "netns", "exec", host.name] if host else []
        self.process = subprocess.Popen([*inside, PROGRAM, "--spec", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self._text = b""
        lab.at_close(self.close)

    def event(self, seconds=20):
        """The next event; None at the end of the output."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._text:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise rig.LabError(f"no event within {seconds} s")
            got = os.read(self.process.stdout.fileno(), 1 << 16)
            if not got:
                return None
            self._text += got
        line, self._text = self._text.split(b"\n", 1)
        return json.loads(line)

    def say(self, line):
        self.process.stdin.write((line if isinstance(line, str) else json.dumps(line)).encode() + b"\n")
        self.process.stdin.flush()

    def ready(self):
        event = self.event()
        if not event or event["event"] != "ready":
            raise rig.LabError(f"not ready: {event}")
        return self

    def trial(self, **fields):
        self.say({"do": "trial", "id": 7, **fields})
        event = self.event(fields.get("warmup", 0) + fields["seconds"] + fields.get("drain", 0) + 20)
        if event["event"] != "trial":
            raise rig.LabError(f"no trial: {event}")
        return event

    def close(self):
        """Ends its input; how it ended."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.close()
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stdout.close()


def kernel_clients(target=f"{SERVER}:80", **more):
    return {"clients": {"stack": "kernel", "target": target, **more}}


class LabStory(unittest.TestCase):
    """A client's and a server's host on one wire."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for network namespaces")
        if not PROGRAM.exists():
            raise rig.LabError(f"{PROGRAM} is not there: build first, or set PENSTOCK_BUILD")
        cls.lab = rig.Lab(cls.__name__)
        cls.client, cls.server = cls.lab.namespace("client"), cls.lab.namespace("server")
        cls.lab.link(cls.client, "eth0", cls.server, "eth0")
        cls.server.add_address("eth0", SERVER + "/24", SERVER6 + "/64")
        cls.build()

    @classmethod
    def build(cls):
        cls.client.add_address("eth0", CLIENT + "/24", CLIENT6 + "/64")

    @classmethod
    def tearDownClass(cls):
        cls.lab.close(keep_files=bool(os.environ.get("PENSTOCK_KEEP_LAB")))

    def generator(self, spec, host=None):
        return Generator(self.lab, spec, host or self.client)

    def begin(self, server):
        """A trial of a server, which is under way when this returns."""
        for number in (1, 2):
            server.say({"do": "trial", "id": number, "seconds": 3600, "drain": 0})
        self.assertEqual(server.event()["message"], "a trial is under way")

    def assert_fine(self, trial):
        self.assertEqual(sum(trial["errors"].values()), 0, trial["errors"])
        self.assertEqual(trial["latency"]["count"], trial["requests"])
        self.assertEqual(sum(n for _, n in trial["service"]["counts"]), trial["requests"])


class Nginx(LabStory):
    """Kernel's TCP against nginx, whose access log has a line for each request."""

    @classmethod
    def build(cls):
        super().build()
        traffic.nginx(cls.server, addresses=("0.0.0.0",))
        cls.log = cls.lab.dir / "nginx-server" / "access.log"

    def lines(self):
        return len(self.log.read_text().splitlines())

    def assert_logged(self, before, trial, and_more=0):
        answered = trial["requests"] + trial["outside"] + trial["errors"]["status"]
        rig.wait_until(lambda: self.lines() - before >= answered, 5, what="nginx's log")
        self.assertLessEqual(self.lines() - before, answered + and_more)

    def test_closed_loop_counts_what_nginx_counts(self):
        before = self.lines()
        trial = self.generator(kernel_clients(connections=8)).ready().trial(seconds=0.5, warmup=0.2, drain=2)
        self.assert_fine(trial)
        self.assertGreater(trial["requests"], 100)
        self.assertEqual(trial["unanswered"], 0)
        self.assertEqual(trial["bytes"], trial["requests"] * len(f"server {CLIENT}\n"))
        self.assertEqual(trial["opened"], trial["connect"]["count"])   # in the counted time: nginx ends each after a thousand requests
        self.assertEqual(trial["held"], 8)
        self.assertIn(trial["bound"], ("subject", "generator"))
        self.assert_logged(before, trial)

    def test_a_connection_for_each_request(self):
        before = self.lines()
        trial = self.generator(kernel_clients(connections=4, requestsPerConnection=1)).ready().trial(seconds=0.5, drain=2)
        self.assert_fine(trial)
        self.assertGreater(trial["requests"], 50)
        self.assertLessEqual(trial["requests"], trial["opened"])
        self.assertLessEqual(trial["opened"], trial["requests"] + trial["outside"])
        self.assert_logged(before, trial)

    def test_open_loop_keeps_its_rate_exactly(self):
        generator = self.generator(kernel_clients(connections=16, arrivals={"open": {"rate": 50}})).ready()
        for rate, seconds in ((50, 1), (400, 2), (1000, 1)):
            before = self.lines()
            trial = generator.trial(seconds=seconds, rate=rate, warmup=0.1, drain=5)
            self.assert_fine(trial)
            self.assertEqual(trial["requests"], rate * seconds, {**trial, "latency": 0, "service": 0, "connect": 0})
            self.assertEqual(trial["unsent"] + trial["unanswered"], 0)
            self.assertEqual(trial["asked"], rate)
            self.assertEqual(trial["seconds"], seconds)
            self.assert_logged(before, trial)

    def test_samples_add_up(self):
        generator = self.generator(kernel_clients(connections=2, arrivals={"open": {"rate": 500}})).ready()
        generator.say({"do": "trial", "id": 3, "seconds": 1, "sample": 0.25, "drain": 5})
        events = []
        while not events or events[-1]["event"] != "trial":
            events.append(generator.event())
        samples = events[:-1]
        self.assertEqual({e["event"] for e in samples}, {"sample"})
        self.assertGreaterEqual(len(samples), 2)
        self.assertLessEqual(sum(e["received"] for e in samples), events[-1]["requests"])
        self.assertGreater(sum(e["sent"] for e in samples), 0)
        self.assertTrue(all(e["p50"] <= e["p99"] for e in samples))

    def test_content_is_sent_and_other_statuses_are_named(self):
        # nginx answers any method and path but refuses content above a megabyte.
        request = {"method": "POST", "path": "/x", "body": [{"size": 10}, {"size": 5000}]}
        trial = self.generator(kernel_clients(connections=2, request=request)).ready().trial(seconds=0.3, drain=2)
        self.assert_fine(trial)
        self.assertGreater(trial["requests"], 10)
        before = self.lines()
        request = {"path": "/", "headers": {"host": "x", "if-match": "a b", "range": "bytes=5-1"}}
        trial = self.generator(kernel_clients(connections=2, request={**request, "method": "PUT", "body": 2_000_000},
                                              )).ready().trial(seconds=0.3, drain=2)
        self.assertEqual(trial["requests"], 0)
        self.assertGreater(trial["errors"]["status"] + trial["errors"]["reset"], 0)
        rig.wait_until(lambda: self.lines() > before, 5, what="nginx's log")

    def test_stop_gives_what_was_counted(self):
        generator = self.generator(kernel_clients(connections=2)).ready()
        generator.say({"do": "trial", "id": 9, "seconds": 60})
        time.sleep(0.5)
        generator.say({"do": "stop"})
        trial = generator.event(10)
        self.assertTrue(trial["stopped"])
        self.assertLess(trial["seconds"], 30)
        self.assertGreater(trial["requests"], 0)
        self.assertEqual(trial["inTime"], trial["requests"])
        generator.say({"do": "quit"})
        self.assertIsNone(generator.event(5))
        self.assertEqual(generator.close(), 0)


    def test_a_stop_in_the_warm_up_ends_it_and_counts_nothing(self):
        before = self.lines()
        generator = self.generator(kernel_clients(connections=2, arrivals={"open": {"rate": 200}})).ready()
        generator.say({"do": "trial", "id": 9, "seconds": 60, "warmup": 60, "drain": 5})
        time.sleep(0.3)
        generator.say({"do": "stop"})
        trial = generator.event(10)
        self.assertEqual((trial["event"], trial["stopped"], trial["seconds"], trial["requests"]), ("trial", True, 0, 0))
        self.assertEqual(sum(trial["errors"].values()) + trial["unsent"] + trial["unanswered"], 0)
        self.assertEqual(generator.close(), 0)
        self.assert_logged(before, trial)


@unittest.skipIf(len(CORES) < 2, "needs two cores")
class SeveralCores(Nginx):
    """The stories above and more, with a thread on each of two cores."""

    def generator(self, spec, host=None):
        return super().generator({"cores": CORES, **spec}, host)

    def test_connections_are_dealt_to_the_cores(self):
        spec = {"clients": {"stack": "kernel", "target": "127.0.0.1:99", "connections": 301, "ramp": "100ms", "arrivals": {"hold": {}}},
                "servers": {"stack": "kernel", "listen": "127.0.0.1:99"}}
        generator = self.generator(spec).ready()
        for connections in (301, 2, 1):
            held = generator.trial(seconds=0.5, connections=connections)
            self.assertEqual((held["held"], held["servers"]["accepted"], held["bound"]), (connections, connections, "none"))

    def test_all_have_the_same_stop(self):
        generator = self.generator(kernel_clients(connections=4, arrivals={"open": {"rate": 1000}})).ready()
        generator.say({"do": "trial", "id": 9, "seconds": 60})
        time.sleep(0.5)
        generator.say({"do": "stop"})
        trial = generator.event(10)
        self.assertTrue(trial["stopped"])
        counted = trial["requests"] + sum(trial["errors"].values()) + trial["unsent"] + trial["unanswered"]
        self.assertLessEqual(abs(counted - 1000 * trial["seconds"]), 1)

    def test_the_own_stack_has_one(self):
        event = self.generator({"ports": [{"name": "clients", "device": "net_null0", "address": CLIENT + "/24", "gateway": SERVER}],
                                "clients": {"stack": "own", "target": f"{SERVER}:80", "connections": 4}}).event()
        self.assertEqual((event["event"], event["field"]), ("error", "cores"))

    def test_a_rate_needs_a_connection_for_each(self):
        generator = self.generator(kernel_clients(connections=4, arrivals={"open": {"rate": 10}})).ready()
        generator.say({"do": "trial", "id": 1, "seconds": 1, "connections": 1})
        self.assertEqual(generator.event(5)["field"], "connections")


class OwnStackAgainstNginx(LabStory):
    """Our own TCP on a veth, against the kernel's behind nginx."""

    @classmethod
    def build(cls):
        traffic.nginx(cls.server)
        cls.log = cls.lab.dir / "nginx-server" / "access.log"
        cls.client.sysctl("net.ipv6.conf.eth0.disable_ipv6=1")

    def spec(self, family=4, **more):
        address, gateway, target = (CLIENT + "/24", SERVER, SERVER) if family == 4 else (CLIENT6 + "/64", SERVER6, f"[{SERVER6}]")
        return {"memoryMegabytes": 128, "prefix": f"lab-{os.getpid()}",
                "ports": [{"name": "clients", "device": "net_af_packet0,iface=eth0", "address": address, "gateway": gateway}],
                "clients": {"stack": "own", "target": f"{target}:80", **more}}

    def left_behind(self):
        """Connections that the server's kernel still has to end."""
        return [line for line in self.server.run("ss", "-Htan").stdout.splitlines() if line.split()[0] not in ("LISTEN", "TIME-WAIT")]

    def test_counts_what_nginx_counts(self):
        self.count(4)

    def test_counts_what_nginx_counts_over_ipv6(self):
        self.count(6)

    def count(self, family):
        for fields in ({"connections": 4}, {"connections": 4, "requestsPerConnection": 1},
                       {"connections": 4, "arrivals": {"open": {"rate": 200, "spacing": "poisson"}}}):
            before = len(self.log.read_text().splitlines())
            generator = self.generator(self.spec(family, **fields)).ready()
            trial = generator.trial(seconds=0.5, warmup=0.1, drain=3)
            self.assert_fine(trial)
            self.assertGreater(trial["requests"], 20)
            self.assertEqual(trial["ports"][0]["corrupted"], 0)
            answered = trial["requests"] + trial["outside"]
            rig.wait_until(lambda: len(self.log.read_text().splitlines()) - before >= answered, 5, what="nginx's log")
            self.assertEqual(len(self.log.read_text().splitlines()) - before, answered)
            self.assertEqual(generator.close(), 0)
            self.assertEqual(self.left_behind(), [])

    def test_who_comes_next_finds_nothing_of_us(self):
        # The same ports again: what is left half closed there would take the SYN for an old one, and it waits a second.
        for _ in range(8):
            generator = self.generator(self.spec(connections=32)).ready()
            trial = generator.trial(seconds=0.1, drain=2)
            self.assertEqual((trial["held"], sum(trial["errors"].values())), (32, 0))
            self.assertEqual(generator.close(), 0)
            self.assertEqual(self.left_behind(), [])

    def test_a_gateway_that_is_silent_is_named(self):
        spec = self.spec()
        spec["ports"][0]["gateway"] = "198.51.100.99"
        generator = self.generator(spec)
        event = generator.event(25)
        self.assertEqual((event["event"], event["field"]), ("error", "ports[0].gateway"))
        self.assertEqual(generator.process.wait(5), 2)


class TwoEnds(LabStory):
    """Both ends are the generator's: each counts what the other does."""

    def assert_agree(self, client, server):
        self.assert_fine(client)
        self.assertGreater(client["requests"], 50)
        self.assertEqual(server["protocol"], 0)
        self.assertEqual(server["answers"], client["requests"] + client["outside"])

    def test_kernel_and_kernel(self):
        server = self.generator({"servers": {"stack": "kernel", "listen": f"{SERVER}:8080", "body": "path"}}, self.server).ready()
        clients = kernel_clients(f"{SERVER}:8080", connections=4, request={"path": "/70000"})
        self.begin(server)
        client = self.generator(clients).ready().trial(seconds=0.5, warmup=0.1, drain=5)
        server.say({"do": "stop"})
        self.assert_agree(client, server.event()["servers"])
        self.assertEqual(client["bytes"], client["requests"] * 70000)

    def test_own_and_own_over_memif(self):
        self.over_memif(CLIENT + "/24", SERVER + "/24", f"{SERVER}:80", "0.0.0.0:80")

    def test_own_and_own_over_memif_and_ipv6(self):
        self.over_memif(CLIENT6 + "/64", SERVER6 + "/64", f"[{SERVER6}]:80", "[::]:80")

    def over_memif(self, client_address, server_address, target, listen):
        path = self.lab.dir / "memif.sock"
        link = f"socket={path},socket-abstract=no,id=0"
        port = lambda name, role, own, other: {   # noqa: E731
            "name": name, "device": f"net_memif0,role={role},{link}", "address": own, "gateway": other.split("/")[0]}
        place = lambda n: {"memoryMegabytes": 128, "prefix": f"lab-{os.getpid()}-{n}"}   # noqa: E731
        server = self.generator({**place(0), "ports": [port("servers", "server", server_address, client_address)],
                                 "servers": {"stack": "own", "listen": listen, "body": {"min": 0, "max": 3000}}}, self.server)
        rig.wait_until(path.exists, 20, what="the server's end of the memif")
        client = self.generator({**place(1), "ports": [port("clients", "client", client_address, server_address)],
                                 "clients": {"stack": "own", "target": target, "connections": 4}})
        client.ready(), server.ready()
        self.begin(server)
        trial = client.trial(seconds=0.5, warmup=0.1, drain=5)
        server.say({"do": "stop"})
        counted = server.event()
        self.assert_agree(trial, counted["servers"])
        self.assertEqual(counted["ports"][0]["corrupted"] + trial["ports"][0]["corrupted"], 0)
        self.assertEqual((client.close(), server.close()), (0, 0))
        self.assertEqual(list(pathlib.Path("/dev/hugepages").glob(f"*lab-{os.getpid()}*")), [])

    def test_both_in_one_process(self):
        loop = lambda name, other, own, next_hop: {   # noqa: E731
            "name": name, "device": f"loop:{other}", "mac": "02:00:00:00:00:0" + own[-1], "address": own + "/24", "gateway": next_hop}
        generator = self.generator({
            "memoryMegabytes": 128, "prefix": f"lab-{os.getpid()}",
            "ports": [loop("clients", "servers", CLIENT, SERVER), loop("servers", "clients", SERVER, CLIENT)],
            "clients": {"stack": "own", "target": f"{SERVER}:80", "connections": 8, "arrivals": {"open": {"rate": 1000}}},
            "servers": {"stack": "own", "listen": "0.0.0.0:80", "body": 128}}).ready()
        trial = generator.trial(seconds=1, warmup=0.1, drain=5)
        self.assert_agree(trial, trial["servers"])
        self.assertEqual(trial["requests"], 1000)
        held = self.generator({"clients": {"stack": "kernel", "target": "127.0.0.1:99", "connections": 300, "ramp": "100ms",
                                           "arrivals": {"hold": {}}},
                               "servers": {"stack": "kernel", "listen": "127.0.0.1:99"}}).ready().trial(seconds=1)
        self.assertEqual((held["held"], held["servers"]["accepted"], held["bound"]), (300, 300, "none"))
        self.assertEqual((held["requests"], held["servers"]["answers"], held["servers"]["refused"]), (300, 300, 0))
        for port in trial["ports"]:
            self.assertEqual((port["missed"], port["starved"]), (0, 0))

    def test_connections_that_nobody_accepts_are_not_held(self):
        # The kernel completes handshakes for a server that takes ten.
        spec = {"clients": {"stack": "kernel", "target": "127.0.0.1:98", "connections": 50, "arrivals": {"hold": {}}},
                "servers": {"stack": "kernel", "listen": "127.0.0.1:98", "connections": 10}}
        held = self.generator(spec).ready().trial(seconds=0.5)
        self.assertEqual((held["opened"], held["held"], held["unanswered"], held["bound"]), (50, 10, 40, "subject"))


def tcp(request, answer, **clients):
    """Both ends of plain TCP over the kernel, as two specifications."""
    exchange = {"protocol": "tcp", "exchange": {"request": request, "answer": answer}}
    return ({"clients": {"stack": "kernel", "target": f"{SERVER}:8080", **exchange, **clients}},
            {"servers": {"stack": "kernel", "listen": f"{SERVER}:8080", **exchange}})


class PlainTcp(LabStory):
    """Exchanges without HTTP; the kernel of the servers counts connections and bytes for itself."""

    def passive_opens(self):
        names, values = (line.split() for line in self.server.run("grep", "^Tcp:", "/proc/net/snmp").stdout.splitlines())
        return int(values[names.index("PassiveOpens")])

    def received_bytes(self):
        return int(self.server.run("cat", "/sys/class/net/eth0/statistics/rx_bytes").stdout)

    def measure(self, clients, servers, **trial):
        server = self.generator(servers, self.server).ready()
        self.begin(server)
        client = self.generator(clients).ready().trial(**{"seconds": 0.4, "warmup": 0.1, "drain": 5, **trial})
        server.say({"do": "stop"})
        counted = server.event()["servers"]
        self.assertEqual(sum(client["errors"].values()) + counted["protocol"] + counted["reset"], 0, (client["errors"], counted))
        self.assertGreater(client["requests"] + client["outside"], 5)
        self.assertEqual(counted["answers"], client["requests"] + client["outside"])
        self.assertEqual(server.close(), 0)
        return client, counted

    def test_lengths_of_all_kinds(self):
        for request, answer in ((1, 1), (64, 128), (100_000, 1), (1, 300_000), (70_000, 70_000)):
            before = self.received_bytes()
            client, counted = self.measure(*tcp(request, answer, connections=4))
            self.assertEqual(client["bytes"], client["inTime"] * (request + answer))
            self.assertEqual(counted["bytes"], counted["answers"] * (request + answer))
            self.assertGreaterEqual(self.received_bytes() - before, counted["answers"] * request)
            self.assertEqual(client["held"], 4)

    def test_a_connection_for_each_exchange(self):
        for length in (0, 1, 64):
            before = self.passive_opens()
            client, counted = self.measure(*tcp(length, length, connections=8, requestsPerConnection=1, arrivals={"open": {"rate": 250}}))
            self.assertEqual(client["requests"], 100)
            self.assertEqual(self.passive_opens() - before, counted["accepted"])
            self.assertEqual(counted["accepted"], client["requests"] + client["outside"])
            self.assertEqual(client["connect"]["count"], client["opened"])

    @unittest.skipIf(len(CORES) < 2, "needs two cores")
    def test_on_two_cores_at_both_ends(self):
        before = self.passive_opens()
        clients, servers = ({"cores": CORES, **spec} for spec in
                            tcp(64, 64, connections=9, arrivals={"open": {"rate": 500, "spacing": "poisson"}}))
        rates = {self.measure(clients, servers, seconds=1)[0]["requests"] for _ in range(2)}
        self.assertEqual(self.passive_opens() - before, 18)
        alone = self.measure(clients | {"cores": CORES[:1]}, servers, seconds=1)[0]["requests"]
        self.assertEqual(rates, {alone})   # the seed decides, on however many cores

    def test_connections_are_held(self):
        held = self.measure(*tcp(1, 1, connections=200, arrivals={"hold": {}}))[0]
        self.assertEqual((held["held"], held["bound"]), (200, "none"))

    def serve(self, port, talk):
        """A server that does `talk(connection)` with each."""
        with self.server.entered():
            listener = socket.create_server((SERVER, port), backlog=128)
        self.addCleanup(listener.close)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        talk(connection)

        threading.Thread(target=serve, daemon=True).start()
        return {"target": f"{SERVER}:{port}", "timeout": "200ms"}

    def test_who_answers_wrongly_is_named(self):
        def says(text):
            return lambda connection: (connection.recv(4096), connection.sendall(text), connection.recv(4096))
        for port, talk, error in ((91, says(b"x" * 64), "protocol"), (92, lambda c: c.recv(4096), "reset"), (93, says(b""), "timeout")):
            clients, _ = tcp(64, 64, **self.serve(port, talk))
            trial = self.generator(clients).ready().trial(seconds=0.5, drain=1)
            self.assertGreater(trial["errors"][error], 0, (error, trial["errors"]))
            self.assertEqual(trial["errors"][error], sum(trial["errors"].values()))
            self.assertEqual(trial["requests"], 0)

    def test_who_asks_wrongly_is_cut_off(self):
        server = self.generator(tcp(4, 4)[1], self.server).ready()
        self.begin(server)
        for text in (b"xxxx", b"+xxx"):
            with self.client.entered():
                connection = socket.create_connection((SERVER, 8080), timeout=10)
            with connection:
                connection.sendall(text)
                with contextlib.suppress(ConnectionResetError):
                    self.assertEqual(connection.recv(10), b"")
        server.say({"do": "stop"})
        counted = server.event()["servers"]
        self.assertEqual((counted["accepted"], counted["protocol"], counted["answers"]), (2, 2, 0))

    def test_on_the_own_stack(self):
        for own, other, gateways, target, listen in (
                (CLIENT + "/24", SERVER + "/24", (SERVER, CLIENT), f"{SERVER}:80", "0.0.0.0:80"),
                (CLIENT6 + "/64", SERVER6 + "/64", (SERVER6, CLIENT6), f"[{SERVER6}]:80", "[::]:80")):
            for request, answer, each in ((0, 0, 1), (64, 64, 1), (1, 100_000, 0), (100_000, 1, 0)):
                exchange = {"stack": "own", "protocol": "tcp", "exchange": {"request": request, "answer": answer}}
                trial = self.generator({
                    "memoryMegabytes": 128, "prefix": f"lab-{os.getpid()}",
                    "ports": [{"name": "clients", "device": "loop:servers", "mac": "02:00:00:00:00:02", "address": own, "gateway": gateways[0]},
                              {"name": "servers", "device": "loop:clients", "mac": "02:00:00:00:00:03", "address": other, "gateway": gateways[1]}],
                    "clients": {**exchange, "target": target, "connections": 8, "requestsPerConnection": each,
                                "arrivals": {"open": {"rate": 100}}},
                    "servers": {**exchange, "listen": listen}}).ready().trial(seconds=0.5, drain=5)
                self.assert_fine(trial)
                self.assertEqual((trial["requests"], trial["servers"]["answers"], trial["servers"]["protocol"]), (50, 50, 0))


class Faults(LabStory):
    """Targets that are dead or break off, and input that is wrong."""

    def test_a_dead_target_is_named_in_time(self):
        began = time.monotonic()
        trial = self.generator(kernel_clients(f"{SERVER}:81", connections=4)).ready().trial(seconds=0.3)
        self.assertGreaterEqual(trial["errors"]["refused"], 4)
        self.assertEqual(trial["errors"]["refused"], sum(trial["errors"].values()))
        self.assertEqual(trial["requests"], 0)
        trial = self.generator(kernel_clients("198.51.100.77:80", connections=4, timeout="100ms")).ready().trial(seconds=0.5)
        self.assertGreaterEqual(trial["errors"]["timeout"], 4)
        self.assertEqual(trial["errors"]["timeout"], sum(trial["errors"].values()))
        self.assertLess(time.monotonic() - began, 30)

    def test_a_server_that_breaks_off(self):
        with self.server.entered():
            listener = socket.create_server((SERVER, 82))
        self.lab.at_close(listener.close)
        cut = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        if connection.recv(4096):
                            cut.append(1)
                            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

        threading.Thread(target=serve, daemon=True).start()
        trial = self.generator(kernel_clients(f"{SERVER}:82")).ready().trial(seconds=0.3, drain=2)
        self.assertEqual(trial["requests"], 0)
        self.assertGreater(trial["errors"]["reset"], 0)
        self.assertEqual(trial["errors"]["reset"], sum(trial["errors"].values()))
        self.assertLessEqual(trial["errors"]["reset"], len(cut))
        self.assertLessEqual(len(cut), trial["errors"]["reset"] + 1)   # the last one came when the time was over

    def test_it_ends_with_its_input(self):
        for trial in (False, True):
            generator = self.generator(kernel_clients()).ready()
            if trial:
                generator.say({"do": "trial", "id": 1, "seconds": 600})
                time.sleep(0.1)
            self.assertEqual(generator.close(), 0)

    def test_a_stop_is_not_taken_back(self):
        # One of the two requests is never answered, so that the drain is waited for.
        for number, then in enumerate(({"do": "stop"}, {"do": "quit"}, None)):
            at = f"127.0.0.1:{90 + number}"
            generator = self.generator({"clients": {"stack": "kernel", "target": at, "connections": 2},
                                        "servers": {"stack": "kernel", "listen": at, "connections": 1}}).ready()
            generator.say({"do": "trial", "id": 9, "seconds": 60, "drain": 1})
            time.sleep(0.3)
            generator.say({"do": "stop"})
            time.sleep(0.2)
            if then:
                generator.say(then)
            else:
                generator.process.stdin.close()
            trial = generator.event(10)
            self.assertEqual((trial["stopped"], trial["unanswered"]), (True, 1))
            self.assertGreater(trial["requests"], 0)
            self.assertEqual(generator.close(), 0)

    def test_wrong_commands_are_named_and_change_nothing(self):
        generator = self.generator(kernel_clients(connections=4)).ready()
        for line, field in (("what", "command"), ("[]", "command"), ({}, "do"), ({"do": "dance"}, "do"),
                            ({"do": "trial", "seconds": 1}, "id"), ({"do": "trial", "id": 1, "seconds": 0}, "seconds"),
                            ({"do": "trial", "id": 1, "seconds": "1"}, "seconds"), ({"do": "trial", "id": 1}, "seconds"),
                            ({"do": "trial", "id": 1, "seconds": 1, "connections": 5}, "connections"),
                            ({"do": "trial", "id": 1, "seconds": 1, "rate": 5}, "rate"),
                            ({"do": "trial", "id": 1, "seconds": 1, "warmup": -1}, "warmup")):
            generator.say(line)
            event = generator.event(5)
            self.assertEqual((event["event"], event["field"]), ("error", field), line)
        self.assertEqual(generator.trial(seconds=0.1)["event"], "trial")
        generator.say({"do": "trial", "id": 1, "seconds": 60})
        generator.say({"do": "trial", "id": 2, "seconds": 60})
        self.assertEqual(generator.event()["message"], "a trial is under way")
        self.assertEqual(generator.close(), 0)

    def test_wrong_specifications_are_refused(self):
        good = kernel_clients()
        own = {"memoryMegabytes": 128, "prefix": f"lab-{os.getpid()}", "clients": {"stack": "own", "target": f"{SERVER}:80"}}
        port = {"name": "clients", "address": CLIENT + "/24", "gateway": SERVER}
        wrong = (("", ""), ("[]", ""), ("{", ""), ({}, ""), ({"clients": 5}, "clients"),
                 (kernel_clients("example.org:80"), "clients.target"), ({**good, "seed": "x"}, "seed"),
                 ({**good, "cores": [999]}, "cores[0]"), (own, "ports"), ({**own, "ports": [{**port, "device": "net_nothing0"}]}, "ports[0].device"),
                 ({**own, "ports": [{**port, "device": "net_af_packet0,iface=nothing"}]}, "ports[0].device"),
                 ({"servers": {"listen": "203.0.113.1:80"}}, "servers.listen"))
        for spec, field in wrong:
            generator = self.generator(spec)
            event = generator.event()
            self.assertEqual((event["event"], event["field"]), ("error", field), spec)
            self.assertEqual(generator.process.wait(10), 2)
        both = {"clients": {"stack": "kernel", "target": "127.0.0.1:99", "connections": 600},
                "servers": {"stack": "kernel", "listen": "127.0.0.1:99", "connections": 600}}
        path = self.lab.dir / "both.json"
        path.write_text(json.dumps(both))
        few = subprocess.run(["prlimit", "--nofile=1024:1024", PROGRAM, "--spec", path], capture_output=True, text=True, check=False,
                             stdin=subprocess.DEVNULL, timeout=20)
        self.assertEqual((few.returncode, json.loads(few.stdout)["field"]), (2, "servers.connections"))
        for name, content in ((b"\xff-missing.json", None), (b"\xff-text.json", b"what"), (b"byte.json", b'{"clients": "\xff"}')):
            path = os.fsencode(self.lab.dir) + b"/" + name
            if content:
                pathlib.Path(os.fsdecode(path)).write_bytes(content)
            refused = subprocess.run([PROGRAM, "--check", path], capture_output=True, text=True, check=False)
            self.assertEqual((refused.returncode, json.loads(refused.stdout)["event"]), (2, "error"), name)
        many = kernel_clients(connections=0, timeout="x")
        path = self.lab.dir / "many.json"
        path.write_text(json.dumps(many))
        checked = subprocess.run([PROGRAM, "--check", path], capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 2)
        self.assertEqual([json.loads(line)["field"] for line in checked.stdout.splitlines()],
                         ["clients.connections", "clients.timeout"])
        path.write_text(json.dumps(good))
        checked = subprocess.run([PROGRAM, "--check", path], capture_output=True, text=True, check=False)
        self.assertEqual((checked.returncode, json.loads(checked.stdout)), (0, {"event": "ok"}))


if __name__ == "__main__":
    rig.main()
