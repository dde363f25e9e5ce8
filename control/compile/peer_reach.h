// Where an address is, seen from this gateway: near, or behind which peers. What services choose their endpoints by.
// Immutable; one thread.
#pragma once

#include <memory>
#include <vector>

#include "flow/peer_table.h"
#include "flow/route_table.h"

namespace penstock::compile {

struct Reach {
  bool remote = false;   // behind a peer
  bool up = true;        // near, or that peer answers
  int32_t priority = 0;  // of the peer
  uint16_t weight = 1;
  bool operator==(const Reach&) const = default;
};

class PeerReach {
 public:
  PeerReach(std::shared_ptr<const flow::RouteTable> routes, std::vector<Reach> by_slot)
      : routes_(std::move(routes)), by_slot_(std::move(by_slot)) {}

  // Of several peers with its prefix the routes name those that count; the first speaks for them.
  Reach of(const base::IpAddress& address) const {
    const flow::RouteResult& route = routes_->at(routes_->find(address));
    if (route.kind != flow::RouteKind::kGateway) return {};
    const uint16_t peer = routes_->next_hop(routes_->next_hop_in(route, 0)).peer;
    return peer < by_slot_.size() ? by_slot_[peer] : Reach{};
  }
  bool operator==(const PeerReach& other) const = default;

 private:
  std::shared_ptr<const flow::RouteTable> routes_;
  std::vector<Reach> by_slot_;
};

}  // namespace penstock::compile
