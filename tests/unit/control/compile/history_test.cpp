// However a state was reached, it compiles to the same; slots stay with their owners and are never shared.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

class RandomState {
 public:
  explicit RandomState(unsigned seed) : random_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  std::string name() { return std::string(1, static_cast<char>('a' + below(6))); }

  void step(model::State& state, HealthView& health) {
    const std::string service = name();
    switch (below(7)) {
      case 0: {
        model::Service out = model::sample_service(service);
        out.addresses = {base::IpAddress::v4(0xc6336400u + static_cast<uint32_t>(service[0]))};
        if (below(2)) out.addresses.push_back(ip("2001:db8::" + service));
        if (below(2)) out.ports.push_back({.name = "alt", .protocol = 17, .port = 53});
        return put(state.services, out);
      }
      case 1:
        state.services.erase(named(service));
        state.service_policies.erase(named(service));
        return;
      case 2:
      case 3: {
        model::EndpointSlice out = model::sample_slice(service);
        out.name = named(service + "-" + std::to_string(below(3)));
        out.endpoints.clear();
        for (uint32_t i = 0, n = below(6); i < n; ++i) {
          out.endpoints.push_back({.addresses = {base::IpAddress::v4(0x0a000000 + below(8))}});
          out.endpoints.back().ready = below(4) != 0;
          out.endpoints.back().terminating = below(2) != 0;
        }
        if (below(3) == 0) out.ports.push_back({.name = "alt", .protocol = 17, .port = 5353});
        return put(state.slices, out);
      }
      case 4:
        state.slices.erase(named(service + "-" + std::to_string(below(3))));
        return;
      case 5: {
        if (!state.services.contains(named(service))) return;
        model::ServicePolicy out = model::sample_policy(service);
        out.balancing = static_cast<model::Balancing>(below(3));
        out.weights = {{base::IpAddress::v4(0x0a000000 + below(8)), static_cast<uint16_t>(below(3) * 50)}};
        out.all_ports = below(5) == 0;
        if (below(2)) out.health_check.kind = model::HealthCheckKind::kTcp;
        if (out.all_ports) out.health_check.port = 8080;
        return put(state.service_policies, out);
      }
      default:
        health.set(named(service), base::IpAddress::v4(0x0a000000 + below(8)), 8080, below(3) == 0);
        return;
    }
  }

 private:
  std::mt19937 random_;
};

std::string summary_of(const flow::Generation& g) {
  std::map<std::string, std::string> lines;
  for (const auto& entry : g.services->entries()) {
    std::string table;
    // Sizes follow the past of a service (flow::maglev_size): only who is in a table is compared, not how often.
    for (const uint16_t at : std::set<uint16_t>(entry->table.begin(), entry->table.end()))
      table += " " + std::to_string(at);
    lines[entry->address.to_string() + " " + std::to_string(entry->protocol) + " " + entry->name] =
        text_of(*entry) + " |" + table;
  }
  std::string out;
  for (const auto& [key, value] : lines) out += key + ": " + value + "\n";
  return out;
}

void expect_slots(const flow::Generation& g, std::map<std::string, uint32_t>& owners_before) {
  std::map<uint32_t, std::string> services, endpoints;
  std::map<std::string, uint32_t> owners;
  for (const auto& entry : g.services->entries()) {
    const std::string key = entry->address.to_string() + " " + std::to_string(entry->protocol) + " " + entry->name;
    EXPECT_TRUE(services.emplace(entry->slot, key).second) << key;
    EXPECT_EQ(g.services->by_slot(entry->slot), entry.get());
    owners[key] = entry->slot;
    for (const flow::Endpoint& e : entry->endpoints) {
      const std::string endpoint = key + " -> " + e.address.to_string() + ":" + std::to_string(e.port);
      EXPECT_TRUE(endpoints.emplace(e.slot, endpoint).second) << endpoint << " and " << endpoints[e.slot];
      EXPECT_EQ(g.services->endpoint_state(e.slot), e.state);
      owners[endpoint] = e.slot;
    }
  }
  for (const auto& [owner, slot] : owners) {
    const auto before = owners_before.find(owner);
    if (before != owners_before.end()) {
      EXPECT_EQ(before->second, slot) << owner;
    }
  }
  owners_before = owners;
}

TEST(CompileHistory, DoesNotShowInTheResult) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    RandomState random(seed);
    Bench bench;
    bench.retire = false;
    model::State state;
    std::map<std::string, uint32_t> owners;
    for (int step = 0; step < 150; ++step) {
      for (uint32_t i = 0, n = 1 + random.below(4); i < n; ++i) random.step(state, bench.health);
      if (random.below(5) == 0) bench.compiler.compile({}, bench.ports, {}, bench.number + 1);  // not accepted
      ASSERT_EQ(model::faults_of(state), "");
      const auto g = bench(state);
      ASSERT_TRUE(g) << bench.last_errors;
      if (random.below(2)) bench.compiler.retired(bench.number - 1);
      Compiler fresh({}, 2'000'000'000);
      const auto anew = fresh.compile(state, bench.ports, bench.health, 1).generation;
      ASSERT_TRUE(anew);
      ASSERT_EQ(summary_of(*g), summary_of(*anew)) << "seed " << seed << " step " << step;
      expect_slots(*g, owners);
    }
  }
}

}  // namespace
}  // namespace penstock::compile
