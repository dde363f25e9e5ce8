"""penstock-lab from its command line, as tests run it: what it said, its result, and that it left nothing."""
import os
import pathlib
import subprocess
import sys
import time
import unittest

from .gateway import ROOT, build_dir
from .lab import Lab

sys.path.insert(0, str(ROOT / "perf"))
from penstock_lab import result as results  # noqa: E402

COMMAND = ROOT / "perf" / "penstock-lab"


def left_behind(pid, mark):
    """What a run of the lab with this process id, and with `mark` in its environment, has made and not removed."""
    names = {str(p) for pattern in (f"/run/netns/pstk{pid}-*", f"/var/run/dpdk/*lab{pid}-*", f"/dev/hugepages/*lab{pid}-*")
             for p in pathlib.Path("/").glob(pattern[1:])}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes() and int(entry.name) != pid:
                names.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return names


class LabCommand(unittest.TestCase):
    """Needs root, two cores and the generators. `self.lab` has a directory for files."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for network namespaces")
        if len(os.sched_getaffinity(0)) < 2:
            raise unittest.SkipTest("needs two cores")
        for name in ("penstock-lab-packets", "penstock-lab-requests"):
            if not (build_dir() / "perf" / name).exists():
                raise unittest.SkipTest(f"{name} is not built")

    def setUp(self):
        self.lab = Lab("cli")
        self.addCleanup(self.lab.close)

    def begin(self, *words, env=None):
        """A run, marked, so that what it starts is told from what others do on this machine."""
        self.mark = f"PENSTOCK_LAB_MARK={os.getpid()}-{time.monotonic_ns()}"
        name, _, value = self.mark.partition("=")
        return subprocess.Popen([COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "PENSTOCK_BUILD": str(build_dir()), name: value, **(env or {})})

    def end(self, process, code):
        """What it said on its output and on its error output, once it has ended as it should and left nothing."""
        try:
            said = process.communicate(timeout=200)
        finally:
            process.kill()
        self.assertEqual(process.returncode, code, "".join(said))
        self.assertEqual(left_behind(process.pid, self.mark), set())
        return said

    def run_lab(self, *words, env=None, code=0):
        return self.end(self.begin(*words, env=env), code)

    def result(self, scenario, *words, **options):
        """Of a run of the scenario (a path) that did its work: what it wrote."""
        path = self.lab.dir / f"{time.monotonic_ns()}.json"
        self.run_lab("run", scenario, *words, "--json", path, **options)
        made = results.load(path)
        self.assertFalse(made["partial"])
        self.assertTrue(made["digest"] and made["machine"]["kernel"] and made["versions"])
        return made
