#include "packets/events.h"

#include <rte_cycles.h>

#include <algorithm>

namespace penstock::load {

namespace {

using nlohmann::json;

json stream_result(const Stream& stream, const Receiver::Counts& counts) {
  json result = {{"name", stream.spec().name}, {"sent", stream.sent}, {"bytes", stream.bytes}, {"late", stream.late}};
  if (!counts.expected) {  // without a signature nobody knows what came of it
    for (const char* name :
         {"received", "lost", "duplicated", "reordered", "ancient", "corrupted", "strayed", "latency"})
      result[name] = nullptr;
    return result;
  }
  const Tracker& tracker = counts.tracker;
  result["received"] = tracker.received;
  result["lost"] = stream.sent - std::min(stream.sent, tracker.received);
  result["duplicated"] = tracker.duplicated;
  result["reordered"] = tracker.reordered;
  result["ancient"] = tracker.ancient;
  result["corrupted"] = counts.corrupted;
  result["strayed"] = counts.strayed;
  result["latency"] = counts.latency.to_json();
  return result;
}

json port_result(const Port& port, unsigned index, const Worker& worker, const Worker::Outcome& outcome) {
  uint64_t sent = 0;
  for (const auto& stream : worker.streams())
    if (stream->spec().from == index) sent += stream->sent;
  const Port::Counts& counts = port.counts();
  return {{"name", port.spec().name},
          {"sent", sent},
          {"received", counts.received},
          {"foreign", counts.foreign},
          {"stale", counts.stale},
          {"answered", counts.answered},
          {"refused", outcome.refused[index]},
          {"missed", outcome.missed[index]}};
}

std::vector<unsigned> read_streams(const Node& node, const Spec& spec) {
  std::vector<unsigned> streams;
  if (!node.has("streams")) {
    for (unsigned i = 0; i < spec.streams.size(); ++i) streams.push_back(i);
    return streams;
  }
  for (const Node& each : node["streams"].items(1, spec.streams.size())) {
    const std::string name = each.text();
    const auto found = std::ranges::find(spec.streams, name, &StreamSpec::name);
    const auto index = static_cast<unsigned>(found - spec.streams.begin());
    if (found == spec.streams.end())
      each.fault("\"" + name + "\" is not a stream");
    else if (std::ranges::count(streams, index) != 0)
      each.fault("is there twice");
    else
      streams.push_back(index);
  }
  return streams;
}

}  // namespace

Plan read_plan(const json& command, const Spec& spec, std::vector<Fault>& faults) {
  constexpr double kLongest = 7 * 86400;
  Plan plan;
  const Node node(command, "trial", faults);
  if (!node.object({"do", "id", "seconds", "drain", "sample", "pps", "streams"})) return plan;
  plan.id = node["id"].integer(0, INT64_MAX);
  plan.seconds = node["seconds"].positive(kLongest);
  if (node.has("drain") && command["drain"] != 0) plan.drain = node["drain"].positive(60);
  if (node.has("drain") && command["drain"] == 0) plan.drain = 0;
  if (node.has("sample")) plan.sample = std::max(node["sample"].positive(kLongest), 0.01);
  if (node.has("pps")) plan.pps = node["pps"].positive(kHighestRate);
  plan.streams = read_streams(node, spec);
  double pps = plan.pps.value_or(0);
  if (!plan.pps)
    for (const unsigned i : plan.streams) pps += spec.streams[i].pps;
  if (faults.empty() && plan.seconds * pps >= 0x1p40)
    node["seconds"].fault("is too long at this rate: a trial has less than 2^40 packets, for a sequence has 40 bits");
  return plan;
}

json ready_event(const Worker& worker, const Clock& clock) {
  json ports = json::array();
  for (const auto& port : worker.ports()) {
    const auto& gateway = port->neighbours().gateway();
    ports.push_back({{"name", port->spec().name},
                     {"mac", port->neighbours().own().to_string()},
                     {"gatewayMac", gateway ? json(gateway->to_string()) : json(nullptr)}});
  }
  return {
      {"event", "ready"}, {"clock", "tsc"}, {"tscHz", clock.hz()}, {"dpdkTscHz", rte_get_tsc_hz()}, {"ports", ports}};
}

json trial_event(const Plan& plan, bool stopped, const Worker& worker, const Worker::Outcome& outcome) {
  json streams = json::array(), ports = json::array();
  for (const unsigned i : plan.streams)
    streams.push_back(stream_result(*worker.streams()[i], worker.receiver().streams()[i]));
  for (unsigned i = 0; i < worker.ports().size(); ++i)
    ports.push_back(port_result(*worker.ports()[i], i, worker, outcome));
  return {{"event", "trial"},     {"id", plan.id},
          {"stopped", stopped},   {"asked", outcome.asked},
          {"due", outcome.due},   {"sent", outcome.sent},
          {"late", outcome.late}, {"seconds", outcome.seconds},
          {"clock", "tsc"},       {"bound", outcome.bound ? "generator" : "none"},
          {"streams", streams},   {"ports", ports}};
}

json Samples::take(Worker& worker) {
  const double now = worker.elapsed();
  const uint64_t sent = worker.sent(), received = worker.receiver().received(), missing = worker.receiver().missing();
  const Histogram& interval = worker.receiver().interval();
  json event = {{"event", "sample"},
                {"id", plan_.id},
                {"t", now},
                {"sent", sent - sent_},
                {"received", received - received_},
                {"lost", missing - std::min(missing, missing_)},
                {"p50", interval.percentile(0.5)},
                {"p99", interval.percentile(0.99)}};
  worker.receiver().end_interval();
  sent_ = sent;
  received_ = received;
  missing_ = missing;
  while (next_ <= now) next_ += plan_.sample;
  return event;
}

}  // namespace penstock::load
