#include "control/compile/l7.h"

#include <algorithm>

#include "control/compile/l7_balancing.h"
#include "control/compile/l7_doors.h"
#include "control/compile/l7_listener.h"
#include "l7/config/hostname.h"

namespace penstock::compile {

namespace {

std::string rule_name(const model::HttpRoute& route, size_t rule) {
  return route.name.to_string() + "/" + std::to_string(rule);
}

// In the order of their keys: with the same keys each keeps its number.
void put_clusters(const Clusters& clusters, route::L7Config& out) {
  out.clusters.clear();
  for (const auto& [key, each] : clusters) out.clusters.push_back(*each.cluster);
}

class L7Compiler {
 public:
  L7Compiler(const Round& round, const ServicePart& services, const LimitPart& limits, L7Part& part)
      : round_(round),
        services_(services),
        limits_(limits),
        part_(part),
        view_(model::view_of(round.state)),
        guards_(round, limits, part.guards, part.workers) {}

  void run() {
    const std::vector<Door> doors = doors_of(view_, part_.config.get());
    if (doors.size() > config::kMaxListeners) {
      round_.errors.push_back({"bundle", "",
                               std::to_string(doors.size()) +
                                   " addresses and ports of Gateways are too many (at most " +
                                   std::to_string(config::kMaxListeners) + ")"});
      return;
    }
    if (!fits(doors)) return;
    find_routes(doors);
    if (!assign(doors)) return;
    add_clusters();
    if (!round_.errors.empty() || !guards_.run()) return;
    add_actions();
    for (const Door& door : doors)
      if (!add_listener(door)) return;
    const auto action_of = [this](const model::HttpRoute& route, size_t rule) {
      return part_.action_slots.at(rule_name(route, rule));
    };
    part_.limits.update(round_, limits_, owners_, action_of, part_.workers, out_);
    if (round_.errors.empty()) finish();
  }

 private:
  // All tables together: one fits into memory and time, and so must as many as there are doors.
  bool fits(const std::vector<Door>& doors) {
    size_t entries = 0, expressions = 0;
    for (const Door& door : doors)
      for (const model::ListenerView* listener : door.listeners)
        for (const model::AttachedHttp& attached : listener->http)
          for (const model::HttpRule& rule : attached.route->rules) {
            entries += std::max<size_t>(1, rule.matches.size()) * std::max<size_t>(1, attached.hostnames.size());
            for (const config::Match& match : rule.matches) expressions += expressions_of(match);
          }
    if (entries <= route::kMaxEntries && expressions <= kMaxExpressions) return true;
    round_.errors.push_back({"bundle", "",
                             entries > route::kMaxEntries
                                 ? "matches times hostnames of all listeners are " + std::to_string(entries) +
                                       ", too many (at most " + std::to_string(route::kMaxEntries) + ")"
                                 : std::to_string(expressions) +
                                       " regular expressions of all listeners are too many (at most " +
                                       std::to_string(kMaxExpressions) + ")"});
    return false;
  }
  static size_t expressions_of(const config::Match& match) {
    const auto regex = [](const config::Condition& each) { return each.regex; };
    return (match.path.kind == config::PathKind::kRegex ? 1u : 0u) +
           static_cast<size_t>(std::count_if(match.headers.begin(), match.headers.end(), regex) +
                               std::count_if(match.query.begin(), match.query.end(), regex));
  }
  static constexpr size_t kMaxExpressions = 1024;  // two seconds of the control thread

  // Routes that some door has, in the order of their names.
  void find_routes(const std::vector<Door>& doors) {
    for (const Door& door : doors) {
      for (const model::ListenerView* listener : door.listeners) {
        for (const model::AttachedHttp& attached : listener->http) http_[attached.route->name] = attached.route;
        if (listener->tcp) tcp_[listener->tcp->name] = listener->tcp;
      }
    }
    for (const auto& [name, fault] : round_.state.faults) faults_[{fault->route, fault->section}] = fault.get();
  }

