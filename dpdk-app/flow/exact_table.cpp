#include "flow/exact_table.h"

#include <algorithm>

#include "flow/generation.h"

namespace penstock::flow {

namespace {

constexpr uint8_t kHighestDscp = 63;
constexpr unsigned kBatch = 32;  // operations whose cache misses overlap

bool is_same_family_or_none(const base::IpAddress& address, const base::IpAddress& like) {
  return address.is_unspecified() || address.is_v4() == like.is_v4();
}

bool is_valid(const ExactAction& action, const FlowKey& key) {
  if (action.dscp != 0xff && action.dscp > kHighestDscp) return false;
  if (action.mirror && action.mirror_slot >= kMaxMirrors) return false;
  if (action.limited && action.rate.cost == 0) return false;
  switch (action.verb) {
    case ExactVerb::kAllow:
    case ExactVerb::kDrop:
      return true;
    case ExactVerb::kRedirect:
      return action.redirect_interface < kMaxInterfaces && is_same_family_or_none(action.redirect_via, key.dst);
    case ExactVerb::kNat:
      return is_same_family_or_none(action.redirect_via, key.dst) && is_same_family_or_none(action.nat_source, key.src);
  }
  return false;
}

bool is_valid(const ExactOp& op) {
  if (op.key.unused != 0 || op.key.src.is_v4() != op.key.dst.is_v4() || op.key.zone > kMaxInterfaces) return false;
  if (op.kind == ExactOpKind::kDelete) return true;
  if (op.idle_seconds > kLongestExactTimeout || op.hard_seconds > kLongestExactTimeout) return false;
  return is_valid(op.action, op.key);
}

}  // namespace

ExactTable::ExactTable(uint32_t capacity, const HashSecret& secret) : secret_(secret), map_(std::max(capacity, 1u)) {}

void ExactTable::find(const FlowKey* const* keys, const uint64_t* hashes, unsigned count, ExactEntry** entries) {
  for (unsigned i = 0; i < count; ++i) map_.prefetch(hashes[i]);
  for (unsigned i = 0; i < count; ++i) map_.prefetch_entry(hashes[i]);
  for (unsigned i = 0; i < count; ++i) entries[i] = map_.find(*keys[i], hashes[i]);
}

ExactStatus ExactTable::apply(const ExactOp& op, base::Millis now) { return apply(op, hash(op.key), now); }

void ExactTable::apply(std::span<const ExactOp> ops, std::span<ExactStatus> statuses, base::Millis now) {
  uint64_t hashes[kBatch];
  for (size_t from = 0; from < ops.size(); from += kBatch) {
    const size_t count = std::min<size_t>(kBatch, ops.size() - from);
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = hash(ops[from + i].key);
      map_.prefetch(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) map_.prefetch_entry(hashes[i]);
    for (size_t i = 0; i < count; ++i) statuses[from + i] = apply(ops[from + i], hashes[i], now);
  }
}

ExactStatus ExactTable::apply(const ExactOp& op, uint64_t key_hash, base::Millis now) {
  if (!is_valid(op)) return ExactStatus::kInvalid;
  if (op.kind == ExactOpKind::kDelete) return map_.erase(op.key, key_hash) ? ExactStatus::kOk : ExactStatus::kNotFound;
  ExactEntry* entry = map_.find(op.key, key_hash);
  if (entry != nullptr && op.kind == ExactOpKind::kAdd) return ExactStatus::kExists;
  if (entry == nullptr) {
    entry = map_.insert(op.key, key_hash);
    if (entry == nullptr) return ExactStatus::kTableFull;
    entry->created = seconds_;
    entry->last_used = now;
  }
  // A replaced entry keeps what it has counted, its age and the debt of its bucket.
  entry->action = op.action;
  entry->cookie = op.cookie;
  entry->idle_seconds = op.idle_seconds;
  entry->hard_seconds = op.hard_seconds;
  return ExactStatus::kOk;
}

uint32_t ExactTable::sweep(uint32_t count, base::Millis now) {
  advance(now);
  uint32_t ended = 0;
  map_.sweep(count, [&](const FlowKey&, ExactEntry& entry) {
    const base::Millis idle = base::since(entry.last_used, now);
    // Idle times stop at the longest timeout, before the milliseconds wrap and an old entry looks young.
    if (idle > kLongestExactTimeout * 1000u) entry.last_used = now - kLongestExactTimeout * 1000u;
    const bool idle_over = entry.idle_seconds != 0 && idle / 1000 >= entry.idle_seconds;
    const bool hard_over = entry.hard_seconds != 0 && seconds_ - entry.created >= entry.hard_seconds;
    if (!idle_over && !hard_over) return true;
    ++ended;
    return false;
  });
  return ended;
}

void ExactTable::fill_view(const FlowKey& key, const ExactEntry& entry, base::Millis now, ExactEntryView& out) const {
  out = {key,
         entry.action,
         entry.cookie,
         entry.packets,
         entry.bytes,
         seconds_ - entry.created,
         base::since(entry.last_used, now) / 1000,
         entry.idle_seconds,
         entry.hard_seconds};
}

size_t ExactTable::dump(uint64_t& cursor, std::span<ExactEntryView> out, uint32_t budget, base::Millis now) {
  size_t filled = 0;
  for (; budget != 0 && filled < out.size() && cursor < map_.high(); --budget, ++cursor)
    if (map_.at(static_cast<uint32_t>(cursor),
                [&](const FlowKey& key, const ExactEntry& entry) { fill_view(key, entry, now, out[filled]); }))
      ++filled;
  if (cursor >= map_.high()) cursor = kEnd;
  return filled;
}

bool ExactTable::view(const FlowKey& key, base::Millis now, ExactEntryView& out) {
  const ExactEntry* entry = find(key);
  if (entry != nullptr) fill_view(key, *entry, now, out);
  return entry != nullptr;
}

void ExactTable::advance(base::Millis now) {
  clock_rest_ += base::since(clock_, now);
  clock_ = now;
  if (clock_rest_ < 1000) return;
  seconds_ += clock_rest_ / 1000;
  clock_rest_ %= 1000;
}

}  // namespace penstock::flow
