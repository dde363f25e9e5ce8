#include <algorithm>
#include <bit>

#include "l7/config/hostname.h"
#include "l7/route/route_table.h"

namespace penstock::route {

class Search {
 public:
  Search(const RouteTable& table, const http::RequestHead& head, Scratch& scratch)
      : table_(table), head_(head), scratch_(scratch) {}

  // The hosts of the table that the request is for, from the most specific one.
  const Candidate* run() {
    uint32_t wildcards[kMaxHostsPerRequest];
    size_t count = 0;
    uint32_t exact = kNone, node = 0;
    for (std::string_view rest = config::without_final_dot(head_.host()); !rest.empty();) {
      const size_t dot = rest.rfind('.');
      std::string_view label = rest;
      if (dot != std::string_view::npos) label.remove_prefix(dot + 1);
      node = table_.names_.find(node, label);
      if (node == kNone) break;
      if (dot == std::string_view::npos) {
        exact = table_.host_nodes_[node].exact;
        break;
      }
      rest = rest.substr(0, dot);
      if (const uint32_t host = table_.host_nodes_[node].wildcard; host != kNone && !rest.empty())
        wildcards[count++] = host;
    }
    const Candidate* found = exact == kNone ? nullptr : at_host(exact);
    while (!found && count > 0) found = at_host(wildcards[--count]);
    if (!found && table_.any_host_ != kNone) found = at_host(table_.any_host_);
    return found;
  }

 private:
  static constexpr uint32_t kNone = LiteralTree::kNone;

  const Candidate* at_host(uint32_t host) {
    uint32_t* prefixes = scratch_.nodes_.data();
    size_t count = 0;
    uint32_t number = host;
    const RouteTable::PathNode* node = &table_.path_nodes_[number];
    if (node->prefix.count != 0) prefixes[count++] = number;
    std::string_view rest = head_.path();
    const bool has_path = !rest.empty() && rest.front() == '/';
    bool whole = false;
    while (has_path && !whole && node->has_children()) {
      rest.remove_prefix(1);
      const size_t slash = rest.find('/');
      const bool last = slash == std::string_view::npos;
      number = table_.paths_.find(number, rest.substr(0, slash));
      if (number == kNone) break;
      node = &table_.path_nodes_[number];
      if (node->prefix.count != 0) prefixes[count++] = number;
      whole = last;
      if (!last) rest.remove_prefix(slash);
    }
    const Candidate* found = nullptr;
    if (whole) found = first_of(node->exact);
    if (!found && has_path && !table_.expressions_.empty()) found = by_expression(table_.hosts_[host]);
    while (!found && count > 0) found = first_of(table_.path_nodes_[prefixes[--count]].prefix);
    return found;
  }

  const Candidate* first_of(const RouteTable::List& list) {
    if (list.count == 1) return holds(table_.candidates_[list.first]) ? &table_.candidates_[list.first] : nullptr;
    for (uint32_t i = 0; i < list.count; ++i)
      if (const Candidate& each = table_.candidates_[table_.lists_[list.first + i]]; holds(each)) return &each;
    return nullptr;
  }

  // Each expression of this host that the path is, and of their candidates the first by precedence.
  const Candidate* by_expression(const RouteTable::Host& host) {
    if (host.expressions == 0) return nullptr;
    const uint64_t* found = table_.subjects_.scan(Subjects::kPath, head_, scratch_);
    const RouteTable::Expression* at = table_.expressions_.data() + host.first_expression;
    const RouteTable::Expression* end = at + host.expressions;
    uint32_t best = kNone;
    for (size_t word = 0; word < table_.subjects_.words(Subjects::kPath); ++word) {
      for (uint64_t bits = found[word]; bits != 0; bits &= bits - 1) {
        const auto number = static_cast<uint32_t>(word * 64 + static_cast<size_t>(std::countr_zero(bits)));
        at = std::lower_bound(at, end, number, [](const auto& each, uint32_t wanted) { return each.number < wanted; });
        for (; at != end && at->number == number; ++at)
          if (at->candidate < best && holds(table_.candidates_[at->candidate])) best = at->candidate;
      }
    }
    return best == kNone ? nullptr : &table_.candidates_[best];
  }

  bool holds(const Candidate& candidate) {
    if (candidate.method != static_cast<uint8_t>(head_.method) &&
        (candidate.method != RouteTable::kAnyMethod || head_.method == http::Method::kConnect))
      return false;
    for (uint32_t i = 0; i < candidate.conditions; ++i) {
      const RouteTable::Condition& each = table_.conditions_[candidate.first_condition + i];
      if (each.size == RouteTable::kIsExpression) {
        if (!table_.subjects_.matches(each.subject, each.at, head_, scratch_)) return false;
      } else if (!table_.subjects_.equals(each.subject, {table_.texts_.data() + each.at, each.size}, head_, scratch_)) {
        return false;
      }
    }
    return true;
  }

  const RouteTable& table_;
  const http::RequestHead& head_;
  Scratch& scratch_;
};

const Candidate* find_route(const RouteTable& table, const http::RequestHead& head, Scratch& scratch) {
  scratch.begin();
  return Search(table, head, scratch).run();
}

}  // namespace penstock::route
