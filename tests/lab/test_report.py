"""The parts of reports that need no browser: numbers, scales, colours, words of strangers, files."""
import pathlib
import random
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree as xml
from unittest import mock

import samples
from penstock_lab import result
from penstock_lab.histogram import Histogram
from penstock_lab.report import facts, html, markdown, markup, pictures, plot, scales, theme, timeline, units

SVG = "{http://www.w3.org/2000/svg}"


class Numbers(unittest.TestCase):
    def test_are_cut_and_never_above_what_they_tell(self):
        chance = random.Random(21)
        for _ in range(2000):
            value = chance.choice([1, -1]) * 10 ** chance.uniform(-9, 15)
            told = float(units.number(value).replace(",", ""))
            self.assertLessEqual(told, value)
            self.assertLessEqual(value - told, abs(value) * 1e-3)

    def test_examples(self):
        for value, words in ((0, "0"), (9.9996, "9.999"), (14.8809523, "14.88"), (0.3, "0.3"), (1204310, "1,204,310"), (5.19e-7, "5.19e-07"),
                             (1000.0, "1,000"), (True, "True"), ("fast", "fast"), (0.1 + 0.2, "0.3")):
            self.assertEqual(units.number(value), words)

    def test_quantities(self):
        for value, unit, words in ((14_880_952, "pps", "14.88 Mpps"), (9_999_999_999, "bps", "9.999 Gbit/s"), (999, "ns", "999 ns"),
                                   (3_905, "ns", "3.905 µs"), (2e9, "ns", "2.000 s"), (71_260, "requests/s", "71.26 k requests/s"),
                                   (281.25, "cycles", "281.2 cycles"), (0, "pps", "0 pps"), (0.5, "ratio", "0.5000"), (12, "", "12")):
            self.assertEqual(units.quantity(value, unit).replace(units.THIN, " "), words)

    def test_ratios_have_as_many_digits_as_can_be_compared(self):
        self.assertEqual([units.ratio(v) for v in (0, 0.0512, 0.69999, 1.0, 3.0261, 12.3456)], ["0", "0.0512", "0.699", "1.000", "3.026", "12.34"])

    def test_loss(self):
        self.assertEqual([units.loss(v).replace(units.THIN, " ") for v in (0, 3.29e-7, 0.005, 0.5123, 1)], ["0", "3.2e-07", "0.5 %", "51.2 %", "100 %"])


class Scales(unittest.TestCase):
    def test_ticks_are_nice_and_cover_the_values(self):
        chance = random.Random(22)
        for _ in range(500):
            highest = 10 ** chance.uniform(-6, 12)
            scale = scales.Linear(highest, 250, 0)
            ticks = [value for value, _ in scale.ticks()]
            self.assertTrue(2 <= len(ticks) <= 8 and ticks[0] == 0 and ticks[-1] >= highest * (1 - 1e-9), (highest, ticks))
            self.assertAlmostEqual(scale(ticks[-1]), 0)

    def test_logarithms(self):
        chance = random.Random(23)
        for _ in range(500):
            low = 10 ** chance.uniform(-8, 6)
            high = low * 10 ** chance.uniform(0, 9)
            scale = scales.Log(low, high, 0, 100)
            self.assertTrue(-1e-6 <= scale(low) <= scale(high) <= 100 + 1e-6)
            self.assertLessEqual(len(scale.ticks()), 12)
            self.assertTrue(scale.ticks())

    def test_percentiles_are_spaced_by_rarity(self):
        scale = scales.Percentiles(1e4, 0, 400)
        self.assertEqual([round(scale(p)) for p in (0, 0.9, 0.99, 0.999, 0.9999)], [0, 100, 200, 300, 400])
        self.assertAlmostEqual(scale.rarity(200), 100)
        self.assertEqual([words for _, words in scale.ticks()], ["0", "50", "90", "99", "99.9", "99.99"])

    def test_labels_are_moved_apart_and_kept_in_order(self):
        chance = random.Random(24)
        for _ in range(200):
            wanted = [chance.uniform(0, 250) for _ in range(chance.randrange(1, 8))]
            places = plot.spread(wanted, 13, 0, 250)
            ordered = sorted(places)
            self.assertTrue(all(b - a >= 13 - 1e-9 for a, b in zip(ordered, ordered[1:])))
            self.assertTrue(all(p <= 250 for p in places))
            self.assertEqual(sorted(range(len(wanted)), key=lambda i: wanted[i]), sorted(range(len(wanted)), key=lambda i: places[i]))


