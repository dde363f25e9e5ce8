#include "base/region.h"

#include <sys/mman.h>

#include <cstdio>
#include <new>
#include <vector>

namespace penstock::base {

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = 2u << 20;
constexpr int kProtection = PROT_READ | PROT_WRITE;
constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

size_t read_pool(const char* file) {
  char path[96];
  std::snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", file);
  std::FILE* f = std::fopen(path, "re");
  if (f == nullptr) return 0;
  unsigned long pages = 0;
  if (std::fscanf(f, "%lu", &pages) != 1) pages = 0;
  std::fclose(f);
  return pages;
}

// Packet buffers need huge pages more than tables do (devices read them by physical address): half stays for them.
bool pool_has_room(size_t pages) {
  const size_t total = read_pool("nr_hugepages");
  const size_t reserved = read_pool("resv_hugepages");  // promised to others, still counted as free
  const size_t free = read_pool("free_hugepages");
  return free >= reserved + pages + total / 2;
}

// 2 MiB-aligned so that transparent huge pages can begin at the first byte.
void* map_aligned(size_t size) {
  void* raw = mmap(nullptr, size + kHugePage, kProtection, kFlags | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = round_up(start, kHugePage);
  if (aligned != start) munmap(raw, aligned - start);
  if (const size_t tail = start + kHugePage - aligned; tail != 0) munmap(reinterpret_cast<void*>(aligned + size), tail);
  return reinterpret_cast<void*>(aligned);
}

}  // namespace

Region::Region(size_t bytes, RegionKind kind) {
  if (bytes == 0) return;
  if (kind == RegionKind::kTable && bytes >= kHugePage) {
    const size_t huge = round_up(bytes, kHugePage);
    if (pool_has_room(huge / kHugePage)) {
      // Without MAP_NORESERVE: the pages are promised now or the call fails, instead of SIGBUS on a later touch.
      void* mapped = mmap(nullptr, huge, kProtection, kFlags | MAP_HUGETLB | (21 << MAP_HUGE_SHIFT), -1, 0);
      if (mapped != MAP_FAILED) {
        data_ = mapped;
        size_ = huge;
        huge_pages_ = true;
        return;
      }
    }
    data_ = map_aligned(huge);
    size_ = huge;
    (void)madvise(data_, size_, MADV_HUGEPAGE);  // advice: a kernel without it serves small pages
    return;
  }
  size_ = round_up(bytes, kPage);
  data_ = mmap(nullptr, size_, kProtection, kFlags | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw std::bad_alloc();
  }
  if (kind == RegionKind::kSparse) (void)madvise(data_, size_, MADV_NOHUGEPAGE);
}

Region::~Region() {
  if (data_ != nullptr) munmap(data_, size_);
}

size_t Region::resident_bytes() const {
  if (data_ == nullptr) return 0;
  std::vector<unsigned char> pages(size_ / kPage);
  if (mincore(data_, size_, pages.data()) != 0) return 0;
  size_t resident = 0;
  for (const unsigned char page : pages) resident += (page & 1) * kPage;
  return resident;
}

}  // namespace penstock::base
