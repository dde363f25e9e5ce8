"""What the lines of a scenario's ports can carry, where their `lineRate` is known (bits a second): nothing above it is asked for, and a
figure above it is not believed.

    line = read(document)      None where nobody can tell: a port without lineRate sends, or a recording
    line.most(unit, stream)    the highest figure that can be true
    line.faults(asked)         what asks for more
"""
import dataclasses

from .inputs import EMIX, IMIX

CLOCKS = 2e-4           # Ethernet's clocks may differ by this much (IEEE 802.3: 100 ppm at each end)
OVERHEAD = 20           # bytes on the wire besides a frame: preamble and gap (RFC 2544, appendix B)


def pps(bits, size):
    """Frames of `size` bytes a second that a line of so many bits can carry."""
    return bits / ((size + OVERHEAD) * 8)


@dataclasses.dataclass(frozen=True)
class Line:
    """`total`: packets a second of all streams, in their proportions; `bits`: of their frames then; `streams`: packets a second of each
    alone; `own`: [(path, words)] of the streams that ask for more themselves."""
    total: float
    bits: float
    streams: dict
    own: tuple

    def most(self, unit, stream=None):
        """None: of another unit, or an unknown stream."""
        if unit == "pps":
            return self.total if stream is None else self.streams.get(str(stream))
        return self.bits if unit == "bit/s" and stream is None else None

    def below(self, value, unit, stream=None):
        """Whether this can be a true figure, as far as is known."""
        most = self.most(unit, stream)
        return most is None or value <= most * (1 + CLOCKS)

    def faults(self, asked):
        """[(path, words)] of loads: [(path, packets a second)], or None for what the streams ask for themselves."""
        for path, load in asked:
            if load is None:
                yield from self.own
            elif load > self.total * (1 + CLOCKS):
                yield path, f"{load:g} is above {self.total:.6g} packets/s, all that the lineRate of the ports can carry"


def read(document):
    """`document`: a scenario without place holders; not necessarily a good one."""
    rates = {str(one.get("name")): one.get("lineRate") for one in _mappings(document, "ports")}
    streams = [_Stream(one, index, rates) for index, one in enumerate(_mappings(document, "streams"))]
    if not streams or not all(stream.known for stream in streams):
        return None
    total, ports = sum(stream.pps for stream in streams), list(dict.fromkeys(stream.port for stream in streams))
    wanted = {port: sum(stream.pps * stream.wire for stream in streams if stream.port == port) for port in ports}
    most = total * min(rates[port] / wanted[port] for port in ports)
    first = {port: next(stream.path for stream in streams if stream.port == port) for port in ports}
    own = tuple((f"{first[port]}.rate", f"all from {port} are {bits:.6g} bits/s on the wire, above its lineRate, {rates[port]:g}")
                for port, bits in wanted.items() if bits > rates[port] * (1 + CLOCKS))
    return Line(most, most * sum(stream.pps * stream.size * 8 for stream in streams) / total,
                {stream.name: rates[stream.port] / stream.wire for stream in streams}, own)


class _Stream:
    def __init__(self, one, index, rates):
        self.path, self.name, self.port = f"streams[{index}]", str(one.get("name", f"s{index}")), str(one.get("from"))
        self.size = None if "pcap" in one else mean_size(one.get("size", 64))
        self.known = bool(self.size) and is_number(rates.get(self.port))
        if self.known:
            self.wire = (self.size + OVERHEAD) * 8
            self.pps = self._pps(one.get("rate", {"pps": 1}), rates[self.port])
            self.known = is_number(self.pps)

    def _pps(self, rate, line):
        for unit, bits in (("pps", 1), ("bps", 8 * self.size), ("line", self.wire / line)):
            if isinstance(rate, dict) and is_number(rate.get(unit)):
                return rate[unit] / bits
        return None


def mean_size(size):
    """Bytes of a stream's mean frame; None when that is no size."""
    shares = size
    if size == "imix":
        shares = [{"size": one, "weight": weight} for one, weight in IMIX]
    elif isinstance(size, dict) and isinstance(size.get("emix"), str):
        shares = [{"size": EMIX.get(letter), "weight": 1} for letter in size["emix"]]
    elif isinstance(size, dict):
        shares = [{"size": size.get(end), "weight": 1} for end in ("min", "max")]
    elif not isinstance(size, list):
        return size if is_number(size) else None
    parts = [(one.get("size"), one.get("weight")) if isinstance(one, dict) else (None, None) for one in shares]
    if not all(is_number(part) and (is_number(weight) or weight == 0) for part, weight in parts):
        return None
    total = sum(weight for _, weight in parts)
    return sum(part * weight for part, weight in parts) / total if total else None


def is_number(value):
    """Above zero, and no infinity."""
    return type(value) in (int, float) and 0 < value < 1e18


def _mappings(document, field):
    """The mappings of a list; what else is in it is the fault of others."""
    items = document.get(field)
    return [one if isinstance(one, dict) else {} for one in items] if isinstance(items, list) else []
