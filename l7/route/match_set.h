// Lists of matches that are asked one by one whether a request meets them, where a RouteTable finds the one route that
// serves it: what policies beside the routes are about.
//
// All lists share one table of subjects: per request the fields and the query are read at most once, and all regular
// expressions on one subject are one scan. Memory and threads are those of a RouteTable: built by control, immutable
// after finish(), each worker with a Scratch of its own. A list costs what its conditions cost; nothing is allocated.
// Failure: add() and finish() name the field. Conditions mean what they mean in a route, but that a match without a
// method also meets CONNECT: the request has its route already.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "l7/config/route.h"
#include "l7/http/message.h"
#include "l7/route/subjects.h"

namespace penstock::route {

class MatchSet {
 public:
  // Building. The number of the list; `what` begins an error: "RateLimit/ns/name spec".
  base::Result<uint32_t> add(std::span<const config::Match> matches, const std::string& what);
  // Numbers for value().
  base::Result<uint32_t> add_header(const std::string& lowered, const std::string& what);
  base::Result<uint32_t> add_query(const std::string& name, const std::string& what);
  base::Result<void> finish() { return subjects_.finish(); }
  base::Result<Scratch> make_scratch() const { return subjects_.make_scratch(0); }

  // Of the request since scratch.begin(). A list without matches is met by every request.
  bool meets(uint32_t list, const http::RequestHead& head, Scratch& scratch) const;
  // A query parameter's is decoded. Nothing: the request has none.
  std::optional<std::string_view> value(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const {
    return subjects_.value(subject, head, scratch);
  }
  bool is_unreadable(uint32_t subject, const Scratch& scratch) const {
    return subjects_.is_unreadable(subject, scratch);
  }

 private:
  struct Condition {
    uint32_t subject = 0;
    bool regex = false;
    uint32_t expression = 0;
    std::string text;
  };
  struct One {
    config::PathKind path_kind = config::PathKind::kPrefix;
    std::string path;         // literal
    uint32_t expression = 0;  // kRegex
    std::optional<http::Method> method;
    std::vector<Condition> conditions;
  };

  base::Result<void> add_conditions(const std::vector<config::Condition>& conditions, bool headers,
                                    const std::string& what, One& out);
  bool holds(const One& one, const http::RequestHead& head, Scratch& scratch) const;

  Subjects subjects_;
  std::vector<std::vector<One>> lists_;
};

}  // namespace penstock::route
