// Gateways and routes as a route::L7Config: what serves a request, what stays the same, what is told.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "l7/route/l7_config.h"
#include "sample_compiler.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::compile {
namespace {

using model::sample_backend;
using model::sample_gateway;
using model::sample_grant;
using model::sample_l7_state;
using model::sample_listener;
using model::sample_route;

// "shop" serves GET http://host/path on this port, or "404", or "closed"; the route's name with its rule's number.
std::string serves(const flow::Generation& g, uint16_t port, std::string_view host, std::string_view path,
                   size_t worker = 0) {
  if (!g.l7) return "closed";
  for (const config::Listener& listener : g.l7->listeners) {
    if (listener.port != port || listener.protocol != config::Protocol::kHttp) continue;
    http::RequestHead head{http::HeadLimits{}};
    head.clear();
    EXPECT_EQ(head.set_authority(host), http::Fault::kNone);
    EXPECT_EQ(head.set_path(path, {}), http::Fault::kNone);
    const route::Candidate* found =
        route::find_route(g.l7->tables[listener.table], head, g.l7->scratches[worker][listener.table]);
    if (!found) return "404";
    const config::Action& action = g.l7->actions[found->action];
    if (action.filters != config::kNoFilters && g.l7->filters[action.filters].direct) return "404";
    const config::Route& route = g.l7->routes[g.l7->first_route[listener.table] + found->route];
    return route.name.substr(route.name.find('/') + 1) + "#" + std::to_string(found->rule);
  }
  return "closed";
}

const config::Action& action_of(const flow::Generation& g, const std::string& route, size_t rule = 0) {
  for (const config::Route& each : g.l7->routes)
    if (each.name == route) return g.l7->actions[each.rules[rule].action];
  ADD_FAILURE() << "no " << route;
  return g.l7->actions.front();
}

// "web:80*90 -*10": clusters of an action by weight; "-": not to be had.
std::string backends_of(const flow::Generation& g, const config::Action& action) {
  std::string out;
  for (const config::Backend& backend : action.backends) {
    if (!out.empty()) out += ' ';
    out += backend.cluster == config::kNoCluster ? "-" : g.l7->clusters[backend.cluster].name.substr(16);
    out += "*" + std::to_string(backend.weight);
  }
  return out;
}

std::string endpoints_of(const config::Cluster& cluster) {
  std::string out;
  for (const config::Endpoint& e : cluster.endpoints) {
    if (!out.empty()) out += ' ';
    out += e.address.to_string() + ":" + std::to_string(e.port);
    if (e.weight != 100) out += "*" + std::to_string(e.weight);
    if (!e.usable) out += "(unusable)";
  }
  return out;
}

template <typename T, typename F>
void edit(model::Objects<T>& objects, const model::Name& name, F&& change) {
  T copy = *objects.at(name);
  change(copy);
  put(objects, copy);
}

TEST(L7, WithoutGatewaysThereIsNone) {
  Bench bench;
  model::State state = model::sample_state();
  put(state.http_routes, sample_route());
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(g->l7, nullptr);
}

TEST(L7, ARouteServesBehindItsListener) {
  Bench bench;
  model::State state = sample_l7_state();
  put(state.http_routes, sample_route("api", "/api"));
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_TRUE(g->l7);
  ASSERT_EQ(g->l7->listeners.size(), 1U);
  const config::Listener& listener = g->l7->listeners[0];
  EXPECT_EQ(listener.name, "Gateway/default/edge/http");
  EXPECT_EQ(listener.port, 8080);
  std::string addresses;
  for (const base::IpAddress& each : listener.addresses) addresses += each.to_string() + " ";
  EXPECT_EQ(addresses, "10.0.0.1 10.0.100.1 203.0.113.1 2001:db8:1::1 ");

  EXPECT_EQ(serves(*g, 8080, "any.example", "/"), "shop#0");
  EXPECT_EQ(serves(*g, 8080, "any.example", "/api/x"), "api#0");
  EXPECT_EQ(serves(*g, 80, "any.example", "/"), "closed");
  EXPECT_EQ(backends_of(*g, action_of(*g, "default/shop")), "web:80*1");
  ASSERT_EQ(g->l7->clusters.size(), 1U);
  EXPECT_EQ(g->l7->clusters[0].name, "Service/default/web:80");
  EXPECT_EQ(endpoints_of(g->l7->clusters[0]), "10.0.0.11:8080 10.0.0.12:8080");
}

TEST(L7, AddressesOfTheGatewayAreThoseOfTheListener) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.gateways, named("edge"), [](auto& gateway) { gateway.addresses = {ip("203.0.113.1")}; });
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->listeners.at(0).addresses, std::vector{ip("203.0.113.1")});
}

