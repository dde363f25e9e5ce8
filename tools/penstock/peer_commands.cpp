// peer show|rekey: tunnels to other gateways, their security associations, and how keys for them are agreed.
#include <iostream>
#include <set>

#include "control/api/node.grpc.pb.h"
#include "tools/penstock/cli.h"

namespace penstock::cli {

namespace {

std::string spi_text(uint32_t spi) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", spi);
  return text;
}

void print_link(const v1::PeerLinkStatus& link) {
  const Colour colour = link.state() == "Up" ? Colour::kGreen : Colour::kRed;
  std::cout << "  " << coloured(colour, link.state()) << "  " << link.identity() << " at " << link.link()
            << ", keys agreed " << link.agreed_outbound() << " times out, " << link.agreed_inbound() << " in";
  if (link.outbound()) std::cout << ", " << static_cast<uint64_t>(link.outbound_age()) << " s ago";
  std::cout << "\n";
  if (!link.reason().empty()) std::cout << "  " << link.reason() << "\n";
  for (const std::string& each : link.differences())
    std::cout << "  " << coloured(Colour::kYellow, "differs") << ": " << each << "\n";
}

// Only where probes tell something of them.
void print_paths(const v1::PeerStatus& peer) {
  Table table({"ADDRESS", "LOCAL", "STATE", "RTT", "LOSS", "PATH MTU", "MTU SEARCH", "ACTIVE"});
  bool probed = false;
  for (const v1::PeerPath& path : peer.paths()) {
    probed |= !path.state().empty();
    char rtt[32] = "", loss[16] = "";
    if (path.round_trip() != 0) std::snprintf(rtt, sizeof rtt, "%.3f ms", static_cast<double>(path.round_trip()) / 1e6);
    if (path.probes() != 0) std::snprintf(loss, sizeof loss, "%.0f %%", path.loss() * 100);
    table.add({path.address(), path.local_address(), path.state(), rtt, loss, count_text(path.path_mtu()),
               path.mtu_state(), path.active() ? "yes" : ""});
  }
  if (probed) table.print();
}

void print_peer(const v1::PeerStatus& peer) {
  std::cout << coloured(Colour::kBold, peer.name()) << "  " << peer.local_address() << " -> " << peer.address()
            << ", path MTU " << peer.path_mtu() << ", encryption " << peer.encryption()
            << (peer.up() ? "" : ", " + coloured(Colour::kRed, "down")) << "\n";
  if (peer.has_link()) print_link(peer.link());
  print_paths(peer);
  if (peer.associations().empty()) {
    std::cout << "  no associations\n";
    return;
  }
  Table table({"DIRECTION", "SPI", "CIPHER", "WORKER", "PATH", "DEVICE", "PACKETS", "BYTES", "REFUSED"});
  std::set<std::string> reasons;
  for (const v1::Association& each : peer.associations()) {
    uint64_t refused = 0;
    for (const auto& [reason, count] : each.refused()) refused += count;
    table.add({each.direction(), spi_text(each.spi()), each.cipher(), count_text(each.worker()), each.path(),
               each.device(), count_text(each.packets()), count_text(each.bytes()), count_text(refused)});
    if (!each.why_not_better().empty()) reasons.insert(each.why_not_better());
  }
  table.print();
  for (const std::string& why : reasons) std::cout << "  no better path: " << why << "\n";
}

int run_show(const Shared& shared, const std::string& name) {
  v1::PeersRequest request;
  if (!name.empty()) request.set_name(name.find('/') == std::string::npos ? "default/" + name : name);
  v1::PeersResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Node>(shared)->Peers(context.get(), request, &response);
  if (!status.ok()) return report(shared, status);
  if (shared.output != Output::kTable) {
    print_message(shared, response);
    return kOk;
  }
  for (const v1::PeerStatus& peer : response.peers()) print_peer(peer);
  if (response.peers().empty()) std::cout << "no peers\n";
  return kOk;
}

int run_rekey(const Shared& shared, const std::string& name) {
  v1::RekeyRequest request;
  request.set_name(name.find('/') == std::string::npos ? "default/" + name : name);
  v1::RekeyResponse response;
  const auto context = call_context(shared);
  const auto status = stub<v1::Node>(shared)->Rekey(context.get(), request, &response);
  return status.ok() ? kOk : report(shared, status);
}

}  // namespace

void add_peer_commands(CLI::App& app, Shared& shared) {
  auto* peer = app.add_subcommand("peer", "Other gateways of the mesh");
  peer->fallthrough()->require_subcommand(1);
  auto name = std::make_shared<std::string>();
  auto* show = peer->add_subcommand("show", "Tunnels and what their security associations are doing")->fallthrough();
  show->add_option("name", *name, "of a Peer, with or without its namespace; default: all");
  auto* rekey = peer->add_subcommand("rekey", "Agrees on new keys for packets to a peer now")->fallthrough();
  rekey->add_option("name", *name, "of a Peer, with or without its namespace")->required();
  rekey->callback([&shared, name] { shared.status = run_rekey(shared, *name); });
  show->callback([&shared, name] { shared.status = run_show(shared, *name); });
}

}  // namespace penstock::cli
