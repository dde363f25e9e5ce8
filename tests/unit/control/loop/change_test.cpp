#include <algorithm>
#include <atomic>
#include <future>

#include "unit/control/loop/loop_fixture.h"

namespace penstock::loop {
namespace {

class ChangeTest : public LoopFixture {};

TEST_F(ChangeTest, EmptyGatewayStarts) {
  ASSERT_TRUE(boot().ok());
  EXPECT_EQ(loop_->revision(), 0u);
  EXPECT_TRUE(dataplane_->open_devices().empty());
}

TEST_F(ChangeTest, GoesThroughItsPhasesInOrder) {
  ASSERT_TRUE(boot().ok());
  const auto before = dataplane_->calls().size();
  const auto result = apply_ok({sample_node(), sample_service("web", "192.0.2.10"), sample_slice("web", {"10.0.1.11"})},
                               {.message = "first"});
  EXPECT_EQ(result.revision, 1u);
  EXPECT_EQ(result.differences.size(), 3u);
  ASSERT_EQ(result.workers.size(), 2u);
  for (const auto& worker : result.workers) EXPECT_TRUE(worker.adopted);
  EXPECT_EQ(loop_->generation()->number, result.generation);
  EXPECT_EQ(loop_->generation()->services->entries().size(), 1u);
  EXPECT_EQ(loop_->state()->services.size(), 1u);
  ASSERT_TRUE(eventually([&] { return dataplane_->calls().size() >= before + 3; }));
  auto calls = dataplane_->calls();
  calls.erase(calls.begin(), calls.begin() + static_cast<ptrdiff_t>(before));
  EXPECT_EQ(calls, (std::vector<std::string>{"prepare", "publish", "close"}));
  const auto history = loop_->history(10).value();
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].message, "first");
  EXPECT_EQ(history[0].created, 3u);
}

TEST_F(ChangeTest, BadChangesChangeNothing) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  const auto state = loop_->state();
  const auto generation = loop_->generation();
  auto bad = sample_limit("edge", 100);
  bad.interface = "nowhere";
  auto worse = sample_limit("other", -1);
  const auto result = apply({bad, worse});
  EXPECT_FALSE(result.ok);
  EXPECT_GE(result.errors.size(), 2u);  // all at once
  EXPECT_EQ(result.revision, 1u);
  EXPECT_EQ(loop_->state(), state);
  EXPECT_EQ(loop_->generation(), generation);
  EXPECT_EQ(loop_->history(10)->size(), 1u);
  EXPECT_EQ(loop_->stats().control.refused, 1u);
}

TEST_F(ChangeTest, ARefusedDeviceIsAFieldOfTheNode) {
  ASSERT_TRUE(boot().ok());
  dataplane_->refuse_device("net_lan");
  const auto result = apply({sample_node()});
  ASSERT_EQ(result.errors.size(), 1u);
  EXPECT_EQ(result.errors[0].to_string(), "Node/gw spec.interfaces[1].device: no such device");
  EXPECT_EQ(loop_->revision(), 0u);
  dataplane_->refuse_device("");
  apply_ok({sample_node()});
}

TEST_F(ChangeTest, AFullStoreRefusesAndClosesWhatWasOpened) {
  codec_.padding = 3000;
  ASSERT_TRUE(boot({.max_bytes = 100 * 1024}).ok());
  apply_ok({sample_node()});
  auto node = sample_node();
  auto third = node.interfaces[1];
  third.name = "dmz";
  third.addresses = {prefix("10.0.2.1/24")};
  node.interfaces.push_back(third);
  ApplyResult result;
  for (int i = 0; i < 100; ++i) {
    result = apply({sample_limit("limit-" + std::to_string(i), 100)});
    if (!result.ok) break;
  }
  EXPECT_NE(result.failure.find("free space"), std::string::npos) << result.failure;
  const auto revision = loop_->revision();
  EXPECT_EQ(loop_->state()->rate_limits.size() + 1, revision);
  result = apply({node});
  EXPECT_FALSE(result.ok);
  EXPECT_EQ(dataplane_->open_devices(), (std::set<std::string>{"wan", "lan"}));
  EXPECT_EQ(loop_->revision(), revision);
  EXPECT_EQ(loop_->state()->node->interfaces.size(), 2u);
}

