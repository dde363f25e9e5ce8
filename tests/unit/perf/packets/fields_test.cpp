// Header fields against a naive oracle, and the permutation against what a permutation is.
#include "packets/fields.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace penstock::load {
namespace {

uint64_t value_at(const std::vector<uint8_t>& frame, const Field& field) {
  uint64_t value = 0;
  for (unsigned i = 0; i < field.width; ++i) value = value << 8 | frame[field.at + i];
  return value;
}

// The digit of packet n: what remains of n after the faster groups went round.
std::vector<uint64_t> oracle(const std::vector<Field>& fields, uint64_t n) {
  std::map<std::string, uint64_t> counts, digits;
  const auto group = [](const Field& field) { return field.group.empty() ? std::to_string(field.at) : field.group; };
  for (const Field& field : fields) counts[group(field)] = std::max(counts[group(field)], field.count);
  std::vector<uint64_t> values;
  for (const Field& field : fields) {
    const std::string name = group(field);
    if (!digits.contains(name)) {
      digits[name] = n % counts[name];
      n /= counts[name];
    }
    values.push_back(static_cast<uint64_t>(field.from) + digits[name] % field.count * field.step);
  }
  return values;
}

TEST(Fields, AgreeWithTheOracle) {
  const std::vector<Field> fields = {{.at = 0, .width = 2, .from = 65000, .count = 3},
                                     {.at = 2, .width = 4, .from = 10, .count = 5, .step = 7, .group = "g"},
                                     {.at = 6, .width = 1, .from = 1, .count = 4},
                                     {.at = 7, .width = 8, .from = 1ull << 40, .count = 2, .step = 2, .group = "g"}};
  Fields counter(fields, 1);
  std::vector<uint8_t> frame(16);
  counter.restart(frame.data());
  for (uint64_t n = 0; n < 200; ++n, counter.advance(frame.data())) {
    const auto expected = oracle(fields, n);
    for (size_t i = 0; i < fields.size(); ++i) ASSERT_EQ(value_at(frame, fields[i]), expected[i]) << n << " " << i;
  }
}

TEST(Fields, RandomOrderHasEachValueOnceARoundAndTheSameForTheSameSeed) {
  for (const uint64_t count : {1ull, 2ull, 3ull, 255ull, 256ull, 257ull, 5000ull}) {
    const Field field{.at = 0, .width = 4, .from = 100, .count = count, .random = true};
    Fields one({field}, 7), same({field}, 7), other({field}, 8);
    std::vector<uint8_t> a(4), b(4), c(4);
    one.restart(a.data());
    same.restart(b.data());
    other.restart(c.data());
    std::set<uint64_t> seen;
    uint64_t different = 0;
    for (uint64_t n = 0; n < count; ++n) {
      EXPECT_EQ(a, b);
      different += a != c;
      EXPECT_TRUE(seen.insert(value_at(a, field)).second);
      one.advance(a.data());
      same.advance(b.data());
      other.advance(c.data());
    }
    EXPECT_EQ(seen.size(), count);
    EXPECT_EQ(*seen.begin(), 100u);
    EXPECT_EQ(*seen.rbegin(), 99 + count);
    if (count > 200) {
      EXPECT_GT(different, count / 2);
    }
  }
}

TEST(Fields, AddressesCarryIntoTheirUpperHalf) {
  uint8_t frame[16];
  Fields counter({{.at = 0, .width = 16, .from = (Uint128{1} << 64) - 1, .count = 2}}, 1);
  counter.restart(frame);
  counter.advance(frame);
  EXPECT_EQ(frame[7], 1);
  EXPECT_EQ(frame[15], 0);
}

}  // namespace
}  // namespace penstock::load
