// Peers in the words of the engine: which associations each needs, and what they are doing.
#include <algorithm>
#include <utility>

#include "control/loop/log.h"
#include "gatewayd/engine_dataplane.h"

namespace penstock::gatewayd {

namespace {

crypto::Cipher cipher_of(model::PeerCipher cipher) {
  switch (cipher) {
    case model::PeerCipher::kAesGcm128:
      return crypto::Cipher::kAesGcm128;
    case model::PeerCipher::kAesGcm256:
      return crypto::Cipher::kAesGcm256;
    case model::PeerCipher::kChaCha20Poly1305:
      return crypto::Cipher::kChaCha20Poly1305;
    case model::PeerCipher::kAesCbc128Sha256:
      return crypto::Cipher::kAesCbc128Sha256;
    case model::PeerCipher::kAesCbc256Sha256:
      return crypto::Cipher::kAesCbc256Sha256;
  }
  return crypto::Cipher::kAesGcm128;
}

// The ports by which the underlay of a peer is reached, whichever of its paths is in use.
std::vector<uint16_t> ports_towards(const flow::Generation& g, const flow::Peer& peer) {
  std::vector<uint16_t> ports;
  for (const flow::PeerPath& path : peer.paths) {
    const flow::RouteResult& route = g.routes->at(path.route);
    const size_t slots = route.hops > 1 ? flow::kEcmpSlots : route.hops;
    for (uint32_t slot = 0; slot < slots; ++slot) {
      const uint16_t interface = g.routes->next_hop(g.routes->next_hop_in(route, slot)).interface;
      if (interface >= g.interfaces->by_id.size()) continue;
      const uint16_t port = g.interfaces->by_id[interface].port;
      if (std::find(ports.begin(), ports.end(), port) == ports.end()) ports.push_back(port);
    }
  }
  return ports;
}

bool carries_v6(const model::Peer& peer) {
  return std::any_of(peer.prefixes.begin(), peer.prefixes.end(), [](const auto& p) { return !p.is_v4(); });
}

}  // namespace

EngineDataplane::Tunnel EngineDataplane::tunnel_of(const model::Peer& peer, const flow::Peer& way) {
  return {.terms = {.cipher = cipher_of(peer.cipher),
                    .esn = peer.extended_sequence,
                    .udp_encapsulation = peer.encapsulation == model::Encapsulation::kUdp,
                    .replay_window = peer.replay_window,
                    // Of the preferred path: which one is in use is the generation's, and leaves associations alone.
                    .local = way.paths.front().local,
                    .remote = way.paths.front().remote,
                    .path_mtu = way.paths.front().configured_mtu,
                    .identities = way.identities,
                    .key_file = peer.key_file,
                    .identity = peer.identity},
          .hard_packets = peer.lifetime.packets,
          .hard_bytes = peer.lifetime.bytes,
          .carries_v6 = carries_v6(peer)};
}

// Selectors are the packet path's: where packets may come from changes with the generation (engine/stages/decrypt.h).
crypto::SaSpec EngineDataplane::spec_of(const Terms& terms) {
  crypto::SaSpec spec;
  spec.cipher = terms.cipher;
  spec.esn = terms.esn;
  spec.replay_window = terms.replay_window;
  spec.local = terms.local;
  spec.remote = terms.remote;
  spec.path_mtu = terms.path_mtu;
  spec.df = crypto::DfPolicy::kSet;  // a fragment would be refused there: pieces are cut before, to the path's MTU
  spec.identities = terms.identities;
  spec.udp_encapsulation = terms.udp_encapsulation;
  return spec;
}

// What is wrong with the keys agreed by hand; empty: they are staged.
std::string EngineDataplane::stage_static(uint16_t slot, const Terms& terms) {
  auto keys = crypto::read_key_file(terms.key_file);
  if (!keys) return keys.error();
  const auto specs = [&](std::vector<crypto::KeyLine>& lines) {
    std::vector<crypto::SaSpec> out;
    for (crypto::KeyLine& line : lines) {
      crypto::SaSpec& spec = out.emplace_back(spec_of(terms));
      spec.spi = line.spi;
      spec.key = std::move(line.key);
      spec.integrity_key = std::move(line.integrity_key);
      spec.first_iv = static_cast<uint64_t>(base::wall_now());
    }
    return out;
  };
  auto staged = engine_.associations().stage(slot, specs(keys->outbound), specs(keys->inbound));
  return staged ? "" : terms.key_file + ": " + staged.error();
}

std::string why_too_small(uint16_t path_mtu, uint16_t inner) {
  return std::to_string(path_mtu) + " leaves " + std::to_string(inner) + " bytes inside, and IPv6 needs 1280";
}

model::FieldErrors EngineDataplane::prepare_peers(const flow::Generation& generation,
                                                  const model::Objects<model::Peer>& peers, MissingKeys missing) {
  model::FieldErrors errors;
  Tunnels next;
  for (const flow::Peer& way : generation.peers->by_slot) {
    if (way.slot == flow::kNoPeer || way.encryption == flow::Encryption::kOff) continue;
    const auto slash = way.name.find('/');
    const model::Name name{way.name.substr(0, slash), way.name.substr(slash + 1)};
    Tunnel& wanted = next[way.slot] = tunnel_of(*peers.at(name), way);
    wanted.ports = ports_towards(generation, way);
    const auto now = tunnels_.find(way.slot);
    const bool same = now != tunnels_.end() && now->second.terms == wanted.terms;
    if (!wanted.terms.identity.empty()) {
      if (!same) engine_.associations().remove(way.slot);  // the gateways agree anew
      continue;
    }
    const std::string object = "Peer/" + name.to_string();
    const bool known = same && now->second.without_keys;
    if (std::string fault = same && !known ? "" : stage_static(way.slot, wanted.terms); !fault.empty()) {
      wanted.without_keys = known || missing == MissingKeys::kGoWithout;
      if (!wanted.without_keys) {
        errors.push_back({object, "spec.staticKeys.file", std::move(fault)});
      } else if (!known) {
        loop::log::error("peer has no keys", {{"peer", name.to_string()}, {"reason", fault}});
      }
      continue;
    }
    const crypto::EspOverhead overhead = *engine_.associations().overhead(way.slot);
    for (const flow::PeerPath& path : way.paths)
      if (const uint16_t inner = overhead.inner_mtu(path.configured_mtu, !path.remote.is_v4());
          wanted.carries_v6 && inner < kMinInner6) {
        errors.push_back({object, "spec.pathMtu", why_too_small(path.configured_mtu, inner)});
        break;
      }
  }
  if (!errors.empty()) {
    abandon_peers();
    return errors;
  }
  for (const auto& [slot, tunnel] : tunnels_)
    if (!next.contains(slot)) engine_.associations().remove(slot);
  next_tunnels_ = std::move(next);
  return errors;
}

void EngineDataplane::commit_peers() {
  if (engine_.workers().empty()) return;
  if (next_tunnels_) {
    tunnels_ = *std::exchange(next_tunnels_, std::nullopt);
    engine::InlineKeyring::Ways ways;
    for (const auto& [slot, tunnel] : tunnels_) ways[slot] = tunnel.ports;
    engine_.associations().set_ways(std::move(ways));
  }
  engine_.associations().commit();
}

void EngineDataplane::abandon_peers() {
  next_tunnels_.reset();
  if (!engine_.workers().empty()) engine_.associations().abandon();
}

void EngineDataplane::tidy_peers() {
  if (!engine_.workers().empty()) engine_.associations().tidy();
}

std::vector<loop::CryptoDeviceInfo> EngineDataplane::crypto_devices() const {
  std::vector<loop::CryptoDeviceInfo> all;
  if (engine_.workers().empty()) return all;
  for (engine::CryptoDeviceFacts& facts : engine_.associations().devices())
    all.push_back({std::move(facts.name), std::move(facts.failure)});
  return all;
}

std::vector<loop::AssociationInfo> EngineDataplane::associations() const {
  std::vector<loop::AssociationInfo> all;
  if (engine_.workers().empty()) return all;
  for (const engine::AssociationFacts& facts : engine_.associations().list()) {
    loop::AssociationInfo info;
    info.peer = facts.peer;
    info.outbound = facts.direction == crypto::Direction::kOutbound;
    info.spi = facts.spi;
    info.worker = facts.worker;
    info.cipher = facts.cipher;
    info.path = facts.path;
    info.device = facts.device;
    info.why_not_better = facts.why_not_better;
    info.packets = facts.packets;
    info.bytes = facts.bytes;
    for (const auto& [reason, count] : facts.refused) info.refused.emplace_back(reason, count);
    all.push_back(std::move(info));
  }
  return all;
}

}  // namespace penstock::gatewayd
