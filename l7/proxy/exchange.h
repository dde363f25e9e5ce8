// One request and its answer (or one TCP connection) on its way between a client and an endpoint.
//
// A value of the worker: which connections, which part of the way, deadlines, and the few numbers of the configuration
// that count after the request's head is sent. Heads are lent (Message) from the request's first byte until its
// answer's last, or until it becomes a tunnel. The machine that moves it is Proxy.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>

#include "l7/config/action.h"
#include "l7/config/filters.h"
#include "l7/config/inspection.h"
#include "l7/http/forwarding.h"
#include "l7/limit/limiter.h"
#include "l7/proxy/access_record.h"
#include "l7/proxy/downstream_session.h"
#include "l7/proxy/limits.h"
#include "l7/proxy/upstream_session.h"

namespace penstock::proxy {

// kHolding comes before the first try, with or without kDelayed.
//
//   kHead ─► kDelayed ─► kWaiting ─► kConnecting ─► kSending ─► kStreaming ─► over
//     │          │          ▲ ▲           │            ▲            │  │
//     │          │          │ │           └────────────┤            │  └───► kTunnel ─► over
//     │          │          │ └── a kept connection ───┘            │
//     │          │       kBackoff ◄──────── a try failed ───────────┤
//     └──────────┴─────────────────► kAnswering ◄───────────────────┘
//                                        └─► over
enum class Phase : uint8_t {
  kHead,        // the request's head is read
  kDelayed,     // a fault filter holds it
  kHolding,     // the beginning of its content is read, to be inspected
  kWaiting,     // for a connection of the cluster
  kConnecting,  // a connection is made for it
  kSending,     // the head goes out as soon as there is room
  kStreaming,   // both bodies
  kBackoff,     // before another try
  kAnswering,   // the gateway's own answer
  kTunnel,      // bytes both ways
};

// Why a try failed.
enum class Failure : uint8_t {
  kConnect,   // no connection came about
  kNoRoom,    // none could be begun: the worker has no room, or no source port
  kReset,     // the connection ended before the answer's head was complete
  kProtocol,  // what came is no answer
  kTimeout,   // no answer in time
};

// config::Retry without a pointer into a generation.
struct RetryPolicy {
  void set(const config::Retry& from) {
    attempts = from.attempts;
    backoff = from.backoff;
    connect_failure = from.connect_failure;
    reset = from.reset;
    statuses = {};
    for (const uint16_t code : from.codes) statuses.add(code);
  }
  // What the cluster says besides; `route`: the route's own numbers stay.
  void add(const config::RetryRules& rules, bool route) {
    const bool any = rules.on & (config::kOn5xx | config::kOnGatewayError);
    if (!route) {
      attempts = rules.attempts;
      backoff = rules.backoff;
      connect_failure = reset = false;
    }
    connect_failure |= any || (rules.on & config::kOnConnectFailure);
    reset |= any || (rules.on & config::kOnReset);
    statuses.add(rules.statuses);
    max_retry_after = rules.max_retry_after;
    non_idempotent = rules.non_idempotent;
    hedge = rules.hedge;
  }

  base::Nanos backoff = 0, max_retry_after = 0;
  config::StatusSet statuses;
  uint8_t attempts = 0;
  bool connect_failure = false;
  bool reset = false;
  bool non_idempotent = false;
  bool hedge = false;
};

struct Message {
  explicit Message(const http::HeadLimits& limits) : request(limits), response(limits) {}
  http::RequestHead request;
  http::ResponseHead response;
};

struct MirrorCopy {
  uint32_t cluster = kNone;  // slot
  uint32_t session = kNone;
  ContentOut out;
};

// Of one request. Lent: most have none.
struct MirrorCopies {
  uint32_t count = 0;
  std::array<MirrorCopy, kMaxMirrors> each;
  std::span<MirrorCopy> all() { return {each.data(), count}; }
};

// The beginning of a request's content: until it may go on, and as long as it may have to be sent again.
struct HeldBody {
  std::unique_ptr<uint8_t[]> bytes =
      std::make_unique_for_overwrite<uint8_t[]>(config::encoded_room(config::kMaxInspectedBody));
};

// Content of one direction that is passed on no faster than limits of bandwidth allow (bandwidth.h).
struct Paced {
  limit::Shares shares;
  uint32_t credit = 0;    // bytes that may be read
  base::Nanos until = 0;  // no credit before; 0: ask
  flow::Rate throttle;    // of this exchange alone, in bytes; cost 0: none
  flow::TokenBucket bucket;
  uint32_t step = 0;  // of the throttle: bytes at once
  void spend(size_t bytes) { credit -= static_cast<uint32_t>(std::min<size_t>(bytes, credit)); }
  bool any() const { return shares.count != 0 || throttle.cost != 0; }
};

struct ExchangeState {
  Phase phase = Phase::kHead;
  uint32_t client = kNone;   // downstream session
  uint32_t backend = kNone;  // upstream session
  uint32_t aside = kNone;    // upstream session of a try that takes long, beside the running one (hedge.h)
  uint32_t message = kNone;
  uint32_t cluster = kNone;                                 // slot
  uint32_t endpoint = kNone;                                // slot, of the running or last try
  uint32_t avoid = kNone;                                   // slot, of the try that failed
  uint32_t session = kNone;                                 // slot, of the endpoint that the client's session has
  uint32_t session_born = 0;                                // seconds since 1970
  uint32_t session_cluster = 0;                             // config::Cluster::id
  uint64_t hash = 0;                                        // for the cluster's policy
  uint32_t next_waiting = kNone, previous_waiting = kNone;  // for a connection of the cluster; in kHead, by age