TEST(L7, EachWorkerHasItsOwnScratch) {
  Bench bench;
  model::State state = sample_l7_state();
  model::Node node = *state.node;
  node.workers.cores = {1, 2, 3};
  state.node = std::make_shared<const model::Node>(node);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->scratches.size(), 3U);
  EXPECT_NE(g->l7->scratches[0][0], g->l7->scratches[1][0]);
  EXPECT_EQ(serves(*g, 8080, "a.example", "/", 2), "shop#0");
}

TEST(L7, HostnamesAreThoseOfBoth) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.gateways, named("edge"), [](auto& gateway) { gateway.listeners[0].hostname = "*.example.com"; });
  edit(state.http_routes, named("shop"), [](auto& route) {
    route.hostnames = {"shop.example.com", "*.com", "shop.example.org", "*.deep.example.com"};
  });
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(g->l7->routes.at(0).hostnames,
            (std::vector<std::string>{"*.deep.example.com", "*.example.com", "shop.example.com"}));
  EXPECT_EQ(serves(*g, 8080, "shop.example.com", "/"), "shop#0");
  EXPECT_EQ(serves(*g, 8080, "x.example.com", "/"), "shop#0");
  EXPECT_EQ(serves(*g, 8080, "shop.example.org", "/"), "404");
  EXPECT_EQ(serves(*g, 8080, "other.com", "/"), "404");
}

TEST(L7, ListenersOfOnePortAreOneAndKeepTheirHostsApart) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.gateways, named("edge"), [](auto& gateway) {
    gateway.listeners = {sample_listener("all"), sample_listener("wild", 8080, "*.example.com"),
                         sample_listener("shop", 8080, "shop.example.com")};
  });
  const auto attach = [&](const std::string& name, const std::string& section, const std::string& path,
                          std::vector<std::string> hostnames = {}) {
    auto route = sample_route(name, path);
    route.parents[0].section = section;
    route.hostnames = std::move(hostnames);
    put(state.http_routes, route);
  };
  attach("shop", "shop", "/cart");
  attach("wild", "wild", "/", {"*.example.com", "shop.example.com"});
  attach("all", "all", "/", {});
  attach("sly", "all", "/sly", {"shop.example.com", "x.example.com"});
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->listeners.size(), 1U);
  EXPECT_EQ(serves(*g, 8080, "shop.example.com", "/cart"), "shop#0");
  EXPECT_EQ(serves(*g, 8080, "shop.example.com", "/"), "404");
  EXPECT_EQ(serves(*g, 8080, "shop.example.com", "/sly"), "404");
  EXPECT_EQ(serves(*g, 8080, "x.example.com", "/sly"), "wild#0");
  EXPECT_EQ(serves(*g, 8080, "other.org", "/x"), "all#0");
}

// "Gateway/default/edge/http#0 at 203.0.113.1:8080", one a listener.
std::string doors_of(const flow::Generation& g) {
  std::string out;
  for (const config::Listener& each : g.l7->listeners) {
    out += (out.empty() ? "" : "; ") + each.name + "#" + std::to_string(each.slot) + " at";
    for (const base::IpAddress& address : each.addresses) out += " " + address.to_string();
  }
  return out;
}

