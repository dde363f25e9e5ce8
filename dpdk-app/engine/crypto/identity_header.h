// The identity header: who sent a packet, as a number, between ESP and the inner datagram.
//
//   ESP header, IV | identity header | inner IP datagram | ESP trailer, ICV
//                   \______________ encrypted ________________/
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+-------+---------------+-------------------------------+
//   |Version| Flags |  Next Header  |           Reserved            |
//   +-------+-------+---------------+-------------------------------+
//   |                        Identity number                        |
//   +---------------------------------------------------------------+
//
//   Version      1. Another one is dropped: both sides agreed on this one beforehand.
//   Flags        0.
//   Next Header  4 (IPv4) or 41 (IPv6): the inner datagram.
//   Reserved     0.
//   Identity     the sender's number of the source's identity, which it told the receiver; 0: it knows of none.
//
// ESP's own next header field says 253, from the range for experiments (RFC 3692): 4 and 41 would make a receiver that
// did not agree take the header for an IP datagram; with 253 it drops the packet by name. ESP's ICV covers the header,
// so nobody between the gateways can change it, and encryption hides it. It is 8 bytes, so that the inner datagram
// keeps its alignment, and the tunnel's inner MTU is 8 less. Only where both sides agreed (SaSpec::identities): then
// every packet has one, else none, but dummies (RFC 4303 §2.6), which have nothing inside.
//
// Pure; any thread. What it does not do: say what a number means (flow/identity.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "wire/headers.h"

namespace penstock::crypto {

constexpr size_t kIdentityHeaderLength = 8;
constexpr uint8_t kProtocolIdentity = 253;  // in ESP's trailer
constexpr uint8_t kIdentityVersion = 1;

struct IdentityHeader {
  uint32_t identity = 0;
  uint8_t next_header = 0;
};

inline void write_identity(uint8_t* at, uint32_t identity, uint8_t next_header) {
  at[0] = kIdentityVersion << 4;
  at[1] = next_header;
  base::store_be16(at + 2, 0);
  base::store_be32(at + 4, identity);
}

// Nothing: cut short, of another version, or not zero where it must be.
inline std::optional<IdentityHeader> read_identity(std::span<const uint8_t> bytes) {
  if (bytes.size() < kIdentityHeaderLength) return std::nullopt;
  if (bytes[0] != kIdentityVersion << 4 || base::load_be16(&bytes[2]) != 0) return std::nullopt;
  if (bytes[1] != wire::kProtocolIpip && bytes[1] != wire::kProtocolIpv6) return std::nullopt;
  return IdentityHeader{base::load_be32(&bytes[4]), bytes[1]};
}

}  // namespace penstock::crypto
