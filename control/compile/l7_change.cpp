// What a change means for L7: nothing, other endpoints behind the same routes, or all.
#include <map>
#include <string>

#include "control/compile/l7.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

using model::differ;

// Limits of packets are no business of L7.
bool request_limits_differ(const model::State& before, const model::State& after) {
  bool changed = false;
  model::for_each_change(before.rate_limits, after.rate_limits, [&changed](const auto& old, const auto& now) {
    changed |= (old && model::limits_requests(*old)) || (now && model::limits_requests(*now));
  });
  return changed;
}

// Whether references to the Service are answered alike: model::judge() asks only this of it.
bool is_same_backend(const model::Service* old, const model::Service* now) {
  if (!old || !now) return false;
  const auto ports_of = [](const model::Service& service) {
    std::map<uint16_t, std::string> ports;
    for (const model::ServicePort& port : service.ports)
      if (port.protocol == 6) ports.emplace(port.port, port.app_protocol);
    return ports;
  };
  return ports_of(*old) == ports_of(*now);
}

}  // namespace

// Who serves which request, and which clusters there are.
bool L7Part::routing_changed(const Round& round) const {
  const model::State& now = round.state;
  bool other_backends = false;
  model::for_each_change(state.services, now.services, [&](const auto& old, const auto& service) {
    other_backends |= !is_same_backend(old.get(), service.get());
  });
  return other_backends || state.node != now.node || differ(state.gateways, now.gateways) ||
         differ(state.http_routes, now.http_routes) || differ(state.tcp_routes, now.tcp_routes) ||
         differ(state.grants, now.grants) || differ(state.namespaces, now.namespaces) ||
         differ(state.faults, now.faults) || request_limits_differ(state, now) ||
         differ(state.listener_policies, now.listener_policies) ||
         differ(state.direct_responses, now.direct_responses) || differ(state.request_access, now.request_access) ||
         differ(state.request_inspections, now.request_inspections) ||
         differ(state.service_subsets, now.service_subsets) || sessions != round.sessions;
}

// What clusters are made from: ClusterInput.
bool L7Part::backends_changed(const Round& round, const ServicePart& services) const {
  const model::State& now = round.state;
  return differ(state.services, now.services) || differ(state.slices, now.slices) ||
         differ(state.service_policies, now.service_policies) ||
         (!now.service_subsets.empty() && differ(state.workloads, now.workloads)) || differ(down, services.down) ||
         reach != services.reach;
}

}  // namespace penstock::compile