// A Gateway of these addresses for one host, so old.
model::Gateway gateway_for(const std::string& name, const std::string& hostname, int64_t created,
                           std::vector<base::IpAddress> addresses) {
  model::Gateway gateway = sample_gateway(name);
  gateway.created = created;
  gateway.addresses = std::move(addresses);
  gateway.listeners[0].hostname = hostname;
  return gateway;
}

TEST(L7, ADoorKeepsItsNameAndSlotWhoeverJoins) {
  const auto a = ip("10.0.0.1"), b = ip("203.0.113.1");
  Bench bench;
  model::State state = sample_l7_state();
  put(state.gateways, gateway_for("edge", "", 200, {a, b}));
  EXPECT_EQ(doors_of(*bench(state)), "Gateway/default/edge/http#0 at 10.0.0.1 203.0.113.1");
  // An older one with another hostname comes to both addresses.
  put(state.gateways, gateway_for("aged", "aged.example", 100, {a, b}));
  EXPECT_EQ(doors_of(*bench(state)), "Gateway/default/edge/http#0 at 10.0.0.1 203.0.113.1");
  // To one of them: the first address keeps the name.
  put(state.gateways, gateway_for("aged", "aged.example", 100, {b}));
  EXPECT_EQ(doors_of(*bench(state)),
            "Gateway/default/edge/http#0 at 10.0.0.1; Gateway/default/aged/http#1 at 203.0.113.1");
  // Together again; and what they were called is not given to another.
  put(state.gateways, gateway_for("aged", "aged.example", 100, {a, b}));
  EXPECT_EQ(doors_of(*bench(state)), "Gateway/default/edge/http#0 at 10.0.0.1 203.0.113.1");
  // Whose name it is goes: the name of one that is there.
  state.gateways.erase(named("edge"));
  EXPECT_EQ(doors_of(*bench(state)), "Gateway/default/aged/http#2 at 10.0.0.1 203.0.113.1");
}

TEST(L7, ADoorThatIsSplitHasTwoNames) {
  const auto a = ip("10.0.0.1"), b = ip("203.0.113.1");
  Bench bench;
  model::State state = sample_l7_state();
  put(state.gateways, gateway_for("edge", "", 100, {a, b}));
  bench(state);
  put(state.gateways, gateway_for("young", "young.example", 200, {a}));
  EXPECT_EQ(doors_of(*bench(state)),
            "Gateway/default/edge/http#0 at 10.0.0.1; Gateway/default/edge/http@203.0.113.1#1 at 203.0.113.1");
  state.gateways.erase(named("young"));
  EXPECT_EQ(doors_of(*bench(state)), "Gateway/default/edge/http#0 at 10.0.0.1 203.0.113.1");
}

TEST(L7, OlderRoutesComeFirstAcrossGateways) {
  Bench bench;
  model::State state = sample_l7_state();
  auto gateway = sample_gateway("second");
  gateway.listeners[0].hostname = "b.example";
  put(state.gateways, gateway);
  edit(state.http_routes, named("shop"), [](auto& route) { route.created = 200; });
  auto older = sample_route("zebra");
  older.created = 100;
  older.parents.push_back({.gateway = named("second")});
  put(state.http_routes, older);
  auto second = sample_route("second", "/b");
  second.parents = {{.gateway = named("second")}};
  put(state.http_routes, second);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->listeners.size(), 1U);
  EXPECT_EQ(serves(*g, 8080, "a.example", "/"), "zebra#0");
  EXPECT_EQ(serves(*g, 8080, "b.example", "/b"), "second#0");
  EXPECT_EQ(serves(*g, 8080, "b.example", "/"), "zebra#0");
}

TEST(L7, WeightsAndBackendsThatAreNotToBeHad) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.http_routes, named("shop"), [](auto& route) {
    auto foreign = sample_backend("web", 80, 3);
    foreign.object.name.space = "other";
    auto bucket = sample_backend("web", 80, 4);
    bucket.object.kind = "Bucket";
    route.rules[0].backends = {sample_backend("web", 80, 90), sample_backend("gone", 80, 10),
                               sample_backend("web", 81, 2), foreign, bucket};
  });
  auto service = model::sample_service("web", "198.51.100.77");
  service.name.space = "other";
  put(state.services, service);
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(backends_of(*g, action_of(*g, "default/shop")), "web:80*90 -*10 -*2 -*3 -*4");

  put(state.grants, sample_grant("default", "other"));
  g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(g->l7->clusters[action_of(*g, "default/shop").backends[3].cluster].name, "Service/other/web:80");
}

