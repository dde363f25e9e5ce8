// Cutting an IPv4 packet that is larger than the egress MTU (RFC 791 §3.2), by copy: fragments are whole frames of
// their own, so that devices without scattered transmit can send them. IPv6 is never cut on the way (RFC 8200 §5).
#pragma once

#include <array>

#include "engine/packet.h"

namespace penstock::engine {

constexpr unsigned kMaxFragments = 64;  // 65535 bytes over an MTU of 1280

struct Fragments {
  unsigned count = 0;
  std::array<rte_mbuf*, kMaxFragments> mbufs;
};

// `p` is finished but for its length; its L2 header is copied to every piece. False: no buffers or too many pieces
// (none is left allocated). `p` itself stays the caller's.
bool cut_ipv4(const Packet& p, uint16_t mtu, Fragments& out);

}  // namespace penstock::engine
