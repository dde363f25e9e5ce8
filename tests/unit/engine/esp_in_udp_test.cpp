// Whose UDP port 4500 is.
#include "unit/engine/mesh_world.h"

namespace penstock::engine::test {
namespace {

using flow::DropReason;

// ESP in UDP has port 4500 only where some peer uses it: else the host may speak IKE there with whom it likes.
TEST(MeshPolicy, Port4500IsTheHostsUnlessAPeerUsesIt) {
  Gateway b(1, 1, 1, 1);
  b.world.interface(0).twin_port = 2;
  b.world.interface(0).exceptions = {{wire::kProtocolUdp, wire::kPortEspInUdp}};
  b.world.interface(2).is_twin = true;
  b.world.interface(2).port_of_twin = 0;
  b.publish();
  const auto ask = [&](size_t length) {
    auto frame = udp(to_gateway(0), "198.51.100.77", 4500, "198.51.100.2", 4500, length);
    if (length > 4) std::fill_n(frame.begin() + 40, 6, uint8_t{0});  // the marker of what is no ESP (RFC 3948 §2.2)
    b.world.arrive(0, frame);
    const auto out = b.world.take();
    return out.size() == 1 && out[0].port == 2;
  };
  EXPECT_TRUE(ask(1));
  EXPECT_TRUE(ask(100));
  b.esp_in_udp = true;
  b.publish();
  EXPECT_FALSE(ask(1));
  EXPECT_TRUE(ask(100));
  EXPECT_EQ(b.world.drops(DropReason::esp_truncated_esp) + b.world.drops(DropReason::esp_nat_keepalive), 1u);
  b.world.expect_balance();
}

}  // namespace
}  // namespace penstock::engine::test
