"""See l7.sh."""
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from subject import ROOT, main, objects, rig, spread  # noqa: E402

FRONT, BACK = "198.51.100.{}", "10.0.1.{}"
PORT, SERVED = 80, 8080
CONNECTIONS = 64
CASES = {                     # name: (bytes of an answer, a connection for each request, requests in flight)
    "http1_128B_keepalive": (128, False, CONNECTIONS),
    "http1_10KB_keepalive": (10_240, False, CONNECTIONS),
    "http1_1MB": (1 << 20, False, 16),
    "http1_new_connection": (128, True, CONNECTIONS),
}
BUILD = ROOT / "build" / "release"


def busy_seconds(core):
    """What the core did so far, other than nothing and for other guests: user, nice, system, irq, softirq."""
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq = map(int, line.split()[1:8])
            return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    raise rig.LabError(f"no core {core} in /proc/stat")


class Veth:
    """Client and server of the kernel on one core, and between them room for a proxy on the other."""

    def __init__(self, lab, core):
        self.lab, self.core, self.other = lab, core, min(set(os.sched_getaffinity(0)) - {core})
        self.client, self.proxy, self.server = (lab.namespace(n) for n in ("client", "proxy", "server"))
        lab.link(self.client, "eth0", self.proxy, "wan0")
        lab.link(self.proxy, "lan0", self.server, "eth0")
        self.client.add_address("eth0", FRONT.format(2) + "/24")
        self.server.add_address("eth0", BACK.format(11) + "/24")
        # The proxy's packets are received on its own core, those of client and server on the other.
        for namespace, device, owner in ((self.proxy, "wan0", core), (self.proxy, "lan0", core),
                                         (self.client, "eth0", self.other), (self.server, "eth0", self.other)):
            namespace.run("sh", "-c", f"echo {1 << owner:x} > /sys/class/net/{device}/queues/rx-0/rps_cpus")
        self.start_backend()

    def start_backend(self):
        directory = self.lab.dir / "backend"
        (directory / "html").mkdir(parents=True)
        for size in {case[0] for case in CASES.values()}:
            (directory / "html" / str(size)).write_bytes(b"x" * size)
        (directory / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; open_file_cache max=10; default_type text/plain;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{ listen {SERVED} reuseport; root {directory}/html; }} }}
""")
        self.server.start("nginx", "taskset", "-c", self.other, "nginx", "-p", directory, "-c", directory / "nginx.conf")
        rig.wait_until(lambda: f":{SERVED} " in self.server.run("ss", "-Hltn").stdout, 5, what="backend")

    def kernel_addresses(self, on):
        """A peer is a process of the kernel's network; the gateway reads the devices itself."""
        words = "replace" if on else "delete"
        for device, address in (("wan0", FRONT.format(1)), ("lan0", BACK.format(1))):
            self.proxy.run("ip", "address", words, address + "/24", "dev", device, check=on)

    def measure(self, case, seconds):
        """Requests per busy second of the proxy's core, and wrk's own figures."""
        size, close, in_flight = CASES[case]
        words = ["taskset", "-c", self.other, "wrk", "-t", 1, "-c", in_flight, "--latency",
                 *(["-H", "Connection: close"] if close else []), "-d"]
        url = f"http://{FRONT.format(1)}:{PORT}/{size}"
        self.client.run(*words, 1, url)
        before = busy_seconds(self.core)
        text = self.client.run(*words, max(1, round(seconds)), url, timeout=seconds + 30).stdout
        busy = busy_seconds(self.core) - before
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if errors or requests == 0:
            raise rig.LabError(f"{case}: {text}")
        return requests / busy


def haproxy(veth):
    path = veth.lab.dir / "haproxy.cfg"
    path.write_text(f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind {FRONT.format(1)}:{PORT}
  default_backend out
backend out
  server s1 {BACK.format(11)}:{SERVED}
""")
    return veth.proxy.start("haproxy", "taskset", "-c", veth.core, "haproxy", "-db", "-f", path)


def nginx(veth):
    directory = veth.lab.dir / "proxy"
    directory.mkdir(exist_ok=True)
    (directory / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream out {{ server {BACK.format(11)}:{SERVED}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen {FRONT.format(1)}:{PORT};
    location / {{ proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}
""")
    return veth.proxy.start("proxy-nginx", "taskset", "-c", veth.core, "nginx", "-p", directory, "-c", directory / "nginx.conf")


def bundle(idle, wan, lan, core):
    """The gateway as a proxy between the two networks."""
    service = objects.service("shop", "203.0.113.10", (SERVED, SERVED))
    return [objects.node(objects.interface("wan", wan, FRONT.format(1) + "/24"), objects.interface("lan", lan, BACK.format(1) + "/24"),
                         cores=[core], idle=idle),
            service, *objects.endpoints(service, BACK.format(11)),
            objects.gateway("edge", [FRONT.format(1)], objects.listener("web", PORT)),
            objects.http_route("shop", "edge", objects.http_rule(objects.backend("shop", SERVED)))]


def penstock(lab, namespace, idle, wan, lan, core, huge):
    gateway = rig.Gateway(namespace, f"gateway{time.monotonic_ns()}", options=[] if huge else ["--no-huge", "--memory", "2048"])
    gateway.start(seconds=60)
    gateway.apply(*bundle(idle, wan, lan, core))
    return gateway


