"""The store: what was applied is there after a stop, after kill -9 at any moment, and is never half."""
import random
import threading
import time

import rig
from rig import VIP4, VIP6, LAN4, objects, traffic


class Restart(rig.Story):
    cores = (1,)

    def test_a_stop_and_a_start_change_nothing(self):
        self.start_web()
        reply = self.gateway.replace(self.node(), self.web_service())
        self.assertEqual(self.gateway.stop(), 0)
        self.assertIsNone(traffic.fetch(self.client, f"http://{VIP4}/", timeout=1))
        self.gateway.start()
        self.assertEqual(int(self.gateway.json("node", "info")["revision"]), int(reply["revision"]))
        self.assertIn("s", traffic.fetch(self.client, f"http://{VIP4}/") or "")
        self.assertIn("s", traffic.fetch(self.client, f"http://[{VIP6}]/") or "")

    def test_history_and_rollback(self):
        first = self.gateway.replace(self.node(), objects.access_policy("one", {"action": "allow"}))
        self.gateway.replace(self.node(), objects.access_policy("two", {"action": "deny"}))
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 0)
        revisions = [int(r["revision"]) for r in self.gateway.json("history")["revisions"]]
        self.assertEqual(revisions[:2], [int(first["revision"]) + 1, int(first["revision"])])
        self.gateway.cli("rollback", first["revision"])
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)
        self.assertEqual([p["metadata"]["name"] for p in self.gateway.objects("AccessPolicy")], ["one"])

    def test_killed_fifty_times_at_random_moments(self):
        """Bundles of 40 objects that belong together: after every kill all 40 are of one bundle, the last acknowledged or a
        later one."""
        chance = random.Random(11)
        self.gateway.replace(self.node())
        acknowledged, asked, stop = [0], [0], threading.Event()

        def bundle(number):
            return [objects.access_policy(f"p{n}", {"name": f"b{number}", "action": "allow", "protocol": "tcp",
                                                    "ports": [str(n + 1)]}) for n in range(40)]

        def apply_for_ever():
            while not stop.is_set():
                asked[0] += 1
                try:
                    self.gateway.apply(bundle(asked[0]))
                    acknowledged[0] = asked[0]
                except (rig.CliError, rig.LabError):
                    time.sleep(0.01)

        applying = threading.Thread(target=apply_for_ever)
        applying.start()
        survived = set()
        try:
            for _ in range(50):
                time.sleep(chance.uniform(0.02, 0.25))
                self.gateway.kill()
                sure = acknowledged[0]
                self.gateway.start()
                policies = self.gateway.objects("AccessPolicy")
                generations = {p["spec"]["rules"][0]["name"] for p in policies}
                self.assertLessEqual(len(generations), 1, f"half a bundle: {generations}")
                if policies:
                    self.assertEqual(len(policies), 40)
                    number = int(generations.pop()[1:])
                    self.assertGreaterEqual(number, sure, "an acknowledged bundle is gone")
                    survived.add(number)
                else:
                    self.assertEqual(sure, 0)
        finally:
            stop.set()
            applying.join()
        print(f"    50 kills, {acknowledged[0]} bundles acknowledged, {len(survived)} different ones found after a kill")
        self.assertGreater(len(survived), 5, "the kills never fell between different bundles")


if __name__ == "__main__":
    rig.main()
