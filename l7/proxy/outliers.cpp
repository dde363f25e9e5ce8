#include "l7/proxy/outliers.h"

#include <algorithm>
#include <cmath>

namespace penstock::proxy {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Nothing is written where there is no run.
void end_run(std::atomic<uint32_t>& run) {
  if (run.load(kRelaxed) != 0) run.store(0, kRelaxed);
}

uint32_t lengthen(std::atomic<uint32_t>& run) { return run.fetch_add(1, kRelaxed) + 1; }

bool sooner(base::Nanos a, base::Nanos b) { return a != 0 && (b == 0 || a < b); }

}  // namespace

Outliers::Outliers(const Limits& limits, Clusters& clusters, std::shared_ptr<OutlierTable> table)
    : states_(clusters),
      alone_(table == nullptr),
      table_(alone_ ? std::make_shared<OutlierTable>(limits) : std::move(table)),
      results_(table_->join()),
      seen_(std::make_unique<uint32_t[]>(table_->cluster_slots())),
      counters_(std::make_unique<EjectionCounters[]>(table_->endpoint_slots())),
      interval_(std::make_unique<OutlierSums[]>(config::kMaxEndpointsPerCluster)) {}

void Outliers::adopt(const route::L7Config& config) {
  if (alone_) table_->prepare(config_, config);
  config_ = &config;
  for (const config::Cluster& cluster : config.clusters) {
    if (cluster.slot >= table_->cluster_slots()) continue;
    seen_[cluster.slot] = table_->cluster(cluster.slot).version.load(kRelaxed) - 1;  // to be learned anew
    if (cluster.resilience.outliers) continue;
    for (const config::Endpoint& each : cluster.endpoints)
      if (each.slot < table_->endpoint_slots()) states_.set_ejected(each.slot, false);
  }
}

base::Nanos Outliers::next(uint32_t slot) const {
  const OutlierTable::Cluster& cluster = table_->cluster(slot);
  const base::Nanos interval = cluster.interval_until.load(kRelaxed), ejection = cluster.first_until.load(kRelaxed);
  return sooner(ejection, interval) ? ejection : interval;
}

bool Outliers::learn(const config::Cluster& cluster) {
  const uint32_t version = table_->cluster(cluster.slot).version.load(std::memory_order_acquire);
  if (seen_[cluster.slot] == version) return false;
  seen_[cluster.slot] = version;
  bool changed = false;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= table_->endpoint_slots()) continue;
    const bool out = table_->is_ejected(each.slot);
    if (states_.endpoint(each.slot).ejected == out) continue;
    states_.set_ejected(each.slot, out);
    changed = true;
  }
  return changed;
}

bool Outliers::report(const config::Cluster& cluster, uint32_t slot, Outcome outcome, base::Nanos now) {
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  Endpoint& endpoint = table_->endpoint(slot);
  if (outcome != Outcome::kLocalFailure) end_run(endpoint.local_failures);
  if (outcome == Outcome::kConnected) return false;
  if (auto& until = table_->cluster(cluster.slot).interval_until; until.load(kRelaxed) == 0)
    until.store(now + rules.interval, kRelaxed);
  if (outcome == Outcome::kLocalFailure && rules.split_local_origin) {
    const uint32_t run = lengthen(endpoint.local_failures);
    if (rules.consecutive_local_origin == 0 || run < rules.consecutive_local_origin) return false;
    return eject_after_run(endpoint.local_failures, cluster, slot, Ejection::kLocalOrigin, now);
  }
  if (outcome == Outcome::kSuccess) {
    end_run(endpoint.failures);
    end_run(endpoint.gateway_errors);
    if (results_ != nullptr) results_[slot].good.add(1);
    return false;
  }
  if (results_ != nullptr) results_[slot].bad.add(1);
  const uint32_t run = lengthen(endpoint.failures);
  if (outcome == Outcome::kServerError) {
    end_run(endpoint.gateway_errors);
  } else if (const uint32_t errors = lengthen(endpoint.gateway_errors);
             rules.consecutive_gateway_errors != 0 && errors >= rules.consecutive_gateway_errors) {
    if (eject_after_run(endpoint.gateway_errors, cluster, slot, Ejection::kGatewayErrors, now)) return true;
  }
  if (rules.consecutive_5xx == 0 || run < rules.consecutive_5xx) return false;
  return eject_after_run(endpoint.failures, cluster, slot, Ejection::kConsecutive5xx, now);
}

// While another worker decides something of the cluster the run goes on, and its next failure asks again.
bool Outliers::eject_after_run(std::atomic<uint32_t>& run, const config::Cluster& cluster, uint32_t slot, Ejection why,
                               base::Nanos now) noexcept {
  const Turn turn(table_->cluster(cluster.slot));
  if (!turn) return false;
  run.store(0, kRelaxed);
  if (!eject(cluster, slot, why, now)) return false;
  learn(cluster);
  return true;
}

bool Outliers::eject(const config::Cluster& cluster, uint32_t slot, Ejection why, base::Nanos now) {
  if (table_->is_ejected(slot)) return false;  // what comes in late of an ejected one changes nothing
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  const auto ejected =
      static_cast<uint64_t>(std::count_if(cluster.endpoints.begin(), cluster.endpoints.end(),
                                          [this](const config::Endpoint& each) { return is_ejected(each.slot); }));
  if (ejected * 100 >= uint64_t{rules.max_ejection_percent} * cluster.endpoints.size()) {
    overflows_.add(1);
    return false;
  }
  Endpoint& endpoint = table_->endpoint(slot);
  ++endpoint.times;
  const base::Nanos longest = std::max(rules.max_ejection, rules.base_ejection);
  const bool short_of_it = rules.base_ejection < longest / endpoint.times;
  const base::Nanos until = now + (short_of_it ? rules.base_ejection * endpoint.times : longest);
  endpoint.until.store(until, kRelaxed);
  counters_[slot].by_reason[static_cast<size_t>(why)].add(1);
  OutlierTable::Cluster& state = table_->cluster(cluster.slot);
  if (sooner(until, state.first_until.load(kRelaxed))) state.first_until.store(until, kRelaxed);
  state.version.fetch_add(1, std::memory_order_release);
  return true;
}

