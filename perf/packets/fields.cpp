#include "packets/fields.h"

#include <algorithm>
#include <bit>

#include "packets/random.h"

namespace penstock::load {

void store_number(uint8_t* at, uint8_t width, Uint128 value) {
  for (unsigned i = width; i-- != 0; value >>= 8) at[i] = static_cast<uint8_t>(value);
}

Shuffle::Shuffle(uint64_t count, uint64_t seed) : count_(count), seed_(seed) {
  while (half_bits_ < 32 && (1ull << (2 * half_bits_)) < count) ++half_bits_;
}

uint64_t Shuffle::operator()(uint64_t index) const {
  const uint64_t mask = (1ull << half_bits_) - 1;
  do {
    uint64_t left = index >> half_bits_, right = index & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (mixed(right + seed_ + (round << 56)) & mask);
      left = right;
      right = next;
    }
    index = left << half_bits_ | right;
  } while (index >= count_);
  return index;
}

Fields::Fields(std::vector<Field> fields, uint64_t seed) {
  for (Field& field : fields) {
    const auto same = [&](const Digit& d) { return !field.group.empty() && d.members[0].field.group == field.group; };
    auto digit = std::find_if(digits_.begin(), digits_.end(), same);
    if (digit == digits_.end()) digit = digits_.insert(digit, Digit{});
    digit->count = std::max(digit->count, field.count);
    // The same seed for a group: where counts are the same, orders are.
    const uint64_t digit_seed = mixed(seed + static_cast<uint64_t>(digit - digits_.begin()) + 1);
    digit->members.push_back({field, Shuffle(field.count, digit_seed)});
  }
}

void Fields::write(const Digit& digit, uint8_t* frame) {
  for (const auto& [field, order] : digit.members) {
    const uint64_t turn = digit.at % field.count;
    const Uint128 index = field.random ? order(turn) : turn;
    store_number(frame + field.at, field.width, field.from + index * field.step);
  }
}

void Fields::restart(uint8_t* frame) {
  for (Digit& digit : digits_) {
    digit.at = 0;
    write(digit, frame);
  }
}

void Fields::advance(uint8_t* frame) {
  for (Digit& digit : digits_) {
    const bool carry = ++digit.at == digit.count;
    if (carry) digit.at = 0;
    write(digit, frame);
    if (!carry) return;
  }
}

}  // namespace penstock::load
