"""The devices under test of penstock-lab: each is started for real, forwards, counts, and leaves nothing behind."""
import os
import pathlib
import re
import shutil
import signal
import sys
import time
import unittest

import rig

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import subjects  # noqa: E402
from penstock_lab.subjects.base import Place, SubjectError  # noqa: E402
from penstock_lab.subjects.dpdk import runtime_directory  # noqa: E402

ANY = {"from": "10.0.0.1", "count": 500}
PLAIN = [{"size": 64, "headers": {"ipv4": {"source": ANY, "destination": "198.18.1.1"}, "udp": {}}}]
SERVICE = [{"size": 64, "headers": {"ipv4": {"source": ANY, "destination": "203.0.113.10"}, "udp": {"destination": 80}}}]
FOUR = [{"size": 82, "headers": {"ipv4": {"source": "10.9.0.1", "destination": {"from": "198.18.0.1", "count": 4}}, "udp": {}}}]
INWARD = [{"size": 530, "headers": {"ipv4": {"source": "198.18.0.1", "destination": {"from": "10.9.0.1", "count": 256}}, "udp": {}}}]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


def traces():
    """What a subject could leave behind on this machine: programs of ours, namespaces, files of DPDK."""
    programs = set()
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if re.search(rf"pstk{os.getpid()}-|/penstock-subjects-|lab{os.getpid()}-", words):
            programs.add(words)
    files = {str(p) for d in ("/dev/hugepages", "/var/run/dpdk") for p in pathlib.Path(d).glob(f"*{os.getpid()}*")}
    return programs | files | {str(p) for p in pathlib.Path("/run/netns").glob(f"pstk{os.getpid()}-*")}


