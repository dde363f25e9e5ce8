"""Runs each case of pipeline_bench under callgrind for N and 2N passes; the difference is the cost of N passes alone."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = ("l3_forward/1000", "nat_service/1000", "nat_service_filter_limits/1000")
PASSES = 2048  # a multiple of kSampleEvery, so that both runs sample equally often
ALLOWED = 1.03
STAGE = re.compile(r"^\s*([\d,]+)\s.*penstock::engine::(\w+)::run\(penstock::engine::Burst&")


def count(binary, case, passes, folder):
    """Instructions of the whole process, and of each stage with what it calls (if it was not inlined)."""
    out = os.path.join(folder, "callgrind.out")
    told = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", binary,
                           f"--count={case}", f"--passes={passes}"], capture_output=True, text=True)
    if told.returncode != 0:
        sys.exit(f"instructions: {case} failed:\n{told.stdout}{told.stderr}")
    burst = int(re.search(r"packets/pass (\d+)", told.stdout).group(1))
    listing = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--auto=no", out],
                             capture_output=True, text=True, check=True).stdout
    total = re.search(r"^\s*([\d,]+)\s.*PROGRAM TOTALS", listing, re.M).group(1)
    counts = {case: int(total.replace(",", ""))}
    for line in listing.splitlines():
        if found := STAGE.match(line):
            name = f"{case}:{found.group(2)}"
            counts[name] = max(counts.get(name, 0), int(found.group(1).replace(",", "")))
    return counts, burst


def measure(binary):
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            once, burst = count(binary, case, PASSES, folder)
            twice, _ = count(binary, case, 2 * PASSES, folder)
            for name in once:
                results[name] = round((twice.get(name, 0) - once[name]) / (PASSES * burst), 2)
    return results


def main():
    parser = argparse.ArgumentParser(prog="perf/instructions.sh")
    parser.add_argument("binary", help=argparse.SUPPRESS)
    parser.add_argument("--json")
    parser.add_argument("--baseline", default=os.path.join(HERE, "instructions.json"))
    options = parser.parse_args()
    results = measure(options.binary)
    baseline = {}
    if os.path.exists(options.baseline):
        with open(options.baseline, encoding="utf-8") as file:
            baseline = json.load(file)
    print(f"{'name':50} {'instructions/packet':>20} {'baseline':>10}")
    for name, value in results.items():
        print(f"{name:50} {value:20.2f} {baseline.get(name, ''):>10}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
    # Whole cases only: a stage's share moves when the compiler inlines differently.
    worse = [name for name in CASES if name in baseline and results[name] > baseline[name] * ALLOWED]
    for name in worse:
        print(f"instructions: {name} costs {results[name]}, over 3 % more than {baseline[name]}", file=sys.stderr)
    sys.exit(1 if worse else 0)


main()
