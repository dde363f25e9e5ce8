#!/usr/bin/python3
"""Formatting and size: clang-format says nothing, no file is too long to read, no function too long to hold in the head.

  tools/check_style.py              format and length of every C++ file
  tools/check_style.py FILE...      of these
  tools/check_style.py --report     also lists what is over the aim but within the bound
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOPS = ("dpdk-app", "control", "l7", "tools", "perf", "tests")
FILE_AIM, FILE_BOUND = 400, 500          # lines
FUNCTION_AIM, FUNCTION_BOUND = 70, 120   # lines

TOKENS = re.compile(
    r'R"(?P<raw>[^()\s\\]{0,16})\((?:.|\n)*?\)(?P=raw)"'   # raw strings
    r'|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])*\''
    r"|//[^\n]*|/\*(?:.|\n)*?\*/"
    r"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)


def blank(text):
    """The text with comments, strings and preprocessor lines replaced by blanks of the same shape."""
    return TOKENS.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def functions(text):
    """(name, first line, lines) of every function body that is not inside another function."""
    text = blank(text)
    scopes, line, head_start = [], 1, 0
    for position, char in enumerate(text):
        if char == "\n":
            line += 1
        elif char in ";":
            head_start = position + 1
        elif char == "{":
            head = text[head_start:position].strip()
            inside = any(kind == "function" for kind, *_ in scopes)
            name = None if inside else function_name(head)
            if name and not inside:
                first = line - text[head_start:position].lstrip().count("\n")
                scopes.append(("function", name, first))
            else:
                scopes.append(("scope", None, line))
            head_start = position + 1
        elif char == "}" and scopes:
            kind, name, first = scopes.pop()
            if kind == "function":
                yield name, first, line - first + 1
            head_start = position + 1


def function_name(head):
    if re.search(r"\b(namespace|class|struct|union|enum|extern)\b[^()]*$", head) or "(" not in head:
        return None
    if re.search(r"=\s*(\[[^\]]*\])?\s*$", head):
        return None
    match = re.search(r"([~\w:]*operator[^(]*|[~\w:<>]+)\s*\(", head)
    return match.group(1) if match else None


def sources(arguments):
    if arguments:
        return [pathlib.Path(a).resolve() for a in arguments]
    return sorted(p for top in TOPS for p in (ROOT / top).rglob("*")
                  if p.suffix in (".h", ".cpp") and "build" not in p.relative_to(ROOT).parts)


def check_format(files):
    formatter = os.environ.get("CLANG_FORMAT", "clang-format")
    for start in range(0, len(files), 64):
        done = subprocess.run([formatter, "--dry-run", "--Werror", *map(str, files[start:start + 64])],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            seen = set()
            for line in done.stderr.splitlines():
                match = re.match(r"(.*?):(\d+):\d+: error:", line)
                if match and match.group(1) not in seen:
                    seen.add(match.group(1))
                    yield f"{pathlib.Path(match.group(1)).relative_to(ROOT)}:{match.group(2)}: clang-format would change it"
            if not seen:
                yield f"{formatter}: {done.stderr.strip()}"


def check_lengths(files, over_aim):
    for path in files:
        relative, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > FILE_BOUND:
            yield f"{relative}: {lines} lines (bound {FILE_BOUND})"
        elif lines > FILE_AIM:
            over_aim.append(f"{relative}: {lines} lines (aim {FILE_AIM})")
        if "tests" == relative.parts[0]:
            continue   # a test is a story: as long as the story is
        for name, first, length in functions(text):
            if length > FUNCTION_BOUND:
                yield f"{relative}:{first}: {name} has {length} lines (bound {FUNCTION_BOUND})"
            elif length > FUNCTION_AIM:
                over_aim.append(f"{relative}:{first}: {name} has {length} lines (aim {FUNCTION_AIM})")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--report"]
    files, over_aim = sources(arguments), []
    faults = list(check_format(files)) + list(check_lengths(files, over_aim))
    for fault in faults:
        print(fault)
    if "--report" in sys.argv:
        print("\n".join(over_aim))
    print(f"style: {len(files)} files, {len(faults)} violations, {len(over_aim)} over the aim (--report lists them)")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
