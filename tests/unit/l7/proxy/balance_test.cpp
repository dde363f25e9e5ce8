// Which endpoint serves: shares, loads, latencies, levels, panic and slow start, as properties over seeded traffic.
#include <cmath>
#include <map>

#include "l7/proxy/balance/choices.h"
#include "l7/proxy/balance/hash_key.h"
#include "l7/proxy/balance/levels.h"
#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

constexpr base::Nanos kSecond = base::kNanosPerSecond;

// One cluster and nothing else of a proxy.
class Field {
 public:
  explicit Field(uint32_t endpoints, config::Balancing policy = config::Balancing::kRoundRobin) : counters(limits_) {
    builder_.cluster(endpoints, {}, policy);
    adopt();
  }

  config::Cluster& cluster() { return builder_.config().clusters[0]; }
  config::Endpoint& endpoint(uint32_t slot) { return cluster().endpoints[slot]; }
  void adopt() {
    auto next = std::make_unique<route::L7Config>(builder_.config());
    clusters.adopt(*next);
    config_ = std::move(next);
  }
  uint32_t pick(const Wish& wish = {}) {
    const config::Endpoint* endpoint = clusters.pick(0, wish, random, now);
    return endpoint == nullptr ? kNone : endpoint->slot;
  }
  std::map<uint32_t, int> spread(int picks) {
    std::map<uint32_t, int> got;
    for (int i = 0; i < picks; ++i) ++got[pick()];
    return got;
  }
  // Places for all endpoints of a level in a random order, as both kinds of tables have them.
  void make_table(size_t places, uint32_t level = 0) {
    config::HashTable table;
    std::vector<uint16_t> of_level;
    for (uint16_t i = 0; i < cluster().endpoints.size(); ++i)
      if (endpoint(i).level == level) of_level.push_back(i);
    Random order(11 + level);
    for (size_t i = 0; i < places; ++i) table.places.push_back(of_level[i % of_level.size()]);
    for (size_t i = places - 1; i > 0; --i) std::swap(table.places[i], table.places[order.below(i + 1)]);
    cluster().balance.tables.push_back(std::make_shared<const config::HashTable>(table));
    adopt();
  }
  void begin(uint32_t slot) {
    ++clusters.endpoint(slot).requests;
    ++clusters.cluster(0).requests;
  }
  void end(uint32_t slot) {
    --clusters.endpoint(slot).requests;
    --clusters.cluster(0).requests;
  }

 private:
  Limits limits_ = small_limits();
  ConfigBuilder builder_;
  std::unique_ptr<route::L7Config> config_;

 public:
  Counters counters;
  Clusters clusters{limits_, counters};
  Random random{5};
  base::Nanos now = 1000 * kSecond;
};

TEST(Balance, RoundRobinSharesAreExact) {
  Field field(4);
  const uint32_t weights[] = {1, 7, 2, 5};
  for (uint32_t i = 0; i < 4; ++i) field.endpoint(i).weight = weights[i];
  field.adopt();
  EXPECT_EQ(field.spread(1500), (std::map<uint32_t, int>{{0, 100}, {1, 700}, {2, 200}, {3, 500}}));
}

TEST(Balance, SharesOfChanceFollowWeights) {
  Field field(4, config::Balancing::kRandom);
  const uint32_t weights[] = {1, 7, 0, 2};
  for (uint32_t i = 0; i < 4; ++i) field.endpoint(i).weight = weights[i];
  field.adopt();
  auto got = field.spread(10000);
  EXPECT_EQ(got.size(), 3u);
  EXPECT_NEAR(got[0], 1000, 150);
  EXPECT_NEAR(got[1], 7000, 200);
  EXPECT_NEAR(got[3], 2000, 200);
}

