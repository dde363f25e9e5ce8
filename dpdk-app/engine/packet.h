// One packet of a burst, and the burst. The burst belongs to one worker and lives for one pass of the stage list;
// an mbuf belongs to exactly one burst, queue or ring at a time. What must outlive the pass travels in the mbuf
// (Carry).
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "base/counter.h"
#include "flow/generation.h"
#include "flow/key.h"
#include "flow/verdict.h"
#include "wire/parse.h"

namespace penstock::crypto {
class OutboundSa;
}

namespace penstock::flow {
struct Flow;
struct ExactEntry;
}  // namespace penstock::flow

namespace penstock::engine {

constexpr unsigned kBurst = 64;  // packets; 64 beat 256 on an L1-bound path (tables and metadata stay in 32 KiB)
constexpr uint8_t kMaxHops =
    6;  // hand-offs of one packet: shard or SPI, fragment, steer, two mapping owners; more is a loop
constexpr uint32_t kNone32 = 0xffffffff;

// In the mbuf's private area: what the next worker, or the same one later, must know.
struct Carry {
  rte_mbuf* next_waiting;   // neighbour queue
  uint32_t fragment_ports;  // source << 16 | destination, as the first fragment had them
  uint8_t ports_known;      // fragment_ports and protocol are valid
  uint8_t protocol;         // of the fragment's transport
  uint8_t hops;             // hand-offs so far
  uint8_t at_owner;         // of a fragment: it was sent to the worker of its unfragmented packets
  flow::InterfaceId in;     // of a packet in a neighbour's queue or a crypto device; kNoInterface: the gateway's own
  uint8_t open_here;        // the receiving worker owns a mapping: it opens the flow
  uint8_t has_inside;       // of a hairpin: `inside` and `inside_port` are where it really goes
  uint16_t inside_port;
  base::IpAddress inside;
  uint16_t from_peer = flow::kNoPeer;       // it came out of the tunnel of this peer
  flow::Identity identity = flow::kNobody;  // of the sender, as the first worker or the tunnel found it
  uint16_t to_peer = flow::kNoPeer;         // another worker has decided that it goes into the tunnel of this one
  uint8_t path = flow::kActivePath;         // by this path of `to_peer`: a probe
  bool for_us = false;                      // see Findings
  uint16_t sealed_for;                      // of an outgoing frame that a NIC has to encrypt: by this port only
};

// Of a frame of our own: its TCP checksum, and of a long one the cutting, are left to the port it leaves by. It has all
// its headers in its first buffer.
constexpr uint64_t kUnfinished = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
inline bool is_unfinished(const rte_mbuf* m) { return (m->ol_flags & kUnfinished) != 0; }

// As what it is on the wire: what a device cuts is several packets.
inline void count_sent(base::PacketCounter& counter, const rte_mbuf* m) {
  uint64_t bytes = m->pkt_len;
  if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) [[unlikely]] {
    const uint32_t headers = m->l2_len + m->l3_len + m->l4_len;
    const uint64_t more = (m->pkt_len - headers - 1) / m->tso_segsz;
    counter.packets.add(more);
    bytes += more * headers;
  }
  counter.add(bytes);
}

inline Carry& carry_of(rte_mbuf* m) { return *static_cast<Carry*>(rte_mbuf_to_priv(m)); }

enum class Origin : uint8_t {
  kDevice,  // a NIC queue
  kWorker,  // handed over: sharding is done
  kOwn,     // the gateway's own: ICMP errors, RSTs, health checks; not filtered, tracked or limited
};

// What Answer sends back for a rejected packet.
enum class Answer : uint8_t {
  kNone,
  kReset,  // TCP RST; ICMP port unreachable for everything else
  kEcho,
  kTtlExpired,
  kNetUnreachable,
  kHostUnreachable,
  kPortUnreachable,
  kProhibited,  // communication administratively prohibited
  kTooBig,      // fragmentation needed / packet too big, with Packet::mtu
};

