// The objects of one kind, ordered by name: a map whose copies share what they have in common.
//
// It is a row of chunks of up to 128 objects. A copy of the map copies the row, not the chunks; changing an object
// copies its chunk. So a revision that differs in one of ten thousand objects costs some hundred pointers to make and
// as many to compare with the one before (diff.h): with a std::map either was several milliseconds.
//
// A value: one thread changes a given map, any number may read their own copies. Iterators and references live until
// the map they came from changes. Objects are never null while in the map, except one that operator[] has just made.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "control/model/service.h"

namespace penstock::model {

template <typename T>
class Objects {
 public:
  using Pointer = std::shared_ptr<const T>;
  using value_type = std::pair<Name, Pointer>;
  using Chunk = std::vector<value_type>;  // never empty
  static constexpr size_t kChunk = 128;   // 10 KiB: cheap to copy, and 80 of them hold 10,000 objects

  class const_iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Objects::value_type;
    using difference_type = ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    const_iterator() = default;
    const_iterator(const std::shared_ptr<Chunk>* chunk, size_t item) : chunk_(chunk), item_(item) {}
    reference operator*() const { return (**chunk_)[item_]; }
    pointer operator->() const { return &**this; }
    const_iterator& operator++() {
      if (++item_ == (*chunk_)->size()) ++chunk_, item_ = 0;
      return *this;
    }
    const_iterator operator++(int) {
      const const_iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const const_iterator&) const = default;

    // At the beginning of a chunk: which one, for comparing two maps; else null.
    const Chunk* chunk() const { return item_ == 0 ? chunk_->get() : nullptr; }
    void skip_chunk() { ++chunk_, item_ = 0; }

   private:
    const std::shared_ptr<Chunk>* chunk_ = nullptr;
    size_t item_ = 0;
  };

  const_iterator begin() const { return {chunks_.data(), 0}; }
  const_iterator end() const { return {chunks_.data() + chunks_.size(), 0}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  const_iterator find(const Name& name) const {
    const size_t c = chunk_of(name);
    if (c == chunks_.size()) return end();
    const size_t item = item_of(*chunks_[c], name);
    if (item == chunks_[c]->size() || (*chunks_[c])[item].first != name) return end();
    return {&chunks_[c], item};
  }
  bool contains(const Name& name) const { return find(name) != end(); }
  // Only for a name that is there.
  const Pointer& at(const Name& name) const { return find(name)->second; }

  // Makes a null object when there is none: assign it at once.
  Pointer& operator[](const Name& name) {
    if (chunks_.empty()) {
      size_ = 1;
      return chunks_.emplace_back(std::make_shared<Chunk>(1, value_type{name, nullptr}))->front().second;
    }
    size_t c = chunk_of(name);
    size_t item = item_of(*chunks_[c], name);
    if (item == chunks_[c]->size() || (*chunks_[c])[item].first != name) {
      if (chunks_[c]->size() == kChunk) {
        split(c);
        c = chunk_of(name);
      }
      Chunk& chunk = own(c);
      item = item_of(chunk, name);
      chunk.insert(chunk.begin() + static_cast<ptrdiff_t>(item), {name, nullptr});
      ++size_;
    }
    return own(c)[item].second;
  }

  size_t erase(const Name& name) {
    if (!contains(name)) return 0;
    const size_t c = chunk_of(name);
    Chunk& chunk = own(c);
    chunk.erase(chunk.begin() + static_cast<ptrdiff_t>(item_of(chunk, name)));
    if (chunk.empty()) chunks_.erase(chunks_.begin() + static_cast<ptrdiff_t>(c));
    --size_;
    return 1;
  }

  void clear() {
    chunks_.clear();
    size_ = 0;
  }

 private:
  // The chunk that holds the name or would: the last that begins at or before it, else the first.
  size_t chunk_of(const Name& name) const {
    const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), name,
                                        [](const Name& n, const auto& chunk) { return n < chunk->front().first; });
    return after == chunks_.begin() ? 0 : static_cast<size_t>(after - chunks_.begin()) - 1;
  }

  static size_t item_of(const Chunk& chunk, const Name& name) {
    const auto at = std::lower_bound(chunk.begin(), chunk.end(), name,
                                     [](const value_type& item, const Name& n) { return item.first < n; });
    return static_cast<size_t>(at - chunk.begin());
  }

  // The chunk to write to: a copy, unless no other map has it.
  Chunk& own(size_t c) {
    if (chunks_[c].use_count() == 1) {
      // Whoever dropped the last copy has finished reading.
      std::atomic_thread_fence(std::memory_order_acquire);
    } else {
      chunks_[c] = std::make_shared<Chunk>(*chunks_[c]);
    }
    return *chunks_[c];
  }

  void split(size_t c) {
    Chunk& lower = own(c);
    const auto middle = lower.begin() + kChunk / 2;
    auto upper = std::make_shared<Chunk>(std::make_move_iterator(middle), std::make_move_iterator(lower.end()));
    lower.erase(middle, lower.end());
    chunks_.insert(chunks_.begin() + static_cast<ptrdiff_t>(c) + 1, std::move(upper));
  }

  std::vector<std::shared_ptr<Chunk>> chunks_;
  size_t size_ = 0;
};

}  // namespace penstock::model
