#!/bin/bash
# Instructions per packet of the stage list, counted by callgrind: unlike cycles they do not depend on who else uses the
# machine, so a change that makes the path longer shows.
#
#   perf/instructions.sh [--json FILE] [--baseline FILE]
#
# Exit status 1 when a case costs over 3 % more than the baseline (perf/instructions.json) says.
# Builds for Haswell: valgrind knows no AVX-512, and hides it from DPDK, which chooses its vector code at run time.
set -euo pipefail
root="$(dirname "$(readlink -f "$0")")/.."
"$root/deploy/install-deps.sh" build perf >&2
build="$root/build/instructions"
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O3 -g1 -DNDEBUG" \
  -DPENSTOCK_MARCH=haswell >/dev/null
cmake --build "$build" --target pipeline_bench >&2
exec /usr/bin/python3 -B "$root/perf/instructions.py" "$build/perf/pipeline_bench" "$@"
