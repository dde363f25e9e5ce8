// Keys that gateways agree on by themselves, in the words of the engine.
#include <sys/random.h>

#include <algorithm>

#include "flow/shard.h"
#include "gatewayd/engine_dataplane.h"

namespace penstock::gatewayd {

namespace {

constexpr const char* kNoTunnel = "the Peer has another identity by now";
constexpr unsigned kMostAgreed = 16;  // associations of a set, unless there are more workers: sessions are bounded

base::Result<crypto::Key> key_of(const pki::Secret& secret) {
  std::string copy(secret.view());  // Key::take wipes it
  return crypto::Key::take({reinterpret_cast<uint8_t*>(copy.data()), copy.size()});
}

pki::Secret secret_of(const crypto::Key& key) {
  const auto bytes = key.secret();
  return pki::Secret(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

// Nobody's yet, and of the kind that `owner` gets.
base::Result<uint32_t> free_spi(const engine::Associations& live, const std::vector<crypto::SaSpec>& made,
                                unsigned owner, unsigned workers) {
  for (;;) {
    uint32_t spi = 0;
    if (getrandom(&spi, sizeof spi, 0) != sizeof spi) return base::Error{"no random numbers"};
    const bool taken = live.uses_inbound(spi) ||
                       std::any_of(made.begin(), made.end(), [&](const auto& each) { return each.spi == spi; });
    if (spi >= crypto::kMinSpi && !taken && flow::owner_of(spi, workers) == owner) return spi;
  }
}

}  // namespace

const EngineDataplane::Tunnel* EngineDataplane::agreed(uint16_t peer, const std::string& identity) const {
  const auto tunnel = tunnels_.find(peer);
  const bool is = tunnel != tunnels_.end() && !identity.empty() && tunnel->second.terms.identity == identity;
  return is ? &tunnel->second : nullptr;
}

base::Result<mesh::Made> EngineDataplane::make_inbound(uint16_t peer, const std::string& identity, uint64_t epoch,
                                                       unsigned senders) {
  const Tunnel* const tunnel = agreed(peer, identity);
  if (tunnel == nullptr) return base::Error{kNoTunnel};
  const auto workers = static_cast<unsigned>(engine_.workers().size());
  const crypto::CipherTraits& traits = crypto::traits_of(tunnel->terms.cipher);
  // One for each pair of workers, as long as that is few; the sender's k-th belongs to its worker k mod senders.
  const size_t count = std::min<size_t>(static_cast<size_t>(senders) * workers, std::max(kMostAgreed, workers));
  std::vector<crypto::SaSpec> specs;
  mesh::Made made{.path_mtu = tunnel->terms.path_mtu};
  for (unsigned k = 0; k < count; ++k) {
    auto spi = free_spi(engine_.associations(), specs, (k / senders + k % senders) % workers, workers);
    if (!spi) return base::Error{spi.error()};
    auto key = crypto::Key::random(traits.key_length + traits.salt_length);
    if (!key) return base::Error{key.error()};
    crypto::SaSpec& spec = specs.emplace_back(spec_of(tunnel->terms));
    mesh::Association& mine = made.associations.emplace_back();
    spec.spi = mine.spi = *spi;
    spec.key = std::move(*key);
    mine.key = secret_of(spec.key);
    if (traits.integrity_key_length == 0) continue;
    auto integrity = crypto::Key::random(traits.integrity_key_length);
    if (!integrity) return base::Error{integrity.error()};
    spec.integrity_key = std::move(*integrity);
    mine.integrity_key = secret_of(spec.integrity_key);
  }
  if (auto staged = engine_.associations().stage_inbound(peer, epoch, std::move(specs)); !staged)
    return base::Error{staged.error()};
  return made;
}

base::Result<void> EngineDataplane::use_outbound(uint16_t peer, const std::string& identity, const mesh::Grant& grant) {
  const Tunnel* const tunnel = agreed(peer, identity);
  if (tunnel == nullptr) return base::Error{kNoTunnel};
  Terms terms = tunnel->terms;
  if (grant.path_mtu != 0) terms.path_mtu = static_cast<uint16_t>(std::min<uint32_t>(terms.path_mtu, grant.path_mtu));
  std::vector<crypto::SaSpec> specs;
  for (const mesh::Association& each : grant.associations) {
    auto key = key_of(each.key);
    auto integrity =
        each.integrity_key.view().empty() ? base::Result<crypto::Key>(crypto::Key{}) : key_of(each.integrity_key);
    if (!key || !integrity) return base::Error{"a key of no possible length"};
    // Each begins at sequence number 1, so a key twice would be a nonce twice (RFC 4106 §3.1).
    const bool twice = std::any_of(specs.begin(), specs.end(),
                                   [&](const auto& other) { return other.spi == each.spi || other.key.same_as(*key); });
    if (twice) return base::Error{"an SPI or a key twice"};
    crypto::SaSpec& spec = specs.emplace_back(spec_of(terms));
    spec.spi = each.spi;
    spec.key = std::move(*key);
    spec.integrity_key = std::move(*integrity);
    spec.lifetime.hard_packets = tunnel->hard_packets;
    spec.lifetime.hard_bytes = tunnel->hard_bytes;
  }
  const uint16_t inner = crypto::overhead_of(spec_of(terms)).inner_mtu(terms.path_mtu, !terms.remote.is_v4());
  if (tunnel->carries_v6 && inner < kMinInner6) return base::Error{"pathMtu: " + why_too_small(terms.path_mtu, inner)};
  return engine_.associations().stage_outbound(peer, std::move(specs));
}

void EngineDataplane::drop_inbound(uint16_t peer, uint64_t epoch) {
  const auto tunnel = tunnels_.find(peer);
  if (tunnel == tunnels_.end() || tunnel->second.terms.identity.empty()) return;
  engine_.associations().remove_inbound(peer, epoch);
}

void EngineDataplane::drop_outbound(uint16_t peer) {
  const auto tunnel = tunnels_.find(peer);
  if (tunnel == tunnels_.end() || tunnel->second.terms.identity.empty()) return;
  engine_.associations().remove_outbound(peer);
}

std::vector<loop::Dataplane::AssociationUse> EngineDataplane::association_use() const {
  std::vector<AssociationUse> all;
  if (engine_.workers().empty()) return all;
  for (auto& use : engine_.associations().use())
    all.push_back({use.peer, use.outbound, use.worn, std::move(use.inbound)});
  return all;
}

}  // namespace penstock::gatewayd
