"""Numbers with units, as people read them: 6.91 Mpps, 9.98 Gbit/s, 3.9 µs.

Digits beyond the last one shown are cut off, so that no number is told above what was counted.
"""
import decimal

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
DURATIONS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
SECONDS = {"s": 1, "ns": 1e-9}                   # what a unit of time is in seconds
PREFIXED = {"pps": "pps", "bps": "bit/s", "bit/s": "bit/s"}                  # the prefix is part of the word
COUNTED = {"", "%", "ratio", "packets", "frames", "requests", "connections"}   # told in full
NOUNS = {"flows", "rules", "routes", "connections", "peers", "associations", "patterns", "sources"}   # conditions that are counts
THIN, TIMES = "\u202f", "×"


def scale(unit, largest):
    """(divisor, name) that make numbers up to `largest` easy to read."""
    largest = abs(largest)
    if unit in SECONDS:
        seconds = SECONDS[unit]
        fitting = [(d, name) for d, name in DURATIONS if divided(d, seconds) <= largest]
        return (divided(fitting[0][0], seconds), fitting[0][1]) if fitting else (1, unit)
    if unit in COUNTED or unit.startswith("cycles"):
        return 1, unit
    divisor, prefix = next(((d, p) for d, p in PREFIXES if largest >= d), (1, ""))
    if unit in PREFIXED:
        return divisor, prefix + PREFIXED[unit]
    return divisor, f"{prefix} {unit}" if prefix else unit


def number(value, digits=4, keep=False):
    """The number with so many digits that count, none rounded up: 6.912, 5.1e-07, 1,204,310. `keep`: zeros at the end, too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    exact = decimal.Decimal(repr(value))
    if exact == 0:
        return "0"
    if exact.adjusted() < -4:
        return f"{_cut(exact.scaleb(-exact.adjusted()), digits, keep)}e{exact.adjusted():03d}"
    return _cut(exact, digits, keep)


def _cut(exact, digits, keep):
    places = max(0, digits - 1 - exact.adjusted())
    words = f"{exact.quantize(decimal.Decimal(1).scaleb(-places), decimal.ROUND_FLOOR):,f}"
    return words if keep or "." not in words else words.rstrip("0").rstrip(".")


def ratio(value):
    """A ratio to a peer: to the thousandth, or four digits."""
    exact = decimal.Decimal(repr(value))
    return number(value, max(3, min(4, 4 + exact.adjusted())), keep=True) if exact else "0"


def divided(value, divisor):
    """The quotient without what binary fractions add to it."""
    return float(decimal.Decimal(repr(value)) / decimal.Decimal(repr(divisor)))


def quantity(value, unit, digits=4):
    """6.912 Mpps; all digits are kept where there may be more behind them."""
    divisor, name = scale(unit, value)
    words = number(divided(value, divisor), digits, keep=divisor != 1 or not float(value).is_integer())
    return f"{words}{THIN if len(name) < 8 else ' '}{name}" if name and name != "ratio" else words


def plain(value, unit, digits=4):
    """10 Gbit/s: of numbers that were chosen."""
    divisor, name = scale(unit, value)
    return f"{number(divided(value, divisor), digits)}{THIN}{name}"


def loss(share):
    """A share of packets: 0, 3.2e-07, 0.5 %."""
    return number(share, 2) if share < 1e-4 else f"{number(share * 100, 3)}{THIN}%"


def share(part, whole, digits=3):
    """22.7 %"""
    return f"{number(100 * part / whole, digits) if whole else 0}{THIN}%"


def percent(share_of_one):
    """A level of confidence: 95 %."""
    return f"{number(share_of_one * 100)}{THIN}%"


def condition(name, value):
    """64 B frames; 128 B bodies; 1,000 flows; kind route."""
    words = value if isinstance(value, (str, bool)) else number(value, 6)
    if name in ("size", "body"):
        what = "frames" if name == "size" else "bodies"
        return f"{words} {what}" if isinstance(value, str) else f"{value}{THIN}B {what}"
    if name in NOUNS and not isinstance(value, (str, bool)):
        return f"{words} {name}"
    return f"{name.replace('_', ' ')} {words}"


def conditions(words):
    return ", ".join(condition(name, value) for name, value in words.items())


def metric(name):
    """latency_p99 as words."""
    return name.replace("_", " ")