TEST(Balance, MoreChoicesFindTheIdlest) {
  Field field(8, config::Balancing::kLeastRequest);
  for (uint32_t i = 0; i < 8; ++i)
    for (uint32_t j = 0; j < i; ++j) field.begin(i);
  const auto sum = [&] {
    double total = 0;
    for (const auto& [slot, count] : field.spread(2000)) total += slot * count;
    return total / 2000;
  };
  const double two = sum();
  field.cluster().balance.choices = 8;
  field.adopt();
  const double eight = sum();
  EXPECT_NEAR(two, 2.2, 0.3);  // the lesser of two of 0..7
  EXPECT_LT(eight, 0.7);
}

TEST(Balance, PeakEwmaPrefersTheFast) {
  Field field(3, config::Balancing::kPeakEwma);
  const base::Nanos latency[] = {kMs, kMs, 20 * kMs};
  std::map<uint32_t, int> got;
  for (int i = 0; i < 3000; ++i) {
    const uint32_t slot = field.pick();
    ++got[slot];
    field.begin(slot);
    field.now += kMs;
    field.clusters.note_answer(0, slot, latency[slot], field.now);
    field.end(slot);
  }
  // Only when both choices fell on it: one in nine.
  EXPECT_NEAR(got[2], 333, 80);
  EXPECT_NEAR(got[0], got[1], 250);
}

TEST(Balance, PeakEwmaBelievesAPeakAndForgetsIt) {
  EndpointState state;
  const base::Nanos decay = 10 * kSecond;
  base::Nanos now = 100 * kSecond;
  note_latency(state, kMs, decay, now);
  EXPECT_DOUBLE_EQ(ewma_cost(state, decay, now), kMs);
  note_latency(state, 500 * kMs, decay, now += kMs);
  EXPECT_DOUBLE_EQ(state.latency, 500 * kMs);
  state.requests = 3;
  EXPECT_DOUBLE_EQ(ewma_cost(state, decay, now), 4.0 * 500 * kMs);
  state.requests = 0;
  EXPECT_NEAR(ewma_cost(state, decay, now + decay), 500 * kMs / std::exp(1), kMs);
  note_latency(state, kMs, decay, now += decay);
  EXPECT_NEAR(state.latency, (500 * std::exp(-1) + 1 - std::exp(-1)) * kMs, kMs);
  // Unknown and idle: worth a try; unknown and busy: not a second one.
  EndpointState unknown;
  EXPECT_EQ(ewma_cost(unknown, decay, now), 0);
  unknown.requests = 1;
  EXPECT_GT(ewma_cost(unknown, decay, now), ewma_cost(state, decay, now));
}

TEST(Balance, AHashKeepsItsEndpointAndIllnessMovesNobodyElse) {
  Field field(5, config::Balancing::kMaglev);
  field.make_table(503);
  Random keys(3);
  std::map<uint64_t, uint32_t> before;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t hash = keys.next();
    before[hash] = field.pick({.hash = hash, .hashed = true});
  }
  EXPECT_EQ(field.counters.of(Count::hash_passes), 0u);
  field.endpoint(2).usable = false;  // its health check failed
  field.endpoint(2).doubtful = true;
  field.adopt();
  std::map<uint32_t, int> heirs;
  for (const auto& [hash, slot] : before) {
    const uint32_t now = field.pick({.hash = hash, .hashed = true});
    if (slot == 2)
      ++heirs[now];
    else
      ASSERT_EQ(now, slot);
  }
  EXPECT_EQ(heirs.size(), 4u);
  EXPECT_FALSE(heirs.contains(2));
  for (const auto& [slot, count] : heirs) EXPECT_NEAR(count, 100, 50) << slot;
  EXPECT_GT(field.counters.of(Count::hash_passes), 300u);
}

TEST(Balance, WithoutAHashTheChoiceIsRandom) {
  Field field(4, config::Balancing::kRingHash);
  field.make_table(101);
  for (const auto& [slot, count] : field.spread(4000)) EXPECT_NEAR(count, 1000, 150) << slot;
}