  bool assign(const std::vector<Door>& doors) {
    std::vector<std::string> listeners, actions, routes;
    for (const Door& door : doors) listeners.push_back(door.name);
    for (const auto& [name, route] : http_) routes.push_back(name.to_string());
    for (const auto& [name, route] : http_)
      for (size_t i = 0; i < route->rules.size(); ++i) actions.push_back(rule_name(*route, i));
    for (const auto& [name, route] : tcp_) actions.push_back(tcp_name(*route));
    actions.push_back(kRefused);
    if (part_.listener_slots.assign(listeners, round_.last, round_.retired) &&
        part_.action_slots.assign(actions, round_.last, round_.retired) &&
        part_.route_slots.assign(routes, round_.last, round_.retired))
      return true;
    round_.errors.push_back({"bundle", "",
                             "there is no room for more listeners and rules of routes until every worker "
                             "has left the generations of those removed"});
    return false;
  }

  static std::string tcp_name(const model::TcpRoute& route) { return "TCPRoute/" + route.name.to_string(); }

  // The clusters that backends and mirrors name.
  void add_clusters() {
    std::vector<ClusterKey> wanted;
    const auto want = [&](const char* kind, const std::string& space, const model::BackendObject& object) {
      if (model::judge(round_.state, kind, space, object) == model::BackendAnswer::kFound)
        wanted.push_back(key_of(object));
    };
    const auto want_mirrors = [&](const std::string& space, const model::RouteFilters& filters) {
      for (const model::MirrorFilter& mirror : filters.mirrors) want("HTTPRoute", space, mirror.backend);
    };
    for (const auto& [name, route] : http_) {
      for (const model::HttpRule& rule : route->rules) {
        want_mirrors(name.space, rule.filters);
        for (const model::BackendRef& backend : rule.backends) {
          want("HTTPRoute", name.space, backend.object);
          want_mirrors(name.space, backend.filters);
        }
      }
    }
    for (const auto& [name, route] : tcp_)
      for (const model::BackendRef& backend : route->backends) want("TCPRoute", name.space, backend.object);
    part_.clusters.update(round_, services_, wanted);
    put_clusters(*part_.clusters.clusters, out_);
    for (const auto& [key, each] : *part_.clusters.clusters)
      cluster_of_.emplace(key, static_cast<uint32_t>(cluster_of_.size()));
  }

  static ClusterKey key_of(const model::BackendObject& object) {
    return {model::names_subset(object), object.name, object.port};
  }

  uint32_t cluster_of(const char* kind, const std::string& space, const model::BackendObject& object) const {
    if (model::judge(round_.state, kind, space, object) != model::BackendAnswer::kFound) return config::kNoCluster;
    return cluster_of_.at(key_of(object));
  }

  void add_actions() {
    out_.actions.resize(part_.action_slots.bound());
    for (const auto& [name, route] : http_)
      for (size_t i = 0; i < route->rules.size(); ++i)
        out_.actions[part_.action_slots.at(rule_name(*route, i))] = action_of(*route, route->rules[i]);
    for (const auto& [name, route] : tcp_)
      add_backends("TCPRoute", name.space, route->backends, out_.actions[part_.action_slots.at(tcp_name(*route))]);
    config::Filters refused;
    refused.direct = std::make_shared<const config::DirectResponse>(config::DirectResponse{.status = 404});
    out_.actions[part_.action_slots.at(kRefused)].filters = add(std::move(refused));
  }

  config::Action action_of(const model::HttpRoute& route, const model::HttpRule& rule) {
    config::Action action;
    config::Filters filters = filters_of(rule.filters, route.name.space);
    filters.fault = fault_of(route.name, rule.name);
    filters.session = rule.session;
    if (filters.session && filters.session->name.empty())
      filters.session->name = session_name(rule_name(route, static_cast<size_t>(&rule - route.rules.data())));
    action.filters = add(std::move(filters));
    action.guards = guards_.of_rule(route, rule);
    action.timeouts = rule.timeouts;
    if (rule.retry) {
      action.retry = *rule.retry;
      action.retry.given = true;
    }
    add_backends("HTTPRoute", route.name.space, rule.backends, action);
    return action;
  }

