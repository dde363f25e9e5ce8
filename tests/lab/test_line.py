"""What a line carries is known, not asked for beyond, and not exceeded by a figure that is believed."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
from penstock_lab import book, line, stability  # noqa: E402

TEN = 1e10


def document(*streams, rates=(("left", TEN), ("right", TEN))):
    return {"ports": [{"name": name, "lineRate": rate} for name, rate in rates], "streams": list(streams)}


def stream(size=64, port="left", pps=1000, **fields):
    return {"from": port, "size": size, "rate": {"pps": pps}, **fields}


class LineTest(unittest.TestCase):
    def test_frames_a_second_are_those_of_rfc_2544(self):
        for size, expected in ((64, 14_880_952), (512, 2_349_624), (1518, 812_743)):      # its tables of Ethernet, times a thousand
            self.assertEqual(int(line.pps(TEN, size)), expected)
            self.assertEqual(int(line.read(document(stream(size))).total), expected)

    def test_the_mean_of_every_kind_of_size(self):
        for size, expected in ((64, 64), ("imix", (7 * 64 + 4 * 594 + 1518) / 12), ({"emix": "ai"}, 4532), ({"min": 64, "max": 128}, 96),
                               ([{"size": 64, "weight": 3}, {"size": 128, "weight": 1}], 80)):
            self.assertEqual(line.mean_size(size), expected)
        for size in (None, "x", {}, {"emix": "z"}, {"emix": 3}, [], [3], {"min": 64}, True, [{"size": 64, "weight": 0}], -1, [{"size": "64", "weight": 1}]):
            self.assertIsNone(line.mean_size(size), size)

    def test_streams_keep_their_proportions(self):
        both = line.read(document(stream(64, "left", 3), stream(64, "right", 1)))
        self.assertAlmostEqual(both.total, line.pps(TEN, 64) * 4 / 3)       # the left port is full first
        self.assertAlmostEqual(both.bits, both.total * 64 * 8)
        self.assertAlmostEqual(both.most("pps", "s1"), line.pps(TEN, 64))
        one = line.read(document(stream(64, pps=1), stream(1518, pps=1)))
        self.assertAlmostEqual(one.total, 2 * TEN / (84 * 8 + 1538 * 8))

    def test_rates_in_every_unit(self):
        for rate in ({"pps": 1e6}, {"bps": 1e6 * 64 * 8}, {"line": 1e6 * 84 * 8 / TEN}):
            mixed = line.read(document(stream(64, rate=rate), stream(64, "right", 1e6)))
            self.assertAlmostEqual(mixed.total / line.pps(TEN, 64), 2)

    def test_nothing_is_known_without_all_rates(self):
        for one in (document(), document(stream(port="other")), document(stream(), rates=(("left", None),)), document(stream(pcap={"file": "x"})),
                    document(stream(size="x")), {"streams": 3}, {}, {"streams": [7], "ports": [None]}, document(stream(rate=7)),
                    document(stream(rate={"pps": "fast"}))):
            self.assertIsNone(line.read(one))

    def test_what_asks_for_more_is_named(self):
        one = line.read(document(stream(64, pps=14e6), stream(64, pps=1e6), stream(64, "right", 14.88e6)))
        (fault,) = one.faults([("method.rates", None)])
        self.assertEqual(fault[0], "streams[0].rate")
        self.assertIn("all from left are 1.008e+10 bits/s on the wire, above its lineRate, 1e+10", fault[1])
        self.assertEqual(list(line.read(document(stream(64, pps=14e6))).faults([("method.rates", None), ("method.load", 14.88e6)])), [])
        ((path, words),) = line.read(document(stream())).faults([("method.load", 1.5e7)])
        self.assertEqual((path, words), ("method.load", "1.5e+07 is above 1.48810e+07 packets/s, all that the lineRate of the ports can carry"
                                         .replace("1.48810", "1.4881")))

    def test_clocks_may_differ_a_little(self):
        one = line.read(document(stream()))
        self.assertTrue(one.below(one.total * 1.0001, "pps"))
        self.assertFalse(one.below(one.total * 1.001, "pps"))
        self.assertFalse(one.below(one.bits * 1.001, "bit/s"))
        self.assertTrue(one.below(1e99, "requests/s"))

    def test_a_figure_above_it_is_marked_and_takes_the_trust(self):
        made = book.Book("dut", {}, line.read(document(stream())))
        made.begin_turn()
        made.figure("rate", "pps", "higher", 1.6e7, "subject", "said before")
        made.figure("throughput", "pps", "higher", 1.4e7)
        made.figure("background_sent", "pps", "higher", 1.6e7)
        above, below, beside = made.figures_of_result(1)
        self.assertEqual((above["bound"], above["note"]), ("unknown", "said before; above line rate, which cannot be: 14.88 Mpps"))
        self.assertEqual([(one["bound"], one["note"]) for one in (below, beside)], [("subject", "")] * 2)
        found = stability.Stability()
        found.lines(made.impossible)
        self.assertEqual(found.to_json()["reasons"], ["above line rate, which cannot be: dut, rate: 16 Mpps, where the line carries 14.88 Mpps"])
        sound = stability.Stability()
        sound.lines([])
        self.assertTrue(sound.to_json()["trusted"])


if __name__ == "__main__":
    unittest.main()
