#include "gatewayd/engine_dataplane.h"

#include <rte_ethdev.h>

#include <thread>

namespace penstock::gatewayd {

namespace {

engine::WorkerPlan worker_plan(const model::Node& node) {
  engine::WorkerPlan plan;
  plan.cores = node.workers.cores;
  if (plan.cores.empty()) plan.cores = {std::thread::hardware_concurrency() - 1};
  plan.sizes = {node.workers.flows, node.workers.sources, node.workers.exact_flows, node.workers.neighbours,
                node.fragment_datagrams};
  plan.buffers = node.workers.buffers;
  return plan;
}

host::Sizes host_sizes(const model::Node& node) {
  return {.connections = node.workers.connections,
          .requests = node.workers.requests,
          .stream_mebibytes = node.workers.stream_mebibytes,
          .half_open = node.workers.half_open};
}

std::vector<engine::PortPlan> port_plans(const model::Node& node) {
  std::vector<engine::PortPlan> plans;
  for (const model::Interface& each : node.interfaces) {
    engine::PortPlan plan;
    plan.request.interface = each.name;
    plan.request.device = each.device;
    plan.request.queues = each.queues;
    plan.request.mtu = each.mtu;
    plan.request.has_mac = each.mac.has_value();
    plan.request.mac = each.mac.value_or(base::MacAddress{});
    plan.request.promiscuous = each.promiscuous;
    plan.twin = each.twin;
    plan.addresses = each.addresses;
    plans.push_back(std::move(plan));
  }
  return plans;
}

loop::PortInfo info_of(const engine::Port& port) {
  const engine::LinkState link = engine::link_of(port.id);
  loop::PortInfo info;
  info.interface = port.interface;
  info.port = port.id;
  info.twin_port = port.twin;
  info.mac = port.mac;
  info.driver = port.driver;
  info.rx_queues = port.rx_queues;
  info.tx_queues = port.tx_queues;
  info.max_mtu = port.max_mtu;
  info.link_up = link.up;
  info.speed_mbps = link.speed_mbps;
  info.rss = port.rss;
  return info;
}

}  // namespace

model::FieldErrors EngineDataplane::prepare(const model::Node& node, std::vector<loop::PortInfo>& ports) {
  model::FieldErrors errors;
  // What the engine says of the other sizes.
  if (!hosts_.plan(host_sizes(node)))
    return {{"Node/" + node.name, "spec.workers",
             "the worker set of a running gateway cannot change; restart penstock-gatewayd to apply it"}};
  for (engine::PlanError& e : engine_.prepare(worker_plan(node), port_plans(node), node.crypto_devices))
    errors.push_back({"Node/" + node.name, std::move(e.path), std::move(e.reason)});
  ports.clear();
  if (!errors.empty()) return errors;
  const std::vector<loop::PortInfo> open = this->ports();
  for (const model::Interface& each : node.interfaces)
    for (const loop::PortInfo& info : open)
      if (info.interface == each.name) ports.push_back(info);
  return errors;
}

void EngineDataplane::publish(std::shared_ptr<const flow::Generation> generation) {
  on_publish_(live().get(), *generation);
  engine_.publish(generation.get());
  const std::lock_guard lock(live_lock_);
  live_ = std::move(generation);
}

std::shared_ptr<const flow::Generation> EngineDataplane::live() const {
  const std::lock_guard lock(live_lock_);
  return live_;
}

void EngineDataplane::close_ports_not_in(const model::Node& node) {
  std::vector<std::string> keep;
  for (const model::Interface& each : node.interfaces) keep.push_back(each.name);
  engine_.close_ports_except(keep);
  // Those of a change that failed; else it has them already.
  if (!engine_.workers().empty()) engine_.set_crypto_devices(node.crypto_devices);
}

std::vector<loop::WorkerInfo> EngineDataplane::workers() const {
  std::vector<loop::WorkerInfo> infos;
  const std::vector<engine::Port> ports = engine_.ports();
  const auto& workers = engine_.workers();
  for (unsigned id = 0; id < workers.size(); ++id) {
    const auto& slot = engine_.slot().workers[id];
    loop::WorkerInfo info;
    info.id = id;
    info.core = workers[id]->core();
    info.generation = slot.adopted.load(std::memory_order_acquire);
    info.adopted_at = slot.adopted_at.load(std::memory_order_relaxed);
    info.running = slot.running.load(std::memory_order_acquire);
    for (const engine::Port& port : ports)
      for (uint16_t q = 0; q < port.rx_queues; ++q)
        if (q % workers.size() == id)
          info.queues.push_back(port.interface + (port.is_twin ? ".twin/" : "/") + std::to_string(q));
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<loop::PortInfo> EngineDataplane::ports() const {
  std::vector<loop::PortInfo> infos;
  for (const engine::Port& port : engine_.ports())
    if (!port.is_twin) infos.push_back(info_of(port));
  return infos;
}

loop::PortCounters EngineDataplane::port_counters(uint16_t port) const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(port, &stats) != 0) return {};
  loop::PortCounters counters;
  counters.rx_packets = stats.ipackets;
  counters.rx_bytes = stats.ibytes;
  counters.rx_missed = stats.imissed;
  counters.rx_errors = stats.ierrors;
  counters.rx_no_buffer = stats.rx_nombuf;
  counters.tx_packets = stats.opackets;
  counters.tx_bytes = stats.obytes;
  counters.tx_errors = stats.oerrors;
  return counters;
}

const flow::WorkerCounters& EngineDataplane::counters(unsigned worker) const {
  return *engine_.workers()[worker]->state().counters;
}

unsigned EngineDataplane::owner_of(const flow::FlowKey& key) const {
  return flow::owner_of(flow::owner_hash(key), static_cast<unsigned>(engine_.workers().size()));
}

bool EngineDataplane::submit(unsigned worker, flow::Command* command) {
  return engine_.workers()[worker]->submit(command);
}

size_t EngineDataplane::poll_events(size_t most, const std::function<void(const flow::Event&)>& sink) {
  size_t taken = 0;
  for (const auto& worker : engine_.workers()) {
    auto& ring = worker->state().events;
    for (; taken < most; ++taken) {
      const flow::Event* event = ring.front();
      if (event == nullptr) break;
      sink(*event);
      ring.release();
    }
  }
  return taken;
}

void EngineDataplane::run_on_all(const std::function<std::unique_ptr<flow::Command>()>& make) {
  for (const auto& worker : engine_.workers()) {
    const auto command = make();
    while (!worker->submit(command.get())) std::this_thread::yield();
    while (!command->done()) std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

}  // namespace penstock::gatewayd
