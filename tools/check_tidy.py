#!/usr/bin/python3
"""clang-tidy over the rooms without heavy headers, two files at a time, within a time bound.

  tools/check_tidy.py BUILD_DIR [--seconds N]     needs BUILD_DIR/compile_commands.json

Files that did not get their turn within the bound are counted in the last line; --seconds 0 sets no bound.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# gRPC's and DPDK's headers cost clang-tidy ten times what our code does: those rooms have their reviews and tests.
ROOMS = ("dpdk-app/base", "dpdk-app/wire", "dpdk-app/flow", "control/model", "control/health", "control/neighbour",
         "control/publish", "control/store", "control/compile")


def tidy(build, path, deadline):
    if deadline and time.monotonic() > deadline:
        return path, None
    done = subprocess.run([os.environ.get("CLANG_TIDY", "clang-tidy"), "-p", str(build), "--quiet",
                           "--extra-arg=-Wno-unknown-warning-option", str(path)],
                          capture_output=True, text=True, check=False)
    return path, [line for line in done.stdout.splitlines() if re.search(r": (error|warning): ", line)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=240)
    arguments = parser.parse_args()
    commands = json.loads((arguments.build / "compile_commands.json").read_text(encoding="utf-8"))
    files = sorted({pathlib.Path(c["file"]) for c in commands
                    if any(str(pathlib.Path(c["file"]).relative_to(ROOT)).startswith(room + "/") for room in ROOMS)
                    and pathlib.Path(c["file"]).is_relative_to(ROOT)})
    if not files:
        print("tidy: no files; is the build configured?")
        return 1
    deadline = time.monotonic() + arguments.seconds if arguments.seconds else 0
    faults, skipped = [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for _, lines in pool.map(lambda path: tidy(arguments.build, path, deadline), files):
            if lines is None:
                skipped += 1
            else:
                faults += [line for line in lines if line not in faults]
    for fault in faults:
        print(fault.replace(str(ROOT) + "/", ""))
    print(f"tidy: {len(files) - skipped} files, {len(faults)} findings, {skipped} not looked at within the time bound")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
