// By which of the gateway's addresses a remote one is reached, and how long a TCP segment may be on that way.
#pragma once

#include "engine/worker_state.h"

namespace penstock::host {

struct Way {
  base::IpAddress source;  // unspecified: no route, or no address of that family
  uint16_t mtu = 1500;     // of the IP packet
};

// As the generation's routes say. Behind a peer the source is an address that is no tunnel's end.
Way way_to(const engine::WorkerState& worker, const base::IpAddress& remote);

// The only port that packets to it leave by, in clear; kNoPort: there are several, or a tunnel, or none.
constexpr uint16_t kNoPort = 0xffff;
uint16_t port_to(const engine::WorkerState& worker, const base::IpAddress& remote);

// MSS option for that way (RFC 6691): without the IP and TCP headers, options not counted.
uint16_t mss_of(const Way& way, bool v4);

}  // namespace penstock::host
