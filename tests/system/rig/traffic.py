"""Real peers: ping, curl, nginx, iperf3, socat, traceroute — each a short call with a plain answer."""
import collections
import contextlib
import hashlib
import json
import random
import re
import socket
import threading
import time

from .lab import LabError, run, wait_until

SO_RCVBUFFORCE = 33


def ping(host, address, count=3, size=None, fragment=None, interval=0.05, timeout=1, source=None):
    """How many of `count` echoes came back. `fragment`: ping's -M, "do" (set DF), "dont" or "want" (path MTU discovery)."""
    done = host.run("ping", "-n", "-q", "-c", count, "-i", interval, "-W", timeout,
                    *(["-s", size] if size is not None else []), *(["-M", fragment] if fragment else []),
                    *(["-I", source] if source else []), address, check=False)
    match = re.search(r"(\d+) received", done.stdout)
    return int(match.group(1)) if match else 0


def fetch(host, url, timeout=3, source_port=None, extra=()):
    """Body of a GET with curl; None when it failed."""
    done = host.run("curl", "-sS", "-g", "--max-time", timeout,
                    *(["--local-port", source_port] if source_port else []), *extra, url, check=False)
    return done.stdout if done.returncode == 0 else None


def fetch_status(host, url, timeout=3):
    """curl's exit status: 0 fine, 7 refused, 28 timed out."""
    return host.run("curl", "-sS", "-g", "-o", "/dev/null", "--max-time", timeout, url, check=False).returncode


def fetch_many(host, url, count, timeout=3):
    """`count` requests, a connection each; how often each body came (None: failed)."""
    done = host.run("curl", "-sS", "-g", "--max-time", timeout, "--no-keepalive", "-H", "Connection: close",
                    "-w", "\\n", *[url] * count, check=False, timeout=count * timeout + 30)
    bodies = collections.Counter(line for line in done.stdout.splitlines() if line)
    if sum(bodies.values()) < count:
        bodies[None] = count - sum(bodies.values())
    return bodies


def nginx(host, ports=(80,), addresses=("0.0.0.0", "[::]"), root_bytes=0):
    """A web server that answers every path with "<host> <client address>" (and /big with a file of `root_bytes`)."""
    directory = host.lab.dir / f"nginx-{host.role}"
    (directory / "html").mkdir(parents=True, exist_ok=True)
    if root_bytes:
        (directory / "html" / "big").write_bytes(b"x" * root_bytes)
    listens = "\n".join(f"    listen {a}:{p}{' ipv6only=on' if '[' in a else ''};" for a in addresses for p in ports)
    (directory / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log {directory}/access.log;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  default_type text/plain;
  server {{
{listens}
    location = /big {{ root {directory}/html; }}
    location / {{ return 200 "{host.role} $remote_addr\\n"; }}
  }}
}}
""")
    process = host.start("nginx", "nginx", "-p", directory, "-c", directory / "nginx.conf")
    wait_until(lambda: f":{ports[0]} " in host.run("ss", "-Hltn").stdout or not process.running(), 5, what="nginx")
    if not process.running():
        raise LabError(f"nginx on {host.role}: {process.tail()}")
    return process


def iperf3_server(host, port=5201):
    process = host.start("iperf3-server", "iperf3", "-s", "-p", port, "--forceflush")
    wait_until(lambda: f":{port} " in host.run("ss", "-Hltn").stdout, 5, what="iperf3 server")
    return process


def iperf3(host, address, seconds=3, port=5201, extra=()):
    """The report of a run (iperf3's own JSON)."""
    done = host.run("iperf3", "-c", address, "-p", port, "-t", seconds, "-J", *extra, check=False, timeout=seconds + 30)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise LabError(f"iperf3: {done.stdout[:200]} {done.stderr[:200]}") from None
    if "error" in report:
        raise LabError(f"iperf3: {report['error']}")
    return report


class Iperf3Run:
    """An iperf3 client that runs while the test does something else."""

    def __init__(self, host, address, seconds, port=5201, extra=()):
        self._process = host.start("iperf3", "iperf3", "-c", address, "-p", port, "-t", seconds, "-J", *extra)
        self._seconds = seconds

    def report(self):
        self._process.wait(self._seconds + 30)
        return json.loads(self._process.output())

    def running(self):
        return self._process.running()


def tracepath(host, address, timeout=40):
    """(path MTU, hops that answered)"""
    out = host.run("tracepath", "-n", "-m", "5", address, check=False, timeout=timeout).stdout
    mtus = [int(m) for m in re.findall(r"pmtu (\d+)", out)]
    hops = re.findall(r"^\s*\d+:\s+([0-9a-fA-F.:]+)\s", out, re.MULTILINE)
    return (mtus[-1] if mtus else 0), hops


def traceroute(host, address, protocol="udp"):
    """Addresses of the hops, in order ('*' for silence)."""
    kind = {"udp": [], "icmp": ["-I"], "tcp": ["-T"]}[protocol]
    out = host.run("traceroute", "-n", "-q", "1", "-w", "1", "-m", "5", *kind, address, check=False).stdout
    return re.findall(r"^\s*\d+\s+(\S+)", out, re.MULTILINE)


class UdpEcho:
    """A UDP server on a thread that answers "<host> <what came>", and remembers who asked."""

    def __init__(self, host, port, address=""):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with host.entered():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)   # this process may be busy for a moment
        self._socket.bind((address, port))
        self._socket.settimeout(0.1)
        self.name, self.peers, self.received, self._stop = host.role, collections.Counter(), 0, threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        host.lab.at_close(self.close)

    def _serve(self):
        while not self._stop.is_set():
            try:
                data, peer = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            self.received += 1
            self.peers[peer[0]] += 1
            self._socket.sendto(self.name.encode() + b" " + data, peer)

    def close(self):
        self._stop.set()
        self._thread.join(1)
        self._socket.close()


