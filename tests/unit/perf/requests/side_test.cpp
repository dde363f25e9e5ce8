#include "requests/side.h"

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/packet.h"
#include "wire/arp_nd.h"
#include "wire/build.h"
#include "wire/checksum.h"

namespace penstock::requests {
namespace {

constexpr unsigned kBuffers = 63;

// A host on a ring port whose gateway has said where it is.
class SideTest : public testing::Test {
 protected:
  void SetUp() override {
    pool_ = rte_pktmbuf_pool_create("side", kBuffers, 0, RTE_ALIGN(sizeof(engine::Carry), RTE_MBUF_PRIV_ALIGN),
                                    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    rx_ = rte_ring_create("side_rx", 64, SOCKET_ID_ANY, 0);
    tx_ = rte_ring_create("side_tx", 64, SOCKET_ID_ANY, 0);
    ASSERT_TRUE(pool_ != nullptr && rx_ != nullptr && tx_ != nullptr);
    static int number = 0;  // a name is not free again
    const std::string name = "net_side" + std::to_string(number++);
    const int port = rte_eth_from_rings(name.c_str(), &rx_, 1, &tx_, 1, 0);
    ASSERT_GE(port, 0);
    port_ = static_cast<uint16_t>(port);
    start(port_);
    be("198.51.100.2/24", "198.51.100.1");
  }
  void TearDown() override {
    side_.reset();
    rte_eth_dev_stop(port_);
    rte_eth_dev_close(port_);
    rte_ring_free(rx_);
    rte_ring_free(tx_);
    rte_mempool_free(pool_);
  }

  void be(const char* address, const char* gateway) {
    spec_.address = *base::Prefix::parse(address);
    spec_.gateway = *base::IpAddress::parse(gateway);
    side_ = std::make_unique<Side>(port_, spec_, pool_, 16, 0);
  }

  void start(uint16_t port) {
    const rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(port, 1, 1, &conf), 0);
    ASSERT_EQ(rte_eth_rx_queue_setup(port, 0, 64, SOCKET_ID_ANY, nullptr, pool_), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(port, 0, 64, SOCKET_ID_ANY, nullptr), 0);
    ASSERT_EQ(rte_eth_dev_start(port), 0);
  }

  void hear_of_the_gateway() {
    uint8_t frame[128];
    size_t length = 0;
    if (spec_.address->is_v4()) {
      wire::ArpPacket packet;
      packet.link.src = packet.message.sender_mac = gateway_mac_;
      packet.message.operation = wire::kArpReply;
      packet.message.sender_ip = *spec_.gateway;
      packet.message.target_ip = spec_.address->address;
      length = wire::build_arp(frame, packet);
    } else {
      wire::NdPacket packet;
      packet.link.src = gateway_mac_;
      packet.message.type = wire::kNdNeighbourAdvert;
      packet.message.src = packet.message.target = *spec_.gateway;
      packet.message.dst = spec_.address->address;
      packet.message.link_address = gateway_mac_;
      length = wire::build_nd(frame, packet);
    }
    hear({frame, length});
    ASSERT_TRUE(side_->ready());
  }

  void hear(base::Bytes frame) {
    rte_mbuf* m = rte_pktmbuf_alloc(pool_);
    std::copy(frame.begin(), frame.end(), rte_pktmbuf_mtod(m, uint8_t*));
    rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()));
    ASSERT_EQ(rte_ring_enqueue(rx_, m), 0);
    side_->receive(1);
  }

  // The next frame it sent; empty: none.
  std::vector<uint8_t> said() {
    void* m = nullptr;
    if (rte_ring_dequeue(tx_, &m) != 0) return {};
    auto* packet = static_cast<rte_mbuf*>(m);
    const auto* at = rte_pktmbuf_mtod(packet, const uint8_t*);
    std::vector<uint8_t> frame(at, at + packet->data_len);
    rte_pktmbuf_free(packet);
    return frame;
  }

  const base::MacAddress gateway_mac_ = *base::MacAddress::parse("02:00:00:00:00:01");

  PortSpec spec_;
  rte_mempool* pool_ = nullptr;
  rte_ring *rx_ = nullptr, *tx_ = nullptr;
  uint16_t port_ = 0;
  std::unique_ptr<Side> side_;
};

TEST_F(SideTest, ASegmentWithoutABufferIsCounted) {
  hear_of_the_gateway();
  std::array<rte_mbuf*, kBuffers> taken;
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_, taken.data(), kBuffers), 0);
  const Side::Counts before = side_->counts();
  EXPECT_EQ(before.starved, 0u);
  const tcp::Tuple tuple{.local = side_->address(), .remote = *spec_.gateway, .local_port = 1024, .remote_port = 80};
  ASSERT_NE(side_->stack().connect(tuple, 2), tcp::kNone);
  side_->transmit(2);
  const Side::Counts now = side_->counts().since(before);
  EXPECT_EQ(now.starved, 1u);
  EXPECT_EQ(now.sent, 0u);
  EXPECT_EQ(now.received, 0u);  // that was before
  rte_pktmbuf_free_bulk(taken.data(), kBuffers);
}

