"""What a result says to Service Mesh Performance: as JSON, and as protobuf."""
import datetime
import pathlib
import subprocess
import sys
import tempfile
import unittest

from google.protobuf import json_format

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeBench, FakeDevice  # noqa: E402
from penstock_lab import book, smp, smp_binary  # noqa: E402
from penstock_lab.errors import WrongInput  # noqa: E402

# Field names and kinds of the messages of the Service Mesh Performance specification (service_mesh_performance.proto).
CLIENT = {"internal": bool, "load_generator": str, "protocol": str, "connections": int, "rps": int, "headers": dict, "cookies": dict,
          "body": str, "content_type": str, "endpoint_url": list}
CONFIG = {"smp_version": str, "id": str, "name": str, "labels": dict, "clients": list, "duration": str}
RESULT = {"smp_version": str, "id": str, "labels": dict, "start_time": str, "end_time": str, "latencies_ms": dict, "actual_QPS": float,
          "details_uri": str, "testId": str, "meshConfigId": str, "envId": str}
LATENCY = {name: float for name in ("min", "average", "p50", "p90", "p99", "max")}


class Messages(unittest.TestCase):
    def setUp(self):
        one = book.Book("dut", {"size": 64})
        one.figure("throughput", "pps", "higher", 1e6)
        one.figure("cycles", "cycles/packet", "lower", 250)
        one.figure("lost", "packets", "lower", 3)
        one.figure("latency_p99.99", "ns", "lower", 5_000_000)
        one.figure("rate", "requests/s", "higher", 5000.0)
        one.latency(FakeDevice(1e9, delay=2_000_000).trial(1000, 1.0), FakeBench(None))
        self.result = {"name": "self_test", "digest": "0" * 64, "partial": False, "seed": 1, "command": "penstock-lab run x",
                       "stability": {"trusted": True, "reasons": [], "checks": []}, "started": "2026-01-01T00:00:00Z",
                       "seconds": 90.5, "figures": one.figures_of_result(1), "latencies": one.latencies_of_result(),
                       "scenario": {"clients": {"target": "192.0.2.1:80", "connections": 64, "arrivals": {"open": {"rate": 5000}},
                                                "request": {"path": "/128", "headers": {"host": "shop"}}}}}


class Json(Messages):
    def assert_message(self, message, fields):
        for name, value in message.items():
            self.assertIn(name, fields)
            self.assertIsInstance(value, fields[name], name)

    def test_messages_have_the_specifications_fields_and_no_other(self):
        told = smp.document(self.result)
        self.assert_message(told["config"], CONFIG)
        self.assert_message(told["config"]["clients"][0], CLIENT)
        (message,) = told["results"]
        self.assert_message(message, RESULT)
        self.assert_message(message["latencies_ms"], LATENCY)
        self.assertTrue(all(isinstance(text, str) for text in message["labels"].values()))

    def test_figures_arrive_in_their_units(self):
        told = smp.document(self.result)
        (message,) = told["results"]
        self.assertEqual(message["actual_QPS"], 5000)
        self.assertEqual(message["latencies_ms"], {name: 2.0 for name in LATENCY})
        self.assertEqual((message["start_time"], message["end_time"]), ("2026-01-01T00:00:00.000Z", "2026-01-01T00:01:30.500Z"))
        labels = {name.removeprefix("penstock."): value for name, value in message["labels"].items()}
        self.assertEqual((labels["pps"], labels["drops"], labels["cycles_per_packet"], labels["p99.99_ms"], labels["size"]),
                         ("1000000.0", "3.0", "250.0", "5.0", "64"))
        client = told["config"]["clients"][0]
        self.assertEqual((client["protocol"], client["connections"], client["rps"], client["endpoint_url"]),
                         ("http", 64, 5000, ["http://192.0.2.1:80/128"]))
        self.assertEqual(message["testId"], told["config"]["id"])

    def test_the_same_result_has_the_same_identity(self):
        self.assertEqual(smp.document(self.result), smp.document(self.result))

    def test_what_the_messages_cannot_hold_is_not_said(self):
        clients = self.result["scenario"]["clients"]
        for connections in (1 << 31, -1, True, "64"):
            clients["connections"] = connections
            self.assertEqual(smp.document(self.result)["config"]["clients"][0]["connections"], 0, connections)


