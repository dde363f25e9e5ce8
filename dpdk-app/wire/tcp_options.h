// TCP options (RFC 9293 §3.2): visit them in order; find the MSS of a SYN (§3.7.1) and clamp it to the path, in place.
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

// Calls visit(kind, offset of the value, length of the value) for each option but NOP, until End, the end of the
// header, a malformed option, or a visit that returns false. `header_length` is 20–60, options included.
template <typename Visit>
inline void for_each_option(const uint8_t* tcp, size_t header_length, Visit&& visit) {
  for (size_t at = kTcpMinLength; at < header_length;) {
    const uint8_t kind = tcp[at];
    if (kind == kTcpOptionEnd) return;
    if (kind == kTcpOptionNop) {
      ++at;
      continue;
    }
    if (at + 2 > header_length || tcp[at + 1] < 2 || at + tcp[at + 1] > header_length) return;
    if (!visit(kind, at + 2, static_cast<size_t>(tcp[at + 1] - 2))) return;
    at += tcp[at + 1];
  }
}

// Offset of the option's value from the first byte of the TCP header; 0: none, or the first one is malformed.
inline size_t find_mss(const uint8_t* tcp, size_t header_length) {
  size_t found = 0;
  for_each_option(tcp, header_length, [&](uint8_t kind, size_t value, size_t length) {
    if (kind != kTcpOptionMss) return true;
    if (length + 2 == kTcpOptionMssLength) found = value;
    return false;
  });
  return found;
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
