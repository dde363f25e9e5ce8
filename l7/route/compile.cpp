// From routes to a RouteTable: matches sorted by precedence, then put where requests will look for them.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "l7/config/hostname.h"
#include "l7/route/route_table.h"

namespace penstock::route {

namespace {

// One match of a route before it has its number.
struct Draft {
  const config::Route* route;
  const config::Match* match;
  uint32_t route_number;
  uint16_t rule;
  uint16_t number;
  uint32_t action;
  std::string path;                                      // literal, or the expression
  std::vector<const config::Condition*> headers, query;  // those that count

  // Exact, RegularExpression, PathPrefix.
  int path_rank() const {
    switch (match->path.kind) {
      case config::PathKind::kExact:
        return 0;
      case config::PathKind::kRegex:
        return 1;
      case config::PathKind::kPrefix:
        return 2;
    }
    return 3;
  }
};

// Precedence within one host, points 2 to 4 of route_table.h.
bool before(const Draft& a, const Draft& b) {
  if (a.path_rank() != b.path_rank()) return a.path_rank() < b.path_rank();
  if (a.path.size() != b.path.size()) return a.path.size() > b.path.size();
  if (a.match->method.has_value() != b.match->method.has_value()) return a.match->method.has_value();
  if (a.headers.size() != b.headers.size()) return a.headers.size() > b.headers.size();
  if (a.query.size() != b.query.size()) return a.query.size() > b.query.size();
  return std::tie(a.route->created, a.route->name, a.route_number, a.rule, a.number) <
         std::tie(b.route->created, b.route->name, b.route_number, b.rule, b.number);
}

// Of several conditions on one name only the first (Gateway API, HTTPHeaderMatch.name, HTTPQueryParamMatch.name).
std::vector<const config::Condition*> that_count(const std::vector<config::Condition>& all, bool any_case) {
  std::vector<const config::Condition*> kept;
  std::set<std::string> names;
  for (const config::Condition& each : all)
    if (names.insert(any_case ? config::lowered(each.name) : each.name).second) kept.push_back(&each);
  return kept;
}

const std::vector<config::Match>& matches_of(const config::Rule& rule) {
  static const std::vector<config::Match> kEverything(1);
  return rule.matches.empty() ? kEverything : rule.matches;
}

}  // namespace

class Compiler {
 public:
  base::Result<RouteTable> run(std::span<const config::Route> routes) {
    if (routes.size() > kMaxRoutes)
      return base::Error{"HTTPRoute/" + routes[kMaxRoutes].name + ": more than " + std::to_string(kMaxRoutes) +
                         " routes for one listener"};
    if (auto drafted = draft(routes); !drafted) return base::Error{drafted.error()};
    table_.names_.add_root();
    add_hosts(routes);
    std::sort(drafts_.begin(), drafts_.end(), before);
    for (const Draft& each : drafts_)
      if (auto placed = place(each); !placed) return base::Error{placed.error()};
    finish_lists();
    if (auto built = table_.subjects_.finish(); !built) return base::Error{built.error()};
    return std::move(table_);
  }

 private:
  static constexpr uint32_t kNone = LiteralTree::kNone;

  // What a host or a node gets while it is filled.
  struct NodeLists {
    std::vector<uint32_t> exact, prefix;
    bool has_children = false;
  };

  base::Result<void> draft(std::span<const config::Route> routes) {
    for (uint32_t i = 0; i < routes.size(); ++i) {
      const config::Route& route = routes[i];
      if (auto checked = config::check(route); !checked) return checked;
      for (size_t r = 0; r < route.rules.size(); ++r) {
        const auto& matches = matches_of(route.rules[r]);
        for (size_t m = 0; m < matches.size(); ++m) {
          const config::PathMatch& path = matches[m].path;
          drafts_.push_back({&route, &matches[m], i, static_cast<uint16_t>(r), static_cast<uint16_t>(m),
                             route.rules[r].action,
                             path.kind == config::PathKind::kRegex ? path.value : config::literal_path(path),
                             that_count(matches[m].headers, true), that_count(matches[m].query, false)});
        }
      }
    }
    return {};
  }

  // Gives the draft its number and puts it under each of its hosts.
  base::Result<void> place(const Draft& draft) {
    const auto number = static_cast<uint32_t>(table_.candidates_.size());
    const std::string what = config::place_of(*draft.route, draft.rule, draft.number);
    Candidate candidate;
    candidate.action = draft.action;
    candidate.route = draft.route_number;
    candidate.rule = draft.rule;
    candidate.match = draft.number;
    candidate.kind = draft.match->path.kind;
    if (candidate.kind == config::PathKind::kPrefix) candidate.prefix_bytes = static_cast<uint32_t>(draft.path.size());
    candidate.method = draft.match->method ? static_cast<uint8_t>(*draft.match->method) : RouteTable::kAnyMethod;
    candidate.first_condition = static_cast<uint32_t>(table_.conditions_.size());
    if (auto done = add_conditions(draft, what); !done) return done;
    candidate.conditions = static_cast<uint16_t>(table_.conditions_.size() - candidate.first_condition);
    table_.candidates_.push_back(candidate);

    std::set<std::string> hostnames(draft.route->hostnames.begin(), draft.route->hostnames.end());
    if (hostnames.empty()) hostnames.insert("");
    if ((entries_ += hostnames.size()) > kMaxEntries)
      return base::Error{what + ": more than " + std::to_string(kMaxEntries) + " matches times hostnames"};
    for (const std::string& hostname : hostnames)
      if (auto done = put(draft, number, hosts_.at(hostname), what); !done) return done;
    return {};
  }

