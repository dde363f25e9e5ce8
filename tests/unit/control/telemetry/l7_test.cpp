#include <gtest/gtest.h>
#include <prometheus/metric_family.h>

#include <cmath>
#include <map>

#include "control/telemetry/collect_l7.h"
#include "control/telemetry/metrics.h"

namespace penstock::telemetry {
namespace {

constexpr base::Nanos kMicro = 1000;

route::L7Config sample(const std::string& route = "shop/front", uint32_t endpoints = 2) {
  route::L7Config config;
  config::Listener listener;
  listener.name = "Gateway/shop/edge/web";
  listener.slot = 1;
  config.listeners.push_back(listener);
  config::Route each;
  each.name = route;
  each.slot = 2;
  config.routes = {each, each};  // of two listeners
  config::Route end;
  end.name = "Gateway/shop/edge/web";
  end.slot = route::kNoRouteSlot;
  config.routes.push_back(end);
  config::Cluster cluster;
  cluster.name = "Service/shop/cart:80";
  cluster.slot = 3;
  for (uint32_t i = 0; i < endpoints; ++i)
    cluster.endpoints.push_back({.address = base::IpAddress::v4(0x0a00000b + i), .port = 8080, .slot = 4 + i});
  config.clusters.push_back(cluster);
  return config;
}

proxy::AccessRecord record(uint16_t status, base::Nanos duration = 100 * kMicro) {
  proxy::AccessRecord r;
  r.began = 5;
  r.ended = 5 + duration;
  r.status = status;
  r.bytes_received = 10;
  r.bytes_sent = 1000;
  r.listener = 1;
  r.route = 2;
  r.cluster = 3;
  r.endpoint = 5;
  return r;
}

// Two workers with counters of their own.
struct Bench {
  proxy::Counters first{proxy::Limits{}}, second{proxy::Limits{}};
  proxy::Clusters clusters{proxy::Limits{}, first};
  L7Baselines baselines;
  std::vector<L7Worker> workers = {{&first,
                                    nullptr,
                                    &clusters,
                                    {{"segments_in", 3}},
                                    {{"accepted", 1}},
                                    {.worker = 0, .connections = 7, .chunks = 1}},
                                   {&second,
                                    nullptr,
                                    nullptr,
                                    {{"segments_in", 4}},
                                    {{"accepted", 2}},
                                    {.worker = 1, .connections = 8, .chunks = 2}}};

