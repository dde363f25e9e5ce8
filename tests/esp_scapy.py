#!/usr/bin/python3
"""scapy's IPsec layer as the other end of a tunnel, for unit_engine_crypto: one request a line, one answer a line.

  seal CIPHER KEY AUTHKEY ESN UDP SRC DST SEQUENCE INNER     ->  hex of the outer datagram
  open CIPHER KEY AUTHKEY ESN UDP SRC DST SEQUENCE OUTER     ->  hex of the inner datagram, or "refused"

Keys and packets are hex, "-" is none; ESN and UDP are 0 or 1. Prints "ready", or why it cannot be, first.
"""
import sys

try:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation
except ImportError as missing:
    print(f"scapy's IPsec layer is missing ({missing}): install python3-scapy and python3-cryptography", flush=True)
    sys.exit(0)

ALGORITHMS = {
    "aes-gcm-128": ("AES-GCM", "NULL"),
    "aes-gcm-256": ("AES-GCM", "NULL"),
    "chacha20-poly1305": ("CHACHA20-POLY1305", "NULL"),
    "aes-cbc-128-hmac-sha256": ("AES-CBC", "SHA2-256-128"),
    "aes-cbc-256-hmac-sha256": ("AES-CBC", "SHA2-256-128"),
    "null-hmac-sha256": ("NULL", "SHA2-256-128"),
}
SPI = 0x11223344


def octets(text):
    return b"" if text == "-" else bytes.fromhex(text)


def datagram(octets_):
    return IP(octets_) if octets_[0] >> 4 == 4 else IPv6(octets_)


def answer(verb, cipher, key, auth_key, esn, udp, src, dst, sequence, packet):
    crypt, auth = ALGORITHMS[cipher]
    sequence = int(sequence)
    header = IPv6(src=src, dst=dst) if ":" in src else IP(src=src, dst=dst)
    association = SecurityAssociation(
        ESP, spi=SPI, crypt_algo=crypt, crypt_key=octets(key) or None, auth_algo=auth, auth_key=octets(auth_key) or None,
        tunnel_header=header, nat_t_header=UDP(sport=4500, dport=4500) if udp == "1" else None,
        esn_en=esn == "1", esn=sequence >> 32)
    inner = datagram(octets(packet))
    if verb == "seal":
        sealed = association.encrypt(inner, seq_num=sequence & 0xffffffff)
        if udp == "1":
            del sealed[UDP].len  # scapy counted it before there was a payload
        return bytes(sealed).hex()
    try:
        return bytes(association.decrypt(inner)).hex()
    except IPSecIntegrityError:
        return "refused"


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        print(answer(*line.split()), flush=True)


if __name__ == "__main__":
    main()
