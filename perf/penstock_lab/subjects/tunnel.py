"""ESP tunnels as the lab measures them: the same associations for Penstock, for ipsec-secgw and for the packets of the input.

    clients 10.9.0.0/16 ── subject 198.51.100.1 ══ tunnel ══ 100.64.0.1 … peers ── 198.18.0.0/16

Encryption: datagrams to 198.18.0.0/16 come in and leave sealed towards the peers. Decryption: sealed datagrams of the first peer
come in and their content leaves towards the clients; the input comes round and round, so no subject has a replay window.
Keys are derived from the numbers of their associations and protect nothing. RFC 4303, RFC 4106.
"""
import ipaddress
import os
import socket
import struct

from ..inputs import checksum
from ..wiring import LEFT

OURS, UNDERLAY = LEFT.subject, "100.64.0.0/16"
REMOTE, LOCAL = "198.18.0.0/16", "10.9.0.0/16"
CIPHERS = {"AES-GCM-128": 16, "AES-GCM-256": 32}     # bytes of the key; 4 of salt follow it
OPERATIONS = ("encrypt", "decrypt")
CRYPTO_DEVICE = "crypto_aesni_gcm"


def read(fields):
    """The fields of `esp` in a driver's configuration; None when it has none."""
    if not fields.has("esp"):
        return None
    one = fields.mapping("esp")
    made = {"cipher": one.choice("cipher", tuple(CIPHERS), "AES-GCM-128"), "operation": one.choice("operation", OPERATIONS, "encrypt"),
            "peers": one.number("peers", 1, 4000, 1, whole=True), "associations": one.number("associations", 1, 32, 1, whole=True)}
    one.done()
    return made


def host(prefix, n):
    return str(ipaddress.ip_network(prefix)[n])


def peer_prefix(n, peers):
    """Of the n-th of so many peers: all of REMOTE for one, an address each for many."""
    return REMOTE if peers == 1 else host(REMOTE, 1 + n) + "/32"


def key(cipher, inward, n, lane, generation=0):
    return bytes([2 if inward else 1, lane, generation & 0xff, generation >> 8 & 0xff]) + n.to_bytes(4, "big") + bytes(CIPHERS[cipher] - 4)


def spi(n, lane, lanes, generation=0):
    return 0x10000 + (generation % 64 * 4096 + n) * lanes + lane


def write_keys(path, esp, n, generation=0):
    """The file of a Peer's static keys, readable by its owner only."""
    lanes = esp["associations"]
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        for lane in range(lanes):
            for word, inward in (("out", False), ("in", True)):
                file.write(f"{word} {spi(n, lane, lanes, generation)} {key(esp['cipher'], inward, n, lane, generation).hex()}\n")


def sealer(esp):
    """(number, datagram) to what the first peer would send: the independent implementation of the lab."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM   # only scenarios with ESP need the package
    secret = key(esp["cipher"], True, 0, 0)
    cipher, salt, number_ = AESGCM(secret[:-4]), secret[-4:], spi(0, 0, esp["associations"])

    def seal(n, inner):
        padding = -(len(inner) + 2) % 4
        clear = inner + bytes(range(1, padding + 1)) + bytes([padding, 4])
        head, iv = struct.pack("!II", number_, 1 + n), struct.pack("!Q", 1 + n)
        sealed = head + iv + cipher.encrypt(salt + iv, clear, head)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(sealed), 0, 0x4000, 64, 50, 0, socket.inet_aton(host(UNDERLAY, 1)),
                         socket.inet_aton(OURS))
        return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + sealed
    return seal


def secgw_config(esp, mode):
    """The same tunnel in the words of DPDK's ipsec-secgw; `mode`: how its associations use the crypto device."""
    name = {"AES-GCM-128": "aes-128-gcm", "AES-GCM-256": "aes-256-gcm"}[esp["cipher"]]
    keys = [f"aead_algo {name} aead_key {':'.join(f'{byte:02x}' for byte in key(esp['cipher'], inward, 0, 0))}" for inward in (False, True)]
    there, ports, inbound = host(UNDERLAY, 1), "sport 0:65535 dport 0:65535", spi(0, 0, esp["associations"])
    return "\n".join([
        f"sp ipv4 out esp protect 5 pri 1 dst {REMOTE} {ports}", f"sp ipv4 in esp protect {inbound} pri 1 dst {LOCAL} {ports}",
        f"sa out 5 {keys[0]} mode ipv4-tunnel src {OURS} dst {there} type {mode}",
        f"sa in {inbound} {keys[1]} mode ipv4-tunnel src {there} dst {OURS} type {mode}",
        f"rt ipv4 dst {UNDERLAY} port 0", f"rt ipv4 dst {LOCAL} port 0", "neigh port 0 02:00:00:00:01:01", ""])
