// Two gateways back to back: what one encrypts the other decrypts, whichever workers have the associations; what may
// not travel is dropped by name.
#include <set>

#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

struct Case {
  unsigned workers, out_lanes, in_lanes;
  crypto::CryptoUse use = crypto::CryptoUse::kAny;
};
class Mesh : public testing::TestWithParam<Case> {};

TEST_P(Mesh, WhatOneEncryptsTheOtherDecrypts) {
  const Case c = GetParam();
  Gateway a(0, c.workers, c.out_lanes, c.in_lanes, c.use), b(1, c.workers, c.in_lanes, c.out_lanes, c.use);
  std::set<uint32_t> spis;
  for (uint16_t port = 1000; port < 1064; ++port) {
    const auto inner = udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53, 100);
    a.arrive(1, inner);
    const auto sent = a.world.take();
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(sent[0].port, 0);
    EXPECT_EQ(sent[0].headers.protocol, wire::kProtocolEsp);
    EXPECT_EQ(sent[0].src, ip("198.51.100.1"));
    EXPECT_EQ(sent[0].dst, ip("198.51.100.2"));
    spis.insert(base::load_be32(sent[0].frame.data() + 34));
    b.arrive(0, on_the_wire(sent[0]));
    const auto received = b.world.take();
    ASSERT_EQ(received.size(), 1u) << port;
    EXPECT_EQ(received[0].port, 1);
    EXPECT_EQ(received[0].src, ip("10.1.0.5"));
    EXPECT_EQ(received[0].headers.src_port, port);
    EXPECT_EQ(received[0].headers.hop_limit, 62);
    ASSERT_EQ(received[0].frame.size(), inner.size());
    EXPECT_TRUE(std::equal(inner.begin() + 42, inner.end(), received[0].frame.begin() + 42));
    EXPECT_EQ(wire::verify_l4(received[0].frame, received[0].headers), wire::ChecksumState::kGood);
  }
  EXPECT_EQ(spis.size(), c.out_lanes);
  a.world.expect_balance();
  b.world.expect_balance();
}

TEST_P(Mesh, ALongPacketIsCutBeforeItIsEncryptedOrItsSenderTold) {
  const Case c = GetParam();
  Gateway a(0, c.workers, c.out_lanes, c.in_lanes, c.use), b(1, c.workers, c.in_lanes, c.out_lanes, c.use);
  for (uint16_t port = 1000; port < 1008; ++port) {  // flows of every worker
    a.arrive(1, udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53, 1472, false));
    const auto pieces = a.world.take();
    ASSERT_EQ(pieces.size(), 2u);
    size_t bytes = 0;
    for (const Out& piece : pieces) {
      EXPECT_LE(piece.frame.size(), 14u + 1500);
      EXPECT_FALSE(piece.headers.is(wire::kIsFragment));
      b.arrive(0, on_the_wire(piece));
    }
    for (const Out& piece : b.world.take()) {
      EXPECT_TRUE(piece.headers.is(wire::kIsFragment));
      bytes += piece.frame.size() - 34;
    }
    EXPECT_EQ(bytes, 1480u);
  }
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 1472, true));
  const auto told = a.world.take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].port, 1);
  EXPECT_EQ(told[0].headers.icmp_code, wire::kIcmpFragmentationNeeded);
  EXPECT_EQ(base::load_be16(told[0].frame.data() + told[0].headers.l4_offset + 6),
            a.associations.overhead(0)->inner_mtu(1500, false));
  EXPECT_EQ(a.world.drops(DropReason::too_big), 1u);
  a.world.expect_balance();
  b.world.expect_balance();
}

INSTANTIATE_TEST_SUITE_P(Workers, Mesh,
                         testing::Values(Case{1, 1, 1}, Case{1, 3, 2}, Case{2, 2, 2}, Case{2, 1, 1}, Case{3, 2, 3},
                                         Case{2, 1, 2, crypto::CryptoUse::kQueues}),
                         [](const auto& test) {
                           return std::to_string(test.param.workers) + "workers" +
                                  std::to_string(test.param.out_lanes) + "and" + std::to_string(test.param.in_lanes) +
                                  (test.param.use == crypto::CryptoUse::kQueues ? "queued" : "");
                         });

