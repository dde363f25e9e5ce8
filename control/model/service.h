// core/v1 Service and discovery.k8s.io/v1 EndpointSlice as far as L4 needs them, and our ServicePolicy beside them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/balancing.h"
#include "control/model/labels.h"
#include "l7/config/cluster.h"

namespace penstock::model {

struct Name {  // namespace and name; "default" when YAML gives none
  std::string space = "default";
  std::string name;
  auto operator<=>(const Name&) const = default;
  std::string to_string() const { return space + "/" + name; }
};

struct ServicePort {
  std::string name;
  uint8_t protocol = 6;  // TCP 6, UDP 17, SCTP 132
  uint16_t port = 0;
  uint16_t target_port = 0;      // number; 0 when targetPort is a name or absent
  std::string target_port_name;  // a name is looked up in the slice's ports by `name`, as Kubernetes resolved it
  std::string app_protocol;      // what HTTPRoutes may expect; empty: nothing was said
  bool operator==(const ServicePort&) const = default;
};

struct Service {
  Name name;
  std::vector<base::IpAddress>
      addresses;  // externalIPs, loadBalancerIP, status.loadBalancer.ingress, clusterIPs: the virtual ones
  std::vector<ServicePort> ports;
  bool client_affinity = false;  // sessionAffinity: ClientIP
  uint32_t affinity_seconds = 10800;
  bool operator==(const Service&) const = default;
};

struct Endpoint {
  std::vector<base::IpAddress> addresses;
  bool ready = true, serving = true, terminating = false;
  std::string node, zone, hostname;
  bool operator==(const Endpoint&) const = default;
};

struct EndpointPort {
  std::string name;
  uint8_t protocol = 6;
  uint16_t port = 0;  // 0: all ports
  bool operator==(const EndpointPort&) const = default;
};

struct EndpointSlice {
  Name name;
  Name service;       // label kubernetes.io/service-name; empty: belongs to none, as Kubernetes allows
  Labels labels;      // the others: its endpoints carry them (subset.h)
  bool fqdn = false;  // of addressType FQDN, which proxies of L4 pass over: its endpoints are not kept
  std::vector<Endpoint> endpoints;
  std::vector<EndpointPort> ports;
  bool operator==(const EndpointSlice&) const = default;
};

enum class ServiceMode : uint8_t { kNat, kFullNat, kDsr, kIpip };
enum class Balancing : uint8_t { kMaglev, kRoundRobin, kLeastConnections };
enum class DownAction : uint8_t { kMove, kReset };         // what happens to the flows of an endpoint that went down
enum class NoEndpointAction : uint8_t { kReject, kDrop };  // RST/ICMP unreachable, or silence

enum class HealthCheckKind : uint8_t { kNone, kTcp, kUdp, kIcmp, kHttp };

struct HealthCheck {
  HealthCheckKind kind = HealthCheckKind::kNone;
  uint32_t interval_milliseconds = 2000;
  uint32_t timeout_milliseconds = 1000;
  uint32_t rise = 2;       // successes in a row before an endpoint is up
  uint32_t fall = 3;       // failures in a row before it is down
  uint16_t port = 0;       // 0: the endpoint's own
  std::string path = "/";  // HTTP
  std::string host;        // HTTP Host; the endpoint's address when empty
  uint16_t status_low = 200, status_high = 399;
  std::string send, expect;  // UDP payload and the bytes its answer must begin with (empty: any answer)
  bool operator==(const HealthCheck&) const = default;
};

struct ServicePolicy {
  Name name;
  Name service;  // spec.targetRef; without a name: `subset` is meant
  Name subset;   // a ServiceSubset; then nothing of packets and health checks is given
  ServiceMode mode = ServiceMode::kNat;
  Balancing balancing = Balancing::kMaglev;
  uint32_t maglev_table_size = 0;  // 0: the first prime of at least 100 × the number of endpoints; else a prime
  bool all_ports = false;          // every port of the virtual address, endpoint port = packet's port
  std::map<base::IpAddress, uint16_t> weights;  // per endpoint address, 0..1000, default 100
  std::vector<base::IpAddress> source_pool;     // fullnat: source addresses; empty: the egress interface's
  DownAction on_endpoint_down = DownAction::kMove;
  NoEndpointAction no_endpoint = NoEndpointAction::kReject;
  HealthCheck health_check;
  config::ProxyHeader proxy_header = config::ProxyHeader::kNone;
  std::optional<LoadBalancer> load_balancer;  // absent: as `balancing` suggests
  config::ClusterLimits pool;
  config::Resilience resilience;  // of requests that routes send to the Service
  bool operator==(const ServicePolicy&) const = default;
};

}  // namespace penstock::model
