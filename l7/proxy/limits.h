// How much one worker's proxy holds at a time. What is beyond is refused by the name in the comment (counters.h).
//
// Everything is allocated when first needed, up to these bounds, and kept: the steady state allocates nothing.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "l7/config/cluster.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"
#include "l7/h1/limits.h"

namespace penstock::proxy {

constexpr uint32_t kMaxRouteSlots = 65536;  // as many as one table has routes

// How long bytes of a client are thrown away after the last answer, so that it is read before a reset (RFC 9112 9.6).
constexpr base::Nanos kLinger = 2 * base::kNanosPerSecond;
// When all messages are lent, the head that is read for longest gives way if it took longer than this: heads_evicted.
constexpr base::Nanos kHeadPatience = base::kNanosPerSecond;
// What a mirrored request may take until its connection is closed, answered or not.
constexpr base::Nanos kMirrorLife = 15 * base::kNanosPerSecond;
constexpr uint32_t kMaxMirrors = 2 * config::kMaxMirrors;  // of one request: its rule's and its backend's
// Content of a request that is kept to be sent again; with more of it the request has one try only.
constexpr uint32_t kReplayBytes = 64 * 1024;
constexpr uint32_t kMaxBackoffFactor = 10;       // of the configured back-off, as Envoy
constexpr base::Nanos kMaxFarAway = ~0ull >> 1;  // beyond any deadline, without wrapping when a time is added

struct Limits {
  uint32_t connections = 262144;  // ids of the transport, both sides together; connections_refused
  uint32_t clients = 131072;      // idle ones cost about 150 bytes; connections_refused
  uint32_t upstreams = 65536;     // about what one worker has ports for, of one address; upstreams_exhausted
  uint32_t exchanges = 131072;    // requests and tunnels under way, 1.5 KB each; exchanges_exhausted
  uint32_t messages = 16384;      // requests under way: pairs of heads, 200 KiB of address space; messages_exhausted
  // Beginnings of content, 81 KiB each: inspections wait for them (held_bodies_exhausted), and up to half of them are
  // kept for other tries.
  uint32_t held_bodies = 512;
  uint32_t log_records = 4096;  // that wait for the control thread, which looks every few milliseconds; log_lost
  uint32_t listener_slots = config::kMaxListeners;
  uint32_t route_slots = kMaxRouteSlots;
  uint32_t cluster_slots = config::kMaxClusters;
  uint32_t pool_slots = 4096;  // clusters with counters of their pool and durations, 300 bytes each; others: totals
  uint32_t endpoint_slots = config::kMaxClusterEndpoints;
  h1::Limits codec;  // of answers; requests have their listener's
  // What a message has room for: no limits of a listener or of answers are above.
  http::HeadLimits room{.field_count = http::kMaxFieldCount};
};

}  // namespace penstock::proxy
