// Which worker owns a flow: the Toeplitz hash that NICs compute (RSS), in software, and its inverse.
//
// The key is 0x6d5a repeated. Its 16-bit period makes the hash symmetric (both directions of a flow get the same value)
// and linear over 16-bit words: hash(tuple) = T(xor of the tuple's 16-bit words), where T is a linear bijection of 16
// bits and the upper half of the 32-bit result repeats the lower. Proven against rte_softrss in tests/unit/flow.
// So the port that brings a tuple to a wanted worker is computed, not searched (LandingPorts).
//
// Which fields are hashed is what NICs do with the hash types that the engine asks for:
//   unfragmented TCP and UDP: addresses and ports; everything else (ICMP, SCTP, GRE, …, and every fragment): addresses.
// A fragment of a TCP or UDP flow can therefore reach another worker than the flow's unfragmented packets; the fragment
// stage learns the ports and hands it to the owner. The hash then indexes a table of 128 workers, reta[i] = i %
// workers. All functions are pure; any thread. No state, no failure.
#pragma once

#include <array>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "flow/key.h"
#include "wire/parse.h"

namespace penstock::flow {

constexpr unsigned kRetaSize = 128;  // what every RSS-capable NIC has at least; larger tables repeat it

// The key as a NIC takes it: 40 bytes, or 52 for those that want more.
constexpr std::array<uint8_t, 52> rss_key() {
  std::array<uint8_t, 52> key{};
  for (size_t i = 0; i < key.size(); ++i) key[i] = i % 2 == 0 ? 0x6d : 0x5a;
  return key;
}

namespace shard_detail {

// T of one word, bit by bit: bit p (from the most significant) contributes the key rotated left by p.
constexpr uint16_t toeplitz_slow(uint16_t word) {
  uint16_t sum = 0;
  for (unsigned p = 0; p < 16; ++p)
    if (word & (0x8000u >> p)) sum ^= static_cast<uint16_t>(0x6d5au << p | 0x6d5au >> (16 - p));
  return sum;
}

// T is multiplication by a polynomial f modulo x^16 - 1 over GF(2); f has an odd number of terms, so f^16 = 1 and T
// applied 15 times undoes T.
constexpr uint16_t inverse_slow(uint16_t word) {
  for (int i = 0; i < 15; ++i) word = toeplitz_slow(word);
  return word;
}

struct Tables {
  std::array<std::array<uint16_t, 256>, 2> forward{}, inverse{};  // by byte: high, low
};
constexpr Tables make_tables() {
  Tables t;
  for (unsigned v = 0; v < 256; ++v) {
    t.forward[0][v] = toeplitz_slow(static_cast<uint16_t>(v << 8));
    t.forward[1][v] = toeplitz_slow(static_cast<uint16_t>(v));
    t.inverse[0][v] = inverse_slow(static_cast<uint16_t>(v << 8));
    t.inverse[1][v] = inverse_slow(static_cast<uint16_t>(v));
  }
  return t;
}
inline constexpr Tables kTables = make_tables();  // 2 KiB, both halves of the forward one in L1

inline uint16_t fold16(uint64_t words) {
  words ^= words >> 32;
  return static_cast<uint16_t>(words ^ (words >> 16));
}

// Of a number of workers, in 16 fractional bits, rounded up: exact for what kRetaSize bounds (128 * 128 < 2^16).
constexpr auto kReciprocals = [] {
  std::array<uint32_t, kRetaSize + 1> all{};
  for (uint32_t workers = 1; workers <= kRetaSize; ++workers) all[workers] = (0x10000 + workers - 1) / workers;
  return all;
}();

}  // namespace shard_detail

inline uint16_t toeplitz16(uint16_t word) {
  return shard_detail::kTables.forward[0][word >> 8] ^ shard_detail::kTables.forward[1][word & 0xff];
}
inline uint16_t inverse_toeplitz16(uint16_t hash) {
  return shard_detail::kTables.inverse[0][hash >> 8] ^ shard_detail::kTables.inverse[1][hash & 0xff];
}

// The hash of a tuple whose 16-bit words (host order) xor to `word`, as a NIC reports it.
inline uint32_t owner_hash_of_word(uint16_t word) {
  const uint32_t half = toeplitz16(word);
  return half << 16 | half;
}

inline bool hashes_ports(uint8_t protocol) { return protocol == 6 || protocol == 17; }

// Of a packet with this identity, unfragmented. IPv4 addresses in mapped form hash like the plain ones: the prefix
// cancels.
inline uint32_t owner_hash(const FlowKey& key) {
  const uint64_t words = base::load_raw<uint64_t>(&key.src.bytes[0]) ^ base::load_raw<uint64_t>(&key.src.bytes[8]) ^
                         base::load_raw<uint64_t>(&key.dst.bytes[0]) ^ base::load_raw<uint64_t>(&key.dst.bytes[8]);
  uint16_t word = base::swap16(shard_detail::fold16(words));
  if (hashes_ports(key.protocol)) word ^= key.src_port ^ key.dst_port;
  return owner_hash_of_word(word);
}

// Of a parsed IP frame, as the NIC would have hashed it.
inline uint32_t owner_hash(const uint8_t* frame, const wire::Headers& headers) {
  const uint8_t* ip = frame + headers.l2_length;
  uint64_t words;
  if (headers.family == 4) {
    words = base::load_raw<uint64_t>(ip + 12);
  } else {
    words = base::load_raw<uint64_t>(ip + 8) ^ base::load_raw<uint64_t>(ip + 16) ^ base::load_raw<uint64_t>(ip + 24) ^
            base::load_raw<uint64_t>(ip + 32);
  }
  uint16_t word = base::swap16(shard_detail::fold16(words));
  if (hashes_ports(headers.protocol) && !headers.is(wire::kIsFragment)) word ^= headers.src_port ^ headers.dst_port;
  return owner_hash_of_word(word);
}

// Remainder of the redirection table's entry by the number of workers, at most kRetaSize. By multiplication: asked of
// every packet, a division would take longer than the hash.
inline unsigned owner_of(uint32_t hash, unsigned workers) {
  const uint32_t entry = hash & (kRetaSize - 1);
  return entry - workers * (entry * shard_detail::kReciprocals[workers] >> 16);
}

// The ports that bring a tuple to one worker, in an order that a seed decides: each of them once, then again from the
// start.
class LandingPorts {
 public:
  // `hash_without`: of the tuple with the wanted port as 0. `workers` at most kRetaSize.
  LandingPorts(uint32_t hash_without, unsigned worker, unsigned workers, uint32_t seed)
      : hash_(static_cast<uint16_t>(hash_without)),
        worker_(static_cast<uint16_t>(worker)),
        workers_(static_cast<uint16_t>(workers)),
        entries_(static_cast<uint16_t>((kRetaSize - worker + workers - 1) / workers)),
        position_(seed % count()) {}

  // How many ports there are: 512 for each entry of the redirection table that names the worker.
  unsigned count() const { return entries_ * kPerEntry; }

  uint16_t next() {
    const uint32_t at = position_;
    if (++position_ == count()) position_ = 0;
    const uint32_t entry = worker_ + at % entries_ * workers_;
    // A multiplication by an odd number visits all 512 upper parts, without ports in a row.
    const uint32_t upper = (at / entries_ * 331) % kPerEntry;
    const auto wanted = static_cast<uint16_t>(upper * kRetaSize | entry);
    return inverse_toeplitz16(static_cast<uint16_t>(wanted ^ hash_));
  }

 private:
  static constexpr unsigned kPerEntry = 65536 / kRetaSize;

  uint16_t hash_, worker_, workers_, entries_;
  uint32_t position_;
};

}  // namespace penstock::flow
