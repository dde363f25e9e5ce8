// What one worker knows of clusters and endpoints while traffic changes it: connections, requests under way, who waits;
// and which endpoint serves next.
//
// Addressed by the stable slots of the configuration, so that it survives a change: adopt() says anew which cluster and
// which endpoint a slot is, and keeps the numbers. Memory: tables by slot, made once; what balancing looks up is
// rebuilt by adopt(), which allocates, between rounds. Pointers into the configuration are good until the next adopt().
// Failure: null when there is no such cluster, or no endpoint that may serve. Slots beyond the tables do not exist.
//
// Policies are in balance/; this decides who is asked: whoever may serve (refresh), of which level (balance/levels.h).
#pragma once

#include <memory>
#include <vector>

#include "base/gauge.h"
#include "l7/proxy/balance/ground.h"
#include "l7/proxy/counters.h"
#include "l7/proxy/limits.h"
#include "l7/proxy/net.h"
#include "l7/proxy/random.h"
#include "l7/route/l7_config.h"

namespace penstock::proxy {

// The gauges may be read by any thread; all else is the worker's.
struct ClusterState {
  base::Gauge connections;  // connecting, idle and busy ones; not those of mirrors
  base::Gauge idle;         // of them those that are kept for requests to come
  base::Gauge requests;     // under way, waiting ones included
  base::Gauge waiting;      // for a connection, in a list of exchanges
  uint32_t mirrors = 0;     // connections that carry copies
  uint32_t first_waiting = kNone, last_waiting = kNone;
  uint32_t oldest_idle = kNone, newest_idle = kNone;  // in a list of upstream sessions
  uint32_t next_freed = kNone;                        // in the list of clusters that have room again
  bool freed = false;
};

// What a request asks for.
struct Wish {
  uint32_t avoid = kNone;    // slot of an endpoint; another one if there is a choice
  uint32_t session = kNone;  // slot of the endpoint that it belongs to, as long as that one may serve
  uint64_t hash = 0;
  bool hashed = false;
};

class Clusters {
 public:
  Clusters(const Limits& limits, Counters& counters);

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
  // The endpoint with that slot, if it is one of that cluster.
  const config::Endpoint* find(uint32_t cluster, uint32_t endpoint) const;
  // Whether the configuration still has this very endpoint there.
  bool has(uint32_t cluster, uint32_t endpoint, const base::IpAddress& address, uint16_t port) const;
  // The next endpoint for a request.
  const config::Endpoint* pick(uint32_t cluster, const Wish& wish, Random& random, base::Nanos now);

  // An ejected endpoint gets no requests, but in panic, and where nobody else is left: an ejection is a guess. Of an
  // endpoint that the configuration has.
  void set_ejected(uint32_t endpoint, bool ejected);
  // Whether it is ejected and others serve instead, after refresh().
  bool passes_over(uint32_t endpoint) const { return states_[endpoint].ejected && !states_[endpoint].serving; }
  // Who may serve, anew: before the next request asks. Allocates nothing.
  void refresh(uint32_t cluster, base::Nanos now);
  // How long an endpoint took to answer.
  void note_answer(uint32_t cluster, uint32_t endpoint, base::Nanos latency, base::Nanos now);

  ClusterState& cluster(uint32_t slot) { return clusters_[slot].state; }
  const ClusterState& cluster(uint32_t slot) const { return clusters_[slot].state; }
  EndpointState& endpoint(uint32_t slot) { return states_[slot]; }
  uint32_t cluster_slots() const { return cluster_slots_; }

 private:
  struct Cluster {
    ClusterState state;
    uint32_t number = kNone;   // in the configuration
    uint32_t first_level = 0;  // of its levels in levels_
    uint32_t levels = 0;       // 0: no endpoint with a weight
    uint32_t turn = 0;         // of round robin
    base::Nanos stale_at = 0;  // who may serve, and with which weight, is looked at anew then
    bool known = false;        // it was in the configuration before
    bool all_ejected = false;  // and so none of them is left out
  };
  struct Level {
    uint32_t first = 0, all = 0;  // of its endpoints in numbers_, and of its members in members_
    uint32_t serving = 0;         // members
    uint32_t percent = 0;         // of the cluster's requests
    uint32_t level = 0;           // of config::Endpoint
    uint64_t weights = 0;         // of the members, without slow start
    bool uneven = false;
    bool panic = false;
  };
  // Whose state it is.
  struct Known {
    base::IpAddress address;
    uint16_t port = 0;
    bool usable = false;
    uint32_t cluster = kNone;  // slot
    uint32_t number = 0;       // in the cluster
  };

  void adopt(Cluster& cluster, uint32_t number, const config::Cluster& from);
  void adopt(const config::Cluster& from, uint32_t number, bool known);
  void refresh(Cluster& cluster, const config::Cluster& from, base::Nanos now);
  bool fill(const Cluster& cluster, Level& level, const config::Cluster& from, base::Nanos now);
  bool is_usable(const Cluster& cluster, const config::Endpoint& endpoint) const {
    return endpoint.usable && (cluster.all_ejected || !states_[endpoint.slot].ejected);
  }
  double warmth_of(const config::Cluster& from, EndpointState& state, base::Nanos now, bool& warms) const;
  const Level* choose_level(const Cluster& cluster, const Wish& wish, Random& random) const;
  const config::Endpoint* pick_in(Cluster& cluster, const Level& level, const Wish& wish, Random& random,
                                  base::Nanos now);
  const Member& draw(Cluster& cluster, const Ground& ground, const Wish& wish, Random& random, base::Nanos now);

  Counters& counters_;
  const route::L7Config* config_ = nullptr;
  uint32_t cluster_slots_, endpoint_slots_;
  std::unique_ptr<Cluster[]> clusters_;
  std::unique_ptr<EndpointState[]> states_;
  std::unique_ptr<Known[]> known_;
  std::vector<Level> levels_;
  std::vector<uint32_t> numbers_;  // of endpoints in their cluster, by level
  std::vector<Member> members_;    // those of a level that may serve come first
};

}  // namespace penstock::proxy
