#include "base/region.h"

#include <gtest/gtest.h>

#include <cstring>

namespace penstock::base {
namespace {

TEST(Region, IsZeroedAndAlignedToACacheLine) {
  for (const RegionKind kind : {RegionKind::kSparse, RegionKind::kTable}) {
    const RegionArray<uint64_t> array(1 << 19, kind);  // 4 MiB
    EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data()) % 64, 0u);
    for (size_t i = 0; i < array.size(); i += 511) ASSERT_EQ(array[i], 0u);
    array[array.size() - 1] = 7;
    EXPECT_EQ(array[array.size() - 1], 7u);
  }
}

TEST(Region, SparseMemoryCostsOnlyWhatIsTouched) {
  const RegionArray<uint64_t> array(1ull << 30, RegionKind::kSparse);  // 8 GiB of address space
  EXPECT_EQ(array.region().resident_bytes() / 4096, 0u);
  array[0] = array[1u << 29] = 1;
  EXPECT_EQ(array.region().resident_bytes(), 2 * 4096u);
}

TEST(Region, MovesAndFreesOnce) {
  Region a(1 << 20, RegionKind::kSparse);
  void* const data = a.data();
  Region b(std::move(a));
  EXPECT_EQ(b.data(), data);
  a = Region(1 << 16, RegionKind::kTable);
  b = std::move(a);
  EXPECT_EQ(b.size(), 1u << 16);
}

TEST(Region, NothingForNothing) {
  const Region none(0, RegionKind::kTable);
  EXPECT_EQ(none.data(), nullptr);
  EXPECT_EQ(none.resident_bytes(), 0u);
}

}  // namespace
}  // namespace penstock::base
