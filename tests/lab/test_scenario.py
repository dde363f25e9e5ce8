"""Scenarios are read safely, and everything that is wrong with one is said at once."""
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import document, scenario  # noqa: E402
from penstock_lab.errors import WrongInput  # noqa: E402

GOOD = """
name: self_test
about: The lab itself.
traffic: packets
wiring: loop
subjects: [{driver: loop}]
streams: [{size: 64}]
method: {name: throughput}
"""


class ScenarioTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.directory.name) / "s.yaml"
        self.addCleanup(self.directory.cleanup)

    def load(self, text=GOOD, **options):
        self.path.write_text(text)
        return scenario.load(self.path, **options)

    def faults(self, text, **options):
        with self.assertRaises(WrongInput) as caught:
            self.load(text, **options)
        self.assertTrue(all(sentence.startswith(f"{self.path}: ") for sentence in caught.exception.sentences),
                        caught.exception.sentences)
        return [sentence.removeprefix(f"{self.path}: ") for sentence in caught.exception.sentences]

    def test_defaults_are_filled_in(self):
        (one,), whole = self.load()
        self.assertEqual((one.turns, one.seed, one.huge, one.conditions), (3, 1, False, {}))
        self.assertEqual([(s.name, s.driver) for s in one.subjects], [("loop", "loop")])
        self.assertEqual(one.method.seconds, 1.0)
        self.assertEqual(whole["name"], "self_test")

    def test_every_fault_is_named_at_once_with_what_would_be_valid(self):
        found = self.faults("""
name: Self Test
traffic: packets
wiring: loops
subjects: [{driver: loop}, {driver: loop}, {name: 3, driver: x, colour: red}]
streams: []
turns: 0
seed: 1.5
colour: blue
cores: {generator: [4096], subject: 1}
memory: {huge: perhaps, megabytes: 1}
method: {name: throughput, seconds: -1, lossRatio: 2, resolution: .nan, most: 10, least: 11, speed: 9}
""")
        for expected in ("name: 'Self Test' is not a name of a-z, 0-9 and _", "wiring: 'loops' is none of loop, ring, memif",
                         "subjects[1].name: 'loop' is there twice", "subjects[2].name: 3 is not a text", "subjects[2].colour: is not known",
                         "streams: traffic: packets needs at least one", "turns: 0 is below 1", "seed: 1.5 is not a whole number",
                         "colour: is not known here; known: about, ", "cores.generator: [4096] is not", "cores.subject: 1 is not",
                         "memory.huge: 'perhaps' is neither true nor false", "memory.megabytes: 1 is below 64",
                         "method.seconds: -1 is below 0.01", "method.lossRatio: 2 is above 0.5", "method.resolution: '.nan' is not a number",
                         "method.least: 11 is above most, 10", "method.speed: is not known here"):
            self.assertTrue(any(fault.startswith(expected) for fault in found), (expected, found))

    def test_what_is_missing_is_named(self):
        found = self.faults("about: nothing else\n")
        self.assertEqual({fault.split(":")[0] for fault in found if "is missing" in fault},
                         {"name", "traffic", "wiring", "subjects", "method", "method.name"})

    def test_a_method_is_told_which_traffic_it_is_for(self):
        self.assertIn("method.name: capacity is not for traffic: packets; it is for requests",
                      self.faults(GOOD.replace("throughput", "capacity, of: requests")))
        self.assertIn("clients: means nothing with traffic: packets", self.faults(GOOD + "clients: {target: x}\n"))
        self.assertIn("wiring: replay goes with traffic: memory, and only with it", self.faults(GOOD.replace("loop\n", "replay\n", 1)))

    def test_clients_that_cannot_do_what_the_method_asks(self):
        text = """
name: r
traffic: requests
wiring: veth
subjects: [{driver: loop}]
clients: {target: 192.0.2.1:80, connections: 10, arrivals: {closed: {}}}
method: {name: NAME}
"""
        for method, arrivals in (("latency", "open"), ("capacity, of: requests", "open"), ("open, rates: [1]", "open"),
                                 ("capacity, of: concurrent", "hold")):
            self.assertIn(f"clients.arrivals: the method {method.split(',')[0]} needs {{{arrivals}: …}}",
                          self.faults(text.replace("NAME", method)))
        for method in ("rate", "open"):
            self.load(text.replace("NAME", method))

    def test_variants_are_every_combination_and_keep_their_types(self):
        made, _ = self.load(GOOD.replace("size: 64", "size: '${size}', name: 'of ${size} to ${where}'") +
                            "variants: {size: [64, 512], where: [a, b]}\n")
        self.assertEqual([one.conditions for one in made],
                         [{"size": s, "where": w} for s in (64, 512) for w in ("a", "b")])
        self.assertEqual(made[2].streams[0], {"size": 512, "name": "of 512 to a"})

    def test_variants_that_make_no_sense(self):
        self.assertIn("streams[0].size: ${sise} is no variant; variants: size",
                      self.faults(GOOD.replace("size: 64", "size: '${sise}'") + "variants: {size: [64]}\n"))
        self.assertIn("variants.size: 64 is not a list of values", self.faults(GOOD + "variants: {size: 64}\n"))
        self.assertIn("variants.size[0]: [1] is not a number, text, true or false", self.faults(GOOD + "variants: {size: [[1]]}\n"))
        for values in ("[1, 1]", "[a, b, a]", "[1, 1.0]", "[1, '1']", "[1, true]", "[64, 128, 6.4e1]", "[0, -0]", "[0, false]"):
            self.assertTrue(any(fault.startswith("variants.x[") and fault.endswith(" is there twice")
                                for fault in self.faults(GOOD + f"variants: {{x: {values}}}\n")), values)
        self.assertEqual(len(self.faults(GOOD + "variants: {x: [1, 1.0, '1', true]}\n")), 3)
        self.assertEqual(len(self.load(GOOD + "variants: {x: [1, 2, '3', a, b, false, 1.5, 9007199254740991, 9007199254740990]}\n")[0]), 9)
        self.assertIn("variants: 10000 combinations are above 1000",
                      self.faults(GOOD + f"variants: {{a: {list(range(100))}, b: {list(range(100))}}}\n"))

    def test_short_is_merged_over_everything(self):
        text = GOOD + "turns: 5\nshort: {turns: 1, method: {seconds: 0.1}}\n"
        (whole,), _ = self.load(text)
        (short,), resolved = self.load(text, short=True)
        self.assertEqual((whole.turns, whole.method.seconds), (5, 1.0))
        self.assertEqual((short.turns, short.method.seconds, short.method.NAME), (1, 0.1, "throughput"))
        self.assertNotIn("short", resolved)

    def test_settings_reach_into_lists_and_are_checked_like_the_file(self):
        (one,), _ = self.load(settings=["streams[0].size=512", "method.seconds=2.5", "about=x"], seed=7)
        self.assertEqual((one.streams[0]["size"], one.method.seconds, one.about, one.seed), (512, 2.5, "x", 7))
        self.assertIn("method.seconds: 'long' is not a number", self.faults(GOOD, settings=["method.seconds=long"]))
        for setting in ("streams[9].size=1", "nonsense", "=1", "[0]=1", "name.of=1", "a=[", "streams.size=1"):
            with self.subTest(setting), self.assertRaises(WrongInput):
                self.load(settings=[setting])

    def test_the_digest_is_of_the_content(self):
        def digest(text, **options):
            return scenario.digest(self.load(text, **options)[1])

        self.assertEqual(digest(GOOD), digest(GOOD.replace("wiring: loop\n", "") + "wiring: loop   # same\n"))
        self.assertNotEqual(digest(GOOD), digest(GOOD, seed=2))

    def test_hostile_documents_are_refused_with_one_line(self):
        for text, expected in (
                ("a: &a [1]\nb: *a\n", "aliases"), ("a: 1\na: 2\n", "is there twice"), ("!!python/object/apply:os.system [x]", "tag"),
                ("? [1]\n: 2\n", "name must be a text"), ("[" * 40 + "]" * 40, "levels"), ("a: [", "line 1"), ("- 1\n", "not a mapping"),
                ("", "not a mapping"), ("a: \x00", "special characters")):
            with self.subTest(text):
                found = self.faults(text)
                self.assertEqual(len(found), 1)
                self.assertIn(expected, found[0])
                self.assertNotIn("\n", found[0])

    def test_files_that_are_no_scenario(self):
        self.path.write_bytes(b"\xff\xfe")
        self.assertRaisesRegex(WrongInput, "is not UTF-8", document.read, self.path)
        self.path.write_bytes(b"#" * (document.LARGEST_FILE + 1))
        self.assertRaisesRegex(WrongInput, "more than 1048576 bytes", document.read, self.path)
        self.assertRaisesRegex(WrongInput, "Is a directory", document.read, self.directory.name)
        self.assertRaisesRegex(WrongInput, "No such file", document.read, self.path.with_name("x"))

    def test_only_what_json_has_is_read(self):
        for value, expected in (("!!set {a, b}", "the tag"), ("!!binary aGk=", "the tag"), ("!!timestamp 2020-01-01", "the tag"), ("!!omap [a: 1]", "the tag"),
                                ("{1: 2}", "name must be a text"), ("{null: 2}", "name must be a text"), ('"\\ud800"', "half a character"),
                                ("9" * 5000, "a number of more than 1000 digits"), ("!!int 0x10", "'0x10' is no number of JSON"),
                                ("!!float .inf", "'.inf' is no number of JSON"), ("!!int []", "[] is no number of JSON"),
                                ("!!int \"1\\n\"", "is no number of JSON"), ("1e999", "'1e999' is beyond all numbers")):
            with self.subTest(value[:20]):
                found = self.faults(GOOD + f"seed: {value}\n")
                self.assertEqual(len(found), 1)
                self.assertIn(expected, found[0])
                self.assertLess(len(found[0]), 100)
        self.assertEqual(self.load(GOOD.replace("The lab itself.", "2020-01-01"))[0][0].about, "2020-01-01")

    def test_numbers_are_those_of_json(self):
        for text in ("0", "-0", "10", "1.5", "1e9", "1E9", "1e+9", "1e-7", "-1.5E+3", "1.0e+10", "1e6", "9007199254740993", "123456789.125"):
            with self.subTest(text):
                value = document.parse(f"{{a: {text}}}")["a"]
                self.assertEqual((value, type(value)), (json.loads(text), type(json.loads(text))))
        for text in ("010", "1_000", "0x10", "0b1", "0o7", "52:54:00:12:34:56", "1:30", ".5", "5.", "+3", ".inf", "-.inf", ".nan", "1e", "e9", "1e9x"):
            with self.subTest(text):
                self.assertEqual(document.parse(f"{{a: {text}}}")["a"], text)

    def test_numbers_as_the_manual_writes_them(self):
        text = GOOD + "ports: [{name: left, lineRate: 1e10}]\n"
        (one,), _ = self.load(text.replace("size: 64", "size: 64, rate: {bps: 1e9}").replace("throughput", "soak, load: 1e6, lossRatio: 1e-7"))
        self.assertEqual((one.streams[0]["rate"]["bps"], one.method.load, one.method.ratio, one.ports[0]["lineRate"]), (1e9, 1e6, 1e-7, 1e10))
        (one,), _ = self.load(GOOD, settings=["method.most=1e6", "streams[0].rate={pps: 2.5e5}"])
        self.assertEqual((one.method.search.most, one.streams[0]["rate"]["pps"]), (1e6, 2.5e5))

    def test_ports_have_names_and_no_files(self):
        for port, expected in (("{name: ''}", "name: '' is not a name"), ("{name: 0}", "name: 0 is not a text"), ("{name: [1]}", "name: [1] is not a text"),
                               ("left", "'left' is not a mapping"), ("{name: left, device: 7}", "device: 7 is not a text"),
                               ("{name: left, device: 'net_pcap0,iface=x, tx_pcap =/etc/x'}", "device: tx_pcap: a device of files is not for a scenario"),
                               ("{name: left, device: 'bus=vdev,name=net_pcap0/driver=pcap/rx_pcap=x'}", "device: rx_pcap: ")):
            with self.subTest(port):
                found = self.faults(GOOD + f"ports: [{port}]\n")
                self.assertTrue(any(expected in fault and fault.startswith("ports[0]") for fault in found), found)
        self.assertEqual(len(self.load(GOOD + "ports: [{name: left, device: '0000:01:00.0', lineRate: 1.0e+10}]\n")[0][0].ports), 1)

    def test_cores_are_numbers(self):
        for value in ("true", "1.0", "[0]", "x"):
            self.assertTrue(any(fault.startswith("cores.subject: ") for fault in self.faults(GOOD + f"cores: {{subject: [{value}]}}\n")), value)

    def test_numbers_beyond_every_number(self):
        self.assertIn("turns: 2.0 is not a whole number", self.faults(GOOD + "turns: 2.0\n"))
        self.assertTrue(any(fault.startswith("turns: ") for fault in self.faults(GOOD + f"turns: {10 ** 400}\n")))
        self.assertEqual(self.load(GOOD + "turns: 100\n")[0][0].turns, 100)
        self.assertIn("turns: 101 is above 100", self.faults(GOOD + "turns: 101\n"))
        self.assertIn("turns: '.inf' is not a number", self.faults(GOOD + "turns: .inf\n"))
        self.assertIn("turns: True is not a number", self.faults(GOOD + "turns: true\n"))


if __name__ == "__main__":
    unittest.main()
