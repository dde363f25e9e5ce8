// Rate limits of requests and of the bandwidth of their content: which requests a limit is about, which of them share a
// bucket, and at what rate.
//
// Immutable values of a generation, built by control, read by workers; the tokens are in the workers (l7/limit), at the
// limit's stable slot. Which limits a request meets is decided before, by Gateway, listener, route and rule: lists of
// numbers into RequestLimits::all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "l7/config/route.h"

namespace penstock::config {

constexpr size_t kMaxLimitsPerRequest = 16;    // all of them are asked before any is charged
constexpr size_t kMaxFoundLimits = 8;          // besides: those that findings of two inspections name
constexpr size_t kMaxSharesPerContent = 2;     // limits of bandwidth on the content of one request, or of one answer
constexpr size_t kMaxLimitComponents = 8;      // of one key
constexpr size_t kMaxPathPatternBytes = 1024;  // as of a path

// One thing that requests of a bucket have in common. A request without it is not limited.
struct LimitComponent {
  enum class Kind : uint8_t {
    kSource,       // the address, or its first bits
    kHeader,       // the value of a field
    kCookie,       // the value of a cookie
    kQuery,        // the value of a query parameter, decoded
    kPath,         // as it is matched
    kPathPattern,  // the segments that the pattern names
    kHost,         // without port
    kMethod,
  };
  Kind kind = Kind::kSource;
  std::string name;                         // kHeader (lower case), kCookie, kQuery; kPathPattern: the pattern
  uint32_t subject = 0;                     // kHeader, kCookie, kQuery: in the generation's MatchSet
  uint8_t v4_length = 32, v6_length = 128;  // kSource
  bool operator==(const LimitComponent&) const = default;
};

struct RequestLimit {
  enum class Measure : uint8_t {
    kRequests,         // refused when there are too many
    kRequestContent,   // bits that clients send: read no faster
    kResponseContent,  // bits that backends answer: likewise
  };
  std::string name;   // "namespace/name"
  uint32_t slot = 0;  // stable
  Measure measure = Measure::kRequests;
  double per_second = 0;            // requests, or bits
  double burst = 1;                 // likewise
  std::vector<Match> matches;       // any of them; none: every request
  std::vector<LimitComponent> key;  // empty: one bucket for all
  bool shadow = false;              // counts what it would refuse, and refuses nothing
  bool headers = false;             // answers that pass say what is left, too
  std::string policy;               // the value of RateLimit-Policy
};

struct RequestLimits {
  using List = std::vector<uint32_t>;  // into `all`
  struct OfListener {
    List unrouted;  // of requests that no route serves; of TCP connections: bandwidth by at most the source
    std::vector<List> of_route;  // by number of route in the listener's table
  };
  std::vector<RequestLimit> all;  // all[i]'s matches are list i of the MatchSet
  std::vector<List> of_action;    // by number of action
  std::vector<OfListener> of_listener;
};

// "/users/{user}/orders/**": literal segments, {names} whose segments are part of the key, "*" for any one segment, and
// "**" at the end for whatever follows. `what` begins the error.
base::Result<void> check_path_pattern(const std::string& pattern, const std::string& what);

}  // namespace penstock::config
