// The parts of validate() for the kinds of Gateway API; see validation.h. Checks that l7/config has are asked there.
#pragma once

#include "base/result.h"
#include "control/model/faults.h"
#include "control/model/state.h"

namespace penstock::model {

constexpr size_t kMaxGroup = 253, kMaxKindName = 63;  // Gateway API

// A check of l7/config, which names the field and says why: "spec.hostnames[0]: empty; ...".
void add_checked(ObjectFaults& faults, const base::Result<void>& checked);

// validate_gateway.cpp: what differs from `before`, and what that has to do with.
void validate_gateway_api(const State& before, const State& state, Faults& faults);

// validate_listener_policy.cpp: likewise.
void validate_listener_policies(const State& before, const State& state, Faults& faults);

// validate_http_route.cpp
void validate_http_route(const HttpRoute& route, Faults& faults);
void validate_tcp_route(const TcpRoute& route, Faults& faults);

// validate_balancing.cpp; `at` is the path of the field.
void validate_session(const config::SessionPersistence& session, const std::string& at, ObjectFaults& faults);

// validate_request_policies.cpp: what differs from `before`, and all when what they are attached to differs.
void validate_request_policies(const State& before, const State& state, Faults& faults);

// validate_http_filters.cpp: of a rule or of one of its backends; `at` is the path of what holds the filters.
void validate_filters(const HttpRule& rule, const RouteFilters& filters, const std::string& at, ObjectFaults& faults);
void validate_backend(const BackendObject& object, const std::string& at, ObjectFaults& faults);

}  // namespace penstock::model
