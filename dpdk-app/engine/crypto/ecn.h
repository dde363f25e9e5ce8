// ECN through a tunnel (RFC 6040). Pure tables; the two low bits of TOS or traffic class.
#pragma once

#include <array>
#include <cstdint>

#include "engine/crypto/sa_spec.h"

namespace penstock::crypto {

constexpr uint8_t kEcnMask = 3;
constexpr uint8_t kEcnNotEct = 0;
constexpr uint8_t kEcnEct1 = 1;
constexpr uint8_t kEcnEct0 = 2;
constexpr uint8_t kEcnCe = 3;
constexpr uint8_t kEcnDrop = 0xff;

// §4.1: the outer field of a packet that enters.
constexpr uint8_t enter_tunnel(uint8_t inner, EcnMode mode) {
  return mode == EcnMode::kNormal ? inner & kEcnMask : kEcnNotEct;
}

// §4.2, figure 4: the inner field of a packet that leaves, or kEcnDrop. Rows: inner; columns: outer.
constexpr uint8_t leave_tunnel(uint8_t inner, uint8_t outer) {
  constexpr std::array<std::array<uint8_t, 4>, 4> table{{
      // outer:  not-ECT     ECT(1)      ECT(0)      CE
      {kEcnNotEct, kEcnNotEct, kEcnNotEct, kEcnDrop},  // inner not-ECT
      {kEcnEct1, kEcnEct1, kEcnEct1, kEcnCe},          // inner ECT(1)
      {kEcnEct0, kEcnEct1, kEcnEct0, kEcnCe},          // inner ECT(0)
      {kEcnCe, kEcnCe, kEcnCe, kEcnCe},                // inner CE
  }};
  return table[inner & kEcnMask][outer & kEcnMask];
}

}  // namespace penstock::crypto
