// TCP headers and options: whatever parses is within bounds, and what was understood survives being written and read
// again. The first byte chooses the ECN field.
#include <cstdlib>

#include "l7/tcp/segment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock::tcp;
  if (size == 0) return 0;
  Segment s;
  const penstock::base::Bytes tcp{data + 1, size - 1};
  if (!parse_segment(tcp, static_cast<Ecn>(data[0] & 3), s)) return 0;
  const Options& o = s.options;
  if (s.payload.size() > tcp.size() || o.sack_count > kMaxSackBlocks) std::abort();
  if (o.window_scale != kNoWindowScale && o.window_scale > kMaxWindowScale) std::abort();
  if (!s.payload.empty() && s.payload.data() + s.payload.size() != tcp.data() + tcp.size()) std::abort();
  const Outgoing reset = reset_for(s);
  if (!(reset.flags & penstock::wire::kTcpRst)) std::abort();

  Outgoing out;
  out.seq = s.seq;
  out.ack = s.ack;
  out.flags = s.flags;
  out.window = s.window;
  out.options = o;
  if (options_length(o) > kMaxOptionBytes) return 0;  // repeated kinds: more than one header holds when padded
  uint8_t header[penstock::wire::kTcpMaxLength];
  const size_t length = write_header(out, 1, 2, header);
  Segment again;
  if (length > sizeof header || !parse_segment({header, length}, s.ecn, again)) std::abort();
  const bool same = again.seq == s.seq && again.ack == s.ack && again.flags == s.flags && again.window == s.window &&
                    again.options.mss == o.mss && again.options.window_scale == o.window_scale &&
                    again.options.sack_permitted == o.sack_permitted &&
                    again.options.has_timestamps == o.has_timestamps && again.options.sack_count == o.sack_count &&
                    again.payload.empty();
  if (!same) std::abort();
  for (size_t i = 0; i < o.sack_count; ++i) {
    if (!(again.options.sack[i] == o.sack[i])) std::abort();
  }
  return 0;
}
