"""The steps of the demo and its report. Started by deploy/demo.sh, which has built what this runs."""
import collections
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from town import IDENTITIES, PICTURE, PREFIX, STATE, Town, rig, stop_kept, traffic  # noqa: E402  (town knows where the rig is)
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.l2 import GRE, Ether  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
WEB4, WEB6, ECHO = "http://203.0.113.10/", "http://[2001:db8:f::10]/", "203.0.113.20"
EDGE = "http://198.51.100.1:8000/"


class Report:
    """Prints what each step saw, and remembers whether it was what it should be."""

    def __init__(self):
        self.failed, self.number = [], 0

    def step(self, title):
        self.number += 1
        self.title = title
        print(f"\n{self.number}. {title}", flush=True)

    def say(self, text):
        print(f"   {text}", flush=True)

    def expect(self, holds, text):
        print(f"   {'ok  ' if holds else 'FAIL'} {text}", flush=True)
        if not holds:
            self.failed.append(f"{self.number}. {self.title}: {text}")


def who(bodies):
    return ", ".join(f"{(k or 'failed').split()[0]} {v}" for k, v in sorted(bodies.items(), key=str))


def by_server(bodies):
    counts = collections.Counter()
    for body, count in bodies.items():
        counts[body.split()[0] if body else None] += count
    return counts


def statuses(host, url, count):
    """How often each status came."""
    done = host.run("curl", "-sS", "--max-time", 10, "-o", "/dev/null", "-w", "%{http_code}\\n", f"{url}?[1-{count}]")
    return collections.Counter(line for line in done.stdout.splitlines() if line.isdigit())


def configure(town, report):
    report.step("Apply deploy/demo/*.yaml through the CLI")
    files = sorted(HERE.glob("*.yaml"))
    reply = town.gateway.json("apply", *[w for f in files for w in ("-f", f)])
    times = {k: int(v) for k, v in reply.get("times", {}).items()}
    report.expect(reply.get("applied", False), f"{len(reply.get('differences', []))} objects of {len(files)} files, revision "
                  f"{reply.get('revision')}, generation {reply.get('generation')} live on every worker after "
                  f"{sum(times.values()) / 1000:.1f} ms")
    rig.wait_until(lambda: endpoints_in_use(town, 4), 10, what="health checks")
    report.expect(True, "health checks found all 4 web endpoints up")


def forwarding(town, report):
    report.step("Ping through the gateway, IPv4 and IPv6; a collector gets one of four from outside")
    wire = rig.Wire(town.fabric, "eth0")
    with rig.listening(wire, lambda f: f.haslayer(GRE)) as copies:
        for address in ("198.51.100.1", "10.0.1.11", "2001:db8:2::12", "172.21.0.1"):
            got = traffic.ping(town.client, address, count=20, interval=0.02)
            report.expect(got == 20, f"client -> {address}: {got} of 20 answered")
    made = int(town.gateway.entry("mirrors", name="default/pings")["copied"]["packets"])
    report.expect(len(copies) == made and 4 <= made <= 28,   # a share outside that: less than one run of 10,000
                  f"the collector got {len(copies)} ERSPAN copies of 60 IPv4 echo requests: one of four by chance, {made} made")


def web(town, report):
    report.step("300 HTTP requests to the virtual addresses, a connection each")
    for url, count in ((WEB4, 200), (WEB6, 100)):
        counts = by_server(traffic.fetch_many(town.client, url, count))
        report.expect(sum(v for k, v in counts.items() if k) == count and min(counts["web1"], counts["web2"]) > count // 5,
                      f"{url}: {who(counts)}")


def echo(town, report):
    report.step("A UDP service with full NAT: the servers see an address of the pool")
    answers = collections.Counter(traffic.udp_ask(town.client, ECHO, 7) for _ in range(40))
    report.expect(answers == {"web1 saw 10.0.1.200: hello": 20, "web2 saw 10.0.1.200: hello": 20},
                  ", ".join(f"{(k or 'no answer').strip()} {v} times" for k, v in sorted(answers.items(), key=str)))


def access(town, report):
    report.step("What the outside may not do")
    before = town.gateway.drops()
    status = traffic.fetch_status(town.client, "http://10.0.1.11:23/", timeout=1)
    report.expect(status == 28, "port 23: silence (deny)" if status == 28 else f"port 23: curl says {status}")
    status = traffic.fetch_status(town.client, "http://10.0.1.11:9001/", timeout=1)
    report.expect(status == 7, "port 9001: refused at once (reject)" if status == 7 else f"port 9001: curl says {status}")
    wire = rig.Wire(town.client, "eth0")
    wire.send(*[Ether(src=wire.mac, dst=town.gw.mac("wan0")) / IP(src="10.0.1.66", dst="10.0.1.11") / UDP(dport=9)] * 10)
    dropped = town.gateway.drops_since(before)
    report.expect(dropped.get("reverse_path") == 10, f"10 packets with an inside source from outside: "
                  f"{dropped.get('reverse_path', 0)} dropped as reverse_path")


