#include "l7/tcp/segment.h"

#include <algorithm>

#include "wire/tcp_options.h"

namespace penstock::tcp {

namespace {

constexpr size_t kTimestampsPadded = 12;  // two NOPs first (RFC 7323 appendix A)
constexpr size_t kSackPadded = 4;         // two NOPs, kind, length; then the blocks
constexpr size_t kSackBlockLength = 8;

bool read_option(const uint8_t* tcp, uint8_t kind, size_t at, size_t length, Options& out) {
  if (kind == wire::kTcpOptionMss && length + 2 == wire::kTcpOptionMssLength) {
    out.mss = base::load_be16(tcp + at);
  } else if (kind == wire::kTcpOptionWindowScale && length + 2 == wire::kTcpOptionWindowScaleLength) {
    out.window_scale = std::min(tcp[at], kMaxWindowScale);
  } else if (kind == wire::kTcpOptionSackPermitted && length + 2 == wire::kTcpOptionSackPermittedLength) {
    out.sack_permitted = true;
  } else if (kind == wire::kTcpOptionTimestamps && length + 2 == wire::kTcpOptionTimestampsLength) {
    out.has_timestamps = true;
    out.ts_value = base::load_be32(tcp + at);
    out.ts_echo = base::load_be32(tcp + at + 4);
  } else if (kind == wire::kTcpOptionSack && length % kSackBlockLength == 0) {
    out.sack_count = static_cast<uint8_t>(std::min(length / kSackBlockLength, kMaxSackBlocks));
    for (size_t i = 0; i < out.sack_count; ++i) {
      const uint8_t* block = tcp + at + i * kSackBlockLength;
      out.sack[i] = {base::load_be32(block), base::load_be32(block + 4)};
    }
  }
  return true;
}

uint8_t* put(uint8_t* at, std::initializer_list<uint8_t> bytes) { return std::copy(bytes.begin(), bytes.end(), at); }

uint8_t* put32(uint8_t* at, uint32_t value) {
  base::store_be32(at, value);
  return at + 4;
}

void write_options(const Options& o, uint8_t* at) {
  using namespace wire;
  if (o.mss != 0) {
    at = put(at, {kTcpOptionMss, kTcpOptionMssLength, static_cast<uint8_t>(o.mss >> 8), static_cast<uint8_t>(o.mss)});
  }
  if (o.window_scale != kNoWindowScale) {
    at = put(at, {kTcpOptionNop, kTcpOptionWindowScale, kTcpOptionWindowScaleLength, o.window_scale});
  }
  if (o.sack_permitted) {
    at = put(at, {kTcpOptionNop, kTcpOptionNop, kTcpOptionSackPermitted, kTcpOptionSackPermittedLength});
  }
  if (o.has_timestamps) {
    at = put(at, {kTcpOptionNop, kTcpOptionNop, kTcpOptionTimestamps, kTcpOptionTimestampsLength});
    at = put32(put32(at, o.ts_value), o.ts_echo);
  }
  if (o.sack_count != 0) {
    at = put(at,
             {kTcpOptionNop, kTcpOptionNop, kTcpOptionSack, static_cast<uint8_t>(2 + o.sack_count * kSackBlockLength)});
    for (size_t i = 0; i < o.sack_count; ++i) at = put32(put32(at, o.sack[i].begin), o.sack[i].end);
  }
}

}  // namespace

bool parse_segment(base::Bytes tcp, Ecn ecn, Segment& out) {
  if (tcp.size() < wire::kTcpMinLength) return false;
  const size_t header = static_cast<size_t>(tcp[wire::kTcpDataOffsetAt] >> 4) * 4;
  if (header < wire::kTcpMinLength || header > tcp.size()) return false;
  out.seq = base::load_be32(&tcp[wire::kTcpSeqAt]);
  out.ack = base::load_be32(&tcp[wire::kTcpAckAt]);
  out.flags = tcp[wire::kTcpFlagsAt];
  out.ecn = ecn;
  out.window = base::load_be16(&tcp[wire::kTcpWindowAt]);
  out.options = Options{};
  wire::for_each_option(tcp.data(), header, [&](uint8_t kind, size_t at, size_t length) {
    return read_option(tcp.data(), kind, at, length, out.options);
  });
  out.payload = tcp.subspan(header);
  return true;
}

size_t options_length(const Options& o) {
  size_t length = o.mss != 0 ? 4 : 0;
  if (o.window_scale != kNoWindowScale) length += 4;
  if (o.sack_permitted) length += 4;
  if (o.has_timestamps) length += kTimestampsPadded;
  if (o.sack_count != 0) length += kSackPadded + o.sack_count * kSackBlockLength;
  return length;
}

size_t write_header(const Outgoing& s, uint16_t src_port, uint16_t dst_port, uint8_t* out) {
  const size_t length = wire::kTcpMinLength + options_length(s.options);
  base::store_be16(out + wire::kTcpSrcPortAt, src_port);
  base::store_be16(out + wire::kTcpDstPortAt, dst_port);
  base::store_be32(out + wire::kTcpSeqAt, s.seq);
  base::store_be32(out + wire::kTcpAckAt, s.ack);
  out[wire::kTcpDataOffsetAt] = static_cast<uint8_t>(length / 4 << 4);
  out[wire::kTcpFlagsAt] = s.flags;
  base::store_be16(out + wire::kTcpWindowAt, s.window);
  base::store_be32(out + wire::kTcpChecksumAt, 0);  // and the urgent pointer behind it
  write_options(s.options, out + wire::kTcpMinLength);
  return length;
}

Outgoing reset_for(const Segment& segment) {
  Outgoing reset;
  if (segment.has(wire::kTcpAck)) {
    reset.seq = segment.ack;
    reset.flags = wire::kTcpRst;
  } else {
    reset.ack = segment.end();
    reset.flags = wire::kTcpRst | wire::kTcpAck;
  }
  return reset;
}

}  // namespace penstock::tcp
