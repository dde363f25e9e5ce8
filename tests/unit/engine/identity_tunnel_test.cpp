// Identities across a tunnel: the number that one gateway sends is the other's identity, on every worker, also of
// pieces and resets; what was never told or agreed on is dropped by name.
#include "unit/engine/world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;
using flow::FilterAction;

constexpr uint8_t kSyn = wire::kTcpSyn, kRst = wire::kTcpRst;

// Of the sender's class and, unless it is 0, the receiver's; both families.
flow::FilterRule rule(FilterAction action, uint16_t from = 0, uint16_t to = 0) {
  flow::FilterRule out;
  out.action = action;
  out.name = "default/p/r";
  for (const bool v4 : {true, false}) {
    flow::RuleMatch match;
    if (v4) match.src = net("0.0.0.0/0");
    if (from != 0) match.from_class_first = match.from_class_last = from;
    if (to != 0) match.to_class_first = match.to_class_last = to;
    out.matches.push_back(match);
  }
  return out;
}

// Gateway `n` of two that agreed on identities: fabric at port 0, behind it 10.<n + 1>.0.0/16 at port 1, where the one
// workload has identity 10 + n by its own numbers, and by the peer's view 20 + n.
class Site {
 public:
  Site(unsigned n, unsigned workers, crypto::CryptoUse use, bool identities = true)
      : world(workers),
        associations(
            workers, [this](unsigned id, auto table) { world.worker(id).set_associations(std::move(table)); }, use) {
    const std::string own = std::to_string(n + 1), other = std::to_string(2 - n);
    const auto at = [](const std::string& a, const std::string& b, const std::string& c) { return a + b + c; };
    world.interface(0).addresses = {net(at("198.51.100.", own, "/24").c_str())};
    world.interface(1).addresses = {net(at("10.", own, ".0.1/16").c_str())};
    const auto remote = net(at("10.", other, ".0.0/16").c_str());
    world.routes = {{net("198.51.100.0/24"), flow::RouteKind::kConnected, {{0, {}}}, {}},
                    {net(at("198.51.100.", own, "/32").c_str()), flow::RouteKind::kLocal, {{0, {}}}, {}},
                    {net(at("10.", own, ".0.0/16").c_str()), flow::RouteKind::kConnected, {{1, {}}}, {}},
                    {remote, flow::RouteKind::kGateway, {{.peer = 0}}, {}}};
    peer.slot = 0;
    peer.name = "default/other";
    peer.local = ip(at("198.51.100.", own, "").c_str());
    peer.remote = ip(at("198.51.100.", other, "").c_str());
    peer.path_mtu = 1500;
    peer.identities = identities;
    peer.prefixes = {remote};
    auto table = std::make_shared<flow::IdentityTable>();
    table->names.resize(30);
    table->classes.resize(30);
    for (uint16_t i = 10; i < 30; ++i) table->classes[i] = i;
    const std::vector<flow::WorkloadClaim> claims = {
        {1, {}, {net(at("10.", own, ".0.5/32").c_str())}, static_cast<flow::Identity>(10 + n)}};
    table->sources = flow::SourceTable(claims);
    table->from_peer = {std::vector<flow::Identity>(12)};
    table->from_peer[0][11 - n] = static_cast<flow::Identity>(21 - n);
    world.next.identities = table;
    publish();
    world.resolve(0, peer.remote.to_string().c_str());
    world.resolve(1, at("10.", own, ".0.5").c_str());
    world.resolve(1, at("10.", own, ".0.6").c_str());
    std::vector<crypto::SaSpec> out, in;
    for (unsigned lane = 0; lane < workers; ++lane) {
      out.push_back(spec((2 - n) << 16 | lane));
      in.push_back(spec((1 + n) << 16 | lane));
    }
    const auto staged = associations.stage(0, std::move(out), std::move(in));
    EXPECT_TRUE(staged.ok()) << staged.error();
    associations.commit();
  }

  void publish() {
    world.publish();
    auto table = std::make_shared<flow::PeerTable>();
    table->by_slot = {peer};
    table->locals = {peer.local};
    table->by_slot[0].route = world.state().generation->routes->find(peer.remote);
    world.next.peers = std::move(table);
    world.publish();
  }

  // What leaves after this frame came.
  std::vector<Out> pass(uint16_t port, const std::vector<uint8_t>& frame, unsigned worker = 0) {
    world.arrive(port, frame, worker);
    for (int i = 0; i < 4; ++i) world.round();
    return world.take();
  }

  World world;
  flow::Peer peer;
  Associations associations;

 private:
  crypto::SaSpec spec(uint32_t spi) const {
    crypto::SaSpec s;
    s.spi = spi;
    std::vector<uint8_t> key(20, static_cast<uint8_t>(spi));
    auto taken = crypto::Key::take(key);
    s.key = std::move(*taken);
    s.local = peer.local;
    s.remote = peer.remote;
    s.identities = peer.identities;
    return s;
  }
};

std::vector<uint8_t> on_the_wire(const Out& out) {
  std::vector<uint8_t> frame = out.frame;
  const auto to = to_gateway(0).dst;
  std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
  return frame;
}

struct Case {
  unsigned workers;
  crypto::CryptoUse use;
};
class IdentityTunnel : public testing::TestWithParam<Case> {};

