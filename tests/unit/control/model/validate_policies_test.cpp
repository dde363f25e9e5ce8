#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "control/model/limits.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

std::string with_access(const std::function<void(AccessPolicy&)>& change) {
  State state = sample_state();
  AccessPolicy policy = sample_access_policy();
  change(policy);
  put(state.access_policies, policy);
  return faults_of(state);
}
std::string with_match(const std::function<void(Match&)>& change) {
  return with_access([&](AccessPolicy& p) {
    p.rules[0].match = {};
    change(p.rules[0].match);
  });
}
std::string with_limit(const std::function<void(RateLimit&)>& change) {
  State state = sample_state();
  RateLimit limit = sample_limit();
  change(limit);
  put(state.rate_limits, limit);
  return faults_of(state);
}
std::string with_egress(const std::function<void(Egress&)>& change) {
  State state = sample_state();
  Egress egress = sample_egress();
  change(egress);
  put(state.egresses, egress);
  return faults_of(state);
}
std::string with_mirror(const std::function<void(Mirror&)>& change) {
  State state = sample_state();
  Mirror mirror = sample_mirror();
  change(mirror);
  put(state.mirrors, mirror);
  return faults_of(state);
}

TEST(ValidateAccessPolicy, Rules) {
  const std::string at = "AccessPolicy/default/edge ";
  EXPECT_EQ(with_access([](AccessPolicy& p) { p.rules.clear(); }), at + "spec.rules: at least one is needed");
  EXPECT_EQ(with_access([](AccessPolicy& p) { p.rules[0].name = ""; }),
            at + "spec.rules[0].name: want 1 to 63 characters of A-Z, a-z, 0-9, '.', '_' and '-'");
  EXPECT_EQ(with_access([](AccessPolicy& p) { p.rules.push_back(p.rules[0]); }),
            at + "spec.rules[1].name: \"ssh\" is given twice");
}

TEST(ValidateAccessPolicy, Matches) {
  const std::string at = "AccessPolicy/default/edge spec.rules[0]";
  EXPECT_EQ(with_match([](Match&) {}), "");
  EXPECT_EQ(with_match([](Match& m) {
              m.interfaces = {"wan", "dmz"};
            }),
            at + ".interfaces[1]: there is no interface \"dmz\"");
  EXPECT_EQ(with_match([](Match& m) { m.interfaces = {"wan", "wan"}; }), at + ".interfaces[1]: \"wan\" is given twice");
  EXPECT_EQ(with_match([](Match& m) { m.interfaces = {"lan.100"}; }), "");
  EXPECT_EQ(with_match([](Match& m) { m.to = {net("10.0.0.1/8")}; }),
            at + ".to[0]: 10.0.0.1/8 has host bits set (want 10.0.0.0/8)");
  EXPECT_EQ(with_match([](Match& m) {
              m.from = {net("10.0.0.0/8"), net("10.0.0.0/8")};
            }),
            at + ".from[1]: 10.0.0.0/8 is given twice");
  EXPECT_EQ(with_match([](Match& m) { m.from.resize(4097, net("10.0.0.0/8")); }),
            at + ".from: 4097 prefixes are too many (at most 4096)");
  EXPECT_EQ(with_match([](Match& m) {
              m.from = {net("10.0.0.0/8"), net("2001:db8::/32")};
              m.to = {net("192.0.2.0/24")};
            }),
            at + ".from[1]: 2001:db8::/32 is IPv6, but nothing in to is: it could never match");
  EXPECT_EQ(with_match([](Match& m) {
              m.from = {net("2001:db8::/32")};
              m.to = {net("2001:db8::/32"), net("192.0.2.0/24")};
            }),
            at + ".to[1]: 192.0.2.0/24 is IPv4, but nothing in from is: it could never match");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 0; }),
            at + ".protocol: 0 is no protocol of a packet (want 1 to 255)");
}

TEST(ValidateAccessPolicy, PortsFlagsAndTypes) {
  const std::string at = "AccessPolicy/default/edge spec.rules[0]";
  EXPECT_EQ(with_match([](Match& m) {
              m.destination_ports = {{80, 80}};
            }),
            at + ".ports: needs protocol TCP, UDP or SCTP");
  EXPECT_EQ(with_match([](Match& m) {
              m.protocol = 1, m.source_ports = {{80, 80}};
            }),
            at + ".sourcePorts: needs protocol TCP, UDP or SCTP");
  EXPECT_EQ(with_match([](Match& m) {
              m.protocol = 17, m.source_ports = {{90, 80}};
            }),
            at + ".sourcePorts[0]: 90-80 ends before it begins");
  EXPECT_EQ(with_match([](Match& m) {
              m.protocol = 132, m.destination_ports = {{80, 80}, {80, 80}};
            }),
            at + ".ports[1]: is given twice");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 6, m.destination_ports.resize(4097); }),
            at + ".ports: too many (at most 4096)");
  EXPECT_EQ(with_match([](Match& m) { m.tcp_flags = 2, m.tcp_flags_mask = 2; }), at + ".tcpFlags: needs protocol TCP");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 6, m.tcp_flags = 3, m.tcp_flags_mask = 2; }),
            at + ".tcpFlags: wants a flag that it does not look at");
  EXPECT_EQ(with_match([](Match& m) { m.icmp_type = 8; }), at + ".icmpType: needs protocol ICMP or ICMPv6");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 1, m.icmp_type = 8; }), "");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 1, m.from = {net("2001:db8::/32")}; }),
            at + ".from[0]: 2001:db8::/32 cannot match with protocol ICMP");
  EXPECT_EQ(with_match([](Match& m) { m.protocol = 58, m.to = {net("10.0.0.0/8")}; }),
            at + ".to[0]: 10.0.0.0/8 cannot match with protocol ICMPv6");
}

