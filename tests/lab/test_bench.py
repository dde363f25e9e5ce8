"""What the lab asks of its generators: whose cores are whose, and who answers the clients when they are measured alone."""
import pathlib
import sys
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "perf"), str(ROOT / "tests" / "system")]
from penstock_lab import alone, bench   # noqa: E402
from penstock_lab.errors import NotThere   # noqa: E402


def scenario(cores, stack="kernel", target="198.51.100.1:80", servers=None, **clients):
    return types.SimpleNamespace(traffic="requests", cores={"generator": cores, "subject": [99]}, huge=False, megabytes=512, seed=1,
                                 clients={"stack": stack, "target": target, **clients}, servers=servers)


class Cores(unittest.TestCase):
    def test_clients_have_the_first_half_and_servers_the_other(self):
        for cores, clients, servers in (([3], [3], [3]), ([0, 1], [0], [1]), ([0, 1, 2], [0, 1], [2]), ([4, 5, 6, 7], [4, 5], [6, 7])):
            one = scenario(cores, servers={"stack": "kernel"})
            self.assertEqual((bench.common(one)["cores"], bench.common(one, "servers")["cores"]), (clients, servers))

    def test_the_own_stack_has_one_each(self):
        for cores, clients, servers in (([3], [3], [3]), ([0, 1, 2, 3], [0], [3])):
            one = scenario(cores, "own", servers={"stack": "own"})
            self.assertEqual((bench.common(one)["cores"], bench.common(one, "servers")["cores"]), (clients, servers))


class Alone(unittest.TestCase):
    def specification(self, *arguments, **fields):
        lab = types.SimpleNamespace(namespaces={"alone": types.SimpleNamespace(name="alone")})
        return alone._request_specification(scenario([0], *arguments, **fields), lab, {"closed": {}})[0]

    def test_servers_are_of_the_clients_family(self):
        for target, listen, itself in (("198.51.100.1:80", "0.0.0.0:80", "127.0.0.1:80"), ("[2001:db8::1]:80", "[::]:80", "[::1]:80")):
            kernel = self.specification("kernel", target)
            self.assertEqual((kernel["clients"]["target"], kernel["servers"]["listen"]), (itself, listen))
            own = self.specification("own", target)
            self.assertEqual((own["clients"]["target"], own["servers"]["listen"]), (target, listen))
            clients, servers = own["ports"]
            self.assertEqual((clients["gateway"], servers["gateway"]), (servers["address"].split("/")[0], clients["address"].split("/")[0]))
            self.assertIn(servers["address"].split("/")[0], target)

    def test_servers_speak_what_the_clients_do(self):
        exchange = {"request": 64, "answer": 1}
        self.assertEqual(self.specification(protocol="tcp", exchange=exchange)["servers"],
                         {"protocol": "tcp", "exchange": exchange, "stack": "kernel", "listen": "0.0.0.0:80"})
        self.assertEqual(self.specification()["servers"]["body"], 128)
        self.assertEqual(self.specification(servers={"body": 5})["servers"]["body"], 5)


class Reach(unittest.TestCase):
    """What the clients are asked before the first trial."""

    def ask(self, cores, *answers, **clients):
        one = bench.Bench(scenario(cores, **clients), None, None, None)
        asked, answers = [], list(answers)
        one._generator = types.SimpleNamespace(trial=lambda command: (asked.append(command), ({"seconds": 0.2, "bound": "none", **answers.pop(0)}, []))[1])
        one._reach()
        return asked

    def test_each_core_has_a_connection_if_there_are_so_many(self):
        for cores, clients, expected in (([0, 1, 2, 3], {"connections": 64}, 2), ([0], {"connections": 64}, 1), ([0, 1, 2, 3], {"connections": 1}, 1),
                                         ([0, 1, 2, 3], {}, 1)):
            self.assertEqual([one["connections"] for one in self.ask(cores, {"requests": 1}, **clients)], [expected])

    def test_an_open_loop_asks_slowly(self):
        self.assertEqual([one.get("rate") for one in self.ask([0], {"requests": 1}, arrivals={"open": {"rate": 1e6}})], [bench.REACH_RATE])
        self.assertEqual([one.get("rate") for one in self.ask([0], {"requests": 1}, arrivals={"closed": {}})], [None])

    def test_a_wrong_answer_is_one_and_silence_is_asked_again(self):
        self.assertEqual(len(self.ask([0], {"errors": {"refused": 4}}, {"errors": {"status": 1}})), 2)
        with mock.patch.object(bench, "REACH_SECONDS", 0), self.assertRaisesRegex(NotThere, "clients.target: 198.51.100.1:80: nothing answers: refused 4"):
            self.ask([0], {"errors": {"refused": 4}})


if __name__ == "__main__":
    unittest.main()