  void add_backends(const char* kind, const std::string& space, const std::vector<model::BackendRef>& backends,
                    config::Action& action) {
    for (const model::BackendRef& backend : backends)
      action.backends.push_back(
          {cluster_of(kind, space, backend.object), backend.weight, add(filters_of(backend.filters, space))});
  }

  std::optional<config::Fault> fault_of(const model::Name& route, const std::string& rule) const {
    auto at = rule.empty() ? faults_.end() : faults_.find({route, rule});
    if (at == faults_.end()) at = faults_.find({route, ""});
    if (at == faults_.end()) return std::nullopt;
    const model::Fault& fault = *at->second;
    return config::Fault{.headers = fault.headers,
                         .delay = fault.delay_milliseconds * base::Nanos{1'000'000},
                         .delay_per_million = fault.delay_per_million,
                         .reset_per_million = fault.reset_per_million,
                         .abort_status = fault.abort_status,
                         .abort_per_million = fault.abort_per_million,
                         .throttle_bits = fault.throttle_bits,
                         .throttle_per_million = fault.throttle_per_million};
  }

  config::Filters filters_of(const model::RouteFilters& filters, const std::string& space) const {
    config::Filters out;
    out.request = filters.request;
    out.response = filters.response;
    out.redirect = filters.redirect;
    out.rewrite = filters.rewrite;
    out.cors = filters.cors;
    if (filters.direct) {
      const auto response = round_.state.direct_responses.at(*filters.direct);
      out.direct = std::shared_ptr<const config::DirectResponse>(response, &response->answer);
    }
    static_assert(config::kMaxMirrors == model::kMaxMirrorsPerRule);
    for (const model::MirrorFilter& mirror : filters.mirrors) {
      const uint32_t cluster = cluster_of("HTTPRoute", space, mirror.backend);
      if (cluster != config::kNoCluster) out.mirrors.push_back({cluster, mirror.numerator, mirror.denominator});
    }
    return out;
  }

  uint32_t add(config::Filters filters) {
    const bool any = !filters.request.empty() || !filters.response.empty() || filters.redirect || filters.direct ||
                     filters.rewrite || filters.cors || filters.fault || !filters.mirrors.empty() || filters.session;
    if (!any) return config::kNoFilters;
    out_.filters.push_back(std::move(filters));
    return static_cast<uint32_t>(out_.filters.size() - 1);
  }

  bool add_listener(const Door& door) {
    config::Listener& listener = out_.listeners.emplace_back();
    listener.name = door.name;
    listener.slot = part_.listener_slots.at(door.name);
    listener.protocol = door.protocol;
    listener.addresses = door.addresses;
    listener.port = door.port;
    if (!add_policy(door, listener)) return false;
    DoorOwners& owners = owners_.emplace_back();
    owners.listeners = door.listeners;
    if (door.protocol == config::Protocol::kTcp) {
      const model::TcpRoute* route = door.listeners.front()->tcp;
      // Without a route there is no backend: connections are refused as with one that is not to be had.
      listener.action = route ? part_.action_slots.at(tcp_name(*route)) : part_.action_slots.at(kRefused);
      return true;
    }
    std::vector<config::Route> routes;
    for (const model::ListenerView* each : door.listeners) {
      for (const model::AttachedHttp& attached : each->http)
        if (auto route = route_of(attached, *each, door)) {
          routes.push_back(std::move(*route));
          owners.of_route.push_back(each);
        }
      listener.guards.resize(routes.size(), guards_.of_listener(*each));
    }
    if (std::all_of(listener.guards.begin(), listener.guards.end(), [](uint32_t g) { return g == config::kNoGuards; }))
      listener.guards.clear();
    add_ends(door, routes, owners);
    return add_table(std::move(routes), listener.table);
  }