  // Deadlines; 0: none.
  base::Nanos header_until = 0, request_until = 0, try_until = 0, stream_until = 0;
  base::Nanos stream_timeout = 0;
  base::Nanos backend_timeout = 0;
  base::Nanos moved_at = 0;
  base::Nanos aside_began = 0;

  // Slots of RateLimits that findings named, in head and content, and how many of them were asked.
  std::array<uint16_t, 2 * config::kMaxFoundLimits> found_limits;
  uint8_t limits_found = 0, limits_asked = 0;
  std::array<uint32_t, 2> inspections{kNone, kNone};  // slots of those that look at the content
  uint32_t hold_bytes = 0;                            // so much of it; compressed, it is more that is held
  uint32_t hold_most = 0;
  uint32_t held = kNone, held_size = 0, held_at = 0;  // held_at: so much has gone to the endpoint of this try

  RetryPolicy retry;
  uint8_t retried = 0;
  http::Method method = http::Method::kGet;
  http::Version version = http::Version::kHttp11;
  bool upgrade = false;
  bool expects_continue = false;

  bool in_heads = false;  // among those whose head is read
  bool counted = false;   // among the cluster's requests
  bool reused = false;    // the connection had served before
  bool stale_retried = false;
  bool content_taken = false;   // some is not kept: it cannot be replayed any more
  bool content_ended = false;   // the client's request was read to its end
  bool request_ending = false;  // its end is still to go to the endpoint of this try
  bool request_done = false;    // that has gone
  bool interim_waits = false;   // an interim answer waits for room
  bool interim_sent = false;
  bool head_waits = false;        // the answer's head waits for room
  bool without_trailers = false;  // of the request
  bool response_begun = false;
  bool response_ending = false;
  bool close_client = false;     // the answer is the last one
  bool own_answer = false;       // by the gateway
  bool answer_ready = false;     // kDelayed: what the filters answer
  bool client_finished = false;  // kTunnel: the end was passed on
  bool backend_finished = false;
  bool hashed = false;           // the request has what the cluster's policy hashes
  bool session_moved = false;    // it had an endpoint
  bool session_renewed = false;  // its token is told anew
  bool aside_session = false;    // `aside` is to the session's endpoint
  bool reset_wanted = false;     // by a fault filter: in place of an answer

  Paced request_pace, response_pace;

  const config::Filters* rule_filters = nullptr;     // of the answer; of the adopted generation, or kept
  const config::Filters* backend_filters = nullptr;  // likewise
  const config::Filters* body_filters = nullptr;     // whose direct response's body is sent
  size_t body_at = 0;
  std::string_view origin;                     // that the rule's CORS allows, in the request's arena
  std::string_view limit_policy, limit_state;  // of the response fields of rate limits, likewise
  uint64_t retry_after = 0;                    // seconds, of a request that a rate limit refused
  std::optional<http::InterimGate> gate;
  uint32_t copies = kNone;

  AccessRecord record;

  bool replayable() const { return !content_taken && !interim_sent; }
  base::Nanos deadline() const {
    base::Nanos first = stream_timeout != 0 ? moved_at + stream_timeout : kMaxFarAway;
    for (const base::Nanos each :
         {header_until, request_until, try_until, stream_until, request_pace.until, response_pace.until})
      if (each != 0 && each < first) first = each;
    return first;
  }
};

struct Exchange : ExchangeState {
  explicit Exchange(const h1::Limits& answers) : up(answers) {}
  DownstreamStream down;
  UpstreamStream up;
};
static_assert(sizeof(Exchange) <= 1536, "Limits::exchanges of them");

}  // namespace penstock::proxy
