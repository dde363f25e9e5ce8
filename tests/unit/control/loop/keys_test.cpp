// Keys that many peers agree on at the same time become few tables of the workers; and many peers that die at the same
// time few generations.
#include <algorithm>
#include <cstdio>

#include "unit/control/loop/loop_fixture.h"

namespace penstock::loop {
namespace {

class KeysTest : public LoopFixture {
 protected:
  static model::Peer peer(unsigned n) {
    model::Peer out;
    out.name.name = "p" + std::to_string(n);
    out.address = base::IpAddress::v4(0x0a400100 + n);
    out.prefixes = {{base::IpAddress::v4(0x0b000000 + (n << 8)), 24}};
    out.key_file = "/keys";
    out.liveness = {.interval_milliseconds = 50, .misses = 3};
    return out;
  }
  static bool patiently(const std::function<bool()>& holds) {  // a thousand of them on a busy machine
    bool is = false;
    for (unsigned i = 0; i < 10 && !is; ++i) is = eventually(holds);
    return is;
  }
  static model::Node wide_node() {
    model::Node node = sample_node();
    node.interfaces[0].addresses = {prefix("10.64.0.1/16")};
    return node;
  }
};

TEST_F(KeysTest, ThoseOfManyPeersAreHandedOverTogether) {
  ASSERT_TRUE(boot().ok());
  apply_ok({wide_node(), peer(0)});
  dataplane_->commit_takes = std::chrono::milliseconds(5);
  const unsigned before = dataplane_->commits;
  std::vector<std::thread> callers;
  std::atomic<unsigned> early{0};
  for (unsigned caller = 0; caller < 16; ++caller)
    callers.emplace_back([&] {
      for (unsigned i = 0; i < 20; ++i) {
        ASSERT_TRUE(loop_->tunnels().make_inbound({"default", "p0"}, "spiffe://a/b", i, 1).ok());
        const unsigned mine = dataplane_->made;  // at least: others may have made more
        const unsigned own = std::min(mine, i + 1);
        loop_->tunnels().settle();
        early += dataplane_->committed < own;
      }
    });
  for (std::thread& each : callers) each.join();
  EXPECT_EQ(dataplane_->made, 320u);
  EXPECT_EQ(dataplane_->committed, 320u);
  EXPECT_EQ(early, 0u);
  EXPECT_LE(dataplane_->commits - before, 160u);
  printf("320 sets of keys in %u tables\n", dataplane_->commits - before);
  // A generation (the peer comes up) commits what is staged, too.
  EXPECT_GE(loop_->stats().control.key_commits, 1u);
  EXPECT_LE(loop_->stats().control.key_commits, dataplane_->commits - before);
}

TEST_F(KeysTest, WhatIsMadeSettlesThoughAChangeFails) {
  ASSERT_TRUE(boot().ok());
  apply_ok({wide_node(), peer(0)});
  ASSERT_TRUE(loop_->tunnels().make_inbound({"default", "p0"}, "spiffe://a/b", 1, 1).ok());
  dataplane_->refuse_device("net_new");
  model::Node node = wide_node();
  model::Interface more;
  more.name = "new";
  more.device = "net_new";
  node.interfaces.push_back(more);
  EXPECT_FALSE(apply({node}).ok);
  loop_->tunnels().settle();
  EXPECT_EQ(dataplane_->committed, 1u);
  EXPECT_FALSE(loop_->tunnels().make_inbound({"default", "nobody"}, "spiffe://a/b", 1, 1).ok());
  loop_->tunnels().settle();  // nothing is waited for
  loop_->stop();
  loop_->tunnels().settle();
}

// Figures are printed, not asserted: the machine is shared.
TEST_F(KeysTest, HalfOfAThousandPeersDieAtOnce) {
  ASSERT_TRUE(boot().ok());
  std::vector<model::Object> objects = {wide_node()};
  for (unsigned n = 0; n < 1000; ++n) objects.emplace_back(peer(n));
  const base::Nanos applied = base::monotonic_now();
  apply_ok(std::move(objects));
  printf("1000 peers applied in %.0f ms\n", static_cast<double>(base::monotonic_now() - applied) / 1e6);
  const auto up = [&] {
    unsigned count = 0;
    for (const PeerPaths& each : loop_->peer_paths()) count += each.paths[0].state == liveness::PathState::kUp;
    return count;
  };
  ASSERT_TRUE(patiently([&] { return up() == 1000; }));
  const auto publishes = [&] {
    const auto calls = dataplane_->calls();
    return std::count(calls.begin(), calls.end(), "publish");
  };
  const auto before = publishes();
  std::set<std::pair<uint16_t, uint8_t>> silent;
  const auto all = loop_->generation();
  for (const flow::Peer& each : all->peers->by_slot)
    if (each.slot % 2 == 0) silent.insert({each.slot, 0});
  const base::Nanos cut = base::monotonic_now();
  dataplane_->set_silent(silent);
  const auto down = [&] {
    const auto now = loop_->generation();
    const auto& peers = now->peers->by_slot;
    return std::count_if(peers.begin(), peers.end(), [](const flow::Peer& each) { return !each.up; });
  };
  ASSERT_TRUE(patiently([&] { return down() >= 500; }));
  printf("500 of 1000 peers left after %.0f ms, in %ld generations\n",
         static_cast<double>(base::monotonic_now() - cut) / 1e6, static_cast<long>(publishes() - before));
  EXPECT_LE(publishes() - before, 50);
}

}  // namespace
}  // namespace penstock::loop
