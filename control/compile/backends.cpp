#include "control/compile/backends.h"

#include "l7/route/l7_config.h"

namespace penstock::compile {

std::vector<BackendEndpoint> backends_of(const flow::Generation& generation) {
  std::vector<BackendEndpoint> out;
  if (!generation.l7) return out;
  for (const config::Cluster& cluster : generation.l7->clusters) {
    const size_t slash = cluster.service.find('/');  // l7_clusters.cpp
    if (slash == std::string::npos) continue;
    const model::Name service{cluster.service.substr(0, slash), cluster.service.substr(slash + 1)};
    for (const config::Endpoint& endpoint : cluster.endpoints)
      out.push_back({service, endpoint.address, endpoint.port});
  }
  return out;
}

}  // namespace penstock::compile
