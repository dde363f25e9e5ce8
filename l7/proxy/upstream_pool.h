// The kept connections of one worker to endpoints: who is idle, newest first by endpoint, oldest first by cluster.
//
// Bookkeeping only: lists through the sessions, heads in the states of Clusters. It opens and closes nothing.
#pragma once

#include "l7/proxy/clusters.h"
#include "l7/proxy/lending.h"
#include "l7/proxy/upstream_session.h"

namespace penstock::proxy {

class UpstreamPool {
 public:
  UpstreamPool(Clusters& clusters, Lending<UpstreamSession>& sessions) : clusters_(clusters), sessions_(sessions) {}

  void put(uint32_t index) {
    UpstreamSession& session = sessions_.at(index);
    ClusterState& cluster = clusters_.cluster(session.cluster);
    EndpointState& endpoint = clusters_.endpoint(session.endpoint);
    session.state = UpstreamSession::State::kIdle;
    session.older = cluster.newest_idle;
    session.newer = kNone;
    (session.older == kNone ? cluster.oldest_idle : sessions_.at(session.older).newer) = index;
    cluster.newest_idle = index;
    session.previous = kNone;
    session.next = endpoint.newest_idle;
    if (session.next != kNone) sessions_.at(session.next).previous = index;
    endpoint.newest_idle = index;
    ++cluster.idle;
  }

  // Out of the lists; the state is the caller's to set.
  void remove(uint32_t index) {
    UpstreamSession& session = sessions_.at(index);
    ClusterState& cluster = clusters_.cluster(session.cluster);
    (session.older == kNone ? cluster.oldest_idle : sessions_.at(session.older).newer) = session.newer;
    (session.newer == kNone ? cluster.newest_idle : sessions_.at(session.newer).older) = session.older;
    EndpointState& endpoint = clusters_.endpoint(session.endpoint);
    (session.previous == kNone ? endpoint.newest_idle : sessions_.at(session.previous).next) = session.next;
    if (session.next != kNone) sessions_.at(session.next).previous = session.previous;
    --cluster.idle;
    session.older = session.newer = session.previous = session.next = kNone;
  }

  uint32_t newest(uint32_t endpoint) const { return clusters_.endpoint(endpoint).newest_idle; }
  uint32_t oldest(uint32_t cluster) const { return clusters_.cluster(cluster).oldest_idle; }

 private:
  Clusters& clusters_;
  Lending<UpstreamSession>& sessions_;
};

}  // namespace penstock::proxy
