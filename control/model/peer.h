// Kind Peer (penstock.io/v1alpha1): another gateway of the mesh, and what is reachable behind it through an ESP tunnel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"
#include "control/model/workload.h"

namespace penstock::model {

// What becomes of packets between here and the peer's prefixes. Names as users of Cilium and Istio know them.
enum class Encryption : uint8_t {
  kRequired,   // without a live association a packet is dropped; one that arrives in clear is dropped
  kPreferred,  // in clear while there is no association
  kOff,        // in clear
};

enum class PeerCipher : uint8_t {
  kAesGcm128,         // RFC 4106
  kAesGcm256,         // RFC 4106
  kChaCha20Poly1305,  // RFC 7634
  kAesCbc128Sha256,   // RFC 3602 and RFC 4868, for old peers
  kAesCbc256Sha256,
};

constexpr const char* to_string(PeerCipher cipher) {
  switch (cipher) {
    case PeerCipher::kAesGcm128:
      return "AES-GCM-128";
    case PeerCipher::kAesGcm256:
      return "AES-GCM-256";
    case PeerCipher::kChaCha20Poly1305:
      return "ChaCha20-Poly1305";
    case PeerCipher::kAesCbc128Sha256:
      return "AES-CBC-128-HMAC-SHA256";
    case PeerCipher::kAesCbc256Sha256:
      return "AES-CBC-256-HMAC-SHA256";
  }
  return "";
}

enum class Encapsulation : uint8_t {
  kEsp,  // RFC 4303
  kUdp,  // RFC 3948, port 4500; the source port varies with the inner flow
};

constexpr const char* to_string(Encapsulation encapsulation) {
  return encapsulation == Encapsulation::kUdp ? "UDP" : "ESP";
}

// Where a gateway agrees on keys with others (penstock.v1.PeerLink): TCP.
constexpr uint16_t kPeerLinkPort = 9510;
struct LinkAddress {
  base::IpAddress address;
  uint16_t port = kPeerLinkPort;
  std::string to_string() const {
    return (address.is_v4() ? address.to_string() : "[" + address.to_string() + "]") + ":" + std::to_string(port);
  }
  bool operator==(const LinkAddress&) const = default;
};

// How long agreed keys are used at most; new ones are there before. 0: no bound of that kind.
struct Lifetime {
  uint32_t seconds = 3600;
  uint64_t packets = 0, bytes = 0;  // of one association
  bool operator==(const Lifetime&) const = default;
};

// Probes inside the tunnel, answered by the other gateway.
struct PeerLiveness {
  uint32_t interval_milliseconds = 50;
  uint32_t misses = 3;          // so many lost in a row: the path is down
  bool search_path_mtu = true;  // RFC 8899: does each path carry what is configured?
  bool operator==(const PeerLiveness&) const = default;
};

struct Peer {
  Name name;
  base::IpAddress address;               // of the peer in the underlay
  std::vector<base::IpAddress> more;     // further ones, by preference: when `address` does not answer
  std::optional<base::IpAddress> local;  // ours; absent: the egress interface's towards `address`
  std::vector<base::Prefix> prefixes;    // reachable behind it; at least one
  Encryption encryption = Encryption::kRequired;
  PeerCipher cipher = PeerCipher::kAesGcm128;
  Encapsulation encapsulation = Encapsulation::kEsp;
  bool extended_sequence = true;                // ESN
  uint32_t replay_window = 1024;                // packets; a multiple of 64; 0: replays are taken
  uint16_t path_mtu = 0;                        // of the underlay; 0: the egress interface's MTU
  int32_t priority = 0;                         // of several peers with one prefix the lowest number counts
  uint16_t weight = 1;                          // shares of flows among those of equal priority
  bool identities = false;                      // packets carry the number of their sender's identity
  std::vector<PeerIdentity> static_identities;  // what the peer's numbers mean
  std::string key_file;                         // keys agreed by hand (engine/crypto/key_file.h); empty: none
  std::string identity;             // SPIFFE ID of the peer, with whom keys are agreed; empty: not with this one
  std::optional<LinkAddress> link;  // where it agrees; absent: kPeerLinkPort of `address`
  Lifetime lifetime;                // of agreed keys
  std::optional<PeerLiveness> liveness;
  LinkAddress link_address() const { return link ? *link : LinkAddress{address}; }
  bool operator==(const Peer&) const = default;

  std::vector<base::IpAddress> addresses() const {  // all of them
    std::vector<base::IpAddress> all = {address};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

// How the gateway asks this peer if it is alive; nothing: it does not. One of another make would not answer, so without
// an identity it must be asked for.
inline std::optional<PeerLiveness> liveness_of(const Peer& peer) {
  if (peer.encryption == Encryption::kOff) return std::nullopt;
  if (!peer.liveness && !peer.identity.empty()) return PeerLiveness{};
  return peer.liveness;
}

}  // namespace penstock::model
