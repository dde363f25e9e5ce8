// The endpoints of a generation's clusters, for those who look after endpoints and know nothing of L7: health checks.
#pragma once

#include <vector>

#include "base/address.h"
#include "control/model/service.h"
#include "flow/generation.h"

namespace penstock::compile {

struct BackendEndpoint {
  model::Name service;
  base::IpAddress address;
  uint16_t port = 0;
};

// An endpoint that several ports of a Service lead to stands there as often; likewise one in several ServiceSubsets.
std::vector<BackendEndpoint> backends_of(const flow::Generation& generation);

}  // namespace penstock::compile
