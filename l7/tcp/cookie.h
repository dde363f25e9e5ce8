// SYN cookies (RFC 4987 §3.6): a SYN,ACK whose sequence number holds the connection, so that a flood of SYNs costs no
// memory; and initial sequence numbers (RFC 6528).
//
// The number is minute counter (5 bits) · MSS class (3 bits) · keyed hash (24 bits) over addresses, ports, the peer's
// number, counter and class. Window scale, SACK and ECN travel in the low 6 bits of our timestamp when the peer has the
// option, else they are given up. Valid for one to two periods of 64 s. Pure; the key is the stack's.
#pragma once

#include "base/address.h"
#include "l7/tcp/connection.h"
#include "l7/tcp/keyed_hash.h"

namespace penstock::tcp {

// A connection as this host sees it.
struct Tuple {
  base::IpAddress local;
  base::IpAddress remote;
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
  bool operator==(const Tuple&) const = default;
};
uint64_t hash_of(const HashKey& key, const Tuple& tuple);

constexpr base::Nanos kCookieLife = 128 * base::kNanosPerSecond;  // two periods

Seq initial_sequence(const HashKey& key, const Tuple& tuple, base::Nanos now);  // a clock of 4 µs plus a keyed hash
uint32_t timestamp_offset(const HashKey& key, const Tuple& tuple);

// The SYN,ACK that answers `syn` without a connection.
Outgoing cookie_answer(const HashKey& key, const Tuple& tuple, const Segment& syn, const Tuning& tuning,
                       base::Nanos now);
// True when `ack` answers such a SYN,ACK; then `opening` and `offer` are what accept_cookie() needs.
bool check_cookie(const HashKey& key, const Tuple& tuple, const Segment& ack, const Tuning& tuning, base::Nanos now,
                  Opening& opening, PeerOffer& offer);

}  // namespace penstock::tcp
