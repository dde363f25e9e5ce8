"""Configuration changes under load: applied in time, adopted by all workers, not one packet lost."""
import itertools
import time

import rig
from rig import LAN4, VIP4, objects, traffic

PHASES = ("queue", "validate", "prepare", "compile", "store", "publish", "adopt")


def took(reply):
    """Milliseconds from the request's arrival to the last worker's adoption."""
    return sum(int(reply["times"].get(phase, 0)) for phase in PHASES) / 1000


def many_services(services, endpoints_each):
    out = []
    for n in range(services):
        name, address = f"s{n}", f"203.0.{100 + n // 250}.{1 + n % 250}"
        made = objects.service(name, address, (80, 8080))
        base = n * endpoints_each
        out += [made, *objects.endpoints(made, *[f"10.{64 + (base + e) // 62500}.{(base + e) // 250 % 250}.{1 + (base + e) % 250}"
                                                 for e in range(endpoints_each)])]
    return out


class Change(rig.Story):

    def start_service(self):
        self.made = objects.service("echo", VIP4, (7, 7000, "UDP"))
        self.base = [self.node(), self.made, *objects.endpoints(self.made, LAN4.format(11), LAN4.format(12))]
        self.gateway.replace(self.base)
        echoes = [traffic.UdpEcho(host, 7000) for host in self.hosts]
        self.addCleanup(lambda: [e.close() for e in echoes])
        self.assertIsNotNone(traffic.udp_ask(self.client, VIP4, 7))

    def test_two_hundred_changes_lose_nothing(self):
        """Rules, limits, weights, endpoints, routes, other services come and go while a datagram flows every 0.5 ms."""
        self.start_service()
        changes = itertools.cycle([
            [objects.access_policy("a", {"action": "allow", "protocol": "udp"})],
            [objects.rate_limit("l", {"interface": "wan"}, {"packetsPerSecond": 100000})],
            [objects.service_policy("echo", weights=[{"address": LAN4.format(11), "weight": 50}])],
            objects.endpoints(self.made, LAN4.format(11), LAN4.format(12), LAN4.format(13)),
            [self.node(routes=[objects.route("192.0.2.0/24", LAN4.format(12))])],
            self.web_service(name="other", address=["203.0.113.99"]),
            objects.endpoints(self.made, LAN4.format(11), LAN4.format(12)),
            [objects.egress("out", "10.99.0.0/16")],
        ])
        with traffic.Pulse(self.client, VIP4, 7, 2000) as pulse:
            worst = 0.0
            for _ in range(200):
                worst = max(worst, took(self.gateway.apply(next(changes))))
        print(f"    {pulse.sent} datagrams, {pulse.lost} lost, slowest change {worst:.1f} ms")
        self.assertEqual(pulse.lost, 0, f"first lost: {pulse.first_lost}")

    def test_connections_survive_every_change(self):
        streams = traffic.Streams(self.hosts, 9400)
        made = objects.service("tcp", VIP4, (9400, 9400))
        slices = objects.endpoints(made, LAN4.format(11), LAN4.format(12))
        self.gateway.replace(self.node(), made, slices)
        streams.open(self.client, VIP4, 9400, 30)
        before = streams.exchange()
        for change in ([objects.service_policy("tcp", balancing="roundRobin")],
                       [objects.service_policy("tcp", weights=[{"address": LAN4.format(11), "weight": 0}])],
                       objects.endpoints(made, LAN4.format(11), LAN4.format(12), LAN4.format(13)),
                       [objects.access_policy("a", {"action": "allow"})],
                       [self.node(routes=[objects.route("0.0.0.0/0", LAN4.format(12))])]):
            self.gateway.apply(change)
            self.assertEqual(streams.exchange(), before)
        streams.close()

    def test_a_new_rule_catches_established_flows(self):
        streams = traffic.Streams(self.hosts, 9401)
        self.gateway.replace(self.node())
        streams.open(self.client, LAN4.format(11), 9401, 2)
        self.assertNotIn(None, streams.exchange())
        self.gateway.apply(objects.access_policy("a", {"action": "deny", "protocol": "tcp", "ports": ["9401"]}))
        for sock in streams.connections:
            sock.settimeout(0.5)
        self.assertEqual(streams.exchange(), [None, None])
        streams.close()

    def test_ten_thousand_services_and_one_endpoint_lose_nothing(self):
        """Prints the times, of which the aims are a second and 20 ms: perf/README.md."""
        self.start_service()
        everything = [*self.base, *many_services(10000, 10)]
        path = self.gateway.file_of(everything, name="everything.yaml")
        with traffic.Pulse(self.client, VIP4, 7, 1000) as pulse:
            started = time.monotonic()
            reply = self.gateway.json("apply", "-f", path)
            whole = time.monotonic() - started
            full = took(reply)
            single = []
            name = "s5000"
            made = next(o for o in everything if o["metadata"]["name"] == name)
            for last in (250, 251, 252, 253, 254):
                changed = objects.endpoints(made, *[f"10.250.0.{n}" for n in range(1, 10)], f"10.250.0.{last}")
                single.append(took(self.gateway.apply(changed)))
        print(f"    10,000 services: {full:.0f} ms in the gateway ({reply['times']}), {whole:.1f} s with the CLI's YAML")
        print(f"    one endpoint: {[f'{ms:.1f}' for ms in single]} ms; {pulse.lost} of {pulse.sent} lost; "
              f"{self.gateway.resident_megabytes():.0f} MB resident")
        self.assertEqual(pulse.lost, 0)


if __name__ == "__main__":
    rig.main()