TEST(MeshPolicy, ClearTextOfAPeerThatMustEncryptIsRefused) {
  Gateway b(1, 2, 2, 2);
  const auto spoofed = udp(to_gateway(0), "10.1.0.5", 1000, "10.2.0.5", 53);
  b.world.arrive(0, spoofed);
  b.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.6", 53));  // and from inside
  EXPECT_TRUE(b.world.take().empty());
  EXPECT_EQ(b.world.drops(DropReason::clear_refused), 2u);
  b.peer.encryption = flow::Encryption::kPreferred;
  b.publish();
  b.world.arrive(0, spoofed);
  EXPECT_EQ(b.world.take().size(), 1u);
}

TEST(MeshPolicy, WithoutAnAssociationRequiredDropsAndPreferredSendsInClear) {
  Gateway a(0, 1, 1, 1);
  a.associations.remove(0);
  a.associations.commit();
  const auto packet = udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53);
  a.world.arrive(1, packet);
  EXPECT_TRUE(a.world.take().empty());
  EXPECT_EQ(a.world.drops(DropReason::no_association), 1u);
  a.peer.encryption = flow::Encryption::kPreferred;
  a.publish();
  a.world.arrive(1, packet);
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].port, 0);
  EXPECT_EQ(sent[0].dst, ip("10.2.0.5"));
  a.world.expect_balance();
}

TEST(MeshPolicy, SourcesNotBehindThePeerAreRefused) {
  for (const auto use : {crypto::CryptoUse::kAny, crypto::CryptoUse::kQueues}) {
    Gateway a(0, 1, 1, 1, use), b(1, 1, 1, 1, use);
    a.world.routes.push_back({net("10.77.0.0/16"), flow::RouteKind::kConnected, {{1, {}}}, {}});
    a.publish();
    a.arrive(1, udp(to_gateway(1), "10.77.0.5", 1000, "10.2.0.5", 53));
    const auto sent = a.world.take();
    ASSERT_EQ(sent.size(), 1u);
    b.arrive(0, on_the_wire(sent[0]));
    EXPECT_TRUE(b.world.take().empty());
    EXPECT_EQ(b.world.drops(DropReason::esp_selector_mismatch), 1u);
    b.world.expect_balance();
  }
}

TEST(MeshPolicy, AWidePrefixOfAPeerDoesNotHoldWhatIsNearer) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  a.peer.encryption = flow::Encryption::kPreferred;  // lets them in
  a.publish();
  b.peer.prefixes = {net("10.0.0.0/8")};
  b.world.routes.push_back({net("10.0.0.0/8"), flow::RouteKind::kGateway, {{.peer = 0}}, {}});
  b.publish();
  for (const char* source : {"10.77.0.5", "10.2.0.9", "10.2.0.1"}) {
    a.world.arrive(1, udp(to_gateway(1), source, 1000, "10.2.0.5", 53));
    const auto sent = a.world.take();
    ASSERT_EQ(sent.size(), 1u);
    b.world.arrive(0, on_the_wire(sent[0]));
  }
  EXPECT_EQ(b.world.take().size(), 1u);
  EXPECT_EQ(b.world.drops(DropReason::esp_selector_mismatch), 2u);
}

