// Which rule serves a request: the routes of one listener, compiled.
//
// Precedence is Gateway API's (v1, HTTPRouteSpec.hostnames and HTTPRouteRule.matches), read literally. Of all matches
// that a request meets the one serves it that is first by
//   1. the hostname: the exact name, then wildcards from the longest to the shortest, then routes without hostnames. A
//      route for a less specific hostname serves when none for a more specific one has a match that the request meets;
//   2. the path: Exact, then RegularExpression (the longer expression first), then PathPrefix (the longer first, "/" at
//      the end not counted). The specification leaves the place of regular expressions open; this is Envoy Gateway's;
//   3. a method; more conditions on headers; more on query parameters;
//   4. the older route; the route whose "namespace/name" sorts first; the rule, then the match, that stands first.
// A request for no path (CONNECT, OPTIONS *) meets only the prefix "/", and CONNECT only a match whose method it is: a
// tunnel is never opened by a rule that does not ask for one.
//
// Memory: immutable after build(), no pointer into what it was built from; shared by all workers, each with a Scratch
// of its own that control made. Thread: build() and make_scratch() control, find_route() the worker that owns the
// scratch.
//
// Cost of a request, whatever the number of routes: one table look-up per label of the host and per segment of the
// path, as far as some route goes; then the conditions of those matches alone that have this host and this very path or
// prefix; at most one pass over the fields, one over the query, one scan of the path and one scan per header and
// parameter with regular expressions, each linear in the request. At most kMaxHostsPerRequest hosts are looked into.
// Nothing is allocated, locked or thrown.
//
// Failure: build() names the field (HTTPRoute/ns/name spec.rules[0].matches[1].path.value: ...) and builds nothing.
// Null from find_route() is a 404. What the table does not do: choose a backend (config::pick_backend), apply filters,
// or decide which routes belong to the listener.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "l7/config/route.h"
#include "l7/http/message.h"
#include "l7/route/literal_tree.h"
#include "l7/route/subjects.h"

namespace penstock::route {

constexpr size_t kMaxRoutes = 65536;             // of one table
constexpr size_t kMaxEntries = 1024 * 1024;      // matches times hostnames: some hundred megabytes
constexpr uint32_t kMaxNodes = 8 * 1024 * 1024;  // segments of all literal paths, shared beginnings counted once
constexpr size_t kMaxHostsPerRequest = 129;      // 127 labels in 253 characters, the name itself, and every host

// A match that may serve; numbers point into what the table was built from.
struct Candidate {
  uint32_t action = 0;
  uint32_t route = 0;
  uint16_t rule = 0;
  uint16_t match = 0;
  uint32_t prefix_bytes = 0;  // of a PathPrefix: how much of the request's path it is, for ReplacePrefixMatch
  config::PathKind kind = config::PathKind::kPrefix;
  uint8_t method = 0;            // http::Method, or kAnyMethod
  uint16_t conditions = 0;       // so many,
  uint32_t first_condition = 0;  // from there
};

class RouteTable {
 public:
  static base::Result<RouteTable> build(std::span<const config::Route> routes);
  base::Result<Scratch> make_scratch() const { return subjects_.make_scratch(deepest_ + 1); }

  size_t candidates() const { return candidates_.size(); }

 private:
  friend class Compiler;
  friend class Search;

  static constexpr uint8_t kAnyMethod = UINT8_MAX;
  static constexpr uint32_t kNone = LiteralTree::kNone;

  // Candidates by number, ascending: numbers are given by precedence, so the first that is met is the one.
  struct List {
    uint32_t first = 0;  // in lists_; of a list of one, the candidate itself
    uint32_t count : 31 = 0;
    uint32_t flag : 1 = 0;  // the owner's
  };
  struct PathNode {
    List exact;
    List prefix;
    bool has_children() const { return exact.flag; }  // a look-up that is not made is a cache line that is not fetched
  };
  static_assert(sizeof(PathNode) == 16);
  struct Expression {  // a path's
    uint32_t number;
    uint32_t candidate;
  };
  // A host's number is that of its root in paths_.
  struct Host {
    uint32_t first_expression = 0;  // in expressions_, by number, then by candidate
    uint32_t expressions = 0;
  };
  struct HostNode {
    uint32_t exact = kNone;     // the host whose name ends here
    uint32_t wildcard = kNone;  // the host that is "*." and the name that ends here
  };
  struct Condition {
    uint32_t subject;
    uint32_t at;    // in texts_, or the number of an expression
    uint32_t size;  // kIsExpression, or of the text
  };
  static constexpr uint32_t kIsExpression = UINT32_MAX;

  RouteTable() = default;

  LiteralTree names_;  // of hosts, from the last label to the first
  std::vector<HostNode> host_nodes_;
  std::vector<Host> hosts_;
  uint32_t any_host_ = kNone;
  LiteralTree paths_;
  std::vector<PathNode> path_nodes_;
  uint32_t deepest_ = 0;
  std::vector<uint32_t> lists_;
  std::vector<Expression> expressions_;
  std::vector<Candidate> candidates_;
  std::vector<Condition> conditions_;
  std::string texts_;
  Subjects subjects_;
};

// The match that serves the request, or null. The head's path is normalised already.
const Candidate* find_route(const RouteTable& table, const http::RequestHead& head, Scratch& scratch);

}  // namespace penstock::route
