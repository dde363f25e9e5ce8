"""A generator as a process: started, told what to do, listened to, and always ended (perf/LAB.md, Generators).

    with Generator("packets", spec, directory) as generator:
        event = generator.trial({"pps": 1e6, "seconds": 1.0})

Everything that can go wrong with the process is a Broken that names it: no answer in time, an end, a line that is no JSON.
One thread. The process ends when its input is closed, when we die (PR_SET_PDEATHSIG), and at the latest by SIGKILL.
"""
import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

from .errors import Broken, NotThere
from .interruption import deferred

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_LINE = 1 << 26       # a trial of many streams has a histogram for each
READY_SECONDS = 60           # the generator itself gives a gateway ten
GRACE_SECONDS = 20           # beyond a trial's own time
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_count = itertools.count(1)


def program(kind):
    """The path of `packets` or `requests`; PENSTOCK_BUILD names another build directory."""
    return pathlib.Path(os.environ.get("PENSTOCK_BUILD") or ROOT / "build" / "release") / "perf" / f"penstock-lab-{kind}"


def missing(kind):
    """Why this generator cannot be run; empty when it can."""
    path = program(kind)
    if os.access(path, os.X_OK):
        return ""
    return f"{path} is not there: build it, or let PENSTOCK_BUILD name the build directory"


def check(kind, spec, directory, timeout=60):
    """What the generator finds wrong with a specification: [(field, message)]."""
    file = _spec_file(spec, directory, f"check-{kind}")
    try:
        done = subprocess.run([program(kind), "--check", file], capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise Broken(f"penstock-lab-{kind} --check: no end after {timeout} s") from None
    faults = []
    for line in done.stdout.splitlines():
        event = _event(line, f"penstock-lab-{kind} --check")
        if event["event"] == "error":
            faults.append((str(event.get("field", "")), str(event.get("message", ""))))
    if done.returncode and not faults:
        raise Broken(f"penstock-lab-{kind} --check: ended with {done.returncode}: {_last(done.stderr)}")
    return faults


class Generator:
    """One generator with its ports up. `namespace`: the name of the network namespace it runs in, if any."""

    def __init__(self, kind, spec, directory, namespace=None, ready_seconds=READY_SECONDS):
        self.name = f"penstock-lab-{kind}"
        self._trials, self._text = 0, b""
        # DPDK's directory of this process, which stays behind when it is killed.
        self._runtime = pathlib.Path(os.environ.get("RUNTIME_DIRECTORY", "/var/run")) / "dpdk" / spec["prefix"]
        file = f"{self.name}-{next(_count)}"
        self._log = pathlib.Path(directory) / f"{file}.log"
        words = [program(kind), "--spec", _spec_file(spec, directory, file)]
        if namespace:
            words = ["ip", "netns", "exec", namespace, *words]
        with open(self._log, "wb") as log:
            # A session of its own: Ctrl-C on the terminal is for us, and we end it in order.
            self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0,
                                             start_new_session=True, preexec_fn=lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        try:
            self.ready = self._ready(ready_seconds)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self._process.pid

    def trial(self, command, on_sample=None, beside=None):
        """Runs one trial; (its event, its samples). on_sample(sample) as they come. `beside`: called now and then with the
        seconds since the start, to do something meanwhile; it gives the seconds until it wants to be called again, or None."""
        self._trials += 1
        command = {"do": "trial", "id": self._trials, "drain": 0.2, "sample": 0.1, **command}
        self._say(command)
        started, samples = time.monotonic(), []
        deadline = started + command["seconds"] + command["drain"] + command.get("warmup", 0) + GRACE_SECONDS
        due = 0.0 if beside else None
        while True:
            now = time.monotonic()
            if due is not None and now - started >= due:
                wait = beside(now - started)
                due = None if wait is None else time.monotonic() - started + wait
                continue
            event = self._heard(min(deadline, started + due) if due is not None else deadline, deadline)
            if event is None:
                continue
            if event["event"] == "trial":
                return event, samples
            if event["event"] == "sample":
                samples.append(event)
                if on_sample:
                    on_sample(event)

    def _heard(self, until, at_least=None):
        """The next event of the trial under way; None: see _next()."""
        event = self._next(until, f"trial {self._trials}", at_least)
        if event is None:
            return None
        if event["event"] == "error":
            raise Broken(f"{self.name}: {event.get('field', '')}: {event.get('message', '')}")
        if event.get("id") != self._trials:
            raise Broken(f"{self.name}: spoke of trial {event.get('id')!r} during trial {self._trials}")
        return event

    def begin(self, command):
        """Begins a trial that goes on while others do theirs, until end(); it has no samples."""
        self._trials += 1
        self._say({"do": "trial", "id": self._trials, **command})

    def end(self):
        """The event of the trial that begin() began, which ends now if it has not ended by itself."""
        self._say({"do": "stop"})
        return self._heard(time.monotonic() + GRACE_SECONDS)

    def close(self):
        """Asks, waits, kills. Never raises but Interrupted, when all is gone."""
        with deferred():
            self._end()
            shutil.rmtree(self._runtime, ignore_errors=True)

    def _end(self):
        process = self._process
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if process.poll() is not None:
                break
            try:
                if number is None:
                    process.stdin.close()
                else:
                    process.send_signal(number)
                process.wait(3)
            except (OSError, subprocess.TimeoutExpired):
                continue
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()

    def _ready(self, seconds):
        event = self._next(time.monotonic() + seconds, "its ports")
        faults = []
        while event["event"] == "error":
            faults.append(f"{event.get('field', '')}: {event.get('message', '')}")
            try:
                event = self._next(time.monotonic() + 5, "its ports")
            except Broken:   # it has said everything and ended
                break
        if faults:
            raise NotThere(*(f"{self.name}: {fault}" for fault in faults))
        if event["event"] != "ready":
            raise Broken(f"{self.name}: said {event['event']!r} where it should be ready")
        return event

    def _say(self, command):
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
        except OSError:
            raise self._ended("a command") from None

    def _next(self, until, what, at_least=None):
        """The next event; None when `until` has passed but not `at_least`, the real deadline."""
        at_least = until if at_least is None else at_least
        while b"\n" not in self._text:
            left = until - time.monotonic()
            readable = select.select([self._process.stdout], [], [], max(0.0, left))[0]
            if not readable:
                if until < at_least:
                    return None
                raise Broken(f"{self.name}: silent for too long while we waited for {what}; its last words: {self._words()}")
            got = os.read(self._process.stdout.fileno(), 1 << 16)
            if not got:
                raise self._ended(what)
            self._text += got
            if len(self._text) > LONGEST_LINE:
                raise Broken(f"{self.name}: a line of more than {LONGEST_LINE} bytes")
        line, self._text = self._text.split(b"\n", 1)
        return _event(line, self.name)

    def _ended(self, what):
        try:
            status = self._process.wait(5)
        except subprocess.TimeoutExpired:
            return Broken(f"{self.name}: closed its output while we waited for {what}")
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with {status}"
        return Broken(f"{self.name}: ended {how} while we waited for {what}; its last words: {self._words()}")

    def _words(self):
        return _last(self._log.read_text(errors="replace"))


def _event(line, name):
    try:
        event = json.loads(line)
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise ValueError("no event")
    except (ValueError, RecursionError):
        raise Broken(f"{name}: said {line[:200]!r}, which is no event") from None
    return event


def _spec_file(spec, directory, name):
    path = pathlib.Path(directory) / f"{name}.json"
    path.write_text(json.dumps(spec))
    return path


def _last(text):
    return " / ".join(text.strip().splitlines()[-3:]) or "none"
