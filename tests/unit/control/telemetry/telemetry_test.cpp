#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "control/telemetry/collect.h"
#include "control/telemetry/metrics.h"

namespace penstock::telemetry {
namespace {

base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }

// One worker's counters with room for a few slots.
struct Worker {
  std::unique_ptr<flow::WorkerCounters> counters = std::make_unique<flow::WorkerCounters>();
  std::vector<base::PacketCounter> rules{8};
  std::vector<flow::ServiceCounters> services{8};
  std::vector<flow::EndpointCounters> endpoints{8};
  std::vector<flow::LimitCounters> limits{8};
  std::vector<flow::EgressCounters> egresses{8};
  std::vector<flow::MirrorCounters> mirrors{8};

  Worker() {
    counters->rules = rules.data();
    counters->services = services.data();
    counters->endpoints = endpoints.data();
    counters->limits = limits.data();
    counters->egresses = egresses.data();
    counters->mirrors = mirrors.data();
  }
};

std::shared_ptr<const flow::ServiceEntry> service(const char* name, const char* address, uint32_t slot,
                                                  uint8_t protocol,
                                                  std::vector<std::pair<uint32_t, const char*>> endpoints) {
  flow::ServiceEntry entry;
  entry.slot = slot;
  entry.name = name;
  entry.address = ip(address);
  entry.port = 80;
  entry.protocol = protocol;
  for (const auto& [endpoint_slot, endpoint] : endpoints)
    entry.endpoints.push_back({endpoint_slot, ip(endpoint), 8080});
  return std::make_shared<const flow::ServiceEntry>(entry);
}

std::shared_ptr<flow::Generation> generation(std::vector<std::shared_ptr<const flow::ServiceEntry>> services) {
  auto out = std::make_shared<flow::Generation>();
  out->number = 3;
  out->services = std::make_shared<const flow::ServiceTable>(std::move(services));
  auto interfaces = std::make_shared<flow::InterfaceTable>();
  interfaces->by_id.resize(2);
  interfaces->by_id[1].id = 1;
  interfaces->by_id[1].name = "lan";
  out->interfaces = interfaces;
  auto limits = std::make_shared<flow::LimitTable>();
  limits->by_slot.resize(3);
  limits->by_slot[2].slot = 2;
  limits->by_slot[2].per_second = 1000;
  limits->by_slot[2].name = "default/edge";
  out->limits = limits;
  flow::EgressRule egress;
  egress.slot = 1;
  egress.name = "default/out";
  out->egresses.push_back(egress);
  flow::MirrorRule mirror;
  mirror.slot = 0;
  mirror.name = "default/tap";
  out->mirrors.push_back(mirror);
  return out;
}

Source source(const std::shared_ptr<const flow::Generation>& g, const std::vector<Worker>& workers) {
  Source out;
  out.generation = g;
  for (const auto& worker : workers) {
    out.counters.push_back(worker.counters.get());
    WorkerStats stats;
    stats.id = static_cast<unsigned>(out.workers.size());
    stats.running = true;
    stats.queues = {"lan/" + std::to_string(stats.id)};
    out.workers.push_back(stats);
  }
  out.stages = {"parse", "find"};
  out.ports.resize(1);
  out.ports[0].name = "lan";
  out.health.push_back({"default/web", "10.0.1.11:8080", "tcp", true, true, 5, 1, 1000});
  out.control.generation = 3;
  out.started = 1'700'000'000'000'000'000;
  return out;
}

TEST(Collect, SumsOverWorkersAndNamesThem) {
  std::vector<Worker> workers(2);
  for (auto& worker : workers) {
    worker.services[4].forward.add(100);
    worker.endpoints[2].forward.add(100);
    worker.endpoints[2].active_flows.set(7);
    worker.limits[2].exceeded.add(60);
    worker.egresses[1].mappings.set(3);
    worker.mirrors[0].copied.add(50);
    worker.counters->drops[static_cast<size_t>(flow::DropReason::no_route)].add(2);
    worker.counters->interfaces[1].rx.add(64);
    worker.counters->busy_cycles.add(25);
    worker.counters->idle_cycles.add(75);
    worker.counters->stages[1].sampled_packets.add(10);
    worker.counters->stages[1].sampled_cycles.add(300);
    worker.counters->flows_by_state[3].set(11);
  }
  const auto g = generation({service("default/web:80", "192.0.2.10", 4, 6, {{2, "10.0.1.11"}, {3, "2001:db8::1"}})});
  const Snapshot s = collect(source(g, workers));
  ASSERT_EQ(s.services.size(), 1u);
  EXPECT_EQ(s.services[0].address, "192.0.2.10:80");
  EXPECT_EQ(s.services[0].forward.bytes, 200u);
  EXPECT_EQ(s.services[0].endpoints[0].active_flows, 14u);
  EXPECT_EQ(s.services[0].endpoints[1].address, "[2001:db8::1]:8080");
  ASSERT_EQ(s.limits.size(), 1u);
  EXPECT_EQ(s.limits[0].exceeded.packets, 2u);
  EXPECT_EQ(s.egresses.at(0).mappings, 6u);
  EXPECT_EQ(s.mirrors.at(0).copied.bytes, 100u);
  EXPECT_EQ(s.interfaces.at(0).name, "lan");
  EXPECT_EQ(s.interfaces[0].rx.packets, 2u);
  EXPECT_EQ(s.workers.at(1).busy, 0.25);
  EXPECT_EQ(s.workers[1].dropped, 2u);
  EXPECT_EQ(s.stages.at(1).cycles_per_packet, 30);
  const auto drop = std::find_if(s.drops.begin(), s.drops.end(), [](const auto& d) { return d.reason == "no_route"; });
  ASSERT_NE(drop, s.drops.end());
  EXPECT_EQ(drop->packets, 4u);
  const auto state = std::find_if(s.flows_by_state.begin(), s.flows_by_state.end(),
                                  [](const auto& f) { return f.state == "established"; });
  ASSERT_NE(state, s.flows_by_state.end());
  EXPECT_EQ(state->flows, 22u);
}

TEST(Collect, NothingPublishedYet) {
  const Snapshot s = collect(Source{});
  EXPECT_TRUE(s.services.empty());
  EXPECT_EQ(s.drops.size(), flow::kDropReasons - 1);
}

TEST(Collect, AReusedSlotBeginsAtZero) {
  std::vector<Worker> workers(1);
  workers[0].services[4].forward.add(100);
  workers[0].endpoints[2].forward.add(100);
  const std::vector<const flow::WorkerCounters*> counters = {workers[0].counters.get()};
  Baselines baselines;
  const auto first = generation({service("default/old:80", "192.0.2.10", 4, 6, {{2, "10.0.1.11"}})});
  const auto second = generation({service("default/new:80", "192.0.2.10", 4, 6, {{2, "10.0.1.12"}})});
  const auto third = generation({service("default/new:80", "192.0.2.10", 4, 6, {{2, "10.0.1.12"}, {3, "10.0.1.13"}})});
  const auto read = [&](const auto& g) {
    auto from = source(g, workers);
    from.baselines = &baselines;
    return collect(std::move(from)).services.at(0);
  };
  baselines.on_publish(nullptr, *first, counters);  // what was counted before the first generation belongs to nobody
  EXPECT_EQ(read(first).forward.packets, 0u);
  workers[0].services[4].forward.add(100);
  EXPECT_EQ(read(first).forward.packets, 1u);
  baselines.on_publish(first.get(), *second, counters);
  EXPECT_EQ(read(second).forward.packets, 0u);
  workers[0].services[4].forward.add(100);
  workers[0].endpoints[2].forward.add(50);
  baselines.on_publish(second.get(), *third, counters);
  EXPECT_EQ(read(third).forward.packets, 1u);
  EXPECT_EQ(read(third).endpoints[0].forward.bytes, 50u);
}

std::string exposition(const Snapshot& snapshot) {
  return prometheus::TextSerializer().Serialize(to_metrics(snapshot, "0.1.0"));
}

TEST(Metrics, PromtoolAcceptsThem) {
  if (std::system("command -v promtool > /dev/null") != 0) {
    GTEST_SKIP() << "promtool (Debian package prometheus) is not installed";
  }
  std::vector<Worker> workers(2);
  const auto g = generation({service("default/web:80", "192.0.2.10", 4, 6, {{2, "10.0.1.11"}}),
                             service("default/web:80", "192.0.2.11", 5, 6, {{3, "10.0.1.11"}}),
                             service("default/web:80", "192.0.2.11", 6, 17, {{4, "10.0.1.11"}})});
  Snapshot snapshot = collect(source(g, workers));
  snapshot.rules.push_back({"default/edge/deny-ssh", flow::FilterAction::kDeny, {1, 64}});
  char path[] = "/tmp/penstock-metrics-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << exposition(snapshot);
  EXPECT_EQ(std::system((std::string("promtool check metrics < ") + path).c_str()), 0);
  unlink(path);
}

TEST(Metrics, NamesAndSeriesAreUnique) {
  std::vector<Worker> workers(2);
  const auto g = generation({service("default/web:80", "192.0.2.10", 4, 6, {{2, "10.0.1.11"}}),
                             service("default/web:80", "192.0.2.11", 5, 6, {{3, "10.0.1.11"}})});
  std::set<std::string> families, series;
  for (const auto& family : to_metrics(collect(source(g, workers)), "0.1.0")) {
    EXPECT_TRUE(families.insert(family.name).second) << family.name;
    EXPECT_EQ(family.name.find("penstock_"), 0u);
    EXPECT_FALSE(family.help.empty());
    for (const auto& metric : family.metric) {
      std::string id = family.name;
      for (const auto& label : metric.label) id.append("|").append(label.name).append("=").append(label.value);
      EXPECT_TRUE(series.insert(id).second) << id;
    }
  }
}

TEST(Metrics, IdentityPairsAreSummedAndBounded) {
  std::vector<Worker> workers(2);
  auto g = generation({});
  auto identities = std::make_shared<flow::IdentityTable>();
  identities->names = {"", "spiffe://x/a", "spiffe://x/b"};
  g->identities = identities;
  for (Worker& w : workers) {
    w.counters->identity_pairs.of(1, 2).allowed.add(3);
    w.counters->identity_pairs.of(1, 2).shadowed.add(1);
    w.counters->identity_pairs.of(0, 2).denied.add(5);
  }
  std::map<std::string, double> series;
  const auto read = [&] {
    series.clear();
    for (const auto& family : to_metrics(collect(source(g, workers)), "0.1.0")) {
      if (family.name != "penstock_identity_pair_decisions_total") continue;
      for (const auto& metric : family.metric)
        series[metric.label[0].value + " " + metric.label[1].value + " " + metric.label[2].value] =
            metric.counter.value;
    }
  };
  read();
  EXPECT_EQ(series["spiffe://x/a spiffe://x/b allowed"], 6);
  EXPECT_EQ(series["spiffe://x/a spiffe://x/b shadow"], 2);
  EXPECT_EQ(series["unknown spiffe://x/b denied"], 10);
  EXPECT_EQ(series.size(), 6u);
  double sum = 18;
  for (unsigned from = 3; from < 103; ++from) {
    for (unsigned to = 3; to < 103; ++to) {
      workers[from % 2]
          .counters->identity_pairs.of(static_cast<uint16_t>(from), static_cast<uint16_t>(to))
          .denied.add(1);
      sum += 1;
    }
  }
  identities->names.resize(200);
  for (size_t i = 3; i < 200; ++i) identities->names[i] = "spiffe://x/" + std::to_string(i);
  read();
  EXPECT_LE(series.size(), 3 * (flow::kMaxIdentityPairs + 1));
  double found = 0;
  for (const auto& [name, value] : series) found += value;
  EXPECT_EQ(found, sum) << "nothing is lost, only merged";
  EXPECT_GT(series["_other _other denied"], 0);
}

TEST(Metrics, CardinalityIsBounded) {
  Snapshot snapshot;
  for (size_t i = 0; i < 3 * kMaxServiceSeries; ++i) {
    ServiceStats& s = snapshot.services.emplace_back();
    s.name = "default/s" + std::to_string(i);
    s.forward.packets = 1;
    s.endpoints.resize(20);
    for (auto& endpoint : s.endpoints) endpoint.forward.packets = 2;
  }
  snapshot.rules.resize(3 * kMaxRuleSeries);
  for (auto& rule : snapshot.rules) rule.matched.packets = 1;
  double service_packets = 0, endpoint_packets = 0, rule_packets = 0;
  for (const auto& family : to_metrics(snapshot, "0.1.0")) {
    EXPECT_LE(family.metric.size(), 2 * (kMaxEndpointSeries + 1)) << family.name;
    for (const auto& metric : family.metric) {
      if (family.name == "penstock_service_packets_total") service_packets += metric.counter.value;
      if (family.name == "penstock_endpoint_packets_total") endpoint_packets += metric.counter.value;
      if (family.name == "penstock_rule_packets_total") rule_packets += metric.counter.value;
    }
  }
  EXPECT_EQ(service_packets, 3.0 * kMaxServiceSeries);  // nothing is lost, only merged
  EXPECT_EQ(endpoint_packets, 3.0 * kMaxServiceSeries * 20 * 2);
  EXPECT_EQ(rule_packets, 3.0 * kMaxRuleSeries);
}

TEST(Metrics, ACryptoDeviceThatFailed) {
  Snapshot snapshot;
  snapshot.crypto_devices = {{"0000:3d:01.0", true}, {"0000:3d:01.1", false}};
  std::map<std::string, double> series;
  for (const auto& family : to_metrics(snapshot, "0.1.0"))
    if (family.name == "penstock_crypto_device_up")
      for (const auto& metric : family.metric) series[metric.label[0].value] = metric.gauge.value;
  EXPECT_EQ(series, (std::map<std::string, double>{{"0000:3d:01.0", 1}, {"0000:3d:01.1", 0}}));
}

TEST(MetricsServer, SaysWhenItCannotListen) {
  auto server = MetricsServer::start(
      "256.1.1.1:99999", "0.1.0", [] { return Snapshot{}; }, [] { return L7Stats{}; });
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.error().find("cannot listen on 256.1.1.1:99999"), std::string::npos);
}

TEST(MetricsServer, TwoOnOneAddress) {
  auto first = MetricsServer::start(
      "127.0.0.1:39871", "0.1.0", [] { return Snapshot{}; }, [] { return L7Stats{}; });
  if (!first) GTEST_SKIP() << first.error();
  auto second = MetricsServer::start(
      "127.0.0.1:39871", "0.1.0", [] { return Snapshot{}; }, [] { return L7Stats{}; });
  ASSERT_FALSE(second.ok());
}

}  // namespace
}  // namespace penstock::telemetry