def limits(town, report):
    report.step("A limit of 5,000 packets/s to 172.21.5.0/24, offered 10,000/s")
    wire = rig.Wire(town.client, "eth0")
    frames = [Ether(src=wire.mac, dst=town.gw.mac("wan0")) / IP(src="198.51.100.2", dst="172.21.5.1") /
              UDP(sport=2000 + n, dport=9) / bytes(100) for n in range(64)]
    sender = threading.Thread(target=wire.send_many, args=(frames, 10000, 4))
    sender.start()
    time.sleep(0.7)
    times = traffic.record(town.fabric, "eth0", 2.5, "udp dst port 9")
    sender.join()
    second = [t for t in times if times[0] + 0.5 <= t < times[0] + 1.5]
    report.expect(abs(len(second) - 5000) <= 100, f"{len(second)} arrived within one second")


def egress(town, report):
    report.step("Workloads reach the outside with the gateway's address, and only what the list allows")
    for host in town.webs:
        body = traffic.fetch(host, "http://198.51.100.2/") or "no answer"
        report.expect(body.split()[-1] == "198.51.100.100", f"{host.role} -> outside: the server saw {body.split()[-1]}")
    got = traffic.ping(town.webs[0], "198.51.100.200", count=5)
    report.expect(got == 0, f"web1 -> 198.51.100.200 (not on the list): {got} of 5 answered")


def http(town, report):
    report.step("HTTP that ends at the gateway's own TCP: a canary, a retry that saves a request, copies, a limit that is hit")
    counts = by_server(traffic.fetch_many(town.client, EDGE, 300))
    report.expect(sum(counts.values()) == 300 and None not in counts and 5 <= counts["web2"] <= 75,   # outside: one run of 10^6
                  f"300 requests, 90 to 10: {who(counts)}")
    counts = by_server(traffic.fetch_many(town.client, EDGE + "again", 40))
    report.expect(counts == {"web1": 40}, f"40 requests to a service of which every other endpoint refuses connections: {who(counts)}")
    log = town.lab.dir / "nginx-web1" / "access.log"
    before = log.read_text().count("/copied")
    traffic.fetch_many(town.client, EDGE + "copied", 20)
    rig.wait_until(lambda: log.read_text().count("/copied") >= before + 20, 5, what="copies at web1")
    report.expect(log.read_text().count("/copied") == before + 20, "20 requests to web2: web1 got 20 copies")
    counts = statuses(town.client, EDGE + "few", 50)
    report.expect(set(counts) == {"200", "429"} and 20 <= counts["200"] <= 25,   # one more for each three seconds
                  f"50 requests where a client has 20 a minute: {who(counts)}")


def throughput(town, report):
    report.step("TCP between the outside and the fabric side (the virtual device is most of the cost)")
    end = traffic.iperf3(town.client, "172.21.0.1", 3)["end"]
    rate = end["sum_received"]["bits_per_second"] / 1e9
    report.expect(rate > 0.05, f"iperf3: {rate:.2f} Gbit/s, {end['sum_sent'].get('retransmits', 0)} retransmits")


def change_under_load(town, report):
    report.step("20 configuration changes while 1,000 datagrams a second flow")
    policy = (HERE / "30-echo.yaml").read_text()
    with traffic.Pulse(town.client, ECHO, 7, 1000) as pulse:
        for n in range(20):
            path = town.gateway.file_of(policy.replace("balancing: roundRobin", "balancing: " + ("maglev", "roundRobin")[n % 2]))
            town.gateway.cli("apply", "-f", path)
    report.expect(pulse.lost == 0 and pulse.sent > 100, f"{pulse.sent} sent meanwhile, {pulse.lost} lost")


def endpoints_in_use(town, count):
    """So many endpoints of the web service get flows in the live generation, and the checks agree."""
    stats = town.gateway.stats()
    used = [e["state"] != "down" for s in stats.get("services", []) if "web" in s["name"] for e in s["endpoints"]]
    return sum(used) == count == sum(h.get("up", False) for h in stats.get("health", []))


