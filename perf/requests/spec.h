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
#include "generator/neighbours.h"
#include "l7/http/method.h"
#include "requests/exchange.h"
#include "requests/fields.h"
#include "requests/schedule.h"
#include "requests/sizes.h"

namespace penstock::requests {

constexpr uint32_t kMostConnections = 1'000'000;
constexpr double kMostRequestsPerSecond = 1e8;

constexpr size_t kMostCores = 64;

enum class StackKind : uint8_t { kOwn, kKernel };
enum class Protocol : uint8_t { kHttp, kTcp };

struct SocketAddress {
  base::IpAddress address;
  uint16_t port = 0;
};

// A port of the own stack: one host with one address behind a DPDK device, which sends everything to its gateway. Both
// are there, and of the family of the target or the listening address.
struct PortSpec : load::Station {
  std::string name;
  std::string device;                   // devargs, or "loop:NAME" of the other port
  std::optional<base::MacAddress> mac;  // nothing: the device's
};

enum class ArrivalKind : uint8_t { kOpen, kClosed, kHold };

struct ClientSpec {
  StackKind stack = StackKind::kKernel;
  Protocol protocol = Protocol::kHttp;
  SocketAddress target;
  uint32_t connections = 1;
  base::Nanos ramp = 0;  // connections are opened evenly over this time
  ArrivalKind arrivals = ArrivalKind::kClosed;
  double rate = 0;  // open
  Spacing spacing = Spacing::kConstant;
  base::Nanos think = 0;                 // closed
  uint32_t requests_per_connection = 0;  // 0: no end
  Exchange exchange;                     // of plain TCP; the next three are of HTTP
  http::Method method = http::Method::kGet;
  std::string head;  // start line and fields that do not change from request to request, with line ends
  Sizes body;
  base::Nanos timeout = 5 * base::kNanosPerSecond;
};

struct ServerSpec {
  StackKind stack = StackKind::kKernel;
  Protocol protocol = Protocol::kHttp;
  SocketAddress listen;
  uint32_t connections = 65536;    // at once; more are not accepted
  bool connections_asked = false;  // the specification says how many; else a kernel's may be fewer
  Exchange exchange;               // of plain TCP; the next two are of HTTP
  bool by_path = false;            // "/128" is answered with 128 bytes, what is no number with 404
  Sizes body;
};

struct Spec {
  std::vector<unsigned> cores;  // a thread on each; none: one thread, where the process may run
  bool huge = false;
  uint32_t memory_megabytes = 512;
  std::string prefix;  // of DPDK's files
  uint64_t seed = 1;
  std::vector<PortSpec> ports;
  std::optional<ClientSpec> clients;
  std::optional<ServerSpec> servers;

  const PortSpec* port(std::string_view name) const;
  uint32_t threads() const { return cores.empty() ? 1 : static_cast<uint32_t>(cores.size()); }
};

Spec read_spec(const nlohmann::json& json, Faults& faults);

}  // namespace penstock::requests
