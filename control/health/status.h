// What is known about one endpoint of a service. Plain values, copied to whoever asks.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/time.h"
#include "control/model/service.h"

namespace penstock::health {

// One endpoint of one service: what is checked, and what the answer is about. Ports of several protocols share it.
struct TargetKey {
  model::Name service;
  base::IpAddress address;
  uint16_t port = 0;  // the endpoint's own; 0: all ports
  auto operator<=>(const TargetKey&) const = default;
};

enum class Health : uint8_t {
  kUnknown,  // no check has ended yet: counts as up
  kUp,
  kDown,
};
const char* to_string(Health health);  // "unknown", "up", "down"

struct Status {
  TargetKey target;
  model::HealthCheckKind kind = model::HealthCheckKind::kNone;
  Health health = Health::kUnknown;
  base::Nanos since = 0;        // CLOCK_MONOTONIC of the last change of `health`
  uint32_t run = 0;             // equal results in a row, up to now
  bool run_is_success = false;  // of which kind
  uint64_t succeeded = 0, failed = 0;
  base::Nanos last_duration = 0;  // from the first frame to the result
  std::string last_failure;       // "connection refused", "timeout", "HTTP status 503"; empty: none yet
};

}  // namespace penstock::health
