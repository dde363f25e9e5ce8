"""What two results say of each other."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeBench, FakeDevice  # noqa: E402
import samples  # noqa: E402
from penstock_lab import book, cli, compare, result, stats  # noqa: E402

DIGEST = "0" * 64


def made(device, peer=(), better="higher", bound="subject", **fields):
    """A result with one metric of a device and, if given, of a peer."""
    books = []
    for name, values in (("dut", device), ("peer", peer)):
        one = book.Book(name, {"size": 64})
        for value in values:
            one.begin_turn()
            one.figure("rate", "pps", better, value, bound)
        books.append(one)
    return {"digest": DIGEST, "partial": False, "machine": {"cpu": "x"}, "stability": {"trusted": True, "reasons": []},
            "figures": [figure for one in books for figure in one.figures_of_result(1)],
            "comparisons": book.comparisons(*books, seed=1), **fields}


BEFORE = [100, 101, 99, 100, 102, 98]


class CompareTest(unittest.TestCase):
    def row(self, before, after):
        (row,), notes = compare.compare(before, after)
        return row, notes

    def test_beyond_noise_or_not(self):
        for factor, better, expected in ((0.8, "higher", "worse"), (1.2, "higher", "better"), (1.2, "lower", "worse"),
                                         (1.0, "higher", "unclear")):
            row, notes = self.row(made(BEFORE, better=better), made([factor * one for one in BEFORE], better=better))
            self.assertEqual((row["verdict"], notes), (expected, []))
            self.assertAlmostEqual(row["ratio"], factor)
            low, high = row["interval"]
            self.assertTrue(low <= factor <= high)

    def test_the_day_is_taken_out_where_both_runs_have_the_peer(self):
        """Everything is 20 % slower today, the peer as well; the device has lost nothing."""
        row, _ = self.row(made(BEFORE, [50] * 6), made([0.8 * one for one in BEFORE], [40] * 6))
        self.assertEqual((row["subject"], row["unit"]), ("dut / peer", "ratio"))
        self.assertAlmostEqual(row["ratio"], 1.0)
        self.assertNotEqual(row["verdict"], "worse")

    def test_a_device_that_does_nothing_any_more_is_worse(self):
        for before, after in ((made(BEFORE, [50] * 6), made([0] * 6, [50] * 6)), (made(BEFORE), made([0] * 6))):
            row, _ = self.row(before, after)
            self.assertEqual((row["ratio"], row["verdict"], compare.below(0.01, [row])), (None, "worse", [row]))
            self.assertEqual(len(compare.table([row])), 2)
        self.assertEqual(self.row(made([0] * 6, better="lower"), made(BEFORE, better="lower"))[0]["verdict"], "worse")
        self.assertEqual(self.row(made([0] * 6), made(BEFORE))[0]["verdict"], "better")

    def test_a_device_that_does_nothing_fails_the_gate_of_its_run(self):
        (row,) = compare.of_run(made([0] * 3, [100] * 3))
        self.assertEqual((row["ratio"], row["verdict"], compare.below(0.01, [row])), (None, "worse", [row]))
        self.assertEqual(compare.below(0.9, compare.of_run(made([0] * 3, [100] * 3, better="lower"))), [])

    def test_what_is_gone_is_named(self):
        row, _ = self.row(made(BEFORE), made([]))
        self.assertEqual((row["verdict"], row["after"], compare.below(0.01, [row]), compare.common([row])), ("gone", None, [row], []))
        self.assertIn("gone", compare.table([row])[1])

    def test_a_percentile_that_fewer_values_cannot_carry_is_not_gone(self):
        def told(count):
            one = book.Book("dut", {})
            one.percentiles(FakeDevice(1e9).trial(count, 1.0).latency)
            return {**made([]), "figures": one.figures_of_result(1)}

        self.assertEqual({row["verdict"] for row in compare.compare(told(10_000), told(100))[0]}, {"unclear"})
        self.assertEqual([row["metric"] for row in compare.compare(told(100), made([]))[0]], ["latency_max"])

    def test_samples_of_different_turns_are_not_paired(self):
        def late(value):
            one = made([1, 2, value], [1, 2, 3])
            del one["figures"][0]["samples"][0]
            one["comparisons"][0]["pairs"] = 2
            return one

        rows, _ = compare.compare(late(3), late(3))
        self.assertEqual({row["subject"] for row in rows}, {"dut", "peer"})

    def test_a_limit_that_was_not_found_is_no_reason_to_be_better(self):
        better = [1.5 * one for one in BEFORE]
        for after, before, expected in ((made(better), made(BEFORE, bound="unknown"), "unclear"), (made(better, bound="unknown"), made(BEFORE), "better"),
                                        (made(BEFORE), made(better, bound="unknown"), "worse")):
            self.assertEqual(self.row(before, after)[0]["verdict"], expected)

    def command(self, before, after, *options):
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            paths = [f"{directory}/a.json", f"{directory}/b.json"]
            for path, one in zip(paths, (before, after)):
                result.write(path, one)
            return cli.main(["compare", *paths, *options])

    def gate(self, before, after, ratio=0.9):
        """(exit code, what was complained) of `compare --fail-below`."""
        err = io.StringIO()
        with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            for path, one in ((f"{directory}/a", before), (f"{directory}/b", after)):
                result.write(path, one)
            return cli.main(["compare", f"{directory}/a", f"{directory}/b", "--fail-below", str(ratio)]), err.getvalue()

    def of(self, values, better="higher", bound="subject", **fields):
        """A whole result with one figure."""
        one = samples.esp()
        one["comparisons"], one["stages"] = [], []
        one["figures"] = [{**one["figures"][0], "better": better, "bound": bound, "samples": values, "value": stats.median(values), "interval": None}]
        return {**one, **fields}

    def test_a_gate_that_cannot_judge_says_so_and_is_not_green(self):
        good, doubtful = self.of([1000, 1010, 990]), {"trusted": False, "reasons": ["steal"], "checks": []}
        for before, after, reason in (
                (good, self.of([1000, 1010, 990], bound="generator"), "the generator was the limit"),
                (self.of([1000, 1010, 990], bound="generator"), good, "the generator was the limit"),
                (self.of([1000, 1010, 990], bound="unknown"), good, "the limit was not found"),
                (good, self.of([1000, 1010, 990], stability=doubtful), "is not trusted: steal"),
                (self.of([1000, 1010, 990], stability=doubtful), good, "is not trusted: steal"),
                (good, self.of([1000, 1010, 990], partial=True), "is partial"),
                (self.of([0, 0, 0], "lower"), self.of([.5, .5, .5], "lower", "generator"), "the generator was the limit"),
                (self.of([0, 0, 1e-9], "lower"), self.of([.5, .5, 0], "lower"), "zero in some turns")):
            with self.subTest(reason):
                code, err = self.gate(before, after)
                self.assertEqual((code, err.count("cannot judge")), (5, 1))
                self.assertIn(reason, err)

    def test_the_generators_limit_is_named_in_every_line(self):
        (row,), _ = compare.compare(made(BEFORE), made([50] * 6, bound="generator"))
        self.assertTrue(compare.table([row])[1].endswith("unclear  generator-bound"))
        (row,), _ = compare.compare(made(BEFORE, [50] * 6), made(BEFORE, [50] * 6, bound="generator"))
        self.assertTrue(compare.table([row])[1].endswith("unclear  generator-bound"))
        self.assertTrue(compare.table(compare.compare(made(BEFORE), made(BEFORE))[0])[1].endswith("unclear"))
        whole = {**made([100] * 3, [50] * 3, bound="generator"), "name": "x", "about": "y", "notes": []}
        self.assertIn("rate size=64: dut / peer = 2.000 [2.000, 2.000]: unclear, generator-bound", cli.summary(whole))

    def test_a_gate_judges_what_it_can(self):
        good, half, bound = self.of([1000, 1010, 990]), self.of([500, 505, 495]), self.of([500, 505, 495], bound="generator")
        for before, after, expected in ((good, good, 0), (good, half, 1), (good, bound, 1), (self.of([1000]), self.of([1000]), 0),
                                        (self.of([1000]), self.of([500]), 1)):
            self.assertEqual(self.gate(before, after)[0], expected)

    def test_the_command_fails_for_what_is_dead_gone_or_not_there_to_compare(self):
        good, dead, gone, other = (samples.esp() for _ in range(4))
        for one in dead["figures"][:1]:
            one.update(value=0, samples=[0] * 5, interval=[0, 0])
        gone["comparisons"], gone["figures"] = [], gone["figures"][1:]
        other["comparisons"], other["figures"] = [], []
        for after, expected in ((good, 0), (dead, 1), (gone, 1), (other, 1)):
            for options in ((), ("--fail-below", "0.01")):
                self.assertEqual(self.command(good, after, *options), expected)
        self.assertEqual(self.command(other, other), 1)

    def test_figures_of_only_the_second_result_are_left_out(self):
        self.assertEqual(compare.compare(made([]), made(BEFORE))[0], [])
        self.assertEqual(compare.table([]), ["nothing is in both results"])

    def test_the_generators_limit_is_no_verdict(self):
        row, _ = self.row(made(BEFORE), made([50] * 6, bound="generator"))
        self.assertEqual(row["verdict"], "unclear")
        self.assertIn("the generator was the limit", row["method"])

    def test_what_speaks_against_comparing_is_said(self):
        _, notes = self.row(made(BEFORE), made(BEFORE, digest="1" * 64, partial=True, machine={"cpu": "y"},
                                               stability={"trusted": False, "reasons": ["steal"]}))
        self.assertEqual(notes, ["the second result is not trusted: steal", "the second result is partial", "the scenarios differ",
                                 "cpu differs: x and y"])

    def test_gates_know_which_way_is_better(self):
        rows = compare.of_run(made([90] * 3, [100] * 3))
        self.assertEqual((len(compare.below(0.89, rows)), len(compare.below(0.91, rows))), (0, 1))
        rows = compare.of_run(made([110] * 3, [100] * 3, better="lower"))
        self.assertEqual((len(compare.below(0.9, rows)), len(compare.below(0.92, rows))), (0, 1))

    def test_a_table_has_a_line_for_each_row(self):
        rows, _ = compare.compare(made(BEFORE), made(BEFORE))
        lines = compare.table(rows)
        self.assertEqual(len(lines), 2)
        self.assertIn("size=64", lines[1])


if __name__ == "__main__":
    unittest.main()