TEST(Balance, ARingBelongsToThePointBefore) {
  Field field(3, config::Balancing::kRingHash);
  config::HashTable ring;
  ring.points = {100, 200, 300};
  ring.places = {0, 1, 2};
  field.cluster().balance.tables = {std::make_shared<const config::HashTable>(ring)};
  field.adopt();
  const std::pair<uint64_t, uint32_t> expected[] = {{0, 2},   {99, 2},  {100, 0},  {199, 0},
                                                    {200, 1}, {301, 2}, {~0ull, 2}};
  for (const auto& [hash, slot] : expected) EXPECT_EQ(field.pick({.hash = hash, .hashed = true}), slot) << hash;
}

// Half of all requests have one key. Requests come and go at random.
TEST(Balance, BoundedLoadHolds) {
  for (const uint32_t percent : {100u, 125u, 200u}) {
    Field field(7, config::Balancing::kMaglev);
    field.cluster().balance.most_load = percent;
    field.endpoint(3).weight = 2;
    field.make_table(701);
    Random arrivals(percent);
    std::vector<uint32_t> under_way;
    for (int i = 0; i < 20000; ++i) {
      if (!under_way.empty() && arrivals.chance(under_way.size() > 60 ? 3 : 2, 5)) {
        const size_t which = arrivals.below(under_way.size());
        field.end(under_way[which]);
        under_way[which] = under_way.back();
        under_way.pop_back();
        continue;
      }
      const uint64_t hash = arrivals.chance(1, 2) ? 12345 : arrivals.next();
      const uint32_t slot = field.pick({.hash = hash, .hashed = true});
      const double share = (slot == 3 ? 2.0 : 1.0) / 8;
      field.begin(slot);
      under_way.push_back(slot);
      ASSERT_LE(field.clusters.endpoint(slot).requests,
                std::ceil(percent / 100.0 * static_cast<double>(under_way.size()) * share));
    }
  }
}

TEST(Balance, KeysOfARequest) {
  using Kind = config::HashKey::Kind;
  http::RequestHead head{http::HeadLimits{}};
  head.clear();
  EXPECT_EQ(head.set_authority("shop.example"), http::Fault::kNone);
  EXPECT_EQ(head.set_query("user=7&x=1"), http::Fault::kNone);
  EXPECT_EQ(head.fields.add("cookie", "a=1; id=alice ;b=2"), http::Fault::kNone);
  EXPECT_EQ(head.fields.add("x-user", "bob"), http::Fault::kNone);
  const base::IpAddress source = base::IpAddress::v4(0xc0000207);
  const auto hash = [&](std::vector<config::HashKey> keys) { return hash_request(keys, &head, source); };
  EXPECT_EQ(hash({{Kind::kHeader, "x-user"}}), hash_text("bob"));
  EXPECT_EQ(hash({{Kind::kHeader, "host"}}), hash_text("shop.example"));
  EXPECT_EQ(hash({{Kind::kCookie, "id"}}), hash_text("alice"));
  EXPECT_EQ(hash({{Kind::kQuery, "user"}}), hash_text("7"));
  EXPECT_EQ(hash({{Kind::kHeader, "x-none"}}), std::nullopt);
  EXPECT_EQ(hash({{Kind::kCookie, "ID"}}), std::nullopt);
  EXPECT_EQ(hash({{Kind::kHeader, "x-none"}, {Kind::kQuery, "x"}, {Kind::kSource, ""}}), hash_text("1"));
  EXPECT_TRUE(hash({{Kind::kHeader, "x-none"}, {Kind::kSource, ""}}).has_value());
  EXPECT_EQ(hash_request({{Kind::kHeader, "x-user"}}, nullptr, source), std::nullopt);
  EXPECT_EQ(hash({}), std::nullopt);
}