TEST_P(IdentityTunnel, TheFarGatewayKnowsWhoSent) {
  const Case c = GetParam();
  Site a(0, c.workers, c.use), b(1, c.workers, c.use);
  b.world.interface(0).default_deny = true;
  b.world.rules = {rule(FilterAction::kAllow, 20, 11)};
  b.publish();
  for (uint16_t port = 1000; port < 1032; ++port) {
    for (const char* source : {"10.1.0.5", "10.1.0.6"}) {
      const auto sealed = a.pass(1, udp(to_gateway(1), source, port, "10.2.0.5", 53, 100), port % c.workers);
      ASSERT_EQ(sealed.size(), 1u);
      const auto opened = b.pass(0, on_the_wire(sealed[0]), (port + 1) % c.workers);
      ASSERT_EQ(opened.size(), source[7] == '5' ? 1u : 0u) << source << " " << port;
    }
    const auto back = b.pass(1, udp(to_gateway(1), "10.2.0.5", 53, "10.1.0.5", port, 100));
    ASSERT_EQ(back.size(), 1u);
    EXPECT_EQ(a.pass(0, on_the_wire(back[0])).size(), 1u);
  }
  EXPECT_EQ(b.world.drops(DropReason::filter_default), 32u);
  EXPECT_EQ(b.world.all_drops(), 32u);
  EXPECT_EQ(a.world.all_drops(), 0u);
  a.world.expect_balance();
  b.world.expect_balance();
}

TEST_P(IdentityTunnel, PiecesOfWhatIsTooLongHaveItToo) {
  const Case c = GetParam();
  Site a(0, c.workers, c.use), b(1, c.workers, c.use);
  b.world.interface(0).default_deny = true;
  b.world.rules = {rule(FilterAction::kAllow, 20)};
  b.publish();
  for (uint16_t port = 1000; port < 1008; ++port) {
    const auto sealed = a.pass(1, udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53, 1472, false));
    ASSERT_EQ(sealed.size(), 2u);
    size_t opened = 0;
    for (const Out& each : sealed) opened += b.pass(0, on_the_wire(each)).size();
    EXPECT_EQ(opened, 2u);
  }
  EXPECT_EQ(b.world.all_drops(), 0u);
}

TEST_P(IdentityTunnel, ANumberThatWasNeverToldIsDroppedByName) {
  const Case c = GetParam();
  Site a(0, c.workers, c.use), b(1, c.workers, c.use);
  auto table = std::make_shared<flow::IdentityTable>(*b.world.next.identities);
  table->from_peer.clear();
  b.world.next.identities = table;
  b.publish();
  const auto known = a.pass(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
  const auto nobody = a.pass(1, udp(to_gateway(1), "10.1.0.6", 1000, "10.2.0.5", 53));
  ASSERT_EQ(known.size() + nobody.size(), 2u);
  EXPECT_TRUE(b.pass(0, on_the_wire(known[0])).empty());
  EXPECT_EQ(b.world.drops(DropReason::identity_unknown), 1u);
  EXPECT_EQ(b.pass(0, on_the_wire(nobody[0])).size(), 1u) << "of nobody there is nothing to know";
  b.world.expect_balance();
}

TEST_P(IdentityTunnel, OneSideAloneIsRefusedByName) {
  const Case c = GetParam();
  Site a(0, c.workers, c.use, true), b(1, c.workers, c.use, false);
  const auto sealed = a.pass(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
  ASSERT_EQ(sealed.size(), 1u);
  EXPECT_TRUE(b.pass(0, on_the_wire(sealed[0])).empty());
  EXPECT_EQ(b.world.drops(DropReason::esp_identity_unexpected), 1u);
  const auto plain = b.pass(1, udp(to_gateway(1), "10.2.0.5", 1000, "10.1.0.5", 53));
  ASSERT_EQ(plain.size(), 1u);
  EXPECT_TRUE(a.pass(0, on_the_wire(plain[0])).empty());
  EXPECT_EQ(a.world.drops(DropReason::esp_identity_missing), 1u);
}

TEST_P(IdentityTunnel, AResetSpeaksForWhoWasAsked) {
  const Case c = GetParam();
  Site a(0, c.workers, c.use), b(1, c.workers, c.use);
  a.world.rules = {rule(FilterAction::kAllow, 10), rule(FilterAction::kAllow, 21), rule(FilterAction::kDeny)};
  a.publish();
  b.world.rules = {rule(FilterAction::kReject, 20)};
  b.publish();
  const auto syn = a.pass(1, tcp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 80, kSyn));
  ASSERT_EQ(syn.size(), 1u);
  const auto reset = b.pass(0, on_the_wire(syn[0]));
  ASSERT_EQ(reset.size(), 1u);
  EXPECT_EQ(reset[0].headers.protocol, wire::kProtocolEsp);
  const auto told = a.pass(0, on_the_wire(reset[0]));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].headers.tcp_flags & kRst, 0);
}

INSTANTIATE_TEST_SUITE_P(Workers, IdentityTunnel,
                         testing::Values(Case{1, crypto::CryptoUse::kAny}, Case{2, crypto::CryptoUse::kAny},
                                         Case{2, crypto::CryptoUse::kQueues}),
                         [](const auto& test) {
                           return std::to_string(test.param.workers) + "workers" +
                                  (test.param.use == crypto::CryptoUse::kQueues ? "queued" : "");
                         });

}  // namespace
}  // namespace penstock::engine::test
