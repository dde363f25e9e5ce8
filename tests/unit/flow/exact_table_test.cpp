#include "flow/exact_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "flow/generation.h"

namespace penstock::flow {
namespace {

using base::IpAddress;

FlowKey key_of(uint32_t n) {
  return {
      IpAddress::v4(0x0a000000 + (n >> 12)), IpAddress::v4(0xc0000201), static_cast<uint16_t>(n & 0xfff), 443, 6, 0, 0};
}

ExactOp op_of(ExactOpKind kind, uint32_t n, uint64_t cookie = 0) {
  ExactOp op;
  op.kind = kind;
  op.key = key_of(n);
  op.action.verb = ExactVerb::kDrop;
  op.cookie = cookie;
  return op;
}

TEST(ExactTable, AddReplaceDelete) {
  ExactTable table(10, {});
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kDelete, 1), 0), ExactStatus::kNotFound);
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kAdd, 1, 7), 0), ExactStatus::kOk);
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kAdd, 1, 8), 0), ExactStatus::kExists);
  ExactEntry* entry = table.find(key_of(1));
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->cookie, 7u);
  entry->count(100, 50);
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kReplace, 1, 9), 60), ExactStatus::kOk);
  EXPECT_EQ(table.find(key_of(1)), entry);
  EXPECT_EQ(entry->cookie, 9u);
  EXPECT_EQ(entry->bytes, 100u) << "what it has counted stays";
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kReplace, 2), 0), ExactStatus::kOk) << "replace adds what is not there";
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kDelete, 1), 0), ExactStatus::kOk);
  EXPECT_EQ(table.size(), 1u);
  FlowKey on_interface = key_of(2);
  on_interface.zone = 3;
  EXPECT_EQ(table.find(on_interface), nullptr) << "the interface is part of the key";
}

TEST(ExactTable, FullTableSaysSo) {
  ExactTable table(4, {});
  for (uint32_t n = 0; n < 4; ++n) EXPECT_EQ(table.apply(op_of(ExactOpKind::kAdd, n), 0), ExactStatus::kOk);
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kAdd, 4), 0), ExactStatus::kTableFull);
  EXPECT_EQ(table.apply(op_of(ExactOpKind::kReplace, 3), 0), ExactStatus::kOk);
}

TEST(ExactTable, InvalidOperationsChangeNothing) {
  const auto status = [](auto change) {
    ExactTable table(4, {});
    ExactOp op = op_of(ExactOpKind::kAdd, 1);
    change(op);
    const ExactStatus result = table.apply(op, 0);
    EXPECT_EQ(table.size(), result == ExactStatus::kOk ? 1u : 0u);
    return result;
  };
  EXPECT_EQ(status([](ExactOp&) {}), ExactStatus::kOk);
  EXPECT_EQ(status([](ExactOp& op) { op.action.dscp = 64; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.action.dscp = 63; }), ExactStatus::kOk);
  EXPECT_EQ(status([](ExactOp& op) { op.key.unused = 1; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.key.zone = kMaxInterfaces + 1; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.key.src = *IpAddress::parse("2001:db8::1"); }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.idle_seconds = kLongestExactTimeout + 1; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.hard_seconds = 0xffffffff; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.action.limited = true; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.action.verb = ExactVerb::kRedirect; }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) {
              op.action.verb = ExactVerb::kRedirect;
              op.action.redirect_interface = 2;
            }),
            ExactStatus::kOk);
  EXPECT_EQ(status([](ExactOp& op) {
              op.action.verb = ExactVerb::kNat;
              op.action.nat_source = *IpAddress::parse("2001:db8::1");
            }),
            ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) { op.action.verb = static_cast<ExactVerb>(200); }), ExactStatus::kInvalid);
  EXPECT_EQ(status([](ExactOp& op) {
              op.action.mirror = true;
              op.action.mirror_slot = kMaxMirrors;
            }),
            ExactStatus::kInvalid);
}

