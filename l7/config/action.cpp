#include "l7/config/action.h"

namespace penstock::config {

base::Result<void> check(const Action& action, const std::string& what) {
  if (action.backends.size() > kMaxBackendsPerAction)
    return base::Error{what + ".backendRefs: more than " + std::to_string(kMaxBackendsPerAction) + " entries"};
  for (size_t i = 0; i < action.backends.size(); ++i)
    if (action.backends[i].weight > kMaxBackendWeight)
      return base::Error{what + ".backendRefs[" + std::to_string(i) + "].weight: 0 to " +
                         std::to_string(kMaxBackendWeight)};
  return {};
}

const Backend* pick_backend(const Action& action, uint32_t random) {
  uint64_t total = 0;
  for (const Backend& backend : action.backends) total += backend.weight;
  if (total == 0) return nullptr;
  uint64_t point = random * total >> 32;  // below total
  for (const Backend& backend : action.backends) {
    if (point < backend.weight) return &backend;
    point -= backend.weight;
  }
  return nullptr;
}

}  // namespace penstock::config
