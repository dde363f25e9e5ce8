"""See l4.sh."""
import ipaddress
import pathlib
import socket
import statistics
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from subject import SERVERS, GatewayRun, arp_replies, frame, main, objects, peers, rig, spread, udp_datagram  # noqa: E402

VIP, SERVICE_PORT, NAT_FLOWS = "203.0.113.10", 80, 100_000


def packets(flows, destination, port):
    base = int(ipaddress.ip_address("10.0.0.1"))
    return [frame(udp_datagram(struct.pack("!I", base + n % 25000), 1024 + n // 25000 * 7919 % 60000, destination(n), port, 46))
            for n in range(flows)]   # 64 bytes with the frame check sequence


def filter_and_limits():
    """1000 rules that do not match and one that does; an aggregate and a per-source limit that are never reached."""
    rules = [{"name": f"r{n}", "action": "deny", "from": [f"172.{16 + n // 250}.{n % 250}.0/24"], "protocol": "udp",
              "ports": [str(1000 + n)]} for n in range(999)]
    return [objects.access_policy("thousand", *rules, {"name": "rest", "action": "allow"}),
            objects.rate_limit("all", {"interface": "in"}, {"packetsPerSecond": 1e9}),
            objects.rate_limit("each", {"service": {"name": "web"}}, {"packetsPerSecond": 1e6}, per="source")]


def service():
    made = objects.service("web", VIP, (SERVICE_PORT, 8080, "UDP"))
    return [made, *objects.endpoints(made, *SERVERS)]


def measure_all(lab, options, huge):
    """Runs everything `options.runs` times, taking turns, so that a slow minute of the machine hits all alike."""
    l3_file, nat_file = lab.dir / "l3.pcap", lab.dir / "nat.pcap"
    l3_destination = lambda n: struct.pack("!I", int(ipaddress.ip_address("198.18.1.1")) + n % 200)   # noqa: E731
    peers.write_pcap(l3_file, [*arp_replies(), *packets(4096, l3_destination, 9)])
    peers.write_pcap(nat_file, [*arp_replies(), *packets(NAT_FLOWS, lambda n: socket.inet_aton(VIP), SERVICE_PORT)])
    l3_large = lab.dir / "l3-large.pcap"
    peers.write_pcap(l3_large, [*arp_replies(), *packets(NAT_FLOWS, l3_destination, 9)])
    device = lambda path: f"net_pcap0,rx_pcap={path},infinite_rx=1"   # noqa: E731
    subjects = {
        "l3_forward_64B": (l3_file, [], 0, l3_file),
        "l4_nat_100k_64B": (nat_file, service(), NAT_FLOWS * 0.99, l3_large),
        "l4_nat_100k_filter_limits_64B": (nat_file, [*service(), *filter_and_limits()], NAT_FLOWS * 0.99, l3_large)}
    ours, theirs, reasons, number = {}, {}, {}, 0
    for turn in range(options.runs):
        for path in (l3_file, l3_large):
            for peer in ("l3fwd (LPM)", "testpmd io", "testpmd macswap"):
                number += 1
                try:
                    rate = (peers.l3fwd_rate(lab, device(path), options.core, options.seconds, huge, number) if "l3fwd" in peer else
                            peers.testpmd_rate(lab, device(path), options.core, peer.split()[1], options.seconds, huge, number))
                    theirs.setdefault((peer, path), []).append(rate)
                except (peers.Missing, rig.LabError) as reason:
                    reasons[(peer, path)] = str(reason).splitlines()[0]
        for name, (path, bundle, flows, _) in subjects.items():
            run = GatewayRun(lab, device(path), options.core, bundle, huge)
            try:
                ours.setdefault(name, []).append(run.measure(options.seconds, flows))
            finally:
                run.stop()
        print(f"turn {turn + 1} of {options.runs} done", file=sys.stderr)
    return [row for name, (_, _, _, peer_path) in subjects.items()
            for row in rows(name, ours[name], {p: (theirs.get((p, peer_path)), reasons.get((p, peer_path)))
                                              for p in ("l3fwd (LPM)", "testpmd io", "testpmd macswap")})]


def rows(name, runs, by_peer):
    rate = statistics.median(r[0] for r in runs) / 1e6
    clock = statistics.median(r[2] for r in runs)
    ceiling = by_peer["testpmd io"][0]
    bound = "device" if ceiling and rate > 0.8 * statistics.median(ceiling) / 1e6 else "unknown"
    for peer, (values, reason) in by_peer.items():
        row = {"name": name, "value": round(rate, 3), "unit": "Mpps", "peer": peer, "peer_value": None, "ratio": None,
               "runs": len(runs), "spread": round(spread([r[0] for r in runs]), 3), "bound_by": bound,
               "cycles_per_packet": round(statistics.median(r[1] for r in runs), 1), "peer_cycles_per_packet": None}
        if values:
            theirs = statistics.median(values) / 1e6
            row.update(peer_value=round(theirs, 3), ratio=round(rate / theirs, 3),
                       peer_cycles_per_packet=round(clock / theirs / 1e6, 1), peer_spread=round(spread(values), 3))
        else:
            row["reason"] = reason
        yield row


def table(results):
    print(f"{'name':32} {'Mpps':>7} {'cycles':>7}  {'peer':16} {'Mpps':>7} {'cycles':>7} {'ratio':>6} {'spread':>7}  bound by")
    for r in results:
        peer = f"{r['peer_value']:7.2f} {r['peer_cycles_per_packet']:7.1f} {r['ratio']:6.2f}" if r["ratio"] else f"{r['reason']:>22}"
        print(f"{r['name']:32} {r['value']:7.2f} {r['cycles_per_packet']:7.1f}  {r['peer']:16} {peer} {r['spread']:6.0%}  {r['bound_by']}")


if __name__ == "__main__":
    main("perf/lab/l4.sh", measure_all, table)
