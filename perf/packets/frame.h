// The frames of one stream: headers made once and changed only where they change, payload copied from a pattern whose
// sums are known for every length, so that a packet costs two copies and the sums over its headers and its signature.
// What is written is right on the wire: lengths, IPv4 header checksum (RFC 791), transport checksum (RFC 768, 9293,
// 792, 4443).
//
// Memory: write() writes size - 4 bytes (no CRC) at `at` and nothing else; no allocation after construction. One
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "packets/signature.h"
#include "packets/sizes.h"
#include "packets/spec.h"

namespace penstock::load {

class Frame {
 public:
  Frame(const StreamSpec& spec, uint64_t seed);

  // Where the specification gives no Ethernet addresses of its own.
  void set_link(const base::MacAddress& own, const base::MacAddress& next_hop);
  void restart();  // the first packet again

  // The next packet, `size` bytes with CRC; at least what the headers (and the signature) need.
  void write(uint8_t* at, uint16_t size, const Signature& signature);

 private:
  void make_pattern(const StreamSpec& spec, uint64_t seed);
  void sum_headers();
  void advance();
  uint16_t transport_checksum(const uint8_t* signature, size_t fill, size_t l4_length) const;

  const Layout layout_;
  const bool signed_;
  const uint8_t checksum_at_;    // of the transport, from its first byte on; wire::kNoChecksum: none
  std::vector<uint8_t> header_;  // of the next packet
  Fields fields_;
  std::vector<uint8_t> pattern_;
  std::vector<uint32_t> sums_;  // of the first n bytes of the pattern, for every n
  std::vector<uint32_t> crcs_;
  uint64_t ip_sum_ = 0, l4_sum_ = 0;  // of header_, without lengths
  uint32_t esp_sequence_ = 0;
};

}  // namespace penstock::load
