#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

model::AccessPolicy policy(std::string name, int32_t priority, std::vector<std::string> rules) {
  model::AccessPolicy out;
  out.name = named(std::move(name));
  out.priority = priority;
  for (std::string& rule : rules) {
    out.rules.push_back({});
    out.rules.back().name = std::move(rule);
  }
  return out;
}

model::State with_rule(const std::function<void(model::AccessRule&)>& change) {
  model::State state = model::sample_state();
  model::AccessPolicy edge = policy("edge", 1000, {"r"});
  change(edge.rules[0]);
  put(state.access_policies, edge);
  return state;
}

std::vector<flow::RuleMatch> matches(const std::function<void(model::Match&)>& change) {
  Bench bench;
  const auto g = bench(with_rule([&](model::AccessRule& rule) { change(rule.match); }));
  EXPECT_TRUE(g) << bench.last_errors;
  return g ? g->filter->rules()[0].matches : std::vector<flow::RuleMatch>{};
}

TEST(CompileFilter, PoliciesByPriorityThenNameThenRule) {
  model::State state;
  put(state.access_policies, policy("b", 1000, {"1", "2"}));
  put(state.access_policies, policy("a", 1000, {"1"}));
  put(state.access_policies, policy("z", -5, {"1"}));
  model::AccessPolicy other = policy("a", 1000, {"1"});
  other.name.space = "team";
  put(state.access_policies, other);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  std::string order;
  for (const flow::FilterRule& rule : g->filter->rules()) order += rule.name + " ";
  EXPECT_EQ(order, "default/z/1 default/a/1 default/b/1 default/b/2 team/a/1 ");
}

TEST(CompileFilter, Rules) {
  model::State state = with_rule([](model::AccessRule& rule) {
    rule.action = model::RuleAction::kReject;
    rule.log_sample = 7;
  });
  model::RateLimit limit = model::sample_limit();
  limit.target = model::LimitTarget::kRule;
  limit.policy = named("edge");
  limit.rule = "r";
  put(state.rate_limits, limit);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::FilterRule& rule = g->filter->rules()[0];
  EXPECT_EQ(rule.action, flow::FilterAction::kReject);
  EXPECT_EQ(rule.log_sample, 7u);
  EXPECT_EQ(rule.limits, std::vector<uint32_t>{0});
  state.rate_limits.clear();
  EXPECT_TRUE(bench(state)->filter->rules()[0].limits.empty());
}

TEST(CompileFilter, AnEmptyMatchIsBothFamilies) {
  const auto all = matches([](model::Match&) {});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].src.is_v4() && all[0].dst.is_v4());
  EXPECT_FALSE(all[1].src.is_v4() || all[1].dst.is_v4());
  EXPECT_EQ(all[0].src.length + all[0].dst.length + all[1].src.length + all[1].dst.length, 0);
  EXPECT_EQ(all[0].interface, 0xffff);
  EXPECT_EQ(all[0].protocol, 0);
  EXPECT_EQ(all[0].dst_port_last, 65535);
  EXPECT_EQ(all[0].icmp_type, -1);
  EXPECT_EQ(all[0].states, 0);
}

TEST(CompileFilter, ListsMultiplyWithinAFamily) {
  const auto all = matches([](model::Match& m) {
    m.interfaces = {"wan", "lan.100"};
    m.from = {net("10.0.0.0/8"), net("2001:db8::/32"), net("192.168.0.0/16")};
    m.to = {net("198.51.100.0/24"), net("2001:db8:1::/48")};
    m.protocol = 6;
    m.source_ports = {{1024, 65535}};
    m.destination_ports = {{80, 80}, {8000, 8080}};
    m.tcp_flags = 2, m.tcp_flags_mask = 0x12;
    m.state = model::FlowStateMatch::kNew;
  });
  ASSERT_EQ(all.size(), (2u * 1 + 1 * 1) * 2 * 2);
  for (const flow::RuleMatch& m : all) {
    EXPECT_EQ(m.src.is_v4(), m.dst.is_v4());
    EXPECT_EQ(m.protocol, 6);
    EXPECT_EQ(m.src_port_first, 1024);
    EXPECT_EQ(m.tcp_mask, 0x12);
    EXPECT_EQ(m.states, static_cast<uint8_t>(flow::FlowState::kNew));
  }
}