TEST(MeshPolicy, NeighbourDiscoveryDoesNotComeOutOfATunnel) {
  for (const auto use : {crypto::CryptoUse::kAny, crypto::CryptoUse::kQueues}) {
    Gateway a(0, 2, 2, 2, use), b(1, 2, 2, 2, use);
    a.world.routes.push_back({net("2001:db8:2::/64"), flow::RouteKind::kGateway, {{.peer = 0}}, {}});
    b.world.routes.push_back({net("2001:db8:2::1/128"), flow::RouteKind::kLocal, {{1, {}}}, {}});
    b.peer.prefixes.push_back(net("2001:db8:1::/64"));
    b.world.routes.push_back({net("2001:db8:1::/64"), flow::RouteKind::kGateway, {{.peer = 0}}, {}});
    a.publish();
    b.publish();
    for (const char* from : {"2001:db8:1::1", "2001:db8:1::2"}) {  // both workers
      wire::NdPacket packet;
      packet.message.type = wire::kNdNeighbourAdvert;
      packet.message.src = ip(from);
      packet.message.dst = ip("2001:db8:2::1");
      packet.message.target = ip("2001:db8:2::5");
      flow::InjectCommand inject;
      inject.as = flow::InjectAs::kPacket;
      inject.frame.resize(200);
      inject.frame.resize(wire::build_nd(inject.frame, packet));
      a.world.command(0, inject);
      for (int i = 0; i < 4; ++i) a.world.round();
      const auto sent = a.world.take();
      ASSERT_EQ(sent.size(), 1u);
      b.arrive(0, on_the_wire(sent[0]));
    }
    EXPECT_EQ(b.world.drops(DropReason::esp_selector_mismatch), 2u);
    b.world.expect_balance();
  }
}

TEST(MeshPolicy, TheKernelIsNoWayRoundTheTunnel) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  b.world.interface(0).twin_port = 2;
  b.world.interface(0).exceptions = {{wire::kProtocolUdp, 53}};
  b.world.interface(2).is_twin = true;
  b.world.interface(2).port_of_twin = 0;
  b.publish();
  // Into the kernel, which would answer in clear: our own answer instead, through the tunnel.
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.1", 53));
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  b.world.arrive(0, on_the_wire(sent[0]));
  const auto answer = b.world.take();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].port, 0);
  EXPECT_EQ(answer[0].headers.protocol, wire::kProtocolEsp);
  // Out of the kernel.
  b.world.arrive(2, udp(to_gateway(0), "198.51.100.2", 1000, "10.1.0.5", 53));
  EXPECT_TRUE(b.world.take().empty());
  EXPECT_EQ(b.world.drops(DropReason::clear_refused), 1u);
  b.world.arrive(2, udp(to_gateway(0), "198.51.100.2", 1000, "198.51.100.1", 179));
  EXPECT_EQ(b.world.take().size(), 1u);
  b.world.expect_balance();
}

TEST(MeshPolicy, NobodyOutsideTellsOfWhatWentThroughTheTunnel) {
  Gateway b(1, 1, 1, 1);
  const auto about = [](const char* to) {
    return icmp_error(to_gateway(0), "198.51.100.77", wire::kIcmpUnreachable, wire::kIcmpFragmentationNeeded,
                      udp(to_gateway(1), "10.2.0.5", 53, to, 1000));
  };
  b.world.arrive(0, about("10.1.0.5"));
  EXPECT_TRUE(b.world.take().empty());
  EXPECT_EQ(b.world.drops(DropReason::clear_refused), 1u);
  b.world.arrive(0, about("198.51.100.200"));
  EXPECT_EQ(b.world.take().size(), 1u);
}

TEST(MeshPolicy, InClearTheReversePathIsThatOfThePeer) {
  Gateway b(1, 1, 1, 1);
  b.peer.encryption = flow::Encryption::kOff;
  for (flow::InterfaceId id : {0, 1}) b.world.interface(id).rpf = flow::Rpf::kStrict;
  b.publish();
  b.world.arrive(0, udp(to_gateway(0), "10.1.0.5", 1000, "10.2.0.5", 53));
  EXPECT_EQ(b.world.take().size(), 1u);
  b.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
  EXPECT_TRUE(b.world.take().empty());
  EXPECT_EQ(b.world.drops(DropReason::reverse_path), 1u);
}