// What the stages find out about a packet. Every pass begins with these values, written at once.
struct Findings {
  flow::Verdict verdict = flow::Verdict::kContinue;
  flow::DropReason reason = flow::DropReason::kNone;
  Answer answer = Answer::kNone;
  uint8_t direction = 0;                                // of `flow`: 0 original, 1 reply
  flow::InterfaceId in = flow::kNoInterface;            //
  flow::InterfaceId out = flow::kNoInterface;           // set by Steer (and Exact)
  uint16_t mtu = 0;                                     // of the way out, for kTooBig and fragmentation
  uint8_t owner = 0;                                    // kHandOff, or `to_peer` without association: to whom
  uint8_t dscp = 0xff;                                  // to set; 0xff: leave
  uint16_t from_peer = flow::kNoPeer;                   // it came out of the tunnel of this peer
  uint16_t to_peer = flow::kNoPeer;                     // it goes into the tunnel of this one
  uint16_t demand = 0;                                  // of a refused packet: who wants it encrypted (peer_table.h)
  flow::Identity identity = flow::kNobody;              // of the sender
  flow::Identity to_identity = flow::kNobody;           // of who has the destination address; set by Filter
  flow::FlowState state = flow::FlowState::kUntracked;  // as the filter sees it
  bool fragment_out = false;                            // larger than the egress MTU and may be cut
  bool related = false;                                 // ICMP error about `flow`
  bool has_hash = false;
  bool has_key = false;         // `key` and `key_hash` are valid
  bool stale = false;           // `flow` was last judged in another generation
  bool redirected = false;      // an exact entry names the next hop
  bool from_us = false;         // an answer speaks with the address the packet was sent to
  bool opened = false;          // `flow` was made for this packet
  bool to_group_frame = false;  // unicast IPv4 in a broadcast or multicast frame
  bool traced = false;
  bool terminates = false;           // a connection or listener of the gateway takes it
  bool for_us = false;               // let in though clear, because it is for the gateway itself: no service has it
  bool in_clear = false;             // goes to `to_peer` as it is
  uint8_t path = flow::kActivePath;  // of `to_peer`; probes go by others
  uint32_t hash = 0;                 // owner hash (flow/shard.h); valid when has_hash
  uint32_t route = 0;                // RouteTable result of the destination
  uint32_t next_hop = kNone32;       // index into RouteTable::next_hops(); kNone32: none
  uint32_t rule = kNone32;           // filter rule index; flow::kNoRule
  uint32_t shadow_rule = kNone32;    // of a rule in shadow that would have decided
  uint32_t flow_index = kNone32;     // index of `flow` in its table
  uint32_t connection = kNone32;     // of the local host, when it `terminates`
  uint64_t mirrors = 0;              // mirror slots, a bit each
  flow::Flow* flow = nullptr;
  flow::ExactEntry* exact = nullptr;
  crypto::OutboundSa* association = nullptr;  // of `to_peer`; null: `owner` has one
};

struct Packet : Findings {
  rte_mbuf* mbuf;
  uint8_t* data;    // first byte of the frame
  uint32_t length;  // of the whole frame
  wire::Headers headers;
  uint64_t key_hash;  // of `key`
  uint64_t trace_id;  // when `traced`
  flow::FlowKey key;  // as it arrived; valid from Find on when the packet is IP
};

struct Burst {
  unsigned count = 0;
  Origin origin = Origin::kDevice;
  bool has_fragments = false;
  bool tracing = false;  // some packet has `traced`
  std::array<Packet, kBurst> packets;

  Packet* begin() { return packets.data(); }
  Packet* end() { return packets.data() + count; }
};

inline void drop(Packet& p, flow::DropReason reason) {
  p.verdict = flow::Verdict::kDrop;
  p.reason = reason;
}

inline void reject(Packet& p, flow::DropReason reason, Answer answer) {
  p.verdict = flow::Verdict::kReject;
  p.reason = reason;
  p.answer = answer;
}

inline base::Bytes frame_of(const Packet& p) { return {p.data, rte_pktmbuf_data_len(p.mbuf)}; }

}  // namespace penstock::engine
