"""Streams without a signature: recordings, and streams with `signature: false`. What came of a packet only the signature tells.

Such a stream alone is counted by the ports instead: what arrived where it should go, and was neither signed nor address resolution, is its.
That gives rate and loss, but no latency, order, duplicates or corruption. Of several, or beside signed ones, nobody knows whose a packet is.
"""
NOTE = "packets without a signature: counted at the ports, so rate and loss are known, but no latency, order, duplicates or corruption"


def unsigned(stream):
    return isinstance(stream, dict) and ("pcap" in stream or stream.get("signature") is False)


def counted_at(streams):
    """Names of the ports that count what came of these streams, () for all of them; None: signatures do."""
    if len(streams) != 1 or not unsigned(streams[0]):
        return None
    return (streams[0]["to"],) if "to" in streams[0] else ()


def fault(scenario):
    """Why nothing could be counted of the streams of this scenario; empty when it can."""
    if scenario.traffic != "packets" or not scenario.streams or not all(map(unsigned, scenario.streams)):
        return ""
    if len(scenario.streams) > 1:
        return "streams: none has a signature, so nobody can tell whose packets arrive: measure one at a time, or beside a signed one"
    if scenario.method.signed:
        return f"method.name: {scenario.method.NAME} needs packets with a signature, which a recording and signature: false have not"
    return ""
