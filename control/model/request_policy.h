// Kinds of penstock.io/v1alpha1 that stand before requests: RequestAccessPolicy and RequestInspection. Field names are
// in control/api/request_policy.proto; rules and patterns are the values that L7 decides by (l7/config).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/model/service.h"
#include "l7/config/access.h"
#include "l7/config/inspection.h"

namespace penstock::model {

constexpr size_t kMaxRequestTargets = 16;

struct RequestTarget {
  bool route = false;   // an HTTPRoute, else a Gateway
  Name name;            // of the policy's namespace
  std::string section;  // a rule's or listener's name; empty: all
  bool operator==(const RequestTarget&) const = default;
};

struct RequestAccessPolicy {
  Name name;
  std::vector<RequestTarget> targets;
  config::AccessAction action = config::AccessAction::kAllow;
  bool shadow = false;
  std::vector<config::AccessRule> rules;
  bool operator==(const RequestAccessPolicy&) const = default;
};

struct RequestInspection {
  Name name;
  std::vector<RequestTarget> targets;
  std::vector<config::InspectionPattern> patterns;
  uint32_t body_bytes = 0;
  std::optional<config::InspectionAction> uninspectable;  // kLog or kDeny; nothing: as its patterns are
  bool operator==(const RequestInspection&) const = default;
};

}  // namespace penstock::model
