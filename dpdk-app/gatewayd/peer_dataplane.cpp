// Peers in the words of the engine: which associations each needs, and what they are doing.
#include <algorithm>
#include <utility>

#include "engine/crypto/key_file.h"
#include "gatewayd/engine_dataplane.h"

namespace penstock::gatewayd {

namespace {

constexpr uint16_t kMinInner6 = 1280;  // RFC 8200 §5

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

// Selectors are the packet path's: where packets may come from changes with the generation (engine/stages/decrypt.h).
std::vector<crypto::SaSpec> specs_of(const model::Peer& peer, const flow::Peer& tunnel,
                                     std::vector<crypto::KeyLine> lines) {
  std::vector<crypto::SaSpec> specs;
  for (crypto::KeyLine& line : lines) {
    crypto::SaSpec spec;
    spec.spi = line.spi;
    spec.cipher = cipher_of(peer.cipher);
    spec.key = std::move(line.key);
    spec.integrity_key = std::move(line.integrity_key);
    spec.esn = peer.extended_sequence;
    spec.replay_window = peer.replay_window;
    spec.local = tunnel.local;
    spec.remote = tunnel.remote;
    spec.path_mtu = tunnel.path_mtu;
    spec.udp_encapsulation = peer.encapsulation == model::Encapsulation::kUdp;
    spec.first_iv = static_cast<uint64_t>(base::wall_now());
    specs.push_back(std::move(spec));
  }
  return specs;
}

// What the associations depend on: another weight, priority or prefix leaves them as they are.
model::Peer made_from(const model::Peer& peer, const flow::Peer& tunnel) {
  model::Peer out;
  out.address = tunnel.remote;
  out.local = tunnel.local;
  out.path_mtu = tunnel.path_mtu;
  out.cipher = peer.cipher;
  out.encapsulation = peer.encapsulation;
  out.extended_sequence = peer.extended_sequence;
  out.replay_window = peer.replay_window;
  out.key_file = peer.key_file;
  return out;
}

bool carries_v6(const model::Peer& peer) {
  return std::any_of(peer.prefixes.begin(), peer.prefixes.end(), [](const auto& p) { return !p.is_v4(); });
}

}  // namespace

model::FieldErrors EngineDataplane::prepare_peers(const flow::Generation& generation,
                                                  const model::Objects<model::Peer>& peers) {
  model::FieldErrors errors;
  Tunnels next;
  for (const flow::Peer& tunnel : generation.peers->by_slot) {
    if (tunnel.slot == flow::kNoPeer || tunnel.encryption == flow::Encryption::kOff) continue;
    const auto slash = tunnel.name.find('/');
    const model::Name name{tunnel.name.substr(0, slash), tunnel.name.substr(slash + 1)};
    const auto& peer = peers.at(name);
    const model::Peer wanted = made_from(*peer, tunnel);
    next[tunnel.slot] = wanted;
    if (const auto now = tunnels_.find(tunnel.slot); now != tunnels_.end() && now->second == wanted) continue;
    const auto fault = [&](const char* path, std::string reason) {
      errors.push_back({"Peer/" + name.to_string(), path, std::move(reason)});
    };
    auto keys = crypto::read_key_file(peer->key_file);
    if (!keys) {
      fault("spec.staticKeys.file", keys.error());
      continue;
    }
    auto staged = engine_.associations().stage(tunnel.slot, specs_of(*peer, tunnel, std::move(keys->outbound)),
                                               specs_of(*peer, tunnel, std::move(keys->inbound)));
    if (!staged) {
      fault("spec.staticKeys.file", peer->key_file + ": " + staged.error());
    } else if (const uint16_t inner = engine_.associations().inner_mtu(tunnel.slot);
               carries_v6(*peer) && inner < kMinInner6) {
      fault("spec.pathMtu", std::to_string(tunnel.path_mtu) + " leaves " + std::to_string(inner) +
                                " bytes inside, and IPv6 needs 1280");
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
  engine_.associations().commit();
  if (next_tunnels_) tunnels_ = *std::exchange(next_tunnels_, std::nullopt);
}

void EngineDataplane::abandon_peers() {
  next_tunnels_.reset();
  if (!engine_.workers().empty()) engine_.associations().abandon();
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
