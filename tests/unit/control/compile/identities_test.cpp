// Identities → numbers, classes and whose each address is; rules by identity → ranges of classes.
#include "control/compile/identities.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "control/model/limits.h"
#include "tests/unit/control/compile/sample_compiler.h"

namespace penstock::compile {
namespace {

const std::string kDomain = "spiffe://example.org";

model::Workload workload(std::string name, std::string identity, std::string_view address, uint16_t number = 0) {
  model::Workload out;
  out.name = named(std::move(name));
  out.identity = std::move(identity);
  out.interface = "lan";
  out.addresses = {net(address)};
  out.number = number;
  return out;
}

model::Peer peer(std::vector<model::PeerIdentity> identities) {
  model::Peer out;
  out.name = named("b");
  out.address = ip("203.0.113.2");
  out.prefixes = {net("10.2.0.0/16")};
  out.key_file = "/keys";
  out.identities = true;
  out.static_identities = std::move(identities);
  return out;
}

model::AccessPolicy policy(std::vector<std::vector<std::string>> senders) {
  model::AccessPolicy out;
  out.name = named("p");
  for (auto& each : senders) {
    out.rules.push_back({});
    out.rules.back().name = std::to_string(out.rules.size());
    out.rules.back().from_identities = std::move(each);
  }
  return out;
}

flow::Identity number_of(const flow::Generation& g, const std::string& identity) {
  const auto& names = g.identities->names;
  const auto at = std::find(names.begin(), names.end(), identity);
  return at == names.end() ? flow::kNobody : static_cast<flow::Identity>(at - names.begin());
}

bool naive_names(const std::string& selector, const std::string& identity) {
  return selector.ends_with("/*") ? identity.starts_with(selector.substr(0, selector.size() - 1))
                                  : identity == selector;
}

TEST(IdentityClasses, NameWhatTheSelectorsName) {
  std::mt19937 random(5);
  const auto any = [&random](bool selector) {
    std::string out = kDomain;
    for (unsigned n = random() % 4; n != 0; --n) out += std::string("/") + "ab-0"[random() % 4];
    return selector && random() % 2 == 0 ? out + "/*" : out;
  };
  for (int round = 0; round < 100; ++round) {
    std::vector<std::vector<std::string>> lists(1 + random() % 6);
    for (auto& list : lists)
      for (unsigned n = 1 + random() % 3; n != 0; --n) list.push_back(any(true));
    model::Objects<model::AccessPolicy> policies;
    policies[named("p")] = std::make_shared<const model::AccessPolicy>(policy(lists));
    const IdentityClasses classes(policies);
    for (int i = 0; i < 100; ++i) {
      const std::string identity = any(false);
      const uint16_t c = classes.class_of(identity);
      ASSERT_NE(c, 0);
      for (const auto& list : lists) {
        const auto ranges = classes.ranges_of(list);
        const bool in = std::any_of(ranges.begin(), ranges.end(), [&](auto r) { return r.first <= c && c <= r.last; });
        const bool want = std::any_of(list.begin(), list.end(), [&](auto& s) { return naive_names(s, identity); });
        ASSERT_EQ(in, want) << identity << " " << list[0];
      }
    }
    for (const auto& list : lists)
      for (const ClassRange& each : classes.ranges_of(list)) ASSERT_GT(each.first, 0) << "nobody is none of them";
  }
}

TEST(IdentityClasses, OfRulesWithoutIdentities) {
  const IdentityClasses classes;
  EXPECT_EQ(classes.class_of(kDomain), 1);
  const auto ranges = classes.ranges_of({});
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].first, 0);
  EXPECT_EQ(ranges[0].last, 65535);
}

TEST(CompileIdentities, NumbersAreKept) {
  model::State state = model::sample_state();
  put(state.workloads, workload("a", kDomain + "/a", "10.0.0.11/32"));
  put(state.workloads, workload("b", kDomain + "/b", "10.0.0.12/32", 7));
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const flow::Identity a = number_of(*g, kDomain + "/a");
  EXPECT_GE(a, model::kFirstChosenNumber);
  EXPECT_EQ(number_of(*g, kDomain + "/b"), 7);
  EXPECT_EQ(g->identities->sources.at(ip("10.0.0.11")), a);
  EXPECT_EQ(g->identities->sources.at(ip("10.0.0.12")), 7);
  put(state.workloads, workload("0", kDomain + "/0", "10.0.0.13/32"));
  g = bench(state);
  EXPECT_EQ(number_of(*g, kDomain + "/a"), a);
  state.workloads.erase(named("a"));
  g = bench(state);
  EXPECT_EQ(number_of(*g, kDomain + "/a"), flow::kNobody);
  put(state.workloads, workload("new", kDomain + "/new", "10.0.0.14/32"));
  g = bench(state);
  EXPECT_NE(number_of(*g, kDomain + "/new"), a) << "not while there are fresh ones";
}

