#!/bin/bash
# The gateway as a proxy of HTTP/1.1 against HAProxy and nginx, per busy core-second, over virtual wires; and without a kernel
# (options: scenarios.sh).
program=perf/lab/l7.sh about="proxies"
source "$(dirname "$(readlink -f "$0")")/scenarios.sh"
build
measure http1_keepalive http1_new_connections http1_bulk http1_keepalive_kernel_free http1_new_connections_kernel_free \
  http1_bulk_kernel_free
