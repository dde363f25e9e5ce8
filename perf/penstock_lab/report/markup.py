"""HTML and SVG built from parts, with every stranger's word escaped.

`element` takes children that are Markup (kept as they are) or anything else (told as text). There is no other way to make Markup
of what a result says.
"""
import re

# What XML cannot hold, and what turns the direction of the text around it.
UNFIT = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """What is markup already."""


def text(value):
    """Anything, as text."""
    return value if isinstance(value, Markup) else Markup(UNFIT.sub("\ufffd", str(value)).translate(ESCAPES))


def join(parts):
    return Markup("".join(text(part) for part in parts))


def element(name, *children, **attributes):
    """<name …>children</name>. `class_` is the attribute class, `view_box` is view-box; what is None is left out."""
    words = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{words}>{join(children)}</{name}>")


def shorten(value, most):
    """At most so many characters of it."""
    words = str(value)
    return words if len(words) <= most else words[:most - 1] + "…"
