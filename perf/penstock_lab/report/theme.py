"""Colours, marks and strokes, for light and dark, for the page and for pictures of their own.

The colours of subjects keep apart for eyes that see no red or no green, and every subject has a marker and a dash of its own, so that
a picture can be read without any colour. All text has a contrast of 4.5 or more with its paper (WCAG 2.2, 1.4.3).
"""
import itertools

LIGHT = {"paper": "#fbfbf9", "ink": "#1a1e23", "quiet": "#58616b", "rule": "#c9cdca", "grid": "#e5e7e3",
         "good": "#0a6650", "bad": "#a5321a", "warn": "#855300",
         "series": ("#0b5fa5", "#b8460a", "#00735c", "#88398a", "#6d5d00", "#4a5560")}
DARK = {"paper": "#14171b", "ink": "#e6e8ea", "quiet": "#a0a9b2", "rule": "#4a525a", "grid": "#2a2f35",
        "good": "#5fd0ae", "bad": "#ff9a80", "warn": "#f0c05a",
        "series": ("#6db9ff", "#ff9c5a", "#4fd3ad", "#e29be2", "#d8c94e", "#b6c0ca")}
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2")
MARKERS = ("circle", "square", "triangle", "diamond", "cross", "bar")
FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"


class Styles:
    """Which subject is drawn how: the same everywhere in one report."""

    def __init__(self, results):
        self._places = {}
        groups = [[subject["name"] for subject in result["subjects"]] for result in results]
        for name in (name for group in groups for name in group if name not in self._places):
            beside = {self._places.get(other) for group in groups if name in group for other in group}
            self._places[name] = next(place for place in itertools.count() if place not in beside)

    def colour(self, subject):
        """The class of its colour."""
        return f"s{self._places[subject] % len(LIGHT['series'])}"

    def marker(self, subject):
        place = self._places[subject]   # the seventh has the first's colour, and another marker
        return MARKERS[(place + place // len(MARKERS)) % len(MARKERS)]

    def dash(self, subject):
        return self._places[subject] % len(DASHES)


def colours(palette):
    """What the palette colours, as rules of style."""
    rules = [f".plot text{{stroke:{palette['paper']}}}"]
    rules += [f".p-{name}{{fill:{palette[name]}}}" for name in ("ink", "quiet", "warn", "good", "bad", "paper")]
    rules += [f".p-grid{{stroke:{palette['grid']}}}.p-rule{{stroke:{palette['rule']}}}",
              f".p-reference,.p-whisker{{stroke:{palette['quiet']}}}",
              f".p-hollow{{fill:{palette['paper']};stroke:{palette['quiet']}}}.p-one{{stroke:{palette['ink']}}}"]
    rules += [f".v-{name}{{fill:{palette[name]};stroke:{palette[name]}}}" for name in ("good", "bad", "warn", "quiet")]
    rules.append(f".vh{{fill:{palette['paper']}}}")
    for place, colour in enumerate(palette["series"]):
        rules.append(f".s{place}.l{{stroke:{colour}}}.s{place}.f{{fill:{colour};stroke:{colour}}}"
                     f".s{place}.h{{fill:{palette['paper']};stroke:{colour}}}.s{place}.t{{fill:{colour}}}")
    return "\n".join(rules)


def shapes():
    """What is the same in both. Of a subject: l a line, f a full mark, h a hollow one, t its text or area; d0 … its dashes."""
    dashes = "".join(f".d{place}{{stroke-dasharray:{dash}}}" for place, dash in enumerate(DASHES))
    return (f".plot text{{font-family:{FONT};font-size:11px;paint-order:stroke;stroke-width:3px;stroke-linejoin:round}}"
            ".plot .p-title{font-size:13px;font-weight:600}.plot .p-mono{font-variant-numeric:tabular-nums}"
            ".l{fill:none;stroke-width:1.75;stroke-linejoin:round}.l.thin{stroke-width:1}"
            ".f,.h,.vh,.p-hollow{stroke-width:1.5}.faint{opacity:.45}.area{opacity:.18}"
            f".p-grid,.p-rule,.p-reference,.p-whisker,.p-one{{fill:none;stroke-width:1}}.p-reference{{stroke-dasharray:5 3}}{dashes}")


def style():
    """All of it; a reader that knows no media queries keeps the light one, and so does paper."""
    return f"{shapes()}\n{colours(LIGHT)}\n@media screen and (prefers-color-scheme:dark){{\n{colours(DARK)}\n}}"


def variables():
    """The palettes for the page around the pictures."""
    light, dark = ("".join(f"--{name}:{value};" for name, value in palette.items() if name != "series") for palette in (LIGHT, DARK))
    return f":root{{color-scheme:light dark;--font:{FONT};{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
