#!/usr/bin/python3
"""The packet generator of penstock-lab: it counts exactly what test stages did, keeps its rates as the kernel counts them,
writes packets as another program would, names every fault of a specification, and leaves when its input ends."""
import copy
import json
import os
import select
import subprocess
import tempfile
import time
import unittest

from scapy.all import IP, UDP, Ether, NoPayload, Raw, rdpcap, wrpcap

from rig import story
from rig.gateway import build_dir
from rig.lab import Lab, LabError, run

PROGRAM = build_dir() / "perf" / "penstock-lab-packets"
ANYWHERE = {"destination": "02:00:00:00:00:99"}


def ipv4(**fields):
    return {"ipv4": {"destination": "198.18.0.1", **fields}, "udp": {}}


def stream(name="a", **fields):
    return {"name": name, "from": "left", "to": "right", "rate": {"pps": 20000}, "headers": ipv4(), **fields}


def spec(*streams, ports=None, **fields):
    ports = ports or [{"name": "left", "device": "loop:right", "address": "198.51.100.2/24"},
                      {"name": "right", "device": "loop:left", "address": "203.0.113.2/24"}]
    return {"cores": [0], "huge": False, "memoryMegabytes": 256, "prefix": f"lab-test-{os.getpid()}", "seed": 1,
            "ports": ports, "streams": list(streams) or [stream()], **fields}


class Generator:
    """The program with a specification; `namespace` is where it runs."""

    def __init__(self, specification, namespace=None):
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(specification, file)
        self.file = file.name
        words = [*(["ip", "netns", "exec", namespace.name] if namespace else []), PROGRAM, "--spec", self.file]
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            os.unlink(self.file)

    def event(self, seconds=20):
        deadline = time.monotonic() + seconds
        while b"\n" not in self.text:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                raise LabError(f"no event within {seconds} s; the generator's status is {self.process.poll()}")
            self.text += piece
        line, self.text = self.text.split(b"\n", 1)
        return json.loads(line)

    def expect(self, kind, **options):
        event = self.event(**options)
        if event["event"] != kind:
            raise LabError(f"{kind} was expected, not {event}")
        return event

    def ready(self):
        return self.expect("ready")

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()

    def trial(self, **command):
        self.tell(do="trial", **{"id": 1, "seconds": 0.5, "drain": 0.05, **command})
        return self.expect("trial")


def trial_of(specification, **command):
    with Generator(specification) as generator:
        generator.ready()
        return generator.trial(**command)


def counts(result, name="a"):
    return next(s for s in result["streams"] if s["name"] == name)


