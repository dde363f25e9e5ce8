"""A lab: network namespaces, links between them, and processes, made for one test and gone after it.

Nothing outside is touched: links are created inside our own namespaces, which carry our pid in their name; processes are
ended by their own pid. Ends by close(), at exit, and on SIGINT/SIGTERM. After a SIGKILL the children die with us
(PR_SET_PDEATHSIG), and the next lab removes the namespaces whose maker no longer lives.
"""
import atexit
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

PREFIX = "pstk"
CLONE_NEWNET, PR_SET_PDEATHSIG = 0x40000000, 1
_libc = ctypes.CDLL(None, use_errno=True)
_open_labs = []


class LabError(Exception):
    """The lab could not be built or a command in it failed; the text says which."""


def run(*words, check=True, timeout=60, **options):
    """A command on this machine; its output, or LabError with what it said."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if check and done.returncode:
        raise LabError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_until(condition, seconds=10.0, step=0.02, what="condition"):
    """Calls `condition` until it says yes (returning what it said); LabError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:g} s")
        time.sleep(step)


class Process:
    """A process of ours, in its own process group, its output in a file."""

    def __init__(self, name, words, log, outlives_us=False):
        self.name, self.log = name, pathlib.Path(log)
        with_us = None if outlives_us else lambda: _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with open(log, "ab") as out:
            self._popen = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           start_new_session=True, preexec_fn=with_us)
        self.pid = self._popen.pid

    def running(self):
        return self._popen.poll() is None

    def wait(self, timeout=30):
        """Exit status (negative: the signal that ended it)."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: still running after {timeout} s\n{self.tail()}") from None

    def send_signal(self, number):
        if self.running():
            self._popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=5):
        """Asks, waits, then kills the whole group; the exit status."""
        self.send_signal(number)
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self):
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._popen.wait(10)

    def output(self):
        return self.log.read_text(errors="replace")

    def tail(self, lines=30):
        return "\n".join(self.output().splitlines()[-lines:])


class Namespace:
    """A network namespace: a host of the lab."""

    def __init__(self, lab, role):
        self.lab, self.role = lab, role
        self.name = lab.prefix + role
        run("ip", "netns", "add", self.name)
        self.path = f"/run/netns/{self.name}"
        self.macs = {}
        self.ip("link", "set", "lo", "up")
        # Answers must be there at once (no duplicate address detection), and nothing may be sent unasked.
        self.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.all.router_solicitations=0", "net.ipv6.conf.default.router_solicitations=0",
                    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                    "net.ipv4.ping_group_range=0 2147483647")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words).stdout

    def sysctl(self, *settings):
        run("ip", "netns", "exec", self.name, "sysctl", "-qw", *settings)

    def run(self, *words, check=True, timeout=60):
        return run("ip", "netns", "exec", self.name, *words, check=check, timeout=timeout)

    def start(self, name, *words):
        return self.lab.start(f"{self.role}-{name}", "ip", "netns", "exec", self.name, *words)

    def delete(self):
        """With all devices in it, before the lab's end."""
        run("ip", "netns", "delete", self.name)
        del self.lab.namespaces[self.role]

    def add_address(self, device, *addresses):
        for address in addresses:
            self.ip("address", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def add_route(self, prefix, via=None, dev=None):
        self.ip(*(["-6"] if ":" in prefix else []), "route", "replace", prefix,
                *(["via", via] if via else []), *(["dev", dev] if dev else []))

    def mac(self, device):
        return self.macs[device]

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is inside: sockets opened here belong to this namespace for good."""
        with open("/proc/thread-self/ns/net") as home, open(self.path) as there:
            if _libc.setns(there.fileno(), CLONE_NEWNET):
                raise LabError(f"setns {self.name}: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                _libc.setns(home.fileno(), CLONE_NEWNET)


class Lab:
    """Everything one test made. With `prefix`, namespaces have names that a person can type; with `keep`, processes go on
    when this one ends without close()."""

    _counter = 0

    def __init__(self, name="lab", prefix=None, keep=False):
        Lab._counter += 1
        self.name, self.keep = name, keep
        self.prefix = prefix or f"{PREFIX}{os.getpid()}-{Lab._counter}-"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"penstock-{name.lower()}-"))
        self.namespaces, self.processes, self._at_close, self._names = {}, [], [], {}
        self.closed = False
        if not _open_labs:
            remove_leftovers()
        _open_labs.append(self)

    def namespace(self, role):
        self.namespaces[role] = Namespace(self, role)
        return self.namespaces[role]

    def host(self, role, switch, *addresses, gateway=()):
        """A host on a switch (or wired to another namespace's device) with addresses and default routes."""
        host = self.namespace(role)
        switch.plug(host, "eth0")
        host.add_address("eth0", *addresses)
        for address in gateway:
            host.add_route("::/0" if ":" in address else "0.0.0.0/0", via=address)
        return host

    def link(self, a, a_device, b, b_device, mtu=1500):
        """A wire: a veth pair between two namespaces. Checksums are made by the kernel, since there is no device to."""
        run("ip", "link", "add", "name", a_device, "netns", a.name, "type", "veth",
            "peer", "name", b_device, "netns", b.name)
        for namespace, device in ((a, a_device), (b, b_device)):
            namespace.run("ethtool", "-K", device, "tx", "off", check=False)
            namespace.ip("link", "set", device, "mtu", mtu, "up")
            namespace.macs[device] = re.search(r"link/ether (\S+)", namespace.ip("link", "show", device)).group(1)

    def switch(self, role, mtu=1500):
        return Switch(self, role, mtu)

    def start(self, name, *words):
        self._names[name] = self._names.get(name, 0) + 1
        log = self.dir / (name + (f"-{self._names[name]}" if self._names[name] > 1 else "") + ".log")
        process = Process(name, words, log, outlives_us=self.keep)
        self.processes.append(process)
        return process

    def at_close(self, action):
        self._at_close.append(action)

    def leave(self):
        """Lets everything go on after this process."""
        self.closed = True
        _open_labs.remove(self)

    def close(self, keep_files=False):
        """Last made, first gone. Never raises: what cannot be removed is said on stderr."""
        if self.closed:
            return
        self.closed = True
        for action in reversed(self._at_close):
            with contextlib.suppress(Exception):
                action()
        for process in reversed(self.processes):
            with contextlib.suppress(Exception):
                process.stop(timeout=3)
        for namespace in reversed(list(self.namespaces.values())):
            try:
                run("ip", "netns", "delete", namespace.name)
            except (LabError, subprocess.TimeoutExpired) as error:
                print(f"lab: {error}", file=sys.stderr)
        if not keep_files:
            shutil.rmtree(self.dir, ignore_errors=True)
        if self in _open_labs:
            _open_labs.remove(self)


class Switch:
    """A kernel bridge in a namespace of its own, for segments with more than two ends."""

    def __init__(self, lab, role, mtu):
        self.lab, self.mtu, self.ports = lab, mtu, 0
        self.namespace = lab.namespace(role)
        self.namespace.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        self.namespace.ip("link", "add", "name", "br0", "type", "bridge", "mcast_snooping", "0")
        self.namespace.ip("link", "set", "br0", "mtu", mtu, "up")

    def plug(self, host, device):
        port = f"p{self.ports}"
        self.ports += 1
        self.lab.link(host, device, self.namespace, port, mtu=self.mtu)
        self.namespace.ip("link", "set", port, "master", "br0")


def remove_leftovers():
    """Namespaces of labs whose process died without cleaning up."""
    for entry in pathlib.Path("/run/netns").glob(PREFIX + "*-*") if pathlib.Path("/run/netns").exists() else ():
        match = re.match(rf"{PREFIX}(\d+)-", entry.name)
        if match and not pathlib.Path(f"/proc/{match.group(1)}").exists():
            run("ip", "netns", "delete", entry.name, check=False)


def close_all():
    for lab in list(reversed(_open_labs)):
        lab.close()


def _on_signal(number, _frame):
    close_all()
    os._exit(128 + number)


atexit.register(close_all)
if threading.current_thread() is threading.main_thread():
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(_number, _on_signal)
