#include "engine/engine.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_log.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "engine/twin.h"

namespace penstock::engine {

namespace {

constexpr unsigned kDefaultMemoryMb =
    1024;  // buffers of the default size, routes of both families, and room to rebuild them
constexpr unsigned kCopyBuffers = 16384;  // packets of captures that nobody has read yet

unsigned free_huge_megabytes() {
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  unsigned pages = 0;
  file >> pages;
  return pages * 2;
}

flow::HashSecret draw_secret() {
  flow::HashSecret secret;
  if (getrandom(secret.word, sizeof secret.word, 0) != sizeof secret.word) secret = {};
  return secret;
}

}  // namespace

base::Result<std::unique_ptr<Engine>> Engine::start(const EngineOptions& options) {
  std::unique_ptr<Engine> engine(new Engine);
  if (!options.key_log.empty()) {
    auto opened = crypto::KeyLog::open(options.key_log);
    if (!opened) return base::Error{"--debug-esp-keys: " + opened.error()};
    engine->key_log_ = std::move(*opened);
  }
  const unsigned free_mb = free_huge_megabytes();
  engine->huge_pages_ = options.huge_pages && free_mb >= 256;
  const unsigned wanted = options.memory_mb != 0 ? options.memory_mb : kDefaultMemoryMb;
  std::vector<std::string> args = {"penstock",
                                   "--no-telemetry",
                                   "--lcores",
                                   "0@(0-" + std::to_string(sysconf(_SC_NPROCESSORS_ONLN) - 1) + ")",
                                   "--log-level=" + options.log_level,
                                   "--force-max-simd-bitwidth=512",  // lookups choose their widest form
                                   "-a",
                                   "0000:00:00.0"};  // probe nothing by itself: devices come from Node
  if (engine->huge_pages_) {
    args.push_back("--in-memory");  // memory grows page by page as pools and tables need it, and leaves no files
  } else {
    args.insert(args.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(wanted)});
  }
  std::vector<char*> argv;
  for (std::string& a : args) argv.push_back(a.data());
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
    return base::Error{std::string("DPDK cannot start: ") + rte_strerror(rte_errno) +
                       (geteuid() != 0 ? "; it needs root or CAP_NET_ADMIN, CAP_NET_RAW and CAP_IPC_LOCK" : "")};
  engine->make_host_ = options.make_host;
  engine->secret_ = draw_secret();
  engine->shared_buckets_ = std::make_unique<flow::SharedBucket[]>(flow::kMaxLimits);
  engine->shadow_buckets_ = std::make_unique<flow::SharedBucket[]>(flow::kMaxLimits);
  engine->shadow_sources_ = std::make_unique<flow::SourceBuckets>(1024);
  engine->shadow_mesh_ = std::make_unique<Mesh>(1);
  return engine;
}

Engine::~Engine() {
  for (auto& worker : workers_) worker->stop();
  for (const Port& port : ports_) {
    associations_->remove_port(port.id);
    close_port(port);
  }
  workers_.clear();
  rte_mempool_free(copies_);
}

std::vector<PlanError> Engine::start_workers(const WorkerPlan& plan) {
  if (auto pools = buffers_.create(plan.buffers); !pools) return {{"spec.workers.buffers", pools.error()}};
  copies_ = rte_pktmbuf_pool_create("copies", kCopyBuffers, kCacheSize, RTE_ALIGN(sizeof(Carry), RTE_MBUF_PRIV_ALIGN),
                                    kJumboRoom, SOCKET_ID_ANY);
  if (copies_ == nullptr)
    return {{"spec.workers", "no memory for capture buffers; reserve hugepages or raise --memory"}};
  mesh_ = std::make_unique<Mesh>(static_cast<unsigned>(plan.cores.size()));
  plan_ = plan;
  using Takers = flow::SourceBuckets::Takers;
  sources_ = std::make_unique<flow::SourceBuckets>(plan.sizes.sources * plan.cores.size(),
                                                   plan.cores.size() == 1 ? Takers::kOne : Takers::kMany);
  associations_ = std::make_unique<Associations>(
      static_cast<unsigned>(plan.cores.size()),
      [this](unsigned worker, auto table) { workers_[worker]->set_associations(std::move(table)); });
  associations_->log_keys(key_log_.get());
  for (unsigned id = 0; id < plan.cores.size(); ++id) {
    workers_.push_back(std::make_unique<Worker>(id, plan.cores[id], *mesh_, plan.sizes, shared_buckets_.get(),
                                                *sources_, buffers_.standard(), secret_, slot_));
    workers_.back()->state().watch.copies = copies_;
    if (make_host_) workers_.back()->set_host(make_host_(workers_.back()->state()));
  }
  for (auto& worker : workers_) worker->start();
  return {};
}

