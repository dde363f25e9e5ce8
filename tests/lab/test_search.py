"""Searches over a device in virtual time: what they find is true, and they end."""
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from fake_device import FakeDevice  # noqa: E402
from penstock_lab.methods import mlrsearch, search  # noqa: E402

MOST, LEAST = 1e8, 1e3


class Stolen(FakeDevice):
    """Its generator sends 3 Mpps at most, and half of that in every third trial: its core is taken away now and then."""
    turn = 2

    def counts(self, load, seconds):
        self.line = 1.5e6 if len(self.trials) % 3 == self.turn else 3e6
        return super().counts(load, seconds)


def find(device, ratio=0.0, resolution=0.005, seconds=1.0, least=LEAST):
    return search.highest_load(lambda load: device.trial(load, seconds), lambda trial: trial.loss <= ratio, MOST, least, resolution)


class HighestLoadTest(unittest.TestCase):
    def test_any_capacity_is_found_within_the_resolution(self):
        chance = random.Random(1)
        for _ in range(300):
            capacity = 10 ** chance.uniform(3.5, 7.9)
            resolution = chance.choice([0.001, 0.005, 0.05])
            device = FakeDevice(capacity)
            found = find(device, resolution=resolution)
            self.assertLessEqual(found.trial.rate, capacity)
            self.assertGreaterEqual(found.trial.rate, capacity * (1 - 1.01 * resolution) - 1)
            self.assertEqual(found.bound, "subject")
            self.assertLessEqual(len(device.trials), search.most_trials(MOST, LEAST, resolution))

    def test_it_ends_where_one_packet_is_more_than_the_resolution(self):
        class Patient(FakeDevice):
            def counts(self, load, seconds):
                if len(self.trials) > 1000:
                    raise AssertionError("the search does not end")
                return super().counts(load, seconds)

        for seconds, capacity, least, resolution in ((1, 150.5, 10, 0.005), (2, 10.2, 10, 0.02), (0.1, 1005, 1000, 0.005),
                                                     (0.05, 3010, 1000, 0.005)):
            with self.subTest(capacity):
                device = Patient(capacity)
                found = find(device, resolution=resolution, seconds=seconds, least=least)
                self.assertLessEqual(len(device.trials), search.most_trials(MOST, least, resolution))
                self.assertLessEqual(found.trial.rate, capacity)
                self.assertGreater(found.trial.rate, capacity * (1 - resolution) - 1 / seconds)
                self.assertEqual((found.bound, found.note), ("subject", ""))

    def test_a_rate_that_lost_more_than_allowed_is_never_claimed(self):
        chance = random.Random(2)
        for seed in range(300):
            ratio = chance.choice([0.0, 0.001, 0.01])
            device = FakeDevice(10 ** chance.uniform(4, 7), loss=chance.choice([0, 1e-7, 1e-4, 5e-3]), drift=0.05, seed=seed,
                                line=10 ** chance.uniform(5, 8))
            found = find(device, ratio)
            self.assertLessEqual(len(device.trials), search.most_trials(MOST, LEAST, 0.005))
            if found.trial is None:
                continue
            self.assertLessEqual(found.trial.loss, ratio)
            self.assertTrue(any(received == found.trial.good and sent == found.trial.offered and sent - received <= ratio * sent
                                for _, _, sent, received in device.trials))

    def test_the_generators_limit_is_said_to_be_the_generators(self):
        found = find(FakeDevice(capacity=5e7, line=3e6))
        self.assertEqual((found.bound, found.trial.rate), ("generator", 3e6))

    def test_a_limit_just_below_the_generators_is_still_the_devices(self):
        found = find(FakeDevice(capacity=2.9e6, line=3e6))
        self.assertEqual(found.bound, "subject")
        self.assertAlmostEqual(found.trial.rate, 2.9e6, delta=0.006 * 2.9e6)

    def test_a_generator_that_falls_short_now_and_then_hides_nothing(self):
        for capacity in (1.0e6, 1.4e6, 2.2e6, 2.9e6):
            for turn in range(3):
                device = Stolen(capacity)
                device.turn = turn
                found = find(device)
                self.assertEqual(found.bound, "subject")
                self.assertTrue(0.994 * capacity <= found.trial.rate <= capacity, (capacity, turn, found.trial.rate))

    def test_a_rate_the_generator_could_just_not_keep_is_the_generators(self):
        class Late(FakeDevice):
            def event(self, load, seconds, number=1):
                return {**super().event(load, seconds, number), "bound": "generator"}

        found = find(Late(capacity=2e6))
        self.assertEqual(found.bound, "generator")
        self.assertLessEqual(found.trial.rate, 2e6)

    def test_a_port_that_takes_no_more_is_not_the_generator(self):
        class Full(FakeDevice):
            def event(self, load, seconds, number=1):
                event = super().event(load, seconds, number)
                event["due"] = round(load * seconds)
                event["ports"][0]["refused"] = event["due"] - event["sent"]
                return event

        found = find(Full(capacity=1e9, line=2e6))
        self.assertEqual((found.bound, found.trial.rate), ("device", 2e6))
        device = Full(capacity=1e9, line=2e6)
        wanted = goals()
        made = mlr(device, wanted)
        self.assertTrue(made.refusing)
        self.assertIn("device", [one.short for one in made.loads[2e6]])

    def test_late_packets_are_the_ports_when_it_took_none_and_else_the_generators(self):
        class Stalling(FakeDevice):
            def event(self, load, seconds, number=1):
                event = {**super().event(load, seconds, number), "bound": "generator"}
                event["due"], event["late"] = event["sent"], event["sent"] // 2
                event["ports"][0]["refused"] = round(self.share * event["late"])
                return event

        for share, bound in ((1.0, "device"), (0.5, "generator"), (0.0, "generator")):
            device = Stalling()
            device.share = share
            self.assertEqual(device.trial(1e5, 1).bound, bound)

    def test_a_generator_that_gets_slow_is_the_limit_then(self):
        class Slowed(FakeDevice):
            def counts(self, load, seconds):
                self.line = 1e6 if self.trials else 3e6
                return super().counts(load, seconds)

        found = find(Slowed(capacity=2e6))
        self.assertEqual((found.bound, found.trial.rate), ("generator", 1e6))

    def test_a_device_that_is_never_at_its_limit(self):
        self.assertEqual(find(FakeDevice(capacity=2e8)).bound, "unknown")

    def test_a_device_that_passes_nothing(self):
        device = FakeDevice(frozen=(0.0, 1.0))
        self.assertIsNone(find(device).trial)
        self.assertLessEqual(len(device.trials), search.most_trials(MOST, LEAST, 0.005))


