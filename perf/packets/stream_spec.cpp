#include <algorithm>
#include <cmath>

#include "packets/signature.h"
#include "packets/spec.h"

namespace penstock::load {

namespace {

// What a frame takes on the wire besides its own bytes: preamble, start and gap (IEEE 802.3 §4.2.3.2, §4.4.2).
constexpr double kWireOverhead = 20;

double read_rate(const Node& node, double mean_size, const PortSpec& from) {
  double pps = 1;
  if (node.has("pps") && node.object({"pps"})) {
    return node["pps"].positive(kHighestRate);
  } else if (node.has("bps") && node.object({"bps"})) {
    pps = node["bps"].positive(1e13) / (8 * mean_size);
  } else if (node.has("line") && node.object({"line"})) {
    if (from.line_rate == 0) node["line"].fault("needs the lineRate of port " + from.name);
    pps = node["line"].positive(1) * from.line_rate / (8 * (mean_size + kWireOverhead));
  } else {
    node.fault("must be {pps: packets/s}, {bps: bits/s} or {line: share of the port's lineRate}");
  }
  if (pps > kHighestRate) node.fault("is more than 1e9 packets a second");
  return std::min(pps, kHighestRate);
}

Spacing read_spacing(const Node& node) {
  if (node.is_object() && node.object({"burst"}))
    return {Spacing::kBurst, static_cast<uint32_t>(node["burst"].integer(1, 65536))};
  return {node.choice({"constant", "poisson"}) == 1 ? Spacing::kPoisson : Spacing::kConstant, 1};
}

void read_payload(const Node& node, StreamSpec& stream) {
  if (!node.is_object()) {
    stream.payload = static_cast<Payload>(node.choice({"zeros", "increment", "random"}));
    return;
  }
  if (!node.object({"hex"})) return;
  stream.payload = Payload::kHex;
  const std::string digits = node["hex"].text();
  const bool good = digits.size() % 2 == 0 && digits.size() <= 2 * kLargestFrame &&
                    digits.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!good) return node["hex"].fault("must be pairs of hexadecimal digits, at most 9216 pairs");
  for (size_t i = 0; i < digits.size(); i += 2)
    stream.hex.push_back(static_cast<uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
}

void check_room(const Node& node, const StreamSpec& stream) {
  const size_t headers = stream.layout.bytes.size() + kCrcLength;
  const size_t least = headers + (stream.signature ? kSignatureLength : 0);
  if (stream.sizes.least() >= least) return;
  node["size"].fault(std::to_string(stream.sizes.least()) + " has no room for the headers" +
                     (stream.signature ? " and the signature" : "") + "; they need " + std::to_string(least) +
                     (stream.signature && stream.sizes.least() >= headers ? " (or signature: false)" : ""));
}

void read_recording(const Node& node, StreamSpec& stream) {
  if (!node.object({"file", "timing", "scale", "loop"})) return;
  stream.signature = false;
  auto replay = Replay::open(node["file"].text());
  if (!replay) return node["file"].fault(replay.error());
  stream.replay = *replay;
  const size_t timing = node.has("timing") ? node["timing"].choice({"original", "scaled", "rate"}) : 0;
  if (node.has("loop")) stream.loop = node["loop"].boolean();
  stream.recorded_times = timing != 2;
  if (node.has("scale") != (timing == 1)) node["scale"].fault("belongs to timing: scaled, which needs it");
  if (!stream.recorded_times) return;
  if (stream.replay->period() == 0 && stream.replay->backwards() != 0)
    return node["timing"].fault("must be rate: the recording's times run backwards from packet " +
                                std::to_string(stream.replay->backwards()) + " on");
  if (stream.replay->period() == 0)
    return node["timing"].fault("must be rate: all packets of the recording have the same time");
  const double scale = node.has("scale") ? node["scale"].positive(1e6) : 1;
  stream.pps = scale * 1e9 * static_cast<double>(stream.replay->count()) / static_cast<double>(stream.replay->period());
  if (stream.pps > kHighestRate) node.fault("is faster than 1e9 packets a second");
}

void read_made(const Node& node, const PortSpec& from, StreamSpec& stream) {
  if (node.has("signature")) stream.signature = node["signature"].boolean();
  if (node.has("size")) stream.sizes = read_sizes(node["size"]);
  const size_t before = node.faults();
  stream.layout = read_headers(node["headers"], from);
  if (stream.layout.own_destination && !from.gateway && !from.loop_to && !from.ring_to)
    node["headers"]["ether"]["destination"].fault("is needed: port " + from.name + " has no gateway to send to");
  if (node.has("payload")) read_payload(node["payload"], stream);
  if (node.faults() == before) check_room(node, stream);
}

}  // namespace

StreamSpec read_stream(const Node& node, const std::vector<PortSpec>& ports) {
  StreamSpec stream;
  const bool recorded = node.has("pcap");
  const bool known =
      recorded ? node.object({"name", "from", "to", "rate", "spacing", "pcap"})
               : node.object({"name", "from", "to", "rate", "spacing", "size", "headers", "payload", "signature"});
  if (!known) return stream;
  if (node.has("name")) stream.name = node["name"].text();
  stream.from = read_port_name(node["from"], ports);
  if (node.has("to")) stream.to = read_port_name(node["to"], ports);
  const PortSpec& from = ports[stream.from];
  if (recorded)
    read_recording(node["pcap"], stream);
  else
    read_made(node, from, stream);
  if (stream.recorded_times) {
    for (const char* name : {"rate", "spacing"})
      if (node.has(name)) node[name].fault("has no meaning beside the recording's own times (timing: rate)");
    return stream;
  }
  if (node.has("spacing")) stream.spacing = read_spacing(node["spacing"]);
  if (recorded && !stream.replay) return stream;
  stream.pps = read_rate(node["rate"], recorded ? stream.replay->mean_size() : stream.sizes.mean(), from);
  return stream;
}

}  // namespace penstock::load