class Colours(unittest.TestCase):
    """Contrasts of WCAG 2.2; eyes without red or green by the matrices of Machado, Oliveira and Fernandes (2009)."""

    BLIND = {"no red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
             "no green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))}

    @staticmethod
    def linear(colour):
        parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
        return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]

    def contrast(self, one, other):
        low, high = sorted(sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), self.linear(c))) for c in (one, other))
        return (high + 0.05) / (low + 0.05)

    def test_contrast_with_paper(self):
        for palette in (theme.LIGHT, theme.DARK):
            for colour in (*palette["series"], *(palette[name] for name in ("ink", "quiet", "good", "bad", "warn"))):
                self.assertGreaterEqual(self.contrast(colour, palette["paper"]), 4.5, colour)

    def test_the_first_four_keep_apart_for_all_eyes(self):
        for palette in (theme.LIGHT, theme.DARK):
            for matrix in (((1, 0, 0), (0, 1, 0), (0, 0, 1)), *self.BLIND.values()):
                seen = [[sum(a * b for a, b in zip(row, self.linear(c))) for row in matrix] for c in palette["series"][:4]]
                for i, one in enumerate(seen):
                    for other in seen[i + 1:]:
                        self.assertGreater(sum((max(a, 0) ** (1 / 2.2) - max(b, 0) ** (1 / 2.2)) ** 2 for a, b in zip(one, other)) ** 0.5, 0.12)

    def test_subjects_side_by_side_look_different_without_colour(self):
        names = [f"subject {n}" for n in range(12)]
        results = [{"subjects": [{"name": n} for n in names]}, {"subjects": [{"name": "alone"}, {"name": names[3]}]}]
        styles = theme.Styles(results)
        for group in results:
            looks = [(styles.colour(s["name"]), styles.marker(s["name"])) for s in group["subjects"]]
            self.assertEqual(len(set(looks)), len(looks))
        self.assertEqual(len({styles.marker(n) for n in names[:6]}), 6)
        self.assertEqual(len({styles.dash(n) for n in names[:6]}), 6)


