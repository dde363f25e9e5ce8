// Virtual reassembly: which fragments belong to one datagram, and what ports its first fragment showed. Nothing is put
// together; the engine forwards fragments one by one once the ports are known. Fragments that come before the first are
// kept as opaque handles (the engine's packets) until it comes.
//
// Overlap (RFC 5722, RFC 8200 §4.5; for IPv4 alike, against teardrop and evasion by RFC 1858/3128 games): the datagram
// is poisoned: what is held is given back to be dropped, and whatever else of it arrives is dropped until it times out.
// An exact duplicate is dropped alone. A datagram whose pieces have all been seen is forgotten at once.
//
// Bounds: datagrams (capacity), fragments of one datagram (kMaxPieces), held handles per datagram (kMaxHeldPieces) and
// in all. The table owns handles from kHeld until it gives them back, by on_fragment, sweep or drain: never twice. One
// thread. Drop reasons: reason_of(). Not here: sizes in bytes of what is held, checks of the headers (wire/parse.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "base/address.h"
#include "base/time.h"
#include "flow/bounded_map.h"
#include "flow/key.h"
#include "flow/verdict.h"
#include "wire/parse.h"

namespace penstock::flow {

constexpr unsigned kMaxPieces = 128;      // 65535 bytes over the smallest IPv4 MTU that still exists (576: 119 pieces)
constexpr unsigned kMaxHeldPieces = 16;   // that may come before the first; senders send the first first or last
constexpr uint32_t kMaxHeldInAll = 8192;  // handles: a worker's share of the packet buffers that fragments may bind

struct FragmentKey {
  base::IpAddress src, dst;
  uint32_t id = 0;
  uint32_t protocol = 0;  // IPv4 only: RFC 791 §3.2; IPv6 fragments are told apart without it (RFC 8200 §4.5)
  bool operator==(const FragmentKey&) const = default;
};

inline FragmentKey fragment_key(const base::IpAddress& src, const base::IpAddress& dst, const wire::Headers& headers) {
  return {src, dst, headers.fragment_id, headers.family == 4 ? headers.protocol : 0u};
}

// One fragment. Offsets and lengths in bytes of the fragmentable part.
struct Fragment {
  uint16_t offset = 0, length = 0;
  bool more = false;
  uint16_t src_port = 0, dst_port = 0;  // when offset is 0
  uint8_t protocol = 0;                 // when offset is 0: the transport's
  void* handle = nullptr;
};

enum class FragmentStatus : uint8_t {
  kReady,      // the ports are known: go on (after those in `released`, when this is the first: any order is right)
  kHeld,       // the table keeps the handle
  kDuplicate,  // drop it
  kOverlap,    // drop it, and all in `released`
  kTableFull,  // no room for the datagram, for its pieces, or for what it holds: drop it
};

struct FragmentResult {
  FragmentStatus status = FragmentStatus::kTableFull;
  uint16_t src_port = 0, dst_port = 0;  // kReady
  uint8_t protocol = 0;                 // kReady
  std::span<void* const> released;      // handles given back; valid until the next call
};

constexpr DropReason reason_of(FragmentStatus status) {
  switch (status) {
    case FragmentStatus::kReady:
    case FragmentStatus::kHeld:
      return DropReason::kNone;
    case FragmentStatus::kDuplicate:
    case FragmentStatus::kOverlap:
      return DropReason::fragment_overlap;
    case FragmentStatus::kTableFull:
      return DropReason::fragment_table_full;
  }
  return DropReason::kNone;
}

class FragmentTable {
 public:
  FragmentTable(uint32_t capacity, const HashSecret& secret);

  FragmentResult on_fragment(const FragmentKey& key, const Fragment& fragment, base::Millis now);

  // Ageing: visits up to `count` datagrams; on_timeout(void* handle) for every handle of one older than `timeout`
  // (fragment_timeout).
  template <typename OnTimeout>
  void sweep(uint32_t count, base::Millis now, base::Millis timeout, OnTimeout&& on_timeout) {
    map_.sweep(count, [&](const FragmentKey&, Datagram& datagram) {
      if (base::since(datagram.began, now) < timeout) return true;
      for (void* handle : take_held(datagram)) on_timeout(handle);
      return false;
    });
  }

  // Gives back every handle and forgets everything: shutdown.
  template <typename OnHandle>
  void drain(OnHandle&& on_handle) {
    sweep(map_.high(), 0, 0, on_handle);
  }

  uint32_t held() const { return held_; }      // handles
  size_t size() const { return map_.size(); }  // datagrams
  size_t capacity() const { return map_.capacity(); }

 private:
  struct Piece {
    uint16_t offset, length;
  };
  struct Datagram {
    base::Millis began = 0;
    uint16_t src_port = 0, dst_port = 0;
    uint8_t protocol = 0;
    bool has_first = false, poisoned = false, has_last = false;
    uint8_t pieces = 0, held = 0;
    uint32_t seen = 0;        // bytes in all pieces
    uint32_t total = 0;       // when has_last: bytes of the whole
    Piece piece[kMaxPieces];  // by offset
    void* handle[kMaxHeldPieces];
  };

  enum class Fit : uint8_t { kFits, kDuplicate, kOverlap, kFull };
  static Fit fit(Datagram& datagram, const Fragment& fragment);  // and adds it when it fits
  std::span<void* const> take_held(Datagram& datagram);
  FragmentResult poison(Datagram& datagram);

  const HashSecret secret_;
  BoundedMap<FragmentKey, Datagram> map_;
  uint32_t held_ = 0;
  void* released_[kMaxHeldPieces] = {};
};

}  // namespace penstock::flow