TEST(ValidateRateLimit, Targets) {
  const std::string at = "RateLimit/default/web-rate spec.target.";
  const auto target = [](LimitTarget kind, const std::function<void(RateLimit&)>& change) {
    return with_limit([&](RateLimit& l) {
      l.target = kind;
      change(l);
    });
  };
  EXPECT_EQ(target(LimitTarget::kInterface, [](RateLimit& l) { l.interface = "dmz"; }),
            at + "interface: there is no interface \"dmz\"");
  EXPECT_EQ(target(LimitTarget::kInterface, [](RateLimit& l) { l.interface = "wan"; }), "");
  EXPECT_EQ(target(LimitTarget::kService, [](RateLimit& l) { l.service = named("none"); }),
            at + "service.name: there is no Service/default/none");
  EXPECT_EQ(target(LimitTarget::kRule, [](RateLimit& l) { l.policy = named("none"); }),
            at + "rule.policy: there is no AccessPolicy/default/none");
  EXPECT_EQ(target(LimitTarget::kRule, [](RateLimit& l) { l.policy = named("edge"), l.rule = "telnet"; }),
            at + "rule.name: AccessPolicy/default/edge has no rule \"telnet\"");
  EXPECT_EQ(target(LimitTarget::kRule, [](RateLimit& l) { l.policy = named("edge"), l.rule = "ssh"; }), "");
  EXPECT_EQ(target(LimitTarget::kPrefix, [](RateLimit& l) { l.prefix = net("10.0.0.1/8"); }),
            at + "prefix: 10.0.0.1/8 has host bits set (want 10.0.0.0/8)");
}

TEST(ValidateRateLimit, Rates) {
  const std::string at = "RateLimit/default/web-rate spec.";
  const std::string pps = at + "rate.packetsPerSecond: ";
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(with_limit([](RateLimit& l) { l.rate = std::nan(""); }),
            pps + "nan is out of range (want 1 to 1000000000)");
  EXPECT_EQ(with_limit([&](RateLimit& l) { l.rate = inf; }), pps + "inf is out of range (want 1 to 1000000000)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.rate = -5; }), pps + "-5 is out of range (want 1 to 1000000000)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.rate = 0; }), pps + "0 is out of range (want 1 to 1000000000)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.unit = LimitUnit::kBits, l.rate = 1e14; }),
            at + "rate.bitsPerSecond: 100000000000000 is out of range (want 1 to 10000000000000)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.unit = LimitUnit::kConnections, l.rate = 0.5; }),
            at + "rate.connectionsPerSecond: 0.5 is out of range (want 1 to 1000000000)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.burst = -1; }),
            at + "burst: -1 is out of range (want 1 to 3600000, or 0 for the default)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.burst = std::nan(""); }),
            at + "burst: nan is out of range (want 1 to 3600000, or 0 for the default)");
  EXPECT_EQ(with_limit([&](RateLimit& l) { l.burst = inf; }),
            at + "burst: inf is out of range (want 1 to 3600000, or 0 for the default)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.burst = 0.5; }),
            at + "burst: 0.5 is out of range (want 1 to 3600000, or 0 for the default)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.burst = 100; }), "");
}

TEST(ValidateRateLimit, BucketsAndActions) {
  const std::string at = "RateLimit/default/web-rate spec.";
  EXPECT_EQ(with_limit([](RateLimit& l) { l.bucket = LimitBucket::kSourcePrefix, l.v4_prefix_length = 0; }),
            at + "prefixLengths.v4: 0 is out of range (want 1 to 32)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.bucket = LimitBucket::kSourcePrefix, l.v6_prefix_length = 129; }),
            at + "prefixLengths.v6: 129 is out of range (want 1 to 128)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.v4_prefix_length = 24; }),
            at + "prefixLengths: only a limit per sourcePrefix has prefix lengths");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.bucket = LimitBucket::kFlow, l.unit = LimitUnit::kConnections; }),
            at + "per: a flow is one connection: connectionsPerSecond needs another bucket");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.action = LimitAction::kMark, l.dscp = 64; }),
            at + "dscp: 64 is out of range (want 0 to 63)");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.dscp = 10; }), at + "dscp: only action mark has a DSCP");
  EXPECT_EQ(with_limit([](RateLimit& l) { l.action = LimitAction::kMark, l.dscp = 63; }), "");
}

