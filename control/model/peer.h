// Kind Peer (penstock.io/v1alpha1): another gateway of the mesh, and what is reachable behind it through an ESP tunnel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"

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

enum class Encapsulation : uint8_t {
  kEsp,  // RFC 4303
  kUdp,  // RFC 3948, port 4500; the source port varies with the inner flow
};

struct Peer {
  Name name;
  base::IpAddress address;               // of the peer in the underlay
  std::optional<base::IpAddress> local;  // ours; absent: the egress interface's towards `address`
  std::vector<base::Prefix> prefixes;    // reachable behind it; at least one
  Encryption encryption = Encryption::kRequired;
  PeerCipher cipher = PeerCipher::kAesGcm128;
  Encapsulation encapsulation = Encapsulation::kEsp;
  bool extended_sequence = true;  // ESN
  uint32_t replay_window = 1024;  // packets; a multiple of 64; 0: replays are taken
  uint16_t path_mtu = 0;          // of the underlay; 0: the egress interface's MTU
  int32_t priority = 0;           // of several peers with one prefix the lowest number counts
  uint16_t weight = 1;            // shares of flows among those of equal priority
  std::string key_file;           // keys agreed by hand (engine/crypto/key_file.h); empty: none
  bool operator==(const Peer&) const = default;
};

}  // namespace penstock::model