class Requests:
    """penstock-lab-requests (perf/LAB.md): lines of JSON to and from; it ends with this object."""

    def __init__(self, lab, core, spec):
        path = lab.dir / f"requests-{time.monotonic_ns()}.json"
        path.write_text(json.dumps(spec))
        self.process = subprocess.Popen(["taskset", "-c", str(core), BUILD / "perf" / "penstock-lab-requests", "--spec", path],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def event(self, name):
        event = json.loads(self.process.stdout.readline() or '{"event": "the end"}')
        if event["event"] != name:
            raise rig.LabError(f"penstock-lab-requests: {event}")
        return event

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def kernel_free(lab, case, core, seconds, huge):
    """Requests per busy second of the worker, between our own clients and servers."""
    size, close, in_flight = CASES[case]
    host = lab.namespaces.get("memory") or lab.namespace("memory")
    sockets = [lab.dir / f"memif-{time.monotonic_ns()}-{n}.sock" for n in range(2)]
    memif = lambda n, role: f"net_memif{n},role={role},socket={sockets[n]},socket-abstract=no,id=0"   # noqa: E731
    port = lambda name, n, net, own: {"name": name, "device": memif(n, "client"), "address": net.format(own) + "/24",   # noqa: E731
                                      "gateway": net.format(1)}
    gateway = penstock(lab, host, "poll", memif(0, "server"), memif(1, "server"), core, huge)
    load = None
    try:
        load = Requests(lab, min(set(os.sched_getaffinity(0)) - {core}), {
            "huge": False, "memoryMegabytes": 1024, "prefix": f"l7-{os.getpid()}",
            "ports": [port("clients", 0, FRONT, 2), port("servers", 1, BACK, 11)],
            "clients": {"stack": "own", "target": f"{FRONT.format(1)}:{PORT}", "connections": in_flight,
                        "requestsPerConnection": int(close)},
            "servers": {"stack": "own", "listen": f"0.0.0.0:{SERVED}", "body": size}})
        load.event("ready")
        load.do(do="trial", id=1, warmup=1, seconds=seconds)
        time.sleep(1)
        before, on_core = gateway.stats()["workers"][0], seconds_on_core(gateway)
        report = load.event("trial")
        after, on_core = gateway.stats()["workers"][0], seconds_on_core(gateway) - on_core
        spent = {name: int(after[name]) - int(before[name]) for name in ("busyCycles", "idleCycles")}
        busy = on_core * spent["busyCycles"] / sum(spent.values())
        if sum(report["errors"].values()) or not report["requests"]:
            raise rig.LabError(f"{case}: {report} {gateway.drops()}")
        return {name: report[name] for name in ("requests", "seconds", "bytes", "bound", "busy")}, report["requests"] / busy
    finally:
        if load:
            load.close()
        gateway.process.kill()


def seconds_on_core(gateway):
    """What the worker's thread has run: without what other processes took from its core."""
    for task in pathlib.Path(f"/proc/{gateway.process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == "worker0":
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise rig.LabError("no worker")


def measure_all(lab, options, huge):
    veth = Veth(lab, options.core)
    peers = {"haproxy": haproxy, "nginx": nginx}
    figures = {}
    for turn in range(options.runs):
        for case in CASES:
            for name, start in peers.items():
                if not shutil.which(name):
                    continue
                veth.kernel_addresses(True)
                process = start(veth)
                try:
                    rig.wait_until(lambda: f":{PORT} " in veth.proxy.run("ss", "-Hltn").stdout, 5, what=name)
                    figures.setdefault((case, name), []).append(veth.measure(case, options.seconds))
                finally:
                    process.kill()
                    veth.kernel_addresses(False)
            gateway = penstock(lab, veth.proxy, "adaptive", objects.device(0, "wan0"), objects.device(1, "lan0"), options.core, huge)
            try:
                figures.setdefault((case, "penstock"), []).append(veth.measure(case, options.seconds))
            finally:
                gateway.process.kill()
            report, rate = kernel_free(lab, case, options.core, options.seconds, huge)
            figures.setdefault((case + "_kernel_free", "penstock"), []).append(rate)
            print(f"turn {turn + 1}: {case}: {report}", file=sys.stderr)
    return [row for case in CASES for row in rows(case, figures)]


def rows(case, figures):
    for name in (case, case + "_kernel_free"):
        ours = figures[(name, "penstock")]
        value = statistics.median(ours)
        for peer in ("haproxy", "nginx"):
            theirs = figures.get((case, peer))
            yield {"name": name, "value": round(value), "unit": "requests per busy core-second", "peer": peer, "runs": len(ours),
                   "spread": round(spread(ours), 3), "payload_gbit_s": round(value * CASES[case][0] * 8 / 1e9, 2),
                   "peer_value": round(statistics.median(theirs)) if theirs else None,
                   "ratio": round(value / statistics.median(theirs), 2) if theirs else None}


def table(results):
    print(f"{'name':36} {'req/core-s':>11} {'Gbit/s':>7}  {'peer':8} {'req/core-s':>11} {'ratio':>6} {'spread':>7}")
    for r in results:
        peer = f"{r['peer_value']:11} {r['ratio']:6.2f}" if r["ratio"] else f"{'not installed':>18}"
        print(f"{r['name']:36} {r['value']:11} {r['payload_gbit_s']:7.2f}  {r['peer']:8} {peer} {r['spread']:6.0%}")


if __name__ == "__main__":
    main("perf/lab/l7.sh", measure_all, table, through="proxies, over veth with af_packet and (_kernel_free) memif,")
