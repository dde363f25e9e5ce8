// How large what L7 decides by may be. What is beyond is refused with the field's path when a configuration is checked;
// nothing is cut. Where Gateway API has a bound, it is that one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::config {

constexpr size_t kMaxHostnameBytes = 253;        // RFC 1123 2.1 and Gateway API
constexpr size_t kMaxHostnamesPerRoute = 16;     // Gateway API
constexpr size_t kMaxRulesPerRoute = 16;         // Gateway API
constexpr size_t kMaxMatchesPerRule = 64;        // Gateway API
constexpr size_t kMaxConditionsPerMatch = 16;    // Gateway API: of headers, and of query parameters
constexpr size_t kMaxPathBytes = 1024;           // Gateway API
constexpr size_t kMaxConditionNameBytes = 256;   // Gateway API
constexpr size_t kMaxHeaderValueBytes = 4096;    // Gateway API
constexpr size_t kMaxQueryValueBytes = 1024;     // Gateway API
constexpr size_t kMaxRouteNameBytes = 512;       // "namespace/name" of Kubernetes has at most 63 + 1 + 253
constexpr size_t kMaxBackendsPerAction = 16;     // Gateway API
constexpr uint32_t kMaxBackendWeight = 1000000;  // Gateway API; sixteen of them fit into 32 bits

}  // namespace penstock::config
