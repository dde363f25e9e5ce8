// Between the numbers of a conversation and the bytes of its packets.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "control/health/conversation.h"

namespace penstock::health {

// An Ethernet frame (addresses zero) with the IP packet, checksums filled in.
std::vector<uint8_t> encode(const Flow& flow, const Segment& segment);

struct Answer {
  Flow flow;  // seen from us
  Segment segment;
  const char* unreachable = nullptr;   // an ICMP error that quotes a packet of `flow`: what it says
  std::optional<uint32_t> quoted_seq;  // of the TCP segment it quotes
};

// What a punted frame means to a check; nothing when it cannot be an answer.
std::optional<Answer> decode(base::Bytes frame);

}  // namespace penstock::health
