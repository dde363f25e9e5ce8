// What can happen to a packet, and every way to lose one. The drop list is written once, here; counters, traces,
// metrics, captures and tests take names, sentences and severities from it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::flow {

// How a stage leaves a packet. A stage acts only on packets whose verdict is the one it waits for.
enum class Verdict : uint8_t {
  kContinue,   // goes on through the list
  kForward,    // has a next hop: rewrite, encrypt, resolve, transmit
  kLocal,      // for the gateway itself: Answer looks at it
  kReject,     // to be answered with RST or ICMP, then dropped under its reason
  kPunt,       // to the control thread
  kTwin,       // to the kernel twin of the port it came in by (or, from the twin, out of that port)
  kHandOff,    // to the worker that owns its flow
  kTerminate,  // to a connection or listener of this worker (engine/local_host.h)
  kHeld,       // kept by a stage (fragment or neighbour queue); no longer in the burst
  kDrop,       // lost under PacketMeta::reason
};

enum class Severity : uint8_t {
  kExpected,  // policy did it: filter, limits
  kPeer,      // the sender is wrong or hostile
  kCapacity,  // a bound of ours was reached: an operator should look
  kFault,     // configuration or device trouble
};

// name (as in counters and metrics), sentence, severity
#define PENSTOCK_DROP_REASONS(X)                                                                                   \
  X(truncated_ethernet, "frame shorter than its Ethernet header", kPeer)                                           \
  X(malformed_vlan, "too many VLAN tags", kPeer)                                                                   \
  X(truncated_ip, "packet shorter than its IP header says", kPeer)                                                 \
  X(bad_ip_version, "IP version disagrees with the EtherType", kPeer)                                              \
  X(bad_ip_header_length, "IPv4 header length or options malformed", kPeer)                                        \
  X(bad_ip_checksum, "IPv4 header checksum wrong", kPeer)                                                          \
  X(bad_ip_total_length, "IPv4 total length below its header length", kPeer)                                       \
  X(malformed_extension, "IPv6 extension header chain malformed or too long", kPeer)                               \
  X(truncated_transport, "TCP, UDP or ICMP header cut short", kPeer)                                               \
  X(bad_transport_header, "TCP data offset or UDP length impossible", kPeer)                                       \
  X(tiny_fragment, "first fragment too small for its transport header", kPeer)                                     \
  X(bad_fragment, "fragment beyond 65535 bytes or of odd length", kPeer)                                           \
  X(bad_l4_checksum, "TCP, UDP or ICMP checksum of a packet to the gateway wrong", kPeer)                          \
  X(unknown_ether_type, "neither IP nor ARP", kPeer)                                                               \
  X(unknown_vlan, "VLAN tag without a sub-interface", kPeer)                                                       \
  X(not_for_us, "unicast frame to another MAC address", kPeer)                                                     \
  X(interface_down, "interface is down or being removed", kFault)                                                  \
  X(martian_source, "source address that no host may send from", kPeer)                                            \
  X(martian_destination, "destination address that may not be forwarded", kPeer)                                   \
  X(land, "source equals destination", kPeer)                                                                      \
  X(reverse_path, "no route back to the source through this interface", kPeer)                                     \
  X(source_route, "source route option or routing header type 0", kPeer)                                           \
  X(ttl_expired, "TTL or hop limit reached zero", kPeer)                                                           \
  X(no_route, "no route to the destination", kFault)                                                               \
  X(route_blackhole, "route says blackhole", kExpected)                                                            \
  X(route_unreachable, "route says unreachable", kExpected)                                                        \
  X(route_prohibit, "route says prohibit", kExpected)                                                              \
  X(too_big, "larger than the egress MTU and may not be fragmented", kPeer)                                        \
  X(neighbour_queue_full, "too many packets wait for the next hop's MAC address", kCapacity)                       \
  X(neighbour_failed, "next hop did not answer ARP or neighbour discovery", kFault)                                \
  X(neighbour_table_full, "no room for another neighbour", kCapacity)                                              \
  X(fragment_table_full, "too many fragmented datagrams at once", kCapacity)                                       \
  X(fragment_timeout, "first fragment never came", kPeer)                                                          \
  X(fragment_overlap, "fragment overlaps another (RFC 5722)", kPeer)                                               \
  X(multicast_not_forwarded, "multicast or broadcast that nothing here wants", kExpected)                          \
  X(filter_denied, "a filter rule denies it", kExpected)                                                           \
  X(filter_rejected, "a filter rule rejects it", kExpected)                                                        \
  X(filter_default, "the interface's default action denies it", kExpected)                                         \
  X(exact_drop, "an exact flow entry drops it", kExpected)                                                         \
  X(limit_exceeded, "over a rate limit", kExpected)                                                                \
  X(limit_table_full, "no room for another per-source bucket", kCapacity)                                          \
  X(flow_table_full, "no room for another flow", kCapacity)                                                        \
  X(flow_admission, "new flow refused while the table is under pressure", kCapacity)                               \
  X(flow_invalid, "TCP segment that no tracked connection can have", kPeer)                                        \
  X(flow_endpoint_down, "its endpoint went down and flows are reset", kExpected)                                   \
  X(draining, "new flow while the gateway drains", kExpected)                                                      \
  X(service_no_port, "virtual address, but no service on this port", kPeer)                                        \
  X(service_no_endpoint, "service without a usable endpoint", kFault)                                              \
  X(nat_ports_exhausted, "no free source port in the NAT pool", kCapacity)                                         \
  X(nat_no_address, "no NAT address of this family", kFault)                                                       \
  X(nat_source_limit, "source holds as many mappings as it may", kExpected)                                        \
  X(nat_no_mapping, "packet to a NAT address without a mapping", kPeer)                                            \
  X(egress_not_allowed, "destination not in the egress allow-list", kExpected)                                     \
  X(icmp_unmatched, "ICMP error about no flow of ours", kPeer)                                                     \
  X(local_unwanted, "for the gateway's own address, but nothing listens", kExpected)                               \
  X(punt_limited, "over the rate the control thread takes packets at", kCapacity)                                  \
  X(punt_queue_full, "control thread's queue full", kCapacity)                                                     \
  X(hand_off_full, "ring to the owning worker full", kCapacity)                                                    \
  X(hand_off_loop, "handed from worker to worker too often", kFault)                                               \
  X(twin_missing, "exception packet without a kernel twin", kFault)                                                \
  X(no_buffers, "packet buffer pool empty", kCapacity)                                                             \
  X(tx_queue_full, "transmit queue full", kCapacity)                                                               \
  X(tx_refused, "device refused the packet", kFault)                                                               \
  X(mirror_no_buffer, "copy not made: buffer pool empty", kCapacity)                                               \
  X(esp_shared_buffer, "packet buffer has another owner, so it must not be written", kFault)                       \
  X(esp_segmented, "packet in several segments that do not fit one buffer", kFault)                                \
  X(esp_pending_offload, "packet waits for a checksum or segmentation that a device can only do in clear", kFault) \
  X(esp_no_headroom, "no room before the packet for the outer headers", kFault)                                    \
  X(esp_no_tailroom, "no room behind the packet for padding and ICV", kFault)                                      \
  X(esp_malformed_inner, "inner packet is not a well-formed IP datagram", kPeer)                                   \
  X(esp_too_big, "inner packet exceeds the tunnel's MTU and must not be fragmented", kPeer)                        \
  X(esp_needs_fragmentation, "inner packet exceeds the tunnel's MTU and may be fragmented before ESP", kPeer)      \
  X(esp_lifetime_expired, "SA past its lifetime in time, bytes or packets", kFault)                                \
  X(esp_sequence_exhausted, "SA close to the end of its sequence numbers", kFault)                                 \
  X(esp_device_full, "crypto device took no more operations", kCapacity)                                           \
  X(esp_crypto_failed, "crypto device could not do the operation", kFault)                                         \
  X(esp_device_failed, "given up: the crypto device that had it failed, or nothing stands in for it", kFault)      \
  X(esp_outer_fragment, "ESP in an IP fragment (RFC 4303 3.4.1)", kPeer)                                           \
  X(esp_not_esp, "neither ESP nor UDP", kPeer)                                                                     \
  X(esp_nat_keepalive, "NAT keepalive (RFC 3948 2.3)", kExpected)                                                  \
  X(esp_non_esp_marker, "UDP with the non-ESP marker: key exchange (RFC 3948 2.2)", kExpected)                     \
  X(esp_truncated_esp, "ESP packet shorter than its header, IV, trailer and ICV", kPeer)                           \
  X(esp_misaligned_esp, "length of the ESP ciphertext is no multiple of its block", kPeer)                         \
  X(esp_wrong_spi, "SPI belongs to another SA", kPeer)                                                             \
  X(esp_wrong_encapsulation, "UDP encapsulation where the SA has none, or none where it has", kPeer)               \
  X(esp_zero_sequence, "ESP sequence number zero", kPeer)                                                          \
  X(esp_replayed, "ESP sequence number seen before", kPeer)                                                        \
  X(esp_too_old, "ESP sequence number older than the window", kPeer)                                               \
  X(esp_failed_authentication, "integrity check value wrong", kPeer)                                               \
  X(esp_bad_padding, "ESP padding is not 1, 2, 3, ... or longer than the payload", kPeer)                          \
  X(esp_bad_next_header, "ESP next header is neither IPv4 nor IPv6", kPeer)                                        \
  X(esp_dummy, "traffic flow confidentiality dummy (RFC 4303 2.6)", kExpected)                                     \
  X(esp_selector_mismatch, "inner packet lies outside the SA's selectors", kPeer)                                  \
  X(esp_congestion_lost, "outer header marked CE, inner flow cannot be told (RFC 6040 4.2)", kExpected)            \
  X(esp_identity_missing, "no identity header where the association has one", kPeer)                               \
  X(esp_identity_unexpected, "identity header where the association has none", kPeer)                              \
  X(esp_identity_malformed, "identity header cut short, of another version, or reserved bits set", kPeer)          \
  X(esp_inline_unknown, "decrypted by a NIC that has no key of its association", kFault)                           \
  X(esp_inline_strayed, "waits for a NIC to encrypt it, and would leave by another", kFault)                       \
  X(offload_refused, "left its checksum or cutting to a NIC, and the port it leaves by does neither", kFault)      \
  X(esp_unknown_spi, "ESP with an SPI of no association", kPeer)                                                   \
  X(clear_refused, "in clear, from where encryption is required", kPeer)                                           \
  X(clear_not_sent, "would leave in clear, to where encryption is required", kFault)                               \
  X(link_clear_refused, "in clear, by an interface where encryption is required", kPeer)                           \
  X(link_clear_not_sent, "would leave in clear by an interface where encryption is required", kFault)              \
  X(mirror_clear_refused, "copy not made: what is copied must be encrypted", kExpected)                            \
  X(key_queue_full, "too many packets wait for keys", kFault)                                                      \
  X(no_association, "no live association with the peer it must be encrypted to", kFault)                           \
  X(probe_malformed, "probe of a peer that is no STAMP packet of ours", kPeer)                                     \
  X(probe_unknown_path, "probe of a peer from an address that is not its own", kPeer)                              \
  X(probe_limited, "more answers to probes than the control thread takes", kCapacity)                              \
  X(identity_spoofed, "source address of a Workload that is not on this interface or has another MAC", kPeer)      \
  X(identity_unknown, "from a peer, with the number of an identity that it never told", kPeer)                     \
  X(identity_changed, "another identity than the one whose flow it would use", kPeer)                              \
  X(shutdown, "gateway stopped while it held the packet", kExpected)

enum class DropReason : uint8_t {
  kNone = 0,
#define PENSTOCK_DROP_ENUM(name, sentence, severity) name,
  PENSTOCK_DROP_REASONS(PENSTOCK_DROP_ENUM)
#undef PENSTOCK_DROP_ENUM
      kCount
};

constexpr size_t kDropReasons = static_cast<size_t>(DropReason::kCount);

struct DropInfo {
  const char* name;
  const char* sentence;
  Severity severity;
};

const DropInfo& info(DropReason reason);  // kNone: {"none", ...}
const char* to_string(Verdict verdict);
const char* to_string(Severity severity);

}  // namespace penstock::flow
