// Gateway API (gateway.networking.k8s.io) as far as this gateway serves it: Gateway, HTTPRoute, TCPRoute and
// ReferenceGrant, and our Fault beside them. Field names are in control/api/gateway.proto; matches, filters and
// timeouts are the values that L7 decides by (l7/config), so that nothing is said twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"
#include "l7/config/action.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"
#include "l7/config/route.h"
#include "l7/config/session.h"

namespace penstock::model {

constexpr const char* kGatewayClass = "penstock";
constexpr const char* kGatewayGroup = "gateway.networking.k8s.io";

constexpr size_t kMaxGatewayListeners = 64;   // Gateway API
constexpr size_t kMaxGatewayAddresses = 16;   // Gateway API
constexpr uint16_t kMaxListenerPort = 60999;  // above: answers to the gateway's own health checks
constexpr size_t kMaxPlaces = 1024;           // addresses times ports, of all Gateways: what TCP has room for
constexpr size_t kMaxGateways = 1024;         // as many listeners as l7/config has
constexpr size_t kMaxHttpRoutes = 65536;      // what a route table is built for
constexpr size_t kMaxTcpRoutes = 1024;        // one a listener
constexpr size_t kMaxGrants = 4096;
constexpr size_t kMaxNamespaces = 65536;
constexpr size_t kMaxParents = 32;         // Gateway API
constexpr size_t kMaxGrantEntries = 16;    // Gateway API
constexpr size_t kMaxRouteKinds = 8;       // Gateway API
constexpr size_t kMaxCertificates = 64;    // Gateway API
constexpr size_t kMaxTlsOptions = 16;      // Gateway API
constexpr size_t kMaxTlsOptionKey = 317;   // Gateway API: a prefix of 253, '/', a name of 63
constexpr size_t kMaxTlsOption = 4096;     // Gateway API
constexpr size_t kMaxHeaderChanges = 16;   // Gateway API: of each of set, add and remove
constexpr size_t kMaxMirrorsPerRule = 16;  // Gateway API: filters of a rule
constexpr size_t kMaxCorsItems = 64;       // Gateway API
constexpr uint8_t kMaxRetryAttempts = 10;
constexpr size_t kMaxRetryCodes = 32;

struct RouteKind {
  std::string group = kGatewayGroup, kind;
  bool operator==(const RouteKind&) const = default;
};

// What a listener of HTTPS or TLS says beside; kept, and nothing is done with it.
struct ListenerTls {
  struct Certificate {
    std::string group, kind = "Secret";
    Name name;
    bool operator==(const Certificate&) const = default;
  };
  bool passthrough = false;
  std::vector<Certificate> certificates;
  std::map<std::string, std::string> options;
  bool operator==(const ListenerTls&) const = default;
};

enum class RoutesFrom : uint8_t { kSame, kAll, kSelector };

struct GatewayListener {
  std::string name;
  std::string hostname;  // empty: every host
  uint16_t port = 0;
  config::Protocol protocol = config::Protocol::kHttp;
  std::string unserved;            // HTTPS, TLS or UDP: it accepts nowhere, and `protocol` means nothing; else empty
  std::optional<ListenerTls> tls;  // of HTTPS and TLS
  RoutesFrom from = RoutesFrom::kSame;  // allowedRoutes.namespaces
  LabelSelector namespaces;             // of kSelector
  std::vector<RouteKind> kinds;         // allowedRoutes.kinds; empty: what the protocol serves
  bool operator==(const GatewayListener&) const = default;
};

struct Gateway {
  Name name;
  int64_t created = 0;  // seconds since 1970: metadata.creationTimestamp; 0: none was given
  std::string class_name = kGatewayClass;
  std::vector<base::IpAddress> addresses;  // empty: all of the Node's interfaces
  std::vector<GatewayListener> listeners;
  bool operator==(const Gateway&) const = default;
};

struct ParentRef {  // a Gateway
  Name gateway;
  std::string section;  // of its listeners; empty: any
  uint16_t port = 0;    // 0: any
  bool operator==(const ParentRef&) const = default;
};

// A backend that is not to be had is no fault of the bundle: its share is answered 500, and the status says why.
struct BackendObject {
  std::string group, kind = "Service";  // others are kept, and never found
  Name name;
  uint16_t port = 0;
  bool operator==(const BackendObject&) const = default;
};

struct MirrorFilter {
  BackendObject backend;
  uint32_t numerator = 1, denominator = 1;
  bool operator==(const MirrorFilter&) const = default;
};

// What a rule's or a backend's list of filters says, by type.
struct RouteFilters {
  std::vector<config::HeaderChange> request, response;
  std::optional<config::Redirect> redirect;
  std::optional<config::Rewrite> rewrite;
  std::optional<config::Cors> cors;
  std::optional<Name> direct;  // ExtensionRef: a DirectResponse
  std::vector<MirrorFilter> mirrors;
  bool operator==(const RouteFilters&) const = default;
};

struct BackendRef {
  BackendObject object;
  uint32_t weight = 1;
  RouteFilters filters;
  bool operator==(const BackendRef&) const = default;
};

struct HttpRule {
  std::string name;
  std::vector<config::Match> matches;
  RouteFilters filters;
  std::vector<BackendRef> backends;
  config::Timeouts timeouts;
  std::optional<config::Retry> retry;
  std::optional<config::SessionPersistence> session;  // an empty name: one of the rule's own
  bool operator==(const HttpRule&) const = default;
};

struct HttpRoute {
  Name name;
  int64_t created = 0;
  std::vector<ParentRef> parents;
  std::vector<std::string> hostnames;
  std::vector<HttpRule> rules;
  bool operator==(const HttpRoute&) const = default;
};

struct TcpRoute {
  Name name;
  int64_t created = 0;
  std::vector<ParentRef> parents;
  std::string rule_name;
  std::vector<BackendRef> backends;  // without filters
  bool operator==(const TcpRoute&) const = default;
};

struct GrantFrom {
  std::string group, kind, space;
  bool operator==(const GrantFrom&) const = default;
};

struct GrantTo {
  std::string group, kind;
  std::string name;  // empty: all of the kind
  bool operator==(const GrantTo&) const = default;
};

// Kind Namespace (v1): what is said of a namespace. Those without one exist as well.
struct Namespace {
  Name name;
  Labels labels;
  bool operator==(const Namespace&) const = default;
};

struct ReferenceGrant {  // lets objects of other namespaces refer to objects of its own
  Name name;
  std::vector<GrantFrom> from;
  std::vector<GrantTo> to;
  bool operator==(const ReferenceGrant&) const = default;
};

// Requests are delayed or answered by the gateway, to try what clients make of it.
struct Fault {
  Name name;
  Name route;           // spec.targetRef, an HTTPRoute
  std::string section;  // the name of one of its rules; empty: all
  uint32_t delay_milliseconds = 0;
  uint32_t delay_per_million = 0;
  uint16_t abort_status = 0;
  uint32_t abort_per_million = 0;
  bool resets = false;  // spec.reset is there
  uint32_t reset_per_million = 0;
  double throttle_bits = 0;  // per second and response
  uint32_t throttle_per_million = 0;
  std::vector<config::FaultHeader> headers;  // all of them; none: every request
  bool operator==(const Fault&) const = default;
};

}  // namespace penstock::model
