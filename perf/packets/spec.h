// The specification of the packet generator (perf/LAB.md, "Generators") as values, and its reader.
//
// read_spec() never fails half: it gives the values and every fault it found; with faults the values are not to be
// used. Nothing is opened but the pcap files of streams. Any thread.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "generator/neighbours.h"
#include "packets/fields.h"
#include "packets/node.h"
#include "packets/replay.h"
#include "packets/sizes.h"

namespace penstock::load {

constexpr unsigned kMostPorts = 16, kMostStreams = 256;
constexpr double kHighestRate = 1e9;  // packets a second

struct PortSpec : Station {
  std::string name, device;
  std::optional<unsigned> loop_to;  // "loop:NAME": the port where packets arrive
  std::optional<unsigned> ring_to;  // "ring:NAME": the same, through the forwarder
  std::optional<base::MacAddress> mac;
  double line_rate = 0;  // bits/s, 0: unknown
};

// A test stage on the way from one loop port to another. `every` 0: never; n: the n-th, 2n-th, … packet of a trial.
struct StageSpec {
  unsigned from = 0;
  uint64_t drop_every = 0, duplicate_every = 0, corrupt_every = 0, reorder_every = 0;
  uint64_t reorder_by = 1;   // overtaken by so many packets
  uint64_t delay_nanos = 0;  // up to 10 s
  bool freeze = false;       // takes packets and gives none
};

struct Spacing {
  enum Kind : uint8_t { kConstant, kPoisson, kBurst } kind = kConstant;
  uint32_t burst = 1;  // packets that leave together
};

// What the frames of a stream begin with, and which bytes of it change.
struct Layout {
  std::vector<uint8_t> bytes;  // headers of the first packet; lengths and checksums are filled in later
  std::vector<Field> fields;
  bool own_source = true;  // Ethernet addresses are the port's and its gateway's, known when it is up
  bool own_destination = true;
  uint8_t family = 4, protocol = 17;
  uint8_t l3 = 14, l4 = 34;  // where the headers begin
  bool esp_counts = false;   // the ESP sequence number goes up with each packet
};

enum class Payload : uint8_t { kZeros, kIncrement, kRandom, kHex };

struct StreamSpec {
  std::string name;
  unsigned from = 0;
  std::optional<unsigned> to;  // none: any port
  double pps = 0;              // its own rate
  Spacing spacing;
  Sizes sizes = Sizes::fixed(kLeastFrame);
  Layout layout;
  Payload payload = Payload::kZeros;
  std::vector<uint8_t> hex;  // the pattern of kHex, repeated
  bool signature = true;
  std::shared_ptr<const Replay> replay;  // instead of sizes, layout and payload
  bool recorded_times = false;           // departures are those of the recording, at the mean rate `pps`
  bool loop = true;                      // the recording begins again after its end
};

struct Spec {
  unsigned core = 0;
  std::optional<unsigned> forwarder_core;  // there are ring ports
  bool huge = true;
  unsigned memory_megabytes = 512;
  std::string prefix;
  uint64_t seed = 1;
  unsigned rest_micros = 0;  // sleep after a round without work; 0: never
  std::vector<PortSpec> ports;
  std::vector<StageSpec> stages;
  std::vector<StreamSpec> streams;
  std::vector<Fault> faults;

  uint16_t largest_frame() const;  // with CRC
};

Spec read_spec(const nlohmann::json& json);

// Parts of read_spec, by file.
StreamSpec read_stream(const Node& node, const std::vector<PortSpec>& ports);   // stream_spec.cpp
Layout read_headers(const Node& node, const PortSpec& from);                    // header_spec.cpp
Sizes read_sizes(const Node& node);                                             // size_spec.cpp
unsigned read_port_name(const Node& node, const std::vector<PortSpec>& ports);  // spec.cpp

}  // namespace penstock::load
