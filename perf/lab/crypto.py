"""See crypto.sh."""
import ipaddress
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from subject import SERVERS, GatewayRun, arp_replies, checksum, frame, main, objects, peers, rig, spread, udp_datagram  # noqa: E402

OURS, UNDERLAY = "192.0.2.1", "100.64.0.0/16"   # peers are there, behind the first of SERVERS; what is decrypted goes to the second
REMOTE, LOCAL = "198.18.0.0/16", "10.9.0.0/16"
FLOWS, MANY = 256, 1000
DEVICE = "crypto_aesni_gcm"
IMIX = [64] * 7 + [576] * 4 + [1400]
CIPHERS = {"AES-GCM-128": 16, "AES-GCM-256": 32}
LIMIT = "dpdk-test-crypto-perf"
SECGW = {"cpu-crypto": "cpu-crypto", "queues": "no-offload"}   # synchronous, asynchronous: what it calls them


def address(prefix, n):
    return str(ipaddress.ip_network(prefix)[n])


def peer_of(lab, cipher, n, prefix, lanes=1):
    """A Peer with `lanes` associations in each direction, and SPI and key of its first inbound one."""
    length, spi = CIPHERS[cipher] + 4, 0x10000 + n * lanes
    key = lambda kind, lane: bytes([kind, lane]) + n.to_bytes(4, "big") + bytes(length - 6)   # noqa: E731
    path, inward = lab.dir / f"keys-{cipher}-{n}-{lanes}", key(2, 0)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        for lane in range(lanes):
            file.write(f"out {spi + lane} {key(1, lane).hex()}\nin {spi + lane} {key(2, lane).hex()}\n")
    return objects.peer(f"p{n}", address(UNDERLAY, 1 + n), prefix, cipher=cipher, staticKeys={"file": str(path)},
                        extendedSequenceNumbers=False, replayWindow=0), (spi, inward)   # the input comes round and round


def sealed(association, n, inner):
    """RFC 4303 and 4106, without us: what the peer would send."""
    spi, key = association
    padding = -(len(inner) + 2) % 4
    clear = inner + bytes(range(1, padding + 1)) + bytes([padding, 4])
    head, iv = struct.pack("!II", spi, 1 + n), struct.pack("!Q", 1 + n)
    esp = head + iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, clear, head)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(esp), 0, 0x4000, 64, 50, 0, socket.inet_aton(address(UNDERLAY, 1)),
                     socket.inet_aton(OURS))
    return frame(ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + esp)


def clear(n, length, destination):
    return udp_datagram(socket.inet_aton(address(LOCAL, 1 + n)), 1024 + n, socket.inet_aton(destination), 9, length)


def write_input(path, frames):
    peers.write_pcap(path, arp_replies(SERVERS[:2]) + frames)
    peers.write_pcap(bare(path), frames)
    return path


def bare(path):
    """The same for who knows his neighbours already."""
    return path.with_name(path.name + ".bare")


def encrypt_input(path, sizes, destinations):
    return write_input(path, [frame(clear(n, sizes[n % len(sizes)], destinations[n % len(destinations)]))
                              for n in range(max(FLOWS, len(destinations)))])


def decrypt_input(path, size, association):
    frames = [sealed(association, n, udp_datagram(socket.inet_aton(address(REMOTE, 1 + n)), 1024 + n,
                                                  socket.inet_aton(address(LOCAL, 1 + n)), 9, size)) for n in range(FLOWS)]
    return write_input(path, frames)


def secgw_config(cipher, association, mode):
    """For ipsec-secgw: what our Peer says; `mode` is how its associations use the crypto device."""
    colons = lambda key: ":".join(f"{byte:02x}" for byte in key)   # noqa: E731
    spi, inward = association
    keys = f"aead_algo {cipher.lower().replace('gcm-128', '128-gcm').replace('gcm-256', '256-gcm')} aead_key"
    there, ports = address(UNDERLAY, 1), "sport 0:65535 dport 0:65535"
    return "\n".join([
        f"sp ipv4 out esp protect 5 pri 1 dst {REMOTE} {ports}", f"sp ipv4 in esp protect {spi} pri 1 dst {LOCAL} {ports}",
        f"sa out 5 {keys} {colons(inward[::-1])} mode ipv4-tunnel src {OURS} dst {there} type {mode}",
        f"sa in {spi} {keys} {colons(inward)} mode ipv4-tunnel src {there} dst {OURS} type {mode}",
        f"rt ipv4 dst {UNDERLAY} port 0", f"rt ipv4 dst {LOCAL} port 0", "neigh port 0 02:00:00:00:00:09", ""])


def limit(lab, cipher, operation, size, core, huge, number):
    """Operations per second of the cipher alone, of as many bytes as the ciphertext of an inner datagram of that size."""
    program = shutil.which("dpdk-test-crypto-perf")
    if program is None:
        raise peers.Missing("no dpdk-test-crypto-perf: install dpdk-dev")
    main = next(c for c in sorted(os.sched_getaffinity(0)) if c != core)
    length = size + 2 + -(size + 2) % 4
    words = [program, *peers.eal(f"{main},{core}", f"crypto{os.getpid()}-{number}", huge), "--main-lcore", str(main), "--vdev", DEVICE, "--",
             "--ptest", "throughput", "--devtype", DEVICE, "--optype", "aead", "--aead-algo", "aes-gcm", "--aead-op", operation,
             "--aead-key-sz", str(CIPHERS[cipher]), "--aead-iv-sz", "12", "--aead-aad-sz", "8", "--digest-sz", "16", "--buffer-sz", str(length),
             "--burst-sz", "64", "--total-ops", "20000000" if size < 1000 else "5000000", "--silent", "--csv-friendly"]
    said = lab.start("crypto-perf", *words)
    said.wait(120)
    rows = [line.split(",") for line in said.output().splitlines() if re.match(rf"\s*\d+,{length},", line)]
    if not rows:
        raise peers.Missing(f"dpdk-test-crypto-perf: {said.tail(2)}")
    return float(rows[-1][7]) * 1e6   # columns: core, buffer, burst, enqueued, dequeued, failed enqueues, failed dequeues, MOps