class Pictures(unittest.TestCase):
    def of(self, *results):
        styles = theme.Styles(results)
        return [picture for result in results for picture in pictures.of(result, styles)]

    def test_are_wellformed_also_with_a_strangers_words(self):
        for picture in self.of(*samples.all_kinds(), samples.hostile()):
            tree = xml.fromstring(pictures.alone(picture))
            self.assertEqual(tree.tag, f"{SVG}svg")
            self.assertEqual({e.tag.removeprefix(SVG) for e in tree.iter()} - {"svg", "title", "desc", "style", "rect", "text", "line", "path", "circle"}, set())

    def test_nothing_is_drawn_above_the_axis_or_out_of_the_picture(self):
        for picture in self.of(*samples.all_kinds()):
            width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', picture.svg).groups())
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", picture.svg):
                self.assertTrue(-1 <= float(x) <= width + 1 and 0 <= float(y) <= height, (picture.name, x, y))

    def test_generator_bound_points_are_hollow(self):
        made = samples.packets()
        bound = sum(f["bound"] == "generator" for f in made["figures"])
        picture = next(p for p in self.of(made) if p.title == "Throughput by frame size")
        self.assertEqual(len(re.findall(r'class="s\d h"', picture.svg)), bound)
        self.assertEqual(bound, 1)

        ratio = next(p for p in self.of(made) if p.title.startswith("Ratios"))
        self.assertEqual(len(re.findall(r'class="v-\w+ vh"', ratio.svg)), 1)
        self.assertEqual(sum(row[3].startswith("≤") for row in ratio.table.rows), 1)

    def test_subjects_and_turns_share_a_course(self):
        made = samples.packets()
        course = samples.soak()["series"][0]
        made["series"] = [{**course, "subject": s, "points": course["points"][:n]} for s in ("penstock", "l3fwd") for n in (50, 60)]
        made["series"].append({**course, "subject": "testpmd", "points": course["points"][:3]})   # too few for a course
        drawn = [p for p in self.of(made) if p.title.startswith("Course")]
        self.assertEqual(len(drawn), 1)
        self.assertIn("a line for each turn", drawn[0].svg)
        self.assertEqual(len(drawn[0].table.rows), 220)
        self.assertEqual({row[0] for row in drawn[0].table.rows}, {"penstock", "l3fwd"})

    def test_other_percentiles_are_left_to_the_histogram(self):
        made = samples.requests()
        for metric in ("latency_p50", "latency_p99.9", "latency_max"):
            made["figures"] += [{**f, "metric": metric} for f in made["figures"] if f["metric"] == "latency_p99"]
        titles = [p.title for p in self.of(made)]
        self.assertTrue(any(t.startswith("Latency p50") for t in titles))
        self.assertFalse(any("p99.9" in t or "max" in t for t in titles))
        self.assertIn("latency p99.9", html.page([made]))   # in the table of all figures

    def test_every_number_of_a_figure_is_in_its_table(self):
        made = samples.requests()
        told = {cell for p in self.of(made) for row in p.table.rows for cell in row}
        for figure in made["figures"]:
            self.assertIn(units.quantity(figure["value"], figure["unit"]), told)
        for c in made["comparisons"]:
            self.assertIn(units.ratio(c["ratio"]), told)

    def test_strange_results_are_drawn_too(self):
        made = samples.partial()
        one = samples.durations(random.Random(1), 1, 0.5, 0.1)   # a single value, of 0 ns
        made["latencies"] = [samples.latency("penstock", {}, None, "", one), samples.latency("penstock", {}, 0, "pps", Histogram().to_json())]
        made["series"] = [{"subject": "penstock", "conditions": {}, "interval": 1, "points": points} for points in (
            [], [{"t": 0, "sent": 0, "received": 0, "lost": 0, "p50": None, "p99": None}])]
        made["curves"] = [{"subject": "penstock", "conditions": {}, "points": []},
                          {"subject": "penstock", "conditions": {}, "points": [{"offered": 0, "sent": 0, "received": 0, "loss": 0, "bound": "none"}]}]
        made["stages"] = [{"subject": "penstock", "conditions": {}, "stages": {"nothing": 0}}, {"subject": "penstock", "conditions": {}, "stages": {}}]
        made["figures"] += [samples.figure(random.Random(2), "penstock", "change", "ratio", value, {"size": size}, 0)
                            for value, size in ((-3, 64), (0, "imix"), (1e-9, 9000), (1e15, 70))]
        made["figures"].append(samples.figure(random.Random(2), "penstock", "below", "pps", -5, {}, 0))
        self.assertGreater(len(self.of(made)), 5)
        html.page([made])
        markdown.page([made])

    def test_rows_of_a_long_course_hide_nothing(self):
        series = samples.soak(6000)["series"][0]
        shown = timeline.columns(series)
        self.assertLessEqual(len(shown), timeline.COLUMNS)
        self.assertEqual(sum(c.lost for c in shown), sum(p["lost"] for p in series["points"]))
        self.assertEqual(max(c.p99 for c in shown), max(p["p99"] for p in series["points"]))
        self.assertEqual(min(c.low for c in shown), min(p["received"] for p in series["points"]))

    def test_latencies_and_courses_of_the_generators_limit_are_marked(self):
        made = samples.soak(50)

        def pictures_of():
            return {p.title.split(" ·")[0]: p for p in self.of(made)}

        for picture in pictures_of().values():
            self.assertNotIn("bound by the generator", picture.svg)
        made["latencies"][0]["bound"] = made["series"][0]["bound"] = "generator"
        self.assertEqual(result.faults(made), [])
        found = pictures_of()
        for title in ("Latency by percentile", "Course of time"):
            self.assertIn("penstock, bound by the generator", found[title].svg)
            self.assertEqual(dict(zip(found[title].table.headers, found[title].table.rows[0]))["bound by"], "generator")
        self.assertIn('h"', found["Latency by percentile"].svg)
        self.assertIn("Hollow marks", html.page([made]))
        made["series"].append({**made["series"][0], "bound": "subject"})
        self.assertIn("penstock, bound by the generator in 1 of 2 turns", pictures_of()["Course of time"].svg)

    def test_percentiles_are_told_only_of_enough_values(self):
        made = samples.partial()
        made["latencies"] = [samples.latency("penstock", {}, 1e3, "pps", samples.durations(random.Random(3), 500, 1e4, 0.1))]
        picture = next(p for p in self.of(made) if p.title.startswith("Latency"))
        row = dict(zip(picture.table.headers, picture.table.rows[0]))
        self.assertEqual((row["p99.9"], row["p99.99"]), ("too few values",) * 2)
        self.assertNotEqual(row["p99"], "too few values")


