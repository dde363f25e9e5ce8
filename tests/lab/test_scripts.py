"""perf/run-all.sh and the labs, over a penstock-lab that measures nothing: which results are reported, and what is said of the others."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PERF = pathlib.Path(__file__).resolve().parents[2] / "perf"
LAB = r"""#!/bin/bash
# run SCENARIO … --json FILE: status and result as the file STATUS/NAME says; report: the names of the results, wherever they shall go.
if [ "$1" = run ]; then
  name=$(basename "$2" .yaml); status=$(cat "$STATUS/$name")
  echo "$name" >> "$STATUS/.ran"
  while [ $# -gt 1 ]; do [ "$1" != --json ] || file=$2; shift; done
  case "$status" in 0 | 1 | 4) [ -z "$file" ] || echo new > "$file" ;; esac
  exit "$status"
fi
shift
for word in "$@"; do [[ "$word" != *.json ]] || [ ! -e "$word" ] || made+="$(basename "$word" .json)=$(cat "$word") "; done
while [ $# -gt 0 ]; do case "$1" in --html | --markdown | --rows) echo "$made" > "$2"; shift ;; esac; shift; done
"""


class ScriptsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        for name in ("perf/lab", "perf/scenarios", "build/release", "build/perf-results", "deploy", "bin", "status"):
            (self.root / name).mkdir(parents=True)
        shutil.copy(PERF / "run-all.sh", self.root / "perf")
        shutil.copy(PERF / "lab" / "scenarios.sh", self.root / "perf" / "lab")
        self.program("perf/penstock-lab", LAB)
        for name in ("deploy/install-deps.sh", "bin/cmake"):
            self.program(name, "#!/bin/bash\n")
        self.program("bin/id", "#!/bin/bash\necho 0\n")

    def program(self, name, text):
        path = self.root / name
        path.write_text(text)
        path.chmod(0o755)

    def run_all(self, *words, **statuses):
        for name, status in statuses.items():
            (self.root / "perf" / "scenarios" / f"{name}.yaml").touch()
            (self.root / "status" / name).write_text(str(status))
            (self.root / "build" / "perf-results" / f"{name}.json").write_text("old\n")
        (self.root / "perf" / "RESULTS.md").write_text("kept\n")
        return subprocess.run([self.root / "perf" / "run-all.sh", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "STATUS": str(self.root / "status")})

    def text(self, name):
        return (self.root / name).read_text()

    def test_results_of_all(self):
        done = self.run_all(a=0, b=0)
        self.assertEqual((done.returncode, self.text("perf/RESULTS.md")), (0, "a=new b=new \n"), done.stderr)
        self.assertNotIn("not measured", done.stderr)

    def test_what_ended_without_a_result_is_named_and_no_old_one_takes_its_place(self):
        done = self.run_all(a=3, b=4, c=0)
        self.assertEqual(done.returncode, 3)
        self.assertEqual(self.text("perf/RESULTS.md"), "b=new c=new \n\n**not measured: a, exit status 3.**\n")
        self.assertIn("perf/run-all.sh: not measured: a, exit status 3\n", done.stderr)
        self.assertIn("perf/run-all.sh: b: exit status 4\n", done.stderr)

    def test_an_interrupted_run_leaves_the_last_figures(self):
        done = self.run_all(a=0, b=130, c=0)
        self.assertEqual((done.returncode, self.text("perf/RESULTS.md")), (130, "kept\n"))
        self.assertEqual(self.text("status/.ran"), "a\nb\n")
        self.assertFalse((self.root / "build/perf-results/c.json").exists(), "a result of an earlier run is among those of this one")

    def test_rows_are_of_what_was_measured(self):
        done = self.run_all("--json", self.root / "rows.json", a=0, b=2)
        self.assertEqual((done.returncode, self.text("rows.json")), (2, "a=new \n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