class Binary(Messages):
    """What the JSON says, in protobuf."""

    def test_both_forms_say_the_same(self):
        told, binary = smp.document(self.result), smp_binary.messages(self.result)
        self.assertEqual([name for name, _ in binary], ["config", "result-1"])
        classes = smp_binary._classes()
        for (_, data), kind, said in zip(binary, ("PerformanceTestConfig", "PerformanceTestResult"), (told["config"], *told["results"])):
            message = classes[kind].FromString(data)
            again = json_format.MessageToDict(message, preserving_proto_field_name=True)
            self.assertEqual({name: again[name] for name in said if name not in ("clients", "start_time", "end_time")},
                             {name: value for name, value in said.items() if name not in ("clients", "start_time", "end_time")})
            for name in ("start_time", "end_time"):
                if name in said:
                    self.assertEqual(getattr(message, name).ToMilliseconds(),
                                     round(datetime.datetime.fromisoformat(said[name].replace("Z", "+00:00")).timestamp() * 1000))
        client = classes["PerformanceTestConfig"].FromString(binary[0][1]).clients[0]
        self.assertEqual((client.connections, client.rps, dict(client.headers), list(client.endpoint_url), client.protocol),
                         (64, 5000, {"host": "shop"}, ["http://192.0.2.1:80/128"], 0))

    def test_numbers_of_fields_are_the_specifications(self):
        """protoc, which knows nothing of our description."""
        (_, config), (_, message) = smp_binary.messages(self.result)
        raw = lambda data: subprocess.run(["protoc", "--decode_raw"], input=data, capture_output=True, check=True).stdout.decode()   # noqa: E731
        said = raw(message)
        self.assertRegex(said, r'(?m)^1: "v0.0.1"$')
        self.assertRegex(said, r'(?m)^3 \{\n  1: "penstock.p99.99_ms"\n  2: "5.0"\n\}$')        # labels, with what is ours
        self.assertRegex(said, r"(?m)^4 \{\n  1: 1767225600\n\}$")                              # start_time
        self.assertRegex(said, r"(?m)^5 \{\n  1: 1767225690\n  2: 500000000\n\}$")
        self.assertRegex(said, r"(?m)^6 \{\n" + "".join(rf"  {n}: 0x4000000000000000\n" for n in range(1, 7)))    # 2.0
        self.assertRegex(said, r"(?m)^7: 0x40b3880000000000$")                                   # 5000.0
        self.assertRegex(said, r'(?m)^9: "')
        said = raw(config)
        self.assertRegex(said, r'(?m)^3: "self_test"$')
        self.assertRegex(said, r'(?m)^5 \{\n  2: "penstock-lab"\n  4: 64\n  5: 5000\n  6 \{\n(?:    .*\n)+    2: "shop"\n  \}\n'
                               r'  10: "http://192.0.2.1:80/128"\n\}$')
        self.assertRegex(said, r'(?m)^6: "90.5s"$')

    def test_a_file_for_each_message(self):
        with tempfile.TemporaryDirectory() as directory:
            smp_binary.write([self.result, self.result], pathlib.Path(directory) / "new")
            files = sorted(path.name for path in (pathlib.Path(directory) / "new").iterdir())
        self.assertEqual(files, [f"{n}-self_test-{what}.pb" for n in ("01", "02") for what in ("config", "result-1")])

    def test_a_text_that_protobuf_cannot_hold_is_wrong_input(self):
        self.result["command"] = "\ud800"
        with self.assertRaisesRegex(WrongInput, "self_test: is no message"):
            smp_binary.messages(self.result)


if __name__ == "__main__":
    unittest.main()