base::Result<void> Engine::open_twin(const PortPlan& plan, Port& port) {
  PortRequest request;
  request.interface = plan.request.interface;
  request.device = "net_tap" + std::to_string(port.id) + ",iface=" + plan.twin + ",mac=" + port.mac.to_string();
  request.mtu = std::min<uint16_t>(plan.request.mtu, RTE_ETHER_MTU);  // more than net_tap sends
  request.workers = plan.request.workers;
  auto twin = open_port(request, buffers_);
  if (!twin) return base::Error{twin.error()};
  twin->is_twin = true;
  port.twin = twin->id;
  if (auto up = set_up_twin(plan.twin, plan.addresses, request.mtu); !up) {
    close_port(*twin);
    return up;
  }
  ports_.push_back(*twin);
  return {};
}

std::vector<PlanError> Engine::prepare(const WorkerPlan& workers, const std::vector<PortPlan>& ports,
                                       const std::vector<std::string>& crypto_devices) {
  if (workers_.empty()) {
    if (auto errors = start_workers(workers); !errors.empty()) return errors;
  } else if (workers != plan_) {
    return {
        {"spec.workers", "the worker set of a running gateway cannot change; restart penstock-gatewayd to apply it"}};
  }
  std::vector<PortPlan> plans = ports;
  if (auto errors = plan_fakes(crypto_devices, plans); !errors.empty()) return errors;
  const std::vector<std::string> before = associations_->wanted_devices();
  if (auto errors = set_crypto_devices(crypto_devices); !errors.empty()) return errors;
  std::vector<PlanError> errors = open_ports(plans);
  if (!errors.empty()) associations_->set_devices(before);
  return errors;
}

// Those that are fake NICs belong to the port of an interface.
std::vector<PlanError> Engine::plan_fakes(const std::vector<std::string>& crypto_devices,
                                          std::vector<PortPlan>& plans) const {
  std::vector<PlanError> errors;
  const std::vector<Port> open = ports();
  for (size_t i = 0; i < crypto_devices.size(); ++i) {
    const std::string& device = crypto_devices[i];
    if (!device.starts_with(crypto::kFakeInline)) continue;
    const std::string name = device.substr(0, device.find(','));
    const auto settings = crypto::read_fake_inline(device.substr(std::min(name.size() + 1, device.size())));
    const auto refuse = [&](const std::string& reason) {
      errors.push_back({"spec.crypto.devices[" + std::to_string(i) + "].device", name + ": " + reason});
    };
    if (!settings) {
      refuse(settings.error());
      continue;
    }
    const auto plan = std::find_if(plans.begin(), plans.end(),
                                   [&](const PortPlan& each) { return each.request.interface == settings->interface; });
    if (plan == plans.end()) {
      refuse("there is no interface \"" + settings->interface + "\" with a device");
    } else if (!plan->request.fake_inline.empty()) {
      refuse("interface \"" + settings->interface + "\" has another one");
    } else {
      plan->request.fake_inline = device;
    }
  }
  for (const PortPlan& plan : plans)
    for (const Port& port : open)
      if (port.interface == plan.request.interface && !port.is_twin && port.fake_inline != plan.request.fake_inline)
        errors.push_back({"spec.crypto.devices", "interface \"" + port.interface + "\" is open, and " +
                                                     std::string(crypto::kFakeInline) +
                                                     " comes and goes with it; remove the interface first"});
  return errors;
}

std::vector<PlanError> Engine::set_crypto_devices(const std::vector<std::string>& crypto_devices) {
  std::vector<std::string> devices;
  std::vector<size_t> places;
  for (size_t i = 0; i < crypto_devices.size(); ++i) {
    if (crypto_devices[i].starts_with(crypto::kFakeInline)) continue;
    devices.push_back(crypto_devices[i]);
    places.push_back(i);
  }
  const auto fault = associations_->set_devices(devices);
  if (!fault) return {};
  // The whole list is the fault when it may not change.
  const size_t place = fault->index < places.size() ? places[fault->index] : 0;
  return {{"spec.crypto.devices[" + std::to_string(place) + "].device", fault->reason}};
}