def goals(seconds=1.0, exceed=0.5, total=None):
    return [mlrsearch.Goal("NDR", 0.0, exceed, seconds, total or seconds, 0.005),
            mlrsearch.Goal("PDR", 0.005, exceed, seconds, total or seconds, 0.005)]


def tried(trials):
    """[(seconds, loss)] at a load of 100."""
    return [mlrsearch.Tried(seconds, loss, 100 - 100 * loss) for seconds, loss in trials]


def mlr(device, wanted, limit=1000.0):
    made = mlrsearch.Search(device.trial, wanted, MOST, LEAST, 0.1, limit)
    made.run()
    return made


class MlrsearchTest(unittest.TestCase):
    def test_classification_follows_the_draft(self):
        """Each line worked out by hand from the draft's appendix A."""
        goal = mlrsearch.Goal("g", 0.01, 0.5, 1.0, 4.0, 0.005)
        good, bad, short_good, short_bad = (1.0, 0.0), (1.0, 0.5), (0.1, 0.0), (0.1, 0.5)
        for trials, expected in (
                ([], "undecided"), ([good], "undecided"), ([good] * 2, "lower"), ([bad] * 2, "undecided"), ([bad] * 3, "upper"),
                ([good] * 2 + [bad] * 2, "lower"), ([good, bad, bad, bad], "upper"), ([short_good] * 100, "undecided"),
                ([short_bad] * 21, "upper"), ([short_bad] * 20, "undecided"), ([short_bad] * 21 + [short_good], "undecided"),
                ([good] * 2 + [bad] * 3, "upper"), ([(1.0, 0.01)] * 2, "lower"), ([(1.0, 0.0101)] * 3, "upper")):
            self.assertEqual(mlrsearch.classify(tried(trials), goal), expected, trials)

    def test_one_trial_decides_when_none_may_exceed(self):
        strict = mlrsearch.Goal("RFC 2544", 0.0, 0.0, 60.0, 60.0, 0.005)
        self.assertEqual(mlrsearch.classify(tried([(60.0, 0.0)]), strict), "lower")
        self.assertEqual(mlrsearch.classify(tried([(60.0, 1e-9)]), strict), "upper")
        self.assertEqual(mlrsearch.classify(tried([(60.0, 0.0)] * 9 + [(60.0, 0.1)]), strict), "upper")

    def test_conditional_throughput_follows_the_draft(self):
        goal = mlrsearch.Goal("g", 0.5, 0.5, 1.0, 4.0, 0.005)
        trials = tried([(1.0, 0.3), (1.0, 0.1), (1.0, 0.4), (1.0, 0.2), (0.1, 0.9)])
        self.assertEqual(mlrsearch.conditional_throughput(trials, goal), 80)      # the second best of four
        self.assertEqual(mlrsearch.conditional_throughput(trials[:1], goal), 0)   # too little was measured
        self.assertEqual(mlrsearch.conditional_throughput(tried([(1.0, 0.1)] * 2), goal), 90)

    def test_both_goals_are_found_within_their_width(self):
        chance = random.Random(3)
        for seed in range(150):
            capacity = 10 ** chance.uniform(3.7, 7.8)
            device = FakeDevice(capacity, seed=seed)
            ndr, pdr = goals()
            found = mlr(device, [ndr, pdr])
            for goal, most in ((ndr, capacity), (pdr, capacity)):
                self.assertTrue(found.reached(goal))
                value, load = found.best(goal)
                self.assertLessEqual(value, most * (1 + 1e-9))
                self.assertGreaterEqual(value, capacity * (1 - 0.0051) - 1, (goal, capacity))

    def test_ndr_is_never_above_pdr(self):
        chance = random.Random(4)
        for seed in range(200):
            device = FakeDevice(10 ** chance.uniform(4, 7), loss=chance.choice([0, 1e-6, 1e-5, 1e-3]), drift=chance.choice([0, 0.01, 0.1]),
                                line=chance.choice([1e9, 2e6]), seed=seed)
            wanted = goals(total=chance.choice([1.0, 3.0]))
            found = mlr(device, wanted, limit=chance.choice([10.0, 300.0]))
            ndr, pdr = (found.best(goal) or (0, 0) for goal in wanted)
            self.assertLessEqual(ndr[0], pdr[0])
            self.assertLessEqual(ndr[1], pdr[1])

    def test_no_more_was_lost_than_the_goal_allows(self):
        chance = random.Random(5)
        for seed in range(100):
            device = FakeDevice(10 ** chance.uniform(4, 7), loss=chance.choice([1e-6, 1e-4, 1e-2]), drift=0.02, seed=seed)
            wanted = goals(exceed=0.0)
            found = mlr(device, wanted, limit=100)
            for goal in wanted:
                if (best := found.best(goal)) is None:
                    continue
                long = [(sent, received) for load, seconds, sent, received in device.trials if load == best[1] and seconds >= goal.seconds]
                self.assertTrue(long)
                self.assertTrue(all(sent - received <= goal.loss_ratio * sent for sent, received in long))
                self.assertLessEqual(best[0], min(received for _, received in long) * (1 + 1e-9))

    def test_the_search_ends_within_its_limit(self):
        chance = random.Random(6)
        for seed in range(200):
            limit = chance.choice([0.5, 5.0, 60.0])
            device = FakeDevice(10 ** chance.uniform(2, 9), loss=chance.choice([0, 1e-6, 0.02]), drift=0.3, seed=seed,
                                line=10 ** chance.uniform(5, 8))
            mlr(device, goals(total=5.0), limit)
            self.assertLessEqual(device.seconds, limit + 1e-9)

    def test_a_steady_device_takes_few_long_trials(self):
        device = FakeDevice(3.3e6)
        mlr(device, goals())
        self.assertLessEqual(sum(seconds >= 1.0 for _, seconds, _, _ in device.trials), 12)

    def test_the_generators_limit_is_a_bound_of_every_goal(self):
        device = FakeDevice(capacity=1e8, line=3e6)
        wanted = goals()
        found = mlr(device, wanted)
        for goal in wanted:
            self.assertTrue(found.reached(goal))
            self.assertEqual(found.best(goal)[0], 3e6)
            self.assertGreaterEqual(found.bounds(goal)[1] or found.ceiling, found.ceiling)

    def test_a_generator_whose_core_is_taken_away_now_and_then(self):
        device = Stolen(capacity=1e9)
        wanted = goals()
        found = mlr(device, wanted, limit=100)
        self.assertLess(device.seconds, 30)
        for goal in wanted:
            self.assertTrue(found.reached(goal))
            self.assertTrue(1.5e6 <= found.best(goal)[0] <= 3e6)


if __name__ == "__main__":
    unittest.main()
