#!/bin/bash
# The running gateway against DPDK's own l3fwd and testpmd, on one core, in the same run, with the same input for all:
# packets replayed from memory by net_pcap, sent back out of the same port (which drops them).
#
#   sudo perf/lab/l4.sh [--json FILE] [--runs N] [--seconds S] [--core N]
#
# Rows: l3_forward_64B (plain routing), l4_nat_100k_64B (a NAT service with 100,000 flows), and
# l4_nat_100k_filter_limits_64B (the same with 1000 filter rules and rate limits on).
set -euo pipefail
root="$(dirname "$(readlink -f "$0")")/../.."
if [ "$(id -u)" != 0 ]; then
  echo "perf/lab/l4.sh: needs root: sudo $0 $*" >&2
  exit 1
fi
"$root/deploy/install-deps.sh" runtime build demo test perf >&2
cmake -S "$root" --preset release >/dev/null
cmake --build "$root/build/release" --target penstock-gatewayd penstock >&2
exec /usr/bin/python3 -B "$root/perf/lab/l4.py" "$@"