def subjects(lab):
    """name: (input, peers, (cipher, operation, size), association of the input), the last two None where there is no other"""
    made = {}
    for cipher in CIPHERS:
        one, association = peer_of(lab, cipher, 0, REMOTE)
        mark = "" if cipher == "AES-GCM-128" else "_256"
        for size in (64, 512, 1400) if not mark else (1400,):
            destinations = [address(REMOTE, 1 + n) for n in range(FLOWS)]
            made[f"esp_encrypt_{size}B{mark}"] = (encrypt_input(lab.dir / f"e{size}{mark}", [size], destinations), [one], (cipher, "encrypt", size), association)
            made[f"esp_decrypt_{size}B{mark}"] = (decrypt_input(lab.dir / f"d{size}{mark}", size, association), [one], (cipher, "decrypt", size), association)
        if not mark:
            made["esp_encrypt_imix"] = (encrypt_input(lab.dir / "imix", IMIX, destinations), [one], None, None)
            spots = [f"198.18.{n // 250}.{n % 250}" for n in range(MANY)]
            four = [peer_of(lab, cipher, n, f"{spot}/32", lanes=2)[0] for n, spot in enumerate(spots)]
            made["esp_1_peer"] = (encrypt_input(lab.dir / "one", [64], spots), [peer_of(lab, cipher, 0, REMOTE, lanes=2)[0]], None, None)
            made["esp_1000_peers"] = (encrypt_input(lab.dir / "many", [64], spots), four, None, None)
    return made


def measure_all(lab, options, huge):
    """Everything `options.runs` times, taking turns."""
    cases, ours, theirs, reasons, number = subjects(lab), {}, {}, {}, 0
    routes = [objects.route(UNDERLAY, SERVERS[0]), objects.route(LOCAL, SERVERS[1])]
    device = lambda path: f"net_pcap0,rx_pcap={path},infinite_rx=1"   # noqa: E731
    for turn in range(options.runs):
        for name, (path, bundle, bound, association) in cases.items():
            run = GatewayRun(lab, device(path), options.core, bundle, huge, routes)
            try:
                ours.setdefault(name, []).append(run.measure(options.seconds, 0))
            finally:
                run.stop()
            if bound is None:
                continue
            others = {LIMIT: lambda: limit(lab, *bound, options.core, huge, number)}
            for mode in SECGW:
                others[f"ipsec-secgw ({mode})"] = lambda mode=mode: peers.ipsec_secgw_rate(
                    lab, device(bare(path)), DEVICE, secgw_config(bound[0], association, SECGW[mode]), bound[1], options.core, options.seconds,
                    huge, number)
            for peer, measure in others.items():
                number += 1
                try:
                    theirs.setdefault((name, peer), []).append(measure())
                except (peers.Missing, rig.LabError) as reason:
                    reasons[(name, peer)] = str(reason).splitlines()[0]
        print(f"turn {turn + 1} of {options.runs} done", file=sys.stderr)
    return [row for name, (_, _, bound, _) in cases.items() for row in rows(name, bound, ours, theirs, reasons)]


def rows(name, bound, ours, theirs, reasons):
    """One for each peer, the limit first; one without a peer where there is none."""
    runs = ours[name]
    clock = statistics.median(r[2] for r in runs)
    plain = {"name": name, "value": round(statistics.median(r[0] for r in runs) / 1e6, 3), "unit": "Mpps", "peer": None, "peer_value": None,
             "ratio": None, "runs": len(runs), "spread": round(spread([r[0] for r in runs]), 3),
             "cycles_per_packet": round(statistics.median(r[1] for r in runs), 1), "peer_cycles_per_packet": None}
    if name == "esp_1000_peers":
        one = statistics.median(r[1] for r in ours["esp_1_peer"])
        yield {**plain, "peer": "esp_1_peer", "peer_value": round(statistics.median(r[0] for r in ours["esp_1_peer"]) / 1e6, 3),
               "ratio": round(plain["cycles_per_packet"] / one, 3), "peer_cycles_per_packet": round(one, 1)}   # of cycles: less is better
    elif bound is None:
        yield plain
    for peer in [LIMIT, *(f"ipsec-secgw ({mode})" for mode in SECGW)] if bound else []:
        values = theirs.get((name, peer))
        if not values:
            yield {**plain, "peer": peer, "reason": reasons.get((name, peer), "not measured")}
            continue
        rate = statistics.median(values) / 1e6
        yield {**plain, "peer": peer, "peer_value": round(rate, 3), "ratio": round(plain["value"] / rate, 3),
               "peer_cycles_per_packet": round(clock / rate / 1e6, 1), "peer_spread": round(spread(values), 3)}


def table(results):
    print(f"{'name':24} {'Mpps':>7} {'cycles':>8}  {'peer':25} {'Mpps':>7} {'cycles':>8} {'ratio':>6} {'spread':>7}")
    for r in results:
        peer = f"{r['peer_value']:7.2f} {r['peer_cycles_per_packet']:8.1f} {r['ratio']:6.2f}" if r["ratio"] else f"{r.get('reason', ''):>23}"
        print(f"{r['name']:24} {r['value']:7.2f} {r['cycles_per_packet']:8.1f}  {r['peer'] or '':25} {peer} {r['spread']:6.0%}")


if __name__ == "__main__":
    main("perf/lab/crypto.sh", measure_all, table, {"device": DEVICE})
