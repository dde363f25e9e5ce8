#!/usr/bin/python3
"""The packet generator of penstock-lab: it counts exactly what test stages did, keeps its rates as the kernel counts them,
and leaves when its input ends."""
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest

from rig import story
from rig.lab import Lab, run
from rig.packet_generator import ANYWHERE, Built, Generator, counts, ipv4, spec, stream, trial_of

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import wiring  # noqa: E402
from penstock_lab.histogram import Histogram  # noqa: E402

RATE_TRIES = 10      # of a second, until one had its core for itself
FLOOD = """
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
    out.bind(("rleft", 0))
    for _ in range(10000):
        out.send(bytes.fromhex("02000000990102000000990288b5") + bytes(50))
"""


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

    def test_gateways_are_found_over_any_stage(self):
        ports = [{"name": "left", "device": "loop:right", "address": "10.0.0.1/24", "gateway": "10.0.0.2"},
                 {"name": "right", "device": "loop:left", "address": "10.0.0.2/24", "gateway": "10.0.0.1"}]
        result = trial_of(spec(ports=ports, stages=[{"from": "left", "to": "right", "freeze": True}]))
        self.assertEqual((counts(result)["received"], result["ports"][1]["received"]), (0, 0))

    def test_delayed(self):
        """What the stage adds is the same for all: the distribution is that without it, later by the delay, as far as a bucket tells."""
        delay, slack, seen = 5_000_000, 100_000, []
        for _ in range(RATE_TRIES):   # a machine that stands still delays, too, but not always
            _, _, plain = self.harmed()
            _, _, delayed = self.harmed(delay={"nanos": delay})
            self.assertGreaterEqual(delayed["min"], delay)   # nothing is faster than the stage
            pairs = [(delayed["min"], plain["min"])]
            pairs += [tuple(Histogram.from_json(each).percentile(share) for each in (delayed, plain)) for share in (0.1, 0.25, 0.5)]
            if all(within <= (delay + without) * (1 + 1 / 128) + slack for within, without in pairs):
                return
            seen.append(pairs)
        self.fail(f"none of {RATE_TRIES} trials shows the delay of {delay} ns and no more: {seen}")

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
                                   ({"do": "trial", "id": 1, "seconds": 1, "often": 2}, "trial.often"),
                                   ({"do": "trial", "id": 1, "seconds": 1100, "pps": 1e9}, "trial.seconds"),
                                   ({"do": "trial", "id": 1, "seconds": 600000, "pps": 2e6}, "trial.seconds")):
                generator.tell(**command)
                self.assertEqual(generator.expect("error")["field"], field)
            self.assertEqual(generator.trial()["due"], 10000)

    def test_over_memif(self):
        with tempfile.TemporaryDirectory() as place:
            memif = f"id=1,socket-abstract=no,socket={place}/memif.sock"
            ports = [{"name": "left", "device": f"net_memif0,role=server,{memif}", "address": "10.0.0.1/24", "gateway": "10.0.0.2"},
                     {"name": "right", "device": f"net_memif1,role=client,{memif}", "address": "10.0.0.2/24",
                      "mac": "02:00:00:00:00:77"}]
            with Generator(spec(stream(size="imix"), ports=ports)) as generator:
                self.assertEqual(generator.ready()["ports"][0]["gatewayMac"], "02:00:00:00:00:77")
                result = generator.trial()
            self.assertEqual(os.listdir(place), [])
        self.assertEqual((result["due"], counts(result)["lost"]), (10000, 0))

    def test_who_takes_nothing_for_a_while_is_not_forgiven_when_it_catches_up(self):
        with tempfile.TemporaryDirectory() as place:
            memif = f"id=1,socket-abstract=no,socket={place}/memif.sock"
            ends = [{"name": "left", "device": f"net_memif{n},role={role},{memif}", "address": f"10.0.0.{n + 1}/24"}
                    for n, role in enumerate(("server", "client"))]
            sends = stream(headers={"ether": ANYWHERE, **ipv4()}, to="left", rate={"pps": 50000})
            taker = spec(sends, ports=ends[1:], prefix=f"lab-test-{os.getpid()}-taker")
            with Generator(spec(sends, ports=ends[:1])) as generator, Generator(taker) as subject:
                generator.ready()
                subject.ready()
                generator.tell(do="trial", id=1, seconds=0.6, drain=0.1)
                time.sleep(0.1)
                subject.process.send_signal(signal.SIGSTOP)
                time.sleep(0.2)
                subject.process.send_signal(signal.SIGCONT)
                result = generator.expect("trial")
        self.assertEqual(result["bound"], "generator")
        unkept = result["late"] + result["due"] - result["sent"]
        self.assertGreater(unkept, 1000)    # 10,000 were due meanwhile, and the ring has room for 1024
        self.assertLessEqual(result["ports"][0]["refused"], unkept)

    def test_the_clock_is_measured(self):
        with Generator(spec()) as generator:
            ready = generator.ready()
        self.assertLess(abs(ready["tscHz"] / ready["dpdkTscHz"] - 1), 0.02)

    def test_unsigned_packets_are_not_guessed_at(self):
        told = counts(trial_of(spec(stream(signature=False))))
        self.assertGreater(told["sent"], 0)
        self.assertEqual((told["received"], told["lost"], told["latency"]), (None, None, None))


