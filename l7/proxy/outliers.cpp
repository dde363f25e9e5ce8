#include "l7/proxy/outliers.h"

#include <algorithm>
#include <cmath>

namespace penstock::proxy {

Outliers::Outliers(const Limits& limits, Clusters& clusters)
    : states_(clusters),
      cluster_slots_(limits.cluster_slots),
      endpoint_slots_(limits.endpoint_slots),
      clusters_(std::make_unique<Cluster[]>(limits.cluster_slots)),
      endpoints_(std::make_unique<Endpoint[]>(limits.endpoint_slots)) {}

// An endpoint that was not there in the configuration before is another one, even if its slot and address are the same.
void Outliers::adopt(const route::L7Config& config) {
  const uint64_t before = adoptions_++;
  for (const config::Cluster& cluster : config.clusters) {
    if (cluster.slot >= cluster_slots_) continue;
    Cluster& state = clusters_[cluster.slot];
    state.ejected = 0;
    for (const config::Endpoint& each : cluster.endpoints) {
      if (each.slot >= endpoint_slots_) continue;
      Endpoint& known = endpoints_[each.slot];
      const bool same = known.adoption == before && known.address == each.address && known.port == each.port;
      if (!same || !cluster.resilience.outliers) forget(each.slot);
      known.adoption = adoptions_;
      known.address = each.address;
      known.port = each.port;
      state.ejected += states_.endpoint(each.slot).ejected ? 1 : 0;
    }
    if (!cluster.resilience.outliers) state.due = state.interval_until = 0;
  }
}

void Outliers::forget(uint32_t slot) {
  Endpoint& endpoint = endpoints_[slot];
  endpoint.failures = endpoint.gateway_errors = endpoint.local_failures = 0;
  endpoint.good = endpoint.bad = endpoint.times = 0;
  endpoint.until = 0;
  endpoint.counters.ejected.set(0);
  states_.set_ejected(slot, false);
}

bool Outliers::report(const config::Cluster& cluster, uint32_t slot, Outcome outcome, base::Nanos now) {
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  Endpoint& endpoint = endpoints_[slot];
  if (outcome != Outcome::kLocalFailure) endpoint.local_failures = 0;
  if (outcome == Outcome::kConnected) return false;
  Cluster& state = clusters_[cluster.slot];
  if (state.interval_until == 0) {
    state.interval_until = now + rules.interval;
    state.due = state.due == 0 ? state.interval_until : std::min(state.due, state.interval_until);
  }
  if (outcome == Outcome::kLocalFailure && rules.split_local_origin) {
    ++endpoint.local_failures;
    if (rules.consecutive_local_origin == 0 || endpoint.local_failures < rules.consecutive_local_origin) return false;
    endpoint.local_failures = 0;
    return eject(cluster, slot, Ejection::kLocalOrigin, now);
  }
  if (outcome == Outcome::kSuccess) {
    endpoint.failures = endpoint.gateway_errors = 0;
    ++endpoint.good;
    return false;
  }
  ++endpoint.bad;
  ++endpoint.failures;
  endpoint.gateway_errors = outcome == Outcome::kServerError ? 0 : endpoint.gateway_errors + 1;
  if (rules.consecutive_gateway_errors != 0 && endpoint.gateway_errors >= rules.consecutive_gateway_errors) {
    endpoint.gateway_errors = 0;
    if (eject(cluster, slot, Ejection::kGatewayErrors, now)) return true;
  }
  if (rules.consecutive_5xx == 0 || endpoint.failures < rules.consecutive_5xx) return false;
  endpoint.failures = 0;
  return eject(cluster, slot, Ejection::kConsecutive5xx, now);
}

bool Outliers::eject(const config::Cluster& cluster, uint32_t slot, Ejection why, base::Nanos now) {
  if (states_.endpoint(slot).ejected) return false;  // what comes in late of an ejected one changes nothing
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  Cluster& state = clusters_[cluster.slot];
  if (uint64_t{state.ejected} * 100 >= uint64_t{rules.max_ejection_percent} * cluster.endpoints.size()) {
    overflows_.add(1);
    return false;
  }
  Endpoint& endpoint = endpoints_[slot];
  ++endpoint.times;
  const base::Nanos longest = std::max(rules.max_ejection, rules.base_ejection);
  const bool short_of_it = rules.base_ejection < longest / endpoint.times;
  endpoint.until = now + (short_of_it ? rules.base_ejection * endpoint.times : longest);
  endpoint.counters.by_reason[static_cast<size_t>(why)].add(1);
  endpoint.counters.ejected.set(1);
  states_.set_ejected(slot, true);
  ++state.ejected;
  state.due = state.due == 0 ? endpoint.until : std::min(state.due, endpoint.until);
  return true;
}

void Outliers::take_back(Cluster& cluster, uint32_t slot) {
  Endpoint& endpoint = endpoints_[slot];
  endpoint.failures = endpoint.gateway_errors = endpoint.local_failures = 0;
  endpoint.good = endpoint.bad = 0;
  endpoint.until = 0;
  endpoint.counters.ejected.set(0);
  states_.set_ejected(slot, false);
  --cluster.ejected;
}

bool Outliers::sweep(const config::Cluster& cluster, base::Nanos now) {
  Cluster& state = clusters_[cluster.slot];
  const bool interval_over = state.interval_until != 0 && state.interval_until <= now;
  bool changed = interval_over && end_interval(cluster, now);
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= endpoint_slots_ || !states_.endpoint(each.slot).ejected) continue;
    if (endpoints_[each.slot].until > now) continue;
    take_back(state, each.slot);
    changed = true;
  }
  set_due(cluster);
  return changed;
}

