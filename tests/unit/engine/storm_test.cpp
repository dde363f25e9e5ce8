// Anything may arrive: tens of thousands of random and damaged frames over a rich and changing generation. Nothing
// crashes, no buffer is lost, and every packet is accounted for exactly once.
#include <random>

#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

class Storm : public testing::TestWithParam<unsigned> {
 protected:
  Storm() : world(GetParam()), random_(GetParam() * 7919) {}

  uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
  template <typename T, size_t N>
  T pick(const T (&of)[N]) {
    return of[below(N)];
  }

  void build_world() {
    world.add_interface("tagged", 1, {net("10.0.5.1/24")}, 5);
    world.interface(0).rpf = flow::Rpf::kLoose;
    world.interface(0).mss_clamp = 1;
    world.interface(2).mtu = 600;
    world.routes.push_back({net("0.0.0.0/0"), flow::RouteKind::kGateway, {{0, ip("198.51.100.254")}}, {}});
    world.routes.push_back({net("::/0"), flow::RouteKind::kGateway, {{0, ip("2001:db8:1::fe")}}, {}});
    world.routes.push_back({net("10.8.0.0/16"), flow::RouteKind::kProhibit, {}, {}});
    using flow::ServiceMode;
    const ServiceMode modes[] = {ServiceMode::kNat, ServiceMode::kFullNat, ServiceMode::kDsr, ServiceMode::kIpip};
    for (uint32_t i = 0; i < 8; ++i) {
      auto s = std::make_shared<flow::ServiceEntry>();
      s->slot = i;
      s->address = i < 4 ? ip("203.0.113.80") : ip("2001:db8:80::1");
      s->port = static_cast<uint16_t>(80 + i % 4);
      s->protocol = 6;
      s->mode = modes[i % 4];
      s->balancing = flow::Balancing::kRoundRobin;
      for (uint16_t e = 0; e < 2; ++e) {
        flow::Endpoint endpoint;
        endpoint.slot = i * 2 + e;
        endpoint.address = i < 4 ? ip(e == 0 ? "10.0.1.11" : "10.0.2.12") : ip("2001:db8:2::11");
        endpoint.port = 8080;
        s->endpoints.push_back(endpoint);
      }
      s->table = {0, 1};
      all_services_.push_back(s);
    }
    flow::EgressRule egress;
    egress.from = {net("10.0.1.0/24"), net("10.0.5.0/24")};
    egress.pool.v4 = {ip("192.0.2.10")};
    egress.pool.port_last = 1500;
    egress.max_ports_per_source = 50;
    egresses_.push_back(egress);
    egress.slot = 1;
    egress.from = {net("10.0.2.0/24"), net("2001:db8:2::/64")};
    egress.pool = {};
    egresses_.push_back(egress);
    flow::MirrorRule copy;
    copy.interface = 2;
    copy.truncate = 64;
    flow::MirrorRule erspan;
    erspan.slot = 1;
    erspan.erspan = true;
    erspan.collector = ip("10.0.2.50");
    erspan.source = ip("10.0.2.1");
    world.next.mirrors = {copy, erspan, flow::MirrorRule{}};
    flow::Limit limit;
    limit.slot = 1;
    limit.per_second = 1000;
    limit.rate = flow::Rate::of(1000, 100, base::cycles_per_second());
    limit.bucket = flow::LimitBucket::kSource;
    world.limits.by_slot = {flow::Limit{}, limit};
    world.limits.any = true;
    world.limits.prefixes.push_back({net("10.0.1.0/24"), 1});
  }

  flow::FilterRule rule(uint32_t slot, flow::FilterAction action, uint8_t protocol, uint16_t port, uint8_t states) {
    flow::FilterRule out;
    out.slot = slot;
    out.action = action;
    out.log_sample = 3;
    for (const char* any : {"0.0.0.0/0", "::/0"}) {
      flow::RuleMatch match;
      match.src = match.dst = net(any);
      match.protocol = protocol;
      if (port != 0) match.dst_port_first = match.dst_port_last = port;
      match.states = states;
      out.matches.push_back(match);
    }
    return out;
  }