TEST(L7, EndpointsThatTakeNoneAreThereButUnusable) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.slices, named("web-1"), [](auto& slice) {
    slice.endpoints = {{.addresses = {ip("10.0.0.11")}},
                       {.addresses = {ip("10.0.0.12")}, .ready = false, .terminating = true},
                       {.addresses = {ip("10.0.0.13")}},
                       {.addresses = {ip("10.0.0.14")}},
                       {.addresses = {ip("2001:db8:1::14")}}};
  });
  edit(state.service_policies, named("web"), [](auto& policy) {
    policy.weights = {{ip("10.0.0.13"), 0}, {ip("10.0.0.11"), 50}};
    policy.health_check.kind = model::HealthCheckKind::kTcp;
    policy.balancing = model::Balancing::kLeastConnections;
  });
  bench.health.set(named("web"), ip("10.0.0.14"), 8080, false);
  auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  EXPECT_EQ(endpoints_of(g->l7->clusters[0]),
            "10.0.0.11:8080*50 10.0.0.12:8080(unusable) 10.0.0.13:8080*0(unusable) 10.0.0.14:8080(unusable) "
            "2001:db8:1::14:8080");
  EXPECT_EQ(g->l7->clusters[0].balancing, config::Balancing::kLeastRequest);

  bench.health.set(named("web"), ip("10.0.0.14"), 8080, true);
  g = bench(state);
  EXPECT_TRUE(g->l7->clusters[0].endpoints[3].usable);
}

TEST(L7, WhatDidNotChangeIsTheSameObject) {
  Bench bench;
  model::State state = sample_l7_state();
  put(state.http_routes, sample_route("api", "/api"));
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  put(state.access_policies, [&] {
    auto policy = model::sample_access_policy();
    policy.priority = 7;
    return policy;
  }());
  const auto second = bench(state);
  EXPECT_EQ(second->l7, first->l7);

  // Weights, backends, filters, timeouts and endpoints: the table stays, and with it its scratches.
  edit(state.http_routes, named("shop"), [](auto& route) {
    route.rules[0].backends = {sample_backend("web", 80, 90), sample_backend("new", 80, 10)};
    route.rules[0].timeouts.request = 1'000'000'000;
    route.rules[0].filters.request = {{config::HeaderChange::Kind::kSet, "x-a", "1"}};
  });
  put(state.services, model::sample_service("new", "198.51.100.11"));
  put(state.slices, model::sample_slice("new"));
  const auto third = bench(state);
  ASSERT_TRUE(third) << bench.last_errors;
  EXPECT_NE(third->l7, first->l7);
  EXPECT_EQ(third->l7->tables[0], first->l7->tables[0]);
  EXPECT_EQ(third->l7->scratches[0][0], first->l7->scratches[0][0]);
  EXPECT_EQ(backends_of(*third, action_of(*third, "default/shop")), "web:80*90 new:80*10");
  EXPECT_EQ(third->l7->filters[action_of(*third, "default/shop").filters].request[0].name, "x-a");

  // Another match: another table.
  edit(state.http_routes, named("shop"), [](auto& route) { route.rules[0].matches = {model::prefix("/new")}; });
  const auto fourth = bench(state);
  EXPECT_NE(fourth->l7->tables[0], first->l7->tables[0]);
}

