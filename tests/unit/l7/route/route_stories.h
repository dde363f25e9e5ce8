// Words to tell stories of routes with: routes in few lines, requests by a line, who serves them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "l7/route/route_table.h"

namespace penstock::route {

using Fields = std::vector<std::pair<std::string, std::string>>;

inline config::Match exact(std::string path) { return {{config::PathKind::kExact, std::move(path)}, {}, {}, {}}; }
inline config::Match prefix(std::string path) { return {{config::PathKind::kPrefix, std::move(path)}, {}, {}, {}}; }
inline config::Match regex(std::string path) { return {{config::PathKind::kRegex, std::move(path)}, {}, {}, {}}; }
inline config::Match with(config::Match match, http::Method method) {
  match.method = method;
  return match;
}
inline config::Match header(config::Match match, std::string name, std::string value, bool is_regex = false) {
  match.headers.push_back({std::move(name), std::move(value), is_regex});
  return match;
}
inline config::Match query(config::Match match, std::string name, std::string value, bool is_regex = false) {
  match.query.push_back({std::move(name), std::move(value), is_regex});
  return match;
}
// A route with a rule for each match.
inline config::Route route(std::string name, std::vector<std::string> hostnames, std::vector<config::Match> matches,
                           int64_t created = 0) {
  config::Route made{std::move(name), created, std::move(hostnames), {}};
  for (auto& match : matches) made.rules.push_back({"", {std::move(match)}, 0});
  return made;
}

inline std::string refusal(const std::vector<config::Route>& routes) {
  const auto table = RouteTable::build(routes);
  return table ? "" : table.error();
}

class Router {
 public:
  explicit Router(std::vector<config::Route> routes) : routes_(std::move(routes)), head_(http::HeadLimits{}) {
    auto table = RouteTable::build(routes_);
    if (!table) {
      ADD_FAILURE() << table.error();
      return;
    }
    table_.emplace(std::move(*table));
    auto scratch = table_->make_scratch();
    if (scratch) scratch_.emplace(std::move(*scratch));
  }

  // "name" or "name rule.match" of what serves the request; "404".
  std::string serves(const std::string& authority, const std::string& target, const Fields& fields = {},
                     http::Method method = http::Method::kGet) {
    head_.clear();
    head_.method = method;
    if (!authority.empty() && head_.set_authority(authority) != http::Fault::kNone) return "bad authority";
    const size_t mark = target.find('?');
    const std::string path = target.substr(0, mark);
    if (path.starts_with('/')) {
      if (head_.set_path(path, {}) != http::Fault::kNone) return "bad path";
    } else {
      head_.arena.append(path, head_.path_slice);
    }
    if (mark != std::string::npos && head_.set_query(target.substr(mark + 1)) != http::Fault::kNone) return "bad query";
    for (const auto& [name, value] : fields)
      if (head_.fields.add(name, value) != http::Fault::kNone) return "bad field";
    return serves(head_);
  }

  std::string serves(const http::RequestHead& head) {
    found_ = find_route(*table_, head, *scratch_);
    if (!found_) return "404";
    const config::Route& from = routes_[found_->route];
    std::string name = from.name;
    if (from.rules.size() > 1 || from.rules[0].matches.size() > 1)
      name += " " + std::to_string(found_->rule) + "." + std::to_string(found_->match);
    return name;
  }

  const Candidate* found() const { return found_; }
  const Scratch& scratch() const { return *scratch_; }
  http::RequestHead& head() { return head_; }

 private:
  std::vector<config::Route> routes_;
  std::optional<RouteTable> table_;
  std::optional<Scratch> scratch_;
  http::RequestHead head_;
  const Candidate* found_ = nullptr;
};

}  // namespace penstock::route