TEST(CompileFilter, IcmpBelongsToOneFamily) {
  const auto v4 = matches([](model::Match& m) { m.protocol = 1, m.icmp_type = 8; });
  ASSERT_EQ(v4.size(), 1u);
  EXPECT_TRUE(v4[0].src.is_v4());
  EXPECT_EQ(v4[0].icmp_type, 8);
  const auto v6 = matches([](model::Match& m) { m.protocol = 58; });
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_FALSE(v6[0].src.is_v4());
}

TEST(CompileFilter, TheProductIsBounded) {
  Bench bench;
  EXPECT_EQ(
      bench.errors_of(with_rule([](model::AccessRule& rule) {
        rule.match.protocol = 6;
        for (uint16_t i = 0; i < 400; ++i) {
          rule.match.source_ports.push_back({i, i});
          rule.match.destination_ports.push_back({i, i});
        }
      })),
      "AccessPolicy/default/edge spec.rules[0]: its lists multiply out to 320000 combinations; with those before it "
      "there are 320000 (at most 65536 in all)");
}

TEST(CompileFilter, DecidesAsItIsWritten) {
  model::State state = model::sample_state();  // one rule: ssh from 192.0.2.0/24 on wan is allowed
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  flow::FilterInput input;
  input.src = ip("192.0.2.9");
  input.dst = ip("203.0.113.1");
  input.dst_port = 22;
  input.protocol = 6;
  input.interface = g->interfaces->untagged[0];
  EXPECT_EQ(g->filter->classify(input).rule, 0u);
  EXPECT_EQ(g->filter->classify(input).mirrors, 1u);
  input.interface = g->interfaces->untagged[1];
  EXPECT_EQ(g->filter->classify(input).rule, flow::kNoRule);
}

TEST(CompileFilter, IsBuiltAgainOnlyWhenItDiffers) {
  Bench bench;
  model::State state = model::sample_state();
  const auto first = bench(state);
  model::Node node = model::sample_node();
  node.interfaces[0].mtu = 1400;
  state.node = std::make_shared<const model::Node>(node);
  EXPECT_EQ(bench(state)->filter, first->filter);
  put(state.access_policies, policy("more", 2000, {"x"}));
  const auto third = bench(state);
  EXPECT_NE(third->filter, first->filter);
  EXPECT_EQ(third->filter->rules()[0].slot, first->filter->rules()[0].slot);
}