TEST(MeshPolicy, WhatAnotherWorkerWantsEncryptedNeverLeavesInClear) {
  Gateway a(0, 2, 2, 2);
  a.peer.encryption = flow::Encryption::kOff;  // this worker's generation is another
  a.publish();
  const auto frame = udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53);
  rte_mbuf* m = rte_pktmbuf_alloc(test_pool());
  ASSERT_NE(m, nullptr);
  std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
  m->ol_flags = 0;
  carry_of(m) = Carry{};
  carry_of(m).to_peer = 0;
  ASSERT_TRUE(a.world.state(1).mesh.packets(1, 0).push({m, Errand::kEncrypt}));
  a.world.state(1).counters->to_workers.add(1);
  a.world.round();
  EXPECT_TRUE(a.world.take().empty());
  EXPECT_EQ(a.world.drops(DropReason::no_association), 1u);
}

TEST(MeshPolicy, SendersBehindThePeerHearOfAHostThatIsDown) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.77", 53));
  auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  b.world.arrive(0, on_the_wire(sent[0]));
  EXPECT_EQ(b.world.state().neighbours.held(), 1u);
  flow::NeighbourCommand failed;
  failed.interface = 1;
  failed.address = ip("10.2.0.77");
  failed.state = flow::NeighbourState::kFailed;
  b.world.command(0, failed);
  b.world.round();
  sent = b.world.take();
  ASSERT_EQ(sent.size(), 1u);
  a.world.arrive(0, on_the_wire(sent[0]));
  const auto told = a.world.take();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].src, ip("10.2.0.1"));
  EXPECT_EQ(told[0].headers.icmp_type, wire::kIcmpUnreachable);
}

TEST(MeshPolicy, ForgedAndReplayedPacketsHaveNames) {
  Gateway a(0, 1, 1, 1), b(1, 1, 1, 1);
  a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
  const auto sent = a.world.take();
  ASSERT_EQ(sent.size(), 1u);
  auto frame = on_the_wire(sent[0]);
  auto forged = frame;
  forged[60] ^= 1;
  b.world.arrive(0, forged);
  EXPECT_EQ(b.world.drops(DropReason::esp_failed_authentication), 1u);
  b.world.arrive(0, frame);
  EXPECT_EQ(b.world.take().size(), 1u);
  b.world.arrive(0, frame);
  EXPECT_EQ(b.world.drops(DropReason::esp_replayed), 1u);
  auto unknown = frame;
  unknown[35] ^= 0x40;
  b.world.arrive(0, unknown);
  EXPECT_EQ(b.world.drops(DropReason::esp_unknown_spi), 1u);
  EXPECT_TRUE(b.world.take().empty());
  b.world.expect_balance();
}

TEST(MeshAssociations, ReplacedAndRemovedWhilePacketsPass) {
  Gateway a(0, 2, 2, 2), b(1, 2, 2, 2);
  const auto pass = [&](uint16_t port) {
    a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53));
    const auto sent = a.world.take();
    if (sent.size() != 1) return false;
    b.world.arrive(0, on_the_wire(sent[0]));
    return b.world.take().size() == 1;
  };
  EXPECT_TRUE(pass(1));
  for (uint32_t round = 1; round < 20; ++round) {
    for (Gateway* each : {&a, &b}) {
      std::vector<crypto::SaSpec> out, in;
      for (uint32_t lane = 0; lane < 2; ++lane) {
        out.push_back(each->spec(kSpi[each == &a ? 1 : 0] + 2 * round + lane));
        in.push_back(each->spec(kSpi[each == &a ? 0 : 1] + 2 * round + lane));
      }
      ASSERT_TRUE(each->associations.stage(0, std::move(out), std::move(in)).ok());
      each->associations.commit();
      EXPECT_EQ(each->associations.list().size(), 4u);
    }
    EXPECT_TRUE(pass(static_cast<uint16_t>(round)));
  }
}