TEST(L7, SlotsAreStable) {
  Bench bench;
  model::State state = sample_l7_state();
  put(state.services, model::sample_service("zoo", "198.51.100.12"));
  put(state.slices, [] {
    auto slice = model::sample_slice("zoo");
    slice.endpoints = {{.addresses = {ip("10.0.0.31")}}, {.addresses = {ip("10.0.0.33")}}};
    return slice;
  }());
  auto zoo = sample_route("zoo", "/zoo");
  zoo.rules[0].backends = {sample_backend("zoo")};
  put(state.http_routes, zoo);
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  const config::Cluster before = first->l7->clusters.at(1);
  const config::Listener listener = first->l7->listeners.at(0);
  ASSERT_EQ(before.name, "Service/default/zoo:80");

  // Another Service, listener and endpoint before those there are.
  put(state.services, model::sample_service("aaa", "198.51.100.13"));
  put(state.slices, model::sample_slice("aaa"));
  edit(state.slices, named("zoo-1"), [](auto& slice) { slice.endpoints.push_back({.addresses = {ip("10.0.0.32")}}); });
  edit(state.http_routes, named("shop"), [](auto& route) { route.rules[0].backends.push_back(sample_backend("aaa")); });
  edit(state.gateways, named("edge"), [](auto& gateway) { gateway.listeners.push_back(sample_listener("low", 81)); });
  const auto second = bench(state);
  ASSERT_TRUE(second) << bench.last_errors;
  const config::Cluster after = second->l7->clusters.at(2);
  ASSERT_EQ(after.name, before.name);
  EXPECT_EQ(after.slot, before.slot);
  ASSERT_EQ(after.endpoints.size(), 3U);
  EXPECT_EQ(after.endpoints[0].slot, before.endpoints[0].slot);
  EXPECT_EQ(after.endpoints[2].slot, before.endpoints[1].slot);
  std::set<uint32_t> slots;
  for (const config::Cluster& cluster : second->l7->clusters)
    for (const config::Endpoint& endpoint : cluster.endpoints) slots.insert(endpoint.slot);
  EXPECT_EQ(slots.size(), 7U);
  ASSERT_EQ(second->l7->listeners.size(), 2U);
  EXPECT_EQ(second->l7->listeners[1].slot, listener.slot);
  EXPECT_EQ(second->l7->listeners[0].table, second->l7->listeners[1].table);  // the same routes behind both ports
  ASSERT_EQ(second->l7->routes.size(), 2U);
  EXPECT_EQ(second->l7->routes[0].slot, first->l7->routes[0].slot);
  EXPECT_NE(second->l7->routes[1].slot, first->l7->routes[0].slot);

  // A dry run leaves nothing behind.
  state.http_routes.erase(named("zoo"));
  EXPECT_EQ(bench.errors_of(state), "");
  const auto third = bench(state);
  EXPECT_EQ(third->l7->clusters.size(), 2U);
}

// What is counted for a route is found again after a change, and never under another's name.
TEST(L7, RoutesHaveSlotsOfTheirOwnThatStay) {
  const auto slots = [](const flow::Generation& g) {
    std::map<std::string, std::set<uint32_t>> out;
    for (const config::Route& each : g.l7->routes) out[each.name].insert(each.slot);
    return out;
  };
  Bench bench;
  model::State state = sample_l7_state();
  put(state.http_routes, sample_route("zoo", "/zoo"));
  edit(state.gateways, named("edge"), [](auto& gateway) { gateway.listeners.push_back(sample_listener("low", 81)); });
  const auto first = bench(state);
  ASSERT_TRUE(first) << bench.last_errors;
  const auto before = slots(*first);
  ASSERT_EQ(before.size(), 2U);
  EXPECT_EQ(before.at("default/shop").size(), 1U) << "one slot for all its listeners";
  EXPECT_NE(before.at("default/shop"), before.at("default/zoo"));

  put(state.http_routes, sample_route("aaa", "/aaa"));
  const auto second = bench(state);
  ASSERT_TRUE(second) << bench.last_errors;
  const auto after = slots(*second);
  EXPECT_EQ(after.at("default/shop"), before.at("default/shop"));
  EXPECT_EQ(after.at("default/zoo"), before.at("default/zoo"));
  EXPECT_NE(after.at("default/aaa"), before.at("default/zoo"));
  EXPECT_NE(after.at("default/aaa"), before.at("default/shop"));
}

