#include <algorithm>

#include "control/loop/surroundings.h"
#include "unit/control/loop/loop_fixture.h"
#include "wire/arp_nd.h"
#include "wire/build.h"

namespace penstock::loop {
namespace {

constexpr base::MacAddress kPeer{{0x02, 0, 0, 0, 0, 0x77}};

class MachinesTest : public LoopFixture {
 protected:
  void SetUp() override {
    LoopFixture::SetUp();
    ASSERT_TRUE(boot().ok());
  }
  flow::InterfaceId id_of(const std::string& name) {
    const auto generation = loop_->generation();
    for (const auto& interface : generation->interfaces->by_id) {
      if (interface.id != flow::kNoInterface && interface.name == name) return interface.id;
    }
    return flow::kNoInterface;
  }
  void punt(const std::string& interface, base::Bytes frame) {
    flow::Event event;
    event.kind = flow::EventKind::kPunt;
    event.interface = id_of(interface);
    event.length = static_cast<uint16_t>(frame.size());
    std::copy(frame.begin(), frame.end(), event.frame.begin());
    dataplane_->push(event);
  }
  void arp(uint16_t operation, const std::string& sender, const std::string& target) {
    uint8_t buffer[128];
    wire::ArpPacket packet{.link = {.dst = wire::kBroadcastMac, .src = kPeer}};
    packet.message = {operation, kPeer, ip(sender), {}, ip(target)};
    punt("lan", {buffer, wire::build_arp(buffer, packet)});
  }
  // The first injected frame for which `wanted` holds.
  template <typename F>
  std::optional<FakeDataplane::Injected> await(F&& wanted) {
    std::optional<FakeDataplane::Injected> found;
    eventually([&] {
      for (auto& injected : dataplane_->take_injected()) {
        if (!found && wanted(injected)) found = injected;
      }
      return found.has_value();
    });
    return found;
  }
  static std::optional<wire::ArpMessage> read_arp(const FakeDataplane::Injected& injected) {
    wire::Headers h;
    wire::ArpMessage out;
    wire::parse(injected.frame, static_cast<uint32_t>(injected.frame.size()), wire::Ipv4Checksum::kVerify, h);
    if (wire::parse_arp(injected.frame, h, out) != wire::NeighbourError::kNone) return std::nullopt;
    return out;
  }
  struct Syn {
    base::IpAddress src, dst;
    uint16_t src_port, dst_port;
    uint32_t seq;
  };
  static std::optional<Syn> read_syn(const FakeDataplane::Injected& injected) {
    wire::Headers h;
    const auto& f = injected.frame;
    if (wire::parse(f, static_cast<uint32_t>(f.size()), wire::Ipv4Checksum::kVerify, h) != wire::ParseError::kNone ||
        h.protocol != 6 || h.tcp_flags != wire::kTcpSyn) {
      return std::nullopt;
    }
    const uint8_t* at = f.data() + h.l2_length;
    return Syn{base::IpAddress::v4_from(at + 12), base::IpAddress::v4_from(at + 16), h.src_port, h.dst_port,
               base::load_be32(f.data() + h.l4_offset + wire::kTcpSeqAt)};
  }
  void answer_syn(const Syn& syn, bool accept) {
    uint8_t buffer[128];
    const auto flags = static_cast<uint8_t>(accept ? wire::kTcpSyn | wire::kTcpAck : wire::kTcpRst | wire::kTcpAck);
    punt("lan", {buffer, wire::build_tcp(buffer, {.link = wire::Link{},
                                                  .ip = {.src = syn.dst, .dst = syn.src},
                                                  .src_port = syn.dst_port,
                                                  .dst_port = syn.src_port,
                                                  .seq = 9,
                                                  .ack = syn.seq + 1,
                                                  .flags = flags})});
  }
  model::ServicePolicy checked(const std::string& service) {
    model::ServicePolicy policy;
    policy.name.name = policy.service.name = service;
    policy.health_check.kind = model::HealthCheckKind::kTcp;
    policy.health_check.interval_milliseconds = 100;
    policy.health_check.timeout_milliseconds = 90;
    policy.health_check.rise = policy.health_check.fall = 1;
    return policy;
  }
  flow::EndpointState endpoint_state(const std::string& address) {
    const auto generation = loop_->generation();
    for (const auto& entry : generation->services->entries()) {
      for (const auto& endpoint : entry->endpoints) {
        if (endpoint.address == ip(address)) return endpoint.state;
      }
    }
    ADD_FAILURE() << "no endpoint " << address;
    return flow::EndpointState::kDraining;
  }
};

TEST_F(MachinesTest, ResolvesWhatWorkersWantAndTellsAllOfThem) {
  apply_ok({sample_node()});
  flow::Event want;
  want.kind = flow::EventKind::kWantNeighbour;
  want.interface = id_of("lan");
  want.address = ip("10.0.1.7");
  dataplane_->push(want);
  const auto question = await([](const auto& i) {
    const auto arp = read_arp(i);
    return arp && arp->target_ip == ip("10.0.1.7");
  });
  ASSERT_TRUE(question.has_value());
  EXPECT_EQ(question->as, flow::InjectAs::kFrame);
  EXPECT_EQ(question->interface, id_of("lan"));
  arp(wire::kArpReply, "10.0.1.7", "10.0.1.1");
  std::set<unsigned> told;
  EXPECT_TRUE(eventually([&] {
    for (const auto& n : dataplane_->take_neighbours()) {
      EXPECT_EQ(n.mac, kPeer);
      EXPECT_EQ(n.state, flow::NeighbourState::kReachable);
      told.insert(n.worker);
    }
    return told.size() == 2;
  }));
}

TEST_F(MachinesTest, AnswersForVirtualAndPoolAddressesInItsSubnets) {
  model::Egress egress;
  egress.name.name = "out";
  egress.from = {prefix("10.9.0.0/16")};
  egress.pool = {ip("10.0.1.200"), ip("203.0.113.5")};
  apply_ok({sample_node(), sample_service("web", "10.0.1.100"), egress});
  for (const char* address : {"10.0.1.1", "10.0.1.100", "10.0.1.200"}) {
    arp(wire::kArpRequest, "10.0.1.7", address);
    EXPECT_TRUE(await([&](const auto& i) {
                  const auto message = read_arp(i);
                  return message && message->operation == wire::kArpReply && message->sender_ip == ip(address);
                }).has_value())
        << address;
  }
}

TEST_F(MachinesTest, AnnouncesNewAddresses) {
  apply_ok({sample_node()});
  apply_ok({sample_service("web", "10.0.1.100")});
  EXPECT_TRUE(await([](const auto& i) {
                const auto message = read_arp(i);
                return message && message->sender_ip == ip("10.0.1.100") && message->target_ip == ip("10.0.1.100");
              }).has_value());
}

TEST_F(MachinesTest, ALinkThatComesUpIsAnnouncedOn) {
  apply_ok({sample_node()});
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // the loop has seen the link once
  dataplane_->set_link("lan", false);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  dataplane_->take_injected();
  dataplane_->set_link("lan", true);
  EXPECT_TRUE(await([](const auto& i) {
                const auto message = read_arp(i);
                return message && message->sender_ip == ip("10.0.1.1");
              }).has_value());
}

TEST_F(MachinesTest, AnEndpointThatRefusesGoesDownAndComesBack) {
  apply_ok({sample_node(), sample_service("web", "192.0.2.10"), sample_slice("web", {"10.0.1.11", "10.0.1.12"}),
            checked("web")});
  EXPECT_EQ(loop_->stats().control.health_targets, 2u);
  bool up = false;
  const auto serve = [&](const std::function<bool()>& until) {
    return eventually([&] {
      for (const auto& injected : dataplane_->take_injected()) {
        const auto syn = read_syn(injected);
        if (!syn) continue;
        EXPECT_EQ(injected.as, flow::InjectAs::kPacket);
        EXPECT_EQ(syn->src, ip("10.0.1.1"));
        EXPECT_EQ(injected.worker, syn->src_port % 2u);
        answer_syn(*syn, up || syn->dst == ip("10.0.1.12"));
      }
      return until();
    });
  };
  EXPECT_TRUE(serve([&] { return endpoint_state("10.0.1.11") == flow::EndpointState::kDown; }));
  EXPECT_EQ(endpoint_state("10.0.1.12"), flow::EndpointState::kReady);
  EXPECT_EQ(loop_->revision(), 1u);
  const auto statuses = loop_->health();
  ASSERT_EQ(statuses.size(), 2u);
  EXPECT_EQ(statuses[0].last_failure, "connection refused");
  up = true;
  EXPECT_TRUE(serve([&] { return endpoint_state("10.0.1.11") == flow::EndpointState::kReady; }));
}

TEST_F(MachinesTest, WithoutItsCheckADownEndpointIsReadyAgain) {
  apply_ok({sample_node(), sample_service("web", "192.0.2.10"), sample_slice("web", {"10.0.1.11"}), checked("web")});
  EXPECT_TRUE(eventually([&] { return endpoint_state("10.0.1.11") == flow::EndpointState::kDown; }));  // nobody answers
  auto policy = checked("web");
  policy.health_check = {};
  apply_ok({policy});
  EXPECT_TRUE(eventually([&] { return endpoint_state("10.0.1.11") == flow::EndpointState::kReady; }));
  EXPECT_TRUE(loop_->health().empty());
}

TEST_F(MachinesTest, ManyResultsBecomeFewGenerations) {
  std::vector<std::string> addresses;
  for (int i = 2; i < 202; ++i) addresses.push_back("10.0.1." + std::to_string(i));
  auto policy = checked("web");
  policy.health_check.timeout_milliseconds = 20;
  policy.health_check.interval_milliseconds = 10000;
  apply_ok({sample_node(), sample_service("web", "192.0.2.10"), sample_slice("web", addresses), policy});
  const auto before = loop_->generation()->number;
  EXPECT_TRUE(eventually([&] { return loop_->stats().control.health_down == addresses.size(); }));
  EXPECT_TRUE(eventually([&] {
    return endpoint_state(addresses.back()) == flow::EndpointState::kDown &&
           endpoint_state(addresses.front()) == flow::EndpointState::kDown;
  }));
  EXPECT_LT(loop_->generation()->number - before, 40u);
}

TEST_F(MachinesTest, SourceIsTheGatewaysAddressOnTheWay) {
  auto node = sample_node();
  model::Route route;
  route.prefix = prefix("172.16.0.0/12");
  route.next_hops = {{ip("10.0.1.254"), "", 1}};
  node.routes = {route};
  apply_ok({node});
  const auto generation = loop_->generation();
  EXPECT_EQ(source_for(*generation, ip("10.0.1.11")), ip("10.0.1.1"));
  EXPECT_EQ(source_for(*generation, ip("172.16.5.5")), ip("10.0.1.1"));
  EXPECT_EQ(source_for(*generation, ip("192.0.2.77")), ip("192.0.2.1"));
  EXPECT_EQ(source_for(*generation, ip("8.8.8.8")), std::nullopt);
  EXPECT_EQ(source_for(*generation, ip("2001:db8::1")), std::nullopt);
}

TEST_F(MachinesTest, ACryptoDeviceThatFailsIsSeen) {
  apply_ok({sample_node()});
  dataplane_->set_crypto_devices({{"0000:3d:01.0", ""}, {"0000:3d:01.1", "0000:3d:01.1 failed: why"}});
  const auto seen = loop_->stats().crypto_devices;
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].name, "0000:3d:01.0");
  EXPECT_TRUE(seen[0].up);
  EXPECT_FALSE(seen[1].up);
}

TEST_F(MachinesTest, ManyCommandsPassARingThatIsOftenFull) {
  apply_ok({sample_node()});
  for (int i = 2; i < 250; ++i) {
    flow::Event want;
    want.kind = flow::EventKind::kWantNeighbour;
    want.interface = id_of("lan");
    want.address = ip("10.0.1." + std::to_string(i));
    dataplane_->push(want);
  }
  std::set<base::IpAddress> asked;
  EXPECT_TRUE(eventually([&] {
    for (const auto& injected : dataplane_->take_injected()) {
      if (const auto message = read_arp(injected)) asked.insert(message->target_ip);
    }
    return asked.size() >= 248;
  }));
}

}  // namespace
}  // namespace penstock::loop
