// The steady state takes nothing from the heap: counted while the proxy works.
#include <cstdlib>
#include <new>

#include "unit/l7/proxy/rig.h"

namespace {
bool counting = false;
size_t allocations = 0;
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  if (counting) ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace penstock::proxy {
namespace {

TEST(Allocation, NoneOnceEverythingIsWarm) {
  ConfigBuilder builder;
  config::Filters filters;
  filters.request = {
      {config::HeaderChange::Kind::kSet, "x-a-rather-long-name", "and a value that fits no small string"}};
  filters.response = filters.request;
  filters.cors = config::Cors{.origins = {"*"}};
  filters.session =
      config::SessionPersistence{.name = "id", .absolute_seconds = 60, .idle_seconds = 60, .permanent = true};
  builder.config().session_keys.add({1, 2});
  filters.rewrite = config::Rewrite{"", {config::PathModifier::Kind::kPrefixMatch, "/v2"}};
  builder.route("/moved", builder.action(ConfigBuilder::to(builder.cluster(3), builder.filters(filters))));
  config::Action retried = ConfigBuilder::to(builder.cluster(2, {.connections = 1}));
  retried.retry = {.attempts = 2, .backoff = 0, .codes = {503}};
  builder.route("/", builder.action(retried));
  config::Cluster& hashed = builder.config().clusters[0];
  hashed.balancing = config::Balancing::kMaglev;
  hashed.balance.hash = {{config::HashKey::Kind::kCookie, "id"}, {config::HashKey::Kind::kHeader, "x-user"}};
  hashed.balance.most_load = 125;
  hashed.balance.tables = {std::make_shared<const config::HashTable>(config::HashTable{{0, 1, 2, 1, 0}, {}})};
  builder.config().clusters[1].balancing = config::Balancing::kPeakEwma;
  config::Resilience& rules = builder.config().clusters[1].resilience;
  rules.outliers = config::OutlierDetection{.consecutive_5xx = 1,
                                            .interval = 50 * kMs,
                                            .base_ejection = 20 * kMs,
                                            .max_ejection_percent = 50,
                                            .success_rate = config::SuccessRateEjection{1900, 1, 1}};
  rules.budget = config::RetryBudget{.percent = 90};
  rules.retry = config::RetryRules{.attempts = 2, .backoff = 0, .codes = {503}, .headers = {"x-again"}};
  rules.retry->seal();
  Rig rig(builder.build());
  const uint32_t one = rig.client(), two = rig.client();
  const std::string requests[] = {
      get("/", "Origin: https://a.example\r\n"), get("/moved/x", "X-User: a\r\n"), get("/moved", "Cookie: id=b\r\n"),
      "POST /moved HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"};
  const std::string answers[] = {answer(200, "ok"), answer(503, "busy"),
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"};
  rig.net.happened.reserve(64);
  rig.net.connects.reserve(64);
  for (int round = 0; round < 4000; ++round) {
    for (const uint32_t client : {one, two}) rig.net.send(client, requests[static_cast<size_t>(round) % 4]);
    for (int turn = 0; turn < 8; ++turn) {
      counting = round >= 2000;
      for (size_t i = 0; i < rig.net.happened.size(); ++i) {
        const FakeNet::Happened each = rig.net.happened[i];
        if (!rig.net.at(each.id).released) rig.proxy.on_events(each.id, each.events, rig.now);
      }
      rig.now += kMs;
      rig.proxy.on_time(rig.now);
      counting = false;
      rig.net.happened.clear();
      rig.net.happened.reserve(64);
      std::erase_if(rig.net.connects, [&](uint32_t id) { return rig.net.at(id).released; });
      for (const uint32_t id : rig.net.connects)
        if (!rig.net.take(id).empty()) rig.net.send(id, answers[static_cast<size_t>(round + turn) % 3]);
    }
    rig.net.take(one);
    rig.net.take(two);
    rig.record();
  }
  EXPECT_EQ(allocations, 0u);
  EXPECT_GT(rig.proxy.counters().of(Count::exchanges), 6000u);
  EXPECT_GT(rig.proxy.counters().of(Count::retries), 500u);
  EXPECT_GT(
      rig.proxy.outliers().counters(3)->by_reason[0].read() + rig.proxy.outliers().counters(4)->by_reason[0].read(),
      0u);
}

}  // namespace
}  // namespace penstock::proxy
