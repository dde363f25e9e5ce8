"""Packets beside requests, over generators in virtual time: when they flow, for whom, what is told of them, and what is wrong."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
PERF = HERE.parents[1] / "perf"
sys.path.insert(0, str(PERF))
sys.path.insert(0, str(HERE))
from fake_device import FakeDevice  # noqa: E402
from penstock_lab import background, bench, book, result, scenario  # noqa: E402
from penstock_lab.errors import WrongInput  # noqa: E402

SCENARIO = """
name: beside
about: Requests beside packets.
traffic: requests
wiring: loop
subjects: [{name: flooded, driver: loop}, {name: quiet, driver: loop, background: false}]
clients: {stack: own, target: "198.51.100.3:80", connections: 1, arrivals: {closed: {}}}
servers: {stack: own, listen: "198.51.100.3:80", body: 1}
background: {streams: [{rate: {pps: 1000}, size: 64, signature: false}]}
method: {name: rate, seconds: 0.1, warmup: 0.1}
turns: 1
"""


class Run(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        (self.directory / "perf").mkdir()
        for kind in ("packets", "requests"):
            (self.directory / "perf" / f"penstock-lab-{kind}").symlink_to(HERE / "fake_generator.py")
        self.log = self.directory / "log"

    def lab(self, code=0, **fake):
        """(result, what was told to generators, error output)"""
        path, json_file = self.directory / "s.yaml", self.directory / "r.json"
        path.write_text(SCENARIO)
        done = subprocess.run([PERF / "penstock-lab", "run", path, "--json", json_file], text=True, capture_output=True, timeout=60,
                              check=False, stdin=subprocess.DEVNULL, env={
                                  **os.environ, "PENSTOCK_BUILD": str(self.directory), "TMPDIR": str(self.directory),
                                  "PENSTOCK_FAKE": json.dumps({"log": str(self.log), **fake})})
        self.assertEqual(done.returncode, code, done.stderr)
        return result.load(json_file), [json.loads(line) for line in self.log.read_text().splitlines()], done.stderr

    def test_it_flows_around_each_trial_of_those_who_have_it(self):
        found, told, _ = self.lab()
        # Six trials of the generator alone; whether the subject answers, without; its warm-up and trial; and those of the other one, without.
        words = lambda kind: [one["command"]["do"] for one in told if one["kind"] == kind and one["command"]["do"] != "quit"]   # noqa: E731
        self.assertEqual(words("packets"), 8 * ["trial", "stop"])
        self.assertEqual(words("requests"), 12 * ["trial"])
        self.assertEqual({tuple(one["ports"]) for one in told if one["kind"] == "packets"}, {("beside",)})
        figures = {(one["subject"], one["metric"]): one for one in found["figures"]}
        self.assertEqual(figures["flooded", "background_sent"]["value"], 1000)
        self.assertEqual(figures["flooded", "background_sent"]["bound"], "subject")
        self.assertEqual(figures["flooded", "background_loss"]["value"], 0)       # the fake has signatures
        self.assertEqual([key for key in figures if key[0] == "quiet" and "background" in key[1]], [])
        compared = {one["metric"]: one for one in found["comparisons"]}
        self.assertEqual((compared["rate"]["device"], compared["rate"]["peer"], compared["rate"]["ratio"]), ("flooded", "quiet", 1.0))
        self.assertNotIn("background_sent", compared)

    def test_one_that_falls_short_makes_the_figures_the_generators(self):
        found, _, _ = self.lab(line=900, capacity=100)
        figures = {(one["subject"], one["metric"]): one for one in found["figures"]}
        self.assertEqual(figures["flooded", "background_sent"]["value"], 900)
        self.assertEqual(figures["flooded", "background_sent"]["note"], "90.0% of what was due")
        self.assertEqual({figures["flooded", name]["bound"] for name in ("background_sent", "rate", "bandwidth")}, {"generator"})
        self.assertEqual(figures["quiet", "rate"]["bound"], "subject")

    def test_one_that_dies_is_named(self):
        found, _, said = self.lab(code=4, die=2)
        self.assertIn("penstock-lab-packets: ended with 3", said)
        self.assertTrue(found["partial"])


class FakeGenerator:
    """Ends its trials with these events; `log`: what it was asked for."""

    def __init__(self, *events):
        self.events, self.log = list(events), []

    def begin(self, command):
        self.log.append(("begin", command["seconds"]))

    def end(self):
        self.log.append(("end",))
        return self.events.pop(0)


def event(sent, due, foreign=0, refused=0, late=0, seconds=1.0):
    return {"event": "trial", "id": 1, "seconds": seconds, "bound": "generator" if sent < due or late else "none", "due": due, "late": late,
            "streams": [{"name": "s0", "sent": sent, "bytes": 64 * sent, "received": None}],
            "ports": [{"name": "beside", "foreign": foreign, "refused": refused}]}


class Tally(unittest.TestCase):
    def tell(self, *events):
        """Whether each was kept, and {metric: figure}."""
        beside, told = background.Background(FakeGenerator(*events)), book.Book("a", {})
        told.begin_turn()
        kept = []
        for _ in events:
            beside.begin(2.0)
            kept.append(beside.end())
        beside.tell(told)
        return kept, {one.metric: one.to_json("a") for one in told.figures().values()}

    def test_it_is_there_before_the_trial_and_until_its_end(self):
        generator = FakeGenerator(event(1000, 1000), event(10, 1000))
        measured = mock.Mock(**{"trial.side_effect": lambda command, *_: (generator.log.append(("trial",)),
                                                                        (FakeDevice().requests_event(None, command["seconds"]), []))[1]})
        one = bench.Bench(mock.Mock(traffic="requests", background={}, clients={}), None, None, mock.Mock())
        one._generator, one._background = measured, background.Background(generator)
        kept, short = (one.trial(None, 1.0, drain=0.5, warmup=2.0) for _ in range(2))
        self.assertEqual(generator.log, 2 * [("begin", 3.5 + background.MARGIN_SECONDS), ("trial",), ("end",)])
        self.assertEqual((kept.bound, short.bound), ("subject", "generator"))

    def test_all_trials_of_a_turn_are_one_figure(self):
        kept, figures = self.tell(event(1000, 1000, foreign=800), event(2990, 3000, foreign=2200, seconds=3.0))
        self.assertEqual(kept, [True, True])
        self.assertEqual((figures["background_sent"]["value"], figures["background_returned"]["value"]), (3990 / 4, 750))
        self.assertNotIn("background_loss", figures)        # without a signature nobody knows

    def test_late_packets_are_no_shortage(self):
        kept, figures = self.tell(event(1000, 1000, late=900))
        self.assertEqual((kept, figures["background_sent"]["bound"]), ([True], "subject"))

    def test_a_subject_that_takes_no_more_is_not_the_generators_limit(self):
        kept, figures = self.tell(event(500, 1000, refused=500))
        self.assertEqual((kept, figures["background_sent"]["bound"]), ([True], "device"))
        self.assertEqual(figures["background_sent"]["note"], "50.0% of what was due")

    def test_no_trial_no_figure(self):
        self.assertEqual(self.tell(), ([], {}))


class Faults(unittest.TestCase):
    def faults(self, *changes):
        text = SCENARIO
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "s.yaml"
            path.write_text(text)
            with self.assertRaises(WrongInput) as caught:
                scenario.load(path)
        return "\n".join(caught.exception.sentences)

    def test_what_is_wrong_is_named(self):
        whole = SCENARIO[SCENARIO.index("background: {"):SCENARIO.index("method")]
        for new, expected in (("background: {}", "background.streams: is missing"),
                              ("background: {streams: []}", "background.streams: must be at least one"),
                              ("background: {streams: 1}", "background.streams: 1 is not a list"),
                              ("background: {streams: [{from: left}]}", "background.streams[0].from: means nothing: a background has one port"),
                              ("background: {streams: [{size: 64}], colour: red}", "background.colour: is not known"),
                              ("background: {streams: [{rate: {pps: 1e999}}]}", "'1e999' is beyond all numbers"),
                              ("background: 3", "background: 3 is not a mapping"),
                              ("background: {streams: [{size: 64}]}\ncores: {background: [4096]}", "cores.background: [4096] is not a list"),
                              ("", "subjects[1].background: means nothing: the scenario has none")):
            with self.subTest(new):
                self.assertIn(expected, self.faults((whole, new + "\n")))
        self.assertIn("subjects[1].background: 3 is neither true nor false", self.faults(("background: false", "background: 3")))
        self.assertIn("background: is for traffic: requests", self.faults(("traffic: requests", "traffic: packets")))


if __name__ == "__main__":
    unittest.main()