  bool add_policy(const Door& door, config::Listener& listener) {
    const auto of = [this](const model::ListenerView& each) {
      return policy_of(round_.state, each.gateway->name, each.listener->name);
    };
    const model::ListenerView& first = *door.listeners.front();
    const auto policy = of(first);
    for (const model::ListenerView* each : door.listeners) {
      const auto other = of(*each);
      if (say_the_same(policy.get(), other.get())) continue;
      const bool blame_first = policy != nullptr;
      round_.fault(model::Kind::kListenerPolicy, (blame_first ? policy : other)->name, "spec.targetRef",
                   (blame_first ? *each : first).name() +
                       " has the same address and port, and no ListenerPolicy that says the same");
      return false;
    }
    if (policy) put_policy(policy, out_.filters, listener);
    return true;
  }

  // The listener of a host is the one with the most specific hostname, and only its routes serve the host (Gateway API,
  // Listener.hostname). So what its routes leave over must not fall to those of a wider one: it ends here, with a 404.
  void add_ends(const Door& door, std::vector<config::Route>& routes, DoorOwners& owners) const {
    for (const model::ListenerView* each : door.listeners) {
      if (door.listeners.size() == 1 || each->listener->hostname.empty()) continue;
      config::Route end{each->name(), INT64_MAX, {each->listener->hostname}, {}, route::kNoRouteSlot};
      config::Match connect;  // which only a match that names it serves
      connect.method = http::Method::kConnect;
      end.rules.push_back({"", {config::Match{}, connect}, part_.action_slots.at(kRefused)});
      routes.push_back(std::move(end));
      owners.of_route.push_back(each);
    }
  }

  // Whether all of the hostname's hosts belong to a listener beside `own` with a more specific hostname.
  static bool belongs_elsewhere(const std::string& hostname, const model::ListenerView& own, const Door& door) {
    return std::any_of(door.listeners.begin(), door.listeners.end(), [&](const model::ListenerView* other) {
      const std::string& theirs = other->listener->hostname;
      const bool narrower = theirs.size() > own.listener->hostname.size() || !config::is_wildcard(theirs);
      return other != &own && !theirs.empty() && narrower && is_within(hostname, theirs);
    });
  }
  static bool is_within(const std::string& hostname, const std::string& wider) {
    if (hostname == wider) return true;
    if (!config::is_wildcard(wider)) return false;
    return config::is_wildcard(hostname) ? hostname.ends_with(wider.substr(1)) : config::covers(wider, hostname);
  }

  // A route stands once for each listener it is attached to, with the hosts of both; nothing: none is left.
  std::optional<config::Route> route_of(const model::AttachedHttp& attached, const model::ListenerView& listener,
                                        const Door& door) const {
    const model::HttpRoute& route = *attached.route;
    config::Route out{route.name.to_string(), route.created, {}, {}, 0};
    out.slot = part_.route_slots.at(out.name);
    for (const std::string& hostname : attached.hostnames)
      if (!belongs_elsewhere(hostname, listener, door)) out.hostnames.push_back(hostname);
    if (out.hostnames.empty() && !attached.hostnames.empty()) return std::nullopt;
    for (size_t i = 0; i < route.rules.size(); ++i)
      out.rules.push_back({route.rules[i].name, route.rules[i].matches, part_.action_slots.at(rule_name(route, i))});
    return out;
  }

  // Of this generation, of the last, or a new one.
  bool add_table(std::vector<config::Route> routes, uint32_t& number) {
    const auto says_it = [&routes](const auto& table) { return table->routes == routes; };
    const auto here = std::find_if(tables_.begin(), tables_.end(), says_it);
    number = static_cast<uint32_t>(here - tables_.begin());
    if (here != tables_.end()) return true;
    const auto before = std::find_if(part_.tables->begin(), part_.tables->end(), says_it);
    if (before != part_.tables->end() && (*before)->scratches.size() == part_.workers) {
      tables_.push_back(*before);
      return true;
    }
    auto built = route::RouteTable::build(routes);
    if (!built) {
      round_.errors.push_back(split_error(built.error()));
      return false;
    }
    route::Shared<const route::RouteTable> shared(std::move(*built));
    std::vector<route::Shared<route::Scratch>> scratches;
    for (size_t i = 0; i < part_.workers; ++i) {
      auto scratch = shared->make_scratch();
      if (!scratch) {
        round_.errors.push_back({"bundle", "", scratch.error()});
        return false;
      }
      scratches.emplace_back(std::move(*scratch));
    }
    tables_.push_back(std::make_shared<const L7Part::Table>(
        L7Part::Table{std::move(routes), std::move(shared), std::move(scratches)}));
    return true;
  }