class Facts(unittest.TestCase):
    def test_line_rate(self):
        for ports in (None, "x", [None], [{"lineRate": "fast"}], [{"lineRate": True}], [{"lineRate": 0}]):
            self.assertIsNone(facts.line_rate({"scenario": {"ports": ports}}))

    def test_line_rate_is_of_all_ports_that_send(self):
        made = samples.packets()["scenario"]
        self.assertEqual(facts.line_rate({"scenario": made}), 1e10)
        made["streams"] = [{"from": "left"}, {"from": "right"}, {"from": "left"}]
        self.assertEqual(facts.line_rate({"scenario": made}), 2e10)
        made["streams"].append({"from": "somewhere"})
        self.assertIsNone(facts.line_rate({"scenario": made}))

    def test_a_figure_above_line_rate_is_not_believed(self):
        made = samples.packets()
        self.assertEqual(facts.cautions(made), [])
        figure = made["figures"][0]
        figure["value"], figure["interval"] = 14.9e6, None
        self.assertEqual(len(facts.cautions(made)), 1)
        for page in (html.page([made]), markdown.page([made])):
            self.assertIn("Above line rate, which cannot be: penstock, throughput, 64", page)
        self.assertNotIn("<strong>Trusted", html.page([made]))

    def test_a_figure_above_the_line_of_streams_of_one_size_is_not_believed(self):
        made = samples.esp()
        made["scenario"].update(traffic="packets", ports=[{"name": "left", "lineRate": 1e9}], streams=[{"from": "left", "rate": {"pps": 1}, "size": 64}])
        made["figures"], made["comparisons"] = made["figures"][:1], []
        made["figures"][0].update(conditions={}, interval=None, samples=[], value=1.488e6)
        self.assertEqual(facts.above_line_rate(made), [])
        made["figures"][0]["value"] = 1.6e6
        self.assertEqual(len(facts.above_line_rate(made)), 1)
        for broken in ({"variants": 3}, {"streams": [3]}, {"streams": [{"size": "${x}"}]}, {"ports": 7}, {"streams": {"a": 1}}):
            self.assertEqual(facts.above_line_rate({**made, "scenario": {**made["scenario"], **broken}}), [])

    def test_words_without_end_are_cut_at_once(self):
        self.assertLessEqual(plot.text_width(plot.fit("x" * 10**6, 300)), 300)
        self.assertEqual(plot.fit("short", 300), "short")

    def test_on_which_side_the_true_ratio_lies(self):
        def figure(bound, better="higher"):
            return {"bound": bound, "better": better}
        free, bound = figure("subject"), figure("generator")
        slow_free, slow_bound = figure("subject", "lower"), figure("generator", "lower")
        self.assertEqual([facts.side(*pair).strip() for pair in (
            (free, free), (bound, free), (free, bound), (bound, bound), (slow_bound, slow_free), (slow_free, slow_bound), (None, bound))],
            ["", "≥", "≤", "?", "≤", "≥", "≤"])


class Words(unittest.TestCase):
    def test_of_strangers(self):
        self.assertEqual(markup.element("td", "<b>&\"'\x00\u202e", title="\"x\""), "<td title=\"&quot;x&quot;\">&lt;b&gt;&amp;&quot;&#39;\ufffd\ufffd</td>")

    def test_of_strangers_in_markdown(self):
        for words, told in (("a|b", "a\\|b"), ("<b>", "\\<b\\>"), ("- x\n# y", "\\- x # y"), ("l3_forward", "l3_forward"), ("_x_", "\\_x\\_"),
                            ("http://x", "http\\://x"), ("[x](y)", "\\[x\\](y)"), ("1. x", "1\\. x"), ("`", "\\`")):
            self.assertEqual(markdown.text(words), told)
        self.assertEqual((markdown.code("a `b` c"), markdown.code("a\nb")), ("`` a `b` c ``", "`a b`"))
        tables = [line for line in markdown.page([samples.hostile()]).splitlines() if line.startswith("|")]
        self.assertEqual({len(re.findall(r"(?<!\\)\|", line)) for line in tables}, {6})