class Built(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise unittest.SkipTest(f"{PROGRAM} is not built (PENSTOCK_BENCH is off)")


class Stages(Built):
    """10,000 packets (fewer, when the machine stands still) through a stage: the receiver says what it did, and nothing else."""

    def harmed(self, **stage):
        """How many were sent, what was counted of them and is not 0, latencies."""
        result = trial_of(spec(stages=[{"from": "left", "to": "right", **stage}]))
        self.assertEqual(result["due"], 10000)
        self.assertGreater(result["sent"], 1100)
        told = counts(result)
        return result["sent"], {name: told[name] for name in ("received", "lost", "duplicated", "reordered", "corrupted",
                                                              "strayed", "ancient") if told[name]}, told["latency"]

    def test_nothing(self):
        sent, told, latency = self.harmed()
        self.assertEqual(told, {"received": sent})
        self.assertEqual(latency["count"], sent)

    def test_dropped(self):
        for every in (1, 7, 1000, 10000, 10001):
            sent, told, latency = self.harmed(drop={"every": every})
            self.assertEqual((told.get("lost", 0), told.get("received", 0)), (sent // every, sent - sent // every))
            self.assertEqual(latency["count"], sent - sent // every)

    def test_duplicated(self):
        sent, told, _ = self.harmed(duplicate={"every": 30})
        self.assertEqual(told, {"received": sent, "duplicated": sent // 30})

    def test_reordered(self):
        sent, told, _ = self.harmed(reorder={"every": 100, "by": 3})
        self.assertEqual(told, {"received": sent, "reordered": (sent - 1) // 100})   # nothing overtakes the very last

    def test_corrupted(self):
        sent, told, _ = self.harmed(corrupt={"every": 9})
        self.assertEqual(told, {"received": sent - sent // 9, "lost": sent // 9, "corrupted": sent // 9})

    def test_frozen(self):
        sent, told, _ = self.harmed(freeze=True)
        self.assertEqual(told, {"lost": sent})

    def test_delayed(self):
        _, _, plain = self.harmed()
        _, _, delayed = self.harmed(delay={"nanos": 5_000_000})
        # Nothing is faster than the stage, and the fastest is as fast as without it: within the histogram's 1/128.
        self.assertGreaterEqual(delayed["min"], 5_000_000)
        self.assertLessEqual(delayed["min"], 5_000_000 + plain["min"] + 100_000)

    def test_all_at_once(self):
        stage = {"from": "left", "to": "right", "drop": {"every": 10}, "duplicate": {"every": 16}, "corrupt": {"every": 27}}
        told = counts(trial_of(spec(stages=[stage])))
        packets = range(1, told["sent"] + 1)
        dropped = {n for n in packets if n % 10 == 0}
        corrupted = {n for n in packets if n % 27 == 0} - dropped
        twice = {n for n in packets if n % 16 == 0} - dropped
        self.assertEqual(told["corrupted"], len(corrupted) + len(corrupted & twice))
        self.assertEqual(told["lost"], len(dropped | corrupted))
        self.assertEqual(told["duplicated"], len(twice - corrupted))


class Trials(Built):
    """Streams, trials and commands over loop ports."""

    def test_two_ways_and_shares(self):
        back = stream("b", **{"from": "right", "to": "left", "rate": {"pps": 5000}, "size": 512})
        with Generator(spec(stream(), back)) as generator:
            generator.ready()
            both = generator.trial(pps=50000)
            self.assertEqual((both["asked"], both["due"]), (50000, 25000))
            for name, most, size in (("a", 20000, 64), ("b", 5000, 512)):
                told = counts(both, name)
                self.assertEqual((told["received"], told["bytes"]), (told["sent"], told["sent"] * size))
                self.assertTrue(0 < told["sent"] <= most)
            one = generator.trial(streams=["b"])
            self.assertEqual([s["name"] for s in one["streams"]], ["b"])
            self.assertEqual((one["asked"], one["due"]), (5000, 2500))

    def test_spacing(self):
        result = trial_of(spec(stream(spacing={"burst": 100}), stream("p", spacing="poisson")))
        self.assertEqual((counts(result)["lost"], counts(result, "p")["lost"]), (0, 0))
        self.assertLess(abs(result["due"] - 20000), 500)   # five standard deviations, and the seed is fixed

    def test_strayed(self):
        result = trial_of(spec(stream(to="left")))
        told = counts(result)
        self.assertEqual((told["strayed"], told["received"], told["lost"]), (told["sent"], 0, told["sent"]))
        self.assertGreater(told["sent"], 0)

    def test_stragglers_belong_to_no_later_trial(self):
        held = spec(stages=[{"from": "left", "to": "right", "delay": {"nanos": 400_000_000}}])
        with Generator(held) as generator:
            generator.ready()
            first = generator.trial(seconds=0.2, drain=0)
            second = generator.trial(seconds=0.2, drain=0.6)
        self.assertEqual(counts(first)["received"], 0)
        self.assertGreater(counts(second)["received"], 0)
        self.assertGreater(second["ports"][1]["stale"], 0)
        self.assertEqual(counts(second)["duplicated"] + counts(second)["lost"] + counts(second)["corrupted"], 0)

    def test_samples_add_up(self):
        with Generator(spec()) as generator:
            generator.ready()
            generator.tell(do="trial", id=9, seconds=0.5, drain=0.25, sample=0.1)
            samples = []
            while (event := generator.event())["event"] == "sample":
                samples.append(event)
        self.assertGreaterEqual(len(samples), 5)
        self.assertEqual({e["id"] for e in [*samples, event]}, {9})
        self.assertEqual(sum(e["sent"] for e in samples), event["sent"])
        self.assertEqual(sum(e["received"] for e in samples), counts(event)["received"])

    def test_stop_ends_a_trial_and_says_so(self):
        with Generator(spec()) as generator:
            generator.ready()
            generator.tell(do="trial", id=1, seconds=600)
            time.sleep(0.3)
            generator.tell(do="stop")
            result = generator.expect("trial")
        self.assertTrue(result["stopped"])
        self.assertLess(result["seconds"], 60)
        self.assertEqual(counts(result)["received"], result["sent"])

    def test_more_than_it_can_is_its_own_fault(self):
        result = trial_of(spec(), pps=1e9, seconds=0.2)
        self.assertEqual(result["bound"], "generator")
        self.assertLess(result["sent"], result["due"])
        self.assertLess(abs(result["due"] - 2e8), 2)

    def test_a_port_that_takes_no_more_refuses(self):
        full = spec(memoryMegabytes=512, stages=[{"from": "left", "to": "right", "delay": {"nanos": 9_000_000_000}}])
        result = trial_of(full, pps=400000, seconds=0.5, drain=0)
        self.assertEqual((result["bound"], result["due"]), ("generator", 200000))
        self.assertLessEqual(result["sent"], 65536)
        self.assertEqual(result["ports"][0]["sent"] + result["ports"][0]["refused"], 200000)
        self.assertEqual(counts(result)["received"], 0)

    def test_wrong_commands_are_refused_and_the_next_is_heard(self):
        with Generator(spec()) as generator:
            generator.ready()
            for command, field in (({"do": "dance"}, "command"), ({"do": "trial", "id": 1}, "trial.seconds"),
                                   ({"do": "trial", "id": 1, "seconds": 1, "pps": -1}, "trial.pps"),
                                   ({"do": "trial", "id": 1, "seconds": 1, "streams": ["none"]}, "trial.streams[0]"),
                                   ({"do": "trial", "id": 1, "seconds": 1, "often": 2}, "trial.often")):
                generator.tell(**command)
                self.assertEqual(generator.expect("error")["field"], field)
            self.assertEqual(generator.trial()["due"], 10000)

    def test_unsigned_packets_are_not_guessed_at(self):
        told = counts(trial_of(spec(stream(signature=False))))
        self.assertGreater(told["sent"], 0)
        self.assertEqual((told["received"], told["lost"], told["latency"]), (None, None, None))


class Frames(Built):
    """What is written is what scapy would write: every length and check sum."""

    HEADERS = {
        "udp4": ipv4(destination={"from": "198.18.255.250", "count": 1000}),
        "tcp4": {"vlan": [{"id": 10}, {"id": {"from": 20, "count": 3}, "priority": 5}], "ipv4": {"destination": "192.0.2.4"},
                 "tcp": {"flags": "SA", "sequence": {"from": 0, "count": 1000, "step": 4000000}}},
        "icmp4": {"vlan": {"id": 7}, "ipv4": {"destination": "192.0.2.4", "dscp": 46, "ttl": 3},
                  "icmp": {"id": 5, "sequence": {"from": 0, "count": 65536}}},
        "esp4": {"ipv4": {"destination": "192.0.2.4"}, "esp": {"spi": {"from": 77, "count": 9}}},
        "udp6": {"ipv6": {"source": "2001:db8::1", "destination": {"from": "2001:db8::ffff:ffff", "count": 5}},
                 "udp": {"source": {"from": 5, "count": 60000, "order": "random"}, "destination": 53}},
        "tcp6": {"ipv6": {"source": "2001:db8::1", "destination": "2001:db8::2"}, "tcp": {}},
        "icmp6": {"ipv6": {"source": "2001:db8::1", "destination": "2001:db8::2"}, "icmp": {"id": 1}}}

    def sent(self, *streams, **command):
        with tempfile.TemporaryDirectory() as place:
            wrpcap(f"{place}/nothing.pcap", [Ether() / IP() / UDP()])
            port = {"name": "left", "device": f"net_pcap0,rx_pcap={place}/nothing.pcap,tx_pcap={place}/out.pcap",
                    "address": "198.51.100.2/24"}
            result = trial_of(spec(*streams, ports=[port]), **command)
            packets = rdpcap(f"{place}/out.pcap")
        self.assertEqual(len(packets), result["sent"])
        return packets

    @staticmethod
    def rewritten(packet):
        """The packet with every length and check sum made anew."""
        made = packet.__class__(bytes(packet))
        layer = made
        while not isinstance(layer, NoPayload):
            for name in ("chksum", "cksum", "len", "plen"):
                if name in layer.fields:
                    delattr(layer, name)
            layer = layer.payload
        return bytes(made)

    def test_headers_and_payloads(self):
        payloads = ["zeros", "increment", "random", {"hex": "abcdef"}]
        streams = [{"name": name, "from": "left", "rate": {"pps": 400}, "size": {"min": 103, "max": 400},
                    "headers": {"ether": ANYWHERE, **headers}, "payload": payloads[i % 4]}
                   for i, (name, headers) in enumerate(self.HEADERS.items())]
        packets = self.sent(*streams)
        self.assertGreater(len(packets), 100 * len(streams))
        for packet in packets:
            self.assertEqual(bytes(packet).hex(), self.rewritten(packet).hex(), packet.summary())

    def test_flows_go_through_their_ranges(self):
        headers = {"ether": ANYWHERE, "ipv4": {"source": {"from": "10.0.0.0", "count": 4, "group": "g"},
                                               "destination": {"from": "198.18.0.0", "count": 4, "step": 2, "group": "g"}},
                   "udp": {"source": {"from": 1000, "count": 3}}}
        packets = self.sent({"name": "a", "from": "left", "rate": {"pps": 480}, "headers": headers})
        flows = [(p[IP].src, p[IP].dst, p[UDP].sport) for p in packets]
        self.assertEqual(len(set(flows[:12])), 12)
        self.assertEqual(len(set(flows)), 12)
        self.assertEqual(flows[:12], flows[12:24])
        self.assertEqual(flows[1], ("10.0.0.1", "198.18.0.2", 1000))
        self.assertEqual(flows[4], ("10.0.0.0", "198.18.0.0", 1001))

    def test_a_recording_is_sent_as_it_is(self):
        recorded = [Ether(dst="02:00:00:00:00:99") / IP(dst="192.0.2.1") / UDP(dport=n) / Raw(bytes([n]) * (20 + n))
                    for n in range(1, 11)]
        for n, packet in enumerate(recorded):
            packet.time = 1000 + 0.01 * n
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            wrpcap(file.name, recorded)
            for timing, expected in (({"timing": "original"}, 50), ({"timing": "scaled", "scale": 2}, 100),
                                     ({"timing": "original", "loop": False}, 10), ({"timing": "rate"}, 200)):
                rate = {"rate": {"pps": 400}} if timing["timing"] == "rate" else {}
                replayed = {"name": "r", "from": "left", "pcap": {"file": file.name, **timing}, **rate}
                packets = self.sent(replayed)
                self.assertTrue(10 <= len(packets) <= expected, timing)
                for n, packet in enumerate(packets):
                    self.assertEqual(bytes(packet), bytes(recorded[n % 10]).ljust(60, b"\0"))


class Veth(Built):
    """Over the kernel: its interface counters are the judge. One namespace generates, the other is a Linux router."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for network namespaces")
        cls.lab = Lab("Packets")
        cls.addClassCleanup(cls.lab.close)
        cls.mine, cls.router = cls.lab.namespace("gen"), cls.lab.namespace("router")
        for n, port in ((1, "left"), (2, "right")):
            cls.lab.link(cls.mine, port, cls.router, f"r{port}")
            cls.router.add_address(f"r{port}", f"10.9.{n}.1/24", f"2001:db8:{n}::1/64")
            # The generator is the host here: its own kernel must not speak beside it.
            cls.mine.sysctl(f"net.ipv6.conf.{port}.disable_ipv6=1")
        cls.router.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        cls.router.ip("route", "add", "198.18.0.0/16", "via", "10.9.2.2")

    def ports(self, family=4, **left):
        address, gateway = ("10.9.{}.2/24", "10.9.{}.1") if family == 4 else ("2001:db8:{}::2/64", "2001:db8:{}::1")
        return [{"name": name, "device": f"net_af_packet{n},iface={name}", "address": address.format(n),
                 "gateway": gateway.format(n), **(left if n == 1 else {})} for n, name in ((1, "left"), (2, "right"))]

    def counter(self, namespace, device, name):
        return int(run("ip", "netns", "exec", namespace.name, "cat", f"/sys/class/net/{device}/statistics/{name}").stdout)

    def test_rates_are_kept_and_the_kernel_counts_the_same(self):
        for pps in (2000, 7777, 20000):
            with Generator(spec(ports=self.ports()), self.mine) as generator:
                generator.ready()
                before = self.counter(self.mine, "left", "tx_packets"), self.counter(self.router, "rleft", "rx_packets")
                result = generator.trial(pps=pps, seconds=2, drain=0.3)
                after = self.counter(self.mine, "left", "tx_packets"), self.counter(self.router, "rleft", "rx_packets")
            port = result["ports"][0]
            self.assertEqual([a - b for a, b in zip(after, before)], [port["sent"] + port["answered"]] * 2)
            self.assertEqual(port["sent"], result["sent"])
            rate = result["sent"] / result["seconds"]
            if result["bound"] == "none":   # else it says itself that it did not keep it
                self.assertLessEqual(abs(rate - pps) / pps, 0.001)
            self.assertLessEqual(rate, pps * 1.001)

    def test_a_router_is_measured(self):
        with Generator(spec(ports=self.ports()), self.mine) as generator:
            ready = generator.ready()
            self.assertEqual(ready["ports"][0]["gatewayMac"], self.router.mac("rleft"))
            result = generator.trial(pps=2000, seconds=1, drain=0.5)
        told = counts(result)
        self.assertEqual((told["received"], told["lost"], told["corrupted"], told["strayed"]), (told["sent"], 0, 0, 0))
        self.assertEqual(result["due"], 2000)
        self.assertGreater(told["latency"]["min"], 0)

    def test_neighbours_of_ipv6_and_prefixes_that_are_answered_for(self):
        self.router.ip("-6", "route", "replace", "2001:db8:aa::/64", "dev", "rright")
        headers = {"ipv6": {"destination": {"from": "2001:db8:aa::5", "count": 3}}, "udp": {}}
        ports = self.ports(6)
        ports[1]["answers"] = ["2001:db8:aa::/64"]
        with Generator(spec(stream(size=100, headers=headers), ports=ports), self.mine) as generator:
            generator.ready()
            result = generator.trial(pps=1000, seconds=0.5, drain=0.5)
        self.assertEqual((result["due"], counts(result)["lost"]), (500, 0))
        self.assertGreaterEqual(result["ports"][1]["answered"], 3)

    def test_a_gateway_that_does_not_answer(self):
        with Generator(spec(ports=self.ports(gateway="10.9.1.77")), self.mine) as generator:
            event = generator.expect("error", seconds=20)
            self.assertEqual(event["field"], "ports[0].gateway")
            self.assertIn("10.9.1.77", event["message"])
            self.assertEqual(generator.process.wait(10), 2)

    def test_a_device_that_is_not_there(self):
        with Generator(spec(ports=self.ports(device="net_af_packet7,iface=nothing0")), self.mine) as generator:
            self.assertEqual(generator.expect("error")["field"], "ports[0].device")
            self.assertEqual(generator.process.wait(10), 2)


class Ending(Built):
    def test_input_that_ends_ends_it(self):
        for trial in (False, True):
            with Generator(spec()) as generator:
                generator.ready()
                if trial:
                    generator.tell(do="trial", id=1, seconds=600)
                    time.sleep(0.2)
                generator.process.stdin.close()
                self.assertEqual(generator.process.wait(10), 0)

    def test_quit_and_terminate(self):
        for end in (lambda g: g.tell(do="quit"), lambda g: g.process.terminate()):
            with Generator(spec()) as generator:
                generator.ready()
                end(generator)
                self.assertEqual(generator.process.wait(10), 0)

    def test_nothing_is_left_behind(self):
        with Generator(spec()) as generator:
            generator.ready()
        with Generator(spec(ports=[{"name": "left", "device": "net_none0"}, {"name": "right", "device": "loop:right"}],
                            streams=[stream(headers={"ether": ANYWHERE, **ipv4(source="10.0.0.1")})])) as generator:
            self.assertEqual(generator.expect("error")["field"], "ports[0].device")
        names = os.listdir("/dev/hugepages") if os.path.isdir("/dev/hugepages") else []
        names += os.listdir("/var/run/dpdk") if os.path.isdir("/var/run/dpdk") else []
        self.assertEqual([name for name in names if f"lab-test-{os.getpid()}" in name], [])


class Machine(Built):
    def test_a_core_that_is_not_there(self):
        with Generator(spec(cores=[127])) as generator:
            self.assertEqual(generator.expect("error")["field"], "cores[0]")
            self.assertEqual(generator.process.wait(10), 2)

    def test_hugepages_that_are_not_there(self):
        with open("/proc/meminfo", encoding="ascii") as file:
            free = next(int(line.split()[1]) for line in file if line.startswith("HugePages_Free"))
        if free >= 2048:
            self.skipTest("there are 4 GiB of free hugepages")
        with Generator(spec(huge=True, memoryMegabytes=4096)) as generator:
            event = generator.expect("error")
            self.assertEqual(event["field"], "memoryMegabytes")
            self.assertIn("hugepages", event["message"])
            self.assertEqual(generator.process.wait(10), 2)


class Faults(Built):
    """`--check`: each fault by its path, with what would be valid."""

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
            file.flush()
            done = subprocess.run([PROGRAM, "--check", file.name], capture_output=True, text=True, timeout=20, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_good_one(self):
        self.assertEqual(self.check(spec()), (0, [{"event": "ok"}]))

    def test_one_fault_each(self):
        cases = [
            (["streams", 0, "size"], 63, "streams[0].size", "below 64"),
            (["streams", 0, "size"], 9217, "streams[0].size", "above 9216"),
            (["streams", 0, "size"], -1, "streams[0].size", "64 to 9216"),
            (["streams", 0, "size"], "imax", "streams[0].size", "imix"),
            (["streams", 0, "size"], {"emix": "abj"}, "streams[0].size.emix", "16000"),
            (["streams", 0, "size"], {"min": 100, "max": 99}, "streams[0].size.max", "below min"),
            (["streams", 0, "size"], [{"size": 64, "weight": 0}], "streams[0].size", "weight"),
            (["streams", 0, "rate"], {"pps": 0}, "streams[0].rate.pps", "above 0"),
            (["streams", 0, "rate"], {"pps": 2e9}, "streams[0].rate.pps", "1000000000"),
            (["streams", 0, "rate"], {"line": 0.5}, "streams[0].rate.line", "lineRate"),
            (["streams", 0, "from"], "middle", "streams[0].from", "left, right"),
            (["streams", 0, "colour"], "red", "streams[0].colour", "known"),
            (["streams", 0, "spacing"], {"burst": 0}, "streams[0].spacing.burst", "below 1"),
            (["streams", 0, "payload"], {"hex": "abc"}, "streams[0].payload.hex", "pairs"),
            (["streams", 0, "headers", "udp"], {"source": 65536}, "streams[0].headers.udp.source", "above 65535"),
            (["streams", 0, "headers", "udp"], {"source": {"from": 65000, "count": 537}}, "streams[0].headers.udp.source",
             "largest value"),
            (["streams", 0, "headers", "ipv4", "destination"], "10.0.0", "streams[0].headers.ipv4.destination", "IPv4"),
            (["streams", 0, "headers", "ipv4", "destination"], "::1", "streams[0].headers.ipv4.destination", "IPv4"),
            (["streams", 0, "headers", "vlan"], {"id": 4095}, "streams[0].headers.vlan.id", "above 4094"),
            (["streams", 0, "headers", "tcp"], {"flags": "SX"}, "streams[0].headers.tcp.flags", "F, S, R"),
            (["streams", 0, "headers"], {"udp": {}}, "streams[0].headers", "ipv4 or ipv6"),
            (["streams", 0, "headers"], {"ipv6": {"source": "::1", "destination": "::2"}}, "streams[0].size", "84"),
            (["ports", 0, "device"], "loop:nowhere", "ports[0].device", "loop port"),
            (["ports", 0, "mac"], "01:00:00:00:00:01", "ports[0].mac", "group"),
            (["ports", 0, "gateway"], "2001:db8::1", "ports[0].gateway", "family"),
            (["ports", 1, "name"], "left", "ports[1].name", "another port"),
            (["stages"], [{"from": "left", "to": "left"}], "stages[0]", "no way"),
            (["cores"], [0, 1], "cores", "1 to 1"),
            (["memoryMegabytes"], 1, "memoryMegabytes", "below 64"),
            (["prefix"], "../x", "prefix", "letters"),
            (["extra"], 1, "extra", "known")]
        for path, value, field, phrase in cases:
            broken = copy.deepcopy(spec())
            if path[-1] == "tcp":
                del broken["streams"][0]["headers"]["udp"]
            place = broken
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
            status, events = self.check(broken)
            told = [e for e in events if e["field"] == field and phrase in e["message"]]
            self.assertTrue(status == 2 and told, f"{path} = {value}: {events}")

    def test_all_of_them_at_once(self):
        broken = spec(stream(size=1, rate={"pps": 0}, to="nowhere"), stream("b", size="x"), memoryMegabytes=1)
        status, events = self.check(broken)
        self.assertEqual(status, 2)
        self.assertEqual({e["field"] for e in events}, {"memoryMegabytes", "streams[0].size", "streams[0].rate.pps",
                                                        "streams[0].to", "streams[1].size"})

    def test_recordings(self):
        with tempfile.TemporaryDirectory() as place:
            packet = Ether() / IP() / UDP()
            packet.wirelen = 500
            wrpcap(f"{place}/cut.pcap", [packet])
            with open(f"{place}/noise.pcap", "wb") as file:
                file.write(os.urandom(100))
            for name, phrase in (("missing.pcap", "not a file"), ("noise.pcap", "no recording"), ("cut.pcap", "in part"),
                                 ("", "not a file")):
                replayed = {"from": "left", "pcap": {"file": f"{place}/{name}"}}
                status, events = self.check(spec(replayed))
                self.assertEqual((status, events[0]["field"]), (2, "streams[0].pcap.file"))
                self.assertIn(phrase, events[0]["message"])

    def test_what_is_no_specification(self):
        for text in ("", "{", "[]", "null", "[" * 100000, "1e999", '{"ports": "x", "streams": 7}', '{"streams": [[]], "ports": [{}]}',
                     json.dumps({**spec(), "ports": []}), '{"ports": {"a": 1}, "streams": {}}'):
            status, events = self.check(text)
            self.assertEqual((status, {e["event"] for e in events}), (2, {"error"}), text[:60])


if __name__ == "__main__":
    story.main()