TEST(ExactTable, TimesOut) {
  ExactTable table(100, {});
  ExactOp idle = op_of(ExactOpKind::kAdd, 1), hard = op_of(ExactOpKind::kAdd, 2), none = op_of(ExactOpKind::kAdd, 3);
  idle.idle_seconds = 10;
  hard.hard_seconds = 20;
  for (const ExactOp& op : {idle, hard, none}) ASSERT_EQ(table.apply(op, 0), ExactStatus::kOk);
  const auto used_at = [&](base::Millis now) {
    for (uint32_t n = 1; n <= 3; ++n)
      if (ExactEntry* e = table.find(key_of(n)); e != nullptr) e->count(1, now);
  };
  used_at(9'000);
  EXPECT_EQ(table.sweep(100, 18'999), 0u);
  EXPECT_EQ(table.sweep(100, 19'000), 1u);
  EXPECT_EQ(table.find(key_of(1)), nullptr);
  used_at(19'999);
  EXPECT_EQ(table.sweep(100, 20'000), 1u) << "the hard one, used or not";
  EXPECT_EQ(table.size(), 1u);
}

TEST(ExactTable, IdleForLongerThanMillisecondsCountIsStillIdle) {
  ExactTable table(10, {});
  ExactOp op = op_of(ExactOpKind::kAdd, 1);
  table.apply(op, 0);
  uint64_t now = 0;
  for (int hour = 0; hour < 24 * 40; ++hour) table.sweep(10, static_cast<base::Millis>(now += 3600'000));
  ExactEntryView view;
  ASSERT_TRUE(table.view(op.key, static_cast<base::Millis>(now), view));
  EXPECT_EQ(view.age_seconds, 40u * 24 * 3600);
  EXPECT_EQ(view.idle_seconds, kLongestExactTimeout) << "the longest that is told apart";
}

TEST(ExactTable, DumpShowsEachEntryOnceInPieces) {
  ExactTable table(5000, {});
  for (uint32_t n = 0; n < 3000; ++n) table.apply(op_of(ExactOpKind::kAdd, n, n), 0);
  for (uint32_t n = 0; n < 3000; n += 3) table.apply(op_of(ExactOpKind::kDelete, n), 0);
  std::map<uint64_t, int> seen;
  uint64_t cursor = 0;
  std::vector<ExactEntryView> views(70);
  for (int calls = 0; cursor != ExactTable::kEnd; ++calls) {
    ASSERT_LT(calls, 200);
    const size_t count = table.dump(cursor, views, 50, 2'000);
    for (size_t i = 0; i < count; ++i) {
      ++seen[views[i].cookie];
      EXPECT_EQ(views[i].key, key_of(static_cast<uint32_t>(views[i].cookie)));
      EXPECT_EQ(views[i].idle_seconds, 2u);
    }
  }
  EXPECT_EQ(seen.size(), 2000u);
  for (const auto& [cookie, times] : seen) {
    EXPECT_EQ(times, 1);
    EXPECT_NE(cookie % 3, 0u);
  }
  cursor = 1u << 30;
  EXPECT_EQ(table.dump(cursor, views, 50, 0), 0u);
  EXPECT_EQ(cursor, ExactTable::kEnd);
}

TEST(ExactTable, BatchesDoWhatSingleOperationsDo) {
  std::mt19937 random(41);
  ExactTable batched(300, {}), single(300, {});
  for (int round = 0; round < 300; ++round) {
    std::vector<ExactOp> ops;
    for (unsigned i = random() % 100; i != 0; --i)  // keys repeat within a batch
      ops.push_back(op_of(static_cast<ExactOpKind>(random() % 3), random() % 500, random()));
    std::vector<ExactStatus> statuses(ops.size());
    batched.apply(ops, statuses, 0);
    for (size_t i = 0; i < ops.size(); ++i) ASSERT_EQ(statuses[i], single.apply(ops[i], 0));
    ASSERT_EQ(batched.size(), single.size());
  }
  std::vector<FlowKey> keys;
  for (uint32_t n = 0; n < 500; ++n) keys.push_back(key_of(n));
  for (size_t from = 0; from + 50 <= keys.size(); from += 50) {
    const FlowKey* pointers[50];
    uint64_t hashes[50];
    ExactEntry* entries[50];
    for (size_t i = 0; i < 50; ++i) {
      pointers[i] = &keys[from + i];
      hashes[i] = batched.hash(keys[from + i]);
    }
    batched.find(pointers, hashes, 50, entries);
    for (size_t i = 0; i < 50; ++i) {
      const ExactEntry* other = single.find(keys[from + i]);
      ASSERT_EQ(entries[i] != nullptr, other != nullptr);
      if (other != nullptr) {
        ASSERT_EQ(entries[i]->cookie, other->cookie);
      }
    }
  }
}

TEST(ExactTable, AMillionEntries) {
  constexpr uint32_t kMillion = 1u << 20;
  ExactTable table(kMillion, {});
  EXPECT_LT(table.resident_bytes(), 2u << 20);
  uint32_t added = 0;
  for (uint32_t n = 0; n < kMillion; ++n) added += table.apply(op_of(ExactOpKind::kAdd, n), 0) == ExactStatus::kOk;
  EXPECT_GE(added, kMillion - 1);
  std::printf("exact table: %u entries take %.1f MB\n", added, static_cast<double>(table.resident_bytes()) / 1e6);
}

}  // namespace
}  // namespace penstock::flow
