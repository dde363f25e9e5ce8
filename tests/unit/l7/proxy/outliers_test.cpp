// Which endpoints are ejected, by which rule, for how long; compared with a naive oracle on random results.
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {
namespace {

using base::kNanosPerSecond;

class OutliersTest : public testing::Test {
 protected:
  config::Cluster& make(uint32_t endpoints, config::OutlierDetection rules) {
    builder_ = std::make_unique<ConfigBuilder>();
    builder_->cluster(endpoints);
    builder_->config().clusters[0].resilience.outliers = rules;
    adopt();
    return cluster();
  }
  config::Cluster& cluster() { return builder_->config().clusters[0]; }
  void adopt() {
    auto next = std::make_unique<route::L7Config>(builder_->config());
    outliers.adopt(*next);
    clusters.adopt(*next);
    live_ = std::move(next);
  }
  bool report(uint32_t endpoint, Outcome outcome) { return outliers.report(cluster(), endpoint, outcome, now); }
  bool report(uint32_t endpoint, uint16_t status) { return report(endpoint, outcome_of(status)); }
  // Time passes, and whatever is due is done.
  void pass(base::Nanos time) {
    const base::Nanos until = now + time;
    while (outliers.next(0) != 0 && outliers.next(0) <= until) {
      now = outliers.next(0);
      outliers.sweep(cluster(), now);
      ASSERT_TRUE(outliers.next(0) == 0 || outliers.next(0) > now);
    }
    now = until;
  }
  std::string ejected() {
    if (cluster().resilience.outliers) outliers.learn(cluster());
    std::string text;
    for (const config::Endpoint& each : cluster().endpoints) text += clusters.endpoint(each.slot).ejected ? 'x' : '.';
    return text;
  }
  uint64_t count(uint32_t endpoint, Ejection why) const {
    return outliers.counters(endpoint)->by_reason[static_cast<size_t>(why)].read();
  }

  Counters counters{small_limits()};
  Clusters clusters{small_limits(), counters};
  Outliers outliers{small_limits(), clusters, nullptr};
  base::Nanos now = 1'000 * kNanosPerSecond;
  std::unique_ptr<ConfigBuilder> builder_;
  std::unique_ptr<route::L7Config> live_;
};

TEST_F(OutliersTest, ARunOfErrorsEjectsAndTimeBringsBack) {
  make(3, {.consecutive_5xx = 3, .base_ejection = 30 * kNanosPerSecond, .max_ejection_percent = 100});
  EXPECT_FALSE(report(0, 500));
  EXPECT_FALSE(report(0, 501));
  EXPECT_FALSE(report(0, 404));  // an answer: the run begins anew
  EXPECT_FALSE(report(0, 500));
  EXPECT_FALSE(report(0, 503));
  EXPECT_FALSE(report(1, 500));
  EXPECT_TRUE(report(0, Outcome::kLocalFailure));
  EXPECT_EQ(ejected(), "x..");
  EXPECT_EQ(count(0, Ejection::kConsecutive5xx), 1u);
  EXPECT_TRUE(outliers.is_ejected(0));
  pass(29 * kNanosPerSecond);
  EXPECT_EQ(ejected(), "x..");
  pass(1 * kNanosPerSecond);
  EXPECT_EQ(ejected(), "...");
  EXPECT_FALSE(outliers.is_ejected(0));
}

TEST_F(OutliersTest, LongerEachTimeAndLessSoAfterQuiet) {
  make(2, {.consecutive_5xx = 1,
           .interval = 10 * kNanosPerSecond,
           .base_ejection = 30 * kNanosPerSecond,
           .max_ejection = 70 * kNanosPerSecond,
           .max_ejection_percent = 50});
  const auto time_out = [&] {
    EXPECT_TRUE(report(0, 500));
    const base::Nanos began = now;
    while (ejected() == "x." && now < began + 1000 * kNanosPerSecond) pass(kNanosPerSecond / 2);
    return (now - began) / kNanosPerSecond;
  };
  EXPECT_EQ(time_out(), 30u);
  EXPECT_EQ(time_out(), 60u);
  EXPECT_EQ(time_out(), 70u);
  pass(1000 * kNanosPerSecond);
  EXPECT_EQ(outliers.next(0), 0u);  // nothing is left to wait for
  EXPECT_EQ(time_out(), 30u);
}

TEST_F(OutliersTest, GatewayErrorsForThemselves) {
  make(2, {.consecutive_5xx = 0, .consecutive_gateway_errors = 2, .max_ejection_percent = 100});
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(report(0, 500));
  EXPECT_FALSE(report(0, 502));
  EXPECT_FALSE(report(0, 500));
  EXPECT_FALSE(report(0, 504));
  EXPECT_TRUE(report(0, Outcome::kLocalFailure));
  EXPECT_EQ(count(0, Ejection::kGatewayErrors), 1u);
}

TEST_F(OutliersTest, LocalFailuresForThemselves) {
  make(2,
       {.consecutive_5xx = 2, .consecutive_local_origin = 3, .split_local_origin = true, .max_ejection_percent = 100});
  EXPECT_FALSE(report(0, Outcome::kLocalFailure));
  EXPECT_FALSE(report(0, Outcome::kLocalFailure));
  EXPECT_FALSE(report(0, Outcome::kConnected));
  EXPECT_FALSE(report(0, Outcome::kLocalFailure));
  EXPECT_FALSE(report(0, Outcome::kLocalFailure));
  EXPECT_TRUE(report(0, Outcome::kLocalFailure));
  EXPECT_EQ(count(0, Ejection::kLocalOrigin), 1u);
  EXPECT_FALSE(report(1, 500));
  EXPECT_FALSE(report(1, Outcome::kLocalFailure));  // says nothing of its answers
  EXPECT_TRUE(report(1, 500));
}

TEST_F(OutliersTest, NoMoreThanMayBe) {
  make(10, {.consecutive_5xx = 1, .max_ejection_percent = 25});
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(report(i, 500), i < 3) << i;  // while under 25 %
  EXPECT_EQ(ejected(), "xxx.......");
  EXPECT_EQ(outliers.overflows(), 7u);
  make(10, {.consecutive_5xx = 1, .max_ejection_percent = 0});
  EXPECT_FALSE(report(5, 500));
}

TEST_F(OutliersTest, SurvivesOtherConfigurationsAndForgetsOtherEndpoints) {
  make(3, {.consecutive_5xx = 1, .max_ejection_percent = 100});
  EXPECT_TRUE(report(0, 500));
  EXPECT_TRUE(report(1, 500));
  adopt();
  EXPECT_EQ(ejected(), "xx.");
  cluster().endpoints[0].address = base::IpAddress::v4(0x0a000000);  // another one in the same slot
  adopt();
  EXPECT_EQ(ejected(), ".x.");
  const config::Endpoint gone = cluster().endpoints[1];
  cluster().endpoints.erase(cluster().endpoints.begin() + 1);
  adopt();
  cluster().endpoints.insert(cluster().endpoints.begin() + 1, gone);
  adopt();
  EXPECT_EQ(ejected(), "...");
  EXPECT_TRUE(report(2, 500));
  cluster().resilience.outliers.reset();
  adopt();
  EXPECT_EQ(ejected(), "...");
}

// Several workers with one table.
class SharedOutliers : public testing::Test {
 protected:
  struct Worker {
    explicit Worker(std::shared_ptr<OutlierTable> table) : outliers(small_limits(), clusters, std::move(table)) {}
    Counters counters{small_limits()};
    Clusters clusters{small_limits(), counters};
    Outliers outliers;
  };

  std::unique_ptr<route::L7Config> make(uint32_t endpoints, const config::OutlierDetection& rules) {
    ConfigBuilder builder;
    builder.cluster(endpoints);
    builder.config().clusters[0].resilience.outliers = rules;
    return std::make_unique<route::L7Config>(builder.config());
  }
  // Control publishes, and these workers adopt.
  void publish(std::unique_ptr<route::L7Config> next, std::vector<size_t> who) {
    table->prepare(configs.empty() ? nullptr : configs.back().get(), *next);
    configs.push_back(std::move(next));
    for (const size_t i : who) adopt(i);
  }
  void adopt(size_t i) {
    workers[i]->outliers.adopt(*configs.back());
    workers[i]->clusters.adopt(*configs.back());
  }
  bool report(size_t worker, uint32_t endpoint, uint16_t status) {
    return workers[worker]->outliers.report(cluster(), endpoint, outcome_of(status), now);
  }
  // What a worker goes by once it has a request for the cluster.
  std::string ejected(size_t worker) {
    workers[worker]->outliers.learn(cluster());
    std::string text;
    for (const config::Endpoint& each : cluster().endpoints)
      text += workers[worker]->clusters.endpoint(each.slot).ejected ? 'x' : '.';
    return text;
  }
  const config::Cluster& cluster() { return configs.back()->clusters[0]; }

  std::shared_ptr<OutlierTable> table = std::make_shared<OutlierTable>(small_limits());
  std::vector<std::unique_ptr<route::L7Config>> configs;
  std::array<std::unique_ptr<Worker>, 3> workers{std::make_unique<Worker>(table), std::make_unique<Worker>(table),
                                                 std::make_unique<Worker>(table)};
  base::Nanos now = 1'000 * kNanosPerSecond;
};

TEST_F(SharedOutliers, ARunIsCountedOverAllAndItsEjectionHoldsForAll) {
  publish(make(3, {.consecutive_5xx = 5, .base_ejection = 30 * kNanosPerSecond, .max_ejection_percent = 100}),
          {0, 1, 2});
  EXPECT_FALSE(report(0, 1, 500));
  EXPECT_FALSE(report(1, 1, 500));
  EXPECT_FALSE(report(2, 1, 500));
  EXPECT_FALSE(report(2, 1, 200));  // the run begins anew for all
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(report(static_cast<size_t>(i % 3), 1, 500));
  EXPECT_TRUE(report(2, 1, 500));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), ".x.");
  EXPECT_FALSE(workers[0]->outliers.learn(cluster())) << "it is known";
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(workers[i]->outliers.counters(1)->by_reason[0].read(), i == 2 ? 1u : 0u);
    EXPECT_TRUE(workers[i]->outliers.is_ejected(1));
    EXPECT_EQ(workers[i]->outliers.next(0), now + 10 * kNanosPerSecond);
  }
  // Whoever looks first takes it back for all.
  now += 30 * kNanosPerSecond;
  EXPECT_TRUE(workers[0]->outliers.sweep(cluster(), now));
  EXPECT_TRUE(workers[1]->outliers.sweep(cluster(), now));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "...");
}