  void finish() {
    out_.guards = guards_.take();
    out_.scratches.resize(part_.workers);
    out_.session_keys = round_.sessions;
    for (const auto& table : tables_) {
      out_.first_route.push_back(static_cast<uint32_t>(out_.routes.size()));
      out_.routes.insert(out_.routes.end(), table->routes.begin(), table->routes.end());
      out_.tables.push_back(table->table);
      for (size_t i = 0; i < part_.workers; ++i) out_.scratches[i].push_back(table->scratches[i]);
    }
    part_.tables = std::make_shared<const L7Part::Tables>(std::move(tables_));
    part_.config = std::make_shared<const route::L7Config>(std::move(out_));
  }

  static constexpr const char* kRefused = "";  // the action of what no route serves

  const Round& round_;
  const ServicePart& services_;
  const LimitPart& limits_;
  L7Part& part_;
  const model::GatewayView view_;
  std::map<model::Name, const model::HttpRoute*> http_;
  std::map<model::Name, const model::TcpRoute*> tcp_;
  std::map<std::pair<model::Name, std::string>, const model::Fault*> faults_;
  std::map<ClusterKey, uint32_t> cluster_of_;
  GuardCompiler guards_;
  L7Part::Tables tables_;
  std::vector<DoorOwners> owners_;  // by number of listener
  route::L7Config out_;
};

// For the packet path, which only asks whether somebody listens.
std::shared_ptr<const flow::ListenerTable> places_of(const route::L7Config* config) {
  auto table = std::make_shared<flow::ListenerTable>();
  if (config != nullptr)
    for (const config::Listener& each : config->listeners)
      for (const base::IpAddress& address : each.addresses) table->add(address, each.port);
  table->seal();
  return table;
}

}  // namespace

model::FieldError split(const std::string& error) {
  const size_t blank = error.find(' '), colon = error.find(": ");
  if (blank == std::string::npos || colon == std::string::npos || colon < blank) return {"bundle", "", error};
  return {error.substr(0, blank), error.substr(blank + 1, colon - blank - 1), error.substr(colon + 2)};
}

void L7Part::update_clusters(const Round& round, const ServicePart& services) {
  std::vector<ClusterKey> same;
  for (const auto& [key, each] : *clusters.clusters) same.push_back(key);
  const auto before = clusters.clusters;
  clusters.update(round, services, same);
  if (!round.errors.empty() || clusters.clusters == before) return;
  auto next = std::make_shared<route::L7Config>(*config);
  put_clusters(*clusters.clusters, *next);
  config = std::move(next);
}

void L7Part::update(const Round& round, const ServicePart& services, const LimitPart& limit_part) {
  const bool routing = routing_changed(round);
  if (!routing && !backends_changed(round, services)) return;
  // Without a Node the workers stay as they are.
  if (round.state.node) workers = std::max<size_t>(1, round.state.node->workers.cores.size());
  if (round.state.gateways.empty()) {
    clusters.update(round, services, {});
    tables = std::make_shared<Tables>();
    config = nullptr;
  } else if (routing || !config) {
    L7Compiler(round, services, limit_part, *this).run();
  } else {
    update_clusters(round, services);
  }
  if (routing) places = places_of(config.get());
  state = round.state;
  down = services.down;
  reach = services.reach;
  sessions = round.sessions;
}

}  // namespace penstock::compile
