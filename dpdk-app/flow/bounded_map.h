// A hash map of fixed capacity for the packet path: per-source buckets, affinities, neighbours, exact flows, fragments.
//
// The caller gives the hash with the key (flow/key.h: hash_of, keyed by the process's secret), so that it can be
// computed once, and prefetched for a whole burst: prefetch(hash) for all, then prefetch_entry(hash) for all, then
// find(). An entry stays where it is until it is erased: pointers and numbers hold that long. Ageing: sweep(n, keep)
// shows the next n entries to the caller, who decides; a bounded cost per round. One thread. No allocation after
// construction; memory is reserved and touched as it fills (about 1.25 × 6.4 bytes of index and sizeof(Key) +
// sizeof(Value) + 16 bytes per entry). Full: insert returns null. Entries are not destroyed, so Key and Value are plain
// data.
#pragma once

#include <cstdint>
#include <new>

#include "flow/bucket_index.h"
#include "flow/slab.h"

namespace penstock::flow {

template <typename Key, typename Value>
class BoundedMap {
 public:
  explicit BoundedMap(uint32_t capacity) : index_(capacity), slab_(capacity) {}

  void prefetch(uint64_t hash) const { index_.prefetch(hash); }
  void prefetch_entry(uint64_t hash) const {
    if (const uint32_t ref = index_.guess(hash); ref != 0) {
      const auto* entry = reinterpret_cast<const char*>(&slab_.at(ref - 1));
      __builtin_prefetch(entry);
      if constexpr (sizeof(Entry) > 64) __builtin_prefetch(entry + 64);
    }
  }

  Value* find(const Key& key, uint64_t hash) {
    const uint32_t ref = find_ref(key, hash);
    return ref == 0 ? nullptr : &slab_.at(ref - 1).value;
  }
  const Value* find(const Key& key, uint64_t hash) const {
    const uint32_t ref = find_ref(key, hash);
    return ref == 0 ? nullptr : &slab_.at(ref - 1).value;
  }

  // A fresh Value under a key that is not there yet (find first). Null: full.
  Value* insert(const Key& key, uint64_t hash) {
    const uint32_t index = slab_.take();
    if (index == slab_.kNone) return nullptr;
    if (!index_.insert(hash, index + 1)) {
      slab_.give(index);
      return nullptr;
    }
    return &(new (&slab_.at(index)) Entry{key, Value{}, hash})->value;
  }

  // The entry of the key, made when absent. Null: full.
  Value* find_or_insert(const Key& key, uint64_t hash) {
    Value* found = find(key, hash);
    return found != nullptr ? found : insert(key, hash);
  }

  bool erase(const Key& key, uint64_t hash) {
    const uint32_t ref = find_ref(key, hash);
    if (ref == 0) return false;
    remove(ref - 1);
    return true;
  }

  // Shows up to `count` entries, moving on from call to call. keep(const Key&, Value&) returns false to erase; it must
  // not change the map otherwise.
  template <typename Keep>
  void sweep(uint32_t count, Keep&& keep) {
    slab_.sweep(count, [&](uint32_t index) {
      Entry& entry = slab_.at(index);
      if (!keep(static_cast<const Key&>(entry.key), entry.value)) remove(index);
    });
  }

  // By number, for dumps: numbers run from 0 to high(). visit(const Key&, Value&) is called when the number is in use.
  template <typename Visit>
  bool at(uint32_t number, Visit&& visit) {
    if (!slab_.taken(number)) return false;
    Entry& entry = slab_.at(number);
    visit(static_cast<const Key&>(entry.key), entry.value);
    return true;
  }
  uint32_t high() const { return slab_.high(); }

  size_t size() const { return slab_.size(); }
  size_t capacity() const { return slab_.capacity(); }
  size_t bytes() const { return index_.bytes() + slab_.bytes(); }
  size_t resident_bytes() const { return index_.resident_bytes() + slab_.resident_bytes(); }

 private:
  struct Entry {
    Key key;
    Value value;
    uint64_t hash;
  };

  uint32_t find_ref(const Key& key, uint64_t hash) const {
    return index_.find(hash, [&](uint32_t ref) { return slab_.at(ref - 1).key == key; });
  }

  void remove(uint32_t index) {
    index_.erase(slab_.at(index).hash, index + 1);
    slab_.give(index);
  }

  BucketIndex index_;
  Slab<Entry> slab_;
};

}  // namespace penstock::flow
