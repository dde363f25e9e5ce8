// Header fields that go through values from packet to packet. Fields of one group advance together; groups (a field
// without one is a group of its own) are the digits of a mixed-radix counter, the first one the fastest, so that every
// combination comes once before one comes again: flows = product of the groups' counts. The count of a group is its
// largest; a field with a smaller one goes round more often.
//
// Memory: values are written big-endian into the caller's header, only where they change. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace penstock::load {

using Uint128 = unsigned __int128;

// from, from + step, … `count` of them; the caller saw to it that the last one fits `width` bytes.
struct Field {
  uint16_t at = 0;    // first byte in the frame
  uint8_t width = 2;  // bytes, 1–16
  Uint128 from = 0;
  uint64_t count = 1;
  uint64_t step = 1;
  bool random = false;  // each value once in a seeded order, then again in the same order
  std::string group;    // empty: alone
};

// Writes the low `width` bytes of a number.
void store_number(uint8_t* at, uint8_t width, Uint128 value);

// A permutation of 0 … count - 1 that needs no table: a Feistel network on the next power of four, walked until it
// lands inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). About four steps at worst on
// average.
class Shuffle {
 public:
  Shuffle(uint64_t count, uint64_t seed);
  uint64_t operator()(uint64_t index) const;

 private:
  uint64_t count_, seed_;
  unsigned half_bits_ = 1;
};

class Fields {
 public:
  Fields(std::vector<Field> fields, uint64_t seed);

  void restart(uint8_t* frame);  // the first packet's values
  void advance(uint8_t* frame);  // the next packet's

 private:
  struct Member {
    Field field;
    Shuffle order;
  };
  struct Digit {
    uint64_t count = 1, at = 0;
    std::vector<Member> members;
  };

  static void write(const Digit& digit, uint8_t* frame);

  std::vector<Digit> digits_;
};

}  // namespace penstock::load
