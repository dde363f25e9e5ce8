// What is looked for in requests: patterns (regular expressions that may be met anywhere in a text), where, and what is
// done about it.
//
// Immutable values, built and checked by control; l7/guard compiles them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace penstock::config {

constexpr size_t kMaxInspections = 256;
constexpr size_t kMaxInspectionPatterns = 4096;       // of one inspection: one database
constexpr size_t kMaxInspectionPatternsOfAll = 4096;  // twenty seconds of the control thread
constexpr size_t kMaxInspectedHeaders = 16;           // that one pattern names
constexpr size_t kMaxInspectionLimits = 4;            // RateLimits that the patterns of one inspection name
constexpr uint32_t kMaxInspectedBody = 64 * 1024;     // what is looked at of a request's content

// What is held of compressed content to look at so much of it: honest encoders need an eighth more for what cannot be
// compressed, a few bytes for each flush, and a header with a file's name.
constexpr uint32_t encoded_room(uint32_t bytes) { return bytes + bytes / 4 + 1024; }

enum InspectedPart : uint8_t {
  kInspectPath = 1 << 0,     // normalised, and decoded as often as it was encoded
  kInspectQuery = 1 << 1,    // as it is, and decoded likewise
  kInspectHeaders = 1 << 2,  // each value, Host included
  kInspectBody = 1 << 3,     // the first bytes of the content, inflated where it is compressed; of a form also decoded
};

enum class InspectionAction : uint8_t { kLog, kDeny, kTag, kLimit };

struct InspectionPattern {
  std::string name;
  std::string expression;  // the language of match::PatternSet
  bool ignore_case = false;
  bool dot_all = false;              // "." is any byte, line feeds too
  uint8_t parts = 0;                 // InspectedPart bits
  std::vector<std::string> headers;  // in lower case; besides `parts`
  InspectionAction action = InspectionAction::kLog;
  std::string tag_name, tag_value;  // kTag: the field that the backend gets
  std::string limit;                // kLimit: name of the RateLimit, in the inspection's namespace
  uint32_t limit_slot = 0;          // kLimit: of the RateLimit; stable
  uint32_t slot = 0;                // of its counter; stable
  bool operator==(const InspectionPattern&) const = default;
};

struct Inspection {
  std::string name;  // "namespace/name"
  std::vector<InspectionPattern> patterns;
  uint32_t body_bytes = 0;
  InspectionAction uninspectable = InspectionAction::kLog;  // kLog or kDeny: content that cannot be looked at
  uint32_t uninspectable_slot = 0;                          // of its counter; stable
  uint32_t slot = 0;                                        // stable
  bool operator==(const Inspection&) const = default;
};

}  // namespace penstock::config
