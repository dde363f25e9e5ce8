"""The report as a browser shows it: complete, legible, closed to the outside, and in both themes."""
import re
import sys
import unittest

import browser
import samples
from penstock_lab.report import html


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    return sum(weight * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for weight, p in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.page = html.page(samples.all_kinds())
        cls.light, cls.dark = (browser.probe(cls.page, theme) for theme in (browser.LIGHT, browser.DARK))

    def picture(self, words):
        return next(p for p in self.light["pictures"] if words in p["title"])

    def test_has_all_its_parts(self):
        headings = " ".join(self.light["headings"])
        for words in ("Summary", *(r["name"] for r in samples.all_kinds())):
            self.assertIn(words, headings)
        self.assertEqual(self.light["whiskers"], sum(len(r["comparisons"]) for r in samples.all_kinds()))
        self.assertTrue(all(there for _, there in self.light["links"]))
        self.assertIn("Not to be trusted", self.light["verdict"])
        self.assertIn("2 of 42 figures bound by the generator", self.light["verdict"])

    def test_every_picture_is_named_described_and_has_its_numbers(self):
        self.assertEqual(len(self.light["pictures"]), 21)
        for picture in self.light["pictures"]:
            with self.subTest(picture["title"]):
                self.assertTrue(picture["title"] and picture["description"] and picture["labels"])
                self.assertEqual(picture["label"], picture["title"])
                self.assertGreater(picture["numbers"], 0)

    def test_no_text_lies_on_another_or_outside(self):
        for found in (self.light, self.dark):
            for picture in found["pictures"] + found["axis"]:
                self.assertEqual((picture["overlaps"], picture["outside"]), ([], []), picture["title"])

    def test_units_and_legends(self):
        for words, labels, legend in (
                ("Throughput by frame size", ["Mpps", "frame size, bytes with CRC"], ["penstock", "l3fwd", "testpmd", "bound by the generator"]),
                ("bits of frames", ["Gbit/s", "frame size, bytes with CRC"], ["penstock", "l3fwd", "testpmd"]),
                ("Loss against load · 64", ["loss, share of what was sent", "load that was really sent, Mpps"], ["penstock", "l3fwd", "testpmd"]),
                ("Latency by percentile · 64", ["latency", "percentile, %"], ["floor: the generator alone"]),
                ("Requests per busy second", ["k requests/s"], ["penstock", "haproxy", "nginx", "95\u202f% interval"]),
                ("Latency p99", ["ms"], ["penstock", "haproxy", "nginx"]),
                ("Course of time", ["rate received, Mpps", "lost, packets (logarithmic)", "p99 of latency", "seconds since the start"], ["sent", "p50 of latency"]),
                ("Cycles per packet", ["stage", "cycles, one stage after the other"], []),
                ("Ratios to peers", ["ratio, logarithmic"], ["worse", "unclear"])):
            picture = self.picture(words)
            with self.subTest(words):
                self.assertLessEqual(set(labels), set(picture["labels"]))
                self.assertLessEqual(set(legend), set(picture["legend"]))

    def test_percentiles_are_ticks(self):
        self.assertLessEqual({"50", "90", "99", "99.9", "99.99"}, set(self.picture("Latency by percentile · 64")["texts"]))

    def test_warnings_are_in_every_picture_of_a_doubtful_result(self):
        for picture in self.light["pictures"]:
            if picture["title"].startswith(("Course of time", "Loss · ")):
                self.assertTrue(any("Not trusted" in words for words in picture["texts"]), picture["title"])
            if picture["title"].startswith("Blocked"):
                self.assertTrue(any("Partial" in words for words in picture["texts"]))

    def test_themes_differ_and_both_can_be_read(self):
        self.assertNotEqual(self.light["background"], self.dark["background"])
        for found in (self.light, self.dark):
            self.assertGreaterEqual(contrast(found["ink"], found["background"]), 7)
        for bright, dim in zip(self.light["pictures"], self.dark["pictures"]):
            self.assertEqual(bright["texts"], dim["texts"])
            self.assertNotEqual(bright["colours"], dim["colours"])

    def test_asks_nothing_of_anybody(self):
        self.assertEqual(self.light["fetched"], [])
        addresses = set(re.findall(r"https?://[^\"'\s<>)]+|url\([^)]*\)|@import", self.page))
        self.assertEqual(addresses, {"http://www.w3.org/2000/svg"})

    def test_the_console_is_silent(self):
        _, console = browser.run(self.page, browser.LIGHT, 1200)
        self.assertEqual(console, [])
        _, console = browser.run("<script>console.error('heard')</script>", browser.LIGHT, 1200)
        self.assertIn("heard", " ".join(console))

    def test_a_narrow_window_shows_all_of_it(self):
        narrow = browser.probe(self.page, browser.LIGHT, 600)
        self.assertLessEqual(narrow["wide"], 0)
        self.assertEqual([p["overlaps"] for p in narrow["pictures"] if p["overlaps"]], [])


class SeveralOfOneName(unittest.TestCase):
    def test_are_kept_apart(self):
        found = browser.probe(html.page([samples.esp(), samples.esp()]), browser.LIGHT)
        self.assertEqual(found["twice"], [])
        self.assertEqual(len({href for href, _ in found["links"]}), 2)


class Crowds(unittest.TestCase):
    def test_more_than_there_is_room_for_is_still_legible(self):
        found = browser.probe(html.page([samples.crowded()]), browser.LIGHT)
        self.assertEqual(len(found["pictures"]), 7)
        self.assertLessEqual(found["wide"], 0)
        for picture in found["pictures"] + found["axis"]:
            self.assertEqual((picture["overlaps"], picture["outside"]), ([], []), picture["title"])


class Strangers(unittest.TestCase):
    def test_words_stay_words(self):
        found = browser.probe(html.page([samples.hostile()]), browser.LIGHT)
        self.assertEqual(set(found["elements"]) & {"img", "iframe", "object", "foreignobject", "link"}, set())
        self.assertEqual(found["handlers"], [])
        self.assertEqual(found["fetched"], [])
        for picture in found["pictures"] + found["axis"]:
            self.assertEqual((picture["overlaps"], picture["outside"]), ([], []), picture["title"])


if __name__ == "__main__":
    if browser.missing():
        print(f"SKIPPED: {browser.missing()}")
        sys.exit(77)
    unittest.main()
