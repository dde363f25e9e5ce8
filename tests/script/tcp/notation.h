// Segments in the notation of the stories: `S. 0:0(0) ack 1 win 20000 <mss 1000,sackOK>`. Sequence and acknowledgment
// numbers are relative to the initial number of their side, timestamps to the first one; `=N` is absolute, `*`
// anything.
//
// parse() throws std::runtime_error with what would be valid. Values; one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "l7/tcp/segment.h"

namespace penstock::tcp::script {

struct Number {
  bool any = true;
  bool absolute = false;
  int64_t value = 0;
  Seq from(Seq base) const { return static_cast<Seq>(value) + (absolute ? 0 : base); }
};
using Variables = std::map<std::string, int64_t>;

// 5, $R, $R+10-3, =0, *
Number number(const std::string& text, const Variables& variables);

struct Written {  // a segment as a story has it
  uint8_t flags = 0;
  Number seq, ack, window;
  uint32_t length = 0;
  bool any_options = false;
  bool any_timestamps = false;
  std::optional<uint8_t> fill;  // all bytes of the payload, instead of those of the stream
  std::optional<Ecn> ecn;
  Options options;           // sack and timestamps relative
  std::vector<uint8_t> raw;  // option bytes as written
};
Written parse(const std::vector<std::string>& words, const Variables& variables);

// The numbers that relative ones count from.
struct Bases {
  Seq sender = 0;    // of seq
  Seq receiver = 0;  // of ack, of SACK blocks
  uint32_t sender_time = 0;
  uint32_t receiver_time = 0;
};
std::vector<uint8_t> to_bytes(const Written& w, const Bases& bases, uint16_t window, base::Bytes payload);
std::string to_text(const Segment& s, const Bases& bases);
// Empty, or what differs.
std::string difference(const Written& expected, const Segment& got, const Bases& bases);

}  // namespace penstock::tcp::script
