// What routers of the underlay say of ESP packets of ours that were too long for a link (RFC 1191 §3, RFC 8201 §4,
// RFC 4301 §8.2). Anybody can send such a message: it counts only when it quotes an SPI that we send with, which the
// caller looks up, between the two ends of a path; it can only lower an MTU, not below what every link carries; and it
// is forgotten after kAge, so that a path that got wider is found again.
//
// Thread: one. Time: CLOCK_MONOTONIC ns, given. Does not: probe for an MTU (RFC 8899).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"

namespace penstock::liveness {

constexpr base::Nanos kAge = 600 * base::kNanosPerSecond;  // RFC 1191 §6.3, RFC 8201 §4: ten minutes
constexpr uint16_t kLeastMtu4 = 576, kLeastMtu6 = 1280;    // RFC 1122 §3.3.3 and as validation of a Peer; RFC 8200 §5

// "Fragmentation needed" or "packet too big", about ESP or ESP in UDP.
struct TooBig {
  base::IpAddress local, remote;  // of the packet it is about
  uint32_t spi = 0;
  uint16_t mtu = 0;  // of the link, raised to the least
};

// Nothing: another message, or it does not quote enough to tell. `frame`: from Ethernet on, checksums verified.
std::optional<TooBig> parse_too_big(base::Bytes frame);

class PathMtus {
 public:
  using ByAddress = std::map<base::IpAddress, uint16_t>;

  // False: it is no news, as the path's MTU is `now_used` already.
  bool learn(uint16_t peer, const base::IpAddress& remote, uint16_t mtu, uint16_t now_used, base::Nanos now);
  // A peer of which something was forgotten; call until there is none.
  std::optional<uint16_t> next_aged(base::Nanos now);
  void keep(const std::set<uint16_t>& peers);  // and forget all others
  ByAddress of(uint16_t peer) const;

 private:
  struct Known {
    uint16_t mtu = 0;
    base::Nanos until = 0;
  };
  std::map<uint16_t, std::map<base::IpAddress, Known>> known_;
};

}  // namespace penstock::liveness
