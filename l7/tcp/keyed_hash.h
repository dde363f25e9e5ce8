// SipHash-2-4 (Aumasson, Bernstein 2012) over a few words: what must not be guessed from outside — initial sequence
// numbers, cookies, table positions — is made of it. A value; the key is 128 random bits from the caller.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace penstock::tcp {

struct HashKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

inline uint64_t keyed_hash(const HashKey& key, std::initializer_list<uint64_t> words) {
  uint64_t a = key.low ^ 0x736f6d6570736575ULL, b = key.high ^ 0x646f72616e646f6dULL;
  uint64_t c = key.low ^ 0x6c7967656e657261ULL, d = key.high ^ 0x7465646279746573ULL;
  const auto round = [&] {
    a += b, c += d;
    b = std::rotl(b, 13) ^ a, d = std::rotl(d, 16) ^ c;
    a = std::rotl(a, 32);
    c += b, a += d;
    b = std::rotl(b, 17) ^ c, d = std::rotl(d, 21) ^ a;
    c = std::rotl(c, 32);
  };
  const auto mix = [&](uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  };
  for (const uint64_t word : words) mix(word);
  mix(static_cast<uint64_t>(words.size() * 8) << 56);
  c ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return a ^ b ^ c ^ d;
}

}  // namespace penstock::tcp
