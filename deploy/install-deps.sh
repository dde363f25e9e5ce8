#!/bin/bash
# Installs what Penstock needs, as Debian 12 packages and nothing else.
#
#   sudo deploy/install-deps.sh                  everything to build, test and run (what tests/run.sh and the demo ask for)
#   sudo deploy/install-deps.sh runtime          only what a machine needs that runs a gateway built elsewhere
#   sudo deploy/install-deps.sh runtime build demo test perf
#   deploy/install-deps.sh --list [PART...]      prints the packages, installs nothing
#
# Quick and silent about what is there already: the network is only asked when something is missing.
# Packages that bring a service (nginx, prometheus) do not start it here, and do not start it at the next boot either,
# unless they were installed before.
set -euo pipefail

runtime=(
  librte-meta-all libgrpc++1.51 libprotobuf32 libprometheus-cpp-pull1.0 libyaml-cpp0.7 libspdlog1.10 libsqlite3-0
  libpcap0.8 libsystemd0 libssl3 libhyperscan5 zlib1g iproute2 ethtool
)
build=(
  g++ cmake ninja-build mold ccache pkg-config binutils git
  libdpdk-dev libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev prometheus-cpp-dev libcli11-dev
  libyaml-cpp-dev libspdlog-dev libfmt-dev libsqlite3-dev libpcap-dev libsystemd-dev libssl-dev libhyperscan-dev zlib1g-dev
  libgtest-dev libgmock-dev libbenchmark-dev nlohmann-json3-dev
)
demo=(python3 python3-yaml python3-scapy procps nginx-light curl iputils-ping iperf3 netcat-openbsd tcpdump)
test=(
  clang libclang-rt-14-dev clang-format clang-tidy valgrind
  iputils-tracepath traceroute nftables slowhttptest socat tshark prometheus python3-cryptography user-mode-linux kmod
  python3-jsonschema python3-numpy python3-websockets python3-protobuf chromium librsvg2-bin
)
perf=(dpdk-dev dpdk-doc make valgrind haproxy wrk python3-numpy python3-jsonschema python3-yaml python3-protobuf chromium librsvg2-bin)   # testpmd, and the sources of l3fwd and ipsec-secgw: the peers of perf/lab; instruction counts
services=(nginx prometheus haproxy)   # brought by packages above

list_only=0
parts=()
for argument in "$@"; do
  case "$argument" in
    --list) list_only=1 ;;
    runtime | build | demo | test | perf) parts+=("$argument") ;;
    -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install-deps: unknown part '$argument' (runtime, build, demo, test, perf)" >&2; exit 2 ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(runtime build demo test)

wanted=()
for part in "${parts[@]}"; do
  declare -n packages="$part"
  wanted+=("${packages[@]}")
done
if [ "$list_only" = 1 ]; then
  printf '%s\n' "${wanted[@]}" | sort -u
  exit 0
fi

if ! command -v dpkg-query >/dev/null; then
  echo "install-deps: this is not a Debian system; install by hand what '$0 --list' prints" >&2
  exit 1
fi

# Reads "name status" of all wanted packages in one call; a package that dpkg never heard of is simply not printed.
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null | awk '$2 == "installed" {print $1}' || true)
missing=()
for package in $(printf '%s\n' "${wanted[@]}" | sort -u); do
  grep -qx -- "$package" <<<"$installed" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: all packages are there"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "install-deps: missing: ${missing[*]}" >&2
  echo "install-deps: run 'sudo $0 ${parts[*]}'" >&2
  exit 1
fi

# Debian's own way to say "install, but start nothing": policy-rc.d. Only ours is removed again.
policy=/usr/sbin/policy-rc.d
quiet_services=()
for service in "${services[@]}"; do
  [ -e "/lib/systemd/system/$service.service" ] || quiet_services+=("$service")
done
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() {
  apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "${missing[@]}" </dev/null
}
# Package lists of a fresh image are absent or old: refresh them once when the first try fails.
if ! install >/dev/null 2>&1; then
  apt-get update -q -o DPkg::Lock::Timeout=300 </dev/null
  install
fi

for service in "${quiet_services[@]}"; do
  if [ -e "/lib/systemd/system/$service.service" ] && command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || true
  fi
done
echo "install-deps: done"
