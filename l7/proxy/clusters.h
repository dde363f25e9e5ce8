// What one worker knows of clusters and endpoints while traffic changes it: connections, requests under way, who waits;
// and which endpoint serves next.
//
// Addressed by the stable slots of the configuration, so that it survives a change: adopt() says anew which cluster and
// which endpoint a slot is, and keeps the numbers. Memory: tables by slot, made once; what balancing looks up is
// rebuilt by adopt(), which allocates, between rounds. Pointers into the configuration are good until the next adopt().
// Failure: null when there is no such cluster, or no usable endpoint. Slots beyond the tables do not exist.
#pragma once

#include <memory>
#include <vector>

#include "l7/proxy/limits.h"
#include "l7/proxy/net.h"
#include "l7/proxy/random.h"
#include "l7/route/l7_config.h"

namespace penstock::proxy {

struct ClusterState {
  uint32_t connections = 0;  // connecting, idle and busy ones; not those of mirrors
  uint32_t mirrors = 0;      // connections that carry copies
  uint32_t requests = 0;     // under way, waiting ones included
  uint32_t waiting = 0;      // for a connection, in a list of exchanges
  uint32_t first_waiting = kNone, last_waiting = kNone;
  uint32_t oldest_idle = kNone, newest_idle = kNone;  // in a list of upstream sessions
  uint32_t next_freed = kNone;                        // in the list of clusters that have room again
  bool freed = false;
};

struct EndpointState {
  uint32_t requests = 0;  // under way
  uint32_t newest_idle = kNone;
  int64_t credit = 0;  // of smooth weighted round robin
};

class Clusters {
 public:
  explicit Clusters(const Limits& limits);

  // The one before is still alive.
  void adopt(const route::L7Config& config);

  // The slot of the cluster with that number in the configuration; kNone when its slot is beyond the tables.
  uint32_t slot_of(uint32_t number) const {
    const uint32_t slot = config_->clusters[number].slot;
    return slot < cluster_slots_ ? slot : kNone;
  }
  const config::Cluster* find(uint32_t slot) const {
    const uint32_t number = clusters_[slot].number;
    return number == kNone ? nullptr : &config_->clusters[number];
  }
  // Whether the configuration still has this very endpoint there.
  bool has(uint32_t cluster, uint32_t endpoint, const base::IpAddress& address, uint16_t port) const;
  // The next endpoint for a request; another one than `avoid` if there is a choice.
  const config::Endpoint* pick(uint32_t cluster, uint32_t avoid, Random& random);

  ClusterState& cluster(uint32_t slot) { return clusters_[slot].state; }
  EndpointState& endpoint(uint32_t slot) { return endpoints_[slot].state; }
  uint32_t cluster_slots() const { return cluster_slots_; }

 private:
  struct Cluster {
    ClusterState state;
    uint32_t number = kNone;  // in the configuration
    uint32_t first = 0;       // of its usable endpoints in usable_
    uint32_t usable = 0;
    uint32_t turn = 0;    // of round robin
    bool uneven = false;  // weights differ
  };
  struct Endpoint {
    EndpointState state;
    uint32_t cluster = kNone;  // slot
    uint32_t number = 0;       // in the cluster
  };
  struct Usable {
    uint32_t number;  // in the cluster
    uint64_t upto;    // sum of the weights up to and with this one
  };

  void adopt(Cluster& cluster, uint32_t number, const config::Cluster& from);
  uint32_t pick_once(Cluster& cluster, const config::Cluster& from, Random& random);
  uint32_t next_in_turn(Cluster& cluster, const config::Cluster& from);
  uint32_t by_weight(const Cluster& cluster, Random& random) const;

  const route::L7Config* config_ = nullptr;
  uint32_t cluster_slots_, endpoint_slots_;
  std::unique_ptr<Cluster[]> clusters_;
  std::unique_ptr<Endpoint[]> endpoints_;
  std::vector<Usable> usable_;
};

}  // namespace penstock::proxy
