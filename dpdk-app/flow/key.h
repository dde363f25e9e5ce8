// The exact identity of a flow's one direction, and the hash that spreads it. 40 bytes, compared as five words.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/bytes.h"

namespace penstock::flow {

struct FlowKey {
  base::IpAddress src, dst;
  uint16_t src_port = 0, dst_port = 0;  // host order; ICMP echo: the identifier in both
  uint8_t protocol = 0;
  uint8_t unused = 0;
  uint16_t zone = 0;  // exact flows: ingress interface + 1 (0: any); tracked flows: 0

  bool operator==(const FlowKey& other) const {
    uint64_t a[5], b[5];
    std::memcpy(a, this, sizeof a);
    std::memcpy(b, &other, sizeof b);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4])) == 0;
  }

  FlowKey reversed() const { return {dst, src, dst_port, src_port, protocol, 0, zone}; }
};
static_assert(sizeof(FlowKey) == 40 && std::has_unique_object_representations_v<FlowKey>);

// A per-process secret against hash flooding; drawn once at start.
struct HashSecret {
  uint64_t word[2] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
};

inline uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Hash for tables of one worker (multiply-fold over keyed words, as in wyhash).
inline uint64_t hash_of(const FlowKey& key, const HashSecret& secret) {
  uint64_t w[5];
  std::memcpy(w, &key, sizeof w);
  const uint64_t a = mix(w[0] ^ secret.word[0], w[1] ^ secret.word[1]);
  const uint64_t b = mix(w[2] ^ secret.word[1], w[3] ^ secret.word[0]);
  return mix(a ^ w[4] ^ 0x2d358dccaa6c78a5, b ^ secret.word[0]);
}

inline uint64_t hash_of(const base::IpAddress& address, uint64_t salt, const HashSecret& secret) {
  const uint64_t a = mix(base::load_raw<uint64_t>(&address.bytes[0]) ^ secret.word[0],
                         base::load_raw<uint64_t>(&address.bytes[8]) ^ secret.word[1]);
  return mix(a ^ salt, secret.word[0] ^ 0x8bb84b93962eacc9);
}

// The hash that decides the owning worker: the same for both directions of a flow, and the same as the NIC's
// (Toeplitz over addresses and ports with a 16-bit periodic key, which makes it symmetric). See flow/shard.h.

}  // namespace penstock::flow
