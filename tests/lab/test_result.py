"""Results: what is written can be read, and nothing else can be either."""
import copy
import json
import math
import os
import pathlib
import random
import tempfile
import unittest
from unittest import mock

import samples
from penstock_lab import result


class Files(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="penstock-lab-result-")
        self.addCleanup(made.cleanup)
        self.path = pathlib.Path(made.name) / "result.json"

    def refuse(self, text):
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with self.assertRaises(result.ResultError) as raised:
            result.load(self.path)
        return str(raised.exception)

    def test_what_is_written_is_read(self):
        for made in [*samples.all_kinds(), samples.hostile()]:
            result.write(self.path, made)
            self.assertEqual(result.load(self.path), json.loads(json.dumps(made)))

    def test_a_failed_write_leaves_what_was_there(self):
        result.write(self.path, samples.esp())
        before = self.path.read_bytes()
        with mock.patch.object(os, "fsync", side_effect=OSError("no space")), self.assertRaises(OSError):
            result.write(self.path, samples.packets())
        with self.assertRaises(result.ResultError):
            result.write(self.path, {**samples.packets(), "seed": -1})
        for value in (math.nan, math.inf, 1e300, object()):
            bad = samples.packets()
            bad["figures"][0]["samples"] = [value]
            with self.assertRaises(result.ResultError):
                result.write(self.path, bad)
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual([p.name for p in self.path.parent.iterdir()], ["result.json"])

    def test_who_reads_meanwhile_reads_a_whole_file(self):
        result.write(self.path, samples.esp())
        with self.path.open("rb") as reader:
            start = reader.read(100)
            result.write(self.path, samples.partial())
            self.assertEqual(json.loads(start + reader.read())["name"], "esp_tunnel")
        self.assertEqual(result.load(self.path)["name"], "reconfiguration")

    def test_no_json(self):
        self.assertIn("no JSON", self.refuse("{"))
        self.assertIn("no JSON", self.refuse(b"\xff\xfe{}"))
        self.assertIn("no JSON", self.refuse("[" * 100_000))
        self.assertIn("NaN", self.refuse('{"seed": NaN}'))
        self.assertIn("2^63", self.refuse('{"seed": 1e999}'))
        self.assertIn("2^63", self.refuse('{"seed": ' + "9" * 40 + "}"))
        self.assertIn("the document", self.refuse("[]"))

    def test_nothing_is_there_twice(self):
        for part, make in (("figures", samples.esp), ("comparisons", samples.esp), ("stages", samples.esp), ("latencies", samples.soak)):
            made = make()
            made[part].append(copy.deepcopy(made[part][0]))
            self.assertEqual([fault.split(":")[0] for fault in result.faults(made)], [f"{part}[{len(made[part]) - 1}]"])
        for one, other, twice in ((1, 1.0, True), (1, "1", True), (1, True, True), (0, -0.0, True), (1, 2, False), ("a", "A", False), ("1", "1.0", False)):
            made = samples.esp()
            made["comparisons"] = []
            made["figures"] = [{**made["figures"][0], "conditions": {"x": value}} for value in (one, other)]
            self.assertEqual(bool(result.faults(made)), twice, (one, other))

    def test_a_file_without_end(self):
        with mock.patch.object(result, "LARGEST_FILE", 100):
            self.assertIn("more than", self.refuse("x" * 101))

    def test_noise_is_refused_and_nothing_worse(self):
        whole = json.dumps(samples.partial()).encode()
        chance = random.Random(11)
        for _ in range(100):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            self.path.write_bytes(data)
            try:
                result.load(self.path)
            except result.ResultError:
                pass


class Faults(unittest.TestCase):
    """Every one with the field it is in."""

    def broken(self, change, *fields, make=samples.packets):
        made = make()
        change(made)
        found = result.faults(made)
        for field in fields:
            self.assertTrue(any(fault.startswith(field + ": ") for fault in found), (field, found))
        self.assertTrue(found)

    def test_several_at_once(self):
        def change(made):
            made["figures"][3]["value"] = "fast"
            made["figures"][4]["bound"] = "nobody"
            made["seed"] = -1
        self.broken(change, "figures[3].value", "figures[4].bound", "seed")

    def test_every_field_is_needed(self):
        for field in samples.packets():
            with self.subTest(field):
                self.broken(lambda made, field=field: made.pop(field), "the document")

    def test_unknown_fields(self):
        self.broken(lambda made: made.update(extra=1), "the document")
        self.broken(lambda made: made["figures"][0].update(extra=1), "figures[0]")

    def test_names_that_would_be_strange_files(self):
        for name in ("", "a/b", "..", "A", "x\n", "x" * 101):
            with self.subTest(name):
                self.broken(lambda made, name=name: made.update(name=name), "name")
        self.broken(lambda made: made.update(digest=made["digest"] + "\n"), "digest")
        self.broken(lambda made: made.update(started="yesterday"), "started")
        self.broken(lambda made: made["figures"][0].update(metric="throughput\n"), "figures[0].metric")

    def test_another_version(self):
        self.broken(lambda made: made.update(schema="penstock-lab/2"), "schema")

    def test_subjects_that_are_not_there(self):
        self.broken(lambda made: made["figures"][0].update(subject="ghost"), "figures[0].subject")
        self.broken(lambda made: made["comparisons"][0].update(peer="ghost"), "comparisons[0].peer")
        self.broken(lambda made: made["subjects"].append(made["subjects"][0]), "subjects")

    def test_intervals_beside_their_value(self):
        self.broken(lambda made: made["figures"][0].update(interval=[1, 2]), "figures[0].interval")
        self.broken(lambda made: made["comparisons"][0].update(interval=[3, 2]), "comparisons[0].interval")
        self.broken(lambda made: made["comparisons"][0].update(ratio=0), "comparisons[0].ratio")
        self.broken(lambda made: made["comparisons"][0].update(ratio=None), "comparisons[0].interval")

    def test_a_figure_of_zero_has_no_ratio(self):
        made = samples.packets()
        made["comparisons"][0].update(ratio=None, interval=None)
        self.assertEqual(result.faults(made), [])

    def test_histograms_that_do_not_add_up(self):
        self.broken(lambda made: made["latencies"][0]["histogram"].update(count=3), "latencies[0].histogram.count")

    def test_time_that_stands_still(self):
        self.broken(lambda made: made["series"][0]["points"][5].update(t=5.0), "series[0].points", make=samples.soak)

    def test_trust_must_be_earned(self):
        self.broken(lambda made: made["stability"].update(trusted=True), "stability.trusted", make=samples.soak)
        self.broken(lambda made: made["stability"].update(trusted=True, reasons=[]), "stability.trusted", make=samples.soak)
        self.broken(lambda made: made["stability"].update(reasons=[]), "stability.reasons", make=samples.soak)

    def test_endless_faults_are_cut(self):
        self.broken(lambda made: made.update(notes=[1] * 900))
        made = {**samples.packets(), "notes": [1] * 900}
        self.assertLessEqual(len(result.faults(made)), result.MOST_FAULTS)


if __name__ == "__main__":
    unittest.main()
