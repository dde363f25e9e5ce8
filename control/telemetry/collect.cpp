#include "control/telemetry/collect.h"

#include <map>

#include "flow/tcp_state.h"

namespace penstock::telemetry {
namespace {

using Counters = std::vector<const flow::WorkerCounters*>;

void add(Numbers& to, const base::PacketCounter& from, size_t at) {
  to[at] += from.packets.read();
  to[at + 1] += from.bytes.read();
}

// The order of Numbers, by table: the one place that knows it besides the readers below.
void add_worker(Numbers& sum, const flow::WorkerCounters& w, Baselines::Table table, uint32_t slot) {
  switch (table) {
    case Baselines::kServices:
      if (w.services == nullptr) return;
      add(sum, w.services[slot].forward, 0);
      add(sum, w.services[slot].reply, 2);
      sum[4] += w.services[slot].new_flows.read();
      sum[5] += w.services[slot].no_endpoint.read();
      return;
    case Baselines::kEndpoints:
      if (w.endpoints == nullptr) return;
      add(sum, w.endpoints[slot].forward, 0);
      add(sum, w.endpoints[slot].reply, 2);
      sum[4] += w.endpoints[slot].new_flows.read();
      return;
    case Baselines::kRules:
      if (w.rules != nullptr) add(sum, w.rules[slot], 0);
      return;
    case Baselines::kLimits:
      if (w.limits == nullptr) return;
      add(sum, w.limits[slot].passed, 0);
      add(sum, w.limits[slot].exceeded, 2);
      sum[4] += w.limits[slot].shadowed.read();
      return;
    case Baselines::kEgresses:
      if (w.egresses == nullptr) return;
      add(sum, w.egresses[slot].out, 0);
      add(sum, w.egresses[slot].in, 2);
      sum[4] += w.egresses[slot].exhausted.read();
      return;
    case Baselines::kMirrors:
      if (w.mirrors == nullptr) return;
      add(sum, w.mirrors[slot].copied, 0);
      sum[2] += w.mirrors[slot].lost.read();
      return;
    case Baselines::kTables:
      return;
  }
}

Numbers sum_of(const Counters& counters, Baselines::Table table, uint32_t slot) {
  Numbers sum{};
  for (const auto* worker : counters) add_worker(sum, *worker, table, slot);
  return sum;
}

struct Reader {
  const Source& source;
  const Baselines::Marks marks = source.baselines ? source.baselines->marks() : Baselines::Marks{};