def failover(town, report):
    report.step("web1's server dies; its health check notices")
    died = time.monotonic()
    town.nginx.kill()
    rig.wait_until(lambda: endpoints_in_use(town, 2), 10, 0.02, "down")
    report.say(f"noticed after {time.monotonic() - died:.1f} s")
    counts = by_server(traffic.fetch_many(town.client, WEB4, 50))
    report.expect(counts == {"web2": 50}, f"50 requests: {who(counts)}")
    town.nginx = traffic.nginx(town.webs[0], ports=(8080,))
    rig.wait_until(lambda: endpoints_in_use(town, 4), 10, 0.02, "up again")
    counts = by_server(traffic.fetch_many(town.client, WEB4, 100))
    report.expect(len(counts) == 2 and None not in counts, f"it is back; 100 requests: {who(counts)}")


def mesh(town, report):
    report.step("A second gateway: web1 reaches the shop behind it, encrypted over the fabric")
    town.certify()
    town.gateway2.start()
    for gateway, name in ((town.gateway2, "gateway2"), (town.gateway, "gateway1")):
        gateway.cli("apply", "-f", HERE / "mesh" / f"{name}.yaml")
    link = lambda gateway: gateway.json("peer", "show")["peers"][0]["link"]   # noqa: E731
    rig.wait_until(lambda: link(town.gateway)["state"] == link(town.gateway2)["state"] == "Up", 20, what="keys")
    report.expect(True, f"the gateways agreed on keys: {link(town.gateway2)['identity']} and {link(town.gateway)['identity']}")
    record = town.fabric.start("tcpdump", "tcpdump", "-i", "any", "--immediate-mode", "-Z", "root", "-U", "-s", "0",
                               "-w", town.lab.dir / "mesh.pcap")
    rig.wait_until(lambda: "listening on" in record.output(), 5, what="tcpdump")
    got = traffic.ping(town.webs[0], "10.2.0.11", count=20, interval=0.02)
    report.expect(got == 20, f"web1 -> 10.2.0.11: {got} of 20 answered")
    body = traffic.fetch(town.webs[0], "http://10.2.0.11/") or ""
    report.expect(body.split()[-1:] == ["10.0.1.11"], f"HTTP: the shop saw {(body.split() or ['nobody'])[-1]}, the workload's own address")
    record.stop()
    seen = (town.lab.dir / "mesh.pcap").read_bytes()
    esp = town.fabric.run("tcpdump", "-nn", "-r", town.lab.dir / "mesh.pcap", "esp").stdout.count("ESP(")
    report.expect(esp >= 40 and b"HTTP/1.1" not in seen, f"on the fabric: {esp} ESP packets, and HTTP nowhere")
    before = town.gateway2.drops()
    wire = rig.Wire(town.fabric, "eth1")
    wire.send(*[Ether(src=wire.mac, dst=town.gw2.mac("fab0")) / IP(src="10.0.1.11", dst="10.2.0.11") / UDP(dport=9)] * 10)
    refused = town.gateway2.drops_since(before).get("clear_refused", 0)
    report.expect(refused == 10, f"10 packets in clear that say they are from web1: {refused} dropped as clear_refused")
    before = town.gateway2.drops()
    body = traffic.fetch(town.webs[1], "http://10.2.0.11/", timeout=1)
    denied = town.gateway2.drops_since(before).get("filter_default", 0)
    report.expect(body is None and denied > 0, f"web2, another identity behind the same gateway: {denied} packets denied at the shop's")
    rotate(town, report, link)
    change_over(town, report)
    rate = traffic.iperf3(town.webs[0], "10.2.0.11", 2)["end"]["sum_received"]["bits_per_second"] / 1e9
    report.expect(rate > 0.01, f"iperf3 through both gateways: {rate:.2f} Gbit/s, AES-GCM-256")
    for line in town.gateway.cli("peer", "show").stdout.rstrip().splitlines():
        report.say("  " + line)
    report.expect(town.gateway2.balance() == 0, "the second gateway accounts for every packet")


def rotate(town, report, link):
    """New keys and a new certificate while a file travels."""
    agreed = lambda: int(link(town.gateway)["agreedOutbound"]) + int(link(town.gateway2)["agreedOutbound"])   # noqa: E731
    before = agreed()
    with traffic.Transfer(town.webs[0], town.shop, "10.2.0.11", 7000) as transfer:
        for number in range(20):
            town.gateway.cli("peer", "rekey", "site2")
            town.gateway2.cli("peer", "rekey", "site1")
            if number == 10:
                town.authority.issue("gateway2", IDENTITIES / "gateway2")
    same = transfer.sent == transfer.arrived
    report.expect(same and agreed() >= before + 20,
                  f"{agreed() - before} changes of keys and a new certificate during {transfer.bytes >> 20} MiB of TCP: "
                  + ("the same bytes arrived" if same else "what arrived differs"))


