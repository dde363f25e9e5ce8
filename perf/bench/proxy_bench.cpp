// A whole exchange in process, over buffers instead of TCP: nanoseconds and cycles from the client's request to the
// client's answer, both connections kept, with 128 bytes of content. What is measured: reading the events, parsing,
// routing, choosing an endpoint and a connection, writing both messages, the record and the counters; not TCP.
#include <benchmark/benchmark.h>

#include "base/time.h"
#include "l7/proxy/proxy.h"
#include "tests/unit/l7/proxy/fake_net.h"

namespace {

using namespace penstock;

const std::string kRequest =
    "GET /v1/items HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: wrk/4.2\r\nAccept: */*\r\n\r\n";
const std::string kAnswer =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 06:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: 128\r\n\r\n" +
    std::string(128, 'x');

std::unique_ptr<route::L7Config> make_config(uint32_t filters) {
  auto config = std::make_unique<route::L7Config>();
  config::Listener listener;
  listener.addresses = {base::IpAddress::v4(0xcb007101)};
  listener.port = 80;
  config->listeners.push_back(listener);
  config->clusters.push_back({"Service/shop/items:80", 0, config::Balancing::kRoundRobin, {}, {}});
  config->clusters[0].endpoints.push_back({base::IpAddress::v4(0x0a000001), 8080, 1, 0, true});
  config::Action action;
  action.backends = {{0, 1, config::kNoFilters}};
  if (filters != 0) {
    config::Filters changes;
    for (uint32_t i = 0; i < filters; ++i) {
      changes.request.push_back({config::HeaderChange::Kind::kSet, "x-request-" + std::to_string(i), "value"});
      changes.response.push_back({config::HeaderChange::Kind::kSet, "x-response-" + std::to_string(i), "value"});
    }
    config->filters.push_back(changes);
    action.filters = 0;
  }
  config->actions.push_back(action);
  config::Route route;
  route.name = "shop/items";
  config::Match match;
  match.path.value = "/v1";
  route.rules.push_back({"", {match}, 0});
  config->routes.push_back(route);
  auto table = route::RouteTable::build(config->routes);
  config->tables.push_back(std::move(*table));
  config->first_route = {0};
  auto scratch = config->tables[0].get().make_scratch();
  config->scratches.resize(1);
  config->scratches[0].push_back(std::move(*scratch));
  return config;
}

// Requests one after the other on `clients` connections in turn; header changes of each kind.
void exchange(benchmark::State& state) {
  const auto clients = static_cast<uint32_t>(state.range(0));
  const auto config = make_config(static_cast<uint32_t>(state.range(1)));
  proxy::Limits limits;
  limits.connections = limits.clients = limits.upstreams = limits.exchanges = 4 * clients + 16;
  base::Nanos now = 1'000'000'000;
  proxy::FakeNet net(limits.connections);
  proxy::Proxy<proxy::FakeNet> proxy(net, limits, 1, now);
  proxy.adopt(*config, 0);
  std::vector<uint32_t> ids;
  for (uint32_t i = 0; i < clients; ++i) {
    ids.push_back(net.open());
    proxy.on_accept(ids.back(), 0, now);
  }
  const auto deliver = [&](uint32_t id, const std::string& bytes) {
    net.at(id).in = bytes;
    net.at(id).in_at = 0;
    proxy.on_events(id, proxy::kReadable, now);
  };
  const auto settle = [&] {
    for (size_t i = 0; i < net.happened.size(); ++i) proxy.on_events(net.happened[i].id, net.happened[i].events, now);
    net.happened.clear();
  };
  proxy::AccessRecord record;
  uint32_t turn = 0;
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) {
    const uint32_t client = ids[turn];
    turn = turn + 1 == clients ? 0 : turn + 1;
    now += 10'000;
    deliver(client, kRequest);
    settle();
    const uint32_t backend = net.connects.back();
    net.at(backend).out.clear();
    deliver(backend, kAnswer);
    if (net.at(client).out.size() < 200) state.SkipWithError("no answer");
    net.at(client).out.clear();
    proxy.log().pop(record);
    if (now >= proxy.deadline()) proxy.on_time(now);
  }
  state.counters["cycles"] = static_cast<double>(base::read_cycles() - start) / static_cast<double>(state.iterations());
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(exchange)->ArgNames({"clients", "changes"})->Args({1, 0})->Args({1, 4})->Args({1000, 0})->Args({50000, 0});

}  // namespace

BENCHMARK_MAIN();
