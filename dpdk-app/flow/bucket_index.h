// The index under every table of this room: keyed hash -> references (non-zero 32-bit numbers), in buckets of one cache
// line. It stores no keys: the owner of the entries compares them.
//
// A bucket is ten references with a 16-bit tag of the hash each. A reference lives in its first bucket, or, when that
// is full, in a second one that follows from the first and the tag; the first bucket counts how many of its own went
// away, so nearly every lookup reads one line and none reads more than two. When both are full, one reference that has
// room in its other bucket is moved. Insertion fails instead of searching on: with a load of 4/5 that happens to one in
// a million (tests/unit/flow/bounded_map_test.cpp), and with keys chosen to collide it costs the attacker's own entries
// only.
//
// One thread. Memory: 64 bytes per bucket, reserved at construction. Hashes must be keyed (flow/key.h: HashSecret).
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/region.h"

namespace penstock::flow {

class BucketIndex {
 public:
  static constexpr unsigned kSlots = 10;

  // For up to `references` at a load of at most 4/5.
  explicit BucketIndex(size_t references)
      : buckets_(std::bit_ceil(std::max<size_t>(2, (references * 5 / 4 + kSlots - 1) / kSlots)),
                 base::RegionKind::kTable),
        mask_(static_cast<uint32_t>(buckets_.size() - 1)) {}

  void prefetch(uint64_t hash) const { __builtin_prefetch(&buckets_[first_of(hash)]); }

  // The first reference under `hash` that `same(reference)` accepts; 0: none.
  template <typename Same>
  uint32_t find(uint64_t hash, Same&& same) const {
    const uint32_t first = first_of(hash);
    const uint16_t tag = tag_of(hash);
    const Bucket& bucket = buckets_[first];
    if (const uint32_t ref = find_in(bucket, tag, same); ref != 0) return ref;
    return bucket.gone == 0 ? 0 : find_in(buckets_[second_of(first, tag)], tag, same);
  }

  // The first reference whose tag fits, unproven: what to prefetch. 0: certainly absent, unless must_look_on().
  uint32_t guess(uint64_t hash) const {
    const Bucket& bucket = buckets_[first_of(hash)];
    const uint32_t hits = hits_in(bucket, tag_of(hash));
    return hits == 0 ? 0 : bucket.refs[std::countr_zero(hits)];
  }
  bool must_look_on(uint64_t hash) const { return buckets_[first_of(hash)].gone != 0; }

  // Does not look whether the key is there already. False: no room near this hash.
  bool insert(uint64_t hash, uint32_t ref) {
    const uint32_t first = first_of(hash);
    const uint16_t tag = tag_of(hash);
    if (put(buckets_[first], tag, ref, false)) return true;
    const uint32_t second = second_of(first, tag);
    if (put(buckets_[second], tag, ref, true)) {
      ++buckets_[first].gone;
      return true;
    }
    if (make_room(first)) return put(buckets_[first], tag, ref, false);
    if (make_room(second) && put(buckets_[second], tag, ref, true)) {
      ++buckets_[first].gone;
      return true;
    }
    return false;
  }

  bool erase(uint64_t hash, uint32_t ref) {
    const uint32_t first = first_of(hash);
    const uint16_t tag = tag_of(hash);
    if (take(buckets_[first], tag, ref)) return true;
    if (buckets_[first].gone == 0 || !take(buckets_[second_of(first, tag)], tag, ref)) return false;
    --buckets_[first].gone;
    return true;
  }

  size_t bytes() const { return buckets_.region().size(); }
  size_t resident_bytes() const { return buckets_.region().resident_bytes(); }

 private:
  struct alignas(64) Bucket {
    uint16_t tags[kSlots];
    uint16_t gone;      // references that have this as their first bucket but live in their second
    uint16_t visitors;  // bit per slot: the reference is here because its first bucket was full
    uint32_t refs[kSlots];
  };
  static_assert(sizeof(Bucket) == 64);

  // Never 0: that marks an empty slot.
  static uint16_t tag_of(uint64_t hash) {
    const auto tag = static_cast<uint16_t>(hash >> 48);
    return tag == 0 ? 1 : tag;
  }
  uint32_t first_of(uint64_t hash) const { return static_cast<uint32_t>(hash) & mask_; }
  // Its own inverse, and never the same bucket (the addend is odd).
  uint32_t second_of(uint32_t bucket, uint16_t tag) const { return bucket ^ ((tag * 0x9e3779b1u >> 4 | 1u) & mask_); }

  // Bit per slot whose tag is `tag`; an empty slot has tag 0.
  static uint32_t hits_in(const Bucket& bucket, uint16_t tag) {
#if defined(__AVX2__) && defined(__BMI2__)
    const __m256i line = _mm256_load_si256(reinterpret_cast<const __m256i*>(&bucket));
    const __m256i equal = _mm256_cmpeq_epi16(line, _mm256_set1_epi16(static_cast<short>(tag)));
    return _pext_u32(static_cast<uint32_t>(_mm256_movemask_epi8(equal)), 0x55555u);  // tags come first in the line
#else
    uint32_t hits = 0;
    for (unsigned i = 0; i < kSlots; ++i) hits |= static_cast<uint32_t>(bucket.tags[i] == tag) << i;
    return hits;
#endif
  }

  template <typename Same>
  static uint32_t find_in(const Bucket& bucket, uint16_t tag, Same&& same) {
    for (uint32_t hits = hits_in(bucket, tag); hits != 0; hits &= hits - 1) {
      const uint32_t ref = bucket.refs[std::countr_zero(hits)];
      if (same(ref)) return ref;
    }
    return 0;
  }

  static bool put(Bucket& bucket, uint16_t tag, uint32_t ref, bool visitor) {
    for (unsigned i = 0; i < kSlots; ++i) {
      if (bucket.tags[i] != 0) continue;
      bucket.refs[i] = ref;
      bucket.tags[i] = tag;
      bucket.visitors = static_cast<uint16_t>((bucket.visitors & ~(1u << i)) | static_cast<unsigned>(visitor) << i);
      return true;
    }
    return false;
  }

  static bool take(Bucket& bucket, uint16_t tag, uint32_t ref) {
    for (uint32_t hits = hits_in(bucket, tag); hits != 0; hits &= hits - 1) {
      const unsigned i = std::countr_zero(hits);
      if (bucket.refs[i] != ref) continue;
      bucket.tags[i] = 0;
      return true;
    }
    return false;
  }

  // Moves one reference of a full bucket to its other bucket.
  bool make_room(uint32_t at) {
    Bucket& bucket = buckets_[at];
    for (unsigned i = 0; i < kSlots; ++i) {
      const uint32_t other = second_of(at, bucket.tags[i]);
      const bool visitor = bucket.visitors >> i & 1;
      if (!put(buckets_[other], bucket.tags[i], bucket.refs[i], !visitor)) continue;
      bucket.tags[i] = 0;
      if (visitor) {
        --buckets_[other].gone;
      } else {
        ++bucket.gone;
      }
      return true;
    }
    return false;
  }

  base::RegionArray<Bucket> buckets_;
  uint32_t mask_;
};

}  // namespace penstock::flow
