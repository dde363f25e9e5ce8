// The translators of single kinds; see translate.h. Metadata is read by translate.cpp, which gives the name.
#pragma once

#include "control/api/fault.pb.h"
#include "control/api/gateway.pb.h"
#include "control/api/kinds.pb.h"
#include "control/api/kubernetes.pb.h"
#include "control/api/listener_policy.pb.h"
#include "control/api/rate_limit.pb.h"
#include "control/api/request_policy.pb.h"
#include "control/api/subset.pb.h"
#include "control/api/translate_fields.h"
#include "control/api/workload.pb.h"
#include "control/model/state.h"

namespace penstock::api {

// `object` has its name; the functions fill the rest.
void to_model(const v1alpha1::Node& message, model::Node& object, Fields& fields);
void to_model(const kubernetes::Service& message, model::Service& object, Fields& fields);
void to_model(const kubernetes::EndpointSlice& message, model::EndpointSlice& object, Fields& fields);
void to_model(const v1alpha1::ServicePolicy& message, model::ServicePolicy& object, Fields& fields);
void to_model(const v1alpha1::AccessPolicy& message, model::AccessPolicy& object, Fields& fields);
void to_model(const v1alpha1::RateLimit& message, model::RateLimit& object, Fields& fields);
void to_model(const v1alpha1::Egress& message, model::Egress& object, Fields& fields);
void to_model(const v1alpha1::Mirror& message, model::Mirror& object, Fields& fields);
void to_model(const v1alpha1::Peer& message, model::Peer& object, Fields& fields);
void to_model(const v1alpha1::Workload& message, model::Workload& object, Fields& fields);
void to_model(const gateway::Gateway& message, model::Gateway& object, Fields& fields);
void to_model(const gateway::HTTPRoute& message, model::HttpRoute& object, Fields& fields);
void to_model(const gateway::TCPRoute& message, model::TcpRoute& object, Fields& fields);
void to_model(const gateway::ReferenceGrant& message, model::ReferenceGrant& object, Fields& fields);
void to_model(const v1alpha1::Fault& message, model::Fault& object, Fields& fields);
void to_model(const kubernetes::Namespace& message, model::Namespace& object, Fields& fields);
void to_model(const v1alpha1::ServiceSubset& message, model::ServiceSubset& object, Fields& fields);
void to_model(const v1alpha1::ListenerPolicy& message, model::ListenerPolicy& object, Fields& fields);
void to_model(const v1alpha1::DirectResponse& message, model::DirectResponse& object, Fields& fields);
void to_model(const v1alpha1::RequestAccessPolicy& message, model::RequestAccessPolicy& object, Fields& fields);
void to_model(const v1alpha1::RequestInspection& message, model::RequestInspection& object, Fields& fields);

// What a ServicePolicy says of requests to endpoints that fail: translate_resilience.cpp.
void read_resilience(const v1alpha1::ServicePolicySpec& spec, config::Resilience& out, const Path& path,
                     Fields& fields);
void write_resilience(const config::Resilience& rules, v1alpha1::ServicePolicySpec& spec);

// Unit and number of the rate that is set; false: none is.
bool read_rate(const v1alpha1::LimitRate& message, model::LimitUnit& unit, double& rate);
inline constexpr const char* kRateFields =
    "packetsPerSecond, bitsPerSecond, connectionsPerSecond, requestsPerSecond, requestsPerMinute, requestsPerHour, "
    "requestBitsPerSecond, responseBitsPerSecond";
// translate_request_limit.cpp: what only limits of requests have.
void read_request_limit(const v1alpha1::RateLimitSpec& spec, const Path& path, model::RateLimit& object,
                        Fields& fields);
void write_request_limit(const model::RateLimit& object, v1alpha1::RateLimitSpec& spec);

// As a Peer names them; also between gateways (PeerLink).
base::Result<model::PeerCipher> cipher_named(std::string_view name);
base::Result<model::Encapsulation> encapsulation_named(std::string_view name);

// Of Peers, interfaces and prefixes.
inline constexpr Choice<model::Encryption> kEncryptions[] = {{"Required", model::Encryption::kRequired},
                                                             {"Preferred", model::Encryption::kPreferred},
                                                             {"Off", model::Encryption::kOff}};

// All but the metadata.
void to_message(const model::Node& object, v1alpha1::Node& message);
void to_message(const model::Service& object, kubernetes::Service& message);
void to_message(const model::EndpointSlice& object, kubernetes::EndpointSlice& message);
void to_message(const model::ServicePolicy& object, v1alpha1::ServicePolicy& message);
void to_message(const model::AccessPolicy& object, v1alpha1::AccessPolicy& message);
void to_message(const model::RateLimit& object, v1alpha1::RateLimit& message);
void to_message(const model::Egress& object, v1alpha1::Egress& message);
void to_message(const model::Mirror& object, v1alpha1::Mirror& message);
void to_message(const model::Peer& object, v1alpha1::Peer& message);
void to_message(const model::Workload& object, v1alpha1::Workload& message);
void to_message(const model::Gateway& object, gateway::Gateway& message);
void to_message(const model::HttpRoute& object, gateway::HTTPRoute& message);
void to_message(const model::TcpRoute& object, gateway::TCPRoute& message);
void to_message(const model::ReferenceGrant& object, gateway::ReferenceGrant& message);
void to_message(const model::Fault& object, v1alpha1::Fault& message);
void to_message(const model::Namespace& object, kubernetes::Namespace& message);
void to_message(const model::ServiceSubset& object, v1alpha1::ServiceSubset& message);
void to_message(const model::ListenerPolicy& object, v1alpha1::ListenerPolicy& message);
void to_message(const model::DirectResponse& object, v1alpha1::DirectResponse& message);
void to_message(const model::RequestAccessPolicy& object, v1alpha1::RequestAccessPolicy& message);
void to_message(const model::RequestInspection& object, v1alpha1::RequestInspection& message);

}  // namespace penstock::api