  Numbers read(Baselines::Table table, uint32_t slot) const {
    Numbers sum = sum_of(source.counters, table, slot);
    if (const auto at = marks[table].find(slot); at != marks[table].end()) {
      for (size_t i = 0; i < sum.size(); ++i) sum[i] -= at->second[i];
    }
    return sum;
  }
};

std::string with_port(const base::IpAddress& address, uint16_t port) {
  if (port == 0) return address.to_string();
  std::string out;
  if (address.is_v6()) out += '[';
  out += address.to_string();
  if (address.is_v6()) out += ']';
  return out.append(":").append(std::to_string(port));
}

void read_worker(WorkerStats& out, const flow::WorkerCounters& w) {
  out.busy_cycles = w.busy_cycles.read();
  out.idle_cycles = w.idle_cycles.read();
  const uint64_t cycles = out.busy_cycles + out.idle_cycles;
  out.busy = cycles == 0 ? 0 : static_cast<double>(out.busy_cycles) / static_cast<double>(cycles);
  out.rounds = w.rounds.read();
  out.empty_rounds = w.empty_rounds.read();
  out.received = w.received.read();
  out.from_workers = w.from_workers.read();
  out.from_control = w.from_control.read();
  out.generated = w.generated.read();
  out.transmitted = w.transmitted.read();
  out.to_workers = w.to_workers.read();
  out.punted = w.punted.read();
  out.terminated = w.terminated.read();
  out.merged = w.merged.read();
  for (const auto& drops : w.drops) out.dropped += drops.read();
  out.held = w.held.read();
  out.flows = w.flows.read();
  out.flows_capacity = w.flows_capacity.read();
  out.exact_flows = w.exact_flows.read();
  out.exact_capacity = w.exact_capacity.read();
  out.sources = w.sources.read();
  out.sources_capacity = w.sources_capacity.read();
  out.neighbours = w.neighbours.read();
  out.fragments_held = w.fragments_held.read();
  out.flows_created = w.flows_created.read();
  out.flows_expired = w.flows_expired.read();
  out.flows_evicted = w.flows_evicted.read();
  out.flows_refused = w.flows_refused.read();
  out.icmp_sent = w.icmp_sent.read();
  out.icmp_suppressed = w.icmp_suppressed.read();
  out.capture_lost = w.capture_lost.read();
  out.trace_lost = w.trace_lost.read();
  out.log_lost = w.log_lost.read();
}

// What is counted by an enumeration and not by objects of the configuration.
void read_engine(const Source& source, Snapshot& out) {
  for (size_t i = 0; i < source.stages.size() && i < flow::kMaxStages; ++i) {
    StageStats stage;
    stage.name = source.stages[i];
    for (const auto* w : source.counters) {
      stage.packets += w->stages[i].packets.read();
      stage.sampled_packets += w->stages[i].sampled_packets.read();
      stage.sampled_cycles += w->stages[i].sampled_cycles.read();
    }
    if (stage.sampled_packets != 0) {
      stage.cycles_per_packet = static_cast<double>(stage.sampled_cycles) / static_cast<double>(stage.sampled_packets);
    }
    out.stages.push_back(std::move(stage));
  }
  for (size_t i = 1; i < flow::kDropReasons; ++i) {
    const auto& info = flow::info(static_cast<flow::DropReason>(i));
    DropStats drop{info.name, info.sentence, flow::to_string(info.severity), 0};
    for (const auto* w : source.counters) drop.packets += w->drops[i].read();
    out.drops.push_back(std::move(drop));
  }
  for (size_t i = 1; i < flow::kFlowStateIds; ++i) {
    FlowStateStats state{flow::to_string(static_cast<flow::FlowStateId>(i)), 0};
    for (const auto* w : source.counters) state.flows += w->flows_by_state[i].read();
    out.flows_by_state.push_back(std::move(state));
  }
}

void read_interfaces(const Source& source, Snapshot& out) {
  if (!source.generation->interfaces) return;
  for (const auto& interface : source.generation->interfaces->by_id) {
    if (interface.id == flow::kNoInterface || interface.is_twin) continue;
    InterfaceStats stats{interface.name, {}, {}};
    for (const auto* w : source.counters) {
      const auto& counters = w->interfaces[interface.id];
      stats.rx.packets += counters.rx.packets.read();
      stats.rx.bytes += counters.rx.bytes.read();
      stats.tx.packets += counters.tx.packets.read();
      stats.tx.bytes += counters.tx.bytes.read();
    }
    out.interfaces.push_back(std::move(stats));
  }
}

void read_services(const Reader& reader, Snapshot& out) {
  if (!reader.source.generation->services) return;
  const auto& entries = reader.source.generation->services->entries();
  out.services.reserve(entries.size());
  for (const auto& entry : entries) {
    ServiceStats& service = out.services.emplace_back();
    const Numbers n = reader.read(Baselines::kServices, entry->slot);
    service.name = entry->name;
    service.address = with_port(entry->address, entry->port);
    service.protocol = entry->protocol;
    service.mode = entry->mode;
    service.balancing = entry->balancing;
    service.forward = {n[0], n[1]};
    service.reply = {n[2], n[3]};
    service.new_flows = n[4];
    service.no_endpoint = n[5];
    service.endpoints.reserve(entry->endpoints.size());
    for (const auto& endpoint : entry->endpoints) {
      const Numbers e = reader.read(Baselines::kEndpoints, endpoint.slot);
      uint64_t active = 0;
      for (const auto* w : reader.source.counters) {
        if (w->endpoints != nullptr) active += w->endpoints[endpoint.slot].active_flows.read();
      }
      service.endpoints.push_back({with_port(endpoint.address, endpoint.port),
                                   endpoint.state,
                                   endpoint.weight,
                                   {e[0], e[1]},
                                   {e[2], e[3]},
                                   e[4],
                                   active});
    }
  }
}

void read_policies(const Reader& reader, Snapshot& out) {
  const flow::Generation& generation = *reader.source.generation;
  if (generation.filter) {
    for (const auto& rule : generation.filter->rules()) {
      const Numbers n = reader.read(Baselines::kRules, rule.slot);
      out.rules.push_back({rule.name, rule.action, {n[0], n[1]}, rule.shadow});
    }
  }
  if (generation.limits) {
    for (const auto& limit : generation.limits->by_slot) {
      if (limit.per_second == 0) continue;
      const Numbers n = reader.read(Baselines::kLimits, limit.slot);
      out.limits.push_back({limit.name,
                            limit.unit,
                            limit.bucket,
                            limit.per_second,
                            limit.burst,
                            limit.mark,
                            {n[0], n[1]},
                            {n[2], n[3]},
                            n[4]});
    }
  }
  for (const auto& egress : generation.egresses) {
    const Numbers n = reader.read(Baselines::kEgresses, egress.slot);
    EgressStats& stats = out.egresses.emplace_back(EgressStats{egress.name, {n[0], n[1]}, {n[2], n[3]}, 0, n[4]});
    for (const auto* w : reader.source.counters) {
      if (w->egresses != nullptr) stats.mappings += w->egresses[egress.slot].mappings.read();
    }
  }
  for (const auto& mirror : generation.mirrors) {
    if (mirror.name.empty()) continue;  // an unused slot
    const Numbers n = reader.read(Baselines::kMirrors, mirror.slot);
    out.mirrors.push_back({mirror.name, {n[0], n[1]}, n[2]});
  }
}

void read_identity_pairs(const Source& source, Snapshot& out) {
  const flow::IdentityTable& identities = *source.generation->identities;
  std::map<std::pair<flow::Identity, flow::Identity>, IdentityPairStats> sums;
  IdentityPairStats others{"_other", "_other"};
  const auto add_to = [](IdentityPairStats& sum, const flow::IdentityPair& pair) {
    sum.allowed += pair.allowed.read();
    sum.denied += pair.denied.read();
    sum.shadowed += pair.shadowed.read();
  };
  for (const auto* w : source.counters) {
    add_to(others, w->identity_pairs.others());
    for (const flow::IdentityPair& pair : w->identity_pairs) {
      if (pair.key.read() == 0) continue;
      const auto at = sums.find({pair.from(), pair.to()});
      // Each worker has a table of its own; together they stay below the bound too.
      if (at == sums.end() && sums.size() == flow::kMaxIdentityPairs) {
        add_to(others, pair);
      } else {
        add_to(at != sums.end() ? at->second : sums[{pair.from(), pair.to()}], pair);
      }
    }
  }
  for (auto& [pair, sum] : sums) {
    sum.from = identities.name_of(pair.first);
    sum.to = identities.name_of(pair.second);
    out.identity_pairs.push_back(std::move(sum));
  }
  if (others.allowed + others.denied + others.shadowed != 0) out.identity_pairs.push_back(std::move(others));
}

// Calls appeared(slot) for every slot of `next` whose name is not the one it had in `before`.
template <typename List, typename F>
void for_new_names(const List* before, const List& next, F&& appeared) {
  std::unordered_map<uint32_t, const std::string*> names;
  if (before != nullptr) {
    for (const auto& item : *before) names[item.slot] = &item.name;
  }
  for (const auto& item : next) {
    const auto at = names.find(item.slot);
    if (at == names.end() || *at->second != item.name) appeared(item.slot);
  }
}

}  // namespace

void Baselines::mark(Table table, uint32_t slot, const Counters& counters) {
  const Numbers now = sum_of(counters, table, slot);
  if (now == Numbers{}) {
    marks_[table].erase(slot);
  } else {
    marks_[table][slot] = now;
  }
}

void Baselines::on_publish(const flow::Generation* before, const flow::Generation& next, const Counters& counters) {
  const std::lock_guard lock(mutex_);
  const auto* old_services = before ? before->services.get() : nullptr;
  if (next.services && next.services.get() != old_services) {
    for (const auto& entry : next.services->entries()) {
      const auto* old = old_services ? old_services->by_slot(entry->slot) : nullptr;
      if (old == entry.get()) continue;
      const bool same_service = old != nullptr && old->name == entry->name && old->address == entry->address;
      if (!same_service) mark(kServices, entry->slot, counters);
      std::unordered_map<uint32_t, const flow::Endpoint*> known;
      if (same_service) {
        for (const auto& endpoint : old->endpoints) known[endpoint.slot] = &endpoint;
      }
      for (const auto& endpoint : entry->endpoints) {
        const auto at = known.find(endpoint.slot);
        const bool same =
            at != known.end() && at->second->address == endpoint.address && at->second->port == endpoint.port;
        if (!same) mark(kEndpoints, endpoint.slot, counters);
      }
    }
  }
  const auto* old_filter = before ? before->filter.get() : nullptr;
  if (next.filter && next.filter.get() != old_filter) {
    for_new_names(old_filter ? &old_filter->rules() : nullptr, next.filter->rules(),
                  [&](uint32_t slot) { mark(kRules, slot, counters); });
  }
  const auto* old_limits = before ? before->limits.get() : nullptr;
  if (next.limits && next.limits.get() != old_limits) {
    for_new_names(old_limits ? &old_limits->by_slot : nullptr, next.limits->by_slot,
                  [&](uint32_t slot) { mark(kLimits, slot, counters); });
  }
  for_new_names(before ? &before->egresses : nullptr, next.egresses,
                [&](uint32_t slot) { mark(kEgresses, slot, counters); });
  for_new_names(before ? &before->mirrors : nullptr, next.mirrors,
                [&](uint32_t slot) { mark(kMirrors, slot, counters); });
}

Baselines::Marks Baselines::marks() const {
  const std::lock_guard lock(mutex_);
  return marks_;
}

Snapshot collect(Source source) {
  Snapshot out;
  for (size_t i = 0; i < source.workers.size() && i < source.counters.size(); ++i) {
    read_worker(source.workers[i], *source.counters[i]);
  }
  read_engine(source, out);
  if (source.generation) {
    read_interfaces(source, out);
    const Reader reader{source};
    read_services(reader, out);
    read_policies(reader, out);
    read_identity_pairs(source, out);
  }
  out.monotonic = source.monotonic;
  out.wall = source.wall;
  out.started = source.started;
  out.ports = std::move(source.ports);
  out.workers = std::move(source.workers);
  out.health = std::move(source.health);
  out.control = source.control;
  return out;
}

}  // namespace penstock::telemetry
