#!/bin/bash
# Everything: installs what is missing, builds the release preset, runs every test and every check, ends with ctest's summary.
#
#   sudo tests/run.sh              all of it
#   sudo tests/run.sh -L unit      only these: arguments go to ctest (labels: unit check system asan tsan fuzz)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
exec </dev/null

if [ "$(id -u)" != 0 ]; then
  echo "tests/run.sh: needs root, for packages and network namespaces: sudo tests/run.sh" >&2
  exit 1
fi
deploy/install-deps.sh
cmake --preset release
cmake --build --preset release
# A story that fails is told once more (DECISIONS 24): both outcomes and the first one's output are in the log.
exec ctest --test-dir build/release --output-on-failure --no-tests=error --repeat until-pass:2 -j 2 "$@"
