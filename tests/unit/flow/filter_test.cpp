// The compiled rules against a naive matcher over random rules and packets of both families.
#include "flow/filter.h"

#include <gtest/gtest.h>

#include <random>

namespace penstock::flow {
namespace {

base::Prefix prefix(const char* text) { return *base::Prefix::parse(text); }
base::IpAddress address(const char* text) { return *base::IpAddress::parse(text); }

FilterInput packet(const char* src, const char* dst, uint8_t protocol = 6, uint16_t dst_port = 80) {
  FilterInput input;
  input.src = address(src);
  input.dst = address(dst);
  input.protocol = protocol;
  input.src_port = 40'000;
  input.dst_port = dst_port;
  input.state = FlowState::kNew;
  return input;
}

// The match in its family or, with open addresses, in both.
std::vector<RuleMatch> both(RuleMatch match) {
  if (match.src != base::Prefix{} || match.dst != base::Prefix{}) return {match};
  RuleMatch four = match;
  four.src = prefix("0.0.0.0/0");
  return {four, match};
}

FilterRule rule(RuleMatch match) {
  FilterRule r;
  r.matches = both(match);
  return r;
}

std::shared_ptr<const Filter> must_build(std::vector<FilterRule> rules, std::vector<MirrorMatch> mirrors = {}) {
  auto filter = Filter::build(std::move(rules), std::move(mirrors));
  EXPECT_TRUE(filter.ok()) << (filter.ok() ? "" : filter.error());
  return *filter;
}

TEST(Filter, EmptyFilterMatchesNothing) {
  const auto filter = must_build({});
  EXPECT_TRUE(filter->empty());
  EXPECT_FALSE(filter->has_rules());
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).rule, kNoRule);
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "2001:db8::2")).rule, kNoRule);
}

TEST(Filter, FirstMatchWins) {
  RuleMatch web, host, all;
  web.protocol = 6;
  web.dst_port_first = web.dst_port_last = 80;
  host.src = prefix("10.0.0.1/32");
  const auto filter = must_build({rule(host), rule(web), rule(all)});
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).rule, 0u);
  EXPECT_EQ(filter->classify(packet("10.0.0.3", "10.0.0.2")).rule, 1u);
  EXPECT_EQ(filter->classify(packet("10.0.0.3", "10.0.0.2", 17)).rule, 2u);
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "2001:db8::2")).rule, 1u);
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "2001:db8::2", 58)).rule, 2u);
}

TEST(Filter, AMatchIsOfOneFamily) {
  RuleMatch four, four_to_any, six;
  four_to_any.dst = prefix("10.0.0.0/8");
  four.src = prefix("0.0.0.0/0");
  FilterRule rules[3];
  rules[0].matches = {six};
  rules[1].matches = {four_to_any};
  rules[2].matches = {four};
  const auto filter = must_build({rules[0], rules[1], rules[2]});
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "fe80::2")).rule, 0u);
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).rule, 1u);
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "192.0.2.2")).rule, 2u);
}

TEST(Filter, StatesAreASet) {
  RuleMatch known, fresh;
  known.states = static_cast<uint8_t>(FlowState::kEstablished) | static_cast<uint8_t>(FlowState::kRelated);
  fresh.states = static_cast<uint8_t>(FlowState::kNew);
  const auto filter = must_build({rule(known), rule(fresh)});
  FilterInput input = packet("10.0.0.1", "10.0.0.2");
  const auto rule_in = [&](FlowState state) {
    input.state = state;
    return filter->classify(input).rule;
  };
  EXPECT_EQ(rule_in(FlowState::kEstablished), 0u);
  EXPECT_EQ(rule_in(FlowState::kRelated), 0u);
  EXPECT_EQ(rule_in(FlowState::kNew), 1u);
  EXPECT_EQ(rule_in(FlowState::kUntracked), kNoRule);
  EXPECT_TRUE(filter->uses_state());
  EXPECT_FALSE(filter->varies_within_flow());
}

TEST(Filter, SaysWhatItsDecisionsDependOn) {
  RuleMatch plain, flags, type;
  flags.tcp_flags = 2, flags.tcp_mask = 0x12;
  type.icmp_type = 0;
  EXPECT_FALSE(must_build({rule(plain)})->varies_within_flow());
  EXPECT_FALSE(must_build({rule(plain)})->uses_state());
  EXPECT_TRUE(must_build({rule(flags)})->varies_within_flow());
  EXPECT_TRUE(must_build({rule(type)})->varies_within_flow());
  EXPECT_TRUE(must_build({}, {{0, {flags}}})->varies_within_flow());
}

