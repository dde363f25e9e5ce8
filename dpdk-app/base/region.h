// Memory for tables, reserved once: address space that costs a page only where it is touched. Zeroed, never moved,
// freed with the object. Any thread may construct; what is in it is the owner's business.
//
// kTable asks for huge pages, since a table of flows is read at random: first pages reserved by the administrator, as
// long as at least half of them stays for packet buffers; else ordinary memory with transparent huge pages. kSparse
// never uses huge pages: arrays indexed by slot, of which few slots may be in use. Explicit huge pages are taken
// (accounted) at construction, so that touching them later cannot fail. Failure: no address space is std::bad_alloc, at
// start only. Not here: NUMA, growth, sharing between processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace penstock::base {

enum class RegionKind : uint8_t { kSparse, kTable };

class Region {
 public:
  Region() = default;
  Region(size_t bytes, RegionKind kind);  // 0 bytes: nothing is reserved
  ~Region();
  Region(Region&& other) noexcept { swap(other); }
  Region& operator=(Region&& other) noexcept {
    swap(other);
    return *this;
  }

  void* data() const { return data_; }
  size_t size() const { return size_; }            // reserved bytes
  bool huge_pages() const { return huge_pages_; }  // explicit ones
  size_t resident_bytes() const;                   // measured (mincore); slow

 private:
  void swap(Region& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(huge_pages_, other.huge_pages_);
  }

  void* data_ = nullptr;
  size_t size_ = 0;
  bool huge_pages_ = false;
};

// A zeroed array in a region of its own. T must be usable when all its bytes are zero.
template <typename T>
class RegionArray {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  RegionArray() = default;
  RegionArray(size_t count, RegionKind kind) : region_(count * sizeof(T), kind), count_(count) {}

  T* data() const { return static_cast<T*>(region_.data()); }
  T& operator[](size_t index) const { return data()[index]; }
  size_t size() const { return count_; }
  const Region& region() const { return region_; }

 private:
  Region region_;
  size_t count_ = 0;
};

}  // namespace penstock::base
