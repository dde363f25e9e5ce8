// Plain TCP: a client sends `request` bytes and gets `answer` bytes, again and again; or neither, then the server ends
// the connection at once, and that is all there is. Lengths are known to both ends and not said on the wire.
//
// Bytes of both directions are those of a pattern (pattern.h), which goes on from exchange to exchange, but the first
// of each request: kMore, or kLast, after whose answer the server ends the connection (who ends first has to remember
// it, and a client has only so many ports).
#pragma once

#include <cstdint>

namespace penstock::requests {

struct Exchange {
  static constexpr uint8_t kMore = '+', kLast = '.';

  uint64_t request = 1, answer = 1;  // bytes, up to 1 GiB; both 0, or none

  bool empty() const { return request == 0; }
  bool operator==(const Exchange&) const = default;
};

}  // namespace penstock::requests
