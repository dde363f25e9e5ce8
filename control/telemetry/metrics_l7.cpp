// The page's part about requests and TCP: penstock_l7_*, penstock_tcp_*, penstock_access_log_*.
#include <cmath>
#include <limits>
#include <map>

#include "control/telemetry/builder.h"
#include "control/telemetry/l7_stats.h"
#include "control/telemetry/metrics.h"

namespace penstock::telemetry {

namespace {

constexpr const char* kClasses[proxy::kResponseClasses] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

void add_exchanges(const std::string& what, const ExchangeStats& stats, const Labels& labels, Builder& b) {
  for (size_t i = 0; i < stats.responses.size(); ++i) {
    Labels with = labels;
    with.push_back({"class", kClasses[i]});
    b.counter("penstock_l7_" + what + "_requests_total",
              "Requests that ended, by class of the answer; a TCP connection that was passed on counts as none.", with,
              stats.responses[i]);
  }
  for (const auto& [direction, n] : {std::pair{"received", stats.bytes_received}, {"sent", stats.bytes_sent}}) {
    Labels with = labels;
    with.push_back({"direction", direction});
    b.counter("penstock_l7_" + what + "_bytes_total", "Bytes of content from and to clients.", with, n);
  }
}

void sum_up(ExchangeStats& to, const ExchangeStats& from) {
  for (size_t i = 0; i < to.responses.size(); ++i) to.responses[i] += from.responses[i];
  to.bytes_received += from.bytes_received;
  to.bytes_sent += from.bytes_sent;
}

void add_named(const std::string& what, const std::vector<ExchangeStats>& all, size_t most, Builder& b) {
  ExchangeStats others;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i < most) {
      add_exchanges(what, all[i], {{what, all[i].name}}, b);
    } else {
      sum_up(others, all[i]);
    }
  }
  if (all.size() > most) add_exchanges(what, others, {{what, "_other"}}, b);
}

void add_ejections(const L7EndpointStats& stats, const Labels& labels, Builder& b) {
  for (size_t i = 0; i < stats.ejections.size(); ++i) {
    Labels with = labels;
    with.push_back({"reason", proxy::kEjectionNames[i]});
    b.counter("penstock_l7_ejections_total", "How often the endpoint was left out because its requests failed.", with,
              stats.ejections[i]);
  }
  b.gauge("penstock_l7_ejected", "1 while the endpoint is left out; of others: how many are.", labels,
          static_cast<double>(stats.ejected));
}

void add_endpoints(const L7Stats& stats, Builder& b) {
  L7EndpointStats others;
  for (size_t i = 0; i < stats.endpoints.size(); ++i) {
    const L7EndpointStats& each = stats.endpoints[i];
    if (i < kMaxL7EndpointSeries) {
      const Labels labels = {{"service", each.service}, {"endpoint", each.exchanges.name}};
      add_exchanges("endpoint", each.exchanges, labels, b);
      add_ejections(each, labels, b);
    } else {
      sum_up(others.exchanges, each.exchanges);
      for (size_t e = 0; e < each.ejections.size(); ++e) others.ejections[e] += each.ejections[e];
      others.ejected += each.ejected;
    }
  }
  if (stats.endpoints.size() > kMaxL7EndpointSeries) {
    const Labels labels = {{"service", "_other"}, {"endpoint", "_other"}};
    add_exchanges("endpoint", others.exchanges, labels, b);
    add_ejections(others, labels, b);
  }
  b.counter("penstock_l7_ejections_overflowed_total",
            "Ejections not made: as many endpoints of the cluster as may be were ejected.", {},
            stats.ejections_overflowed);
}

// What is beyond the bound is one series for each verdict.
template <typename Put>
void add_guards(const std::vector<GuardStats>& all, Put&& put) {
  std::map<std::string, uint64_t> others;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i < kMaxL7Series)
      put(all[i].object, all[i].part, all[i].verdict, all[i].n);
    else
      others[all[i].verdict] += all[i].n;
  }
  for (const auto& [verdict, n] : others) put("_other", "_other", verdict, n);
}

void add_guards(const L7Stats& stats, Builder& b) {
  using Text = const std::string&;
  add_guards(stats.access, [&b](Text policy, Text rule, Text verdict, uint64_t n) {
    b.counter("penstock_l7_access_total",
              "Requests that met a rule of a RequestAccessPolicy, or, without a rule, none of any policy that allows.",
              {{"policy", policy}, {"rule", rule}, {"verdict", verdict}}, n);
  });
  add_guards(stats.inspections, [&b](Text inspection, Text pattern, Text action, uint64_t n) {
    b.counter("penstock_l7_inspection_total", "Heads and contents of requests in which the pattern was found.",
              {{"inspection", inspection}, {"pattern", pattern}, {"action", action}}, n);
  });
}

void sum_up(DurationStats& to, const DurationStats& from) {
  for (size_t i = 0; i < to.buckets.size(); ++i) to.buckets[i] += from.buckets[i];
  to.sum += from.sum;
}