  base::Result<void> add_conditions(const Draft& draft, const std::string& what) {
    for (const bool header : {true, false}) {
      const std::string list = what + (header ? ".headers" : ".queryParams");
      for (const config::Condition* each : header ? draft.headers : draft.query) {
        Subjects& subjects = table_.subjects_;
        const uint32_t subject =
            header ? subjects.add_header(config::lowered(each->name)) : subjects.add_query(each->name);
        if (subject == kNone)
          return base::Error{list + ": more than " + std::to_string(kMaxNames) + " different names in all routes"};
        if (each->regex) {
          const std::string owner = list + " '" + each->name + "'";
          table_.conditions_.push_back(
              {subject, subjects.add_expression(subject, each->value, owner), RouteTable::kIsExpression});
          continue;
        }
        const auto [at, added] = texts_.try_emplace(each->value, static_cast<uint32_t>(table_.texts_.size()));
        if (added) table_.texts_ += each->value;
        if (table_.texts_.size() > UINT32_MAX) return base::Error{list + ": more than 4 GiB of values in all routes"};
        table_.conditions_.push_back({subject, at->second, static_cast<uint32_t>(each->value.size())});
      }
    }
    return {};
  }

  // All hosts come before all paths, so that a host's number is that of its root.
  void add_hosts(std::span<const config::Route> routes) {
    const std::vector<std::string> everywhere{""};
    for (const config::Route& route : routes) {
      for (const std::string& hostname : route.hostnames.empty() ? everywhere : route.hostnames) {
        const auto [at, added] = hosts_.try_emplace(hostname, kNone);
        if (added) at->second = add_host(hostname);
      }
    }
    table_.hosts_.resize(hosts_.size());
    expressions_.resize(hosts_.size());
    lists_.resize(hosts_.size());
    table_.host_nodes_.resize(table_.names_.nodes());
  }

  uint32_t add_host(std::string_view hostname) {
    const uint32_t host = table_.paths_.add_root();
    if (hostname.empty()) return table_.any_host_ = host;
    const bool wildcard = config::is_wildcard(hostname);
    uint32_t node = 0;
    std::string_view rest = wildcard ? hostname.substr(2) : hostname;
    for (bool more = true; more;) {
      const size_t dot = rest.rfind('.');
      node = table_.names_.add(node, rest.substr(dot + 1));
      more = dot != std::string_view::npos;
      if (more) rest = rest.substr(0, dot);
    }
    if (node >= table_.host_nodes_.size()) table_.host_nodes_.resize(node + 1);
    (wildcard ? table_.host_nodes_[node].wildcard : table_.host_nodes_[node].exact) = host;
    return host;
  }

  base::Result<void> put(const Draft& draft, uint32_t number, uint32_t host, const std::string& what) {
    if (draft.match->path.kind == config::PathKind::kRegex) {
      const uint32_t expression = table_.subjects_.add_expression(Subjects::kPath, draft.path, what + ".path.value");
      expressions_[host].push_back({expression, number});
      return {};
    }
    uint32_t node = host;
    uint32_t depth = 0;
    for (std::string_view rest = draft.path; !rest.empty(); ++depth) {
      const size_t slash = rest.find('/', 1);
      const bool last = slash == std::string_view::npos;
      if (node >= lists_.size()) lists_.resize(node + 1);
      lists_[node].has_children = true;
      node = table_.paths_.add(node, rest.substr(1, last ? slash : slash - 1));
      if (node >= kMaxNodes)  // kNone too
        return base::Error{what + ".path.value: more than " + std::to_string(kMaxNodes) + " segments in all routes"};
      rest = last ? std::string_view{} : rest.substr(slash);
    }
    table_.deepest_ = std::max(table_.deepest_, depth);
    if (node >= lists_.size()) lists_.resize(node + 1);
    auto& list = draft.match->path.kind == config::PathKind::kExact ? lists_[node].exact : lists_[node].prefix;
    list.push_back(number);
    return {};
  }

  RouteTable::List to_list(const std::vector<uint32_t>& numbers) {
    if (numbers.size() == 1) return {numbers.front(), 1, 0};
    const auto first = static_cast<uint32_t>(table_.lists_.size());
    table_.lists_.insert(table_.lists_.end(), numbers.begin(), numbers.end());
    const auto count = static_cast<uint32_t>(numbers.size());  // at most kMaxEntries
    return {first, count, 0};
  }

  void finish_lists() {
    table_.path_nodes_.resize(table_.paths_.nodes());
    for (size_t node = 0; node < lists_.size(); ++node) {
      table_.path_nodes_[node] = {to_list(lists_[node].exact), to_list(lists_[node].prefix)};
      table_.path_nodes_[node].exact.flag = lists_[node].has_children;
    }
    for (size_t host = 0; host < expressions_.size(); ++host) {
      auto& of_host = expressions_[host];
      std::sort(of_host.begin(), of_host.end(), [](const auto& a, const auto& b) {
        return std::tie(a.number, a.candidate) < std::tie(b.number, b.candidate);
      });
      table_.hosts_[host].first_expression = static_cast<uint32_t>(table_.expressions_.size());
      table_.hosts_[host].expressions = static_cast<uint32_t>(of_host.size());
      table_.expressions_.insert(table_.expressions_.end(), of_host.begin(), of_host.end());
    }
  }

  RouteTable table_;
  std::vector<Draft> drafts_;
  std::vector<NodeLists> lists_;                                  // of path nodes
  std::vector<std::vector<RouteTable::Expression>> expressions_;  // of hosts
  std::map<std::string, uint32_t> hosts_;
  std::map<std::string, uint32_t> texts_;  // in table_.texts_
  size_t entries_ = 0;
};

base::Result<RouteTable> RouteTable::build(std::span<const config::Route> routes) { return Compiler().run(routes); }

}  // namespace penstock::route