  void change_generation() {
    world.services.clear();
    for (const auto& each : all_services_) {
      if (below(5) == 0) continue;
      auto s = std::make_shared<flow::ServiceEntry>(*each);
      s->reset_on_down = below(2) != 0;
      if (below(2) == 0) {
        const uint16_t down = static_cast<uint16_t>(below(2));
        s->endpoints[down].state = pick({flow::EndpointState::kDown, flow::EndpointState::kDraining});
        s->table = {static_cast<uint16_t>(1 - down)};
      }
      world.services.push_back(s);
    }
    world.next.egresses.clear();
    for (const auto& each : egresses_)
      if (below(4) != 0) world.next.egresses.push_back(each);
    world.rules.clear();
    if (below(4) != 0) {
      world.rules.push_back(rule(0, flow::FilterAction::kReject, 17, 53, 0));
      world.rules.push_back(rule(1, flow::FilterAction::kDeny, 6, 22, 1));
      if (below(2) != 0) world.rules.push_back(rule(2, flow::FilterAction::kAllow, 0, 0, 2));
    }
    world.interface(1).default_deny = below(4) == 0;
    flow::MirrorMatch match;
    match.slot = below(3);
    match.matches.emplace_back();
    match.matches[0].src = match.matches[0].dst = net("0.0.0.0/0");
    match.matches[0].protocol = 6;
    world.mirror_matches = {match};
    world.next.settings.draining = below(8) == 0;
    world.next.settings.fragment_timeout_ms = below(3) == 0 ? 0 : 30000;
    world.publish();
    if (below(2) == 0) world.resolve(1, "10.0.1.11");
    if (below(2) == 0) world.resolve(0, "198.51.100.254");
    if (below(2) == 0) world.resolve(2, "10.0.2.12");
    if (below(2) == 0) world.resolve(1, "2001:db8:2::11");
    program_exact();
  }

  void program_exact() {
    for (unsigned i = 0; i < GetParam(); ++i) {
      flow::ProgramCommand command;
      for (uint16_t port = 0; port < 8; ++port) {
        flow::ExactOp op;
        op.kind = pick({flow::ExactOpKind::kReplace, flow::ExactOpKind::kDelete});
        op.key = {ip("198.51.100.7"), ip("10.0.1.11"), static_cast<uint16_t>(4000 + port), 80, 6};
        op.action.verb =
            pick({flow::ExactVerb::kAllow, flow::ExactVerb::kDrop, flow::ExactVerb::kRedirect, flow::ExactVerb::kNat});
        op.action.redirect_interface = pick({uint16_t{0}, uint16_t{2}, uint16_t{200}});
        op.action.redirect_via = ip("10.0.2.12");
        op.action.mirror = true;
        op.action.mirror_slot = static_cast<uint16_t>(below(64));
        op.action.nat_destination_port = 99;
        command.ops.push_back(op);
      }
      command.statuses.resize(command.ops.size());
      world.command(i, command);
    }
  }

