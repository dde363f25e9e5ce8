#include "flow/fragment_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace penstock::flow {
namespace {

using base::IpAddress;

FragmentKey key_of(uint32_t id) { return {IpAddress::v4(0x0a000001), IpAddress::v4(0x0a000002), id, 17}; }

void* handle(uintptr_t n) { return reinterpret_cast<void*>(n); }

Fragment piece(uint16_t offset, uint16_t length, bool more, uintptr_t h = 1) {
  return {offset, length, more, 1000, 53, 17, handle(h)};
}

std::vector<uintptr_t> numbers(std::span<void* const> handles) {
  std::vector<uintptr_t> out;
  for (void* h : handles) out.push_back(reinterpret_cast<uintptr_t>(h));
  return out;
}

TEST(FragmentTable, LaterFragmentsLearnThePorts) {
  FragmentTable table(10, {});
  FragmentResult r = table.on_fragment(key_of(1), piece(0, 800, true), 0);
  EXPECT_EQ(r.status, FragmentStatus::kReady);
  EXPECT_EQ(r.src_port, 1000);
  EXPECT_TRUE(r.released.empty());
  Fragment later = piece(800, 800, true);
  later.src_port = later.dst_port = 0;
  r = table.on_fragment(key_of(1), later, 0);
  EXPECT_EQ(r.status, FragmentStatus::kReady);
  EXPECT_EQ(r.dst_port, 53);
  EXPECT_EQ(r.protocol, 17);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.on_fragment(key_of(1), piece(1600, 100, false), 0).status, FragmentStatus::kReady);
  EXPECT_EQ(table.size(), 0u) << "complete";
}

TEST(FragmentTable, EarlyFragmentsWaitForTheFirst) {
  FragmentTable table(10, {});
  EXPECT_EQ(table.on_fragment(key_of(1), piece(1600, 100, false, 3), 0).status, FragmentStatus::kHeld);
  EXPECT_EQ(table.on_fragment(key_of(1), piece(800, 800, true, 2), 0).status, FragmentStatus::kHeld);
  EXPECT_EQ(table.held(), 2u);
  const FragmentResult r = table.on_fragment(key_of(1), piece(0, 800, true, 1), 0);
  EXPECT_EQ(r.status, FragmentStatus::kReady);
  EXPECT_EQ(numbers(r.released), (std::vector<uintptr_t>{3, 2}));
  EXPECT_EQ(table.held(), 0u);
  EXPECT_EQ(table.size(), 0u);
}

TEST(FragmentTable, DatagramsAreToldApart) {
  FragmentTable table(10, {});
  table.on_fragment(key_of(1), piece(0, 800, true), 0);
  EXPECT_EQ(table.on_fragment(key_of(2), piece(800, 8, false), 0).status, FragmentStatus::kHeld);
  FragmentKey tcp = key_of(1);
  tcp.protocol = 6;
  EXPECT_EQ(table.on_fragment(tcp, piece(800, 8, false), 0).status, FragmentStatus::kHeld);
  wire::Headers v6;
  v6.family = 6;
  v6.protocol = 17;
  v6.fragment_id = 9;
  EXPECT_EQ(fragment_key({}, {}, v6).protocol, 0u);
}

TEST(FragmentTable, OverlapPoisonsTheDatagram) {
  for (const Fragment& bad : {piece(792, 800, true), piece(800, 808, true), piece(0, 808, true), piece(808, 8, true),
                              piece(1592, 16, true), piece(800, 800, true)}) {
    FragmentTable table(10, {});
    table.on_fragment(key_of(1), piece(800, 800, true, 2), 0);
    const FragmentResult r = table.on_fragment(key_of(1), bad, 0);
    if (bad.offset == 800 && bad.length == 800) {
      EXPECT_EQ(r.status, FragmentStatus::kDuplicate);
      EXPECT_EQ(table.held(), 1u);
      continue;
    }
    EXPECT_EQ(r.status, FragmentStatus::kOverlap);
    EXPECT_EQ(numbers(r.released), (std::vector<uintptr_t>{2}));
    EXPECT_EQ(table.on_fragment(key_of(1), piece(4000, 8, true), 0).status, FragmentStatus::kOverlap) << "poisoned";
    EXPECT_EQ(table.held(), 0u);
    EXPECT_EQ(table.size(), 1u) << "remembered until it times out";
  }
}

