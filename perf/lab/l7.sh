#!/bin/bash
# The gateway as an HTTP/1.1 proxy against HAProxy and nginx, in the same run: requests per busy second of the proxy's core.
#
#   sudo perf/lab/l7.sh [--json FILE] [--runs N] [--seconds S] [--core N]
#
# Over veth: the same kernel clients (wrk) and backends (nginx) for all, the proxy alone on its core, whose busy time includes the
# kernel's work for it (receive packet steering sends the proxy's packets there). Kernel-free (names with _kernel_free): our own
# clients and servers (perf/requests) on the other core, over memif; the peers cannot do that, so the ratio is to their figure over veth.
set -euo pipefail
root="$(dirname "$(readlink -f "$0")")/../.."
if [ "$(id -u)" != 0 ]; then
  echo "perf/lab/l7.sh: needs root: sudo $0 $*" >&2
  exit 1
fi
"$root/deploy/install-deps.sh" runtime build demo test perf >&2
cmake -S "$root" --preset release >/dev/null
cmake --build "$root/build/release" --target penstock-gatewayd penstock penstock-lab-requests http_route_bench >&2
exec /usr/bin/python3 -B "$root/perf/lab/l7.py" "$@"