TEST(Filter, MirrorsMatchIndependently) {
  RuleMatch web, host, all;
  web.dst_port_first = web.dst_port_last = 80;
  host.src = prefix("10.0.0.1/32");
  const auto filter = must_build({rule(all)}, {{0, both(web)}, {5, {host, both(web)[0]}}, {63, both(all)}});
  EXPECT_TRUE(filter->has_mirrors());
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).mirrors, 1ull << 0 | 1ull << 5 | 1ull << 63);
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2", 6, 81)).mirrors, 1ull << 5 | 1ull << 63);
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "2001:db8::2", 6, 81)).mirrors, 1ull << 63);
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).rule, 0u);
  const auto only_mirrors = must_build({}, {{1, both(web)}});
  EXPECT_FALSE(only_mirrors->empty());
  EXPECT_EQ(only_mirrors->classify(packet("10.0.0.1", "10.0.0.2")).mirrors, 2u);
}

TEST(Filter, MatchesThatNoPacketHasAreHarmless) {
  RuleMatch mixed, ports, flags, all, long_prefix;
  mixed.src = prefix("10.0.0.0/8"), mixed.dst = prefix("2001:db8::/32");
  ports.dst_port_first = 10, ports.dst_port_last = 9;
  flags.tcp_flags = 2, flags.tcp_mask = 1;
  long_prefix.src = {address("10.0.0.1"), 33};
  const auto filter = must_build({rule(mixed), rule(ports), rule(flags), rule(long_prefix), rule(all)});
  EXPECT_EQ(filter->classify(packet("10.0.0.1", "10.0.0.2")).rule, 4u);
  EXPECT_EQ(filter->classify(packet("2001:db8::1", "2001:db8::2")).rule, 4u);
}

TEST(Filter, TooMuchIsAnError) {
  FilterRule many;
  many.matches.resize(kMaxRuleMatches + 1);
  const auto filter = Filter::build({many}, {});
  ASSERT_FALSE(filter.ok());
  EXPECT_NE(filter.error().find("262145"), std::string::npos) << filter.error();
  MirrorMatch mirror;
  mirror.matches.resize(kMaxMirrorMatches + 1);
  EXPECT_FALSE(Filter::build({}, {mirror}).ok());
  EXPECT_FALSE(Filter::build({}, {{64, {RuleMatch{}}}}).ok());
}

// ---- oracle ---------------------------------------------------------------------------------------------------------

bool in_prefix(const base::Prefix& p, const base::IpAddress& a) {
  if (p == base::Prefix{}) return true;
  if (p.is_v4() != a.is_v4()) return false;
  const unsigned first = a.is_v4() ? 96 : 0;
  for (unsigned bit = first; bit < first + p.length; ++bit) {
    const auto mask = static_cast<uint8_t>(0x80 >> bit % 8);
    if ((p.address.bytes[bit / 8] & mask) != (a.bytes[bit / 8] & mask)) return false;
  }
  return true;
}

bool holds(const RuleMatch& m, const FilterInput& p) {
  const bool v4 = m.src.is_v4() || m.dst.is_v4();
  return v4 == p.src.is_v4() && in_prefix(m.src, p.src) && in_prefix(m.dst, p.dst) && p.src_port >= m.src_port_first &&
         p.src_port <= m.src_port_last && p.dst_port >= m.dst_port_first && p.dst_port <= m.dst_port_last &&
         (m.interface == 0xffff || m.interface == p.interface) && (m.protocol == 0 || m.protocol == p.protocol) &&
         (p.tcp_flags & m.tcp_mask) == m.tcp_flags && (m.icmp_type == -1 || m.icmp_type == p.icmp_type) &&
         p.from_class >= m.from_class_first && p.from_class <= m.from_class_last && p.to_class >= m.to_class_first &&
         p.to_class <= m.to_class_last && (m.states == 0 || (m.states & static_cast<uint8_t>(p.state)));
}

struct World {  // few enough values that rules and packets meet
  std::mt19937_64 random;
  const bool identities;  // rules name them
  explicit World(unsigned seed) : random(seed), identities(seed % 2 == 0) {}
  uint16_t any_class() { return static_cast<uint16_t>(once_in(8) ? random() : below(6)); }
  unsigned below(unsigned n) { return static_cast<unsigned>(random() % n); }
  bool once_in(unsigned n) { return below(n) == 0; }