TEST(Balance, HashesOfSimilarTextsFallEverywhere) {
  std::vector<int> places(64);
  for (int i = 0; i < 6400; ++i)
    ++places[static_cast<size_t>(static_cast<unsigned __int128>(hash_text("user-" + std::to_string(i))) * 64 >> 64)];
  for (const int count : places) EXPECT_NEAR(count, 100, 50);
  EXPECT_NE(hash_text(""), hash_text(std::string(1, '\0')));
  EXPECT_EQ(hash_text(std::string(kMaxHashedBytes, 'a')), hash_text(std::string(kMaxHashedBytes + 5, 'a')));
}

// Three near, three far: what the near ones cannot carry, with a margin of 1.4, goes further.
TEST(Balance, TheFirstLevelServesWhileItHasCapacity) {
  Field field(6);
  for (uint32_t i = 3; i < 6; ++i) field.endpoint(i).level = 1;
  const auto near_of = [&](uint32_t ill) {
    for (uint32_t i = 0; i < 3; ++i) {
      field.endpoint(i).usable = i >= ill;
      field.endpoint(i).doubtful = !field.endpoint(i).usable;
    }
    field.adopt();
    auto got = field.spread(10000);
    return got[0] + got[1] + got[2];
  };
  EXPECT_EQ(near_of(0), 10000);
  EXPECT_EQ(field.counters.of(Count::failover_picks), 0u);
  EXPECT_NEAR(near_of(1), 9300, 150);
  EXPECT_NEAR(near_of(2), 4600, 250);
  EXPECT_EQ(near_of(3), 0);
  EXPECT_GT(field.counters.of(Count::failover_picks), 10000u);
}

TEST(Balance, AnEndpointThatIsLeavingIsNoLossOfCapacity) {
  Field field(4);
  field.endpoint(2).level = field.endpoint(3).level = 1;
  field.endpoint(0).usable = false;  // draining
  field.adopt();
  EXPECT_EQ(field.spread(1000), (std::map<uint32_t, int>{{1, 1000}}));
}

TEST(Balance, TheOtherLevelWhenOneHasNobodyButTheOneToAvoid) {
  Field field(3);
  field.endpoint(1).level = field.endpoint(2).level = 1;
  field.endpoint(2).usable = false;
  field.endpoint(2).doubtful = true;
  field.cluster().balance.overprovision_percent = 100;
  field.adopt();
  EXPECT_EQ(field.pick({.avoid = 0}), 1u);  // though level 1 has no share: better than the one that just failed
  field.endpoint(0).usable = true;
  EXPECT_EQ(field.pick(), 0u);
}

TEST(Balance, PanicBelowTheThreshold) {
  Field field(4);
  const auto ill = [&](uint32_t count) {
    for (uint32_t i = 0; i < 4; ++i) {
      field.endpoint(i).usable = i >= count;
      field.endpoint(i).doubtful = !field.endpoint(i).usable;
    }
    field.adopt();
  };
  ill(4);
  EXPECT_EQ(field.pick(), kNone);  // by default there is no panic
  field.cluster().balance.panic_percent = 50;
  ill(2);
  EXPECT_EQ(field.spread(1000).size(), 2u);
  EXPECT_EQ(field.counters.of(Count::panic_picks), 0u);
  ill(3);
  EXPECT_EQ(field.spread(1000).size(), 4u);
  EXPECT_EQ(field.counters.of(Count::panic_picks), 1000u);
  ill(4);
  EXPECT_EQ(field.spread(1000).size(), 4u);
  field.endpoint(1).doubtful = false;  // not ready at all
  field.adopt();
  EXPECT_EQ(field.spread(1000).size(), 3u);
}

