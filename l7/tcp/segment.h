// A TCP segment as numbers and byte ranges: what comes in (Segment), what goes out (Outgoing), and their bytes.
//
// Memory: a Segment and an Outgoing point into memory of others (the packet; the connection's send chain) and are valid
// until the packet is freed, or the next call of the connection. Any thread, no allocation.
// Failure: parse_segment() is false for a header that is cut short or whose data offset lies; options that are
// malformed end the reading of options, what stood before them counts (RFC 9293 §3.2, MUST-7). Not here: the checksum
// and the IP header (wire/checksum.h, the host), ports (read by wire/parse.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "l7/tcp/sequence.h"
#include "wire/headers.h"

namespace penstock::tcp {

constexpr uint8_t kNoWindowScale = 0xff;
constexpr uint8_t kMaxWindowScale = 14;  // RFC 7323 §2.3: a larger shift counts as 14
constexpr size_t kMaxSackBlocks = 4;     // what 40 option bytes hold without timestamps (RFC 2018 §3)
constexpr size_t kMaxOptionBytes = 40;

struct SackBlock {
  Seq begin = 0;
  Seq end = 0;
  bool operator==(const SackBlock&) const = default;
};

struct Options {
  uint16_t mss = 0;  // 0: absent
  uint8_t window_scale = kNoWindowScale;
  bool sack_permitted = false;
  bool has_timestamps = false;
  uint8_t sack_count = 0;
  uint32_t ts_value = 0;
  uint32_t ts_echo = 0;
  std::array<SackBlock, kMaxSackBlocks> sack;
};

// IP's ECN field (RFC 3168 §5).
enum class Ecn : uint8_t { kNotEct = 0, kEct1 = 1, kEct0 = 2, kCe = 3 };

struct Segment {
  Seq seq = 0;
  Seq ack = 0;
  uint8_t flags = 0;
  Ecn ecn = Ecn::kNotEct;
  uint16_t window = 0;  // as on the wire, not scaled
  Options options;
  base::Bytes payload;

  bool has(uint8_t flag) const { return flags & flag; }
  // SEG.LEN of RFC 9293 §3.4: SYN and FIN count.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + (has(wire::kTcpSyn) ? 1 : 0) + (has(wire::kTcpFin) ? 1 : 0);
  }
  Seq end() const { return seq + length(); }
};

// `tcp` is the TCP header and all that follows it, padding cut off.
bool parse_segment(base::Bytes tcp, Ecn ecn, Segment& out);

// Pieces of one outgoing payload: 64 KiB of segmentation offload over chunks of 2 KiB, and one for an unaligned start.
constexpr size_t kMaxPieces = 33;

struct Outgoing {
  Seq seq = 0;
  Seq ack = 0;
  uint8_t flags = 0;
  Ecn ecn = Ecn::kNotEct;
  uint16_t window = 0;  // as on the wire, already scaled
  Options options;
  uint16_t segment_size = 0;  // payload bytes per packet when `length` is larger (TSO, GSO)
  uint16_t piece_count = 0;
  uint32_t length = 0;  // payload bytes in all pieces
  std::array<base::Bytes, kMaxPieces> pieces;
};

// Bytes the options take, padded to words: 0–40.
size_t options_length(const Options& options);

// Writes the TCP header with options (20–60 bytes), checksum 0; returns its length.
size_t write_header(const Outgoing& segment, uint16_t src_port, uint16_t dst_port, uint8_t* out);

// The reset that answers a segment for which there is no connection (RFC 9293 §3.10.7.1). Not for a RST.
Outgoing reset_for(const Segment& segment);

}  // namespace penstock::tcp
