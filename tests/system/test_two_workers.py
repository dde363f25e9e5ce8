"""Two workers on two cores: every flow has one owner, packets that arrive elsewhere are handed over, nothing is lost."""
import collections

import rig
from rig import LAN4, LAN6, VIP4, VIP6, WAN4, objects, traffic

import test_egress
import test_fragments
import test_services


class TwoWorkers(rig.Story):
    cores = (0, 1)

    @classmethod
    def build(cls):
        super().build()
        cls.start_web()

    def test_both_workers_carry_flows_of_one_queue(self):
        self.gateway.replace(self.node(), self.web_service())
        bodies = traffic.fetch_many(self.client, f"http://{VIP4}/", 200)
        self.assertEqual(sum(v for k, v in bodies.items() if k), 200, bodies)
        self.assertGreater(min(self.gateway.workers("flowsCreated")), 50, "one worker did it all")
        self.assertGreater(sum(self.gateway.workers("toWorkers")), 0, "nothing was handed over")
        self.assertEqual(self.gateway.balance(), 0)

    def test_full_nat_answers_come_home(self):
        """The source port is chosen so that the answer reaches the owner: nothing needs to be handed over twice."""
        self.gateway.replace(self.node(), self.web_service(mode="fullnat", sourcePool=["10.0.1.200", "2001:db8:2::200"]))
        for url in (f"http://{VIP4}/", f"http://[{VIP6}]/"):
            bodies = traffic.fetch_many(self.client, url, 100)
            self.assertEqual(set(b.split()[0] for b in bodies if b), {"s1", "s2"})
            self.assertNotIn(None, bodies)

    def test_plain_forwarding_and_many_udp_flows(self):
        self.gateway.replace(self.node())
        echo = traffic.UdpEcho(self.hosts[0], 7000)
        answers = collections.Counter(traffic.udp_ask(self.client, LAN4.format(11), 7000, source_port=p)
                                      for p in range(20000, 20200))
        self.assertEqual(answers, {"s1 hello": 200})
        self.assertEqual(traffic.ping(self.client, LAN6.format(11)), 3)
        self.assertEqual(echo.received, 200)
        self.assertEqual(self.gateway.balance(), 0)

    def test_tcp_streams_side_by_side(self):
        self.gateway.replace(self.node())
        traffic.iperf3_server(self.hosts[0])
        report = traffic.iperf3(self.client, LAN4.format(11), 3, extra=("-P", "4"))
        rate = report["end"]["sum_received"]["bits_per_second"] / 1e6
        print(f"    4 streams: {rate:.0f} Mbit/s, {report['end']['sum_sent'].get('retransmits')} retransmits")
        self.assertGreater(rate, 0)
        self.assertEqual(self.gateway.balance(), 0)

    def test_another_set_of_workers_is_refused_with_words(self):
        with self.assertRaisesRegex(rig.CliError, "restart"):
            node = self.node()
            node["spec"]["workers"]["cores"] = [1]
            self.gateway.apply(node)
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)


class QueueEach(TwoWorkers):
    """A device with a queue for each worker, which spreads packets by its own idea of flows."""
    queues = 2

    def test_both_workers_carry_flows_of_one_queue(self):
        self.gateway.replace(self.node(), self.web_service())
        bodies = traffic.fetch_many(self.client, f"http://{VIP4}/", 200)
        self.assertEqual(sum(v for k, v in bodies.items() if k), 200, bodies)
        self.assertEqual([w["queues"] for w in self.gateway.stats()["workers"]], [["wan/0", "lan/0"], ["wan/1", "lan/1"]])


class NatOfTwoWorkers(test_services.Nat):
    cores = (0, 1)

    def test_round_robin_is_even(self):
        """Each worker goes round on its own: even within a few."""
        self.gateway.replace(self.node(), self.web_service(address=[VIP4], balancing="roundRobin"))
        counts = traffic.fetch_many(self.client, f"http://{VIP4}/", 100)
        self.assertAlmostEqual(counts["s1 " + WAN4.format(2)], 50, delta=2)

    def test_least_connections_fills_the_emptier_one(self):
        self.skipTest("told for one worker: each worker sees its own connections")


class EgressOfTwoWorkers(test_egress.Egress):
    cores = (0, 1)

    def test_exhausted_ports_are_a_named_drop(self):
        """Ports are split between the workers: 20 of them, 10 for each."""
        self.gateway.replace(self.node(), objects.egress("out", *test_egress.INSIDE, interfaces=["wan"], portRange="20000-20019"))
        before = self.gateway.drops()
        for port in range(30000, 30060):
            with traffic.udp_socket(self.hosts[0], "", port) as sock:
                sock.sendto(b"x", (WAN4.format(2), 9))
        self.assertGreaterEqual(self.gateway.drops_since(before).get("nat_ports_exhausted", 0), 40)

    def test_a_source_may_hold_only_so_many(self):
        self.skipTest("told for one worker: the bound is per worker")


class FragmentsOfTwoWorkers(test_fragments.Fragments):
    cores = (0, 1)

    def test_unfinished_datagrams_are_bounded_and_named(self):
        self.skipTest("told for one worker: the bound is per worker")



if __name__ == "__main__":
    rig.main()
