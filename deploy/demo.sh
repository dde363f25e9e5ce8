#!/bin/bash
# The demo: kernel clients and servers talk through the gateway, in network namespaces made for it.
#
#   sudo deploy/demo.sh           installs what is missing, builds, runs, reports, cleans up; status 0 when every step did what it says
#   sudo deploy/demo.sh --keep    leaves it running and prints commands to try
#   sudo deploy/demo.sh --stop    ends what --keep left
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

case "${1:-}" in
  "" | --keep | --stop) ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "demo: unknown option '$1' (--keep, --stop)" >&2; exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
  echo "demo: needs root, for packages, memory and network namespaces: sudo deploy/demo.sh" >&2
  exit 1
fi

if [ "${1:-}" != --stop ]; then
  deploy/install-deps.sh runtime build demo
  [ -e build/release/build.ninja ] || cmake --preset release
  cmake --build --preset release --target penstock-gatewayd penstock
fi
exec /usr/bin/python3 -B deploy/demo/demo.py "$@" </dev/null
