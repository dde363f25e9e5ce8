// The oracle: all matches of all routes in order of precedence, tried one by one. Written from Gateway API's text
// without anything that makes the table quick, and with std::regex.
#pragma once

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "l7/config/hostname.h"
#include "l7/config/route.h"
#include "l7/http/message.h"

namespace penstock::route {

struct Place {
  uint32_t route, rule, match;
  bool operator==(const Place&) const = default;
};

class NaiveRouter {
 public:
  explicit NaiveRouter(const std::vector<config::Route>& routes) : routes_(routes) {}

  // Where the match stands that serves the request; false when none does.
  bool find(const http::RequestHead& head, Place& best) {
    bool any = false;
    Rank best_rank;
    for (uint32_t r = 0; r < routes_.size(); ++r) {
      const std::vector<std::string> everywhere{""};
      for (const std::string& hostname : routes_[r].hostnames.empty() ? everywhere : routes_[r].hostnames) {
        if (!config::covers(hostname, head.host())) continue;
        for (uint32_t i = 0; i < routes_[r].rules.size(); ++i) {
          const auto& given = routes_[r].rules[i].matches;
          const std::vector<config::Match> everything(1);
          const auto& matches = given.empty() ? everything : given;
          for (uint32_t m = 0; m < matches.size(); ++m) {
            if (!meets(head, matches[m])) continue;
            const Rank rank = rank_of(hostname, r, i, m, matches[m]);
            if (any && !(rank < best_rank)) continue;
            any = true;
            best_rank = rank;
            best = {r, i, m};
          }
        }
      }
    }
    return any;
  }

 private:
  // Smaller is first.
  using Rank = std::tuple<bool, long, int, long, bool, long, long, int64_t, std::string, uint32_t, uint32_t, uint32_t>;

  static long names_in(const std::vector<config::Condition>& conditions, bool any_case) {
    std::set<std::string> names;
    for (const auto& each : conditions) names.insert(any_case ? config::lowered(each.name) : each.name);
    return static_cast<long>(names.size());
  }

  Rank rank_of(const std::string& hostname, uint32_t r, uint32_t i, uint32_t m, const config::Match& match) const {
    const bool named = !hostname.empty() && hostname[0] != '*';
    std::string path = match.path.value;
    int kind = 0;
    if (match.path.kind == config::PathKind::kRegex) kind = 1;
    if (match.path.kind == config::PathKind::kPrefix) {
      kind = 2;
      if (path.back() == '/') path.pop_back();
    }
    return {!named,
            -static_cast<long>(hostname.size()),
            kind,
            -static_cast<long>(path.size()),
            !match.method,
            -names_in(match.headers, true),
            -names_in(match.query, false),
            routes_[r].created,
            routes_[r].name,
            r,
            i,
            m};
  }

  bool regex_is(const std::string& expression, const std::string& text) {
    auto [at, added] = compiled_.try_emplace(expression);
    if (added) at->second = std::regex(expression);
    return std::regex_match(text, at->second);
  }

  bool path_meets(const std::string& path, const config::PathMatch& match) {
    if (path.empty() || path[0] != '/') return match.kind == config::PathKind::kPrefix && match.value == "/";
    if (match.kind == config::PathKind::kExact) return path == match.value;
    if (match.kind == config::PathKind::kRegex) return regex_is(match.value, path);
    std::string prefix = match.value;
    if (prefix.back() != '/') prefix += '/';
    return (path + "/").starts_with(prefix);
  }

  bool meets(const http::RequestHead& head, const config::Match& match) {
    if (match.method ? *match.method != head.method : head.method == http::Method::kConnect) return false;
    if (!path_meets(std::string(head.path()), match.path)) return false;
    std::set<std::string> seen;
    for (const auto& each : match.headers) {
      const std::string name = config::lowered(each.name);
      if (!seen.insert(name).second) continue;
      std::string value;
      bool present = false;
      for (const http::Field& field : head.fields) {
        if (head.fields.name(field) != name) continue;
        value += (present ? "," : "") + std::string(head.fields.value(field));
        present = true;
      }
      if (!present || !(each.regex ? regex_is(each.value, value) : value == each.value)) return false;
    }
    seen.clear();
    for (const auto& each : match.query) {
      if (!seen.insert(each.name).second) continue;
      std::string value;
      if (!first_parameter(std::string(head.query()), each.name, value)) return false;
      if (!(each.regex ? regex_is(each.value, value) : value == each.value)) return false;
    }
    return true;
  }

  static std::string decoded(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size() && isxdigit(text[i + 1]) && isxdigit(text[i + 2])) {
        out += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
        i += 2;
      } else {
        out += text[i] == '+' ? ' ' : text[i];
      }
    }
    return out;
  }

  static bool first_parameter(const std::string& query, const std::string& name, std::string& value) {
    size_t at = 0;
    while (at <= query.size()) {
      size_t end = std::min(query.find('&', at), query.size());
      const std::string text = query.substr(at, end - at);
      const size_t equals = std::min(text.find('='), text.size());
      if (!text.empty() && decoded(text.substr(0, equals)) == name) {
        value = equals == text.size() ? "" : decoded(text.substr(equals + 1));
        return true;
      }
      at = end + 1;
    }
    return false;
  }

  const std::vector<config::Route>& routes_;
  std::map<std::string, std::regex> compiled_;
};

}  // namespace penstock::route