TEST(CompileLimits, Table) {
  model::State state = model::sample_state();
  model::RateLimit bits;
  bits.name = named("a-bits");
  bits.target = model::LimitTarget::kInterface;
  bits.interface = "wan";
  bits.unit = model::LimitUnit::kBits;
  bits.rate = 1e6;
  bits.bucket = model::LimitBucket::kSourcePrefix;
  bits.v4_prefix_length = 24;
  bits.action = model::LimitAction::kMark;
  bits.dscp = 10;
  put(state.rate_limits, bits);
  for (const char* prefix : {"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"}) {
    model::RateLimit limit;
    limit.name = named(std::string("prefix-") + std::to_string(net(prefix).length) + (net(prefix).is_v4() ? "" : "-6"));
    limit.target = model::LimitTarget::kPrefix;
    limit.prefix = net(prefix);
    limit.rate = 10;
    limit.burst = 7;
    put(state.rate_limits, limit);
  }
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_TRUE(g->limits->any);
  ASSERT_EQ(g->limits->by_slot.size(), 5u);
  const flow::Interface& wan = g->interfaces->by_id[g->interfaces->untagged[0]];
  ASSERT_EQ(wan.limits.size(), 1u);
  const flow::Limit& at_wan = g->limits->by_slot[wan.limits[0]];
  EXPECT_EQ(at_wan.name, "default/a-bits");
  EXPECT_EQ(at_wan.unit, flow::LimitUnit::kBits);
  EXPECT_EQ(at_wan.bucket, flow::LimitBucket::kSourcePrefix);
  EXPECT_EQ(at_wan.v4_prefix_length, 24);
  EXPECT_EQ(at_wan.v6_prefix_length, 64);
  EXPECT_TRUE(at_wan.mark);
  EXPECT_EQ(at_wan.dscp, 10);
  EXPECT_DOUBLE_EQ(at_wan.burst, 4 * 1518 * 8);  // 5 ms of 1 Mbit/s is less than four frames
  EXPECT_EQ(at_wan.rate, flow::Rate::of(1e6, 4 * 1518 * 8, 2'000'000'000));
  EXPECT_EQ(at_wan.chunk, at_wan.rate.chunk(2'000'000'000));
  const flow::ServiceEntry* web = entry(*g, "198.51.100.10", 80);
  ASSERT_EQ(web->limits.size(), 1u);
  const flow::Limit& at_web = g->limits->by_slot[web->limits[0]];
  EXPECT_DOUBLE_EQ(at_web.burst, 5);
  EXPECT_EQ(at_web.v6_prefix_length, 128);
  ASSERT_EQ(g->limits->prefixes.size(), 3u);
  EXPECT_EQ(g->limits->prefixes[0].prefix, net("2001:db8::/32"));
  EXPECT_EQ(g->limits->prefixes[1].prefix, net("10.1.0.0/16"));
  EXPECT_EQ(g->limits->prefixes[2].prefix, net("10.0.0.0/8"));
  EXPECT_DOUBLE_EQ(g->limits->by_slot[g->limits->prefixes[2].slot].burst, 7);
}

TEST(CompileLimits, AnotherRateIsOnlyAnotherLimitTable) {
  Bench bench;
  model::State state = model::sample_state();
  const auto first = bench(state);
  model::RateLimit limit = model::sample_limit();
  limit.rate = 2000;
  put(state.rate_limits, limit);
  const auto second = bench(state);
  EXPECT_NE(first->limits, second->limits);
  EXPECT_EQ(second->limits->by_slot[0].per_second, 2000);
  EXPECT_EQ(first->services, second->services);
  EXPECT_EQ(first->filter, second->filter);
  EXPECT_EQ(first->interfaces, second->interfaces);
  state.rate_limits.clear();
  const auto third = bench(state);
  EXPECT_FALSE(third->limits->any);
  EXPECT_TRUE(entry(*third, "198.51.100.10", 80)->limits.empty());
}

TEST(CompileEgress, Rules) {
  model::State state = model::sample_state();
  model::Egress dual = model::sample_egress();
  dual.name = named("a");
  dual.from = {net("10.9.0.0/16"), net("2001:db8:9::/48")};
  dual.pool = {ip("203.0.113.51"), ip("2001:db8:1::51")};
  dual.port_first = 2000, dual.port_last = 3000;
  dual.allow = {net("192.0.2.0/24")};
  dual.max_ports_per_source = 12;
  put(state.egresses, dual);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->egresses.size(), 2u);
  const flow::EgressRule& a = g->egresses[0];
  EXPECT_EQ(a.name, "default/a");
  EXPECT_NE(a.slot, g->egresses[1].slot);
  EXPECT_EQ(a.interfaces, std::vector<flow::InterfaceId>{g->interfaces->untagged[0]});
  EXPECT_EQ(a.pool.v4, std::vector<base::IpAddress>{ip("203.0.113.51")});
  EXPECT_EQ(a.pool.v6, std::vector<base::IpAddress>{ip("2001:db8:1::51")});
  EXPECT_EQ(a.pool.port_first, 2000);
  EXPECT_EQ(a.pool.port_last, 3000);
  EXPECT_EQ(a.allow.size(), 1u);
  EXPECT_EQ(a.max_ports_per_source, 12u);
}

TEST(CompileMirror, RulesBySlot) {
  model::State state = model::sample_state();
  model::Mirror erspan;
  erspan.name = named("zz");
  erspan.collector = ip("10.0.0.99");
  erspan.source = ip("10.0.0.1");
  erspan.session = 7;
  erspan.sample = 10;
  erspan.truncate = 128;
  put(state.mirrors, erspan);
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->mirrors.size(), 2u);
  EXPECT_EQ(g->mirrors[0].interface, g->interfaces->untagged[1]);
  EXPECT_FALSE(g->mirrors[0].erspan);
  const flow::MirrorRule& z = g->mirrors[1];
  EXPECT_EQ(z.slot, 1u);
  EXPECT_TRUE(z.erspan);
  EXPECT_EQ(z.collector, ip("10.0.0.99"));
  EXPECT_EQ(z.source, ip("10.0.0.1"));
  EXPECT_EQ(z.session, 7);
  EXPECT_EQ(z.sample, 10u);
  EXPECT_EQ(z.truncate, 128);
  EXPECT_EQ(z.interface, flow::kNoInterface);
  EXPECT_EQ(z.name, "default/zz");
  state.mirrors.erase(named("tap"));
  g = bench(state);
  ASSERT_EQ(g->mirrors.size(), 2u);  // the index stays the slot
  EXPECT_EQ(g->mirrors[1].name, "default/zz");
  EXPECT_EQ(g->mirrors[0].name, "");
}

TEST(CompileMirror, TunnelsSpeakWithTheAddressTowardsTheirCollector) {
  model::State state = model::sample_state();
  model::Mirror erspan;
  erspan.name = named("zz");
  erspan.collector = ip("10.0.0.99");
  put(state.mirrors, erspan);
  Bench bench;
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::MirrorRule& rule = g->mirrors[1];
  EXPECT_EQ(rule.source, g->interfaces->by_id[g->interfaces->untagged[1]].addresses.front().address);
  erspan.collector = ip("198.18.0.1");
  put(state.mirrors, erspan);
  model::Node roadless = *state.node;
  roadless.routes.clear();
  state.node = std::make_shared<const model::Node>(roadless);
  EXPECT_FALSE(bench(state));
  EXPECT_NE(bench.last_errors.find("spec.to.erspan.source"), std::string::npos) << bench.last_errors;
}

TEST(CompileTracking, OnlyWhenSomethingNeedsIt) {
  const auto tracks = [](const std::function<void(model::State&)>& change) {
    model::State state = model::sample_state();
    state.services.clear(), state.slices.clear(), state.service_policies.clear();
    state.rate_limits.clear(), state.egresses.clear();
    change(state);
    Bench bench;
    const auto g = bench(state);
    EXPECT_TRUE(g) << bench.last_errors;
    return g && g->tracks;
  };
  const auto limit = [](model::State& state, model::LimitUnit unit, model::LimitBucket bucket) {
    model::RateLimit out = model::sample_limit();
    out.target = model::LimitTarget::kInterface;
    out.interface = "wan";
    out.unit = unit;
    out.bucket = bucket;
    put(state.rate_limits, out);
  };
  EXPECT_FALSE(tracks([](model::State&) {}));
  EXPECT_FALSE(tracks([&](model::State& s) { limit(s, model::LimitUnit::kBits, model::LimitBucket::kSource); }));
  EXPECT_TRUE(tracks([&](model::State& s) { limit(s, model::LimitUnit::kBits, model::LimitBucket::kFlow); }));
  EXPECT_TRUE(tracks([&](model::State& s) { limit(s, model::LimitUnit::kConnections, model::LimitBucket::kSource); }));
  EXPECT_TRUE(tracks([](model::State& s) { put(s.egresses, model::sample_egress()); }));
  EXPECT_TRUE(tracks([](model::State& s) { put(s.services, model::sample_service()); }));
  EXPECT_TRUE(tracks([](model::State& s) {
    model::AccessPolicy stateful = policy("edge", 1, {"r"});
    stateful.rules[0].match.state = model::FlowStateMatch::kEstablished;
    put(s.access_policies, stateful);
  }));
}

}  // namespace
}  // namespace penstock::compile
