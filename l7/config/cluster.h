// Where requests go: a cluster is the endpoints of one backend Service port, with how they are balanced and how much
// may be under way to them.
//
// Immutable; owned by the generation, built by control. What changes with traffic (connections, requests under way,
// ejections) lives in the workers at the stable slots that are named here: the same Service, or the same endpoint of
// it, keeps its slot from generation to generation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "l7/config/balance.h"
#include "l7/config/resilience.h"

namespace penstock::config {

constexpr uint32_t kMaxClusters = 65536;            // slots
constexpr uint32_t kMaxClusterEndpoints = 65536;    // slots, of all clusters
constexpr uint32_t kMaxEndpointsPerCluster = 1000;  // as an EndpointSlice holds

// What a connection to an endpoint begins with, to say whose request it carries (the PROXY protocol).
enum class ProxyHeader : uint8_t { kNone, kV1, kV2 };

struct Endpoint {
  base::IpAddress address;
  uint16_t port = 0;
  uint32_t weight = 1;    // 0: gets nothing
  uint32_t slot = 0;      // stable, below kMaxClusterEndpoints
  bool usable = true;     // healthy and not draining; one that is not gets no new requests
  bool doubtful = false;  // not usable for nothing but its health check: serves in panic
  uint8_t level = 0;      // below kMaxLevels; those of a higher one serve what lower ones cannot take
  bool operator==(const Endpoint&) const = default;
};

// Of each worker. What is beyond is answered 503 with the flag UO.
struct ClusterLimits {
  uint32_t connections = 1024;
  uint32_t pending = 1024;  // requests that wait for a connection
  uint32_t requests = 1024;
  uint32_t requests_per_connection = 0;  // 0: no limit
  base::Nanos idle = 60 * base::kNanosPerSecond;
  base::Nanos lifetime = 0;  // of a connection; it ends when no request is under way. 0: no limit
  base::Nanos connect_timeout = 5 * base::kNanosPerSecond;
  bool operator==(const ClusterLimits&) const = default;
};

struct Cluster {
  // "Service/namespace/name:port" or "ServiceSubset/namespace/name:port", as metrics and logs say it.
  std::string name;
  uint32_t slot = 0;  // stable, below kMaxClusters
  Balancing balancing = Balancing::kRoundRobin;
  ClusterLimits limits;
  std::vector<Endpoint> endpoints;  // by address and port
  ProxyHeader proxy_header = ProxyHeader::kNone;
  Balance balance;
  Resilience resilience;
  uint32_t id = 0;      // of the name alone: what tokens of sessions say, the same in every gateway and process
  std::string service;  // "namespace/name" of the Service whose endpoints they are
  bool operator==(const Cluster&) const = default;
};

// The endpoint with that address and port; null: there is none.
inline const Endpoint* find_endpoint(const Cluster& cluster, const base::IpAddress& address, uint16_t port) {
  const auto before = [](const Endpoint& each, const auto& place) {
    return std::pair(each.address, each.port) < place;
  };
  const auto at =
      std::lower_bound(cluster.endpoints.begin(), cluster.endpoints.end(), std::pair(address, port), before);
  return at != cluster.endpoints.end() && at->address == address && at->port == port ? &*at : nullptr;
}

}  // namespace penstock::config
