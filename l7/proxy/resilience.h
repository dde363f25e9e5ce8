// Part of proxy.h: what a cluster's configuration says of failures. Endpoints are judged by what becomes of requests
// and left out for a while (outliers.h); what failed is tried again, within a budget; connections are opened ahead.
#pragma once

#include <charconv>

#include "l7/http/read_date.h"
#include "l7/proxy/proxy.h"

namespace penstock::proxy {

// What the cluster says where the route says nothing, written down while the configuration is at hand.
template <Net N>
void Proxy<N>::follow_cluster(Exchange& x, const config::Retry& of_route) {
  const config::Cluster* cluster = clusters_.find(x.cluster);
  if (cluster == nullptr) return;
  const config::Resilience& rules = cluster->resilience;
  if (rules.max_stream != 0) x.stream_until = x.record.began + rules.max_stream;
  if (!rules.retry) return;
  x.retry.add(*rules.retry, of_route.given);
  if (x.backend_timeout == 0) x.backend_timeout = rules.retry->try_timeout;
}

// The endpoint of the running try did this.
template <Net N>
void Proxy<N>::judge(const Exchange& x, Outcome outcome) {
  if (x.backend != kNone) judge_endpoint(x.cluster, x.endpoint, outcome);
}

template <Net N>
void Proxy<N>::judge_endpoint(uint32_t slot, uint32_t endpoint, Outcome outcome) {
  const config::Cluster* cluster = clusters_.find(slot);
  if (cluster == nullptr || !cluster->resilience.outliers || clusters_.find(slot, endpoint) == nullptr) return;
  if (outliers_.report(*cluster, endpoint, outcome, now_)) on_ejections(*cluster);
  arm_cluster(slot);
}

// Before an endpoint is chosen: what other workers found out.
template <Net N>
void Proxy<N>::learn_ejections(uint32_t slot) {
  const config::Cluster* cluster = clusters_.find(slot);
  if (cluster == nullptr || !cluster->resilience.outliers || !outliers_.learn(*cluster)) return;
  on_ejections(*cluster);
  arm_cluster(slot);
}

template <Net N>
void Proxy<N>::arm_cluster(uint32_t slot) {
  if (const base::Nanos at = outliers_.next(slot); at != 0) arm(limits_.clients + limits_.upstreams + slot, at);
}

template <Net N>
void Proxy<N>::on_cluster_time(uint32_t slot) {
  const config::Cluster* cluster = clusters_.find(slot);
  if (cluster == nullptr || !cluster->resilience.outliers) return;
  if (outliers_.next(slot) != 0 && outliers_.next(slot) <= now_ && outliers_.sweep(*cluster, now_))
    on_ejections(*cluster);
  arm_cluster(slot);
}

// Other endpoints serve from now on; what was kept for those that are left out makes room.
template <Net N>
void Proxy<N>::on_ejections(const config::Cluster& cluster) {
  clusters_.refresh(cluster.slot, now_);
  for (const config::Endpoint& each : cluster.endpoints) {
    if (each.slot >= limits_.endpoint_slots || !clusters_.passes_over(each.slot)) continue;
    while (pool_.newest(each.slot) != kNone) close_upstream(pool_.newest(each.slot), true);
  }
}

template <Net N>
bool Proxy<N>::may_retry(const Exchange& x, Failure why) const {
  if (x.retried >= x.retry.attempts || !x.replayable()) return false;
  switch (why) {
    case Failure::kConnect:
    case Failure::kNoRoom:
      return x.retry.connect_failure;
    case Failure::kReset:
    case Failure::kTimeout:
      return x.retry.reset && x.message != kNone && is_repeatable(x);
    case Failure::kProtocol:
      break;
  }
  return false;
}

template <Net N>
bool Proxy<N>::is_repeatable(const Exchange& x) const {
  return x.retry.non_idempotent || http::is_idempotent(x.method);
}

// How long an endpoint asks to be left alone: a number of seconds, or until a date by the second that the control
// thread wrote down (where there is none, dates say nothing). 0: it does not ask, or in no way that is understood. No
// end of the numbers: what is too large is kMaxFarAway.
template <Net N>
base::Nanos Proxy<N>::pause_wanted(std::string_view after) const {
  if (after.empty()) return 0;
  constexpr uint64_t kMost = kMaxFarAway / base::kNanosPerSecond;
  uint64_t seconds = 0;
  if (after[0] >= '0' && after[0] <= '9') {
    const auto [end, fault] = std::from_chars(after.data(), after.data() + after.size(), seconds);
    if (end != after.data() + after.size()) return 0;
    if (fault == std::errc::result_out_of_range) return kMaxFarAway;
  } else {
    const std::optional<uint64_t> date = http::read_date(after);
    const uint64_t wall = config_->session_keys.now();
    if (!date || wall == 0 || *date <= wall) return 0;
    seconds = *date - wall;
  }
  return seconds < kMost ? seconds * base::kNanosPerSecond : kMaxFarAway;
}

// True: the answer is thrown away and another try begins.
template <Net N>
bool Proxy<N>::retry_answer(Exchange& x) {
  const http::ResponseHead& head = message_of(x).response;
  if (!is_retriable(x, head) || !x.replayable() || !is_repeatable(x)) return false;
  if (x.retried >= x.retry.attempts) {
    if (x.retry.attempts != 0) x.record.flags |= kRetriesExhausted;
    return false;
  }
  base::Nanos pause = 0;
  if (x.retry.max_retry_after != 0) {
    pause = pause_wanted(head.fields.value_of(http::FieldId::kRetryAfter));
    const auto outlasts = [&](base::Nanos until) { return until != 0 && pause >= until - std::min(until, now_); };
    if (pause > x.retry.max_retry_after || (pause != 0 && (outlasts(x.request_until) || outlasts(x.stream_until) ||
                                                           (x.stream_timeout != 0 && pause >= x.stream_timeout))))
      return false;
  }
  if (!spend_retry(x)) return false;
  x.avoid = x.endpoint;
  if (x.session == x.endpoint) x.session = kNone;
  leave_backend(x, false);
  begin_retry(x, pause);
  return true;
}

template <Net N>
bool Proxy<N>::is_retriable(const Exchange& x, const http::ResponseHead& head) const {
  if (x.retry.statuses.has(head.status)) return true;
  const config::Cluster* cluster = clusters_.find(x.cluster);
  if (cluster == nullptr || !cluster->resilience.retry) return false;
  const std::vector<std::string>& names = cluster->resilience.retry->headers;
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return head.fields.find(name) != nullptr; });
}

