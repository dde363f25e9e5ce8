// One Service with its policy, slices and health → its virtual ports (flow::ServiceEntry). Slots and tables that still
// hold are taken over from the entries before.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "control/compile/parts.h"

namespace penstock::compile {

struct ServiceInput {
  const model::Service& service;
  const model::ServicePolicy* policy;  // null: none
  const ServicePart::Slices* slices;   // null: none
  const HealthView::Endpoints* down;   // null: all are up
  const LimitPart::Attached* limits;   // null: none
  const PeerReach* reach;              // null: all endpoints are near
};

// The input of a service as the part knows it.
ServiceInput input_of(const ServicePart& part, const model::Service& service);

// The endpoints of a port in all slices, sorted by address and port, with weights and states, without slots. Null: all
// ports. `wanted` says which addresses count.
std::vector<flow::Endpoint> endpoints_of(const ServiceInput& input, const model::ServicePort* port,
                                         const std::function<bool(const base::IpAddress&)>& wanted);

using Entries = std::vector<std::shared_ptr<const flow::ServiceEntry>>;

// Slots of entries and endpoints that `before` has and the result has not are released. Faults go to the round.
Entries compile_service(const ServiceInput& input, const Entries& before, const Round& round, ServicePart& part);

// A service that is gone: releases all its slots.
void release_service(const Entries& entries, const Round& round, ServicePart& part);

}  // namespace penstock::compile
