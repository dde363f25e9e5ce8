// A packet on its way through ESP: what the caller hands in and gets back. The buffer stays the caller's, whatever the
// verdict; while it is in_flight nobody may touch it.
#pragma once

#include <cstdint>

#include "engine/crypto/verdict.h"
#include "wire/parse.h"

struct rte_mbuf;

namespace penstock::crypto {

class Sa;

// Where ESP lies in an inbound packet, as find_esp() (esp_in.h) saw it.
struct EspPlace {
  uint16_t esp_at = 0;  // first byte of the ESP header, from the outer IP header
  uint16_t end = 0;     // one past the last byte of the outer datagram
  uint8_t outer_traffic_class = 0;
  bool in_udp = false;
};

struct EspPacket {
  rte_mbuf* packet = nullptr;  // begins at an IP header: no Ethernet
  Sa* sa = nullptr;            // an OutboundSa to encrypt, an InboundSa to decrypt; of the lane's own worker
  uint64_t cookie = 0;         // the caller's, comes back untouched
  EspPlace place;              // inbound only
  uint32_t identity = 0;       // the number in the identity header (identity_header.h), where the SA has one
  EspVerdict verdict = EspVerdict::done;
  wire::Headers inner;  // of a packet that was decrypted; offsets count from its IP header
};

}  // namespace penstock::crypto
