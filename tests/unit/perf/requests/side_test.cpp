#include "requests/side.h"

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "engine/packet.h"
#include "wire/build.h"

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
    spec_.address = *base::IpAddress::parse("198.51.100.2");
    spec_.gateway = *base::IpAddress::parse("198.51.100.1");
    side_ = std::make_unique<Side>(port_, spec_, pool_, 16, 0);
  }
  void TearDown() override {
    side_.reset();
    rte_eth_dev_stop(port_);
    rte_eth_dev_close(port_);
    rte_ring_free(rx_);
    rte_ring_free(tx_);
    rte_mempool_free(pool_);
  }

  void start(uint16_t port) {
    const rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(port, 1, 1, &conf), 0);
    ASSERT_EQ(rte_eth_rx_queue_setup(port, 0, 64, SOCKET_ID_ANY, nullptr, pool_), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(port, 0, 64, SOCKET_ID_ANY, nullptr), 0);
    ASSERT_EQ(rte_eth_dev_start(port), 0);
  }

  void hear_of_the_gateway() {
    wire::ArpPacket packet;
    packet.link.src = packet.message.sender_mac = *base::MacAddress::parse("02:00:00:00:00:01");
    packet.message.operation = wire::kArpReply;
    packet.message.sender_ip = spec_.gateway;
    packet.message.target_ip = spec_.address;
    rte_mbuf* m = rte_pktmbuf_alloc(pool_);
    const size_t length = wire::build_arp({rte_pktmbuf_mtod(m, uint8_t*), 128}, packet);
    rte_pktmbuf_append(m, static_cast<uint16_t>(length));
    ASSERT_EQ(rte_ring_enqueue(rx_, m), 0);
    side_->receive(1);
    ASSERT_TRUE(side_->ready());
  }

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
  const tcp::Tuple tuple{.local = spec_.address, .remote = spec_.gateway, .local_port = 1024, .remote_port = 80};
  ASSERT_NE(side_->stack().connect(tuple, 2), tcp::kNone);
  side_->transmit(2);
  const Side::Counts now = side_->counts().since(before);
  EXPECT_EQ(now.starved, 1u);
  EXPECT_EQ(now.sent, 0u);
  EXPECT_EQ(now.received, 0u);  // that was before
  rte_pktmbuf_free_bulk(taken.data(), kBuffers);
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
