// What lies behind this gateway, as far as it knows: to say where another one sees something else. Any thread.
#pragma once

#include <vector>

#include "control/model/state.h"

namespace penstock::mesh {

// Networks of interfaces, routes that lead on (default routes are no claim), addresses of services. In order.
std::vector<base::Prefix> served_by(const model::State& state);

// Of what somebody sees behind a gateway that serves `served`, that of which nothing is there. `served` as served_by()
// orders it.
std::vector<base::Prefix> unserved(const std::vector<base::Prefix>& seen, const std::vector<base::Prefix>& served);

}  // namespace penstock::mesh
