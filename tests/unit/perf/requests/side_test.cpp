#include "requests/side.h"

#include <gtest/gtest.h>
#include <rte_eth_ring.h>

#include <array>
#include <cstring>

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
    const int port = rte_eth_from_rings("net_side", &rx_, 1, &tx_, 1, 0);
    ASSERT_GE(port, 0);
    port_ = static_cast<uint16_t>(port);
    const rte_eth_conf conf{};
    ASSERT_EQ(rte_eth_dev_configure(port_, 1, 1, &conf), 0);
    ASSERT_EQ(rte_eth_rx_queue_setup(port_, 0, 64, SOCKET_ID_ANY, nullptr, pool_), 0);
    ASSERT_EQ(rte_eth_tx_queue_setup(port_, 0, 64, SOCKET_ID_ANY, nullptr), 0);
    ASSERT_EQ(rte_eth_dev_start(port_), 0);
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

}  // namespace
}  // namespace penstock::requests