class AnyResult(unittest.TestCase):
    """What the schema lets through, reports can tell, however odd."""

    ODD = (0, 1, -1, 1e-18, 1e18, 2**63, -5.5, 0.99, None, "", "<b>", "imix", [], {}, "x" * 3000)

    def leaves(self, value, path=()):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            yield (*path, key)
            yield from self.leaves(item, (*path, key))

    def test_is_told(self):
        chance, told = random.Random(31), 0
        makers = (samples.esp, samples.partial, samples.hostile, lambda: samples.soak(40))
        for _ in range(120):
            made = chance.choice(makers)()
            *path, last = chance.choice([p for p in self.leaves(made) if "counts" not in p])
            place = made
            for key in path:
                place = place[key]
            place[last] = chance.choice(self.ODD)
            if not result.faults(made):
                told += 1
                html.page([made])
                markdown.page([made])
        self.assertGreater(told, 20)


class Files(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory(prefix="penstock-lab-report-")
        self.addCleanup(made.cleanup)
        self.directory = pathlib.Path(made.name)

    def test_markdown_tells_what_matters_first(self):
        markdown.write(samples.all_kinds(), self.directory / "RESULTS.md")
        page = (self.directory / "RESULTS.md").read_text(encoding="utf-8")
        self.assertLess(page.index("Not trusted"), page.index("## Behind its peers"))
        self.assertLess(page.index("## Behind its peers"), page.index("## l3_forward"))
        self.assertIn("≤ 0.478", page)
        for words in ("2026-05-04", "AMD EPYC 9575F", "`penstock-lab run perf/scenarios/soak.yaml --seed 1`", "(generator-bound)", "(partial)"):
            self.assertIn(words, page)

    def test_a_figure_of_zero_is_told_and_drawn(self):
        made = samples.esp()
        made["figures"][0].update(value=0, samples=[0] * 5, interval=[0, 0])
        made["comparisons"][0].update(ratio=None, interval=None, verdict="worse")
        self.assertEqual(result.faults(made), [])
        behind = markdown.page([made]).split("## Behind its peers")[1].splitlines()
        self.assertIn("no ratio", behind[2], "the worst of all is first")
        self.assertIn("no ratio", html.page([made]))
        picture = next(p for p in pictures.of(made, theme.Styles([made])) if p.title.startswith("Ratios"))
        self.assertEqual(picture.table.rows[0][3], "no ratio")

    def test_every_bound_but_the_subjects_own_is_marked(self):
        made = samples.esp()
        for figure, bound in zip(made["figures"], ("generator", "device", "unknown", "subject")):
            figure["bound"] = bound
        for page in (markdown.page([made]), html.page([made])):
            for words in ("generator-bound", "device-bound", "limit not found"):
                self.assertIn(words, page.split("esp_tunnel", 2)[-1])

    def test_html_says_trusted_only_when_all_is(self):
        html.write([samples.packets(), samples.esp()], self.directory / "report.html")
        self.assertIn("<strong>Trusted.</strong> All 10 stability checks of 2 scenarios passed.", (self.directory / "report.html").read_text(encoding="utf-8"))
        self.assertNotIn("<strong>Trusted.", html.page([samples.packets(), samples.partial()]))
        self.assertNotIn("<strong>Trusted.", html.page([{**samples.esp(), "stability": {"trusted": True, "reasons": [], "checks": []}}]))

    def test_nothing_to_report(self):
        for write in (html.page, markdown.page):
            with self.assertRaises(ValueError):
                write([])

    @unittest.skipUnless(shutil.which(pictures.CONVERTER), "needs rsvg-convert (Debian package librsvg2-bin)")
    def test_pictures(self):
        paths = pictures.write([samples.partial(), samples.partial(), samples.hostile()], self.directory / "pictures")
        self.assertEqual(sorted(paths), sorted((self.directory / "pictures").iterdir()))
        self.assertEqual(len(paths), len(set(paths)))
        for path in paths:
            head = path.read_bytes()[:24]
            self.assertTrue(head.startswith(b"\x89PNG" if path.suffix == ".png" else b"<svg"))
            if path.suffix == ".png":
                self.assertIn(int.from_bytes(head[16:20], "big"), [pictures.ZOOM * (width + 2 * pictures.MARGIN) for width in (plot.HALF, plot.WIDE)])

    def test_a_converter_that_is_not_there(self):
        with mock.patch.object(pictures, "CONVERTER", "no-such-program"), self.assertRaises(pictures.PictureError) as raised:
            pictures.write([samples.esp()], self.directory / "pictures")
        self.assertIn("librsvg2-bin", str(raised.exception))
        self.assertFalse((self.directory / "pictures").exists())


if __name__ == "__main__":
    unittest.main()