TEST(ValidateEgress, Fields) {
  const std::string at = "Egress/default/out spec.";
  EXPECT_EQ(with_egress([](Egress& e) { e.from.clear(), e.pool.clear(); }), at + "from: at least one prefix is needed");
  EXPECT_EQ(with_egress([](Egress& e) { e.from = {net("10.1.1.1/8")}; }),
            at + "from[0]: 10.1.1.1/8 has host bits set (want 10.0.0.0/8)");
  EXPECT_EQ(with_egress([](Egress& e) { e.interfaces = {"dmz"}; }),
            at + "interfaces[0]: there is no interface \"dmz\"");
  EXPECT_EQ(with_egress([](Egress& e) {
              e.allow = {net("192.0.2.0/24"), net("192.0.2.0/24")};
            }),
            at + "allow[1]: 192.0.2.0/24 is given twice");
  EXPECT_EQ(with_egress([](Egress& e) { e.pool = {ip("127.0.0.1")}; }),
            at + "pool[0]: 127.0.0.1 is a loopback address");
  EXPECT_EQ(with_egress([](Egress& e) { e.pool.push_back(e.pool[0]); }), at + "pool[1]: 203.0.113.50 is given twice");
  EXPECT_EQ(with_egress([](Egress& e) { e.port_first = 2000, e.port_last = 1000; }),
            at + "portRange: 2000-1000 is not a range within 1-65535");
  EXPECT_EQ(with_egress([](Egress& e) { e.port_first = 0; }), at + "portRange: 0-65535 is not a range within 1-65535");
  EXPECT_EQ(with_egress([](Egress& e) { e.pool = {ip("203.0.113.1")}; }), "");  // an interface's own address
}

TEST(ValidateEgress, Families) {
  const std::string at = "Egress/default/out spec.";
  EXPECT_EQ(with_egress([](Egress& e) { e.from.push_back(net("2001:db8:7::/48")); }),
            at + "from[1]: is IPv6, but the pool has no such address");
  EXPECT_EQ(with_egress([](Egress& e) { e.from.push_back(net("2001:db8:7::/48")), e.pool.clear(); }), "");
  EXPECT_EQ(with_egress([](Egress& e) { e.pool.push_back(ip("2001:db8:1::50")); }),
            at + "pool[1]: is IPv6, but no prefix in from is");
  EXPECT_EQ(with_egress([](Egress& e) { e.allow = {net("2001:db8::/32")}; }),
            at + "allow[0]: is IPv6, but no prefix in from is");
}

TEST(ValidateMirror, Fields) {
  const std::string at = "Mirror/default/tap spec.";
  const auto erspan = [](const std::function<void(Mirror&)>& change) {
    return with_mirror([&](Mirror& m) {
      m.interface.clear();
      m.collector = ip("10.0.0.99");
      change(m);
    });
  };
  EXPECT_EQ(erspan([](Mirror& m) { m.source = ip("10.0.0.1"); }), "");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.match.interfaces = {"dmz"}; }),
            at + "match.interfaces[0]: there is no interface \"dmz\"");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.sample = 0; }),
            at + "sample: 0 would copy nothing (want 1 for every packet, n for one of n)");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.truncate = 5; }), at + "truncate: 5 is out of range (want 14 to 9216 bytes)");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.interface = ""; }), at + "to: want interface or erspan");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.collector = ip("10.0.0.99"); }),
            at + "to: want interface or erspan, not both");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.interface = "dmz"; }), at + "to.interface: there is no interface \"dmz\"");
  EXPECT_EQ(erspan([](Mirror& m) { m.collector = ip("224.0.0.1"); }),
            at + "to.erspan.collector: 224.0.0.1 is a multicast address");
  EXPECT_EQ(erspan([](Mirror& m) { m.source = ip("0.0.0.0"); }),
            at + "to.erspan.source: 0.0.0.0 is the unspecified address");
  EXPECT_EQ(erspan([](Mirror& m) { m.source = ip("2001:db8::1"); }),
            at + "to.erspan.source: is IPv6, but the collector is IPv4");
  EXPECT_EQ(with_mirror([](Mirror& m) { m.source = ip("10.0.0.1"); }), at + "to.erspan.source: needs a collector");
  EXPECT_EQ(erspan([](Mirror& m) { m.session = 1024; }),
            at + "to.erspan.session: 1024 is out of range (want 0 to 1023)");
}

TEST(ValidateCounts, OfObjects) {
  State state = sample_state();
  for (int i = 0; i < 64; ++i) {
    Mirror mirror = sample_mirror();
    mirror.name = named("m" + std::to_string(i));
    put(state.mirrors, mirror);
  }
  EXPECT_EQ(faults_of(state), "bundle: 65 objects of kind Mirror are too many (at most 64)");
  state = sample_state();
  AccessPolicy policy = sample_access_policy();
  policy.rules.resize(kMaxRules + 1, policy.rules[0]);
  for (size_t i = 0; i < policy.rules.size(); ++i) policy.rules[i].name = std::to_string(i);
  put(state.access_policies, policy);
  state.rate_limits.clear();
  EXPECT_EQ(faults_of(state), "bundle: 131073 access rules are too many (at most 131072)");
}

}  // namespace
}  // namespace penstock::model
