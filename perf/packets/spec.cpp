#include "packets/spec.h"

#include <algorithm>
#include <set>

namespace penstock::load {

namespace {

constexpr std::string_view kLoop = "loop:", kRing = "ring:";

bool is_name(const std::string& text) {
  return text.size() <= 32 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

std::string read_name(const Node& node) {
  std::string name = node.text();
  if (!is_name(name)) node.fault("must be of letters, digits, '-', '_' and '.', at most 32");
  return name;
}

PortSpec read_port(const Node& node) {
  PortSpec port;
  if (!node.object({"name", "device", "mac", "address", "gateway", "answers", "lineRate"})) return port;
  port.name = read_name(node["name"]);
  port.device = node["device"].text();
  if (node.has("mac")) {
    port.mac = node["mac"].parsed<base::MacAddress>("a MAC address like 02:00:00:00:00:01");
    if (port.mac->is_multicast()) node["mac"].fault("is a group's address; a port has its own: the first byte is even");
  }
  if (node.has("address"))
    port.address = node["address"].parsed<base::Prefix>("an address with its subnet's length, like 198.51.100.2/24");
  if (node.has("gateway")) port.gateway = node["gateway"].parsed<base::IpAddress>("an IPv4 or IPv6 address");
  if (port.gateway && (!port.address || port.address->is_v4() != port.gateway->is_v4()))
    node["gateway"].fault("needs an address of the port in the same family, to ask from");
  if (node.has("answers"))
    for (const Node& each : node["answers"].items(0, 64))
      port.answers.push_back(each.parsed<base::Prefix>("a prefix like 198.18.0.0/16").network());
  if (node.has("lineRate")) port.line_rate = node["lineRate"].positive(1e12);
  return port;
}

// The port that "loop:NAME" or "ring:NAME" names, which must be of the same kind.
std::optional<unsigned> read_target(const Node& node, std::string_view kind, const std::vector<PortSpec>& ports,
                                    size_t i) {
  if (!ports[i].device.starts_with(kind)) return std::nullopt;
  const std::string target = ports[i].device.substr(kind.size());
  const auto found = std::ranges::find(ports, target, &PortSpec::name);
  if (found != ports.end() && found->device.starts_with(kind)) return static_cast<unsigned>(found - ports.begin());
  node["device"].fault("\"" + target + "\" is not the name of a " + std::string(kind.substr(0, 4)) + " port");
  return std::nullopt;
}

void read_ports(const Node& node, Spec& spec) {
  std::set<std::string> names, devices;
  const auto nodes = node.items(1, kMostPorts);
  for (const Node& each : nodes) {
    spec.ports.push_back(read_port(each));
    if (!names.insert(spec.ports.back().name).second) each["name"].fault("is another port's name, too");
    if (!devices.insert(spec.ports.back().device).second) each["device"].fault("is another port's device, too");
  }
  for (size_t i = 0; i < spec.ports.size(); ++i) {
    spec.ports[i].loop_to = read_target(nodes[i], kLoop, spec.ports, i);
    spec.ports[i].ring_to = read_target(nodes[i], kRing, spec.ports, i);
  }
}

// The forwarder's core and its ports are there together.
void read_forwarder(const Node& root, Spec& spec) {
  const bool ports =
      std::ranges::any_of(spec.ports, [](const PortSpec& port) { return port.device.starts_with(kRing); });
  if (!root.has("forwarderCore")) {
    if (ports) root["forwarderCore"].fault("is missing: ports of device ring: need it");
    return;
  }
  spec.forwarder_core = static_cast<unsigned>(root["forwarderCore"].integer(0, 127));
  if (!ports) root["forwarderCore"].fault("means nothing without ports of device ring:");
  if (*spec.forwarder_core == spec.core) root["forwarderCore"].fault("is the generator's; it needs one of its own");
}

uint64_t read_every(const Node& node) {
  return node.object({"every"}) ? node["every"].integer(0, 1'000'000'000'000) : 0;
}

StageSpec read_stage(const Node& node, const std::vector<PortSpec>& ports) {
  StageSpec stage;
  if (!node.object({"from", "to", "drop", "duplicate", "reorder", "corrupt", "delay", "freeze"})) return stage;
  stage.from = read_port_name(node["from"], ports);
  const unsigned to = read_port_name(node["to"], ports);
  if (!ports.empty() && ports[stage.from].loop_to != to)
    node.fault("is on no way: the device of \"from\" must be loop: and the name of \"to\"");
  if (node.has("drop")) stage.drop_every = read_every(node["drop"]);
  if (node.has("duplicate")) stage.duplicate_every = read_every(node["duplicate"]);
  if (node.has("corrupt")) stage.corrupt_every = read_every(node["corrupt"]);
  if (node.has("reorder") && node["reorder"].object({"every", "by"})) {
    const Node reorder = node["reorder"];
    stage.reorder_every = reorder["every"].integer(0, 1'000'000'000'000);
    if (reorder.has("by")) stage.reorder_by = reorder["by"].integer(1, 1024);
    if (stage.reorder_every != 0 && stage.reorder_every <= stage.reorder_by)
      reorder["every"].fault("must be more than \"by\": one packet waits at a time");
  }
  if (node.has("delay") && node["delay"].object({"nanos"}))
    stage.delay_nanos = node["delay"]["nanos"].integer(0, 10'000'000'000);
  if (node.has("freeze")) stage.freeze = node["freeze"].boolean();
  return stage;
}

void read_machine(const Node& root, Spec& spec) {
  if (root.has("cores")) {
    const auto cores = root["cores"].items(1, 1);  // one core does all: LAB.md says so
    if (!cores.empty()) spec.core = static_cast<unsigned>(cores[0].integer(0, 127));
  }
  if (root.has("huge")) spec.huge = root["huge"].boolean();
  if (root.has("memoryMegabytes"))
    spec.memory_megabytes = static_cast<unsigned>(root["memoryMegabytes"].integer(64, 65536));
  spec.prefix = root.has("prefix") ? read_name(root["prefix"]) : "lab";
  if (root.has("restMicros")) spec.rest_micros = static_cast<unsigned>(root["restMicros"].integer(0, 1000));
  if (root.has("seed")) spec.seed = root["seed"].integer(0, UINT64_MAX);
}

}  // namespace

unsigned read_port_name(const Node& node, const std::vector<PortSpec>& ports) {
  const std::string name = node.text();
  const auto found = std::ranges::find(ports, name, &PortSpec::name);
  if (found != ports.end()) return static_cast<unsigned>(found - ports.begin());
  std::string names;
  for (const PortSpec& port : ports) names += (names.empty() ? "" : ", ") + port.name;
  if (!name.empty()) node.fault("\"" + name + "\" is not a port; ports are " + names);
  return 0;
}

uint16_t Spec::largest_frame() const {
  uint16_t largest = kLeastFrame;
  for (const StreamSpec& stream : streams)
    largest = std::max(largest, stream.replay ? stream.replay->largest() : stream.sizes.largest());
  return largest;
}

Spec read_spec(const nlohmann::json& json) {
  Spec spec;
  const Node root(json, "", spec.faults);
  if (!root.object({"cores", "forwarderCore", "huge", "memoryMegabytes", "prefix", "seed", "restMicros", "ports",
                    "streams", "stages"}))
    return spec;
  read_machine(root, spec);
  read_ports(root["ports"], spec);
  read_forwarder(root, spec);
  if (root.has("stages")) {
    std::set<unsigned> ways;
    for (const Node& each : root["stages"].items(0, kMostPorts)) {
      spec.stages.push_back(read_stage(each, spec.ports));
      if (!ways.insert(spec.stages.back().from).second) each["from"].fault("has a stage already");
    }
  }
  const auto streams = root["streams"].items(1, kMostStreams);
  if (spec.ports.empty()) return spec;
  std::set<std::string> names;
  for (size_t i = 0; i < streams.size(); ++i) {
    StreamSpec stream = read_stream(streams[i], spec.ports);
    if (stream.name.empty()) stream.name = "s" + std::to_string(i);
    if (!names.insert(stream.name).second) streams[i]["name"].fault("is another stream's name, too");
    spec.streams.push_back(std::move(stream));
  }
  return spec;
}

}  // namespace penstock::load
