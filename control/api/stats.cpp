#include "control/api/stats.h"

#include <algorithm>

namespace penstock::api {

namespace {

using v1::StatsRequest;

const char* name_of(flow::LimitUnit unit) {
  switch (unit) {
    case flow::LimitUnit::kPackets:
      return "packets";
    case flow::LimitUnit::kBits:
      return "bits";
    case flow::LimitUnit::kConnections:
      return "connections";
    case flow::LimitUnit::kRequests:
      return "requests";
  }
  return "";
}

const char* name_of(flow::LimitBucket bucket) {
  switch (bucket) {
    case flow::LimitBucket::kAggregate:
      return "aggregate";
    case flow::LimitBucket::kSource:
      return "source";
    case flow::LimitBucket::kSourcePrefix:
      return "sourcePrefix";
    case flow::LimitBucket::kFlow:
      return "flow";
    case flow::LimitBucket::kDestination:
      return "destination";
  }
  return "";
}

const char* name_of(flow::ServiceMode mode) {
  switch (mode) {
    case flow::ServiceMode::kNat:
      return "nat";
    case flow::ServiceMode::kFullNat:
      return "fullnat";
    case flow::ServiceMode::kDsr:
      return "dsr";
    case flow::ServiceMode::kIpip:
      return "ipip";
  }
  return "";
}

const char* name_of(flow::Balancing balancing) {
  switch (balancing) {
    case flow::Balancing::kMaglev:
      return "maglev";
    case flow::Balancing::kRoundRobin:
      return "roundRobin";
    case flow::Balancing::kLeastConnections:
      return "leastConnections";
  }
  return "";
}

const char* name_of(flow::EndpointState state) {
  switch (state) {
    case flow::EndpointState::kReady:
      return "ready";
    case flow::EndpointState::kDraining:
      return "draining";
    case flow::EndpointState::kDown:
      return "down";
  }
  return "";
}

const char* name_of(flow::FilterAction action) {
  switch (action) {
    case flow::FilterAction::kAllow:
      return "allow";
    case flow::FilterAction::kDeny:
      return "deny";
    case flow::FilterAction::kReject:
      return "reject";
  }
  return "";
}

void put(const telemetry::Traffic& traffic, v1::Traffic& message) {
  message.set_packets(traffic.packets);
  message.set_bytes(traffic.bytes);
}

void put_port(const telemetry::PortStats& s, v1::PortStats& m) {
  m.set_name(s.name);
  m.set_driver(s.driver);
  m.set_link_up(s.link_up);
  m.set_speed_mbps(s.speed_mbps);
  m.set_rx_queues(s.rx_queues);
  m.set_tx_queues(s.tx_queues);
  put(s.rx, *m.mutable_rx());
  put(s.tx, *m.mutable_tx());
  m.set_rx_missed(s.rx_missed);
  m.set_rx_errors(s.rx_errors);
  m.set_rx_no_buffer(s.rx_no_buffer);
  m.set_tx_errors(s.tx_errors);
}

void put_worker(const telemetry::WorkerStats& s, v1::WorkerStats& m) {
  m.set_id(s.id);
  m.set_core(s.core);
  m.set_running(s.running);
  m.set_generation(s.generation);
  for (const std::string& queue : s.queues) m.add_queues(queue);
  m.set_busy(s.busy);
  m.set_busy_cycles(s.busy_cycles);
  m.set_idle_cycles(s.idle_cycles);
  m.set_rounds(s.rounds);
  m.set_empty_rounds(s.empty_rounds);
  m.set_received(s.received);
  m.set_from_workers(s.from_workers);
  m.set_from_control(s.from_control);
  m.set_generated(s.generated);
  m.set_transmitted(s.transmitted);
  m.set_to_workers(s.to_workers);
  m.set_punted(s.punted);
  m.set_terminated(s.terminated);
  m.set_merged(s.merged);
  m.set_dropped(s.dropped);
  m.set_held(s.held);
  m.set_flows(s.flows);
  m.set_flows_capacity(s.flows_capacity);
  m.set_exact_flows(s.exact_flows);
  m.set_exact_capacity(s.exact_capacity);
  m.set_sources(s.sources);
  m.set_sources_capacity(s.sources_capacity);
  m.set_neighbours(s.neighbours);
  m.set_fragments_held(s.fragments_held);
  m.set_flows_created(s.flows_created);
  m.set_flows_expired(s.flows_expired);
  m.set_flows_evicted(s.flows_evicted);
  m.set_flows_refused(s.flows_refused);
  m.set_icmp_sent(s.icmp_sent);
  m.set_icmp_suppressed(s.icmp_suppressed);
  m.set_capture_lost(s.capture_lost);
  m.set_trace_lost(s.trace_lost);
  m.set_log_lost(s.log_lost);
}

void put_service(const telemetry::ServiceStats& s, v1::ServiceStats& m) {
  m.set_name(s.name);
  m.set_address(s.address);
  m.set_protocol(s.protocol);
  m.set_mode(name_of(s.mode));
  m.set_balancing(name_of(s.balancing));
  put(s.forward, *m.mutable_forward());
  put(s.reply, *m.mutable_reply());
  m.set_new_flows(s.new_flows);
  m.set_no_endpoint(s.no_endpoint);
  for (const telemetry::EndpointStats& each : s.endpoints) {
    v1::EndpointStats& e = *m.add_endpoints();
    e.set_address(each.address);
    e.set_state(name_of(each.state));
    e.set_weight(each.weight);
    put(each.forward, *e.mutable_forward());
    put(each.reply, *e.mutable_reply());
    e.set_new_flows(each.new_flows);
    e.set_active_flows(each.active_flows);
  }
}

void put_health(const telemetry::HealthStats& s, v1::HealthStats& m) {
  m.set_service(s.service);
  m.set_endpoint(s.endpoint);
  m.set_check(s.check);
  m.set_known(s.known);
  m.set_up(s.up);
  m.set_succeeded(s.succeeded);
  m.set_failed(s.failed);
  m.set_last_duration_nanoseconds(s.last_duration);
}

void put_control(const telemetry::ControlStats& s, v1::ControlStats& m) {
  m.set_revision(s.revision);
  m.set_generation(s.generation);
  m.set_oldest_generation(s.oldest_generation);
  m.set_applied(s.applied);
  m.set_refused(s.refused);
  m.set_last_compile_microseconds(s.last_compile_us);
  m.set_last_store_microseconds(s.last_store_us);
  m.set_last_adopt_microseconds(s.last_adopt_us);
  m.set_events(s.events);
  m.set_neighbours(s.neighbours);
  m.set_health_targets(s.health_targets);
  m.set_health_down(s.health_down);
  m.set_draining(s.draining);
}

void put_workers(const telemetry::Snapshot& snapshot, v1::StatsResponse& m) {
  for (const auto& each : snapshot.workers) put_worker(each, *m.add_workers());
  for (const auto& each : snapshot.flows_by_state) {
    v1::FlowStateStats& state = *m.add_flows_by_state();
    state.set_state(each.state);
    state.set_flows(each.flows);
  }
}

void put_engine(const telemetry::Snapshot& snapshot, v1::StatsResponse& m, const auto& wants) {
  if (wants(StatsRequest::INTERFACES))
    for (const auto& each : snapshot.interfaces) {
      v1::InterfaceStats& out = *m.add_interfaces();
      out.set_name(each.name);
      put(each.rx, *out.mutable_rx());
      put(each.tx, *out.mutable_tx());
    }
  if (wants(StatsRequest::STAGES))
    for (const auto& each : snapshot.stages) {
      v1::StageStats& out = *m.add_stages();
      out.set_name(each.name);
      out.set_packets(each.packets);
      out.set_sampled_packets(each.sampled_packets);
      out.set_sampled_cycles(each.sampled_cycles);
      out.set_cycles_per_packet(each.cycles_per_packet);
    }
  if (wants(StatsRequest::DROPS))
    for (const auto& each : snapshot.drops) {
      v1::DropStats& out = *m.add_drops();
      out.set_reason(each.reason);
      out.set_sentence(each.sentence);
      out.set_severity(each.severity);
      out.set_packets(each.packets);
    }
}

void put_policies(const telemetry::Snapshot& snapshot, v1::StatsResponse& m, const auto& wants) {
  if (wants(StatsRequest::RULES))
    for (const auto& each : snapshot.rules) {
      v1::RuleStats& out = *m.add_rules();
      out.set_name(each.name);
      out.set_action(name_of(each.action));
      out.set_shadow(each.shadow);
      put(each.matched, *out.mutable_matched());
    }
  if (wants(StatsRequest::LIMITS))
    for (const auto& each : snapshot.limits) put_limit(each, *m.add_limits());
  if (wants(StatsRequest::EGRESSES))
    for (const auto& each : snapshot.egresses) {
      v1::EgressStats& out = *m.add_egresses();
      out.set_name(each.name);
      put(each.out, *out.mutable_out());
      put(each.in, *out.mutable_in());
      out.set_mappings(each.mappings);
      out.set_exhausted(each.exhausted);
    }
  if (wants(StatsRequest::MIRRORS))
    for (const auto& each : snapshot.mirrors) {
      v1::MirrorStats& out = *m.add_mirrors();
      out.set_name(each.name);
      put(each.copied, *out.mutable_copied());
      out.set_lost(each.lost);
    }
}

}  // namespace

void put_limit(const telemetry::LimitStats& s, v1::LimitUsage& m) {
  m.set_name(s.name);
  m.set_unit(name_of(s.unit));
  m.set_rate(s.rate);
  m.set_burst(s.burst);
  m.set_per(name_of(s.bucket));
  m.set_passed_packets(s.passed.packets);
  m.set_passed_bytes(s.passed.bytes);
  m.set_exceeded_packets(s.exceeded.packets);
  m.set_exceeded_bytes(s.exceeded.bytes);
  m.set_shadow_requests(s.shadowed);
}

bool wants(const google::protobuf::RepeatedField<int>& sections, StatsRequest::Section section) {
  const auto has = [&](int each) { return std::find(sections.begin(), sections.end(), each) != sections.end(); };
  return sections.empty() || has(StatsRequest::ALL) || has(section);
}

void put_stats(const telemetry::Snapshot& snapshot, const google::protobuf::RepeatedField<int>& sections,
               v1::StatsResponse& m) {
  const auto asked = [&](StatsRequest::Section section) { return wants(sections, section); };
  m.set_time(snapshot.wall);
  m.set_started(snapshot.started);
  put_control(snapshot.control, *m.mutable_control());
  if (asked(StatsRequest::PORTS))
    for (const auto& each : snapshot.ports) put_port(each, *m.add_ports());
  if (asked(StatsRequest::WORKERS)) put_workers(snapshot, m);
  put_engine(snapshot, m, asked);
  if (asked(StatsRequest::SERVICES))
    for (const auto& each : snapshot.services) put_service(each, *m.add_services());
  put_policies(snapshot, m, asked);
  if (asked(StatsRequest::HEALTH))
    for (const auto& each : snapshot.health) put_health(each, *m.add_health());
}

}  // namespace penstock::api