void add_durations(const std::string& name, const DurationStats& stats, Labels labels, Builder& b) {
  prometheus::ClientMetric::Histogram histogram;
  for (size_t i = 0; i < stats.buckets.size(); ++i) {
    histogram.sample_count += stats.buckets[i];
    const bool last = i + 1 == stats.buckets.size();
    const double bound = last ? std::numeric_limits<double>::infinity() : std::ldexp(1e-6, static_cast<int>(i));
    histogram.bucket.push_back({histogram.sample_count, bound});
  }
  histogram.sample_sum = static_cast<double>(stats.sum) * 1e-9;
  b.histogram(name, "From the first byte of a request to the last of its answer; of TCP their whole life.",
              std::move(labels), std::move(histogram));
}

void add_pool(const PoolStats& stats, const std::string& service, Builder& b) {
  for (size_t i = 0; i < stats.counts.size(); ++i)
    b.counter(std::string("penstock_l7_service_") + proxy::kClusterCountNames[i] + "_total",
              proxy::kClusterCountSentences[i], {{"service", service}}, stats.counts[i]);
  for (const auto& [state, n] : {std::pair{"active", stats.active}, {"idle", stats.idle}})
    b.gauge("penstock_l7_service_connections", "Connections to endpoints now; idle ones are kept for requests to come.",
            {{"service", service}, {"state", state}}, static_cast<double>(n));
  b.gauge("penstock_l7_service_active_requests", "Requests and TCP connections under way now.", {{"service", service}},
          static_cast<double>(stats.requests));
  b.gauge("penstock_l7_service_pending_requests", "Of them those that wait for a connection to an endpoint.",
          {{"service", service}}, static_cast<double>(stats.pending));
}

void add_pools(const std::vector<PoolStats>& all, Builder& b) {
  PoolStats others;
  for (size_t i = 0; i < all.size(); ++i) {
    const PoolStats& each = all[i];
    if (i < kMaxL7Series) {
      add_pool(each, each.name, b);
    } else {
      for (size_t n = 0; n < each.counts.size(); ++n) others.counts[n] += each.counts[n];
      others.active += each.active, others.idle += each.idle;
      others.requests += each.requests, others.pending += each.pending;
    }
    if (i < kMaxL7Histograms)
      add_durations("penstock_l7_service_request_duration_seconds", each.durations, {{"service", each.name}}, b);
    else
      sum_up(others.durations, each.durations);
  }
  if (all.size() > kMaxL7Series) add_pool(others, "_other", b);
  if (all.size() > kMaxL7Histograms)
    add_durations("penstock_l7_service_request_duration_seconds", others.durations, {{"service", "_other"}}, b);
}

void add_tcp(const L7Stats& stats, Builder& b) {
  for (const auto& [event, n] : stats.tcp)
    b.counter("penstock_tcp_events_total", "What the gateway's own TCP refused, repeated and sent.", {{"event", event}},
              n);
  for (const auto& [event, n] : stats.tcp_listeners)
    b.counter("penstock_tcp_listener_events_total", "What became of connections that clients began.",
              {{"event", event}}, n);
  for (const TcpGauges& each : stats.gauges) {
    const Labels worker = {{"worker", std::to_string(each.worker)}};
    b.gauge("penstock_tcp_connections", "Connections of both sides, those in TIME-WAIT included.", worker,
            static_cast<double>(each.connections));
    b.gauge("penstock_tcp_chunks", "Pieces of buffer that hold stream bytes.", worker,
            static_cast<double>(each.chunks));
    b.gauge("penstock_tcp_chunks_capacity", "Pieces of buffer there may be.", worker,
            static_cast<double>(each.chunks_capacity));
  }
}

}  // namespace

void add_l7(const L7Stats& stats, Builder& b) {
  if (stats.events.empty()) return;
  for (size_t i = 0; i < stats.events.size(); ++i)
    b.counter(std::string("penstock_l7_") + proxy::kCountNames[i] + "_total", proxy::kCountSentences[i], {},
              stats.events[i]);
  add_durations("penstock_l7_request_duration_seconds", stats.durations, {}, b);
  add_named("listener", stats.listeners, kMaxL7Series, b);
  add_named("route", stats.routes, kMaxL7Series, b);
  add_named("service", stats.services, kMaxL7Series, b);
  add_pools(stats.pools, b);
  add_endpoints(stats, b);
  add_guards(stats, b);
  for (const auto& [flag, n] : stats.flags)
    b.counter("penstock_l7_response_flags_total", "Answers that are not what the backend said, by Envoy's letters.",
              {{"flag", flag}}, n);
  for (const auto& [reason, n] : stats.proxy_headers)
    b.counter("penstock_l7_refused_proxy_headers_total",
              "Connections closed: no right PROXY protocol header, by reason.", {{"reason", reason}}, n);
  for (const auto& [reason, n] : stats.refusals)
    b.counter("penstock_l7_refused_messages_total", "Requests and answers that are not HTTP, by reason.",
              {{"reason", reason}}, n);
  add_tcp(stats, b);
  b.counter("penstock_access_log_lines_total", "Lines written to the file of the access log.", {},
            stats.access_log.written);
  b.counter("penstock_access_log_lost_total",
            "Lines that the file did not take; records that did not get that far are penstock_l7_log_lost_total.", {},
            stats.access_log.lost);
}

}  // namespace penstock::telemetry
