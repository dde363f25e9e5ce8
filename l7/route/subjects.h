// What conditions look at: the path, header fields and query parameters, each a number (a subject) in one table. Per
// request the values of all subjects are found in one pass over the fields, and one over the query, when the first
// condition asks; all regular expressions on one subject are one scan of its value, when the first of them is asked.
//
// Subjects: built by control, immutable, part of a RouteTable. Scratch: one worker's memory for one table, made by
// control; values in it are views of the request's head and of itself, good until the next begin(). Nothing is
// allocated while requests are looked at.
//
// The value of a field that came more than once is its values joined by "," (RFC 9110 5.3), of Cookie by "; " (RFC 9113
// 8.2.3). Host is the authority as it would be written, Upgrade the protocols asked for. Of a query parameter the first
// value counts, decoded. What must be joined or decoded for that and finds no room meets no condition; it is counted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "l7/http/message.h"
#include "l7/match/pattern_set.h"
#include "l7/route/literal_tree.h"

namespace penstock::route {

constexpr uint32_t kMaxNames = 4096;  // different names of header fields, and of query parameters, in one table

// Joined and decoded values of one request: what a head of the default limits has in all.
constexpr uint32_t kJoinedBytes = http::kDefaultFieldBytes + http::kDefaultTargetBytes;

class Subjects;

class Scratch {
 public:
  struct Counters {
    uint64_t scans = 0;            // regular expressions were asked of one subject
    uint64_t values_too_long = 0;  // a value found no room to be joined or decoded, and met no condition
  };
  const Counters& counters() const { return counters_; }

  void begin() {
    ++request_;
    joined_used_ = 0;
  }

 private:
  friend class Subjects;
  friend class Search;
  Scratch() = default;

  struct Value {
    uint64_t seen = 0;     // the request it is of
    uint64_t scanned = 0;  // the request whose expressions are found_
    bool usable = false;
    std::string_view text;
  };

  uint64_t request_ = 0;
  uint64_t headers_of_ = 0, query_of_ = 0;  // requests whose values are known
  std::vector<Value> values_;
  std::vector<uint64_t> found_;
  std::vector<uint32_t> nodes_;  // of Search
  match::Scratch patterns_;
  std::unique_ptr<char[]> joined_;
  uint32_t joined_used_ = 0;
  Counters counters_;
};

class Subjects {
 public:
  static constexpr uint32_t kPath = 0;

  Subjects();

  // Building. LiteralTree::kNone when there are kMaxNames already.
  uint32_t add_header(const std::string& lowered) { return add(Kind::kHeader, lowered); }
  uint32_t add_query(const std::string& name) { return add(Kind::kQuery, name); }
  // The number of the expression among those of the subject; the owner is the first that asked for it.
  uint32_t add_expression(uint32_t subject, const std::string& expression, const std::string& owner);
  base::Result<void> finish();

  // `nodes`: for Search's walk.
  base::Result<Scratch> make_scratch(size_t nodes) const;

  // Of the request since scratch.begin().
  bool equals(uint32_t subject, std::string_view value, const http::RequestHead& head, Scratch& scratch) const;
  bool matches(uint32_t subject, uint32_t expression, const http::RequestHead& head, Scratch& scratch) const {
    const uint64_t* found = scan(subject, head, scratch);
    return found && (found[expression / 64] >> expression % 64 & 1);
  }
  // The value itself, of a query parameter decoded, good until the next begin(); nothing where there is none.
  std::optional<std::string_view> value(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const;
  // After value() had nothing: it is there, and too long to be put together.
  bool is_unreadable(uint32_t subject, const Scratch& scratch) const {
    return scratch.values_[subject].seen == scratch.request_ && !scratch.values_[subject].usable;
  }
  // The bits of all expressions on the subject; null when there is no value.
  const uint64_t* scan(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const;
  size_t words(uint32_t subject) const { return all_[subject].patterns.words(); }

 private:
  enum class Kind : uint8_t { kPath, kHeader, kQuery };
  struct Subject {
    Kind kind;
    match::PatternSet patterns;
    uint32_t found_at = 0;  // in Scratch::found_
  };
  struct Wanted {  // while building
    std::vector<match::Pattern> patterns;
    std::map<std::string, uint32_t> numbers;
  };

  uint32_t add(Kind kind, const std::string& name);
  uint32_t header_subject(std::string_view lowered, http::FieldId id) const;
  void read_headers(const http::RequestHead& head, Scratch& scratch) const;
  void read_query(std::string_view query, Scratch& scratch) const;
  static void join(Scratch::Value& value, std::string_view separator, std::string_view more, Scratch& scratch);
  const Scratch::Value* value_of(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const;

  LiteralTree names_;
  std::array<uint32_t, 2> roots_{};  // of header names, of parameter names
  std::array<uint32_t, 2> counts_{};
  std::vector<uint32_t> of_node_;      // names_'s node -> subject
  std::array<uint32_t, 64> of_field_;  // FieldId -> subject
  bool unlisted_headers_ = false;      // some header's name has no FieldId
  std::vector<Subject> all_;
  std::vector<Wanted> wanted_;
};

}  // namespace penstock::route