void Outliers::take_back(uint32_t slot) {
  Endpoint& endpoint = table_->endpoint(slot);
  for (std::atomic<uint32_t>* run : {&endpoint.failures, &endpoint.gateway_errors, &endpoint.local_failures})
    run->store(0, kRelaxed);
  endpoint.before = table_->sums(slot);
  endpoint.until.store(0, kRelaxed);
}

bool Outliers::sweep(const config::Cluster& cluster, base::Nanos now) noexcept {
  OutlierTable::Cluster& state = table_->cluster(cluster.slot);
  if (const Turn turn(state); turn) {
    const base::Nanos interval = state.interval_until.load(kRelaxed);
    if (interval != 0 && interval <= now) end_interval(cluster, now);
    bool back = false;
    for (const config::Endpoint& each : cluster.endpoints) {
      if (!is_ejected(each.slot) || table_->endpoint(each.slot).until.load(kRelaxed) > now) continue;
      take_back(each.slot);
      back = true;
    }
    set_first_until(cluster, now);
    if (back) state.version.fetch_add(1, std::memory_order_release);
  }
  return learn(cluster);
}

// What is due earlier, and not yet, stays: whoever has a newer configuration knows of more endpoints than this one.
void Outliers::set_first_until(const config::Cluster& cluster, base::Nanos now) {
  base::Nanos first = 0;
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= table_->endpoint_slots()) continue;
    const base::Nanos until = table_->endpoint(each.slot).until.load(kRelaxed);
    if (sooner(until, first)) first = until;
  }
  auto& first_until = table_->cluster(cluster.slot).first_until;
  if (const base::Nanos known = first_until.load(kRelaxed); known <= now || sooner(first, known))
    first_until.store(first, kRelaxed);
}

// Another one begins while there is something left that it will change.
void Outliers::end_interval(const config::Cluster& cluster, base::Nanos now) {
  const config::OutlierDetection& rules = *cluster.resilience.outliers;
  for (size_t i = 0; i < cluster.endpoints.size(); ++i) {
    const uint32_t slot = cluster.endpoints[i].slot;
    interval_[i] = {};
    if (slot >= table_->endpoint_slots()) continue;
    Endpoint& endpoint = table_->endpoint(slot);
    if (!table_->is_ejected(slot) && endpoint.times != 0) --endpoint.times;
    const OutlierSums before = std::exchange(endpoint.before, table_->sums(slot));
    interval_[i] = {endpoint.before.good - before.good, endpoint.before.bad - before.bad};
  }
  if (rules.success_rate) judge_success_rate(cluster, now);
  if (rules.failure_percentage) judge_failure_percentage(cluster, now);
  const bool more = std::any_of(cluster.endpoints.begin(), cluster.endpoints.end(), [this](const auto& each) {
    return each.slot < table_->endpoint_slots() && table_->endpoint(each.slot).times != 0;
  });
  table_->cluster(cluster.slot).interval_until.store(more ? now + rules.interval : 0, kRelaxed);
}

bool Outliers::is_judged(const config::Endpoint& endpoint, size_t number, uint32_t volume) const {
  if (endpoint.slot >= table_->endpoint_slots() || table_->is_ejected(endpoint.slot)) return false;
  const uint64_t results = interval_[number].good + interval_[number].bad;
  return results != 0 && results >= volume;
}

double Outliers::rate_of(size_t number) const {
  const OutlierSums& sums = interval_[number];
  return static_cast<double>(sums.good) / static_cast<double>(sums.good + sums.bad);
}

void Outliers::judge_success_rate(const config::Cluster& cluster, base::Nanos now) {
  const config::SuccessRateEjection& rule = *cluster.resilience.outliers->success_rate;
  const std::vector<config::Endpoint>& all = cluster.endpoints;
  double sum = 0, squares = 0;
  uint32_t hosts = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!is_judged(all[i], i, rule.request_volume)) continue;
    sum += rate_of(i);
    ++hosts;
  }
  if (hosts == 0 || hosts < rule.minimum_hosts) return;
  const double mean = sum / hosts;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!is_judged(all[i], i, rule.request_volume)) continue;
    const double off = rate_of(i) - mean;
    squares += off * off;
  }
  const double least = mean - std::sqrt(squares / hosts) * rule.stdev_factor / 1000;
  for (size_t i = 0; i < all.size(); ++i)
    if (is_judged(all[i], i, rule.request_volume) && rate_of(i) < least)
      eject(cluster, all[i].slot, Ejection::kSuccessRate, now);
}

void Outliers::judge_failure_percentage(const config::Cluster& cluster, base::Nanos now) {
  const config::FailurePercentageEjection& rule = *cluster.resilience.outliers->failure_percentage;
  const std::vector<config::Endpoint>& all = cluster.endpoints;
  uint32_t hosts = 0;
  for (size_t i = 0; i < all.size(); ++i) hosts += is_judged(all[i], i, rule.request_volume) ? 1 : 0;
  if (hosts == 0 || hosts < rule.minimum_hosts) return;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!is_judged(all[i], i, rule.request_volume)) continue;
    const OutlierSums& sums = interval_[i];
    if (sums.bad * 100 >= (sums.good + sums.bad) * rule.threshold)
      eject(cluster, all[i].slot, Ejection::kFailurePercentage, now);
  }
}

}  // namespace penstock::proxy
