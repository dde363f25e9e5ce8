// What two gateways say to each other when they agree on keys (penstock.v1.PeerLink), in the words of the model.
//
// The receiver of packets makes the associations for them: the sender offers how it would send, and the receiver grants
// SPIs and keys, or says what the two disagree about. Each direction is agreed for itself, so nothing can happen
// simultaneously that would matter.
//
// Plain values; keys wipe themselves. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "control/model/peer.h"
#include "control/pki/files.h"

namespace penstock::mesh {

constexpr uint32_t kVersion = 1;      // of this conversation; another one is a disagreement
constexpr size_t kMaxGranted = 64;    // associations of one grant: engine/associations.h, kMaxLanes
constexpr size_t kMaxTold = 4096;     // identities of one offer
constexpr unsigned kMaxWorkers = 64;  // that a sender may say it has

struct Offer {
  uint32_t version = kVersion;
  uint64_t instance = 0;  // of the sender: another one after each start
  uint64_t epoch = 0;     // of the set that it sends with until the new one has come; 0: none
  unsigned workers = 1;
  model::PeerCipher cipher = model::PeerCipher::kAesGcm128;
  model::Encapsulation encapsulation = model::Encapsulation::kEsp;
  bool extended_sequence = true;
  bool identities = false;             // every packet has an identity header
  uint32_t path_mtu = 0;               // bytes of the underlay, as the sender knows it
  uint32_t lifetime_seconds = 0;       // after which the sender will have changed the keys
  std::vector<base::Prefix> prefixes;  // that it would send to
  // What the numbers of identities in its packets mean; with `identities`.
  std::vector<model::PeerIdentity> told;
};

struct Association {
  uint32_t spi = 0;
  pki::Secret key, integrity_key;  // raw; with the salt where the cipher has one
};

struct Grant {
  uint64_t instance = 0;  // of the receiver
  uint64_t epoch = 0;     // names the set: the receiver's, growing
  uint32_t path_mtu = 0;  // as the receiver knows it
  uint32_t lifetime_seconds = 0;
  std::vector<base::Prefix> prefixes;  // from which it takes packets
  std::vector<base::Prefix> unserved;  // of the offer's, those of which nothing is behind the receiver
  std::vector<Association> associations;
};

// Of two lifetimes; one that nobody named (0) does not count.
constexpr uint32_t shorter(uint32_t a, uint32_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// Why the two cannot send to each other, as a sentence that names the fields of both Peers; empty: they can.
// `ours`: our Peer object for the sender of `offer`.
std::string disagreement(const Offer& offer, const model::Peer& ours);

}  // namespace penstock::mesh