TEST_F(SideTest, FindsItsGatewayAndSpeaksToItInEitherFamily) {
  for (const auto& [address, gateway] : {std::pair("198.51.100.2/24", "198.51.100.1"), {"2001:db8::2/64", "fe80::1"}}) {
    be(address, gateway);
    EXPECT_FALSE(side_->ready());
    side_->transmit(1'000'000'000);
    wire::Headers h;
    const std::vector<uint8_t> question = said();
    ASSERT_EQ(wire::parse(question, question.size(), wire::Ipv4Checksum::kVerify, h), wire::ParseError::kNone);
    EXPECT_TRUE(h.ether_type == wire::kEtherTypeArp || wire::is_icmpv6(h));
    side_->transmit(1'050'000'000);
    EXPECT_TRUE(said().empty());  // not in every round
    hear_of_the_gateway();
    const tcp::Tuple tuple{.local = side_->address(), .remote = *spec_.gateway, .local_port = 1024, .remote_port = 80};
    ASSERT_NE(side_->stack().connect(tuple, 2'000'000'000), tcp::kNone);
    side_->transmit(2'000'000'000);
    const std::vector<uint8_t> syn = said();
    ASSERT_EQ(wire::parse(syn, syn.size(), wire::Ipv4Checksum::kVerify, h), wire::ParseError::kNone);
    EXPECT_EQ(h.family, side_->address().is_v4() ? 4 : 6);
    EXPECT_EQ(wire::verify_l4(syn, h), wire::ChecksumState::kGood);
    EXPECT_TRUE(std::equal(syn.begin(), syn.begin() + 6, gateway_mac_.bytes.begin()));
    tcp::Segment segment;
    ASSERT_TRUE(tcp::parse_segment(base::Bytes(syn).subspan(h.l4_offset), tcp::Ecn::kNotEct, segment));
    EXPECT_EQ(segment.options.mss, side_->address().is_v4() ? 1460 : 1440);  // of 1500 bytes with headers
    EXPECT_FALSE(side_->quiet());
  }
}

TEST_F(SideTest, SaysWhereItIs) {
  be("2001:db8::2/64", "2001:db8::1");
  hear_of_the_gateway();
  wire::NdPacket packet;
  packet.link.src = gateway_mac_;
  packet.message.src = *spec_.gateway;
  packet.message.target = side_->address();
  packet.message.dst = wire::solicited_node(side_->address());
  packet.message.link_address = gateway_mac_;
  uint8_t frame[128];
  hear({frame, wire::build_nd(frame, packet)});
  const std::vector<uint8_t> answer = said();
  wire::Headers h;
  wire::NdMessage message;
  ASSERT_EQ(wire::parse(answer, answer.size(), wire::Ipv4Checksum::kVerify, h), wire::ParseError::kNone);
  ASSERT_EQ(wire::parse_nd(answer, h, message), wire::NeighbourError::kNone);
  EXPECT_EQ(message.type, wire::kNdNeighbourAdvert);
  EXPECT_EQ(message.target, side_->address());
}

// A file as a port: its driver counts packets for which there was no buffer.
TEST_F(SideTest, WhatThePortHadNoRoomForIsCounted) {
  char path[] = "/tmp/side_test_XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  const uint32_t file[] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 1, /* a packet of 60 bytes */ 0, 0, 60, 60};
  const std::array<uint8_t, 60> packet{};
  ASSERT_EQ(::write(fd, file, sizeof file), static_cast<ssize_t>(sizeof file));
  ASSERT_EQ(::write(fd, packet.data(), packet.size()), 60);
  ::close(fd);
  const int error = rte_dev_probe(("net_pcap_side,rx_pcap=" + std::string(path)).c_str());
  uint16_t port = 0;
  if (error != 0 || rte_eth_dev_get_port_by_name("net_pcap_side", &port) != 0) {
    ::unlink(path);
    GTEST_SKIP() << "the driver net_pcap is not there";
  }
  start(port);
  Side side(port, spec_, pool_, 16, 0);
  std::array<rte_mbuf*, kBuffers> taken;
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_, taken.data(), kBuffers), 0);
  const Side::Counts before = side.counts();
  EXPECT_EQ(side.receive(1), 0u);
  const Side::Counts now = side.counts().since(before);
  EXPECT_EQ(now.missed, 1u);
  EXPECT_EQ(now.received + now.starved, 0u);
  rte_pktmbuf_free_bulk(taken.data(), kBuffers);
  rte_eth_dev_stop(port);
  rte_eth_dev_close(port);
  ::unlink(path);
}

}  // namespace
}  // namespace penstock::requests
