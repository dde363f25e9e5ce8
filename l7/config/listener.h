// Where clients come in: an address and port that Penstock's own TCP accepts on, and what speaks there. Listeners of a
// Gateway that differ only by hostname share one of these and one route table.
//
// Immutable; owned by the generation, built by control, read by workers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "l7/http/forwarding.h"
#include "l7/http/limits.h"
#include "l7/http/path.h"

namespace penstock::config {

constexpr size_t kMaxListeners = 1024;  // tcp::Listeners::kMax

inline bool contains(const std::vector<base::Prefix>& prefixes, const base::IpAddress& address) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const base::Prefix& each) { return each.contains(address); });
}

enum class Protocol : uint8_t {
  kHttp,  // HTTP/1.1 and 1.0; `table` chooses
  kTcp,   // bytes to the backend of `action`
};

struct ListenerTimeouts {
  base::Nanos header = 10 * base::kNanosPerSecond;   // from a request's first byte to the end of its head (slowloris)
  base::Nanos idle = 60 * base::kNanosPerSecond;     // between requests
  base::Nanos stream = 300 * base::kNanosPerSecond;  // a request or tunnel on which nothing moves
  bool operator==(const ListenerTimeouts&) const = default;
};

// What is said in place of an answer of the gateway's own: the direct response of a list of filters.
struct OwnAnswer {
  uint16_t status = 0;  // of the answer that it stands for
  uint32_t filters = 0;
};

// Nobody is served but clients in `except`.
struct Maintenance {
  std::vector<base::Prefix> except;
  uint32_t filters = 0;  // whose direct response is the answer
};

struct Listener {
  // "Gateway/namespace/name/listener": of several the one that was here first, for as long as it is. Unique; counters
  // and logs go by it and its slot. Connections go by address, port and protocol: another name does not end them.
  std::string name;
  uint32_t slot = 0;  // stable
  Protocol protocol = Protocol::kHttp;
  std::vector<base::IpAddress> addresses;  // at least one
  uint16_t port = 0;
  uint32_t table = 0;            // kHttp: into the route tables
  uint32_t action = 0;           // kTcp: into the actions
  std::vector<uint32_t> guards;  // by route of its table, config::kNoGuards: none; empty: none for all
  ListenerTimeouts timeouts;
  uint32_t requests_per_connection = 0;  // 0: no limit; the last answer says Connection: close
  http::ForwardingPolicy forwarding;     // `via` names a text that outlives every generation
  http::PathPolicy path;
  http::HeadLimits limits;            // of requests; none above its default but field_count
  std::vector<base::Prefix> proxies;  // whose connections begin with a header of the PROXY protocol
  std::vector<OwnAnswer> own_answers;
  std::optional<Maintenance> maintenance;
};

}  // namespace penstock::config
