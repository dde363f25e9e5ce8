# What the labs share: sourced by them and by perf/run-all.sh, after `program` and `about` are set.
#
#   PROGRAM [--json DIRECTORY | --json FILE.json] [--runs N] [--seconds S] [--core N] [--short]
#
# --json: a result of each scenario goes there, DIRECTORY/SCENARIO.json; a name that ends with .json is a file of named rows of all of them
# (penstock_lab/report/rows.py), and the results go to build/perf-results. --runs: how often everything is measured, in turns; --seconds:
# how long each time; --core: that of the devices under test. With 4096 MB of free 2 MB pages everything uses them.
set -euo pipefail
root="$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")"
results="" rows="" settings=()

usage() {
  echo "$program: $about" >&2
  echo "usage: sudo $program [--json DIRECTORY|FILE.json] [--runs N] [--seconds S] [--core N] [--short]" >&2
  exit 2
}

while [ $# -gt 0 ]; do
  case "$1" in
    --short) settings+=(--short); shift; continue ;;
    -h | --help) usage ;;
  esac
  [ $# -ge 2 ] || usage
  case "$1" in
    --json) if [[ "$2" == *.json ]]; then rows="$2"; results="$root/build/perf-results"; else results="$2"; fi ;;
    --runs) settings+=(--set "turns=$2") ;;
    --seconds) settings+=(--set "method.seconds=$2") ;;
    --core) settings+=(--set "cores.subject=[$2]") ;;
    *) usage ;;
  esac
  shift 2
done
if [ "$(id -u)" != 0 ]; then
  echo "$program: needs root: sudo $program" >&2
  exit 3
fi

# From the root of the tree: results hold the words of their command, and those should mean something elsewhere.
relative() { realpath -m --relative-to="$root" "$1"; }
[ -z "$results" ] || results="$(relative "$results")"
[ -z "$rows" ] || rows="$(relative "$rows")"
cd "$root"

build() {
  "$root/deploy/install-deps.sh" runtime build demo test perf >&2
  cmake -S "$root" --preset release >/dev/null
  cmake --build "$root/build/release" --target penstock-gatewayd penstock penstock-lab-packets penstock-lab-requests >&2
  local free
  free=$(awk '/HugePages_Free/ {pages = $2} /Hugepagesize/ {print int(pages * $2 / 1024)}' /proc/meminfo)
  [ "$free" -lt 4096 ] || settings+=(--set memory.huge=true)
}

# Every scenario named, one after the other, without results of earlier runs among theirs. One that fails does not keep the others from
# running; the first failure is our status. Then `made` has the results, and `missed` has what ended without one, and how.
measure() {
  local status=0 failed scenario
  made=() missed=()
  if [ -n "$results" ]; then
    mkdir -p "$results"
    for scenario in "$@"; do rm -f "$results/$scenario.json"; done
  fi
  for scenario in "$@"; do
    failed=0
    perf/penstock-lab run "perf/scenarios/$scenario.yaml" "${settings[@]}" ${results:+--json "$results/$scenario.json"} || failed=$?
    [ "$failed" != 130 ] || return 130
    [ "$failed" = 0 ] || echo "$program: $scenario: exit status $failed" >&2
    [ "$status" != 0 ] || status=$failed
    [ -n "$results" ] || continue
    if [ -e "$results/$scenario.json" ]; then
      made+=("$results/$scenario.json")
    else
      missed+=("not measured: $scenario, exit status $failed")
    fi
  done
  [ ${#missed[@]} = 0 ] || printf "$program: %s\n" "${missed[@]}" >&2
  [ -z "$rows" ] || [ ${#made[@]} = 0 ] || perf/penstock-lab report "${made[@]}" --rows "$rows"
  return "$status"
}
