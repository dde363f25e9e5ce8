#!/bin/bash
# Everything that is kept in perf/scenarios against the peers of this machine, in short form and under half an hour: results in
# build/perf-results, one report of all in build/perf-results/report.html, and the latest figures in perf/RESULTS.md.
#
#   sudo perf/run-all.sh           (options: lab/scenarios.sh; any of them in place of --short measures longer)
program=perf/run-all.sh about="all kept scenarios, a report, and perf/RESULTS.md"
here="$(dirname "$(readlink -f "$0")")"
[ $# -gt 0 ] || set -- --short
source "$here/lab/scenarios.sh"
results=${results:-build/perf-results}
build
mapfile -t scenarios < <(cd "$here/scenarios" && ls ./*.yaml | sed 's/^\.\///; s/\.yaml$//')
status=0
measure "${scenarios[@]}" || status=$?
[ "$status" != 130 ] || exit 130   # the figures of the last whole run stay
if [ ${#made[@]} -gt 0 ]; then
  perf/penstock-lab report "${made[@]}" --html "$results/report.html" --markdown perf/RESULTS.md
  [ ${#missed[@]} = 0 ] || printf '\n**%s.**\n' "${missed[@]}" >> perf/RESULTS.md
  echo "$program: $results/report.html and perf/RESULTS.md are written"
fi
exit "$status"