def udp_socket(host, address="", port=0, timeout=1.0):
    with host.entered():
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    sock.settimeout(timeout)
    if address or port:
        sock.bind((address, port))
    return sock


def udp_ask(host, address, port, payload=b"hello", timeout=1.0, source_port=0):
    """One question; the answer as text, or None."""
    with udp_socket(host, "::" if ":" in address else "", source_port, timeout) as sock:
        try:
            sock.sendto(payload, (address, port))
            return sock.recv(65536).decode(errors="replace")
        except OSError:
            return None


class Streams:
    """TCP echo server and long-lived clients in this process: for flows that must survive a change.

    `streams.exchange()` sends a line on every connection and says how many came back right.
    """

    def __init__(self, server_hosts, port):
        self.connections, self._listeners, self._port = [], [], port
        for host in server_hosts:
            with host.entered():
                listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(host.role, listener), daemon=True).start()
        server_hosts[0].lab.at_close(self.close)

    def _accept(self, name, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(name, connection), daemon=True).start()

    @staticmethod
    def _echo(name, connection):
        with connection:
            try:
                while data := connection.recv(4096):
                    connection.sendall(name.encode() + b" " + data)
            except OSError:
                return

    def open(self, client, address, port, count, timeout=3.0):
        for _ in range(count):
            with client.entered():
                sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            sock.settimeout(timeout)
            sock.connect((address, port))
            self.connections.append(sock)

    def exchange(self, text=b"line\n"):
        """Server names of the connections that answer; None for a broken one."""
        answers = []
        for sock in self.connections:
            try:
                sock.sendall(text)
                data = b""
                while not data.endswith(text[-1:]):
                    part = sock.recv(4096)
                    if not part:
                        raise OSError("closed")
                    data += part
                answers.append(data.split(b" ", 1)[0].decode())
            except OSError:
                answers.append(None)
        return answers

    def drop(self):
        for sock in self.connections:
            sock.close()
        self.connections = []

    def close(self):
        self.drop()
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)   # wakes accept(), which would keep the port
            listener.close()


