#include "flow/fragment_table.h"

#include <algorithm>

namespace penstock::flow {

namespace {

uint64_t hash_key(const FragmentKey& key, const HashSecret& secret) {
  const uint64_t src = hash_of(key.src, uint64_t{key.protocol} << 32 | key.id, secret);
  return hash_of(key.dst, src, secret);
}

}  // namespace

FragmentTable::FragmentTable(uint32_t capacity, const HashSecret& secret)
    : secret_(secret), map_(std::max(capacity, 1u)) {}

// Keeps the pieces sorted; they never overlap, so their neighbours are all there is to compare with.
FragmentTable::Fit FragmentTable::fit(Datagram& d, const Fragment& f) {
  const uint32_t begin = f.offset, end = begin + f.length;
  if (f.length == 0) return Fit::kDuplicate;  // says nothing new
  Piece* const last = d.piece + d.pieces;
  Piece* const at = std::lower_bound(d.piece, last, f.offset, [](const Piece& p, uint16_t o) { return p.offset < o; });
  if (at != last && at->offset == f.offset && at->length == f.length) return Fit::kDuplicate;
  if (at != last && at->offset < end) return Fit::kOverlap;
  if (at != d.piece && at[-1].offset + uint32_t{at[-1].length} > begin) return Fit::kOverlap;
  // Where the datagram ends is said once, and nothing lies beyond.
  if (d.has_last && (!f.more || end > d.total)) return Fit::kOverlap;
  if (!f.more && at != last) return Fit::kOverlap;
  if (d.pieces == kMaxPieces) return Fit::kFull;
  std::move_backward(at, last, last + 1);
  *at = {f.offset, f.length};
  ++d.pieces;
  d.seen += f.length;
  if (!f.more) {
    d.has_last = true;
    d.total = end;
  }
  return Fit::kFits;
}

std::span<void* const> FragmentTable::take_held(Datagram& d) {
  const size_t count = d.held;
  std::copy_n(d.handle, count, released_);
  held_ -= d.held;
  d.held = 0;
  return {released_, count};
}

FragmentResult FragmentTable::poison(Datagram& d) {
  d.poisoned = true;
  return {FragmentStatus::kOverlap, 0, 0, 0, take_held(d)};
}

FragmentResult FragmentTable::on_fragment(const FragmentKey& key, const Fragment& f, base::Millis now) {
  if (f.offset == 0 && !f.more)  // atomic: on its own, whatever else has its key (RFC 6946 §4)
    return {FragmentStatus::kReady, f.src_port, f.dst_port, f.protocol, {}};
  const uint64_t hash = hash_key(key, secret_);
  Datagram* d = map_.find(key, hash);
  if (d == nullptr) {
    d = map_.insert(key, hash);
    if (d == nullptr) return {};
    d->began = now;
  }
  if (d->poisoned) return {FragmentStatus::kOverlap};
  switch (fit(*d, f)) {
    case Fit::kDuplicate:
      return {FragmentStatus::kDuplicate};
    case Fit::kOverlap:
      return poison(*d);
    case Fit::kFull:
      return {};
    case Fit::kFits:
      break;
  }
  FragmentResult result;
  if (f.offset == 0) {
    d->has_first = true;
    d->src_port = f.src_port;
    d->dst_port = f.dst_port;
    d->protocol = f.protocol;
    result.released = take_held(*d);
  }
  if (d->has_first) {
    result.status = FragmentStatus::kReady;
    result.src_port = d->src_port;
    result.dst_port = d->dst_port;
    result.protocol = d->protocol;
    if (d->has_last && d->seen == d->total) map_.erase(key, hash);
  } else if (d->held < kMaxHeldPieces && held_ < kMaxHeldInAll) {
    d->handle[d->held++] = f.handle;
    ++held_;
    result.status = FragmentStatus::kHeld;
  }
  return result;
}

}  // namespace penstock::flow
