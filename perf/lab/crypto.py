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


def address(prefix, n):
    return str(ipaddress.ip_network(prefix)[n])


def peer_of(lab, cipher, n, prefix):
    """A Peer with one association in each direction, and the key of the inbound one."""
    length, spi = CIPHERS[cipher] + 4, 0x10000 + n
    out, inward = (bytes([k]) + n.to_bytes(4, "big") + bytes(length - 5) for k in (1, 2))
    path = lab.dir / f"keys-{cipher}-{n}"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"out {spi} {out.hex()}\nin {spi} {inward.hex()}\n")
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


def encrypt_input(path, sizes, destinations):
    frames = [frame(clear(n, sizes[n % len(sizes)], destinations[n % len(destinations)])) for n in range(max(FLOWS, len(destinations)))]
    peers.write_pcap(path, arp_replies(SERVERS[:2]) + frames)
    return path


def decrypt_input(path, size, association):
    frames = [sealed(association, n, udp_datagram(socket.inet_aton(address(REMOTE, 1 + n)), 1024 + n,
                                                  socket.inet_aton(address(LOCAL, 1 + n)), 9, size)) for n in range(FLOWS)]
    peers.write_pcap(path, arp_replies(SERVERS[:2]) + frames)
    return path


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
    """name: (input, peers, cipher and operation and size of the limit or None)"""
    made = {}
    for cipher in CIPHERS:
        one, association = peer_of(lab, cipher, 0, REMOTE)
        mark = "" if cipher == "AES-GCM-128" else "_256"
        for size in (64, 512, 1400) if not mark else (1400,):
            destinations = [address(REMOTE, 1 + n) for n in range(FLOWS)]
            made[f"esp_encrypt_{size}B{mark}"] = (encrypt_input(lab.dir / f"e{size}{mark}", [size], destinations), [one], (cipher, "encrypt", size))
            made[f"esp_decrypt_{size}B{mark}"] = (decrypt_input(lab.dir / f"d{size}{mark}", size, association), [one], (cipher, "decrypt", size))
        if not mark:
            made["esp_encrypt_imix"] = (encrypt_input(lab.dir / "imix", IMIX, destinations), [one], None)
            spots = [f"198.18.{n // 250}.{n % 250}" for n in range(MANY)]
            made["esp_1_peer"] = (encrypt_input(lab.dir / "one", [64], spots), [one], None)
            many = [peer_of(lab, cipher, n, f"{spot}/32")[0] for n, spot in enumerate(spots)]
            made["esp_1000_peers"] = (encrypt_input(lab.dir / "many", [64], spots), many, None)
    return made


def measure_all(lab, options, huge):
    """Everything `options.runs` times, taking turns."""
    cases, ours, theirs, reasons, number = subjects(lab), {}, {}, {}, 0
    routes = [objects.route(UNDERLAY, SERVERS[0]), objects.route(LOCAL, SERVERS[1])]
    for turn in range(options.runs):
        for name, (path, bundle, bound) in cases.items():
            run = GatewayRun(lab, f"net_pcap0,rx_pcap={path},infinite_rx=1", options.core, bundle, huge, routes)
            try:
                ours.setdefault(name, []).append(run.measure(options.seconds, 0))
            finally:
                run.stop()
            if bound is not None:
                number += 1
                try:
                    theirs.setdefault(name, []).append(limit(lab, *bound, options.core, huge, number))
                except (peers.Missing, rig.LabError) as reason:
                    reasons[name] = str(reason).splitlines()[0]
        print(f"turn {turn + 1} of {options.runs} done", file=sys.stderr)
    return [row(name, ours, theirs.get(name), reasons.get(name)) for name in cases]


def row(name, ours, theirs, reason):
    runs = ours[name]
    rate, cycles = statistics.median(r[0] for r in runs) / 1e6, statistics.median(r[1] for r in runs)
    clock = statistics.median(r[2] for r in runs)
    out = {"name": name, "value": round(rate, 3), "unit": "Mpps", "peer": None, "peer_value": None, "ratio": None, "runs": len(runs),
           "spread": round(spread([r[0] for r in runs]), 3), "cycles_per_packet": round(cycles, 1), "peer_cycles_per_packet": None}
    if theirs:
        peer = statistics.median(theirs) / 1e6
        out.update(peer="dpdk-test-crypto-perf", peer_value=round(peer, 3), ratio=round(rate / peer, 3),
                   peer_cycles_per_packet=round(clock / peer / 1e6, 1), peer_spread=round(spread(theirs), 3))
    elif reason:
        out.update(peer="dpdk-test-crypto-perf", reason=reason)
    elif name == "esp_1000_peers":
        one = statistics.median(r[1] for r in ours["esp_1_peer"])
        out.update(peer="esp_1_peer", unit="Mpps", peer_value=round(statistics.median(r[0] for r in ours["esp_1_peer"]) / 1e6, 3),
                   ratio=round(cycles / one, 3), peer_cycles_per_packet=round(one, 1))   # of cycles: less is better
    return out


def table(results):
    print(f"{'name':24} {'Mpps':>7} {'cycles':>8}  {'peer':22} {'Mpps':>7} {'cycles':>8} {'ratio':>6} {'spread':>7}")
    for r in results:
        peer = f"{r['peer_value']:7.2f} {r['peer_cycles_per_packet']:8.1f} {r['ratio']:6.2f}" if r["ratio"] else f"{r.get('reason', ''):>23}"
        print(f"{r['name']:24} {r['value']:7.2f} {r['cycles_per_packet']:8.1f}  {r['peer'] or '':22} {peer} {r['spread']:6.0%}")


if __name__ == "__main__":
    main("perf/lab/crypto.sh", measure_all, table, {"device": DEVICE})