TEST(CompileIdentities, OfPeersAsTheyToldOrAsWasWritten) {
  model::State state = model::sample_state();
  put(state.peers, peer({{5, kDomain + "/x"}, {6, kDomain + "/y"}}));
  Bench bench;
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const uint16_t slot = g->peers->by_slot[0].slot;
  EXPECT_TRUE(g->peers->by_slot[0].identities);
  flow::Identity ours = 0;
  EXPECT_TRUE(g->identities->translate(slot, 5, ours));
  EXPECT_EQ(ours, number_of(*g, kDomain + "/x"));
  EXPECT_FALSE(g->identities->translate(slot, 9, ours));
  ASSERT_TRUE(bench.compiler.set_peer_identities(named("b"), {{5, kDomain + "/other"}, {9, kDomain + "/x"}}).ok());
  g = bench(state);
  EXPECT_TRUE(g->identities->translate(slot, 5, ours));
  EXPECT_EQ(g->identities->name_of(ours), kDomain + "/other");
  EXPECT_TRUE(g->identities->translate(slot, 9, ours));
  EXPECT_EQ(g->identities->name_of(ours), kDomain + "/x");
  EXPECT_TRUE(g->identities->translate(slot, 6, ours)) << "what was written stays beside it";
  ASSERT_TRUE(bench.compiler.set_peer_identities(named("b"), {}).ok());
  g = bench(state);
  EXPECT_FALSE(g->identities->translate(slot, 9, ours));
  model::Peer silent = peer({});
  silent.identities = false;
  put(state.peers, silent);
  g = bench(state);
  EXPECT_FALSE(g->peers->by_slot[0].identities);
  EXPECT_FALSE(g->identities->translate(slot, 5, ours));
}

TEST(CompileIdentities, WhatAPeerTellsIsBounded) {
  Compiler compiler{{}, 2'000'000'000};
  const auto tell = [&](std::vector<model::PeerIdentity> list) {
    return compiler.set_peer_identities(named("b"), std::move(list)).ok();
  };
  EXPECT_TRUE(tell({{1, kDomain}}));
  EXPECT_FALSE(tell({{0, kDomain}}));
  EXPECT_FALSE(tell({{1, kDomain}, {1, kDomain + "/x"}}));
  EXPECT_FALSE(tell({{1, "x"}}));
  EXPECT_FALSE(tell(std::vector<model::PeerIdentity>(model::kMaxPeerIdentities + 1)));
}

TEST(CompileIdentities, AnotherWorkloadLeavesTheFilterAlone) {
  model::State state = model::sample_state();
  put(state.access_policies, policy({{kDomain + "/a"}, {kDomain + "/b/*"}}));
  put(state.workloads, workload("a", kDomain + "/a", "10.0.0.11/32"));
  Bench bench;
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  EXPECT_TRUE(first->filter->uses_identities());
  EXPECT_TRUE(first->tracks);
  put(state.workloads, workload("b", kDomain + "/b/1", "10.0.0.12/32"));
  const auto second = bench(state);
  EXPECT_EQ(first->filter, second->filter);
  EXPECT_NE(first->identities, second->identities);
  flow::FilterInput input;
  input.src = ip("10.0.0.12");
  input.dst = ip("10.9.9.9");
  input.from_class = second->identities->class_of(number_of(*second, kDomain + "/b/1"));
  EXPECT_EQ(second->filter->rules()[second->filter->classify(input).rule].name, "default/p/2");
  input.from_class = second->identities->class_of(number_of(*second, kDomain + "/a"));
  EXPECT_EQ(second->filter->rules()[second->filter->classify(input).rule].name, "default/p/1");
  input.from_class = 0;
  EXPECT_EQ(second->filter->classify(input).rule, flow::kNoRule);
}

}  // namespace
}  // namespace penstock::compile
