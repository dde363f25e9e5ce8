// Kinds ListenerPolicy and DirectResponse. Field names are in control/api/listener_policy.proto; answers, time-outs and
// forwarding are the values that L7 decides by (l7/config, l7/http).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"
#include "l7/config/filters.h"
#include "l7/config/listener.h"

namespace penstock::model {

constexpr const char* kOwnGroup = "penstock.io";
constexpr size_t kMaxListenerPolicies = 1024;
constexpr size_t kMaxDirectResponses = 4096;
constexpr size_t kMaxLocalReplies = 32;
constexpr size_t kMaxReplyStatuses = 32;
constexpr size_t kMaxPolicyPrefixes = 64;
constexpr size_t kMaxAnswerBytes = 65536;
constexpr uint32_t kMaxRetryAfterSeconds = 86400;
constexpr uint32_t kMinTargetBytes = 64;
constexpr uint32_t kMinFieldBytes = 1024;

struct LocalReply {
  std::vector<uint16_t> statuses;
  config::DirectResponse answer{.status = 0};  // 0: the status that it was
  bool operator==(const LocalReply&) const = default;
};

struct Maintenance {
  config::DirectResponse answer{.status = 503};
  std::vector<base::Prefix> except;
  bool operator==(const Maintenance&) const = default;
};

struct ListenerPolicy {
  Name name;
  Name gateway;         // spec.targetRef
  std::string section;  // the name of one of its listeners; empty: all
  bool proxy_protocol = false;
  std::vector<base::Prefix> proxies;  // empty: everybody is one
  config::ListenerTimeouts timeouts;
  uint32_t requests_per_connection = 0;
  http::ForwardingPolicy forwarding;
  http::PathPolicy path;
  http::HeadLimits limits;
  std::vector<LocalReply> replies;
  std::optional<Maintenance> maintenance;
  bool operator==(const ListenerPolicy&) const = default;
};

struct DirectResponse {
  Name name;
  config::DirectResponse answer;
  bool operator==(const DirectResponse&) const = default;
};

}  // namespace penstock::model