template <Net N>
bool Proxy<N>::spend_retry(Exchange& x) {
  const config::Cluster* cluster = clusters_.find(x.cluster);
  if (cluster == nullptr || !cluster->resilience.budget || budgets_.spend(x.cluster, *cluster->resilience.budget, now_))
    return true;
  counters_.count(Count::retries_over_budget);
  counters_.count(ClusterCount::retries_over_budget, x.cluster);
  x.record.flags |= kOverflow;
  return false;
}

// Doubled with each try, and up to half of it more, so that those that failed together do not come back together; not
// before the `pause` that the endpoint asked for.
template <Net N>
void Proxy<N>::begin_retry(Exchange& x, base::Nanos pause) {
  counters_.count(Count::retries);
  counters_.count(ClusterCount::retries, x.cluster);
  x.record.refusal = h1::Refusal::kNone;
  const base::Nanos most = x.retry.backoff * kMaxBackoffFactor;
  const base::Nanos backoff = x.retried < 4 ? std::min(x.retry.backoff << x.retried, most) : most;
  ++x.retried;
  if (backoff == 0 && pause == 0) return start_try(x);
  x.phase = Phase::kBackoff;
  x.try_until = now_ + std::max(pause, backoff + random_.below(backoff / 2 + 1));
}

// One connection more than are in use, while a hundred requests want more than a hundred connections.
template <Net N>
void Proxy<N>::preconnect(const Exchange& x, const config::Endpoint& endpoint, const config::Cluster& cluster) {
  if (cluster.resilience.preconnect_percent <= 100) return;
  const EndpointState& state = clusters_.endpoint(endpoint.slot);
  if (uint64_t{state.connections} * 100 >= uint64_t{state.requests} * cluster.resilience.preconnect_percent ||
      clusters_.cluster(cluster.slot).connections.read() >= cluster.limits.connections)
    return;
  const uint32_t index = open_upstream(client_of(x), endpoint, cluster);
  if (index == kNone) return;
  counters_.count(Count::preconnects);
  UpstreamSession& upstream = upstreams_.at(index);
  upstream.state = UpstreamSession::State::kAhead;
  upstream.until = cluster.limits.connect_timeout != 0 ? now_ + cluster.limits.connect_timeout : 0;
  if (upstream.until != 0) arm(limits_.clients + index, upstream.until);
}

template <Net N>
void Proxy<N>::on_ahead_events(uint32_t index, uint8_t events) {
  UpstreamSession& upstream = upstreams_.at(index);
  if (upstream.dead) return fail_ahead(index);
  if ((events & kConnected) == 0) return;
  judge_endpoint(upstream.cluster, upstream.endpoint, Outcome::kConnected);
  keep_upstream(index);
}

template <Net N>
void Proxy<N>::fail_ahead(uint32_t index) {
  const UpstreamSession& upstream = upstreams_.at(index);
  const uint32_t cluster = upstream.cluster, endpoint = upstream.endpoint;
  close_upstream(index, false);
  counters_.count(Count::preconnect_failures);
  judge_endpoint(cluster, endpoint, Outcome::kLocalFailure);
}

}  // namespace penstock::proxy
