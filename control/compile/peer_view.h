// What is known of peers beyond what users wrote, as the compiler sees it: which are down, which of its addresses each
// is reached by, and what routers of the underlay said about MTUs. A peer that is not named is up, by its first
// address. One thread (control).
#pragma once

#include <cstdint>
#include <map>

#include "base/address.h"
#include "control/model/objects.h"

namespace penstock::compile {

struct PeerState {
  bool up = true;
  base::IpAddress active;                         // unspecified: the first
  std::map<base::IpAddress, uint16_t> path_mtus;  // of those that are smaller than what users wrote
  bool operator==(const PeerState&) const = default;
};

using PeerView = std::map<model::Name, PeerState>;

}  // namespace penstock::compile