class Subjects(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for network namespaces")
        if len(os.sched_getaffinity(0)) < 2:
            raise unittest.SkipTest("needs two cores")

    def setUp(self):
        self.before = traces()
        self.lab = rig.Lab("subjects")
        self.addCleanup(lambda: self.assertEqual(traces(), self.before))
        self.addCleanup(self.lab.close)

    def start(self, name, config, wiring_name, streams=PLAIN, **scenario):
        """A running subject and the ports it offers; stopped with the test."""
        subject = subjects.driver(name)(config)
        faults = subject.check(config, wiring_name)
        if faults:
            self.skipTest("; ".join(faults))
        self.assertTrue(subject.version())
        low, high = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
        place = Place(self.lab, {"generator": [low], "subject": [high]}, wiring_name, False, {"streams": streams, **scenario})
        self.addCleanup(subject.stop)
        return subject, subject.start(place)

    def forwards(self, subject, seconds=0.5):
        """What it did meanwhile: packets go out, and nothing disappears without a name."""
        before = subject.sample()
        time.sleep(seconds)
        after = subject.sample()
        self.assertGreater(after.time, before.time)
        sent, received = after.sent - before.sent, after.received - before.received
        self.assertGreater(sent, 1000)
        self.assertGreater(sent, 0.9 * received)
        self.assertLessEqual(0, after.busy_seconds - before.busy_seconds)
        return before, after

    def test_penstock_forwards_from_memory(self):
        for config, streams in (({}, PLAIN), ({"routes": 100, "filter": 100}, PLAIN), ({"nat": {"endpoints": 3}, "limits": True}, SERVICE),
                                ({"esp": {"peers": 4, "associations": 2}}, FOUR),
                                ({"esp": {"operation": "decrypt"}}, INWARD)):
            with self.subTest(config=config):
                subject, ports = self.start("penstock", config, "replay", streams)
                self.assertEqual(ports, [])
                before, after = self.forwards(subject)
                self.assertGreater(after.cycles, before.cycles)
                self.assertGreater(subject.stages()["parse"], 0)
                subject.stop()

    def test_programs_of_dpdk_forward_from_memory(self):
        for name, config, streams in (("testpmd", {"mode": "io"}, PLAIN), ("l3fwd", {}, SERVICE),
                                      ("ipsec-secgw", {"esp": {}, "mode": "queues"}, PLAIN),
                                      ("ipsec-secgw", {"esp": {"operation": "decrypt", "cipher": "AES-GCM-256"}}, INWARD),
                                      ("crypto-perf", {"esp": {}}, PLAIN)):
            with self.subTest(name=name, config=config):
                subject, _ = self.start(name, config, "replay", streams)
                self.forwards(subject)
                subject.stop()

    def test_what_changes_is_adopted_while_packets_flow(self):
        subject, _ = self.start("penstock", {"nat": {}, "esp": {"peers": 3}}, "replay", SERVICE)
        self.forwards(subject, 1)   # all servers are known by then
        first = subject.sample()
        generation = subject.generation()
        for n in range(3):
            for kind in ("rules", "routes", "endpoints", "keys"):
                subject.change(kind, n)
                self.assertGreater(subject.generation(), generation, kind)
                generation = subject.generation()
        self.forwards(subject)
        lost = {name: count - first.drops.get(name, 0) for name, count in subject.sample().drops.items() if not name.startswith("punt_")}
        lost.pop("neighbour_queue_full", None)   # what waits for a server that is new
        self.assertEqual({name: count for name, count in lost.items() if count}, {})
        with self.assertRaisesRegex(SubjectError, "'weather' is none of rules"):
            subject.change("weather", 0)

    def test_a_restarted_gateway_forwards_again(self):
        subject, _ = self.start("penstock", {}, "replay")
        subject.change("restart", 0)
        rig.wait_until(lambda: subject.sample().sent > 1000, 20, what="packets after a restart")

    def test_a_subject_that_dies_is_named(self):
        for name in ("penstock", "testpmd", "haproxy"):
            with self.subTest(name=name):
                subject, _ = self.start(name, {}, "veth" if name == "haproxy" else "replay", clients={"stack": "kernel"})
                victim = subject.process
                os.killpg(victim.pid, signal.SIGKILL)
                victim.wait(5)
                with self.assertRaisesRegex(SubjectError, f"{name}: ended with status -9"):
                    subject.sample()
                subject.stop()

    def test_a_configuration_that_the_gateway_refuses_is_told_and_leaves_nothing(self):
        with self.assertRaisesRegex(SubjectError, "penstock: refused its configuration"):
            self.start("penstock", {"flows": 1 << 26, "memory": 256}, "replay")

    def test_two_processes_meet_on_shared_memory(self):
        """testpmd sends into one port of the subject and counts at the other."""
        for name, config in (("penstock", {}), ("l3fwd", {}), ("testpmd", {"mode": "io"})):
            with self.subTest(name=name):
                subject, ports = self.start(name, config, "memif")
                self.assertEqual([port.name for port in ports], ["left", "right"])
                for number, port in enumerate(ports):
                    self.assertRegex(port.device, f"^net_memif{number},role=client,")
                generator = self.start_generator(ports)
                rig.wait_until(lambda: subject.sample().received > 1000 or not generator.running(), 20, what=f"packets at {name}")
                generator.stop()
                shutil.rmtree(runtime_directory(f"lab{os.getpid()}-g"))
                subject.stop()

    def start_generator(self, ports):
        core = min(os.sched_getaffinity(0))
        return self.lab.start("generator", "dpdk-testpmd", "-l", f"{core},{max(os.sched_getaffinity(0))}", "--main-lcore",
                              max(os.sched_getaffinity(0)), "--no-pci", "--no-huge", "-m", 256, "--file-prefix", f"lab{os.getpid()}-g",
                              *[word for port in ports for word in ("--vdev", port.device)], "--", "--forward-mode=txonly",
                              "--tx-ip=10.0.0.1,198.18.1.1", "--eth-peer=0,02:00:00:00:00:01", "--auto-start", "--nb-cores=1",
                              "--total-num-mbufs=16384", "--no-lsc-interrupt", "--stats-period=3600")

    def test_proxies_answer_over_virtual_wires(self):
        for name in ("penstock", "haproxy", "nginx"):
            for protocol in ("http", "tcp"):
                with self.subTest(name=name, protocol=protocol):
                    config = {"proxy": {"protocol": protocol}} if name == "penstock" else {"protocol": protocol}
                    subject, (left, right) = self.start(name, config, "veth", clients={"stack": "kernel"})
                    server = right.namespace.start("server", sys.executable, "-c", SERVER, right.address.split("/")[0])
                    rig.wait_until(lambda: ":8080 " in right.namespace.run("ss", "-Hltn").stdout, 5, what="the server")
                    before = subject.sample()
                    answer = left.namespace.run("curl", "-sS", "--max-time", "5", "--retry", "3", "--retry-all-errors", f"http://{left.gateway}/")
                    self.assertEqual(answer.stdout, "ok")
                    self.assertGreater(subject.sample().received, before.received)
                    server.stop()
                    subject.stop()

    def test_the_kernel_routes_over_virtual_wires(self):
        for track in (False, True):
            subject, (left, right) = self.start("kernel", {"conntrack": track}, "veth", clients={"stack": "kernel"})
            left.namespace.add_route("10.0.1.0/24", via=left.gateway)
            right.namespace.add_route("198.51.100.0/24", via=right.gateway)
            self.assertEqual(rig.traffic.ping(left.namespace, right.address.split("/")[0]), 3)
            self.assertGreaterEqual(subject.sample().sent, 6)
            subject.stop()


SERVER = f"""
import socket, sys
listener = socket.create_server((sys.argv[1], 8080))
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall({ANSWER!r})
    connection.close()
"""

if __name__ == "__main__":
    rig.main()