TEST_F(ChangeTest, ComesBackAfterARestart) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node(), sample_service("web", "192.0.2.10"), sample_slice("web", {"10.0.1.11", "10.0.1.12"})});
  apply_ok({sample_limit("edge", 100)});
  ASSERT_TRUE(boot().ok());
  EXPECT_EQ(loop_->revision(), 2u);
  EXPECT_EQ(loop_->state()->rate_limits.size(), 1u);
  ASSERT_NE(loop_->generation(), nullptr);
  EXPECT_EQ(loop_->generation()->services->entries().at(0)->endpoints.size(), 2u);
  EXPECT_EQ(dataplane_->open_devices(), (std::set<std::string>{"wan", "lan"}));
  EXPECT_EQ(apply_ok({sample_limit("edge", 200)}).revision, 3u);
}

TEST_F(ChangeTest, StartFailsInWordsWhenADeviceIsGone) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  loop_.reset();
  dataplane_ = std::make_unique<FakeDataplane>(2);
  dataplane_->refuse_device("net_wan");
  auto store = store::Store::open(directory_ + "/store.db", codec_);
  ControlLoop loop(*dataplane_, std::move(store).value(), {});
  const auto started = loop.start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error(), "cannot bring revision 1 up: Node/gw spec.interfaces[0].device: no such device");
}

TEST_F(ChangeTest, NothingChangedIsNoRevision) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  const auto again = apply_ok({sample_node()});
  EXPECT_EQ(again.revision, 1u);
  EXPECT_EQ(again.workers.size(), 2u);
  EXPECT_EQ(loop_->history(10)->size(), 1u);
}

TEST_F(ChangeTest, DryRunChangesNothing) {
  ASSERT_TRUE(boot().ok());
  EXPECT_TRUE(apply_ok({sample_node()}, {.dry_run = true}).differences.size() == 1);
  EXPECT_TRUE(dataplane_->open_devices().empty());
  EXPECT_EQ(loop_->revision(), 0u);
  apply_ok({sample_node()});
  const auto generation = loop_->generation();
  EXPECT_TRUE(apply_ok({sample_limit("edge", 100)}, {.dry_run = true}).ok);
  EXPECT_EQ(loop_->generation(), generation);
  EXPECT_TRUE(loop_->state()->rate_limits.empty());
}

TEST_F(ChangeTest, ReplaceRemovesWhatIsNotNamed) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node(), sample_limit("a", 100), sample_limit("b", 100)});
  const model::Change file{{sample_node(), sample_limit("b", 100)}, {}};
  const auto diff = loop_->diff(file, true);
  EXPECT_EQ(std::count_if(diff.differences.begin(), diff.differences.end(),
                          [](const auto& d) { return d.kind == model::DiffKind::kRemoved; }),
            1);
  const auto result = loop_->apply(file, {.replace = true});
  EXPECT_TRUE(result.ok);
  EXPECT_EQ(loop_->state()->rate_limits.size(), 1u);
  EXPECT_TRUE(loop_->apply({{}, {}}, {.replace = true}).ok);  // an empty file: nothing is left
  EXPECT_EQ(loop_->state()->node, nullptr);
  EXPECT_TRUE(eventually([&] { return dataplane_->open_devices().empty(); }));
}

TEST_F(ChangeTest, RollbackIsANewRevision) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node(), sample_limit("a", 100)});
  apply_ok({sample_limit("a", 200), sample_limit("b", 300)});
  const auto result = loop_->rollback(1, {});
  ASSERT_TRUE(result.ok) << result.failure;
  EXPECT_EQ(result.revision, 3u);
  EXPECT_EQ(loop_->state()->rate_limits.size(), 1u);
  EXPECT_EQ(loop_->state()->rate_limits.begin()->second->rate, 100);
  EXPECT_EQ(loop_->history(1)->at(0).message, "rollback to revision 1");
  EXPECT_NE(loop_->rollback(77, {}).failure.find("revision 77 is not in the history"), std::string::npos);
}