class Pulse:
    """Sends a numbered UDP datagram every `interval` seconds to an echo server and counts what does not come back:
    `with Pulse(...) as pulse: ...; pulse.lost, pulse.longest_outage` afterwards."""

    def __init__(self, host, address, port, packets_per_second=2000):
        self._socket = udp_socket(host, "::" if ":" in address else "", timeout=0.2)
        self._to, self._rate = (address, port), packets_per_second
        self.sent, self._answered, self._stop = 0, set(), threading.Event()
        self.first_lost = None

    def _send(self):
        start = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - start) * self._rate)
            while self.sent < due:
                self._socket.sendto(b"%d" % self.sent, self._to)
                self.sent += 1
            time.sleep(0.001)

    def _receive(self):
        quiet_after_stop = 0
        while quiet_after_stop < 2:
            try:
                self._answered.add(int(self._socket.recv(2048).rsplit(b" ", 1)[1]))
            except TimeoutError:
                quiet_after_stop += self._stop.is_set()
            except OSError:   # an ICMP error: the datagram it is about simply stays unanswered
                continue

    def __enter__(self):
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._socket.close()
        missing = sorted(set(range(self.sent)) - self._answered)
        self.lost, self.first_lost = len(missing), (missing[0] if missing else None)
        longest = run = 0
        for before, number in zip([-2, *missing], missing):
            run = run + 1 if number == before + 1 else 1
            longest = max(longest, run)
        self.longest_outage = longest / self._rate   # seconds


class Transfer:
    """A TCP stream of seeded noise from a host to another while the block runs: `with Transfer(...) as t: ...;
    t.sent == t.arrived` afterwards, digests of all bytes, and `t.bytes` of them."""

    def __init__(self, host, server_host, address, port, bytes_per_second=20 << 20):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with server_host.entered():
            self._listener = socket.create_server((address, port), family=family)
        self._listener.settimeout(10)
        with host.entered():
            self._client = socket.create_connection((address, port), timeout=10)
        self._rate, self._stop, self.bytes, self.sent, self.arrived = bytes_per_second, threading.Event(), 0, "", ""

    def _send(self):
        block, digest, began = random.Random(5).randbytes(1 << 16), hashlib.sha256(), time.monotonic()
        while not self._stop.is_set():
            if self.bytes > (time.monotonic() - began) * self._rate:
                time.sleep(0.002)
                continue
            numbered = self.bytes.to_bytes(8, "big") + block
            self._client.sendall(numbered)
            digest.update(numbered)
            self.bytes += len(numbered)
        self._client.shutdown(socket.SHUT_WR)
        self.sent = digest.hexdigest()

    def _receive(self):
        connection, _ = self._listener.accept()
        digest = hashlib.sha256()
        with connection:
            connection.settimeout(30)
            while block := connection.recv(1 << 18):
                digest.update(block)
        self.arrived = digest.hexdigest()

    def __enter__(self):
        self._client.settimeout(60)
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._receive, self._send)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._client.close()
        self._listener.close()


def received_packets(host, device):
    """The kernel's own count of packets that arrived on a device."""
    entry = json.loads(run("ip", "-n", host.name, "-s", "-j", "link", "show", device).stdout)[0]
    return entry["stats64"]["rx"]["packets"]


def record(host, device, seconds, expression="", snap=64):
    """Arrival times (s, float) of the packets that arrive at `device` within `seconds`: the kernel's stamps, by tcpdump."""
    path = host.lab.dir / f"record-{host.role}-{device}-{time.monotonic_ns()}.pcap"
    process = host.start("tcpdump", "tcpdump", "-i", device, "-Q", "in", "-n", "-B", "65536", "-s", snap, "-w", path,
                         "--immediate-mode", *expression.split())
    wait_until(lambda: "listening on" in process.output(), 5, what="tcpdump")
    time.sleep(seconds)
    process.stop(2)
    return arrival_times(path)


def arrival_times(path):
    data, times, at = path.read_bytes(), [], 24
    while at + 16 <= len(data):
        seconds, micros, kept = (int.from_bytes(data[at + i:at + i + 4], "little") for i in (0, 4, 8))
        times.append(seconds + micros / 1e6)
        at += 16 + kept
    return times
