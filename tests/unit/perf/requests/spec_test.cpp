#include "requests/spec.h"

#include <gtest/gtest.h>

namespace penstock::requests {
namespace {

using nlohmann::json;

json good() {
  return json::parse(R"({"cores": [1], "huge": false, "memoryMegabytes": 256, "prefix": "lab-1", "seed": 9,
    "ports": [{"name": "clients", "device": "net_null0", "address": "198.51.100.2/24", "gateway": "198.51.100.1",
               "mac": "02:00:00:00:00:02", "answers": ["198.18.0.0/16"]}],
    "clients": {"stack": "own", "target": "203.0.113.10:80", "connections": 64, "ramp": "10ms",
                "arrivals": {"open": {"rate": 1000, "spacing": "poisson"}}, "requestsPerConnection": 3,
                "request": {"method": "POST", "path": "/a?b=c", "headers": {"X-Long": "yes"},
                            "body": [{"size": 1, "weight": 2}, {"size": 10}]}, "timeout": "1.5s"},
    "servers": {"stack": "kernel", "listen": "[::1]:8080", "body": {"min": 1, "max": 9}}})");
}

std::vector<std::string> fields_of(const json& value) {
  Faults faults;
  read_spec(value, faults);
  std::vector<std::string> names;
  for (const Fault& fault : faults) names.push_back(fault.field);
  return names;
}

TEST(Spec, ReadsEverything) {
  Faults faults;
  const Spec spec = read_spec(good(), faults);
  for (const Fault& fault : faults) ADD_FAILURE() << fault.field << ": " << fault.message;
  EXPECT_EQ(spec.cores, std::vector<unsigned>{1});
  EXPECT_EQ(spec.seed, 9u);
  const ClientSpec& c = *spec.clients;
  EXPECT_EQ(c.target.address.to_string(), "203.0.113.10");
  EXPECT_EQ(c.target.port, 80);
  EXPECT_EQ(c.connections, 64u);
  EXPECT_EQ(c.ramp, 10'000'000u);
  EXPECT_EQ(c.arrivals, ArrivalKind::kOpen);
  EXPECT_EQ(c.rate, 1000);
  EXPECT_EQ(c.spacing, Spacing::kPoisson);
  EXPECT_EQ(c.requests_per_connection, 3u);
  EXPECT_EQ(c.timeout, 1'500'000'000u);
  EXPECT_EQ(c.head, "POST /a?b=c HTTP/1.1\r\nx-long: yes\r\nhost: 203.0.113.10:80\r\n");
  EXPECT_EQ(c.body.largest(), 10u);
  EXPECT_TRUE(spec.servers->listen.address.is_v6());
  EXPECT_EQ(spec.servers->body.largest(), 9u);
  ASSERT_EQ(spec.ports.size(), 1u);
  EXPECT_EQ(spec.ports[0].answers.size(), 1u);
}

TEST(Spec, NamesEachFaultByItsPath) {
  const std::vector<std::pair<json::json_pointer, json>> changes = {
      {"/cores"_json_pointer, json::array()},
      {"/cores"_json_pointer, {1, 1}},
      {"/cores"_json_pointer, {0, 1}},  // of the own stack
      {"/huge"_json_pointer, "yes"},
      {"/memoryMegabytes"_json_pointer, 1},
      {"/prefix"_json_pointer, "a/b"},
      {"/seed"_json_pointer, -1},
      {"/other"_json_pointer, 1},
      {"/ports/0/address"_json_pointer, "::/64"},
      {"/ports/0/gateway"_json_pointer, 5},
      {"/ports/0/gateway"_json_pointer, "2001:db8::1"},
      {"/ports/0/mac"_json_pointer, "ff:ff:ff:ff:ff:ff"},
      {"/ports/0/answers/0"_json_pointer, "x"},
      {"/ports/0/device"_json_pointer, "loop:servers"},
      {"/clients/stack"_json_pointer, "linux"},
      {"/clients/target"_json_pointer, "localhost:80"},
      {"/clients/target"_json_pointer, "[2001:db8::1]:80"},  // its port has IPv4
      {"/clients/protocol"_json_pointer, "udp"},
      {"/clients/exchange"_json_pointer, {{"request", 1}, {"answer", 1}}},  // of tcp
      {"/clients/connections"_json_pointer, 0},
      {"/clients/connections"_json_pointer, 1.5},
      {"/clients/ramp"_json_pointer, 3},
      {"/clients/timeout"_json_pointer, "0s"},
      {"/clients/arrivals/open/rate"_json_pointer, 0},
      {"/clients/arrivals/open/spacing"_json_pointer, "bursts"},
      {"/clients/arrivals"_json_pointer, 7},
      {"/clients/request/method"_json_pointer, "CONNECT"},
      {"/clients/request/path"_json_pointer, "a b"},
      {"/clients/request/headers/Connection"_json_pointer, "close"},
      {"/clients/request/headers/a"_json_pointer, "x\r\ny: z"},
      {"/clients/request/body/0/size"_json_pointer, -1},
      {"/clients/request/body/1/weight"_json_pointer, 0},
      {"/servers/listen"_json_pointer, "0.0.0.0:0"},
      {"/servers/body/max"_json_pointer, 0},
      {"/servers/body"_json_pointer, "all"},
  };
  for (const auto& [where, value] : changes) {
    json spec = good();
    spec[where] = value;
    std::string path;
    for (const char c : where.to_string().substr(1)) path += c == '/' ? '.' : c;
    for (const char* digit : {".0", ".1"})
      for (size_t at; (at = path.find(digit)) != std::string::npos;)
        path.replace(at, 2, std::string("[") + digit[1] + "]");
    const auto fields = fields_of(spec);
    EXPECT_NE(std::find(fields.begin(), fields.end(), path), fields.end())
        << path << ": " << value << ", but " << json(fields).dump();
  }
}

TEST(Spec, FindsAllFaultsAtOnce) {
  json spec = good();
  spec["clients"]["connections"] = 0;
  spec["clients"]["what"] = 1;
  spec["servers"]["listen"] = 1;
  EXPECT_EQ(fields_of(spec), (std::vector<std::string>{"clients.connections", "clients.what", "servers.listen"}));
}

TEST(Spec, PortsAndStacksMustFit) {
  json spec = good();
  spec.erase("ports");
  EXPECT_EQ(fields_of(spec), std::vector<std::string>{"ports"});
  spec = good();
  spec["clients"]["stack"] = "kernel";
  EXPECT_EQ(fields_of(spec), std::vector<std::string>{"ports[0].name"});
  EXPECT_EQ(fields_of(json::object()), std::vector<std::string>{""});
  spec = good();
  spec["clients"]["request"] = {{"method", "GET"}, {"body", 1}};
  EXPECT_EQ(fields_of(spec), std::vector<std::string>{"clients.request.body"});
}

TEST(Spec, PlainTcpHasLengths) {
  const auto tcp = [](json exchange, json clients = json::object()) {
    json spec = {{"clients", {{"target", "192.0.2.1:80"}, {"protocol", "tcp"}, {"exchange", exchange}}},
                 {"servers", {{"listen", "[::]:80"}, {"protocol", "tcp"}, {"exchange", exchange}}}};
    spec["clients"].update(clients);
    return spec;
  };
  Faults faults;
  const Spec spec = read_spec(tcp({{"request", 64}, {"answer", 1000}}, {{"connections", 5}}), faults);
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(spec.clients->exchange, (Exchange{.request = 64, .answer = 1000}));
  EXPECT_EQ(spec.clients->requests_per_connection, 0u);
  EXPECT_EQ(read_spec(tcp({{"request", 0}, {"answer", 0}}), faults).clients->requests_per_connection, 1u);
  EXPECT_TRUE(faults.empty());

  using Names = std::vector<std::string>;
  EXPECT_EQ(fields_of(tcp({{"request", 0}, {"answer", 1}})), (Names{"clients.exchange", "servers.exchange"}));
  EXPECT_EQ(fields_of(tcp({{"request", 0}, {"answer", 0}}, {{"requestsPerConnection", 2}})),
            Names{"clients.requestsPerConnection"});
  EXPECT_EQ(fields_of(tcp({{"request", 0}, {"answer", 0}}, {{"arrivals", {{"hold", json::object()}}}})),
            Names{"clients.arrivals"});
  EXPECT_EQ(fields_of(tcp({{"request", 1}, {"answer", 1}}, {{"request", {{"path", "/"}}}})), Names{"clients.request"});
  EXPECT_EQ(fields_of(tcp({{"request", 1}, {"answer", 1}}, {{"exchange", {{"request", 2}, {"answer", 1}}}})),
            Names{"servers.exchange"});
  EXPECT_EQ(fields_of(tcp({{"request", 1}, {"answer", 1}}, {{"protocol", "http"}, {"exchange", nullptr}})),
            Names{"servers.protocol"});
}

TEST(Spec, CoresShareConnections) {
  json spec = {{"cores", {0, 1, 2}}, {"clients", {{"target", "192.0.2.1:80"}, {"connections", 3}}}};
  EXPECT_EQ(fields_of(spec), std::vector<std::string>{});
  spec["clients"]["connections"] = 2;
  EXPECT_EQ(fields_of(spec), std::vector<std::string>{"clients.connections"});
}

TEST(Duration, HasAUnit) {
  EXPECT_EQ(parse_duration("5s"), 5'000'000'000u);
  EXPECT_EQ(parse_duration("0ms"), 0u);
  EXPECT_EQ(parse_duration("2.5us"), 2500u);
  EXPECT_EQ(parse_duration("7ns"), 7u);
  for (const char* bad : {"", "5", "s", "-1s", "5 s", "5m", "1e3s", "nans", "999999999999s"})
    EXPECT_EQ(parse_duration(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace penstock::requests