std::vector<PlanError> Engine::open_ports(const std::vector<PortPlan>& plans) {
  std::vector<PlanError> errors;
  std::vector<Port> before = ports(), opened;
  for (size_t i = 0; i < plans.size(); ++i) {
    const PortPlan& plan = plans[i];
    const std::string path = "spec.interfaces[" + std::to_string(i) + "]";
    const auto open = std::find_if(before.begin(), before.end(),
                                   [&](const Port& p) { return p.interface == plan.request.interface && !p.is_twin; });
    if (open != before.end()) {
      if (open->device != plan.request.device || open->mtu != plan.request.mtu ||
          (open->twin != 0xffff) == plan.twin.empty())
        errors.push_back(
            {path, "device, mtu and exception of an open interface cannot change; remove the interface first"});
      continue;
    }
    PortRequest request = plan.request;
    request.workers = static_cast<unsigned>(workers_.size());
    auto port = open_port(request, buffers_);
    if (!port) {
      errors.push_back({path + ".device", port.error()});
      continue;
    }
    const std::lock_guard lock(ports_lock_);
    if (!plan.twin.empty()) {
      if (auto twin = open_twin(plan, *port); !twin) errors.push_back({path + ".exception.twin", twin.error()});
    }
    ports_.push_back(*port);
  }
  const std::vector<Port> now = ports();
  for (const Port& port : now) {
    const bool is_new = std::none_of(before.begin(), before.end(), [&](const Port& p) { return p.id == port.id; });
    if (!is_new) continue;
    if (errors.empty()) {
      connect_port(port);
    } else {
      close_port(port);
      const std::lock_guard lock(ports_lock_);
      std::erase_if(ports_, [&](const Port& p) { return p.id == port.id; });
    }
  }
  if (errors.empty()) spread_queues(Spread::kWhereChanged);
  return errors;
}

void Engine::connect_port(const Port& port) {
  rte_mempool* jumbo =
      port.mtu > kStandardMtu ? *buffers_.pool_for_mtu(port.mtu) : nullptr;  // it is open: there is one
  for (auto& worker : workers_) {
    WorkerState& w = worker->state();
    w.ports[port.id] = {port.rss, port.twin, jumbo, port.checksums, port.segments};
    if (port.inline_crypto != nullptr) {
      w.inline_ports.store(true, std::memory_order_relaxed);
      w.transmit.guard();
    }
    w.transmit.open(port.id, port.tx_queues, port.checksums);
  }
  if (port.inline_crypto != nullptr) associations_->add_port(port.inline_crypto);
}

void Engine::disconnect_port(const Port& port) {
  for (auto& worker : workers_) worker->state().transmit.close(port.id);
}

// Queue q of every port goes to worker q mod workers: with as many queues as workers, RSS delivers to the owner.
void Engine::spread_queues(Spread spread) {
  std::vector<std::vector<RxQueue>> lists(workers_.size());
  for (const Port& port : ports())
    for (uint16_t q = 0; q < port.rx_queues; ++q) lists[q % workers_.size()].push_back({port.id, q});
  for (size_t i = 0; i < workers_.size(); ++i)
    if (spread == Spread::kToAll || workers_[i]->queues() != lists[i]) workers_[i]->set_queues(lists[i]);
}

void Engine::close_ports_except(const std::vector<std::string>& interfaces) {
  std::vector<Port> closing;
  {
    const std::lock_guard lock(ports_lock_);
    std::erase_if(ports_, [&](const Port& p) {
      const bool keep = std::find(interfaces.begin(), interfaces.end(), p.interface) != interfaces.end();
      if (!keep) closing.push_back(p);
      return !keep;
    });
  }
  if (closing.empty()) return;
  for (const Port& port : closing) disconnect_port(port);
  // When every worker has taken its list, none polls the ports and none has frames for them left.
  spread_queues(Spread::kToAll);
  for (const Port& port : closing) {
    associations_->remove_port(port.id);
    close_port(port);
  }
}

uint64_t Engine::oldest_in_use() const {
  uint64_t oldest = UINT64_MAX;
  for (size_t i = 0; i < workers_.size(); ++i)
    if (slot_.workers[i].running.load(std::memory_order_acquire))
      oldest = std::min(oldest, slot_.workers[i].adopted.load(std::memory_order_acquire));
  return oldest;
}

std::vector<Port> Engine::ports() const {
  const std::lock_guard lock(ports_lock_);
  return ports_;
}

std::unique_ptr<Worker> Engine::make_shadow() {
  constexpr WorkerSizes kSmall{1024, 1024, 1024, 1024, 64};
  auto shadow = std::make_unique<Worker>(flow::kMaxWorkers - 1, 0, *shadow_mesh_, kSmall, shadow_buckets_.get(),
                                         *shadow_sources_, buffers_.standard(), secret_, shadow_slot_);
  shadow->state().explains = true;
  if (associations_) shadow->set_associations(associations_->without_any());
  for (const Port& port : ports()) shadow->state().transmit.open(port.id, 1);
  return shadow;
}

}  // namespace penstock::engine
