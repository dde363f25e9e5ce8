#include "control/compile/l7_listener.h"

#include <algorithm>

namespace penstock::compile {

std::shared_ptr<const model::ListenerPolicy> policy_of(const model::State& state, const model::Name& gateway,
                                                       std::string_view listener) {
  std::shared_ptr<const model::ListenerPolicy> of_gateway;
  for (const auto& [name, policy] : state.listener_policies) {
    if (policy->gateway != gateway) continue;
    if (policy->section == listener) return policy;
    if (policy->section.empty()) of_gateway = policy;
  }
  return of_gateway;
}

bool say_the_same(const model::ListenerPolicy* a, const model::ListenerPolicy* b) {
  if (a == b || a == nullptr || b == nullptr) return a == b;
  model::ListenerPolicy other = *b;
  other.name = a->name;
  other.gateway = a->gateway;
  other.section = a->section;
  return *a == other;
}

void put_policy(const std::shared_ptr<const model::ListenerPolicy>& policy, std::vector<config::Filters>& filters,
                config::Listener& out) {
  const auto add = [&](const config::DirectResponse& answer) {
    filters.emplace_back().direct = std::shared_ptr<const config::DirectResponse>(policy, &answer);
    return static_cast<uint32_t>(filters.size() - 1);
  };
  out.timeouts = policy->timeouts;
  out.requests_per_connection = policy->requests_per_connection;
  out.forwarding = policy->forwarding;
  out.path = policy->path;
  out.limits = policy->limits;
  if (policy->proxy_protocol) out.proxies = policy->proxies;
  if (policy->proxy_protocol && policy->proxies.empty())
    out.proxies = {{base::IpAddress::v4(0), 0}, {base::IpAddress{}, 0}};  // everybody, of both families
  for (const model::LocalReply& reply : policy->replies) {
    const uint32_t answer = add(reply.answer);
    for (const uint16_t status : reply.statuses) {
      const auto same = [status](const config::OwnAnswer& each) { return each.status == status; };
      if (std::none_of(out.own_answers.begin(), out.own_answers.end(), same))
        out.own_answers.push_back({status, answer});
    }
  }
  if (policy->maintenance) out.maintenance = {policy->maintenance->except, add(policy->maintenance->answer)};
}

}  // namespace penstock::compile
