// Routes as L7 decides by them: which requests a rule serves, and which action serves them. Plain immutable values,
// built off the hot path from HTTPRoute (or GRPCRoute) objects; l7/route compiles them. Names and meanings are those of
// Gateway API v1.
//
// Owner: whoever builds a generation. Thread: control. Failure: check() names the field and what would be valid. What
// a route belongs to (listeners, allowed namespaces, grants) is decided before: all routes that are compiled into one
// table serve one listener. Backends and filters are no knowledge of a route: a rule names an action by its number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "l7/config/limits.h"
#include "l7/http/method.h"

namespace penstock::config {

enum class PathKind : uint8_t {
  kExact,
  kPrefix,  // by whole segments: "/abc" serves "/abc", "/abc/" and "/abc/def", not "/abcd"; "/abc/" means the same
  kRegex    // the whole path; the language is that of match::PatternSet
};

struct PathMatch {
  PathKind kind = PathKind::kPrefix;
  std::string value = "/";
  bool operator==(const PathMatch&) const = default;
};

// A header field or a query parameter. Of several conditions on one name in one match only the first counts.
struct Condition {
  std::string name;  // header: any case; query parameter: decoded, exact
  std::string value;
  bool regex = false;  // else the value is compared byte by byte
  bool operator==(const Condition&) const = default;
};

struct Match {
  PathMatch path;
  std::optional<http::Method> method;
  std::vector<Condition> headers;
  std::vector<Condition> query;
  bool operator==(const Match&) const = default;
};

struct Rule {
  std::string name;
  std::vector<Match> matches;  // any of them; none means one that every request meets
  uint32_t action = 0;         // into the table of actions
  bool operator==(const Rule&) const = default;
};

struct Route {
  std::string name;                    // "namespace/name": in errors, and the second tie-break
  int64_t created = 0;                 // seconds since 1970: the first tie-break, older first
  std::vector<std::string> hostnames;  // none: every host
  std::vector<Rule> rules;
  uint32_t slot = 0;  // stable: counters of the same route from generation to generation
  bool operator==(const Route&) const = default;
};

// Bounds and syntax of one route; what a regular expression means is checked when it is compiled.
base::Result<void> check(const Route& route);
// One match of it; `what` is its path for errors.
base::Result<void> check(const Match& match, const std::string& what);

// "HTTPRoute/shop/front spec.rules[3].matches[0]": how errors name a match.
std::string place_of(const Route& route, size_t rule, size_t match);

// A literal path as requests are compared with it: escapes normalised as http::normalise_path does, and a prefix
// without its "/" at the end ("/" becomes ""). Of a path that check() passed.
std::string literal_path(const PathMatch& path);

// A header that can be matched: not one that the codecs take out of the fields (Connection, Transfer-Encoding, ...).
// Host and Upgrade can, though no fields either. `lowered` is in lower case.
bool is_matchable_header(std::string_view lowered);

std::string lowered(std::string_view text);

}  // namespace penstock::config