  std::vector<uint8_t> sound_frame(uint16_t port) {
    const bool v6 = below(3) == 0;
    const char* const v4_hosts[] = {"198.51.100.7", "203.0.113.9",  "10.0.1.11",  "10.0.1.12", "10.0.2.12",
                                    "10.0.5.9",     "203.0.113.80", "192.0.2.10", "10.0.1.1",  "198.51.100.1",
                                    "10.8.0.1",     "224.0.0.5",    "10.0.1.255", "10.0.1.77"};
    const char* const v6_hosts[] = {"2001:db8:1::7", "2001:db8:9::9", "2001:db8:2::11", "2001:db8:80::1",
                                    "2001:db8:1::1", "fe80::1",       "ff02::5",        "2001:db8:2::12"};
    const char* src = v6 ? pick(v6_hosts) : pick(v4_hosts);
    const char* dst = v6 ? pick(v6_hosts) : pick(v4_hosts);
    const wire::Link link = to_gateway(port, port == 1 && below(4) == 0 ? 5 : 0);
    const auto sport = static_cast<uint16_t>(below(2) ? 4000 + below(8) : 1024 + below(500));
    const uint16_t dport = pick({uint16_t{80}, uint16_t{81}, uint16_t{82}, uint16_t{83}, uint16_t{53}, uint16_t{22},
                                 uint16_t{8080}, uint16_t{1024}, uint16_t{4000}});
    const uint8_t ttl = below(20) == 0 ? 1 : 64;
    switch (below(6)) {
      case 0:
      case 1:
        return tcp(link, src, sport, dst, dport, pick({uint8_t{2}, uint8_t{18}, uint8_t{16}, uint8_t{4}, uint8_t{17}}),
                   1000 + below(3), 5000 + below(3), below(1200), ttl);
      case 2:
        return udp(link, src, sport, dst, dport, below(1400), below(2) != 0, ttl);
      case 3:
        return udp(link, src, dport, dst, sport, below(100), below(2) != 0, ttl);
      case 4:
        return echo(link, src, dst, static_cast<uint16_t>(below(4)), below(600));
      default: {
        auto about = last_out_.empty() || below(2) ? udp(link, dst, dport, src, sport) : last_out_;
        if (about.size() < 34) about = udp(link, dst, dport, src, sport);
        return icmp_error(link, dst, v6 ? 1 : 3, static_cast<uint8_t>(below(5)), about);
      }
    }
  }

  void damage(std::vector<uint8_t>& frame) {
    switch (below(8)) {
      case 0:
        frame.resize(below(static_cast<uint32_t>(frame.size()) + 1));
        break;
      case 1:
        frame.resize(frame.size() + below(60));
        break;
      case 2:
        for (unsigned i = below(6); !frame.empty() && i != 0; --i)
          frame[below(static_cast<uint32_t>(frame.size()))] = static_cast<uint8_t>(random_());
        break;
      case 3:
        if (frame.size() >= 34 && frame[12] == 8) make_fragment(frame);
        break;
      default:
        break;
    }
    if (frame.empty()) frame.push_back(0);
  }

  void make_fragment(std::vector<uint8_t>& frame) {
    uint8_t* h = frame.data() + 14;
    base::store_be16(h + 4, static_cast<uint16_t>(below(32)));
    base::store_be16(h + 6, static_cast<uint16_t>((below(2) << 13) | (below(2) ? 0 : below(64))));
    base::store_be16(h + 10, 0);
    base::store_raw<uint16_t>(h + 10, static_cast<uint16_t>(~wire::fold(wire::sum_bytes({h, 20}))));
  }

  World world;
  std::mt19937_64 random_;
  std::vector<std::shared_ptr<const flow::ServiceEntry>> all_services_;
  std::vector<flow::EgressRule> egresses_;
  std::vector<uint8_t> last_out_;
};

TEST_P(Storm, EveryPacketIsAccountedForOnce) {
  build_world();
  change_generation();
  for (unsigned sent = 0, bursts = 0; sent < 20'000; ++bursts) {
    std::vector<World::Arrival> burst;
    for (unsigned i = 1 + below(kBurst); i != 0; --i, ++sent) {
      const auto port = static_cast<uint16_t>(below(3));
      auto frame = sound_frame(port);
      damage(frame);
      burst.push_back({port, std::move(frame)});
    }
    world.inject(burst, below(GetParam()));
    if (below(4) == 0) world.round();
    if (bursts % 8 == 7) {
      const auto out = world.take();
      if (!out.empty()) last_out_ = out[below(static_cast<uint32_t>(out.size()))].frame;
    }
    if (bursts % 20 == 19) {
      world.round();
      world.expect_balance();
      change_generation();
      ASSERT_FALSE(HasFailure());
    }
  }
  world.round();
  world.expect_balance();
}

INSTANTIATE_TEST_SUITE_P(Workers, Storm, testing::Values(1u, 2u, 3u));

}  // namespace
}  // namespace penstock::engine::test
