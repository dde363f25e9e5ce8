// How often the filter decided what between two identities: when a flow begins or is judged again, and for every packet
// that is refused. Bounded: pairs that find no place are counted together as the last entry.
//
// One worker writes; any thread may read (a pair that is just being added may show zeros). Entries are never removed: a
// number is given to another identity only when all others were used (control/compile/identities.cpp).
#pragma once

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "flow/identity.h"

namespace penstock::flow {

constexpr size_t kMaxIdentityPairs = 4096;

struct IdentityPair {
  base::Counter key;  // 1 << 32 | from << 16 | to; 0: unused
  base::Counter allowed, denied, shadowed;

  Identity from() const { return static_cast<Identity>(key.read() >> 16); }
  Identity to() const { return static_cast<Identity>(key.read()); }
};

class IdentityPairs {
 public:
  IdentityPair& of(Identity from, Identity to) {
    const uint64_t key = uint64_t{1} << 32 | static_cast<uint64_t>(from) << 16 | to;
    const auto start = static_cast<size_t>(key * 0x9e3779b97f4a7c15 >> 52);
    for (size_t i = 0; i < kProbes; ++i) {
      IdentityPair& pair = pairs_[(start + i) % kMaxIdentityPairs];
      if (pair.key.read() == key) return pair;
      if (pair.key.read() != 0) continue;
      pair.key.set(key);
      return pair;
    }
    return pairs_[kMaxIdentityPairs];
  }

  const IdentityPair* begin() const { return pairs_.data(); }
  const IdentityPair* end() const { return pairs_.data() + kMaxIdentityPairs; }
  const IdentityPair& others() const { return pairs_[kMaxIdentityPairs]; }

 private:
  static constexpr size_t kProbes = 16;  // a cluster longer than that is a table nearly full

  std::array<IdentityPair, kMaxIdentityPairs + 1> pairs_;
};

}  // namespace penstock::flow
