#include "control/compile/backends.h"

#include <string_view>

#include "l7/route/l7_config.h"

namespace penstock::compile {

std::vector<BackendEndpoint> backends_of(const flow::Generation& generation) {
  constexpr std::string_view kKind = "Service/";  // "Service/namespace/name:port": l7_clusters.cpp
  std::vector<BackendEndpoint> out;
  if (!generation.l7) return out;
  for (const config::Cluster& cluster : generation.l7->clusters) {
    const size_t slash = cluster.name.find('/', kKind.size()), colon = cluster.name.rfind(':');
    if (!cluster.name.starts_with(kKind) || slash == std::string::npos || colon == std::string::npos || colon < slash)
      continue;
    const model::Name service{cluster.name.substr(kKind.size(), slash - kKind.size()),
                              cluster.name.substr(slash + 1, colon - slash - 1)};
    for (const config::Endpoint& endpoint : cluster.endpoints)
      out.push_back({service, endpoint.address, endpoint.port});
  }
  return out;
}

}  // namespace penstock::compile
