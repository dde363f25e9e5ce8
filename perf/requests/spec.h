// What the request generator is asked to be: ports, clients, servers (perf/LAB.md, "Clients and servers"), read from
// JSON.
//
// read_spec() finds every fault at once, each with its path and what would be valid; a specification with faults is
// used for nothing. Values only. Durations in nanoseconds, sizes in bytes, rates per second.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "l7/http/method.h"
#include "requests/fields.h"
#include "requests/schedule.h"
#include "requests/sizes.h"

namespace penstock::requests {

constexpr uint32_t kMostConnections = 1'000'000;
constexpr double kMostRequestsPerSecond = 1e8;

enum class StackKind : uint8_t { kOwn, kKernel };

struct SocketAddress {
  base::IpAddress address;
  uint16_t port = 0;
};

// A port of the own stack: one host with one address behind a DPDK device.
struct PortSpec {
  std::string name;
  std::string device;                   // devargs, or "loop:NAME" of the other port
  std::optional<base::MacAddress> mac;  // nothing: the device's
  base::IpAddress address;              // IPv4
  base::IpAddress gateway;              // everything is sent there
  std::vector<base::Prefix> answers;    // more addresses whose ARP is answered
};

enum class ArrivalKind : uint8_t { kOpen, kClosed, kHold };

struct ClientSpec {
  StackKind stack = StackKind::kKernel;
  SocketAddress target;
  uint32_t connections = 1;
  base::Nanos ramp = 0;  // connections are opened evenly over this time
  ArrivalKind arrivals = ArrivalKind::kClosed;
  double rate = 0;  // open
  Spacing spacing = Spacing::kConstant;
  base::Nanos think = 0;                 // closed
  uint32_t requests_per_connection = 0;  // 0: no end
  http::Method method = http::Method::kGet;
  std::string head;  // start line and fields that do not change from request to request, with line ends
  Sizes body;
  base::Nanos timeout = 5 * base::kNanosPerSecond;
};

struct ServerSpec {
  StackKind stack = StackKind::kKernel;
  SocketAddress listen;
  uint32_t connections = 65536;    // at once; more are not accepted
  bool connections_asked = false;  // the specification says how many; else a kernel's may be fewer
  bool by_path = false;            // "/128" is answered with 128 bytes, what is no number with 404
  Sizes body;
};

struct Spec {
  std::optional<unsigned> core;  // nothing: where the process may run
  bool huge = false;
  uint32_t memory_megabytes = 512;
  std::string prefix;  // of DPDK's files
  uint64_t seed = 1;
  std::vector<PortSpec> ports;
  std::optional<ClientSpec> clients;
  std::optional<ServerSpec> servers;

  const PortSpec* port(std::string_view name) const;
};

Spec read_spec(const nlohmann::json& json, Faults& faults);

}  // namespace penstock::requests
