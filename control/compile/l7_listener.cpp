#include "control/compile/l7_listener.h"

#include <algorithm>

namespace penstock::compile {

const model::ListenerPolicy* policy_of(const model::State& state, const model::Name& gateway,
                                       std::string_view listener) {
  const model::ListenerPolicy* of_gateway = nullptr;
  for (const auto& [name, policy] : state.listener_policies) {
    if (policy->gateway != gateway) continue;
    if (policy->section == listener) return policy.get();
    if (policy->section.empty()) of_gateway = policy.get();
  }
  return of_gateway;
}

void put_policy(const model::ListenerPolicy& policy, std::vector<config::Filters>& filters, config::Listener& out) {
  const auto add = [&filters](const config::DirectResponse& answer) {
    filters.emplace_back().direct = answer;
    return static_cast<uint32_t>(filters.size() - 1);
  };
  out.timeouts = policy.timeouts;
  out.requests_per_connection = policy.requests_per_connection;
  out.forwarding = policy.forwarding;
  if (policy.proxy_protocol) out.proxies = policy.proxies;
  if (policy.proxy_protocol && policy.proxies.empty())
    out.proxies = {{base::IpAddress::v4(0), 0}, {base::IpAddress{}, 0}};  // everybody, of both families
  for (const model::LocalReply& reply : policy.replies) {
    const uint32_t answer = add(reply.answer);
    for (const uint16_t status : reply.statuses) {
      const auto same = [status](const config::OwnAnswer& each) { return each.status == status; };
      if (std::none_of(out.own_answers.begin(), out.own_answers.end(), same))
        out.own_answers.push_back({status, answer});
    }
  }
  if (policy.maintenance) out.maintenance = {policy.maintenance->except, add(policy.maintenance->answer)};
}

}  // namespace penstock::compile
