#include "engine/key_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace penstock::engine {
namespace {

// Nobody looks inside.
rte_mbuf* packet(uintptr_t n) { return reinterpret_cast<rte_mbuf*>(n); }

TEST(KeyQueue, IsBoundedForEachPeerAndInAll) {
  KeyQueue queue;
  for (unsigned i = 0; i < kKeyQueuePerPeer; ++i) EXPECT_TRUE(queue.wait(packet(i + 1), 7, 0));
  EXPECT_FALSE(queue.wait(packet(999), 7, 0));
  for (unsigned i = kKeyQueuePerPeer; i < kKeyQueue; ++i)
    EXPECT_TRUE(queue.wait(packet(i + 1), static_cast<uint16_t>(100 + i), 0));
  EXPECT_FALSE(queue.wait(packet(999), 8, 0));
  EXPECT_EQ(queue.held(), kKeyQueue);
}

// Against the obvious: every packet leaves exactly once, in its peer's order, for the reason that holds.
TEST(KeyQueue, ReleasesInOrder) {
  std::mt19937 random(11);
  KeyQueue queue;
  struct Held {
    uintptr_t packet;
    uint16_t peer;
    base::Millis since;
  };
  std::vector<Held> oracle;
  uintptr_t next = 1;
  base::Millis now = 0;
  for (int round = 0; round < 5000; ++round) {
    now += random() % 200;
    for (unsigned i = random() % 8; i > 0; --i) {
      const auto peer = static_cast<uint16_t>(random() % 6);
      if (queue.wait(packet(next), peer, now)) oracle.push_back({next, peer, now});
      ++next;
    }
    const auto live = static_cast<uint16_t>(random() % 12);  // half of the time nobody
    std::vector<uintptr_t> went, gave_up, expected_went, expected_gave_up;
    queue.release(
        now, [&](uint16_t peer) { return peer == live; },
        [&](rte_mbuf* m) { went.push_back(reinterpret_cast<uintptr_t>(m)); },
        [&](rte_mbuf* m) { gave_up.push_back(reinterpret_cast<uintptr_t>(m)); });
    std::erase_if(oracle, [&](const Held& each) {
      if (each.peer == live) {
        expected_went.push_back(each.packet);
      } else if (now - each.since >= kKeyPatience) {
        expected_gave_up.push_back(each.packet);
      } else {
        return false;
      }
      return true;
    });
    ASSERT_EQ(went, expected_went);
    ASSERT_EQ(gave_up, expected_gave_up);
    ASSERT_EQ(queue.held(), oracle.size());
  }
}

}  // namespace
}  // namespace penstock::engine