TEST_F(ChangeTest, SetLimitReachesTheWorkers) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node(), sample_limit("edge", 100)});
  const auto result = loop_->set_limit({"default", "edge"}, 5000, model::LimitUnit::kBits, 9000);
  ASSERT_TRUE(result.ok);
  EXPECT_EQ(result.workers.size(), 2u);
  const auto& limits = loop_->generation()->limits->by_slot;
  const auto at = std::find_if(limits.begin(), limits.end(), [](const auto& l) { return l.name == "default/edge"; });
  ASSERT_NE(at, limits.end());
  EXPECT_EQ(at->per_second, 5000);
  EXPECT_EQ(at->unit, flow::LimitUnit::kBits);
  EXPECT_EQ(loop_->set_limit({"default", "none"}, 1, {}, 0).errors.at(0).to_string(),
            "RateLimit/default/none: does not exist");
  EXPECT_FALSE(loop_->set_limit({"default", "edge"}, -5, {}, 0).ok);
}

TEST_F(ChangeTest, WatchersSeeRevisionsAndCountWhatTheyLose) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  const auto watcher = loop_->watch();
  ASSERT_NE(watcher, nullptr);
  apply_ok({sample_limit("a", 100)}, {.message = "second"});
  uint64_t lost = 9;
  auto seen = watcher->next(base::kNanosPerSecond, lost);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(seen->revision, 2u);
  EXPECT_EQ(seen->message, "second");
  EXPECT_EQ(seen->differences.size(), 1u);
  EXPECT_EQ(seen->state->rate_limits.size(), 1u);
  EXPECT_EQ(lost, 0u);
  for (size_t i = 0; i < kMaxWatchQueue + 10; ++i) apply_ok({sample_limit("a", 1000.0 + static_cast<double>(i))});
  while (watcher->next(0, lost)) {
    if (lost != 0) break;
  }
  EXPECT_EQ(lost, 10u);
  loop_->stop();
  while (watcher->next(0, lost)) {
  }
  EXPECT_TRUE(watcher->ended());
}

TEST_F(ChangeTest, AStuckWorkerIsNamedAndHoldsNobodyUp) {
  ASSERT_TRUE(boot({}, 50'000'000).ok());
  apply_ok({sample_node()});
  dataplane_->paused = true;
  const auto result = apply_ok({sample_limit("a", 100)});
  ASSERT_EQ(result.workers.size(), 2u);
  EXPECT_FALSE(result.workers[0].adopted);
  EXPECT_EQ(loop_->revision(), 2u);
  dataplane_->paused = false;
  EXPECT_TRUE(apply_ok({sample_limit("a", 200)}).workers[0].adopted);
}

// The loop waits for its workers until they may go on, and nobody's deadline is near: exactly who found no place is
// refused.
TEST_F(ChangeTest, AFloodOfChangesIsRefusedNotQueuedWithoutEnd) {
  constexpr base::Nanos kLong = 120'000'000'000;
  constexpr int kTooMany = 20;
  ASSERT_TRUE(boot({}, kLong).ok());
  apply_ok({sample_node()});
  dataplane_->paused = true;
  std::vector<std::thread> clients;
  std::atomic<int> busy{0}, applied{0};
  const auto change = [&](const std::string& name) {
    const auto result = apply({sample_limit(name, 100)}, {.deadline = base::monotonic_now() + kLong});
    if (result.failure.find("too many changes wait") == 0) ++busy;
    if (result.ok) ++applied;
  };
  for (size_t i = 0; i < kMaxQueuedChanges + kTooMany; ++i)
    clients.emplace_back([&, i] { change("l" + std::to_string(i)); });
  EXPECT_TRUE(eventually([&] { return busy >= kTooMany - 1; }));  // one change was taken from the queue, or was not yet
  dataplane_->paused = false;
  for (auto& client : clients) client.join();
  EXPECT_EQ(busy + applied, static_cast<int>(clients.size()));
  EXPECT_LE(busy, kTooMany);
  EXPECT_EQ(loop_->state()->rate_limits.size(), static_cast<size_t>(applied));
}