TEST_F(SharedOutliers, NoMoreThanMayBeOverAll) {
  publish(make(10, {.consecutive_5xx = 1, .max_ejection_percent = 25}), {0, 1, 2});
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(report(i % 3, i, 500), i < 3) << i;
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "xxx.......");
  uint64_t overflows = 0;
  for (const auto& worker : workers) overflows += worker->outliers.overflows();
  EXPECT_EQ(overflows, 7u);
}

TEST_F(SharedOutliers, AnIntervalAddsUpWhatAllSaw) {
  publish(make(3, {.consecutive_5xx = 0,
                   .interval = 10 * kNanosPerSecond,
                   .max_ejection_percent = 100,
                   .failure_percentage = config::FailurePercentageEjection{50, 3, 30}}),
          {0, 1, 2});
  for (uint32_t endpoint = 0; endpoint < 3; ++endpoint)
    for (size_t i = 0; i < 30; ++i) report(i % 3, endpoint, endpoint == 2 && i < 20 ? 500 : 200);  // ten of each worker
  now += 10 * kNanosPerSecond;
  for (const auto& worker : workers) worker->outliers.sweep(cluster(), now);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "..x");
  EXPECT_EQ(workers[0]->outliers.counters(2)->by_reason[static_cast<size_t>(Ejection::kFailurePercentage)].read(), 1u);
  // The next interval begins with nothing.
  report(0, 0, 200);
  for (size_t i = 0; i < 29; ++i) report(1, 0, 500);
  now += 10 * kNanosPerSecond;
  workers[2]->outliers.sweep(cluster(), now);
  EXPECT_EQ(ejected(0), "..x") << "two hosts are too few to judge";
}

