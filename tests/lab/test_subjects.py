"""The drivers' checks of what comes from outside, and the files of wiring replay: nothing is started here."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "perf"))
from penstock_lab import inputs, subjects, wiring  # noqa: E402
from penstock_lab.subjects import dpdk, kernel_time, tunnel  # noqa: E402
from penstock_lab.subjects.base import Missing  # noqa: E402


def stream(size=64, source="10.0.0.1", destination="198.18.1.1", protocol="udp", **ports):
    return {"size": size, "headers": {"ipv4": {"source": source, "destination": destination}, protocol: {"source": 1024, "destination": 9, **ports}}}


def frames_of(path):
    data, at, found = path.read_bytes(), 24, []
    while at < len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found


def words_sum(data):
    """Zero when the check sum in `data` is right (RFC 1071: all words add up to minus zero)."""
    return sum(int.from_bytes(data[at:at + 2], "big") for at in range(0, len(data), 2)) % 0xffff


def words(faults):
    """Faults of the scenario, not of this machine."""
    return [str(fault) for fault in faults if not isinstance(fault, Missing)]


class Checks(unittest.TestCase):

    def faults(self, driver, config, wiring_name):
        return words(subjects.driver(driver)(config).check(config, wiring_name))

    def test_every_driver_is_there_and_likes_its_defaults(self):
        good = {"penstock": "replay", "testpmd": "memif", "l3fwd": "replay", "haproxy": "veth", "nginx": "veth", "kernel": "veth"}
        for name, wiring_name in good.items():
            self.assertEqual(self.faults(name, {}, wiring_name), [], name)

    def test_a_wiring_that_a_driver_cannot_have_names_those_it_can(self):
        for name, wrong in (("penstock", "ring"), ("l3fwd", "veth"), ("haproxy", "memif"), ("ipsec-secgw", "memif"), ("kernel", "replay")):
            fault = self.faults(name, {"esp": {}} if name == "ipsec-secgw" else {}, wrong)
            self.assertEqual(len(fault), 1, fault)
            self.assertIn(wrong, fault[0])
            self.assertIn(subjects.driver(name).wirings[0], fault[0])

    def test_each_wrong_field_is_one_fault_with_its_path(self):
        wrong = {"filter": 100_001, "nat": {"endpoints": 0, "port": "http", "address": "203.0.113.256", "colour": 1}, "limits": 3, "idle": "busy", "rules": 7,
                 "esp": {"cipher": "DES"}}
        found = self.faults("penstock", wrong, "replay")
        for path in ("config.filter", "config.nat.endpoints", "config.nat.port", "config.nat.address", "config.nat.colour", "config.limits", "config.idle",
                     "config.rules", "config.esp.cipher"):
            self.assertEqual(sum(f.startswith(path + ":") for f in found), 1, (path, found))
        self.assertEqual(len(found), 9, found)

    def test_configurations_that_are_no_mappings(self):
        for name, wiring_name in (("penstock", "replay"), ("testpmd", "replay"), ("nginx", "veth"), ("external", "nic")):
            for config in ("text", ["list"], 7):
                self.assertTrue(self.faults(name, config, wiring_name), (name, config))

    def test_what_does_not_go_together(self):
        self.assertIn("config.proxy", self.faults("penstock", {"proxy": {}}, "replay")[0])
        self.assertIn("decrypt", self.faults("penstock", {"esp": {"operation": "decrypt"}}, "memif")[0])
        self.assertIn("config.esp", self.faults("crypto-perf", {}, "replay")[0])
        self.assertIn("one peer", self.faults("ipsec-secgw", {"esp": {"peers": 2}}, "replay")[0])

    def test_an_external_device_is_described_wholly(self):
        port = {"name": "left", "device": "0000:ff:1f.7", "address": "198.51.100.2/24", "gateway": "198.51.100.1"}
        found = subjects.driver("external")().check({"ports": [port]}, "nic")
        self.assertEqual([type(f) for f in found], [Missing], found)
        self.assertIn("0000:ff:1f.7", found[0])
        for change, path in (({"gateway": "10.0.0.1"}, "gateway"), ({"address": "300.0.0.1/24"}, "address"), ({"interface": "lo"}, "device"),
                             ({"answers": ["x"]}, "answers"), ({"device": "net_pcap0,rx_pcap=x"}, "device"),
                             ({"answers": 7}, "answers"), ({"answers": [{}]}, "answers"), ({"speed": 1}, "speed")):
            found = self.faults("external", {"ports": [{**port, **change}]}, "nic")
            self.assertTrue(any(f.startswith(f"config.ports[0].{path}") for f in found), (change, found))
        self.assertTrue(self.faults("external", {}, "nic"))

    def test_an_external_devices_interfaces_are_looked_for(self):
        for device, missing in (("net_af_packet0,iface=nowhere0", True), ("net_af_xdp0,queue_count=1,iface=nowhere0", True),
                                ("net_pcap0,iface=nowhere0", True), ("bus=vdev,name=x/driver=af_packet/iface=nowhere0", True),
                                ("net_af_packet0,iface=lo,qpairs=1", False), ("net_tap0,iface=nowhere0", False)):
            found = subjects.driver("external")().check({"ports": [{"name": "left", "device": device, "address": "192.0.2.1/24"}]}, "nic")
            self.assertEqual([str(one) for one in found], ["config.ports: left: no interface nowhere0 in this machine"] if missing else [], device)
            self.assertTrue(all(isinstance(one, Missing) for one in found))


class Costs(unittest.TestCase):
    """Busy seconds in the kernel's network, of what /proc would say."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.proc = pathlib.Path(directory.name)

    def write(self, softirq, busy, threads, ended=0):
        """`threads`: {number: (ticks, core)}; `ended`: ticks of threads that are no more."""
        self.proc.joinpath("stat").write_text(f"cpu0 9 9 9 9 9 9 9 9 0 0\ncpu1 {busy - softirq} 0 0 500 0 0 {softirq} 0 0 0\n")
        for path, ticks, core in (("7", ended + sum(t for t, _ in threads.values()), 0), *((f"7/task/{n}", *one) for n, one in threads.items())):
            (self.proc / path).mkdir(parents=True, exist_ok=True)
            fields = ["S"] + ["0"] * 40
            fields[11], fields[12], fields[36] = str(ticks - ticks // 3), str(ticks // 3), str(core)
            (self.proc / path / "stat").write_text(f"7 (a (b) c) {' '.join(fields)}\n")

    def spent(self, *later, pid=7):
        """Ticks counted from an idle beginning to each of these."""
        self.write(0, 0, {1: (0, 1), 2: (0, 0)})
        cost, found = kernel_time.KernelTime([1], pid, self.proc), []
        self.assertEqual(cost.seconds(), 0)
        for one in later:
            self.write(*one)
            found.append(round(cost.seconds() * os.sysconf("SC_CLK_TCK")))
        return found

    def test_an_interrupt_while_the_process_runs_is_counted_once(self):
        self.assertEqual(self.spent((35, 100, {1: (100, 1), 2: (0, 0)})), [100])
        self.assertEqual(self.spent((30, 90, {1: (40, 1), 2: (0, 0)})), [70])   # the other 20 were somebody else's

    def test_each_interval_has_a_bound_of_its_own(self):
        self.assertEqual(self.spent((0, 80, {1: (20, 1), 2: (0, 0)}), (35, 180, {1: (120, 1), 2: (0, 0)})), [20, 120])

    def test_threads_elsewhere_and_threads_that_ended_are_the_subjects_too(self):
        self.assertEqual(self.spent((20, 100, {1: (95, 1), 2: (30, 0)}), (20, 100, {1: (95, 1)}, 40)), [130, 140])

    def test_a_subject_without_a_process_costs_its_interrupts(self):
        self.assertEqual(self.spent((60, 80, {}), pid=None), [60])


class Ends(unittest.TestCase):

    def test_what_dpdk_leaves_is_removed_also_when_its_program_does_not_end(self):
        with tempfile.TemporaryDirectory() as directory, mock.patch.dict(os.environ, RUNTIME_DIRECTORY=directory):
            subject = subjects.driver("testpmd")({})
            subject._prefix, subject.process = "lab", mock.Mock(stop=mock.Mock(side_effect=KeyboardInterrupt))
            dpdk.runtime_directory("lab").mkdir(parents=True)
            self.assertRaises(KeyboardInterrupt, subject.stop)
            self.assertFalse(dpdk.runtime_directory("lab").exists())

    @unittest.skipUnless(shutil.which("nginx"), "nginx is not installed")
    def test_nginx_understands_its_configuration_and_writes_no_answer_to_a_file(self):
        with tempfile.TemporaryDirectory() as directory:
            words = subjects.driver("nginx")({}).words(pathlib.Path(directory), "127.0.0.1:80", "127.0.0.1:81", "http")
            done = subprocess.run([*words, "-t"], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("[warn]", done.stderr)
            self.assertIn("proxy_max_temp_file_size 0;", pathlib.Path(words[-1]).read_text())


class Wires(unittest.TestCase):

    def test_masks_of_cores_are_words_of_32(self):
        for cores, mask in (([0], "1"), ([1, 0, 1], "3"), ([31], "80000000"), ([32], "1,00000000"), ([3, 70], "40,00000000,00000008")):
            self.assertEqual(wiring.cpu_mask(cores), mask)


class Inputs(unittest.TestCase):

    def write(self, streams, **options):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "x.pcap"
            inputs.write(path, {"streams": streams, "seed": 1}, wiring.LEFT, **options)
            return frames_of(path)

    def test_every_flow_is_there_once(self):
        """A counter of mixed radix: the product of independent fields, grouped ones together."""
        frames = self.write([stream(source={"from": "10.0.0.1", "count": 30, "group": "g"}, destination={"from": "198.18.0.1", "count": 30, "group": "g"})])
        self.assertEqual(len(frames), 270)
        self.assertEqual(len({f[26:34] for f in frames}), 30)
        one = stream(source={"from": "10.0.0.1", "count": 25})
        one["headers"]["udp"]["source"] = {"from": 1024, "count": 20, "step": 3}
        frames = self.write([one])
        self.assertEqual((len(frames), len({f[26:38] for f in frames})), (500, 500))
        self.assertEqual(inputs.flows([one]), 500)

    def test_headers_are_right(self):
        for protocol in ("udp", "tcp"):
            for frame in self.write([stream(100, protocol=protocol)])[:3]:
                self.assertEqual(len(frame), 96)
                self.assertEqual(frame[:6].hex(), wiring.LEFT.mac.replace(":", ""))
                self.assertEqual(words_sum(frame[14:34]), 0)
                if protocol == "tcp":
                    pseudo = frame[26:34] + struct.pack("!HH", 6, len(frame) - 34)
                    self.assertEqual(words_sum(pseudo + frame[34:]), 0)

    def test_sizes_come_in_their_proportions(self):
        sizes = [len(f) + 4 for f in self.write([stream("imix", source={"from": "10.0.0.1", "count": 1200})])]
        self.assertEqual([sizes.count(s) for s in (64, 594, 1518)], [700, 400, 100])
        sizes = [len(f) + 4 for f in self.write([stream({"emix": "ag"}, source={"from": "10.0.0.1", "count": 300})])]
        self.assertEqual([sizes.count(s) for s in (64, 1518)], [150, 150])

    def test_the_same_scenario_makes_the_same_bytes(self):
        random_ = stream("imix", source={"from": "10.0.0.1", "count": 500, "order": "random"}, protocol="tcp")
        self.assertEqual(self.write([random_]), self.write([random_]))

    def test_neighbours_say_where_they_are(self):
        frames = self.write([stream()], neighbours=3)
        self.assertEqual([f[12:14].hex() for f in frames[:4]], ["0806", "0806", "0806", "0800"])

    def test_a_sealed_datagram_opens_with_the_keys_that_the_subjects_get(self):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        for cipher in tunnel.CIPHERS:
            esp = {"cipher": cipher, "operation": "decrypt", "peers": 1, "associations": 1}
            plain = self.write([stream(99)])[0][14:]
            sealed = self.write([stream(99)], seal=tunnel.sealer(esp))[0][14:]
            with tempfile.TemporaryDirectory() as directory:
                path = pathlib.Path(directory) / "keys"
                tunnel.write_keys(path, esp, 0)
                self.assertEqual(path.stat().st_mode & 0o77, 0)
                line = [line.split() for line in path.read_text().splitlines() if line.startswith("in ")][0]
            key = bytes.fromhex(line[2])
            self.assertEqual(int.from_bytes(sealed[20:24], "big"), int(line[1]))
            opened = AESGCM(key[:-4]).decrypt(key[-4:] + sealed[28:36], sealed[36:], sealed[20:28])
            self.assertEqual(opened[:len(plain)], plain)
            self.assertEqual((opened[-1], len(opened) % 4), (4, 0))

    def test_streams_that_no_file_can_hold(self):
        for wrong in (stream(63), stream(1519), stream("mixture"), stream(source="10.0.0"), {"headers": {"ipv6": {}}}, {"pcap": {"file": "x"}}, "text",
                      stream(source={"from": "10.0.0.1", "count": 0}), stream(source={"from": "10.0.0.1", "count": 200_001})):
            found = inputs.check([wrong])
            self.assertTrue(found and all(f.startswith("streams[0]") for f in found), (wrong, found))
        many = stream(source={"from": "10.0.0.1", "count": 150_000})
        self.assertEqual(inputs.check([many]), [])
        self.assertEqual(inputs.check([many, many]), ["streams: 300000 frames of all together are more than the 200000 of a file"])
        self.assertEqual(len(inputs.check([])), 1)
        self.assertEqual(inputs.check([stream(), stream("imix", protocol="tcp")]), [])


if __name__ == "__main__":
    unittest.main()
