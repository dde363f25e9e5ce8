// RateLimit objects → LimitTable, and which limits hang on which interface, service and rule.
#include <algorithm>

#include "control/compile/l7.h"
#include "control/compile/parts.h"
#include "control/model/diff.h"

namespace penstock::compile {

namespace {

constexpr uint32_t kEthernet = 18;  // header and FCS: what a frame has beyond its MTU

uint32_t largest_frame(const model::State& state) {
  uint32_t mtu = 1500;
  if (state.node)
    for (const model::Interface& interface : state.node->interfaces) mtu = std::max<uint32_t>(mtu, interface.mtu);
  return mtu + kEthernet;
}

flow::LimitUnit unit_of(model::LimitUnit unit) {
  switch (unit) {
    case model::LimitUnit::kPackets:
      return flow::LimitUnit::kPackets;
    case model::LimitUnit::kBits:
      return flow::LimitUnit::kBits;
    case model::LimitUnit::kConnections:
      return flow::LimitUnit::kConnections;
    case model::LimitUnit::kRequests:
    case model::LimitUnit::kRequestsPerMinute:
    case model::LimitUnit::kRequestsPerHour:
      return flow::LimitUnit::kRequests;
    case model::LimitUnit::kRequestContent:
    case model::LimitUnit::kResponseContent:
      return flow::LimitUnit::kBits;
  }
  return flow::LimitUnit::kPackets;
}

flow::LimitBucket bucket_of(model::LimitBucket bucket) {
  switch (bucket) {
    case model::LimitBucket::kAggregate:
      return flow::LimitBucket::kAggregate;
    case model::LimitBucket::kSource:
      return flow::LimitBucket::kSource;
    case model::LimitBucket::kSourcePrefix:
      return flow::LimitBucket::kSourcePrefix;
    case model::LimitBucket::kFlow:
      return flow::LimitBucket::kFlow;
    case model::LimitBucket::kDestination:
      return flow::LimitBucket::kDestination;
  }
  return flow::LimitBucket::kAggregate;
}

// Of packets 5 ms of the rate, and at least four packets: fewer lose some of a low
// rate to the spacing of arrivals.
double burst_of(const model::RateLimit& limit, uint32_t frame) {
  if (model::limits_requests(limit)) return request_burst(limit);
  if (limit.burst > 0) return limit.burst;
  const double least = limit.unit == model::LimitUnit::kBits ? 4 * 8.0 * frame : 4.0;
  return std::max(limit.rate * 0.005, least);
}

flow::Limit compile_limit(const model::RateLimit& limit, uint32_t slot, uint32_t frame, base::Cycles hz) {
  flow::Limit out;
  out.slot = slot;
  out.unit = unit_of(limit.unit);
  out.bucket = bucket_of(limit.bucket);
  out.per_second = limit.rate / model::window_of(limit.unit);
  out.burst = burst_of(limit, frame);
  out.rate = flow::Rate::of(out.per_second, out.burst, hz);
  out.chunk = out.rate.chunk(hz);
  if (limit.bucket == model::LimitBucket::kSourcePrefix) {
    out.v4_prefix_length = limit.v4_prefix_length;
    out.v6_prefix_length = limit.v6_prefix_length;
  }
  out.mark = limit.action == model::LimitAction::kMark;
  out.dscp = limit.dscp;
  out.name = limit.name.to_string();
  return out;
}

void attach(const model::RateLimit& limit, uint32_t slot, LimitPart::Attachments& attached, flow::LimitTable& table) {
  switch (limit.target) {
    case model::LimitTarget::kInterface:
      attached.interfaces[limit.interface].push_back(slot);
      return;
    case model::LimitTarget::kService:
      attached.services[limit.service].push_back(slot);
      return;
    case model::LimitTarget::kRule:
      attached.rules[{limit.policy, limit.rule}].push_back(slot);
      return;
    case model::LimitTarget::kPrefix:
      table.prefixes.push_back({limit.prefix, slot});
      return;
    case model::LimitTarget::kHttpRoute:
    case model::LimitTarget::kGateway:
    case model::LimitTarget::kFindings:
      return;  // l7_limits.cpp
  }
}

}  // namespace

void LimitPart::update(const Round& round) {
  bool changed = !table || frame != largest_frame(round.state);
  model::for_each_change(limits, round.state.rate_limits, [&](const auto&, const auto&) { changed = true; });
  if (!changed) return;
  limits = round.state.rate_limits;
  frame = largest_frame(round.state);

  std::vector<std::string> names;
  for (const auto& [name, limit] : limits) names.push_back(name.to_string());
  if (!slots.assign(names, round.last, round.retired)) {
    round.errors.push_back({"bundle", "",
                            "no room for so many objects of kind RateLimit until every worker has left "
                            "the generations of those removed: try again"});
    return;
  }
  auto next = std::make_shared<flow::LimitTable>();
  auto next_attached = std::make_shared<Attachments>();
  next->by_slot.resize(slots.bound());
  for (const auto& [name, limit] : limits) {
    const uint32_t slot = slots.at(name.to_string());
    next->any |= !model::limits_requests(*limit);
    next->by_slot[slot] = compile_limit(*limit, slot, frame, round.hz);
    attach(*limit, slot, *next_attached, *next);
  }
  std::stable_sort(next->prefixes.begin(), next->prefixes.end(),
                   [](const auto& a, const auto& b) { return a.prefix.length > b.prefix.length; });
  const auto order = [](auto& by_target) {
    for (auto& [target, list] : by_target) std::sort(list.begin(), list.end());
  };
  order(next_attached->interfaces), order(next_attached->services), order(next_attached->rules);
  table = std::move(next);
  attached = std::move(next_attached);
}

}  // namespace penstock::compile