  L7Stats collect(const route::L7Config& config) { return collect_l7(&config, workers, baselines, {.written = 9}); }
};

// "name{label="value",...}" of every sample that is no histogram.
std::map<std::string, double> page(const L7Stats& stats) {
  std::map<std::string, double> out;
  for (const auto& family : to_metrics(Snapshot{}, "1", stats)) {
    if (family.type == prometheus::MetricType::Histogram) continue;
    for (const auto& metric : family.metric) {
      std::string name = family.name + "{";
      for (const auto& label : metric.label) name.append(label.name).append("=").append(label.value).append(",");
      name += "}";
      EXPECT_FALSE(out.contains(name)) << name;
      out[name] = family.type == prometheus::MetricType::Gauge ? metric.gauge.value : metric.counter.value;
    }
  }
  return out;
}

std::vector<prometheus::ClientMetric> histograms(const L7Stats& stats, const std::string& name) {
  for (const auto& family : to_metrics(Snapshot{}, "1", stats))
    if (family.type == prometheus::MetricType::Histogram && family.name == name) return family.metric;
  return {};
}

TEST(L7, SumsOverWorkersUnderTheirNames) {
  Bench bench;
  bench.first.add(record(200));
  bench.first.add(record(503));
  bench.second.add(record(204));
  bench.second.add(record(0));
  auto all = page(bench.collect(sample()));
  for (const char* labels :
       {"listener_requests_total{listener=Gateway/shop/edge/web,", "route_requests_total{route=shop/front,",
        "service_requests_total{service=Service/shop/cart:80,",
        "endpoint_requests_total{service=Service/shop/cart:80,endpoint=10.0.0.12:8080,"}) {
    const std::string name = std::string("penstock_l7_") + labels;
    EXPECT_EQ(all.at(name + "class=2xx,}"), 2) << name;
    EXPECT_EQ(all.at(name + "class=5xx,}"), 1) << name;
    EXPECT_EQ(all.at(name + "class=none,}"), 1) << name;
    EXPECT_EQ(all.at(name + "class=4xx,}"), 0) << name;
  }
  EXPECT_EQ(all.at("penstock_l7_route_bytes_total{route=shop/front,direction=received,}"), 40);
  EXPECT_EQ(all.at("penstock_l7_route_bytes_total{route=shop/front,direction=sent,}"), 4000);
  EXPECT_EQ(
      all.at("penstock_l7_endpoint_requests_total{service=Service/shop/cart:80,endpoint=10.0.0.11:8080,class=2xx,}"),
      0);
  EXPECT_EQ(all.at("penstock_l7_exchanges_total{}"), 4);
  EXPECT_EQ(all.at("penstock_tcp_events_total{event=segments_in,}"), 7);
  EXPECT_EQ(all.at("penstock_tcp_listener_events_total{event=accepted,}"), 3);
  EXPECT_EQ(all.at("penstock_tcp_connections{worker=1,}"), 8);
  EXPECT_EQ(all.at("penstock_access_log_lines_total{}"), 9);
  for (const auto& [name, value] : all) EXPECT_EQ(name.find("route=Gateway"), std::string::npos) << name;
}

TEST(L7, AccessAndInspectionsByTheirOwnersSinceTheyCame) {
  Bench bench;
  bench.first.count_guard(6);
  route::L7Config before = sample(), config = sample();
  config.guards.counted = {{6, false, "shop/no", "r", "denied"}, {7, true, "shop/look", "p", "log"}};
  bench.baselines.on_publish(&before, &config, bench.workers);
  bench.second.count_guard(6);
  bench.second.count_guard(7);
  bench.first.count_guard(7);
  const auto all = page(bench.collect(config));
  EXPECT_EQ(all.at("penstock_l7_access_total{policy=shop/no,rule=r,verdict=denied,}"), 1);
  EXPECT_EQ(all.at("penstock_l7_inspection_total{inspection=shop/look,pattern=p,action=log,}"), 2);
}

TEST(L7, FlagsAndRefusalsByName) {
  Bench bench;
  proxy::AccessRecord r = record(400);
  r.flags = proxy::kDownstreamProtocol | proxy::kDownstreamTerminated;
  r.refusal = h1::Refusal::both_lengths;
  bench.first.add(r);
  bench.second.count(proxy::Count::log_lost);
  auto all = page(bench.collect(sample()));
  EXPECT_EQ(all.at("penstock_l7_response_flags_total{flag=DPE,}"), 1);
  EXPECT_EQ(all.at("penstock_l7_response_flags_total{flag=DC,}"), 1);
  EXPECT_EQ(all.at("penstock_l7_response_flags_total{flag=UF,}"), 0);
  EXPECT_EQ(all.at("penstock_l7_refused_messages_total{reason=both_lengths,}"), 1);
  EXPECT_EQ(all.at("penstock_l7_refused_messages_total{reason=bare_lf,}"), 0);
  EXPECT_EQ(all.at("penstock_l7_log_lost_total{}"), 1);
}

TEST(L7, DurationsAreAHistogram) {
  Bench bench;
  for (const base::Nanos duration : {kMicro / 2, kMicro, 100 * kMicro, 3600 * base::kNanosPerSecond})
    bench.first.add(record(200, duration));
  // All belong to one service.
  for (const char* name : {"penstock_l7_request_duration_seconds", "penstock_l7_service_request_duration_seconds"}) {
    const auto all = histograms(bench.collect(sample()), name);
    ASSERT_EQ(all.size(), 1U) << name;
    const auto& histogram = all.at(0).histogram;
    EXPECT_EQ(histogram.sample_count, 4U);
    EXPECT_NEAR(histogram.sample_sum, 3600.0001015, 1e-6);
    ASSERT_EQ(histogram.bucket.size(), proxy::kDurationBuckets);
    EXPECT_EQ(histogram.bucket[0].cumulative_count, 1U);
    EXPECT_DOUBLE_EQ(histogram.bucket[0].upper_bound, 1e-6);
    EXPECT_EQ(histogram.bucket[1].cumulative_count, 2U);
    EXPECT_EQ(histogram.bucket[7].cumulative_count, 3U);  // 100 us are under 128
    EXPECT_EQ(histogram.bucket[6].cumulative_count, 2U);
    EXPECT_EQ(histogram.bucket.back().cumulative_count, 4U);
    EXPECT_TRUE(std::isinf(histogram.bucket.back().upper_bound));
  }
}

TEST(L7, PoolsOfServices) {
  Bench bench;
  bench.first.count(proxy::ClusterCount::retries, 3);
  route::L7Config before = sample(), config = sample();
  before.clusters[0].name = "Service/shop/gone:80";
  bench.first.add(record(200));
  bench.baselines.on_publish(&before, &config, bench.workers);  // a new owner of the slot
  bench.first.count(proxy::ClusterCount::retries, 3);
  bench.second.count(proxy::ClusterCount::retries, 3);
  bench.second.count(proxy::ClusterCount::timeouts, 3);
  bench.second.add(record(200));
  proxy::ClusterState& state = bench.clusters.cluster(3);
  for (int i = 0; i < 5; ++i) ++state.connections, ++state.requests;
  for (int i = 0; i < 2; ++i) ++state.idle, ++state.waiting;
  --state.requests;
  const L7Stats stats = bench.collect(config);
  const auto all = page(stats);
  const std::string service = "service=Service/shop/cart:80,";
  const auto value = [&](const std::string& name, const std::string& more = "") {
    return all.at("penstock_l7_service_" + name + "{" + service + more + "}");
  };
  EXPECT_EQ(value("retries_total"), 2);
  EXPECT_EQ(value("timeouts_total"), 1);
  for (const char* name : {"connects", "connect_failures", "connect_timeouts", "overflows", "waits"})
    EXPECT_EQ(value(std::string(name) + "_total"), 0);
  EXPECT_EQ(value("connections", "state=active,"), 3);
  EXPECT_EQ(value("connections", "state=idle,"), 2);
  EXPECT_EQ(value("active_requests"), 4);
  EXPECT_EQ(value("pending_requests"), 2);
  EXPECT_EQ(histograms(stats, "penstock_l7_service_request_duration_seconds").at(0).histogram.sample_count, 1U);
}

TEST(L7, PoolsAndHistogramsBeyondTheirBoundsAreSummed) {
  Bench bench;
  route::L7Config config = sample();
  config.clusters.clear();
  for (uint32_t slot = 0; slot < kMaxL7Series + 3; ++slot) {
    config::Cluster& each = config.clusters.emplace_back();
    each.name = "Service/a/" + std::to_string(slot) + ":80";
    each.slot = slot;
    bench.first.count(proxy::ClusterCount::connects, slot);
    proxy::AccessRecord r = record(200);
    r.cluster = slot;
    bench.first.add(r);
  }
  // Beyond what is kept: no series, and no harm.
  config::Cluster& last = config.clusters.emplace_back();
  last.name = "Service/a/last:80";
  last.slot = proxy::Limits{}.pool_slots;
  bench.first.count(proxy::ClusterCount::connects, last.slot);
  const L7Stats stats = bench.collect(config);
  const auto all = page(stats);
  EXPECT_EQ(all.at("penstock_l7_service_connects_total{service=_other,}"), 3);
  EXPECT_EQ(all.at("penstock_l7_service_connects_total{service=Service/a/0:80,}"), 1);
  const auto durations = histograms(stats, "penstock_l7_service_request_duration_seconds");
  ASSERT_EQ(durations.size(), kMaxL7Histograms + 1);
  EXPECT_EQ(durations.back().label.at(0).value, "_other");
  EXPECT_EQ(durations.back().histogram.sample_count, kMaxL7Series + 3 - kMaxL7Histograms);
}

TEST(L7, ASlotWithANewOwnerBeginsAtZero) {
  Bench bench;
  const route::L7Config before = sample("shop/front"), after = sample("shop/next");
  bench.baselines.on_publish(nullptr, &before, bench.workers);
  bench.first.add(record(200));
  EXPECT_EQ(bench.collect(before).routes.at(0).responses[2], 1U);
  bench.baselines.on_publish(&before, &after, bench.workers);
  bench.second.add(record(200));
  const L7Stats stats = bench.collect(after);
  ASSERT_EQ(stats.routes.size(), 1U);
  EXPECT_EQ(stats.routes[0].name, "shop/next");
  EXPECT_EQ(stats.routes[0].responses[2], 1U);
  EXPECT_EQ(stats.routes[0].bytes_sent, 1000U);
  EXPECT_EQ(stats.listeners.at(0).responses[2], 2U) << "its owner stayed";
}

TEST(L7, WhatIsNotConfiguredHasNoSeries) {
  Bench bench;
  bench.first.add(record(200));
  const L7Stats stats = collect_l7(nullptr, bench.workers, bench.baselines, {});
  EXPECT_TRUE(stats.listeners.empty() && stats.routes.empty() && stats.services.empty() && stats.endpoints.empty());
  EXPECT_EQ(page(stats).at("penstock_l7_exchanges_total{}"), 1);
  const L7Stats nobody = collect_l7(nullptr, {}, bench.baselines, {});
  for (const auto& [name, value] : page(nobody)) EXPECT_EQ(name.find("penstock_l7"), std::string::npos) << name;
}

TEST(L7, EndpointsBeyondTheBoundAreSummed) {
  Bench bench;
  proxy::AccessRecord r = record(200);
  for (const uint32_t slot : {4u, 4u + static_cast<uint32_t>(kMaxL7EndpointSeries), 4u + 2500u}) {
    r.endpoint = slot;
    bench.first.add(r);
  }
  const auto all = page(bench.collect(sample("a/b", 2600)));
  size_t series = 0;
  for (const auto& [name, value] : all) series += name.find("penstock_l7_endpoint_requests") == 0;
  EXPECT_EQ(series, (kMaxL7EndpointSeries + 1) * proxy::kResponseClasses);
  EXPECT_EQ(all.at("penstock_l7_endpoint_requests_total{service=_other,endpoint=_other,class=2xx,}"), 2);
}

}  // namespace
}  // namespace penstock::telemetry