void Outliers::set_due(const config::Cluster& cluster) {
  Cluster& state = clusters_[cluster.slot];
  state.due = state.interval_until;
  if (state.ejected == 0) return;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= endpoint_slots_ || !states_.endpoint(each.slot).ejected) continue;
    const base::Nanos until = endpoints_[each.slot].until;
    if (state.due == 0 || until < state.due) state.due = until;
  }
}

// Another one begins while there is something left that it will change.
bool Outliers::end_interval(const config::Cluster& cluster, base::Nanos now) {
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= endpoint_slots_ || states_.endpoint(each.slot).ejected) continue;
    Endpoint& endpoint = endpoints_[each.slot];
    if (endpoint.times != 0) --endpoint.times;
  }
  bool changed = false;
  if (rules.success_rate) changed |= judge_success_rate(cluster, now);
  if (rules.failure_percentage) changed |= judge_failure_percentage(cluster, now);
  bool more = false;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= endpoint_slots_) continue;
    Endpoint& endpoint = endpoints_[each.slot];
    endpoint.good = endpoint.bad = 0;
    more |= endpoint.times != 0;
  }
  clusters_[cluster.slot].interval_until = more ? now + rules.interval : 0;
  return changed;
}

bool Outliers::is_judged(uint32_t slot, uint32_t volume) const {
  if (slot >= endpoint_slots_ || states_.endpoint(slot).ejected) return false;
  const uint64_t results = uint64_t{endpoints_[slot].good} + endpoints_[slot].bad;
  return results != 0 && results >= volume;
}

bool Outliers::judge_success_rate(const config::Cluster& cluster, base::Nanos now) {
  const config::SuccessRateEjection& rule = *cluster.resilience.outliers->success_rate;
  const auto rate_of = [this](uint32_t slot) {
    const Endpoint& endpoint = endpoints_[slot];
    return static_cast<double>(endpoint.good) / (static_cast<double>(endpoint.good) + endpoint.bad);
  };
  double sum = 0, squares = 0;
  uint32_t hosts = 0;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (!is_judged(each.slot, rule.request_volume)) continue;
    sum += rate_of(each.slot);
    ++hosts;
  }
  if (hosts == 0 || hosts < rule.minimum_hosts) return false;
  const double mean = sum / hosts;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (!is_judged(each.slot, rule.request_volume)) continue;
    const double off = rate_of(each.slot) - mean;
    squares += off * off;
  }
  const double least = mean - std::sqrt(squares / hosts) * rule.stdev_factor / 1000;
  bool changed = false;
  for (const config::Endpoint& each : cluster.endpoints)
    if (is_judged(each.slot, rule.request_volume) && rate_of(each.slot) < least)
      changed |= eject(cluster, each.slot, Ejection::kSuccessRate, now);
  return changed;
}

bool Outliers::judge_failure_percentage(const config::Cluster& cluster, base::Nanos now) {
  const config::FailurePercentageEjection& rule = *cluster.resilience.outliers->failure_percentage;
  uint32_t hosts = 0;
  for (const config::Endpoint& each : cluster.endpoints) hosts += is_judged(each.slot, rule.request_volume) ? 1 : 0;
  if (hosts == 0 || hosts < rule.minimum_hosts) return false;
  bool changed = false;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (!is_judged(each.slot, rule.request_volume)) continue;
    const Endpoint& endpoint = endpoints_[each.slot];
    const uint64_t results = uint64_t{endpoint.good} + endpoint.bad;
    if (uint64_t{endpoint.bad} * 100 >= results * rule.threshold)
      changed |= eject(cluster, each.slot, Ejection::kFailurePercentage, now);
  }
  return changed;
}

}  // namespace penstock::proxy