TEST(FragmentTable, OneEndAndNothingBeyond) {
  FragmentTable table(10, {});
  table.on_fragment(key_of(1), piece(800, 100, false), 0);
  EXPECT_EQ(table.on_fragment(key_of(1), piece(1600, 100, false), 0).status, FragmentStatus::kOverlap);
  table.on_fragment(key_of(2), piece(800, 100, false), 0);
  EXPECT_EQ(table.on_fragment(key_of(2), piece(904, 8, true), 0).status, FragmentStatus::kOverlap);
  table.on_fragment(key_of(3), piece(1600, 8, true), 0);
  EXPECT_EQ(table.on_fragment(key_of(3), piece(800, 100, false), 0).status, FragmentStatus::kOverlap);
}

TEST(FragmentTable, AtomicFragmentsStandAlone) {
  FragmentTable table(10, {});
  table.on_fragment(key_of(1), piece(800, 800, true), 0);
  EXPECT_EQ(table.on_fragment(key_of(1), piece(0, 900, false), 0).status, FragmentStatus::kReady);
  EXPECT_EQ(table.held(), 1u);
  EXPECT_EQ(table.size(), 1u);
}

TEST(FragmentTable, TimesOutAndGivesBackHandles) {
  FragmentTable table(10, {});
  std::vector<uintptr_t> lost;
  const auto sink = [&](void* h) { lost.push_back(reinterpret_cast<uintptr_t>(h)); };
  table.on_fragment(key_of(1), piece(800, 800, true, 7), 1000);
  table.on_fragment(key_of(1), piece(1600, 800, true, 8), 20'000);
  table.on_fragment(key_of(2), piece(0, 800, true, 9), 1000);
  table.sweep(100, 30'999, 30'000, sink);
  EXPECT_EQ(table.size(), 2u);
  table.sweep(100, 31'000, 30'000, sink);
  EXPECT_EQ(lost, (std::vector<uintptr_t>{7, 8})) << "from the first fragment on, not the last";
  EXPECT_EQ(table.size(), 0u);
  table.on_fragment(key_of(3), piece(800, 800, true, 4), 31'000);
  table.drain(sink);
  EXPECT_EQ(lost.back(), 4u);
  EXPECT_EQ(table.held(), 0u);
}

TEST(FragmentTable, IsBounded) {
  FragmentTable table(1000, {});
  for (uint16_t i = 1; i <= kMaxHeldPieces; ++i)
    ASSERT_EQ(table.on_fragment(key_of(1), piece(static_cast<uint16_t>(i * 8), 8, true), 0).status,
              FragmentStatus::kHeld);
  EXPECT_EQ(table.on_fragment(key_of(1), piece(8 * (kMaxHeldPieces + 1), 8, true), 0).status,
            FragmentStatus::kTableFull);
  EXPECT_EQ(reason_of(FragmentStatus::kTableFull), DropReason::fragment_table_full);
  // In all: no more than kMaxHeldInAll, then no more than the table has room for.
  uint32_t held = table.held(), full = 0;
  for (uint32_t id = 2; id < 3000; ++id)
    for (uint16_t i = 1; i <= kMaxHeldPieces; ++i) {
      const FragmentStatus s = table.on_fragment(key_of(id), piece(static_cast<uint16_t>(i * 8), 8, true), 0).status;
      held += s == FragmentStatus::kHeld;
      full += s == FragmentStatus::kTableFull;
    }
  EXPECT_EQ(table.held(), held);
  EXPECT_EQ(held, kMaxHeldInAll);
  EXPECT_GT(full, 0u);
  EXPECT_EQ(table.size(), 1000u);
  // One datagram of more pieces than any honest one has.
  FragmentTable small(1, {});
  small.on_fragment(key_of(1), piece(0, 8, true), 0);
  for (unsigned i = 1; i < kMaxPieces; ++i)
    ASSERT_EQ(small.on_fragment(key_of(1), piece(static_cast<uint16_t>(i * 8), 8, true), 0).status,
              FragmentStatus::kReady);
  EXPECT_EQ(small.on_fragment(key_of(1), piece(kMaxPieces * 8, 8, true), 0).status, FragmentStatus::kTableFull);
  EXPECT_EQ(small.on_fragment(key_of(2), piece(0, 8, true), 0).status, FragmentStatus::kTableFull);
}

// ---- against a model: a bitmap of bytes ---------------------------------------------------------------------------

struct Model {
  std::set<std::pair<uint16_t, uint16_t>> pieces;
  std::set<uint32_t> covered;  // units of 8 bytes
  bool first = false, poisoned = false, last = false;
  uint32_t total = 0;

  FragmentStatus on(const Fragment& f) {
    if (poisoned) return FragmentStatus::kOverlap;
    if (pieces.contains({f.offset, f.length})) return FragmentStatus::kDuplicate;
    const uint32_t end = f.offset + uint32_t{f.length};
    bool overlap = last && (!f.more || end > total);
    for (uint32_t unit = f.offset / 8u; unit * 8 < end; ++unit) overlap |= covered.contains(unit);
    if (!f.more) overlap |= !covered.empty() && *covered.rbegin() * 8 >= end;
    if (overlap) {
      poisoned = true;
      return FragmentStatus::kOverlap;
    }
    pieces.insert({f.offset, f.length});
    for (uint32_t unit = f.offset / 8u; unit * 8 < end; ++unit) covered.insert(unit);
    if (!f.more) {
      last = true;
      total = end;
    }
    first |= f.offset == 0;
    return first ? FragmentStatus::kReady : FragmentStatus::kHeld;
  }
  bool complete() const { return first && last && covered.size() == (total + 7) / 8; }
};

TEST(FragmentTable, AgreesWithAModelAndLosesNoHandle) {
  std::mt19937 random(51);
  FragmentTable table(64, {});
  std::map<uint32_t, Model> models;
  std::set<uintptr_t> in_table;
  uintptr_t next_handle = 1;
  int completed = 0, poisoned = 0;
  const auto gone = [&](std::span<void* const> handles) {
    for (void* h : handles) ASSERT_EQ(in_table.erase(reinterpret_cast<uintptr_t>(h)), 1u);
  };
  for (int step = 0; step < 200'000; ++step) {
    const auto id = static_cast<uint32_t>(random() % 32);
    Model& model = models[id];
    Fragment f = piece(static_cast<uint16_t>(random() % 10 * 16), 16, true, next_handle++);
    if (f.offset == 144) {
      f.more = false;
      f.length = 5;
    }
    if (random() % 400 == 0) f.length = 24;
    if (random() % 400 == 0) f.offset = static_cast<uint16_t>(f.offset + 8);
    if (f.offset == 0 && !f.more) continue;
    const FragmentStatus expected = model.on(f);
    const FragmentResult result = table.on_fragment(key_of(id), f, 0);
    ASSERT_EQ(result.status, expected) << step;
    gone(result.released);
    if (result.status == FragmentStatus::kHeld) in_table.insert(reinterpret_cast<uintptr_t>(f.handle));
    ASSERT_EQ(table.held(), in_table.size());
    if (model.complete()) {
      ++completed;
      model = {};
    } else if (model.poisoned && random() % 10 == 0) {  // all time out together
      poisoned +=
          static_cast<int>(std::count_if(models.begin(), models.end(), [](auto& m) { return m.second.poisoned; }));
      table.drain([&](void* h) { EXPECT_EQ(in_table.erase(reinterpret_cast<uintptr_t>(h)), 1u); });
      models.clear();
    }
  }
  EXPECT_GT(completed, 100);
  EXPECT_GT(poisoned, 100);
}

}  // namespace
}  // namespace penstock::flow
