#include "l7/route/match_set.h"

#include <algorithm>
#include <set>

namespace penstock::route {

namespace {

constexpr uint32_t kNone = LiteralTree::kNone;

base::Error too_many_names(const std::string& what) {
  return base::Error{what + ": more than " + std::to_string(kMaxNames) + " different names in all policies"};
}

// By whole segments; the literal prefix has no "/" at its end.
bool begins_with(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

}  // namespace

base::Result<uint32_t> MatchSet::add_header(const std::string& lowered, const std::string& what) {
  const uint32_t subject = subjects_.add_header(lowered);
  if (subject == kNone) return too_many_names(what);
  return subject;
}

base::Result<uint32_t> MatchSet::add_query(const std::string& name, const std::string& what) {
  const uint32_t subject = subjects_.add_query(name);
  if (subject == kNone) return too_many_names(what);
  return subject;
}

base::Result<void> MatchSet::add_conditions(const std::vector<config::Condition>& conditions, bool headers,
                                            const std::string& what, One& out) {
  std::set<std::string> names;
  for (const config::Condition& each : conditions) {
    const std::string name = headers ? config::lowered(each.name) : each.name;
    if (!names.insert(name).second) continue;  // of several on one name the first counts
    const auto subject = headers ? add_header(name, what) : add_query(name, what);
    if (!subject) return base::Error{subject.error()};
    Condition& condition = out.conditions.emplace_back();
    condition.subject = *subject;
    condition.regex = each.regex;
    condition.text = each.value;
    if (each.regex)
      condition.expression = subjects_.add_expression(*subject, each.value, what + " '" + each.name + "'");
  }
  return {};
}

base::Result<uint32_t> MatchSet::add(std::span<const config::Match> matches, const std::string& what) {
  std::vector<One> list;
  for (size_t i = 0; i < matches.size(); ++i) {
    const config::Match& match = matches[i];
    const std::string at = what + ".matches[" + std::to_string(i) + "]";
    One& one = list.emplace_back();
    one.path_kind = match.path.kind;
    one.method = match.method;
    if (match.path.kind == config::PathKind::kRegex)
      one.expression = subjects_.add_expression(Subjects::kPath, match.path.value, at + ".path.value");
    else
      one.path = config::literal_path(match.path);
    if (auto done = add_conditions(match.headers, true, at + ".headers", one); !done) return base::Error{done.error()};
    if (auto done = add_conditions(match.query, false, at + ".queryParams", one); !done)
      return base::Error{done.error()};
  }
  lists_.push_back(std::move(list));
  return static_cast<uint32_t>(lists_.size() - 1);
}

bool MatchSet::holds(const One& one, const http::RequestHead& head, Scratch& scratch) const {
  if (one.method && *one.method != head.method) return false;
  switch (one.path_kind) {
    case config::PathKind::kExact:
      if (head.path() != one.path) return false;
      break;
    case config::PathKind::kPrefix:
      if (!one.path.empty() && !begins_with(head.path(), one.path)) return false;
      break;
    case config::PathKind::kRegex:
      if (!head.path().starts_with('/') || !subjects_.matches(Subjects::kPath, one.expression, head, scratch))
        return false;
      break;
  }
  return std::all_of(one.conditions.begin(), one.conditions.end(), [&](const Condition& each) {
    return each.regex ? subjects_.matches(each.subject, each.expression, head, scratch)
                      : subjects_.equals(each.subject, each.text, head, scratch);
  });
}

bool MatchSet::meets(uint32_t list, const http::RequestHead& head, Scratch& scratch) const {
  const std::vector<One>& all = lists_[list];
  return all.empty() ||
         std::any_of(all.begin(), all.end(), [&](const One& each) { return holds(each, head, scratch); });
}

}  // namespace penstock::route