def change_over(town, report):
    """The way between the gateways is cut while datagrams travel."""
    server = traffic.UdpEcho(town.shop, 7001)
    try:
        with traffic.Pulse(town.webs[0], "10.2.0.11", 7001, 1000) as pulse:
            time.sleep(0.5)
            town.fabric.ip("link", "set", "eth1", "down")
            time.sleep(2)
    finally:
        server.close()
    report.expect(pulse.sent > 1500 and pulse.lost < 1500,
                  f"the first way to gateway 2 was cut: {pulse.lost} of {pulse.sent} datagrams, one a millisecond, got no answer")
    town.fabric.ip("link", "set", "eth1", "up")


def explain(town, report):
    report.step("What would happen to a packet? (nothing is sent)")
    done = town.gateway.cli("flows", "explain", "--interface", "wan", "--src", "198.51.100.2", "--dst", "203.0.113.10",
                            "--protocol", "tcp", "--src-port", "40000", "--dst-port", "80", check=False)
    for line in done.stdout.rstrip().splitlines():
        report.say("  " + line)
    report.expect(done.returncode == 0 and "10.0.1.1" in done.stdout, "the live generation names service, endpoint and next hop")


def summary(town, report):
    stats = town.gateway.stats()
    number = lambda entry, *path: number(entry.get(path[0], {}), *path[1:]) if len(path) > 1 else int(entry.get(path[0], 0))  # noqa: E731
    print("\n-- what the gateway counted " + "-" * 60)
    for port in stats["ports"]:
        print(f"port {port['name']:8} received {number(port, 'rx', 'packets'):9}  sent {number(port, 'tx', 'packets'):9}")
    for service in stats.get("services", []):
        print(f"service {service['name']} {service['address']} ({service.get('mode')}, {service.get('balancing')})")
        for e in service.get("endpoints", []):
            print(f"    {e['address']:24} {e['state']:8} {number(e, 'newFlows'):6} flows, "
                  f"{number(e, 'forward', 'packets'):7} packets there, {number(e, 'reply', 'packets'):7} back")
    for rule in stats.get("rules", []):
        print(f"rule    {rule['name']:28} {rule['action']:7} matched {number(rule, 'matched', 'packets')}")
    for limit in stats.get("limits", []):
        print(f"limit   {limit['name']:28} passed {number(limit, 'passedPackets'):7}  exceeded {number(limit, 'exceededPackets')}")
    for e in stats.get("egresses", []):
        print(f"egress  {e['name']:28} translated {number(e, 'out', 'packets')} out, {number(e, 'in', 'packets')} back, "
              f"{number(e, 'mappings')} mappings")
    for m in stats.get("mirrors", []):
        print(f"mirror  {m['name']:28} copied {number(m, 'copied', 'packets')}")
    print("dropped, and why:")
    for drop in stats.get("drops", []):
        if number(drop, "packets"):
            print(f"    {number(drop, 'packets'):7}  {drop['reason']:22} {drop['sentence']} ({drop['severity'].lower()})")
    report.step("Every packet is accounted for")
    balance = town.gateway.balance()
    report.expect(balance == 0, f"packets in = packets out + named drops + held (difference {balance})")


STEPS = (configure, forwarding, web, echo, access, limits, egress, http, throughput, change_under_load, failover, mesh, explain, summary)


def try_commands(town):
    address = f"{rig.cli_path()} --address unix:{town.gateway.socket}"
    enter = f"ip netns exec {PREFIX}"
    print(f"""
It goes on. Commands to try:
    {enter}client curl {WEB4}
    {enter}client ping 10.0.1.11                # or iperf3 -c 172.21.0.1
    penstock() {{ {address} "$@"; }}
    penstock top
    penstock get Service -o yaml
    penstock flows dump --tracked
    penstock limits set bulk --pps 2000
    penstock trace 'icmp' -n 3
    penstock capture -w /tmp/penstock.pcapng 'tcp port 80'
    penstock explain RateLimit
The end of it:
    deploy/demo.sh --stop""")


def main():
    if "--stop" in sys.argv:
        print("demo: ended" if stop_kept() else "demo: nothing to end")
        return 0
    if STATE.exists():
        print("demo: one is still running; end it with deploy/demo.sh --stop", file=sys.stderr)
        return 1
    keep, report, began = "--keep" in sys.argv, Report(), time.monotonic()
    town = Town(keep)
    try:
        print(PICTURE)
        print(town.huge.say())
        town.gateway.start()
        town.start_servers()
        for step in STEPS:
            try:
                step(town, report)
            except (rig.LabError, rig.CliError) as error:
                report.expect(False, str(error))
        print(f"\n{time.monotonic() - began:.0f} s. " + ("Every step did what it says." if not report.failed else
              "Not as it should be:\n  " + "\n  ".join(report.failed) + "\n" + town.gateway.process.tail(15)))
        if keep:
            town.remember()
            try_commands(town)
            town.lab.leave()
    finally:
        town.lab.close()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
