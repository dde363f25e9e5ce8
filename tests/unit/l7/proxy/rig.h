// The L7 bench in process: a proxy between bytes of clients and bytes of endpoints, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "l7/proxy/proxy.h"
#include "unit/l7/proxy/fake_net.h"

namespace penstock::proxy {

constexpr base::Nanos kMs = 1'000'000;
constexpr uint32_t kFirstClusterId = 1000;

// A configuration put together in few words. Listener 0 is HTTP on port 80, listener 1 TCP on port 5432.
class ConfigBuilder {
 public:
  ConfigBuilder() {
    config::Listener http;
    http.name = "Gateway/shop/front/http";
    http.addresses = {base::IpAddress::v4(0xcb007101)};
    http.port = 80;
    made_->listeners.push_back(http);
    config::Listener tcp = http;
    tcp.name = "Gateway/shop/front/tcp";
    tcp.slot = 1;
    tcp.protocol = config::Protocol::kTcp;
    tcp.port = 5432;
    made_->listeners.push_back(tcp);
  }

  uint32_t cluster(uint32_t endpoints, config::ClusterLimits limits = {},
                   config::Balancing balancing = config::Balancing::kRoundRobin) {
    const auto number = static_cast<uint32_t>(made_->clusters.size());
    config::Cluster cluster{"Service/shop/c" + std::to_string(number) + ":80", number, balancing, limits, {}};
    cluster.id = kFirstClusterId + number;
    for (uint32_t i = 0; i < endpoints; ++i, ++next_endpoint_)
      cluster.endpoints.push_back({base::IpAddress::v4(0x0a000001 + next_endpoint_), 8080, 1, next_endpoint_, true});
    made_->clusters.push_back(cluster);
    return number;
  }
  uint32_t filters(config::Filters filters) {
    made_->filters.push_back(std::move(filters));
    return static_cast<uint32_t>(made_->filters.size() - 1);
  }
  uint32_t action(config::Action action) {
    made_->actions.push_back(std::move(action));
    return static_cast<uint32_t>(made_->actions.size() - 1);
  }
  static config::Action to(uint32_t cluster, uint32_t filters = config::kNoFilters) {
    config::Action action;
    action.backends = {{cluster, 1, config::kNoFilters}};
    action.filters = filters;
    return action;
  }
  void route(std::string prefix, uint32_t action, std::optional<http::Method> method = std::nullopt) {
    config::Route route;
    route.name = "shop/r" + std::to_string(made_->routes.size());
    route.slot = static_cast<uint32_t>(made_->routes.size());
    config::Match match;
    match.path.value = std::move(prefix);
    match.method = method;
    route.rules.push_back({"", {match}, action});
    made_->routes.push_back(std::move(route));
  }
  config::Listener& http() { return made_->listeners[0]; }
  route::L7Config& config() { return *made_; }

  std::shared_ptr<const route::L7Config> build() {
    auto table = route::RouteTable::build(made_->routes);
    if (!table) {
      ADD_FAILURE() << table.error();
      return made_;
    }
    made_->tables.push_back(std::move(*table));
    made_->first_route = {0};
    auto scratch = made_->tables[0]->make_scratch();
    made_->scratches.resize(1);
    if (scratch) made_->scratches[0].push_back(std::move(*scratch));
    return made_;
  }

 private:
  std::shared_ptr<route::L7Config> made_ = std::make_shared<route::L7Config>();
  uint32_t next_endpoint_ = 0;
};

// "/" to a cluster of one endpoint.
inline std::shared_ptr<const route::L7Config> plain_config() {
  ConfigBuilder builder;
  builder.route("/", builder.action(ConfigBuilder::to(builder.cluster(1))));
  return builder.build();
}

inline Limits small_limits() {
  Limits limits;
  limits.connections = 256;
  limits.clients = limits.upstreams = limits.exchanges = 128;
  limits.messages = 32;
  limits.log_records = 128;
  limits.listener_slots = limits.route_slots = limits.cluster_slots = limits.endpoint_slots = 16;
  return limits;
}

class Rig {
 public:
  explicit Rig(std::shared_ptr<const route::L7Config> config = plain_config(), const Limits& limits = small_limits())
      : net(limits.connections), config_(std::move(config)), proxy(net, limits, 7, now) {
    proxy.adopt(*config_, 0);
  }

  void adopt(std::shared_ptr<const route::L7Config> config) {
    proxy.adopt(*config, 0);
    config_ = std::move(config);
    run();
  }

  // Events until there are none.
  void run() {
    for (size_t i = 0; i < net.happened.size(); ++i) {
      const FakeNet::Happened each = net.happened[i];
      if (!net.at(each.id).released) proxy.on_events(each.id, each.events, now);
    }
    net.happened.clear();
    EXPECT_FALSE(net.misuse);
  }
  void pass(base::Nanos time) {
    for (const base::Nanos until = now + time; now < until;) {
      now = std::min(until, std::max(now + 1, proxy.deadline()));
      proxy.on_time(now);
      run();
    }
  }

  uint32_t client(uint32_t listener = 0) {
    const uint32_t id = net.open();
    proxy.on_accept(id, listener, now);
    run();
    return id;
  }
  void send(uint32_t id, std::string_view text) {
    net.send(id, text);
    run();
  }
  std::string take(uint32_t id, size_t most = SIZE_MAX) {
    std::string taken = net.take(id, most);
    run();
    return taken;
  }
  void finish(uint32_t id) {
    net.peer_finish(id);
    run();
  }
  void reset(uint32_t id) {
    net.peer_reset(id);
    run();
  }
  // The connection to an endpoint that was opened last, or the one before...
  uint32_t backend(size_t from_last = 0) const { return net.connects.at(net.connects.size() - 1 - from_last); }
  bool over(uint32_t id) { return net.at(id).released; }

  // A request, and the endpoint's answer, all at once.
  std::string exchange(uint32_t id, std::string_view request, std::string_view response) {
    send(id, request);
    const uint32_t to = backend();
    take(to);
    send(to, response);
    return take(id);
  }
  AccessRecord record() {
    AccessRecord last, each;
    while (proxy.log().pop(each)) last = each;
    return last;
  }
  std::string flags() { return letters(record().flags); }
  static std::string letters(uint32_t flags) {
    std::string text;
    for (size_t i = 0; i < kFlags; ++i)
      if (flags >> i & 1) text += (text.empty() ? "" : ",") + std::string(kFlagLetters[i]);
    return text.empty() ? "-" : text;
  }
  // Nothing is held but idle connections.
  void expect_no_leak() {
    EXPECT_EQ(proxy.exchanges(), 0u);
    EXPECT_EQ(proxy.messages(), 0u);
  }

  FakeNet net;
  base::Nanos now = 1'000'000'000;

 private:
  std::shared_ptr<const route::L7Config> config_;

 public:
  Proxy<FakeNet> proxy;
};

inline std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: shop.example\r\n" + fields + "\r\n";
}
inline std::string answer(int status, const std::string& body, const std::string& fields = "") {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}
inline int status_of(const std::string& response) {
  return response.starts_with("HTTP/1.1 ") ? std::stoi(response.substr(9, 3)) : 0;
}
inline std::string body_of(const std::string& message) {
  const size_t at = message.find("\r\n\r\n");
  return at == std::string::npos ? "" : message.substr(at + 4);
}
inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Compiled once, in rig.cpp: it takes longer than most tests.
extern template class Proxy<FakeNet>;

}  // namespace penstock::proxy