TEST_F(SharedOutliers, EjectionsOutliveAChangeAndNewEndpointsBeginWell) {
  const config::OutlierDetection rules{.consecutive_5xx = 2, .max_ejection_percent = 100};
  publish(make(3, rules), {0, 1, 2});
  report(0, 0, 500);
  report(0, 0, 500);
  report(1, 1, 500);
  publish(make(3, rules), {0, 1});  // the third is late
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "x..");
  EXPECT_TRUE(report(2, 1, 500)) << "the run goes on, too";
  adopt(2);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "xx.");
  auto others = make(3, rules);
  others->clusters[0].endpoints[0].address = base::IpAddress::v4(0x0a000000);
  publish(std::move(others), {0, 1, 2});
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), ".x.");
  auto without = make(3, rules);
  without->clusters[0].resilience.outliers.reset();
  publish(std::move(without), {0, 1, 2});
  for (const auto& worker : workers) EXPECT_FALSE(worker->clusters.endpoint(1).ejected);
  publish(make(3, rules), {0, 1, 2});
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(ejected(i), "...");
}

// A worker that is a configuration behind ends an interval: what it does not know of ends when it is due all the same.
TEST_F(SharedOutliers, WhoIsLateForgetsNoEjectionOfOthers) {
  const config::OutlierDetection rules{.consecutive_5xx = 1,
                                       .interval = 10 * kNanosPerSecond,
                                       .base_ejection = 15 * kNanosPerSecond,
                                       .max_ejection_percent = 100};
  for (const bool knows_one : {false, true}) {
    publish(make(2, rules), {0, 1});
    const config::Cluster& older = cluster();
    publish(make(3, rules), {0});
    const base::Nanos began = now;
    EXPECT_TRUE(report(0, 2, 500));
    now += 10 * kNanosPerSecond;
    if (knows_one) workers[1]->outliers.report(older, 0, Outcome::kServerError, now);  // ends later
    workers[1]->outliers.sweep(older, now);
    EXPECT_EQ(workers[0]->outliers.next(0), began + 15 * kNanosPerSecond);
    now = began + 15 * kNanosPerSecond;
    EXPECT_TRUE(workers[0]->outliers.sweep(cluster(), now));
    EXPECT_EQ(ejected(0), knows_one ? "x.." : "...");
    now += 1000 * kNanosPerSecond;
    for (int i = 0; i < 3; ++i) workers[0]->outliers.sweep(cluster(), now += 10 * kNanosPerSecond);
    EXPECT_EQ(workers[0]->outliers.next(0), 0u);
  }
}

