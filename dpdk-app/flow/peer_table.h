// Other gateways of one generation: where their tunnels begin and end. What travels in a tunnel is the route table's
// business (NextHop::peer); keys and sequence numbers are the workers' (engine/associations.h), by the slot named here.
// Immutable once built; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"

namespace penstock::flow {

constexpr size_t kMaxPeers = 4096;
constexpr uint16_t kNoPeer = 0xffff;

// Who demands that a packet be encrypted. 0: nobody; to 0x7fff: the prefix PeerTable::required[demand - 1].
constexpr uint16_t kDemandOfPeer = 0x8000;  // and its slot
constexpr uint16_t kSomeDemand = 0x7fff;    // one of the prefixes

enum class Encryption : uint8_t {
  kRequired,   // nothing in clear, in either direction
  kPreferred,  // in clear while there is no association
  kOff,        // in clear
};

// One way to a peer: our address towards one of its own.
struct PeerPath {
  base::IpAddress local, remote;
  uint32_t route = 0;           // RouteTable result that leads to `remote`
  uint16_t path_mtu = 0;        // of the underlay: the longest outer datagram
  uint16_t configured_mtu = 0;  // before a router of the underlay said less
  bool operator==(const PeerPath&) const = default;
};
constexpr size_t kMaxPaths = 8;        // of a peer
constexpr uint8_t kActivePath = 0xff;  // the one in use, whichever that is

// Everything but `paths` is of the path in use.
struct Peer {
  uint16_t slot = kNoPeer;  // kNoPeer: unused
  Encryption encryption = Encryption::kRequired;
  bool agrees = false;      // keys come by themselves: a packet may wait for them
  bool identities = false;  // packets in its tunnel carry the number of an identity (crypto/identity_header.h)
  uint16_t path_mtu = 0;    // of the underlay: the longest outer datagram
  uint32_t route = 0;       // RouteTable result that leads to `remote`
  base::IpAddress local, remote;
  std::vector<base::Prefix> prefixes;  // where packets from its tunnel may come from
  std::string name;
  bool up = true;               // some path answers, or nobody asks
  std::vector<PeerPath> paths;  // by preference

  bool operator==(const Peer&) const = default;
  bool reaches(const base::IpAddress& source) const {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& each) { return each.contains(source); });
  }
};

struct PeerTable {
  std::vector<Peer> by_slot;
  std::vector<base::IpAddress> locals;  // our ends, each once
  bool demands_encryption = false;      // of some peer or prefix: what comes from there in clear is dropped
  std::vector<base::Prefix> required;   // where nothing may go or come from in clear (Node spec.mesh.encrypt)
  // With whom the gateway itself must speak all the same: addresses of peers, in order.
  std::vector<base::IpAddress> remotes;
  bool esp_in_udp = false;  // some peer sends so (RFC 3948); else port 4500 is the host's, as others

  bool operator==(const PeerTable&) const = default;
  bool ends_here(const base::IpAddress& address) const {
    return std::find(locals.begin(), locals.end(), address) != locals.end();
  }
  bool is_remote(const base::IpAddress& address) const {
    return std::binary_search(remotes.begin(), remotes.end(), address);
  }
};

}  // namespace penstock::flow
