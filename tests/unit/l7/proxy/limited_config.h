// A configuration with rate limits of requests, in few words.
#pragma once

#include "unit/l7/proxy/rig.h"

namespace penstock::proxy {

// "/" to one endpoint, "/away" a redirect with CORS; the limits are of every request that a route serves, and of those
// that none does; those of bandwidth of TCP connections, too.
inline std::shared_ptr<const route::L7Config> limited(std::vector<config::RequestLimit> limits, bool unrouted = false) {
  ConfigBuilder builder;
  builder.route(unrouted ? "/served" : "/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  config::Filters redirect;
  redirect.redirect = config::Redirect{.hostname = "other.example"};
  redirect.cors = config::Cors{.origins = {"https://a.example"}, .expose_headers = {"*"}, .credentials = true};
  builder.route("/away", builder.action(ConfigBuilder::to(0, builder.filters(redirect))));
  route::L7Config& config = builder.config();
  auto set = std::make_shared<route::MatchSet>();
  for (config::RequestLimit& each : limits) {
    EXPECT_TRUE(set->add(each.matches, each.name));
    for (config::LimitComponent& component : each.key)
      if (component.kind == config::LimitComponent::Kind::kHeader)
        component.subject = *set->add_header(component.name, each.name);
  }
  EXPECT_TRUE(set->finish());
  auto scratch = set->make_scratch();
  if (scratch) config.limit_scratches.emplace_back(std::move(*scratch));
  config.limit_matches = set;
  config::RequestLimits::List list;
  for (uint32_t i = 0; i < limits.size(); ++i) list.push_back(i);
  config.limits.all = std::move(limits);
  config.limits.of_action.resize(config.actions.size());
  config.limits.of_listener.resize(config.listeners.size());
  config.limits.of_listener[0].of_route = {list, list};
  config.limits.of_listener[0].unrouted = list;
  if (config.limits.all[0].measure != config::RequestLimit::Measure::kRequests)
    config.limits.of_listener[1].unrouted = list;
  return builder.build();
}

}  // namespace penstock::proxy
