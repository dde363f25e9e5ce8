// Two gateways back to back, without devices.
#pragma once

#include <utility>
#include <vector>

#include "unit/engine/world.h"

namespace penstock::engine::test {

inline constexpr uint32_t kSpi[2] = {0x10000, 0x20000};  // of what gateway 0 and gateway 1 receive; the worker is added

// Gateway `n` of two: its fabric is port 0 (198.51.100.1 and .2), behind it 10.<n + 1>.0.0/16 at port 1.
class Gateway {
 public:
  Gateway(unsigned n, unsigned workers, unsigned out_lanes, unsigned in_lanes,
          crypto::CryptoUse use = crypto::CryptoUse::kAny, const std::vector<std::string>& crypto_devices = {},
          bool with_extended_numbers = true)
      : extended_numbers(with_extended_numbers),
        world(workers),
        associations(
            workers, [this](unsigned id, auto table) { world.worker(id).set_associations(std::move(table)); }, use) {
    const std::string own = std::to_string(n + 1), other = std::to_string(2 - n);
    world.interface(0).addresses = {net(("198.51.100." + own + "/24").c_str())};
    world.interface(1).addresses = {net(("10." + own + ".0.1/16").c_str())};
    const auto remote = net(("10." + other + ".0.0/16").c_str());
    const auto behind = net(("10." + own + ".0.0/16").c_str());
    world.routes = {{net("198.51.100.0/24"), flow::RouteKind::kConnected, {{0, {}}}, {}},
                    {net(("198.51.100." + own + "/32").c_str()), flow::RouteKind::kLocal, {{0, {}}}, {}},
                    {behind, flow::RouteKind::kConnected, {{1, {}}}, {}},
                    {net(("10." + own + ".0.1/32").c_str()), flow::RouteKind::kLocal, {{1, {}}}, {}},
                    {remote, flow::RouteKind::kGateway, {{.peer = 0}}, {}}};
    peer.slot = 0;
    peer.name = "default/other";
    peer.local = ip(("198.51.100." + own).c_str());
    peer.remote = ip(("198.51.100." + other).c_str());
    peer.path_mtu = 1500;
    peer.paths = {{peer.local, peer.remote, 0, 1500, 1500}};
    peer.prefixes = {remote};
    publish();
    world.resolve(0, ("198.51.100." + other).c_str());
    world.resolve(1, ("10." + own + ".0.5").c_str());
    const auto fault = associations.set_devices(crypto_devices);
    EXPECT_FALSE(fault) << fault->reason;
    std::vector<crypto::SaSpec> out, in;
    for (unsigned lane = 0; lane < out_lanes; ++lane) out.push_back(spec(kSpi[1 - n] + lane));
    for (unsigned lane = 0; lane < in_lanes; ++lane) in.push_back(spec(kSpi[n] + lane));
    const auto staged = associations.stage(0, std::move(out), std::move(in));
    EXPECT_TRUE(staged.ok()) << staged.error();
    associations.commit();
  }

  crypto::SaSpec spec(uint32_t spi) const {
    crypto::SaSpec s;
    s.spi = spi;
    std::vector<uint8_t> key(20, static_cast<uint8_t>(spi >> 16));
    key[0] = static_cast<uint8_t>(spi);
    auto taken = crypto::Key::take(key);
    s.key = std::move(*taken);
    s.esn = extended_numbers;
    s.local = peer.local;
    s.remote = peer.remote;
    return s;
  }

  void publish() {
    auto table = std::make_shared<flow::PeerTable>();
    if (!deleted) table->by_slot = {peer};
    table->by_slot.insert(table->by_slot.end(), more.begin(), more.end());
    if (!deleted) table->locals = {peer.local};
    table->required = required;
    if (!deleted) table->remotes = {peer.remote};
    table->demands_encryption = !required.empty() || (!deleted && peer.encryption == flow::Encryption::kRequired);
    table->esp_in_udp = esp_in_udp;
    world.publish();  // the routes first: the peer's way is one of them
    const flow::RouteTable& built = *world.state().generation->routes;
    for (flow::Peer& each : table->by_slot) each.route = built.find(each.remote);
    if (!deleted)
      for (flow::PeerPath& path : table->by_slot[0].paths) {
        path.route = built.find(path.remote);
        if (!table->ends_here(path.local)) table->locals.push_back(path.local);
      }
    world.next.peers = std::move(table);
    world.publish();
  }

  // With time for crypto devices to give back what they were given.
  void arrive(uint16_t port, const std::vector<uint8_t>& frame) {
    world.arrive(port, frame);
    for (int i = 0; i < 4; ++i) world.round();
  }

  const bool extended_numbers;
  World world;
  flow::Peer peer;
  bool esp_in_udp = false;
  std::vector<flow::Peer> more;        // slots 1, 2, ...; without associations
  std::vector<base::Prefix> required;  // what routes' demands name
  bool deleted = false;                // the Peer; its route is the test's matter
  Associations associations;
};

// What left a gateway by the fabric, as it arrives at the other: on the wire it has that one's address.
inline std::vector<uint8_t> on_the_wire(const Out& out) {
  std::vector<uint8_t> frame = out.frame;
  const auto to = to_gateway(0).dst;
  std::copy(to.bytes.begin(), to.bytes.end(), frame.begin());
  return frame;
}

}  // namespace penstock::engine::test