TEST_F(SharedOutliers, WhoeverHasTheTurnKeepsNobodyWaiting) {
  publish(make(2, {.consecutive_5xx = 1, .max_ejection_percent = 100}), {0, 1, 2});
  {
    const OutlierTable::Turn turn(table->cluster(0));
    ASSERT_TRUE(turn);
    EXPECT_FALSE(OutlierTable::Turn(table->cluster(0)));
    EXPECT_FALSE(report(0, 0, 500));
    EXPECT_FALSE(workers[1]->outliers.sweep(cluster(), now + 100 * kNanosPerSecond));
    EXPECT_NE(workers[1]->outliers.next(0), 0u) << "it is still due";
  }
  EXPECT_TRUE(report(1, 0, 500)) << "the next failure asks again";
}

// Threads that do what workers do, all at once: what is ejected at the end has failed, and never more than may be.
TEST_F(SharedOutliers, ManyAtOnce) {
  const config::OutlierDetection rules{.consecutive_5xx = 3,
                                       .interval = 1'000'000,
                                       .base_ejection = 5'000'000,
                                       .max_ejection_percent = 50,
                                       .failure_percentage = config::FailurePercentageEjection{90, 1, 5}};
  publish(make(8, rules), {0, 1, 2});
  std::atomic<int> most{0};
  const auto run = [&](size_t me) {
    std::mt19937 random(static_cast<unsigned>(me));
    Outliers& outliers = workers[me]->outliers;
    for (int i = 0; i < 20000; ++i) {
      const base::Nanos at = now + static_cast<base::Nanos>(i) * 10'000;
      const uint32_t endpoint = random() % 8;
      outliers.learn(cluster());
      outliers.report(cluster(), endpoint, endpoint < 6 ? Outcome::kServerError : Outcome::kSuccess, at);
      if (outliers.next(0) != 0 && outliers.next(0) <= at) outliers.sweep(cluster(), at);
      int out = 0;
      if (const OutlierTable::Turn turn(table->cluster(0)); turn)
        for (const config::Endpoint& each : cluster().endpoints) out += table->is_ejected(each.slot) ? 1 : 0;
      for (int seen = most; out > seen && !most.compare_exchange_weak(seen, out);) {
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < workers.size(); ++i) threads.emplace_back(run, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(most, 0);
  EXPECT_LE(most, 4);
  EXPECT_FALSE(table->is_ejected(6) || table->is_ejected(7));
  uint64_t ejections = 0;
  for (const auto& worker : workers)
    for (uint32_t slot = 0; slot < 8; ++slot)
      for (const base::Counter& each : worker->outliers.counters(slot)->by_reason) ejections += each.read();
  EXPECT_GT(ejections, 20u);
}

// What an interval's results come to, told a second time and plainly.
struct Oracle {
  struct Results {
    int good = 0, bad = 0;
    double rate() const { return static_cast<double>(good) / (good + bad); }
  };
  static std::map<uint32_t, Ejection> judge(const std::map<uint32_t, Results>& all,
                                            const config::OutlierDetection& rules) {
    std::map<uint32_t, Ejection> out;
    std::vector<double> rates;
    for (const auto& [slot, each] : all)
      if (each.good + each.bad >= static_cast<int>(rules.success_rate->request_volume)) rates.push_back(each.rate());
    if (rates.size() >= rules.success_rate->minimum_hosts) {
      double mean = 0, variance = 0;
      for (const double rate : rates) mean += rate / static_cast<double>(rates.size());
      for (const double rate : rates) variance += (rate - mean) * (rate - mean) / static_cast<double>(rates.size());
      const double least = mean - std::sqrt(variance) * rules.success_rate->stdev_factor / 1000;
      for (const auto& [slot, each] : all)
        if (each.good + each.bad >= static_cast<int>(rules.success_rate->request_volume) && each.rate() < least - 1e-12)
          out.emplace(slot, Ejection::kSuccessRate);
    }
    uint32_t hosts = 0;
    const auto enough = [&](const Results& each) {
      return each.good + each.bad >= static_cast<int>(rules.failure_percentage->request_volume);
    };
    for (const auto& [slot, each] : all) hosts += enough(each) && !out.contains(slot) ? 1 : 0;
    if (hosts >= rules.failure_percentage->minimum_hosts)
      for (const auto& [slot, each] : all)
        if (enough(each) &&
            each.bad * 100 >= (each.good + each.bad) * static_cast<int>(rules.failure_percentage->threshold))
          out.emplace(slot, Ejection::kFailurePercentage);
    return out;
  }
};

TEST_F(OutliersTest, IntervalsAsTheOracleJudgesThem) {
  std::mt19937 random(11);
  int by_rate = 0, by_percentage = 0, nobody = 0;
  for (int round = 0; round < 500; ++round) {
    const uint32_t endpoints = 2 + random() % 12;
    const config::OutlierDetection rules{
        .consecutive_5xx = 0,
        .base_ejection = kNanosPerSecond,
        .max_ejection_percent = 100,
        .success_rate = config::SuccessRateEjection{500 + static_cast<uint32_t>(random() % 2000), 3, 20},
        .failure_percentage = config::FailurePercentageEjection{60, 4, 10}};
    make(endpoints, rules);
    std::map<uint32_t, Oracle::Results> all;
    const bool calm = random() % 3 == 0;
    for (uint32_t slot = 0; slot < endpoints; ++slot) {
      const int requests = static_cast<int>(random() % 60);
      const unsigned failing = calm ? 0 : random() % 4 == 0 ? 80 : 5;
      for (int i = 0; i < requests; ++i) {
        const bool bad = random() % 100 < failing;
        ++(bad ? all[slot].bad : all[slot].good);
        report(slot, bad ? Outcome::kServerError : Outcome::kSuccess);
      }
    }
    EXPECT_EQ(ejected().find('x'), std::string::npos);
    now += rules.interval;
    outliers.sweep(cluster(), now);
    const auto expected = Oracle::judge(all, rules);
    for (uint32_t slot = 0; slot < endpoints; ++slot)
      ASSERT_EQ(clusters.endpoint(slot).ejected, expected.contains(slot)) << "round " << round << " endpoint " << slot;
    nobody += expected.empty() ? 1 : 0;
    for (const auto& [slot, why] : expected) ++(why == Ejection::kSuccessRate ? by_rate : by_percentage);
    pass(100 * kNanosPerSecond);
    ASSERT_EQ(ejected().find('x'), std::string::npos);
  }
  EXPECT_GT(by_rate, 50);
  EXPECT_GT(by_percentage, 20);
  EXPECT_GT(nobody, 50);
}

}  // namespace
}  // namespace penstock::proxy
