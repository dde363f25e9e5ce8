// From the desired state to a generation: 10,000 services with 10 endpoints each, whole, and after a change of one
// endpoint, one service, one health result, one rate. Each step of a change is shown: apply, validate, compile. The
// same for an endpoint behind 10,000 HTTPRoutes, and for one of these. And the failover of a peer beside up to a
// million routes.
#include <string>

#include "bench/bench_main.h"
#include "control/compile/compiler.h"

namespace {

using namespace penstock;
using base::IpAddress;

constexpr uint32_t kServices = 10000;
constexpr uint32_t kEndpoints = 10;

std::string name_of(uint32_t service) { return "service-" + std::to_string(service); }

model::EndpointSlice slice_of(uint32_t service, uint32_t endpoints) {
  model::EndpointSlice slice;
  slice.name = {.name = name_of(service) + "-abcde"};
  slice.service = {.name = name_of(service)};
  slice.ports = {{.name = "http", .protocol = 6, .port = 8080}};
  for (uint32_t i = 0; i < endpoints; ++i)
    slice.endpoints.push_back({.addresses = {IpAddress::v4(0x0a000000 + service * 16 + i)}});
  return slice;
}

model::Service service_of(uint32_t service, uint16_t port = 80) {
  model::Service out;
  out.name = {.name = name_of(service)};
  out.addresses = {IpAddress::v4(0xc6120000 + service)};
  out.ports = {{.name = "http", .protocol = 6, .port = port, .target_port = 8080}};
  return out;
}

model::ServicePolicy policy_of(uint32_t service) {
  model::ServicePolicy out;
  out.name = out.service = {.name = name_of(service)};
  out.health_check.kind = model::HealthCheckKind::kTcp;
  return out;
}

model::RateLimit limit_of(double rate) {
  model::RateLimit out;
  out.name = {.name = "limit"};
  out.target = model::LimitTarget::kService;
  out.service = {.name = name_of(1)};
  out.rate = rate;
  return out;
}

const model::Change& full_change() {
  static const model::Change whole = [] {
    model::Change change;
    for (uint32_t s = 0; s < kServices; ++s) {
      change.apply.emplace_back(service_of(s));
      change.apply.emplace_back(slice_of(s, kEndpoints));
      change.apply.emplace_back(policy_of(s));
    }
    change.apply.emplace_back(limit_of(1000));
    return change;
  }();
  return whole;
}

model::State applied(const model::Change& change) {
  model::FieldErrors errors;
  return model::with_change({}, change, errors);
}

const model::State& full_state() {
  static const model::State state = applied(full_change());
  return state;
}

std::shared_ptr<const flow::Generation> must_compile(benchmark::State& bench, compile::Compiler& compiler,
                                                     const model::State& state, const compile::HealthView& health,
                                                     uint64_t number) {
  static const std::vector<compile::PortFacts> kPorts = {{.interface = "wan"}};
  compile::Compiled compiled = compiler.compile(state, kPorts, health, number);
  if (!compiled.generation) bench.SkipWithError(compiled.errors.front().to_string().c_str());
  compiler.accept();
  compiler.retired(number - 1);
  return compiled.generation;
}

void compile_all(benchmark::State& bench) {
  const model::State& state = full_state();
  for (auto _ : bench) {
    compile::Compiler compiler({}, 2'000'000'000);
    benchmark::DoNotOptimize(must_compile(bench, compiler, state, {}, 1));
  }
}
BENCHMARK(compile_all)->Unit(benchmark::kMillisecond);

void apply_all(benchmark::State& bench) {
  for (auto _ : bench) benchmark::DoNotOptimize(applied(full_change()));
}
BENCHMARK(apply_all)->Unit(benchmark::kMillisecond);

void validate_all(benchmark::State& bench) {
  const model::State& state = full_state();
  for (auto _ : bench) benchmark::DoNotOptimize(model::validate(state));
}
BENCHMARK(validate_all)->Unit(benchmark::kMillisecond);

// 10,000 HTTPRoutes, some with a regular expression, to 100 of the services.
model::HttpRoute http_route_of(uint32_t number, base::Nanos timeout) {
  model::HttpRoute route;
  route.name = {.name = "route-" + std::to_string(number)};
  route.parents = {{.gateway = {.name = "edge"}}};
  route.hostnames = {"host-" + std::to_string(number % 500) + ".example"};
  model::HttpRule& rule = route.rules.emplace_back();
  config::Match& match = rule.matches.emplace_back();
  match.path.value = "/part/" + std::to_string(number);
  if (number % 20 == 0) match.path = {config::PathKind::kRegex, "/r" + std::to_string(number) + "/[a-z]+"};
  rule.timeouts.request = timeout;
  model::BackendRef& backend = rule.backends.emplace_back();
  backend.object.name = {.name = name_of(4950 + number % 100)};
  backend.object.port = 80;
  return route;
}

const model::State& routed_state() {
  static const model::State state = [] {
    model::Change change = full_change();
    model::Node node;
    node.name = "gw";
    model::Interface wan;
    wan.name = "wan";
    wan.device = "net_null0";
    wan.addresses = {{IpAddress::v4(0xc0000201), 24}};
    node.interfaces = {wan};
    change.apply.emplace_back(std::move(node));
    model::Gateway gateway;
    gateway.name = {.name = "edge"};
    gateway.listeners = {{.name = "http", .hostname = "", .port = 8080}};
    change.apply.emplace_back(std::move(gateway));
    for (uint32_t i = 0; i < 10000; ++i) change.apply.emplace_back(http_route_of(i, 0));
    return applied(change);
  }();
  return state;
}

// One changed object: what with_change(), validate() and compile() take, each on its own. The old generation is freed
// outside of the measured time, as the publisher does it after the workers have moved on.
void change(benchmark::State& bench, const model::Object& one, const model::Object& other,
            const model::State& from = full_state()) {
  model::State state = from;
  compile::Compiler compiler({}, 2'000'000'000);
  uint64_t number = 1;
  auto live = must_compile(bench, compiler, state, {}, number);
  base::Nanos spent[3] = {};
  for (auto _ : bench) {
    const base::Nanos t0 = base::monotonic_now();
    model::FieldErrors errors;
    model::State next = model::with_change(state, {{number % 2 ? one : other}, {}}, errors);
    const base::Nanos t1 = base::monotonic_now();
    errors = model::validate(next, &state);
    const base::Nanos t2 = base::monotonic_now();
    auto generation = must_compile(bench, compiler, next, {}, ++number);
    const base::Nanos t3 = base::monotonic_now();
    spent[0] += t1 - t0, spent[1] += t2 - t1, spent[2] += t3 - t2;
    bench.PauseTiming();
    if (!errors.empty()) bench.SkipWithError(errors.front().to_string().c_str());
    live = std::move(generation);
    state = std::move(next);
    bench.ResumeTiming();
  }
  const char* names[] = {"apply_us", "validate_us", "compile_us"};
  for (int i = 0; i < 3; ++i)
    bench.counters[names[i]] = static_cast<double>(spent[i]) / 1000 / static_cast<double>(bench.iterations());
}

void change_one_endpoint(benchmark::State& bench) { change(bench, slice_of(5000, 9), slice_of(5000, 10)); }
BENCHMARK(change_one_endpoint)->Unit(benchmark::kMillisecond);

void change_one_service(benchmark::State& bench) { change(bench, service_of(5000, 81), service_of(5000, 80)); }
BENCHMARK(change_one_service)->Unit(benchmark::kMillisecond);

void change_one_rate(benchmark::State& bench) { change(bench, limit_of(2000), limit_of(1000)); }
BENCHMARK(change_one_rate)->Unit(benchmark::kMillisecond);

void change_one_backend(benchmark::State& bench) {
  change(bench, slice_of(5000, 9), slice_of(5000, 10), routed_state());
}
BENCHMARK(change_one_backend)->Unit(benchmark::kMillisecond);

void change_one_http_route(benchmark::State& bench) {
  change(bench, http_route_of(1, 1'000'000'000), http_route_of(1, 2'000'000'000), routed_state());
}
BENCHMARK(change_one_http_route)->Unit(benchmark::kMillisecond);

void one_health_result(benchmark::State& bench) {
  const model::State& state = full_state();
  compile::Compiler compiler({}, 2'000'000'000);
  compile::HealthView health;
  uint64_t number = 1;
  auto live = must_compile(bench, compiler, state, health, number);
  for (auto _ : bench) {
    health.set({.name = name_of(5000)}, IpAddress::v4(0x0a000000 + 5000 * 16), 8080, number % 2 == 0);
    auto generation = must_compile(bench, compiler, state, health, ++number);
    bench.PauseTiming();
    live = std::move(generation);
    bench.ResumeTiming();
  }
}
BENCHMARK(one_health_result)->Unit(benchmark::kMillisecond);

// A peer goes down and comes back beside so many static routes: what a failover waits for.
void one_peer_down(benchmark::State& bench) {
  model::Node node;
  node.name = "gw";
  model::Interface wan;
  wan.name = "wan";
  wan.device = "net_null0";
  wan.addresses = {{IpAddress::v4(0xc0000201), 24}};
  node.interfaces = {wan};
  for (uint32_t i = 0; i < static_cast<uint32_t>(bench.range(0)); ++i) {
    model::Route route;
    route.prefix = {IpAddress::v4(0x20000000 + (i << 8)), 24};
    route.next_hops = {{IpAddress::v4(0xc0000202 + i % 50), "", 1}};
    node.routes.push_back(route);
  }
  model::Change change;
  change.apply.emplace_back(std::move(node));
  for (uint32_t i = 0; i < 2; ++i) {
    model::Peer peer;
    peer.name = {.name = "peer" + std::to_string(i)};
    peer.address = IpAddress::v4(0xc0000264 + i);
    peer.prefixes = {{IpAddress::v4(0x0a090000), 16}};
    peer.key_file = "/keys";
    change.apply.emplace_back(std::move(peer));
  }
  const model::State state = applied(change);
  compile::Compiler compiler({}, 2'000'000'000);
  const std::vector<compile::PortFacts> ports = {{.interface = "wan"}};
  compile::PeerView view;
  uint64_t number = 0;
  const auto compiled = [&] {
    compile::Compiled made = compiler.compile(state, ports, {}, ++number, {}, view);
    if (!made.generation) bench.SkipWithError(made.errors.front().to_string().c_str());
    compiler.accept();
    compiler.retired(number - 1);
    return made.generation;
  };
  auto live = compiled();
  for (auto _ : bench) {
    view[{.name = "peer0"}].up = number % 2 == 0;
    auto generation = compiled();
    bench.PauseTiming();
    live = std::move(generation);
    bench.ResumeTiming();
  }
}
BENCHMARK(one_peer_down)->Arg(10)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) { return penstock::bench::main(argc, argv, "1024"); }
