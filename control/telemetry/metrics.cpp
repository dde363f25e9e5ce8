#include "control/telemetry/metrics.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "control/telemetry/builder.h"

namespace penstock::telemetry {
namespace {

constexpr double kNano = 1e-9, kMicro = 1e-6;

void add_ports(const Snapshot& s, Builder& b) {
  for (const auto& p : s.ports) {
    const Labels port = {{"port", p.name}};
    b.gauge("penstock_port_up", "1 when the port's link is up.", port, p.link_up);
    b.gauge("penstock_port_speed_bytes", "Link speed in bytes per second; 0 when unknown.", port,
            p.speed_mbps * 1e6 / 8);
    b.counter("penstock_port_receive_packets_total", "Packets the device received.", port, p.rx.packets);
    b.counter("penstock_port_receive_bytes_total", "Frame bytes the device received.", port, p.rx.bytes);
    b.counter("penstock_port_transmit_packets_total", "Packets the device sent.", port, p.tx.packets);
    b.counter("penstock_port_transmit_bytes_total", "Frame bytes the device sent.", port, p.tx.bytes);
    b.counter("penstock_port_receive_missed_total", "Packets lost because receive queues were full.", port,
              p.rx_missed);
    b.counter("penstock_port_receive_errors_total", "Damaged packets.", port, p.rx_errors);
    b.counter("penstock_port_receive_no_buffer_total", "Receive buffers that could not be had.", port, p.rx_no_buffer);
    b.counter("penstock_port_transmit_errors_total", "Packets the device failed to send.", port, p.tx_errors);
    b.gauge("penstock_port_receive_queues", "Receive queues in use.", port, p.rx_queues);
    b.gauge("penstock_port_transmit_queues", "Transmit queues in use.", port, p.tx_queues);
  }
}

void add_worker_traffic(const WorkerStats& w, const Labels& worker, Builder& b) {
  const auto in = [&](const char* source, uint64_t n) {
    Labels labels = worker;
    labels.push_back({"source", source});
    b.counter("penstock_worker_packets_in_total", "Packets that came to the worker, by source.", labels, n);
  };
  in("device", w.received);
  in("worker", w.from_workers);
  in("control", w.from_control);
  in("generated", w.generated);
  const auto out = [&](const char* fate, uint64_t n) {
    Labels labels = worker;
    labels.push_back({"fate", fate});
    b.counter("penstock_worker_packets_out_total", "Packets that left the worker, by fate.", labels, n);
  };
  out("transmitted", w.transmitted);
  out("worker", w.to_workers);
  out("control", w.punted);
  out("terminated", w.terminated);
  out("merged", w.merged);
  out("dropped", w.dropped);
  b.gauge("penstock_worker_packets_held", "Packets waiting for fragments or neighbours.", worker,
          static_cast<double>(w.held));
}

void add_worker_tables(const WorkerStats& w, const Labels& worker, Builder& b) {
  const auto table = [&](const char* name, uint64_t used, uint64_t capacity) {
    Labels labels = worker;
    labels.push_back({"table", name});
    b.gauge("penstock_table_entries", "Entries in a worker's table.", labels, static_cast<double>(used));
    if (capacity != 0)
      b.gauge("penstock_table_capacity_entries", "Entries the table can hold.", labels, static_cast<double>(capacity));
  };
  table("flows", w.flows, w.flows_capacity);
  table("exact_flows", w.exact_flows, w.exact_capacity);
  table("sources", w.sources, w.sources_capacity);
  table("neighbours", w.neighbours, 0);
  table("fragments", w.fragments_held, 0);
  b.counter("penstock_flows_created_total", "Tracked flows that began.", worker, w.flows_created);
  b.counter("penstock_flows_expired_total", "Tracked flows that ended or timed out.", worker, w.flows_expired);
  b.counter("penstock_flows_evicted_total", "Tracked flows removed early to make room.", worker, w.flows_evicted);
  b.counter("penstock_flows_refused_total", "New flows not admitted because the table was full.", worker,
            w.flows_refused);
  b.counter("penstock_icmp_sent_total", "ICMP errors and answers sent.", worker, w.icmp_sent);
  b.counter("penstock_icmp_suppressed_total", "ICMP errors not sent because of the rate limit.", worker,
            w.icmp_suppressed);
  const auto lost = [&](const char* what, uint64_t n) {
    Labels labels = worker;
    labels.push_back({"watch", what});
    b.counter("penstock_watch_lost_total", "Packets that a capture, trace or log sample had no room for.", labels, n);
  };
  lost("capture", w.capture_lost);
  lost("trace", w.trace_lost);
  lost("log", w.log_lost);
}

void add_workers(const Snapshot& s, Builder& b) {
  for (const auto& w : s.workers) {
    const Labels worker = {{"worker", std::to_string(w.id)}};
    b.gauge("penstock_worker_up", "1 while the worker runs.", worker, w.running);
    b.gauge("penstock_worker_core", "CPU the worker is pinned to.", worker, w.core);
    b.gauge("penstock_worker_busy_ratio", "Share of cycles in rounds with packets, since the worker started.", worker,
            w.busy);
    b.counter("penstock_worker_busy_cycles_total", "Cycles in rounds with packets.", worker, w.busy_cycles);
    b.counter("penstock_worker_idle_cycles_total", "Cycles in rounds without packets, sleep included.", worker,
              w.idle_cycles);
    b.counter("penstock_worker_rounds_total", "Rounds.", worker, w.rounds);
    b.counter("penstock_worker_empty_rounds_total", "Rounds without packets.", worker, w.empty_rounds);
    b.gauge("penstock_worker_generation", "Configuration generation the worker uses.", worker,
            static_cast<double>(w.generation));
    for (const auto& queue : w.queues) {
      b.gauge("penstock_worker_queue_info", "1: the worker polls this queue.",
              {{"worker", std::to_string(w.id)}, {"queue", queue}}, 1);
    }
    add_worker_traffic(w, worker, b);
    add_worker_tables(w, worker, b);
  }
}

void add_engine(const Snapshot& s, Builder& b) {
  for (const auto& i : s.interfaces) {
    const Labels interface = {{"interface", i.name}};
    b.counter("penstock_interface_receive_packets_total", "Packets that came in by the interface.", interface,
              i.rx.packets);
    b.counter("penstock_interface_receive_bytes_total", "Bytes that came in by the interface.", interface, i.rx.bytes);
    b.counter("penstock_interface_transmit_packets_total", "Packets that left by the interface.", interface,
              i.tx.packets);
    b.counter("penstock_interface_transmit_bytes_total", "Bytes that left by the interface.", interface, i.tx.bytes);
  }
  for (const auto& stage : s.stages) {
    const Labels labels = {{"stage", stage.name}};
    b.counter("penstock_stage_packets_total", "Packets the stage looked at.", labels, stage.packets);
    b.counter("penstock_stage_sampled_packets_total", "Packets in the rounds whose cycles were measured.", labels,
              stage.sampled_packets);
    b.counter("penstock_stage_sampled_cycles_total", "Cycles of the stage in the rounds that were measured.", labels,
              stage.sampled_cycles);
  }
  for (const auto& drop : s.drops) {
    b.counter("penstock_dropped_packets_total", "Packets dropped, by reason.",
              {{"reason", drop.reason}, {"severity", drop.severity}}, drop.packets);
  }
  for (const auto& state : s.flows_by_state) {
    b.gauge("penstock_flows", "Tracked flows, by state.", {{"state", state.state}}, static_cast<double>(state.flows));
  }
}

void add(Traffic& to, const Traffic& from) {
  to.packets += from.packets;
  to.bytes += from.bytes;
}

void add_directions(Builder& b, const Labels& labels, const Traffic& forward, const Traffic& reply, const char* packets,
                    const char* packets_help, const char* bytes, const char* bytes_help) {
  for (const auto& [direction, traffic] : {std::pair{"forward", forward}, std::pair{"reply", reply}}) {
    Labels with = labels;
    with.push_back({"direction", direction});
    b.counter(packets, packets_help, with, traffic.packets);
    b.counter(bytes, bytes_help, with, traffic.bytes);
  }
}

std::string protocol_of(uint8_t protocol) {
  switch (protocol) {
    case 0:
      return "any";
    case 6:
      return "tcp";
    case 17:
      return "udp";
    case 132:
      return "sctp";
    default:
      return std::to_string(protocol);
  }
}

// All three: a Service's port may stand at several addresses, and one number for TCP and UDP.
Labels labels_of(const ServiceStats& s) {
  return {{"service", s.name}, {"address", s.address}, {"protocol", protocol_of(s.protocol)}};
}

void add_service(const ServiceStats& s, Builder& b) {
  const Labels labels = labels_of(s);
  add_directions(b, labels, s.forward, s.reply, "penstock_service_packets_total", "Packets of a service, by direction.",
                 "penstock_service_bytes_total", "Bytes of a service, by direction.");
  b.counter("penstock_service_new_flows_total", "Flows that began.", labels, s.new_flows);
  b.counter("penstock_service_no_endpoint_total", "Packets that found no usable endpoint.", labels, s.no_endpoint);
  size_t ready = 0;
  for (const auto& e : s.endpoints) ready += e.state == flow::EndpointState::kReady;
  b.gauge("penstock_service_endpoints", "Endpoints of a service.", labels, static_cast<double>(s.endpoints.size()));
  b.gauge("penstock_service_ready_endpoints", "Endpoints that get new flows.", labels, static_cast<double>(ready));
}

void add_endpoint(const ServiceStats& service, const EndpointStats& e, Builder& b) {
  Labels labels = labels_of(service);
  labels.push_back({"endpoint", e.address});
  add_directions(b, labels, e.forward, e.reply, "penstock_endpoint_packets_total",
                 "Packets of an endpoint, by direction.", "penstock_endpoint_bytes_total",
                 "Bytes of an endpoint, by direction.");
  b.counter("penstock_endpoint_new_flows_total", "Flows that began.", labels, e.new_flows);
  b.gauge("penstock_endpoint_active_flows", "Flows at the endpoint now.", labels, static_cast<double>(e.active_flows));
  b.gauge("penstock_endpoint_ready", "1 when the endpoint gets new flows.", labels,
          e.state == flow::EndpointState::kReady);
}

void add_services(const Snapshot& s, Builder& b) {
  ServiceStats others;
  EndpointStats other_endpoints;
  others.name = others.address = other_endpoints.address = "_other";
  size_t services = 0, endpoints = 0;
  for (const auto& service : s.services) {
    const bool own = services++ < kMaxServiceSeries;
    if (own) add_service(service, b);
    for (const auto& endpoint : service.endpoints) {
      if (own && endpoints++ < kMaxEndpointSeries) {
        add_endpoint(service, endpoint, b);
        continue;
      }
      add(other_endpoints.forward, endpoint.forward);
      add(other_endpoints.reply, endpoint.reply);
      other_endpoints.new_flows += endpoint.new_flows;
      other_endpoints.active_flows += endpoint.active_flows;
      endpoints = std::max(endpoints, kMaxEndpointSeries + 1);
    }
    if (own) continue;
    add(others.forward, service.forward);
    add(others.reply, service.reply);
    others.new_flows += service.new_flows;
    others.no_endpoint += service.no_endpoint;
    for (const auto& endpoint : service.endpoints) others.endpoints.push_back(endpoint);
  }
  if (services > kMaxServiceSeries) add_service(others, b);
  if (endpoints > kMaxEndpointSeries) add_endpoint(others, other_endpoints, b);
}

void add_rules(const Snapshot& s, Builder& b) {
  const auto one = [&](const std::string& name, const Traffic& matched) {
    b.counter("penstock_rule_packets_total", "Packets that matched an access rule.", {{"rule", name}}, matched.packets);
    b.counter("penstock_rule_bytes_total", "Bytes that matched an access rule.", {{"rule", name}}, matched.bytes);
  };
  Traffic others;
  for (size_t i = 0; i < s.rules.size(); ++i) {
    if (i < kMaxRuleSeries) {
      one(s.rules[i].name, s.rules[i].matched);
    } else {
      add(others, s.rules[i].matched);
    }
  }
  if (s.rules.size() > kMaxRuleSeries) one("_other", others);
}

// Two numbers may have had the same name, one after the other: one series.
void add_identity_pairs(const Snapshot& s, Builder& b) {
  std::map<std::pair<std::string, std::string>, IdentityPairStats> by_name;
  for (const IdentityPairStats& each : s.identity_pairs) {
    IdentityPairStats& sum = by_name[{each.from, each.to}];
    sum.allowed += each.allowed;
    sum.denied += each.denied;
    sum.shadowed += each.shadowed;
  }
  for (const auto& [names, pair] : by_name) {
    for (const auto& [decision, count] :
         {std::pair{"allowed", pair.allowed}, std::pair{"denied", pair.denied}, std::pair{"shadow", pair.shadowed}}) {
      b.counter(
          "penstock_identity_pair_decisions_total",
          "Decisions of the access rules between two identities: flows let in and packets refused, or that a rule "
          "in shadow would have refused.",
          {{"from", names.first}, {"to", names.second}, {"decision", decision}}, count);
    }
  }
}

const char* unit_of(flow::LimitUnit unit) {
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
  return "?";
}

void add_limits(const Snapshot& s, Builder& b) {
  const auto one = [&](const std::string& name, const Traffic& passed, const Traffic& exceeded) {
    for (const auto& [result, traffic] : {std::pair{"passed", passed}, std::pair{"exceeded", exceeded}}) {
      const Labels labels = {{"limit", name}, {"result", result}};
      b.counter("penstock_limit_packets_total", "Packets a rate limit measured.", labels, traffic.packets);
      b.counter("penstock_limit_bytes_total", "Bytes a rate limit measured.", labels, traffic.bytes);
    }
  };
  const auto requests = [&](const LimitStats& limit) {
    for (const auto& [verdict, n] :
         {std::pair{"allowed", limit.passed.packets}, {"limited", limit.exceeded.packets}, {"shadow", limit.shadowed}})
      b.counter("penstock_l7_limit_total",
                "Requests that a rate limit passed, refused, or, in shadow, would have refused.",
                {{"limit", limit.name}, {"verdict", verdict}}, n);
  };
  Traffic passed, exceeded;
  for (size_t i = 0; i < s.limits.size(); ++i) {
    const auto& limit = s.limits[i];
    if (i < kMaxLimitSeries && limit.unit == flow::LimitUnit::kRequests) {
      requests(limit);
      b.gauge("penstock_limit_rate", "Configured rate, in units per second.",
              {{"limit", limit.name}, {"unit", unit_of(limit.unit)}}, limit.rate);
    } else if (i < kMaxLimitSeries) {
      one(limit.name, limit.passed, limit.exceeded);
      b.gauge("penstock_limit_rate", "Configured rate, in units per second.",
              {{"limit", limit.name}, {"unit", unit_of(limit.unit)}}, limit.rate);
    } else {
      add(passed, limit.passed);
      add(exceeded, limit.exceeded);
    }
  }
  if (s.limits.size() > kMaxLimitSeries) one("_other", passed, exceeded);
}

void add_egresses_and_mirrors(const Snapshot& s, Builder& b) {
  for (const auto& e : s.egresses) {
    add_directions(b, {{"egress", e.name}}, e.out, e.in, "penstock_egress_packets_total",
                   "Translated packets, by direction.", "penstock_egress_bytes_total",
                   "Translated bytes, by direction.");
    b.gauge("penstock_egress_mappings", "Address and port mappings in use.", {{"egress", e.name}},
            static_cast<double>(e.mappings));
    b.counter("penstock_egress_exhausted_total", "Flows that found no free port in the pool.", {{"egress", e.name}},
              e.exhausted);
  }
  for (const auto& m : s.mirrors) {
    b.counter("penstock_mirror_packets_total", "Copies sent.", {{"mirror", m.name}}, m.copied.packets);
    b.counter("penstock_mirror_bytes_total", "Bytes of copies sent.", {{"mirror", m.name}}, m.copied.bytes);
    b.counter("penstock_mirror_lost_total", "Copies not made for lack of buffers.", {{"mirror", m.name}}, m.lost);
  }
}

void add_associations(const Snapshot& s, Builder& b) {
  for (size_t i = 0; i < s.associations.size() && i < kMaxAssociationSeries; ++i) {
    const AssociationStats& a = s.associations[i];
    char spi[16];
    std::snprintf(spi, sizeof spi, "0x%08x", a.spi);
    const Labels labels = {{"peer", a.peer},     {"direction", a.direction},
                           {"spi", spi},         {"worker", std::to_string(a.worker)},
                           {"cipher", a.cipher}, {"path", a.path}};
    b.counter("penstock_association_packets_total", "Packets encrypted, or decrypted and found in order.", labels,
              a.done.packets);
    b.counter("penstock_association_bytes_total", "Bytes encrypted, or decrypted and found in order.", labels,
              a.done.bytes);
    for (const auto& [reason, packets] : a.refused)
      b.counter("penstock_association_refused_total", "Packets refused, by reason.",
                {{"peer", a.peer}, {"direction", a.direction}, {"spi", spi}, {"reason", reason}}, packets);
  }
}

void add_crypto_devices(const Snapshot& s, Builder& b) {
  for (const CryptoDeviceStats& device : s.crypto_devices)
    b.gauge("penstock_crypto_device_up", "0: the device failed, and its associations go on without it.",
            {{"device", device.name}}, device.up);
}

void add_links(const Snapshot& s, Builder& b) {
  for (const LinkStats& link : s.links) {
    b.gauge("penstock_peer_link_up", "1 while there are agreed keys in both directions.", {{"peer", link.peer}},
            link.up);
    for (const auto& [direction, n] : {std::pair{"out", link.agreed_outbound}, std::pair{"in", link.agreed_inbound}})
      b.counter("penstock_peer_link_agreed_total", "How often keys were agreed.",
                {{"peer", link.peer}, {"direction", direction}}, n);
    b.gauge("penstock_peer_link_differences", "Prefixes that only one of the two gateways sees behind one of them.",
            {{"peer", link.peer}}, link.differences);
    b.counter("penstock_peer_link_failures_total", "Calls to the peer that failed.", {{"peer", link.peer}},
              link.failures);
  }
  b.gauge("penstock_peer_link_connections", "Connections that other gateways, or others, have to PeerLink.", {},
          s.link_connections);
  for (const auto& [reason, n] : s.link_refusals)
    b.counter("penstock_peer_link_refused_total", "Connections and offers of others that were refused.",
              {{"reason", reason}}, n);
}

void add_peers(const Snapshot& s, Builder& b) {
  for (const PeerStats& peer : s.peers) {
    b.gauge("penstock_peer_probe_interval_seconds",
            "Between two probes of the path in use: as configured, or stretched for the number of peers.",
            {{"peer", peer.name}}, static_cast<double>(peer.probe_interval) * kNano);
    b.gauge("penstock_peer_up", "1 while some path to the peer answers.", {{"peer", peer.name}}, peer.up);
    for (const PathStats& path : peer.paths) {
      const Labels labels = {{"peer", peer.name}, {"address", path.address}};
      b.gauge("penstock_peer_path_up", "1 while probes of the path are answered.", labels, path.up);
      b.gauge("penstock_peer_path_active", "1 for the path that is in use.", labels, path.active);
      if (path.round_trip != 0)
        b.gauge("penstock_peer_path_rtt_seconds", "Round trip through the tunnel, smoothed.", labels,
                static_cast<double>(path.round_trip) * kNano);
      b.gauge("penstock_peer_path_loss", "Share of the last 64 probes that were lost.", labels, path.loss);
      b.gauge("penstock_peer_path_mtu_bytes", "Longest datagram of the underlay.", labels, path.path_mtu);
      if (!path.mtu_state.empty()) {
        b.gauge("penstock_peer_path_mtu_confirmed_bytes",
                "Longest datagram that a probe has shown to pass; 0: none yet.", labels, path.confirmed_mtu);
        Labels state = labels;
        state.emplace_back("state", path.mtu_state);
        b.gauge("penstock_peer_path_mtu_state", "1, with the state of the search for the path MTU.", state, 1);
      }
      b.counter("penstock_peer_probes_total", "Probes sent.", labels, path.sent);
      b.counter("penstock_peer_probe_answers_total", "Probes answered.", labels, path.answered);
    }
  }
}

void add_control(const Snapshot& s, Builder& b, const std::string& version) {
  const ControlStats& c = s.control;
  b.gauge("penstock_build_info", "1, with the version as a label.", {{"version", version}}, 1);
  b.gauge("penstock_start_time_seconds", "When the gateway started, in seconds since 1970.", {},
          static_cast<double>(s.started) * kNano);
  b.counter("penstock_key_commits_total", "Tables of agreed keys that were handed to all workers.", {}, c.key_commits);
  b.counter("penstock_path_mtu_refused_total",
            "Messages about path MTUs that do not quote a live outbound SPI, or too many.", {}, c.path_mtu_refused);
  b.gauge("penstock_revision", "Applied revision of the configuration.", {}, static_cast<double>(c.revision));
  b.gauge("penstock_generation", "Published configuration generation.", {}, static_cast<double>(c.generation));
  b.gauge("penstock_generation_oldest", "Oldest generation that a worker may still read.", {},
          static_cast<double>(c.oldest_generation));
  b.counter("penstock_changes_applied_total", "Changes of the configuration that were applied.", {}, c.applied);
  b.counter("penstock_changes_refused_total", "Changes of the configuration that were refused.", {}, c.refused);
  b.gauge("penstock_last_compile_seconds", "How long the last generation took to compile.", {},
          static_cast<double>(c.last_compile_us) * kMicro);
  b.gauge("penstock_last_store_seconds", "How long the last revision took to store.", {},
          static_cast<double>(c.last_store_us) * kMicro);
  b.gauge("penstock_last_adopt_seconds", "From the last publication to the last worker's adoption.", {},
          static_cast<double>(c.last_adopt_us) * kMicro);
  b.counter("penstock_control_events_total", "Events that the workers handed to the control thread.", {}, c.events);
  b.gauge("penstock_neighbours", "Neighbours the control thread knows.", {}, static_cast<double>(c.neighbours));
  b.gauge("penstock_health_targets", "Endpoints with a health check.", {}, static_cast<double>(c.health_targets));
  b.gauge("penstock_health_down", "Endpoints whose health check failed.", {}, static_cast<double>(c.health_down));
  b.gauge("penstock_draining", "1 while the gateway refuses new flows.", {}, c.draining);
  b.gauge("penstock_session_key_timestamp_seconds",
          "When the key that seals sessions was made, or the file with it was written.", {}, c.session_key_since);
}

void add_health(const Snapshot& s, Builder& b) {
  for (size_t i = 0; i < s.health.size() && i < kMaxHealthSeries; ++i) {
    const auto& h = s.health[i];
    const Labels labels = {{"service", h.service}, {"endpoint", h.endpoint}, {"check", h.check}};
    if (h.known) b.gauge("penstock_health_up", "1 when the endpoint passed its health check.", labels, h.up);
    b.gauge("penstock_health_check_seconds", "Duration of the last check.", labels,
            static_cast<double>(h.last_duration) * kNano);
    for (const auto& [result, n] : {std::pair{"success", h.succeeded}, std::pair{"failure", h.failed}}) {
      Labels with = labels;
      with.push_back({"result", result});
      b.counter("penstock_health_checks_total", "Health checks that ended, by result.", with, n);
    }
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> to_metrics(const Snapshot& snapshot, const std::string& version,
                                                 const L7Stats& l7) {
  Builder builder;
  add_control(snapshot, builder, version);
  add_ports(snapshot, builder);
  add_workers(snapshot, builder);
  add_engine(snapshot, builder);
  add_services(snapshot, builder);
  add_rules(snapshot, builder);
  add_identity_pairs(snapshot, builder);
  add_limits(snapshot, builder);
  add_egresses_and_mirrors(snapshot, builder);
  add_associations(snapshot, builder);
  add_crypto_devices(snapshot, builder);
  add_links(snapshot, builder);
  add_peers(snapshot, builder);
  add_health(snapshot, builder);
  add_l7(l7, builder);
  return std::move(builder).take();
}

}  // namespace penstock::telemetry