TEST_F(ChangeTest, AChangeWhoseTurnComesAfterItsDeadlineIsRefused) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  const auto result = apply({sample_limit("late", 100)}, {.deadline = 1});
  EXPECT_EQ(result.failure.find("its deadline passed"), 0u) << result.failure;
  EXPECT_TRUE(loop_->state()->rate_limits.empty());
}

TEST_F(ChangeTest, ManyThreadsAtOnce) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  readers.emplace_back([&] {
    while (!stop) static_cast<void>(loop_->stats());
  });
  readers.emplace_back([&] {
    while (!stop) static_cast<void>(loop_->state()->rate_limits.size() + loop_->history(5)->size());
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < 4; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) apply_ok({sample_limit("t" + std::to_string(t), 100.0 + i)});
    });
  }
  for (auto& writer : writers) writer.join();
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(loop_->revision(), 101u);
  EXPECT_EQ(loop_->state()->rate_limits.size(), 4u);
}

TEST_F(ChangeTest, AfterStopEverythingIsRefused) {
  ASSERT_TRUE(boot().ok());
  loop_->stop();
  EXPECT_EQ(apply({sample_node()}).failure, "the gateway is not running");
  EXPECT_FALSE(loop_->history(1).ok());
  EXPECT_FALSE(loop_->drain(true).ok());
  EXPECT_TRUE(loop_->health().empty());
}

TEST_F(ChangeTest, DrainingIsAGenerationNotARevision) {
  ASSERT_TRUE(boot().ok());
  apply_ok({sample_node()});
  ASSERT_TRUE(loop_->drain(true).ok());
  EXPECT_TRUE(loop_->draining());
  EXPECT_TRUE(loop_->generation()->settings.draining);
  EXPECT_EQ(loop_->revision(), 1u);
  apply_ok({sample_limit("a", 1)});  // a change while draining keeps draining
  EXPECT_TRUE(loop_->generation()->settings.draining);
  ASSERT_TRUE(loop_->drain(false).ok());
  EXPECT_FALSE(loop_->generation()->settings.draining);
  dataplane_->counters_of(1).flows.set(17);
  EXPECT_EQ(loop_->tracked_flows(), 17u);
  dataplane_->clients = 3;
  EXPECT_EQ(loop_->client_connections(), 3u);
}

// The Node's drainTimeout counts from the drain's begin, whatever is changed meanwhile.
TEST_F(ChangeTest, ADrainHasADeadlineForConnections) {
  ASSERT_TRUE(boot().ok());
  model::Node node = sample_node();
  apply_ok({node});
  const base::Nanos before = base::monotonic_now();
  ASSERT_TRUE(loop_->drain(true).ok());
  const base::Nanos until = loop_->generation()->settings.drain_until;
  EXPECT_GE(until, before + node.drain_seconds * base::kNanosPerSecond);
  EXPECT_LE(until, base::monotonic_now() + node.drain_seconds * base::kNanosPerSecond);
  node.drain_seconds = 1000;
  apply_ok({node});
  EXPECT_EQ(loop_->generation()->settings.drain_until, until);
  ASSERT_TRUE(loop_->drain(false).ok());
  EXPECT_EQ(loop_->generation()->settings.drain_until, 0u);
  node.drain_seconds = 0;
  apply_ok({node});
  ASSERT_TRUE(loop_->drain(true).ok());
  EXPECT_EQ(loop_->generation()->settings.drain_until, 0u);
}

}  // namespace
}  // namespace penstock::loop
