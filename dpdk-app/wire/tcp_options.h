// The MSS option of a TCP SYN (RFC 9293 §3.7.1): find it, and clamp it to what the path carries, in place.
//
// Memory: reads and writes only tcp[0, header_length). Hot enough for every SYN: bounded by the 40 option bytes.
// Hostile options (length 0 or 1, beyond the header) end the search: such a SYN passes unchanged, its receiver judges.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/parse.h"

namespace penstock::wire {

// Offset of the option's value from the first byte of the TCP header; 0: none. `header_length` is 20–60, options
// included.
inline size_t find_mss(const uint8_t* tcp, size_t header_length) {
  for (size_t at = kTcpMinLength; at < header_length;) {
    const uint8_t kind = tcp[at];
    if (kind == kTcpOptionEnd) return 0;
    if (kind == kTcpOptionNop) {
      ++at;
      continue;
    }
    if (at + 2 > header_length || tcp[at + 1] < 2 || at + tcp[at + 1] > header_length) return 0;
    if (kind == kTcpOptionMss) return tcp[at + 1] == kTcpOptionMssLength ? at + 2 : 0;
    at += tcp[at + 1];
  }
  return 0;
}

// Lowers the MSS of a SYN to `limit`, with its checksum. True when something changed. Later fragments and segments
// without SYN are left alone. `h` are the Headers of this very frame, parsed whole (not quoted).
inline bool clamp_mss(uint8_t* frame, const Headers& h, uint16_t limit) {
  if (h.protocol != kProtocolTcp || !(h.tcp_flags & kTcpSyn)) return false;
  uint8_t* tcp = frame + h.l4_offset;
  const size_t at = find_mss(tcp, static_cast<size_t>(h.payload_offset - h.l4_offset));
  if (at == 0 || base::load_be16(tcp + at) <= limit) return false;
  const auto before = base::load_raw<uint16_t>(tcp + at);
  base::store_be16(tcp + at, limit);
  const auto after = base::load_raw<uint16_t>(tcp + at);
  ChecksumDelta delta;
  // Behind an odd number of NOPs the value straddles two checksum words: its bytes count swapped (RFC 1071 §2B).
  if (at % 2 == 0) {
    delta.replace16(before, after);
  } else {
    delta.replace16(base::swap16(before), base::swap16(after));
  }
  base::store_raw(tcp + kTcpChecksumAt, apply(base::load_raw<uint16_t>(tcp + kTcpChecksumAt), delta));
  return true;
}

}  // namespace penstock::wire
