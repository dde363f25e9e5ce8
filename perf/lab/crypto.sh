#!/bin/bash
# ESP through the running gateway, on one core: its whole path from receive to transmit, against dpdk-test-crypto-perf, which
# does nothing but the cipher, on the same crypto device in the same run, and against DPDK's ipsec-secgw on the same input.
#
#   sudo perf/lab/crypto.sh [--json FILE] [--runs N] [--seconds S] [--core N]
#
# Rows: esp_encrypt_* and esp_decrypt_* by length of the inner datagram and cipher; esp_1000_peers: cycles per packet with
# 1000 peers of four associations each, as a ratio to one such peer with as many flows.
set -euo pipefail
root="$(dirname "$(readlink -f "$0")")/../.."
if [ "$(id -u)" != 0 ]; then
  echo "perf/lab/crypto.sh: needs root: sudo $0 $*" >&2
  exit 1
fi
"$root/deploy/install-deps.sh" runtime build demo test perf >&2
cmake -S "$root" --preset release >/dev/null
cmake --build "$root/build/release" --target penstock-gatewayd penstock >&2
exec /usr/bin/python3 -B "$root/perf/lab/crypto.py" "$@"
