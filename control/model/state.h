// The desired state of one gateway: all objects of all kinds, each immutable and shared. An unchanged object keeps its
// pointer from one revision to the next, which is how control/compile knows what it may reuse.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "control/model/errors.h"
#include "control/model/gateway.h"
#include "control/model/listener_policy.h"
#include "control/model/node.h"
#include "control/model/objects.h"
#include "control/model/peer.h"
#include "control/model/policy.h"
#include "control/model/request_policy.h"
#include "control/model/service.h"
#include "control/model/subset.h"
#include "control/model/workload.h"

namespace penstock::model {

enum class Kind : uint8_t {
  kNode,
  kService,
  kEndpointSlice,
  kServicePolicy,
  kAccessPolicy,
  kRateLimit,
  kEgress,
  kMirror,
  kPeer,
  kWorkload,
  kGateway,
  kHttpRoute,
  kTcpRoute,
  kReferenceGrant,
  kFault,
  kListenerPolicy,
  kDirectResponse,
  kRequestAccessPolicy,
  kRequestInspection,
  kServiceSubset,
  kNamespace
};
constexpr size_t kKinds = 21;

const char* to_string(Kind kind);  // "EndpointSlice"
bool is_namespaced(Kind kind);     // others have no namespace of their own

struct State {
  std::shared_ptr<const Node> node;  // null until one is applied
  Objects<Service> services;
  Objects<EndpointSlice> slices;
  Objects<ServicePolicy> service_policies;
  Objects<AccessPolicy> access_policies;
  Objects<RateLimit> rate_limits;
  Objects<Egress> egresses;
  Objects<Mirror> mirrors;
  Objects<Peer> peers;
  Objects<Workload> workloads;
  Objects<Gateway> gateways;
  Objects<HttpRoute> http_routes;
  Objects<TcpRoute> tcp_routes;
  Objects<ReferenceGrant> grants;
  Objects<Fault> faults;
  Objects<ListenerPolicy> listener_policies;
  Objects<DirectResponse> direct_responses;
  Objects<RequestAccessPolicy> request_access;
  Objects<RequestInspection> request_inspections;
  Objects<ServiceSubset> service_subsets;
  Objects<Namespace> namespaces;
};

using Object = std::variant<Node, Service, EndpointSlice, ServicePolicy, AccessPolicy, RateLimit, Egress, Mirror, Peer,
                            Workload, Gateway, HttpRoute, TcpRoute, ReferenceGrant, Fault, ListenerPolicy,
                            DirectResponse, RequestAccessPolicy, RequestInspection, ServiceSubset, Namespace>;

struct ObjectKey {
  Kind kind = Kind::kNode;
  Name name;
  auto operator<=>(const ObjectKey&) const = default;
  std::string to_string() const { return std::string(model::to_string(kind)) + "/" + name.to_string(); }
};

ObjectKey key_of(const Object& object);

struct Change {
  std::vector<Object> apply;      // created or replaced
  std::vector<ObjectKey> remove;  // deleting what is not there is an error
};

enum class DiffKind : uint8_t { kCreated, kChanged, kRemoved, kUnchanged };
struct Difference {
  ObjectKey key;
  DiffKind kind;
};

// The state after the change; objects equal to the old ones keep the old pointers. `errors` gets duplicates within the
// change and removals of nothing; the result is meaningful only when it stays empty. O(changed · log n) plus a
// copy of the maps' rows (objects.h).
State with_change(const State& before, const Change& change, FieldErrors& errors,
                  std::vector<Difference>* differences = nullptr);

// Everything that can be wrong between fields and objects without asking a device: ranges, overlaps, references to
// nothing, duplicates. Returns every fault. `before` limits the work to what differs from it (null: all is checked).
FieldErrors validate(const State& state, const State* before = nullptr);

}  // namespace penstock::model
