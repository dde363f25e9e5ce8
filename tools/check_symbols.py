#!/usr/bin/python3
"""Proves by the call graph that neither the packet path nor the choice of a route allocates, locks, logs, throws or reads
a clock.

  tools/check_symbols.py BUILD_DIR

Reads the objects of the hot rooms (base, wire, flow, engine; of l7 what finds routes) with objdump, starts at the roots below, follows every
direct call, and fails with the whole path when one ends in a forbidden symbol. What it does not see: calls through
pointers (device drivers), and the inside of DPDK's libraries, of Hyperscan and of zlib (which allocates by the
functions that it is given).
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOMS = ("base", "wire", "flow", "engine", "l7_http", "l7_h1", "l7_match", "l7_config", "l7_guard", "l7_route", "l7_tcp", "l7_proxy", "l7_host")

ROOTS = [
    r"penstock::engine::\w+::run\(penstock::engine::Burst&, penstock::engine::WorkerState&\)",   # every stage
    r"penstock::engine::Worker::run_round\(\)",
    r"penstock::route::find_route\(.*\)",
    r"penstock::host::WorkerStack::(recognise|absorb|act)\(.*\)",
]

FORBIDDEN = {
    "allocates": r"malloc|calloc|realloc|free|aligned_alloc|posix_memalign|_Zn[wa]m.*|_Zd[la]Pv.*|rte_(zm|m|c|re)?alloc\w*|rte_free",
    "locks": r"pthread_(mutex|rwlock|cond|spin)_\w+|sem_(wait|post)|_ZNSt5mutex\w+",
    "logs": r"\w*printf\w*|puts|fwrite|write|syslog|rte_v?log|_ZN6spdlog\w+|_ZN3fmt\w+|_ZNSo\w+|_ZStls\w+",
    "throws": r"__cxa_(allocate_exception|throw|rethrow)|_ZSt\d+__throw_\w+",
    "reads a clock": r"clock_gettime|gettimeofday|time|_ZNSt6chrono\w+3nowEv",
    "sleeps": r"usleep|nanosleep|clock_nanosleep|sched_yield|epoll_wait|poll|rte_delay_us\w*|rte_epoll_wait",
}

# Functions the walk does not enter: they are called from the path, and are not on the path of a packet.
NOT_FOLLOWED = [
    (r"penstock::engine::Worker::run_commands\(", "commands of the control thread, a bounded number between bursts"),
    (r"penstock::engine::Worker::adopt_generation\(", "once per configuration change"),
    (r"penstock::engine::Worker::rest\(", "the idle policy: only after empty rounds"),
    (r"penstock::engine::Worker::set_queues\(", "once per device change"),
    (r"penstock::host::WorkerStack::adopt\(", "once per configuration change"),
    (r"penstock::(proxy::Proxy<.*>::Proxy|host::WorkerStack::WorkerStack)\(", "made before the worker runs"),
    (r"penstock::tcp::ChunkPool::grow\(", "blocks of stream bytes: made when first needed, up to a bound, and kept"),
    (r"(void )?penstock::proxy::Lending<.*>::grow", "sessions, exchanges and heads: made when first needed, up to a bound, and kept"),
]

# Single calls that are not made for a packet.
ALLOWED = [
    (r"penstock::engine::Transmit::flush\(", r"_Znwm|_ZSt20__throw_length_errorPKc|_ZdlPvm?",
     "the list of frames of a worker without devices: Explain and stories"),
    (r"penstock::engine::Worker::run_round\(", r"_ZdlPvm?", "a list of queues that the control thread replaced"),
    (r"penstock::(h1|http)::.*", r"_ZSt24__throw_out_of_range_fmtPKcz", "parts of a text at places that find() gave"),
    (r"penstock::(tcp::\w+|host::WorkerStack|proxy::Proxy<.*>)::\w+\(", r"_Zn[wa]m(RKSt9nothrow_t)?|_ZdlPvm?|_ZSt20__throw_length_errorPKc",
     "tables and queues of connections: they grow to a bound and are kept"),
]


class Graph:
    def __init__(self):
        self.calls = collections.defaultdict(set)    # node -> nodes; a node is (object, symbol) or ("", global symbol)
        self.defined = {}                            # global symbol -> node

    def read(self, path):
        """One object file: which function refers to which symbol."""
        sections, functions = self.symbols(path)
        text = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
        current = None
        for line in text.stdout.splitlines():
            head = re.match(r"[0-9a-f]+ <(.+)>:$", line)
            if head:
                current = (path, head.group(1))
                continue
            if current is None:
                continue
            relocation = re.search(r"\bR_X86_64_(?:PLT32|PC32|GOTPCRELX?|REX_GOTPCRELX|32S?|64)\s+(\S+)", line)
            direct = re.search(r"\s(?:call|jmp|j\w+)\s+[0-9a-f]+ <([^>+]+)", line)
            if relocation:
                self.calls[current].add(self.target(path, relocation.group(1), sections))
            elif direct:
                self.calls[current].add((path, direct.group(1)))
        for name, visible in functions:
            if visible:
                self.defined[name] = (path, name)

    @staticmethod
    def symbols(path):
        sections, functions = collections.defaultdict(list), []
        table = subprocess.run(["objdump", "-t", path], capture_output=True, text=True, check=True).stdout
        for line in table.splitlines():
            match = re.match(r"([0-9a-f]{16}) (.{7}) (\S+)\s+([0-9a-f]{16})\s+(?:\.hidden )?(\S+)$", line)
            if match and "F" in match.group(2):
                sections[match.group(3)].append((int(match.group(1), 16), match.group(5)))
                functions.append((match.group(5), match.group(2)[0] in "gu" or "w" in match.group(2)))
        for entries in sections.values():
            entries.sort()
        return sections, functions

    @staticmethod
    def target(path, text, sections):
        match = re.match(r"(.+?)([+-]0x[0-9a-f]+)?$", text)
        name, offset = match.group(1), int(match.group(2) or "0", 16)
        if name in sections:   # section + offset: a local function (the -4 of a PC-relative operand taken out)
            inside = [symbol for address, symbol in sections[name] if address <= offset + 4]
            return (path, inside[-1]) if inside else ("", name)
        return ("", name)

    def resolve(self, node):
        path, name = node
        if path == "" or node not in self.calls:
            return self.defined.get(name, node)
        return node


def demangle(names):
    out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, out.splitlines()))


def walk(graph, readable):
    """Breadth first from the roots; yields (fault, path of names)."""
    roots = [n for n in graph.calls if any(re.fullmatch(p, readable[n[1]]) for p in ROOTS)]
    came_from = {root: None for root in roots}
    queue = collections.deque(roots)
    while queue:
        node = queue.popleft()
        for called in sorted(graph.calls.get(node, ())):
            called = graph.resolve(called)
            if called in came_from:
                continue
            came_from[called] = node
            symbol = called[1].split("@")[0]
            fault = next((why for why, p in FORBIDDEN.items() if re.fullmatch(p, symbol)), None)
            if fault and any(re.match(caller, readable[node[1]]) and re.fullmatch(p, symbol) for caller, p, _ in ALLOWED):
                del came_from[called]   # others may still not
            elif fault:
                path, step = [], called
                while step:
                    path.append(readable[step[1]])
                    step = came_from[step]
                yield fault, path[::-1]
            elif not any(re.match(p, readable[called[1]]) for p, _ in NOT_FOLLOWED):
                queue.append(called)
    yield None, [f"{len(roots)} roots, {len(came_from)} functions reached"]


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    build, graph = pathlib.Path(sys.argv[1]), Graph()
    objects = [str(p) for room in ROOMS for p in sorted((build / "CMakeFiles" / f"{room}.dir").rglob("*.o"))]
    for path in objects:
        graph.read(path)
    names = {n[1] for n in graph.calls} | {c[1] for called in graph.calls.values() for c in called}
    readable = demangle(sorted(names))
    faults, summary, reached = 0, "", 0
    for fault, path in walk(graph, readable):
        if fault is None:
            summary, reached = path[0], int(path[0].split()[0])
            continue
        faults += 1
        print(f"{fault}: " + "\n    -> ".join(path))
    if reached < 10:   # a renamed function must not turn the check into one that checks nothing
        print("symbols: found fewer than 10 stages to start from; is the build complete?")
        return 1
    print(f"symbols: {len(objects)} objects, {summary}, {faults} paths to forbidden symbols")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
