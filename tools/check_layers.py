#!/usr/bin/python3
"""Fails when a room includes what it may not: another room above it, or a library that is not its business.

The table below is the house (DESIGN §2, DECISIONS 9). CMakeLists.txt links by the same rooms: what a room NEEDS there
must be allowed here too. Run without arguments from anywhere; prints one line per violation.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# room -> rooms it may include besides itself
ROOMS = {
    "base": [],
    "wire": ["base"],
    "flow": ["base", "wire"],
    "engine/crypto": ["base", "wire"],
    "engine": ["base", "wire", "flow", "engine/crypto"],
    "l7/http": ["base"],
    "l7/h1": ["base", "l7/http"],
    "l7/proxy_protocol": ["base"],
    "l7/match": ["base"],
    "l7/config": ["base", "l7/http"],
    "l7/guard": ["base", "l7/http", "l7/config", "l7/match"],
    "l7/route": ["base", "l7/http", "l7/config", "l7/match", "l7/guard"],
    "l7/tcp": ["base", "wire"],
    "l7/limit": ["base", "flow", "l7/http", "l7/config", "l7/route", "l7/tcp"],
    "l7/host": ["base", "wire", "flow", "engine", "l7/config", "l7/proxy", "l7/route", "l7/limit", "l7/tcp"],
    "l7/proxy": ["base", "l7/http", "l7/h1", "l7/config", "l7/guard", "l7/route", "l7/limit", "l7/proxy_protocol", "l7/tcp"],
    "l7/log": ["base", "l7/http", "l7/h1", "l7/config", "l7/guard", "l7/route", "l7/proxy"],
    "control/model": ["base", "control/pki", "l7/http", "l7/config"],
    "control/store": ["base", "control/model"],
    "control/pki": ["base"],
    "control/sessions": ["base", "l7/config", "control/pki"],
    "control/mesh": ["base", "control/model", "control/pki"],
    "control/health": ["base", "wire", "control/model"],
    "control/neighbour": ["base", "wire"],
    "control/liveness": ["base", "wire"],
    "control/compile": ["base", "wire", "flow", "control/pki", "control/model", "l7/http", "l7/config", "l7/guard", "l7/route"],
    "control/publish": ["base", "flow"],
    "control/telemetry": ["base", "flow", "l7/h1", "l7/config", "l7/guard", "l7/route", "l7/proxy", "l7/proxy_protocol", "control/model"],
    "control/loop": ["base", "wire", "flow", "control/model", "control/store", "control/health", "control/neighbour",
                     "control/liveness", "control/compile", "control/publish", "control/telemetry", "control/mesh",
                     "control/sessions", "l7/config"],
    "control/api": ["base", "wire", "flow", "l7/http", "l7/config", "control/model", "control/store", "control/loop", "control/health",
                    "control/liveness", "control/telemetry", "control/mesh", "control/pki"],
    "gatewayd": ["base", "wire", "flow", "engine", "engine/crypto", "l7/host", "l7/limit", "l7/log", "l7/proxy", "l7/route", "l7/tcp", "control/model", "control/store", "control/health",
                 "control/neighbour", "control/liveness", "control/compile", "control/publish", "control/telemetry",
                 "control/loop", "control/mesh", "control/pki", "control/api"],
    # The CLI stands on the public contract only: messages, the YAML reader of control/api, and bytes. `penstock ca` is a
    # tool of its own, without a gateway.
    "tools": ["base", "control/api", "control/pki"],
}
PURE_WIRE = r"rte_(ether|ip|tcp|udp|icmp|arp|byteorder|common)\.h"
TABLES = r"rte_(fib6?|rib6?|lpm6?|acl|hash\w*|jhash|meter|thash\w*|prefetch|common|memory|malloc|errno|byteorder|cycles|vect|config|branch_prediction|cpuflags)\.h"

# what is included with <> -> rooms that may
LIBRARIES = [
    (PURE_WIRE, {"wire", "flow", "engine", "engine/crypto", "gatewayd"}),
    (TABLES, {"flow", "engine", "engine/crypto", "gatewayd"}),
    (r"rte_\w+\.h", {"engine", "engine/crypto", "l7/host", "gatewayd"}),
    (r"pcap(/\w+)?\.h", {"engine", "control/api"}),
    (r"(grpc|grpcpp|google/protobuf)/.*", {"control/api", "tools"}),
    (r"(control/api/)?penstock\.(grpc\.)?pb\.h", {"control/api", "tools"}),
    (r"sqlite3\.h", {"control/store"}),
    (r"hs(/\w+)?\.h", {"l7/match"}),
    (r"zlib\.h", {"l7/guard"}),
    (r"prometheus/.*", {"control/telemetry", "gatewayd"}),
    (r"yaml-cpp/.*", {"control/api", "tools"}),
    (r"spdlog/.*", {"control/loop", "control/api", "gatewayd"}),
    (r"CLI/.*", {"tools", "gatewayd"}),
    (r"systemd/.*", {"gatewayd"}),
    (r"openssl/.*", {"control/store", "control/pki", "control/api", "engine/crypto", "tools"}),
]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    """The room a source file lives in, or the room an include names; None for what is no room."""
    parts = pathlib.PurePosixPath(path).parts
    if parts and parts[0] == "dpdk-app":
        parts = parts[1:]
    if not parts:
        return None
    if parts[0] in ("control", "l7") and len(parts) > 2:
        return parts[0] + "/" + parts[1]
    if len(parts) > 2 and parts[:2] == ("engine", "crypto"):
        return "engine/crypto"
    return parts[0] if len(parts) > 1 and parts[0] in ROOMS else None


def check_file(path):
    relative = path.relative_to(ROOT).as_posix()
    room = room_of(relative)
    if room is None:
        yield f"{relative}: lies in no room of the house"
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        where, target = f"{relative}:{number}", match.group(2)
        for pattern, rooms in LIBRARIES:
            if re.fullmatch(pattern, target):
                if room not in rooms:
                    yield f"{where}: {room} may not include <{target}> (only {', '.join(sorted(rooms))})"
                break
        else:
            if match.group(1) == '"':
                other = room_of(target)
                if other is None:
                    yield f'{where}: "{target}" names no room; write the path from the root of the house'
                elif other not in ROOMS:
                    yield f"{where}: {other} is not a room"
                elif other != room and other not in ROOMS[room]:
                    yield f"{where}: {room} may not include {other}"


def check_links():
    """penstock_room(path NEEDS a b ...) of CMakeLists.txt against the same table."""
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for path, needs in re.findall(r"(?m)^penstock_room\((\S+)\s+(?:INNER\s+\S+\s+)?NEEDS\s+([^)]*?)(?:\s+LINK[^)]*)?\)", text):
        room = path.removeprefix("dpdk-app/")
        for need in needs.split():
            other = need.replace("control_", "control/").replace("engine_", "engine/").replace("l7_", "l7/")
            if other not in ROOMS.get(room, []):
                yield f"CMakeLists.txt: {room} links {other}, which it may not include"


def main():
    files = sorted(p for top in ("dpdk-app", "l7", "control", "tools") for p in (ROOT / top).rglob("*")
                   if p.suffix in (".h", ".cpp"))
    faults = [fault for path in files for fault in check_file(path)] + list(check_links())
    for fault in faults:
        print(fault)
    print(f"layers: {len(files)} files, {len(faults)} violations")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
