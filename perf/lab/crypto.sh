#!/bin/bash
# ESP through the running gateway, on one core: against ipsec-secgw on the same packets, and against the cipher alone, on the same
# device; 1000 peers against one (options: scenarios.sh).
program=perf/lab/crypto.sh about="ESP"
source "$(dirname "$(readlink -f "$0")")/scenarios.sh"
build
measure esp_encrypt esp_decrypt esp_peers
