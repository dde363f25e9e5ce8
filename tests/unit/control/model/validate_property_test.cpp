// A change of a valid state is found valid or not whichever way it is looked at: whole, or only where it differs.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

class RandomObjects {
 public:
  explicit RandomObjects(unsigned seed) : random_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  // Few names, addresses and ports: collisions and references to nothing are frequent.
  Change change() {
    Change out;
    for (uint32_t i = 0, n = 1 + below(3); i < n; ++i) {
      if (below(4) == 0) {
        out.remove.push_back(some_key());
      } else {
        out.apply.push_back(some_object());
      }
    }
    return out;
  }

 private:
  std::string name() { return std::string(1, static_cast<char>('a' + below(5))); }
  base::IpAddress address() { return base::IpAddress::v4(0xc6336400u + below(4)); }

  ObjectKey some_key() {
    constexpr Kind kKinds[] = {Kind::kService, Kind::kServicePolicy, Kind::kAccessPolicy, Kind::kRateLimit,
                               Kind::kEgress};
    return {kKinds[below(5)], named(name())};
  }

  Object some_object() {
    switch (below(6)) {
      case 0: {
        Service service = sample_service(name());
        service.addresses = {address()};
        service.ports[0].port = static_cast<uint16_t>(80 + below(2) * 4000);
        if (below(8) == 0) service.ports.clear();
        return service;
      }
      case 1: {
        ServicePolicy policy = sample_policy(name());
        policy.name = named(name());
        policy.all_ports = below(4) == 0;
        if (below(3) == 0) policy.mode = ServiceMode::kFullNat, policy.source_pool = {address()};
        if (below(3) == 0) policy.mode = ServiceMode::kDsr;
        return policy;
      }
      case 2: {
        AccessPolicy policy = sample_access_policy();
        policy.name = named(name());
        if (below(2)) policy.rules[0].name = "other";
        return policy;
      }
      case 3: {
        RateLimit limit = sample_limit();
        limit.name = named(name());
        limit.service = limit.policy = named(name());
        limit.rule = "ssh";
        if (below(2)) limit.target = LimitTarget::kRule;
        return limit;
      }
      case 4: {
        Egress egress = sample_egress();
        egress.name = named(name());
        egress.pool = {address()};
        egress.port_first = static_cast<uint16_t>(1024 + below(2) * 30000);
        egress.port_last = static_cast<uint16_t>(31023 + below(2) * 34000);
        return egress;
      }
      default: {
        Node node = sample_node();
        if (below(2)) node.interfaces[0].name = "uplink";
        return node;
      }
    }
  }

  std::mt19937 random_;
};

TEST(ValidateProperty, AChangeIsJudgedAsTheWhole) {
  int good = 0, bad = 0;
  for (unsigned seed = 0; seed < 40; ++seed) {
    RandomObjects objects(seed);
    State state;
    state.node = std::make_shared<const Node>(sample_node());
    for (int step = 0; step < 100; ++step) {
      FieldErrors errors;
      const State next = with_change(state, objects.change(), errors);
      if (!errors.empty()) continue;
      const std::string whole = faults_of(next), part = faults_of(next, &state);
      ASSERT_EQ(whole.empty(), part.empty())
          << "seed " << seed << " step " << step << "\nwhole: " << whole << "\npart: " << part;
      if (whole.empty()) state = next;
      ++(whole.empty() ? good : bad);
    }
  }
  EXPECT_GT(good, 500);
  EXPECT_GT(bad, 500);
}

}  // namespace
}  // namespace penstock::model