  base::IpAddress any_address(bool v4) {
    if (v4) return base::IpAddress::v4(0x0a000000 | below(4) << 16 | below(4) << 8 | below(8));
    base::IpAddress a = address("2001:db8::");
    a.bytes[5] = static_cast<uint8_t>(below(4));
    a.bytes[9] = static_cast<uint8_t>(below(4) * 64);
    a.bytes[15] = static_cast<uint8_t>(below(8));
    return a;
  }
  base::Prefix any_prefix(bool v4) {
    if (once_in(3)) return {};
    const unsigned four[] = {0, 8, 16, 22, 24, 29, 31, 32}, six[] = {1, 32, 47, 48, 64, 66, 127, 128};
    return {any_address(v4), static_cast<uint8_t>(v4 ? four[below(8)] : six[below(8)])};
  }
  uint16_t any_port() { return static_cast<uint16_t>(once_in(4) ? random() : below(20)); }
  uint8_t any_protocol() {
    const uint8_t protocols[] = {1, 6, 17, 58, 132};
    return protocols[below(5)];
  }
  RuleMatch any_match() {
    const bool v4 = once_in(2);
    RuleMatch m;
    m.src = any_prefix(v4);
    m.dst = any_prefix(v4);
    if (once_in(3)) m.src_port_first = any_port(), m.src_port_last = std::max(m.src_port_first, any_port());
    if (once_in(2)) m.dst_port_first = any_port(), m.dst_port_last = std::max(m.dst_port_first, any_port());
    if (once_in(4)) m.interface = static_cast<uint16_t>(once_in(4) ? below(256) : below(3));
    if (once_in(2)) m.protocol = any_protocol();
    if (once_in(6))
      m.tcp_mask = static_cast<uint8_t>(random()), m.tcp_flags = static_cast<uint8_t>(random()) & m.tcp_mask;
    if (once_in(6)) m.icmp_type = static_cast<int16_t>(below(10));
    if (once_in(4)) m.states = static_cast<uint8_t>(below(16));
    if (identities && once_in(2)) m.from_class_first = any_class(), m.from_class_last = any_class();
    if (identities && once_in(3)) m.to_class_first = m.to_class_last = any_class();
    return m;
  }
  FilterInput any_packet() {
    const bool v4 = once_in(2);
    FilterInput p;
    p.src = any_address(v4);
    p.dst = any_address(v4);
    p.src_port = any_port();
    p.dst_port = any_port();
    p.interface = static_cast<uint16_t>(once_in(4) ? below(256) : below(3));
    p.protocol = any_protocol();
    p.tcp_flags = static_cast<uint8_t>(p.protocol == 6 ? random() : 0);
    p.icmp_type = static_cast<uint8_t>(p.protocol == 1 || p.protocol == 58 ? below(10) : 0);
    p.state = static_cast<FlowState>(1 << below(4));
    p.from_class = any_class();
    p.to_class = any_class();
    return p;
  }
};

TEST(Filter, DecidesAsANaiveMatcherDoes) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    std::vector<FilterRule> rules(seed * seed * 4);
    for (FilterRule& r : rules)
      for (unsigned i = 1 + world.below(3); i > 0; --i) r.matches.push_back(world.any_match());
    for (FilterRule& r : rules) r.shadow = seed % 4 == 0 && world.once_in(3);
    std::vector<MirrorMatch> mirrors(seed % 3 * 5);
    for (uint32_t i = 0; i < mirrors.size(); ++i) mirrors[i] = {i * 6, {world.any_match(), world.any_match()}};
    const auto filter = must_build(rules, mirrors);
    ASSERT_NE(filter, nullptr);

    for (int burst = 0; burst < 200; ++burst) {
      std::vector<FilterInput> packets(1 + world.below(kFilterBurst));
      std::vector<const FilterInput*> inputs;
      for (FilterInput& p : packets) {
        p = world.any_packet();
        inputs.push_back(&p);
      }
      std::vector<FilterResult> results(packets.size());
      filter->classify(inputs, results.data());
      for (size_t i = 0; i < packets.size(); ++i) {
        uint32_t want = kNoRule, shadow = kNoRule;
        for (uint32_t r = 0; r < rules.size() && want == kNoRule; ++r)
          for (const RuleMatch& m : rules[r].matches)
            if (holds(m, packets[i])) (rules[r].shadow ? shadow : want) = std::min(r, rules[r].shadow ? shadow : want);
        ASSERT_EQ(results[i].rule, want);
        ASSERT_EQ(results[i].shadow, shadow);
        uint64_t set = 0;
        for (const MirrorMatch& mirror : mirrors)
          for (const RuleMatch& m : mirror.matches)
            if (holds(m, packets[i])) set |= 1ull << mirror.slot;
        ASSERT_EQ(results[i].mirrors, set);
        if (i == 0) {
          const FilterResult alone = filter->classify(packets[i]);
          ASSERT_EQ(alone.rule, want);
          ASSERT_EQ(alone.mirrors, set);
        }
      }
    }
  }
}

}  // namespace
}  // namespace penstock::flow