// While the gateways agree: held, counted, in order, and never in clear; and dropped by name when there are too many.
TEST(MeshKeys, PacketsWaitForThem) {
  for (const unsigned workers : {1u, 2u}) {
    Gateway a(0, workers, 1, 1);
    a.peer.agrees = true;
    a.publish();
    a.associations.remove_outbound(0);
    a.associations.commit();
    for (uint16_t i = 0; i < 10; ++i) a.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53, 100 + i));
    EXPECT_TRUE(a.world.take().empty());
    a.world.expect_balance();
    std::vector<crypto::SaSpec> out;
    out.push_back(a.spec(kSpi[1]));
    ASSERT_TRUE(a.associations.stage_outbound(0, std::move(out)).ok());
    a.associations.commit();
    for (int i = 0; i < 4; ++i) a.world.round();
    const auto sent = a.world.take();
    ASSERT_EQ(sent.size(), 10u) << workers;
    for (size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(sent[i].headers.protocol, wire::kProtocolEsp);
      EXPECT_EQ(base::load_be32(sent[i].frame.data() + 38), i + 1) << "sequence number";
      if (i > 0) {
        EXPECT_GE(sent[i].frame.size(), sent[i - 1].frame.size());
      }
    }
    a.world.expect_balance();
    a.associations.remove_outbound(0);
    a.associations.commit();
    for (unsigned i = 0; i < kKeyQueuePerPeer + 5; ++i)
      a.arrive(1, udp(to_gateway(1), "10.1.0.5", 1000, "10.2.0.5", 53));
    EXPECT_EQ(a.world.drops(DropReason::key_queue_full), 5u);
    EXPECT_TRUE(a.world.take().empty());
    a.world.expect_balance();
  }
}

// A set that is added takes packets beside the older one; the sender changes over; the older one goes.
TEST(MeshKeys, ASetIsAddedAndAnotherRemoved) {
  Gateway a(0, 2, 2, 2), b(1, 2, 2, 2);
  const auto specs = [](const Gateway& g, uint32_t first) {
    std::vector<crypto::SaSpec> all;
    for (uint32_t lane = 0; lane < 2; ++lane) all.push_back(g.spec(first + lane));
    return all;
  };
  const auto encrypted = [&](uint16_t port) {
    a.world.arrive(1, udp(to_gateway(1), "10.1.0.5", port, "10.2.0.5", 53));
    return on_the_wire(a.world.take().at(0));
  };
  const auto late = encrypted(1);
  ASSERT_TRUE(b.associations.stage_inbound(0, 7, specs(b, kSpi[1] + 0x100)).ok());
  b.associations.commit();
  b.world.arrive(0, encrypted(2));
  EXPECT_EQ(b.world.take().size(), 1u) << "by the older set";
  ASSERT_TRUE(a.associations.stage_outbound(0, specs(a, kSpi[1] + 0x100)).ok());
  a.associations.commit();
  b.world.arrive(0, encrypted(3));
  EXPECT_EQ(b.world.take().size(), 1u) << "by the newer set";
  b.world.arrive(0, late);
  EXPECT_EQ(b.world.take().size(), 1u) << "late, by the older set";
  b.associations.remove_inbound(0, 0);
  b.associations.commit();
  b.world.arrive(0, encrypted(4));
  EXPECT_EQ(b.world.take().size(), 1u);
  b.world.arrive(0, late);
  EXPECT_EQ(b.world.drops(DropReason::esp_unknown_spi), 1u);
  EXPECT_EQ(b.associations.list().size(), 4u);
  a.associations.remove_outbound(0);
  b.associations.remove_inbound(0, 7);
  b.associations.remove_outbound(0);
  b.associations.commit();
  EXPECT_TRUE(b.associations.list().empty());
}

TEST(MeshAssociations, AnSpiBelongsToOnePeer) {
  Gateway a(0, 1, 1, 1);
  std::vector<crypto::SaSpec> out, in;
  out.push_back(a.spec(0x5000));
  in.push_back(a.spec(kSpi[0]));
  const auto staged = a.associations.stage(1, std::move(out), std::move(in));
  ASSERT_FALSE(staged.ok());
  EXPECT_NE(staged.error().find("0x00010000: is another association's"), std::string::npos) << staged.error();
  EXPECT_EQ(a.associations.list().size(), 2u);
}

}  // namespace
}  // namespace penstock::engine::test
