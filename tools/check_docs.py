#!/usr/bin/python3
"""Keeps the documents true where a program can tell: files and commands they name exist, the changelog knows the version,
links lead somewhere, and nothing in the tree names a path of the machine it was written on.

  tools/check_docs.py [PENSTOCK_BINARY]    with the CLI, every `penstock ...` of the documents is looked up in its --help
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "DECISIONS.md", "CHANGELOG.md", "CONTRIBUTING.md")
TEXT = {".md", ".py", ".sh", ".h", ".cpp", ".txt", ".yaml", ".yml", ".json", ".service", ".proto", ".cmake", ""}
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root|home)/[\w.-]+")
OUR_FILE = re.compile(r"`((?:sudo )?(?:\./)?((?:deploy|tests|tools|perf|control|dpdk-app|l7|\.ci)/[\w./*-]+))")


def tracked():
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True,
                          check=False)
    if done.returncode:   # a copy without git
        return [path for path in ROOT.rglob("*") if "build" not in path.relative_to(ROOT).parts]
    return [ROOT / name for name in done.stdout.split("\0") if name]


def check_version():
    version = re.search(r"project\(penstock VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    if not re.search(rf"^## \[?{re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE):
        yield f"CHANGELOG.md: no section for version {version} of CMakeLists.txt"


def check_document(path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        for _, name in OUR_FILE.findall(line):
            name = name.rstrip(".")
            if not (list(ROOT.glob(name)) if "*" in name else (ROOT / name).exists()):
                yield f"{path.name}:{number}: names {name}, which does not exist"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
            if not (ROOT / target).exists():
                yield f"{path.name}:{number}: links to {target}, which does not exist"


def check_commands(binary):
    """`penstock apply -f x` is true when `penstock apply --help` works and knows -f."""
    for name in DOCUMENTS:
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1):
            for command in re.findall(r"(?:^|[`(\s])penstock ((?:--address \S+ )?[a-z][^`#|]*)", line):
                if not re.search(r"`penstock |^\s*(sudo )?(\$ )?(build/\S+/)?penstock ", line):
                    continue
                words = re.sub(r"--address \S+ ", "", command).split()
                subcommands = []
                for word in words[:2]:
                    if not re.fullmatch(r"[a-z]+", word):
                        break
                    subcommands.append(word)
                    if word in ("explain", "get", "delete") and len(subcommands) == 1:
                        break
                done = subprocess.run([binary, *subcommands, "--help"], capture_output=True, text=True, check=False)
                if done.returncode:
                    yield f"{name}:{number}: `penstock {' '.join(subcommands)}` is no command of the CLI"
                    continue
                for option in [w.split("=")[0] for w in words if re.match(r"--?[a-z]", w)]:
                    if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", done.stdout):
                        yield f"{name}:{number}: `penstock {' '.join(subcommands)}` has no {option}"


def check_paths():
    for path in tracked():
        if path.suffix not in TEXT or not path.is_file() or path == pathlib.Path(__file__).resolve():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            match = MACHINE_PATHS.search(line)
            if match:
                yield f"{path.relative_to(ROOT)}:{number}: a path of one machine: {match.group(0)}"


def main():
    faults = list(check_version()) + list(check_paths())
    for name in DOCUMENTS:
        faults += list(check_document(ROOT / name))
    if len(sys.argv) > 1:
        faults += list(check_commands(sys.argv[1]))
    for fault in faults:
        print(fault)
    print(f"docs: {len(DOCUMENTS)} documents, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
