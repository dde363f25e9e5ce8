"""Named rows of results: what is in them, and that the names belong to scenarios that are kept."""
import json
import pathlib
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "perf"))
from penstock_lab.report import rows   # noqa: E402


def figure(subject, value, **conditions):
    return {"subject": subject, "metric": "work", "unit": "requests/busy core-second", "conditions": conditions, "value": value,
            "samples": [value] * 3, "bound": "subject"}


def result(name, *figures, comparisons=()):
    return {"name": name, "machine": {"cpu": "x"}, "stability": {"trusted": True}, "figures": list(figures), "comparisons": list(comparisons)}


class Rows(unittest.TestCase):
    def rows(self, *results):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "rows.json"
            rows.write(list(results), path)
            return json.loads(path.read_text())["results"]

    def test_a_ratio_is_that_of_the_turns(self):
        compared = {"metric": "work", "conditions": {"body": 128}, "device": "penstock", "peer": "haproxy", "ratio": 1.9,
                    "interval": [1.5, 2.2], "verdict": "better"}
        found = self.rows(result("http1_keepalive", figure("penstock", 200.0, body=128), figure("haproxy", 100.0, body=128),
                                 figure("penstock", 20.0, body=10_240), comparisons=[compared]))
        self.assertEqual([(r["name"], r["peer"], r["ratio"]) for r in found],
                         [("http1_128B_keepalive", "haproxy", 1.9), ("http1_10KB_keepalive", None, None)])
        self.assertEqual((found[0]["interval"], found[0]["runs"], found[0]["peer_value"]), ([1.5, 2.2], 3, 100.0))

    def test_without_a_kernel_the_peer_is_the_one_with(self):
        found = self.rows(result("http1_keepalive", figure("penstock", 200.0, body=128), figure("haproxy", 100.0, body=128)),
                          result("http1_keepalive_kernel_free", figure("penstock", 600.0, body=128)))
        self.assertEqual([(r["name"], r["peer"], r["ratio"]) for r in found],
                         [("http1_128B_keepalive", "haproxy", 2.0), ("http1_128B_keepalive_kernel_free", "haproxy", 6.0)])

    def test_a_figure_of_zero_has_a_row(self):
        for mine, peer in ((0.0, 100.0), (100.0, 0.0)):
            (found,) = self.rows(result("http1_keepalive", figure("penstock", mine, body=128), figure("haproxy", peer, body=128)))
            self.assertEqual((found["value"], found["peer_value"], found["ratio"]), (mine, peer, None))

    def test_names_are_of_kept_scenarios(self):
        for name in rows.NAMES:
            with self.subTest(name.name):
                kept = yaml.safe_load((ROOT / "perf" / "scenarios" / f"{name.scenario}.yaml").read_text())
                self.assertIn(name.subject, [s["name"] for s in kept["subjects"]])
                for key, value in name.conditions.items():
                    self.assertIn(value, kept.get("variants", {})[key])


if __name__ == "__main__":
    unittest.main()