TEST(L7, FiltersAndFaults) {
  Bench bench;
  model::State state = sample_l7_state();
  put(state.services, model::sample_service("shadow", "198.51.100.12"));
  edit(state.http_routes, named("shop"), [](auto& route) {
    model::HttpRule& rule = route.rules[0];
    rule.name = "main";
    rule.filters.mirrors = {{sample_backend("shadow").object, 1, 2}, {sample_backend("gone").object, 1, 1}};
    rule.filters.rewrite = config::Rewrite{"inner.example", {}};
    rule.backends[0].filters.response = {{config::HeaderChange::Kind::kRemove, "server", ""}};
    rule.timeouts = {2'000'000'000, 500'000'000};
    rule.retry = config::Retry{.attempts = 3, .codes = {503}};
    model::HttpRule redirect;
    redirect.matches = {model::prefix("/old")};
    redirect.filters.redirect = config::Redirect{.hostname = "new.example"};
    route.rules.push_back(redirect);
  });
  model::Fault all, one;
  all.name = named("all");
  one.name = named("one");
  all.route = one.route = named("shop");
  all.delay_milliseconds = 10, all.delay_per_million = 1000;
  one.section = "main", one.abort_status = 503, one.abort_per_million = 500'000;
  put(state.faults, all);
  put(state.faults, one);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  const config::Action& action = action_of(*g, "default/shop");
  const config::Filters& filters = g->l7->filters.at(action.filters);
  ASSERT_EQ(filters.mirrors.size(), 1U);
  EXPECT_EQ(g->l7->clusters[filters.mirrors[0].cluster].name, "Service/default/shadow:80");
  EXPECT_EQ(filters.mirrors[0].denominator, 2U);
  EXPECT_EQ(filters.rewrite->hostname, "inner.example");
  EXPECT_EQ(filters.fault->abort_status, 503);
  EXPECT_EQ(filters.fault->delay, 0U);
  EXPECT_EQ(action.timeouts.backend, 500'000'000U);
  EXPECT_EQ(action.retry.attempts, 3);
  EXPECT_EQ(g->l7->filters.at(action.backends[0].filters).response[0].name, "server");
  const config::Action& redirect = action_of(*g, "default/shop", 1);
  EXPECT_EQ(g->l7->filters.at(redirect.filters).redirect->hostname, "new.example");
  EXPECT_EQ(g->l7->filters.at(redirect.filters).fault->delay, 10'000'000U);
  EXPECT_EQ(action_of(*g, "default/shop").retry.codes, std::vector<uint16_t>{503});
}

TEST(L7, TcpListenersHaveAnAction) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.gateways, named("edge"), [](auto& gateway) {
    gateway.listeners.push_back(sample_listener("db", 5432));
    gateway.listeners.push_back(sample_listener("idle", 5433));
    gateway.listeners[1].protocol = gateway.listeners[2].protocol = config::Protocol::kTcp;
  });
  auto route = model::sample_tcp_route();
  route.parents[0].section = "db";
  put(state.tcp_routes, route);
  const auto g = bench(state);
  ASSERT_TRUE(g) << bench.last_errors;
  ASSERT_EQ(g->l7->listeners.size(), 3U);
  const config::Listener& db = g->l7->listeners[0];
  EXPECT_EQ(db.port, 5432);
  EXPECT_EQ(db.protocol, config::Protocol::kTcp);
  EXPECT_EQ(backends_of(*g, g->l7->actions.at(db.action)), "web:80*1");
  EXPECT_TRUE(g->l7->actions.at(g->l7->listeners[1].action).backends.empty());
}

TEST(L7, ABadExpressionIsNamed) {
  Bench bench;
  model::State state = sample_l7_state();
  edit(state.http_routes, named("shop"), [](auto& route) {
    route.rules[0].matches[0].path = {config::PathKind::kRegex, "/(unclosed"};
  });
  EXPECT_EQ(bench(state), nullptr);
  EXPECT_TRUE(bench.last_errors.starts_with("HTTPRoute/default/shop spec.rules[0].matches[0].path.value: "))
      << bench.last_errors;
}

}  // namespace
}  // namespace penstock::compile