class Ring(Built):
    """Through the thread on another core that hands over, both ways at once."""

    def setUp(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("needs two cores")

    def spec(self, **fields):
        ports = [{"name": name, "device": f"ring:{other}", "mac": f"02:00:00:00:01:0{n}", "address": f"198.51.100.{n}/24"}
                 for n, name, other in ((1, "left", "right"), (2, "right", "left"))]
        return spec(stream(), stream("b", **{"from": "right", "to": "left"}), ports=ports, **{"forwarderCore": 1, **fields})

    def test_what_is_handed_over_arrives_once_and_whole(self):
        result = trial_of(self.spec())
        for name, to in (("a", 1), ("b", 0)):
            told, missed = counts(result, name), result["ports"][to]["missed"]
            self.assertEqual(told["received"] + missed, told["sent"])
            self.assertGreater(told["received"], 1000)
            self.assertEqual([told[fate] for fate in ("duplicated", "reordered", "corrupted", "strayed")], [0] * 4)
            self.assertEqual(told["latency"]["count"], told["received"])

    def test_a_core_that_is_not_there(self):
        with Generator(self.spec(forwarderCore=127)) as generator:
            event = generator.event()
            self.assertEqual((event["event"], event["field"]), ("error", "forwarderCore"))


class Resting(Built):

    def test_a_generator_that_rests_sends_all_and_leaves_the_core(self):
        """Ten packets of 10,000 a second are due in each rest of a millisecond; polling would take all of the second."""
        with Generator(spec(restMicros=1000)) as generator:
            generator.ready()
            before = processor_seconds(generator.process.pid)
            result = generator.trial(pps=10000, seconds=1, drain=0.1)
            used = processor_seconds(generator.process.pid) - before
        told = counts(result)
        self.assertGreater(told["sent"], 5000)
        self.assertEqual(told["received"], told["sent"])
        self.assertLess(used, 0.5)


def processor_seconds(pid):
    """proc(5): user and system time of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
            with self.subTest(pps=pps), Generator(spec(ports=self.ports()), self.mine) as generator:
                generator.ready()
                bounds = []
                while "none" not in bounds:   # else it says itself that it did not keep the rate
                    if len(bounds) == RATE_TRIES:
                        self.skipTest(f"none of {RATE_TRIES} trials at {pps} packets a second had its core for itself")
                    result = self.counted(generator, pps)
                    bounds.append(result["bound"])
                self.assertLessEqual(abs(result["sent"] / result["seconds"] - pps) / pps, 0.001)

    def counted(self, generator, pps):
        """A trial, of which the kernel counted the same at both ends, and which was not faster than it should."""
        before = self.counter(self.mine, "left", "tx_packets"), self.counter(self.router, "rleft", "rx_packets")
        result = generator.trial(pps=pps, seconds=1, drain=0.3)
        after = self.counter(self.mine, "left", "tx_packets"), self.counter(self.router, "rleft", "rx_packets")
        port = result["ports"][0]
        self.assertEqual([a - b for a, b in zip(after, before)], [port["sent"] + port["answered"]] * 2)
        self.assertEqual(port["sent"], result["sent"])
        self.assertLessEqual(result["sent"] / result["seconds"], pps * 1.001)
        return result

    def test_a_router_is_measured(self):
        with Generator(spec(ports=self.ports()), self.mine) as generator:
            ready = generator.ready()
            self.assertEqual(ready["ports"][0]["gatewayMac"], self.router.mac("rleft"))
            result = generator.trial(pps=2000, seconds=1, drain=0.5)
        told = counts(result)
        self.assertEqual((told["received"], told["lost"], told["corrupted"], told["strayed"]), (told["sent"], 0, 0, 0))
        self.assertEqual(result["due"], 2000)
        self.assertGreater(told["latency"]["min"], 0)

    def test_what_its_own_ring_has_no_room_for_is_missed(self):
        """10,000 packets come while the generator stands still: more than its rings hold, also the lab's own."""
        for ring in ("", wiring.GENERATOR_RING):
            ports = self.ports()
            ports[0]["device"] += ring
            with Generator(spec(ports=ports), self.mine) as generator:
                generator.ready()
                before = self.counter(self.mine, "left", "rx_packets")
                generator.tell(do="trial", id=1, seconds=1, pps=1000, drain=0.3)
                time.sleep(0.2)
                generator.process.send_signal(signal.SIGSTOP)
                run("ip", "netns", "exec", self.router.name, sys.executable, "-c", FLOOD)
                generator.process.send_signal(signal.SIGCONT)
                result = generator.expect("trial")
                came = self.counter(self.mine, "left", "rx_packets") - before
            port = result["ports"][0]
            self.assertGreaterEqual(came, 10000)
            self.assertGreater(port["missed"], 0)
            self.assertEqual(port["missed"] + port["received"], came)
            self.assertGreaterEqual(port["received"], 4096 if ring else 512)
            self.assertEqual(result["bound"], "generator")

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


if __name__ == "__main__":
    story.main()