TEST(Balance, TheEjectedAreLeftOutUntilPanic) {
  Field field(4);
  field.cluster().balance.panic_percent = 30;
  field.adopt();
  EXPECT_EQ(field.spread(100).size(), 4u);
  for (const uint32_t slot : {0u, 2u}) field.clusters.set_ejected(slot, true);
  EXPECT_EQ(field.spread(100), (std::map<uint32_t, int>{{1, 50}, {3, 50}}));
  EXPECT_EQ(field.pick({.session = 2}) % 2, 1u);
  field.clusters.set_ejected(1, true);
  EXPECT_EQ(field.spread(100).size(), 4u);
  field.clusters.set_ejected(0, false);
  EXPECT_EQ(field.spread(100), (std::map<uint32_t, int>{{0, 50}, {3, 50}}));
}

TEST(Balance, SlowStartRampsUpFromTheFirstRequest) {
  Field field(4);
  field.cluster().balance.warmup = 100 * kSecond;
  field.endpoint(3).usable = false;
  field.adopt();
  EXPECT_EQ(field.spread(30).size(), 3u);  // all at once, and at full weight
  field.now += 1000 * kSecond;
  field.endpoint(3).usable = true;
  field.adopt();
  const auto share = [&] {  // of an equal one, in percent
    auto got = field.spread(4000);
    return 100 * got[3] / std::max(1, got[0]);
  };
  EXPECT_NEAR(share(), 10, 1);
  field.now += 50 * kSecond;
  EXPECT_NEAR(share(), 50, 2);
  field.adopt();  // another change does not begin it again
  field.now += 25 * kSecond;
  EXPECT_NEAR(share(), 75, 2);
  field.now += 30 * kSecond;
  EXPECT_NEAR(share(), 100, 1);
}

TEST(Balance, AggressionBendsTheRamp) {
  config::Balance how;
  how.warmup = 100;
  EXPECT_DOUBLE_EQ(warmth(how, 1), 0.1);
  EXPECT_DOUBLE_EQ(warmth(how, 25), 0.25);
  EXPECT_DOUBLE_EQ(warmth(how, 100), 1);
  how.aggression = 2;
  EXPECT_DOUBLE_EQ(warmth(how, 25), 0.5);
  how.aggression = 0.5;
  EXPECT_DOUBLE_EQ(warmth(how, 50), 0.25);
}

TEST(Balance, SharesOfLevelsAreAHundredOrNothing) {
  Random random(9);
  for (int i = 0; i < 20000; ++i) {
    LevelHealths levels;
    config::Balance how;
    how.panic_percent = static_cast<uint32_t>(random.below(101));
    how.overprovision_percent = 100 + static_cast<uint32_t>(random.below(200));
    uint32_t usable = 0, all = 0;
    for (LevelHealth& each : levels) {
      each.all = static_cast<uint32_t>(random.below(4) == 0 ? 0 : random.below(1001));
      each.usable = static_cast<uint32_t>(random.below(3) == 0 ? 0 : random.below(each.all + 1));
      usable += each.usable;
      all += each.all;
    }
    const LevelShares shares = share_out(levels, how);
    uint32_t sum = 0;
    for (size_t l = 0; l < levels.size(); ++l) {
      sum += shares[l].percent;
      if (shares[l].percent != 0) {
        EXPECT_TRUE(levels[l].usable != 0 || shares[l].panic);
      }
      EXPECT_FALSE(shares[l].panic && levels[l].all == 0);
    }
    const bool served = usable != 0 || (all != 0 && how.panic_percent != 0);
    ASSERT_EQ(sum, served ? 100u : 0u);
  }
}

TEST(Balance, AWishIsFulfilledWhileItCanBe) {
  Field field(3, config::Balancing::kRandom);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(field.pick({.session = 1}), 1u);
    EXPECT_NE(field.pick({.avoid = 1, .session = 1}), 1u);
    EXPECT_NE(field.pick({.avoid = 2}), 2u);
  }
  field.endpoint(1).usable = false;
  field.adopt();
  for (int i = 0; i < 50; ++i) EXPECT_NE(field.pick({.session = 1}), 1u);
  EXPECT_EQ(field.pick({.session = 15}) == kNone, false);
}

}  // namespace
}  // namespace penstock::proxy
