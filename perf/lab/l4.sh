#!/bin/bash
# The gateway against DPDK's l3fwd and testpmd, same core, same packets, in turns (options: scenarios.sh).
program=perf/lab/l4.sh about="routing, translation, filter and limits"
source "$(dirname "$(readlink -f "$0")")/scenarios.sh"
build
measure l3_forward l4_nat limits filter
