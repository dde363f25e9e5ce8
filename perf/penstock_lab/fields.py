"""Reads the fields of a mapping from outside and collects every fault with its path and what would be valid.

A Reader takes fields one by one; done() names those that nobody took. A faulty field yields its default, so that reading
goes on to the next fault; whoever reads looks at `faults` before using what was read.
"""
import re

REQUIRED = object()


class Reader:
    """One mapping. `path`: where it is, for the faults ("streams[0]"); `faults`: shared by all readers of a scenario."""

    def __init__(self, value, path, faults):
        self.path, self.faults, self._known = path, faults, []
        self.value = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            faults.append(f"{path}: {shown(value)} is not a mapping of fields")

    def fault(self, name, text):
        self.faults.append(f"{self.path}.{name}: {text}" if self.path else f"{name}: {text}")

    def has(self, name):
        return name in self.value

    def raw(self, name, default=REQUIRED):
        """The field as it is; checked by somebody else."""
        self._known.append(name)
        if name not in self.value and default is REQUIRED:
            self.fault(name, "is missing")
            return None
        return self.value.get(name, None if default is REQUIRED else default)

    def number(self, name, low, high, default=REQUIRED, whole=False):
        value = self.raw(name, default)
        if name not in self.value:
            return low if default is REQUIRED else default
        reason = number_fault(value, low, high, whole)
        if reason:
            self.fault(name, reason)
            return low if default is REQUIRED else default
        return value

    def numbers(self, name, low, high, default=REQUIRED):
        """A list of numbers, or one number, as a list."""
        value = self.raw(name, default)
        if name not in self.value:
            return default if default is not REQUIRED else [low]
        values = value if isinstance(value, list) else [value]
        if not values or len(values) > 100:
            self.fault(name, "must have 1 to 100 numbers")
        for index, one in enumerate(values):
            if reason := number_fault(one, low, high):
                self.fault(f"{name}[{index}]" if isinstance(value, list) else name, reason)
        return values

    def text(self, name, pattern=None, default=REQUIRED, about="", longest=1000):
        value = self.raw(name, default)
        if name not in self.value:
            return "" if default is REQUIRED else default
        if not isinstance(value, str) or len(value) > longest:
            self.fault(name, f"{shown(value)} is not a text of at most {longest} characters")
        elif pattern and not re.fullmatch(pattern, value):
            self.fault(name, f"{shown(value)} is not {about or pattern}")
        else:
            return value
        return "" if default is REQUIRED else default

    def choice(self, name, choices, default=REQUIRED):
        value = self.raw(name, default)
        if name in self.value and (not isinstance(value, str) or value not in choices):
            self.fault(name, f"{shown(value)} is none of {', '.join(choices)}")
        elif name in self.value:
            return value
        return next(iter(choices)) if default is REQUIRED else default

    def flag(self, name, default):
        value = self.raw(name, default)
        if not isinstance(value, bool):
            self.fault(name, f"{shown(value)} is neither true nor false")
            return default
        return value

    def mapping(self, name, default=REQUIRED):
        """A Reader of the field's own fields."""
        value = self.raw(name, default)
        present = name in self.value
        return Reader(value if present else (default if isinstance(default, dict) else {}), self._join(name), self.faults)

    def items(self, name, default=REQUIRED, most=1000):
        """A list of mappings: a Reader for each."""
        value = self.raw(name, default)
        if not isinstance(value, list) or len(value) > most:
            if name in self.value:
                self.fault(name, f"{shown(value)} is not a list of at most {most}")
            return []
        return [Reader(one, f"{self._join(name)}[{index}]", self.faults) for index, one in enumerate(value)]

    def done(self):
        for name in self.value:
            if name not in self._known:
                self.fault(str(name)[:80], f"is not known here; known: {', '.join(sorted(set(self._known)))}")

    def _join(self, name):
        return f"{self.path}.{name}" if self.path else name


def number_fault(value, low, high, whole=False):
    """What is wrong with a value that must be a number from `low` to `high`; empty when nothing is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return f"{shown(value)} is not a number"
    if value < low:
        return f"{shown(value)} is below {low:g}"
    if value > high:
        return f"{shown(value)} is above {high:g}"
    return f"{shown(value)} is not a whole number" if whole and not isinstance(value, int) else ""


FILES = re.compile(r"(\w*_pcap)\s*=")


def device_fault(device):
    """What is wrong with the devargs of a port: a scenario may not have files of its choice read and written as root."""
    found = FILES.search(device)
    return f"{found[1]}: a device of files is not for a scenario; streams have pcap" if found else ""


def shown(value):
    """A value for an error: short, on one line, without control characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def plain(value):
    """One text for values of a condition that are the same to Python or in a table: 1, 1.0, "1", and true, which is 1 to Python."""
    return str(int(value)) if isinstance(value, (int, float)) and value == int(value) else str(value)
