// What became of a packet in ESP, and every way to be refused. Written once, here: counters of an SA, metrics, drops
// and tests take names and sentences from this list.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::crypto {

// name (as in counters and metrics), sentence
#define PENSTOCK_ESP_VERDICTS(X)                                                                       \
  X(done, "encrypted, or decrypted and found in order")                                                \
  X(in_flight, "with the crypto device; EspLane::collect brings it back")                              \
  X(shared_buffer, "packet buffer has another owner, so it must not be written")                       \
  X(segmented, "packet in several segments that do not fit one buffer")                                \
  X(pending_offload, "packet waits for a checksum or segmentation that a device can only do in clear") \
  X(no_headroom, "no room before the packet for the outer headers")                                    \
  X(no_tailroom, "no room behind the packet for padding and ICV")                                      \
  X(malformed_inner, "inner packet is not a well-formed IP datagram")                                  \
  X(too_big, "inner packet exceeds the tunnel's MTU and must not be fragmented")                       \
  X(needs_fragmentation, "inner packet exceeds the tunnel's MTU and may be fragmented before ESP")     \
  X(lifetime_expired, "SA past its lifetime in time, bytes or packets")                                \
  X(sequence_exhausted, "SA close to the end of its sequence numbers")                                 \
  X(device_full, "crypto device took no more operations")                                              \
  X(crypto_failed, "crypto device could not do the operation")                                         \
  X(device_failed, "given up: the crypto device that had it failed, or nothing stands in for it")      \
  X(outer_fragment, "ESP in an IP fragment (RFC 4303 3.4.1)")                                          \
  X(not_esp, "neither ESP nor UDP")                                                                    \
  X(nat_keepalive, "NAT keepalive (RFC 3948 2.3)")                                                     \
  X(non_esp_marker, "UDP with the non-ESP marker: key exchange (RFC 3948 2.2)")                        \
  X(truncated_esp, "ESP packet shorter than its header, IV, trailer and ICV")                          \
  X(misaligned_esp, "length of the ESP ciphertext is no multiple of its block")                        \
  X(wrong_spi, "SPI belongs to another SA")                                                            \
  X(wrong_encapsulation, "UDP encapsulation where the SA has none, or none where it has")              \
  X(zero_sequence, "ESP sequence number zero")                                                         \
  X(replayed, "ESP sequence number seen before")                                                       \
  X(too_old, "ESP sequence number older than the window")                                              \
  X(failed_authentication, "integrity check value wrong")                                              \
  X(bad_padding, "ESP padding is not 1, 2, 3, ... or longer than the payload")                         \
  X(bad_next_header, "ESP next header is neither IPv4 nor IPv6")                                       \
  X(dummy, "traffic flow confidentiality dummy (RFC 4303 2.6)")                                        \
  X(selector_mismatch, "inner packet lies outside the SA's selectors")                                 \
  X(congestion_lost, "outer header marked CE, inner flow cannot be told (RFC 6040 4.2)")               \
  X(identity_missing, "no identity header where the association has one")                              \
  X(identity_unexpected, "identity header where the association has none")                             \
  X(identity_malformed, "identity header cut short, of another version, or reserved bits set")         \
  X(inline_unknown, "decrypted by a NIC that has no key of its association")

enum class EspVerdict : uint8_t {
#define PENSTOCK_ESP_ID(name, sentence) name,
  PENSTOCK_ESP_VERDICTS(PENSTOCK_ESP_ID)
#undef PENSTOCK_ESP_ID
};

#define PENSTOCK_ESP_ONE(name, sentence) +1
constexpr size_t kEspVerdicts = 0 PENSTOCK_ESP_VERDICTS(PENSTOCK_ESP_ONE);
#undef PENSTOCK_ESP_ONE

const char* to_string(EspVerdict verdict);    // "bad_padding"
const char* sentence_of(EspVerdict verdict);  // "ESP padding is not 1, 2, 3, ..."

}  // namespace penstock::crypto
