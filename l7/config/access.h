// Who may do what: rules over requests that allow or deny them. Names and meanings are those of Istio's
// AuthorizationPolicy where it has them.
//
// Immutable values, built and checked by control; l7/guard compiles them. Texts are compared byte by byte; names of
// header fields and hosts are in lower case.
//
// What may be read in two ways is decided to the safe side: a condition of a DENY policy is met when one reading meets
// it, a condition of an ALLOW policy when all do. Readings are the lines of a repeated header field, the parameters of
// a repeated name, and two of the path: as it is forwarded, and as a lenient backend might read it
// (guard::lenient_path).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"

namespace penstock::config {

constexpr size_t kMaxAccessPolicies = 1024;
constexpr size_t kMaxAccessRules = 64;        // of one policy
constexpr size_t kMaxAccessItems = 512;       // of one list of a rule
constexpr size_t kMaxAccessConditions = 16;   // of headers, and of query parameters, in one rule
constexpr size_t kMaxAccessTextBytes = 1024;  // of one value
constexpr uint32_t kMaxGuardSlots = 32768;    // counters of rules and patterns, of all policies and inspections

enum class TextKind : uint8_t { kExact, kPrefix, kSuffix, kPresent, kRegex };

struct TextMatch {
  TextKind kind = TextKind::kExact;
  std::string value;  // kRegex: the whole text, in the language of match::PatternSet
  bool operator==(const TextMatch&) const = default;
};
using TextMatches = std::vector<TextMatch>;

// A header field or a query parameter. A request without it meets no `values`, and any `not_values`.
struct FieldMatch {
  std::string name;
  TextMatches values, not_values;  // one of these, if any are given; none of those
  bool operator==(const FieldMatch&) const = default;
};

// Met by a request that meets all of it; of a list one item, of a list that begins with "not_" none. Empty: anything.
struct AccessRule {
  std::string name;
  std::vector<base::Prefix> from, not_from;  // http::client_address()
  TextMatches hosts, not_hosts;              // without port
  TextMatches paths, not_paths;
  TextMatches methods, not_methods;
  std::vector<FieldMatch> headers, query;
  uint32_t slot = 0;  // of its counter; stable
  bool operator==(const AccessRule&) const = default;
};

enum class AccessAction : uint8_t { kDeny, kAllow };

struct AccessPolicy {
  std::string name;  // "namespace/name"
  AccessAction action = AccessAction::kAllow;
  bool shadow = false;  // counts what it would decide, and decides nothing
  std::vector<AccessRule> rules;
  uint32_t slot = 0;  // kAllow: counts what none of the ALLOW policies beside it allows; stable
  bool operator==(const AccessPolicy&) const = default;
};

}  // namespace penstock::config
