// Peers that come and go, and what becomes of it: a generation without a revision.
#include "unit/control/loop/loop_fixture.h"
#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::loop {
namespace {

class PeersTest : public LoopFixture {
 protected:
  void SetUp() override {
    LoopFixture::SetUp();
    ASSERT_TRUE(boot().ok());
  }
  static model::Peer peer(const std::string& name, const std::string& address, int32_t priority = 0) {
    model::Peer out;
    out.name.name = name;
    out.address = ip(address);
    out.prefixes = {prefix("10.9.0.0/16")};
    out.key_file = "/keys";
    out.priority = priority;
    out.liveness = {.interval_milliseconds = 50, .misses = 3};
    return out;
  }
  const flow::Peer tunnel(const std::string& name) {
    const auto g = loop_->generation();
    for (const flow::Peer& each : g->peers->by_slot)
      if (each.slot != flow::kNoPeer && each.name == "default/" + name) return each;
    ADD_FAILURE() << "no peer " << name;
    return {};
  }
  // To whom 10.9.0.1 leads.
  std::string serves() {
    const auto g = loop_->generation();
    const flow::RouteResult& route = g->routes->at(g->routes->find(ip("10.9.0.1")));
    return g->peers->by_slot[g->routes->next_hop(g->routes->next_hop_in(route, 0)).peer].name;
  }
  bool all(const std::string& name, liveness::PathState state) {
    const auto slot = tunnel(name).slot;
    for (const PeerPaths& each : loop_->peer_paths())
      if (each.slot == slot)
        return std::all_of(each.paths.begin(), each.paths.end(), [&](const auto& p) { return p.state == state; });
    return false;
  }
};

TEST_F(PeersTest, ADeadPeerLeavesItsPrefixWithoutARevision) {
  apply_ok({sample_node(), peer("a", "192.0.2.2"), peer("b", "192.0.2.3", 1)});
  ASSERT_TRUE(eventually([&] { return all("a", liveness::PathState::kUp) && all("b", liveness::PathState::kUp); }));
  EXPECT_EQ(serves(), "default/a");
  const uint64_t revision = loop_->revision();
  dataplane_->set_silent({{tunnel("a").slot, 0}});
  EXPECT_TRUE(eventually([&] { return serves() == "default/b"; }));
  EXPECT_FALSE(tunnel("a").up);
  dataplane_->set_silent({});
  EXPECT_TRUE(eventually([&] { return serves() == "default/a"; }));
  EXPECT_EQ(loop_->revision(), revision);
  // Not asked any more: up.
  dataplane_->set_silent({{tunnel("a").slot, 0}});
  EXPECT_TRUE(eventually([&] { return serves() == "default/b"; }));
  auto quiet = peer("a", "192.0.2.2");
  quiet.liveness.reset();
  apply_ok({quiet});
  EXPECT_TRUE(eventually([&] { return serves() == "default/a"; }));
}

TEST_F(PeersTest, AnotherAddressTakesOver) {
  auto a = peer("a", "192.0.2.2");
  a.more = {ip("10.0.1.2")};
  apply_ok({sample_node(), a});
  ASSERT_TRUE(eventually([&] { return all("a", liveness::PathState::kUp); }));
  EXPECT_EQ(tunnel("a").remote, ip("192.0.2.2"));
  const auto routes = loop_->generation()->routes;
  dataplane_->set_silent({{tunnel("a").slot, 0}});
  EXPECT_TRUE(eventually([&] { return tunnel("a").remote == ip("10.0.1.2"); }));
  EXPECT_TRUE(tunnel("a").up);
  EXPECT_EQ(loop_->generation()->routes, routes);
  dataplane_->set_silent({});
  EXPECT_TRUE(eventually([&] { return tunnel("a").remote == ip("192.0.2.2"); }));
}

TEST_F(PeersTest, AMessageAboutThePathMtuMustQuoteALiveAssociation) {
  apply_ok({sample_node(), peer("a", "192.0.2.2")});
  dataplane_->set_associations({{.peer = tunnel("a").slot, .outbound = true, .spi = 0x1000},
                                {.peer = tunnel("a").slot, .outbound = false, .spi = 0x2000}});
  const auto tell = [&](uint32_t spi, uint32_t mtu, const char* remote = "192.0.2.2") {
    std::vector<uint8_t> outer(100);
    const size_t head = wire::build_ip_header(outer, {.src = ip("192.0.2.1"), .dst = ip(remote)}, 50, 80);
    base::store_be32(outer.data() + head, spi);
    wire::IcmpErrorPacket packet;
    packet.link = wire::Link{};
    packet.src = ip("192.0.2.9");
    packet.type = wire::kIcmpUnreachable;
    packet.code = wire::kIcmpFragmentationNeeded;
    packet.mtu = mtu;
    packet.original = outer;
    flow::Event event;
    event.kind = flow::EventKind::kPunt;
    event.interface = 0;
    event.length = static_cast<uint16_t>(wire::build_icmp_error(event.frame, packet));
    dataplane_->push(event);
  };
  const auto refused = [&] { return loop_->stats().control.path_mtu_refused; };
  tell(0x3000, 1000);
  tell(0x2000, 1000);
  tell(0x1000, 1000, "192.0.2.77");
  EXPECT_TRUE(eventually([&] { return refused() == 3; }));
  EXPECT_EQ(tunnel("a").path_mtu, 1500);
  tell(0x1000, 1400);
  EXPECT_TRUE(eventually([&] { return tunnel("a").path_mtu == 1400; }));
  tell(0x1000, 1450);  // never raised
  tell(0x1000, 100);   // never below 576
  EXPECT_TRUE(eventually([&] { return tunnel("a").path_mtu == 576; }));
  for (int i = 0; i < 100; ++i) tell(0x3000, 1000);  // a flood is looked at now and then
  EXPECT_TRUE(eventually([&] { return refused() == 103; }));
  EXPECT_EQ(tunnel("a").path_mtu, 576);
}

}  // namespace
}  // namespace penstock::loop
