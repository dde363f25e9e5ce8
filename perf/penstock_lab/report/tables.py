"""Tables, chips and lists of facts of the page."""
from . import units
from .markup import Markup, element, join


def chip(words):
    return element("span", words, class_="chip")


def scrolled(table):
    """A table that may be wider than the page."""
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label="table")


def plain(table):
    """A plot.Table."""
    head = element("tr", *(element("th", header, scope="col") for header in table.headers))
    rows = [element("tr", *(element("td", cell) for cell in row)) for row in table.rows]
    return scrolled(element("table", element("thead", head), element("tbody", *rows)))


def folded(title, *content, opened=False):
    return element("details", element("summary", title), *content, open="" if opened else None)


def told(value):
    """A fact of a machine, in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {told(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(told, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not known" if value is None else value if isinstance(value, str) else units.number(value, 6)


def facts(pairs):
    """A list of names and what they stand for."""
    return element("dl", join(join([element("dt", name), element("dd", value if isinstance(value, Markup) else told(value))])
                              for name, value in pairs))
