// Latency that a polling worker adds: one worker on core 1 between two DPDK ring devices, generator and receiver on
// core 0. First the highest rate without loss, then half of it, open loop: a packet's latency counts from the time at
// which it was due, so a stall is charged to every packet that it made late. The rings joined directly are the
// harness's own cost. Figures in microseconds; three runs, since the cores may be shared.
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/bench_main.h"
#include "engine/buffers.h"
#include "engine/worker.h"
#include "wire/build.h"

namespace penstock::engine {
namespace {

constexpr unsigned kRing = 1024;       // as many descriptors as a port of the gateway has
constexpr size_t kStampAt = 44;        // in the UDP payload
constexpr uint16_t kFrame = 60;        // 64 bytes on the wire
constexpr double kTrialSeconds = 0.1;  // of the search for the highest rate
constexpr double kRunSeconds = 2;
constexpr base::MacAddress kOwn{{2, 0, 0, 0, 0, 1}}, kHost{{2, 0, 0, 0, 0, 9}};

base::Prefix net(const char* text) { return base::Prefix::parse(text).value(); }
base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }

rte_mempool* pool() {
  static rte_mempool* made = rte_pktmbuf_pool_create(
      "latency", 16383, 256, RTE_ALIGN(sizeof(Carry), RTE_MBUF_PRIV_ALIGN), kStandardRoom, SOCKET_ID_ANY);
  return made;
}

rte_ring* ring(const char* name) { return rte_ring_create(name, kRing, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ); }

bool open_rings(const char* name, rte_ring* rx, rte_ring* tx, uint16_t& port) {
  const int id = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);
  if (id < 0) return false;
  port = static_cast<uint16_t>(id);
  const rte_eth_conf conf{};
  return rte_eth_dev_configure(port, 1, 1, &conf) == 0 &&
         rte_eth_rx_queue_setup(port, 0, kRing, 0, nullptr, pool()) == 0 &&
         rte_eth_tx_queue_setup(port, 0, kRing, 0, nullptr) == 0 && rte_eth_dev_start(port) == 0;
}

// Offers frames to `in` and takes them from `out`.
class Harness {
 public:
  Harness(rte_ring* in, rte_ring* out, uint32_t flows, const char* destination) : in_(in), out_(out), frames_(flows) {
    for (uint32_t i = 0; i < flows; ++i) {
      std::vector<uint8_t> payload(kFrame - 42);
      wire::UdpPacket p;
      p.link = wire::Link{kOwn, kHost};
      p.ip = {.src = base::IpAddress::v4(0x0a000100u + i / 50000), .dst = ip(destination)};
      p.src_port = static_cast<uint16_t>(1024 + i % 50000);
      p.dst_port = 80;
      p.payload = payload;
      wire::build_udp(frames_[i], p);
    }
  }

  // True when everything that was due was accepted at once and came out again. Fills the latencies (cycles).
  bool offer(double rate, double seconds) {
    const double interval = static_cast<double>(base::cycles_per_second()) / rate;
    const auto total = static_cast<uint64_t>(rate * seconds);
    latencies_.clear();
    latencies_.reserve(total);
    bool refused = false;
    const base::Cycles start = base::read_cycles();
    for (uint64_t sent = 0; sent < total;) {
      const auto due = static_cast<uint64_t>(static_cast<double>(base::read_cycles() - start) / interval);
      const auto wanted = std::min<uint64_t>({due > sent ? due - sent : 0, total - sent, kBurst});
      const unsigned taken = send(sent, static_cast<unsigned>(wanted), start, interval);
      refused |= taken < wanted;
      sent += taken;
      receive();
    }
    const base::Cycles end = base::read_cycles() + base::cycles_per_second() / 20;
    while (latencies_.size() < total && base::read_cycles() < end) receive();
    return !refused && latencies_.size() == total;
  }

  double highest_rate() {
    double low = 0.05e6, high = 20e6;
    for (int i = 0; i < 9; ++i) {
      const double middle = (low + high) / 2;
      (offer(middle, kTrialSeconds) ? low : high) = middle;
    }
    return low;
  }

  void report(const char* name, double rate) {
    for (int run = 1; run <= 3; ++run) {
      const bool complete = offer(rate, kRunSeconds);
      std::sort(latencies_.begin(), latencies_.end());
      const auto at = [&](double share) {
        if (latencies_.empty()) return 0.0;
        const auto i = static_cast<size_t>(share * static_cast<double>(latencies_.size() - 1));
        return static_cast<double>(latencies_[i]) * 1e6 / static_cast<double>(base::cycles_per_second());
      };
      std::printf("%-16s %4d %8.2f %10.2f %10.2f %10.2f %10.2f  %s\n", name, run, rate / 1e6, at(0.5), at(0.99),
                  at(0.999), at(1), complete ? "" : "stalled or lost");
      std::fflush(stdout);
    }
  }

 private:
  unsigned send(uint64_t first, unsigned count, base::Cycles start, double interval) {
    rte_mbuf* burst[kBurst];
    if (count == 0 || rte_pktmbuf_alloc_bulk(pool(), burst, count) != 0) return 0;
    for (unsigned i = 0; i < count; ++i) {
      char* bytes = rte_pktmbuf_append(burst[i], kFrame);
      std::memcpy(bytes, frames_[(first + i) % frames_.size()].data(), kFrame);
      const base::Cycles intended = start + static_cast<base::Cycles>(static_cast<double>(first + i) * interval);
      std::memcpy(bytes + kStampAt, &intended, sizeof intended);
      carry_of(burst[i]) = Carry{};
    }
    const unsigned taken = rte_ring_enqueue_burst(in_, reinterpret_cast<void**>(burst), count, nullptr);
    rte_pktmbuf_free_bulk(burst + taken, count - taken);
    return taken;
  }

  void receive() {
    rte_mbuf* burst[kBurst];
    const unsigned count = rte_ring_dequeue_burst(out_, reinterpret_cast<void**>(burst), kBurst, nullptr);
    const base::Cycles now = base::read_cycles();
    for (unsigned i = 0; i < count; ++i) {
      base::Cycles intended;
      std::memcpy(&intended, rte_pktmbuf_mtod_offset(burst[i], char*, kStampAt), sizeof intended);
      latencies_.push_back(now > intended ? now - intended : 0);
    }
    rte_pktmbuf_free_bulk(burst, count);
  }

  rte_ring *in_, *out_;
  std::vector<std::array<uint8_t, kFrame>> frames_;
  std::vector<base::Cycles> latencies_;
};

// Port 0 in, port 1 out; a route, or a NAT service with ten endpoints, all next hops resolved.
flow::Generation make_generation(bool service) {
  auto interfaces = std::make_shared<flow::InterfaceTable>();
  interfaces->untagged.fill(flow::kNoInterface);
  std::vector<flow::RouteSpec> routes;
  const char* addresses[] = {"10.0.0.1/8", "192.0.2.1/24"};
  for (uint16_t i = 0; i < 2; ++i) {
    flow::Interface each;
    each.id = each.port = i;
    each.mac = kOwn;
    each.addresses = {net(addresses[i])};
    interfaces->untagged[i] = i;
    routes.push_back({net(addresses[i]).network(), flow::RouteKind::kConnected, {{i, {}}}, {}});
    routes.push_back({{net(addresses[i]).address, 32}, flow::RouteKind::kLocal, {{i, {}}}, {}});
    interfaces->by_id.push_back(each);
  }
  routes.push_back({net("198.18.0.0/16"), flow::RouteKind::kGateway, {{1, ip("192.0.2.9")}}, {}});
  auto entry = std::make_shared<flow::ServiceEntry>();
  entry->address = ip("203.0.113.80");
  entry->port = 80;
  entry->protocol = 17;
  for (uint16_t i = 0; i < 10; ++i) {
    flow::Endpoint e;
    e.slot = i;
    e.address = base::IpAddress::v4(0xc0000200u + 10 + i);
    e.port = 8080;
    entry->endpoints.push_back(e);
    entry->table.push_back(i);
  }
  std::vector<std::shared_ptr<const flow::ServiceEntry>> services;
  if (service) services.push_back(entry);
  flow::Generation g;
  g.number = 1;
  g.interfaces = interfaces;
  g.routes = flow::RouteTable::build(routes).value();
  g.services = std::make_shared<flow::ServiceTable>(services);
  g.filter = flow::Filter::build({}, {}).value();
  g.limits = std::make_shared<flow::LimitTable>();
  g.settings.poll = true;
  g.tracks = service;
  return g;
}

void through_worker(const char* name, uint32_t flows, bool service, rte_ring* in, rte_ring* out) {
  Mesh mesh(1);
  const auto buckets = std::make_unique<flow::SharedBucket[]>(flow::kMaxLimits);
  flow::SourceBuckets sources(1024);
  flow::GenerationSlot slot;
  const flow::Generation generation = make_generation(service);
  const WorkerSizes sizes{std::max(4096u, flows * 2), 4096, 1024, 256, 64};
  Worker worker(0, 1, mesh, sizes, buckets.get(), sources, pool(), flow::HashSecret{}, slot);
  for (uint16_t port = 0; port < 2; ++port) worker.state().transmit.open(port, 1);
  slot.current.store(&generation);
  worker.start();
  worker.set_queues({{0, 0}});
  for (uint32_t last = 9; last < 20; ++last) {
    flow::NeighbourCommand command;
    command.interface = 1;
    command.address = base::IpAddress::v4(0xc0000200u + last);
    command.mac = kHost;
    command.refresh_ms = 1u << 30;
    worker.submit(&command);
    while (!command.done()) rte_pause();
  }
  Harness harness(in, out, flows, service ? "203.0.113.80" : "198.18.0.5");
  harness.offer(0.5e6, 0.3);  // opens every flow
  harness.report(name, harness.highest_rate() / 2);
  worker.stop();
}

int run() {
  rte_ring *in = ring("in"), *out = ring("out"), *unused = ring("unused"), *direct = ring("direct");
  uint16_t first = 0, second = 0;
  if (pool() == nullptr || !open_rings("in", in, unused, first) || !open_rings("out", unused, out, second)) return 1;
  std::printf("%-16s %4s %8s %10s %10s %10s %10s\n", "name", "run", "Mpps", "p50 us", "p99 us", "p99.9 us", "max us");
  Harness harness(direct, direct, 1, "198.18.0.5");
  harness.report("harness", harness.highest_rate() / 2);
  through_worker("l3_forward", 1, false, in, out);
  through_worker("nat_100k", 100000, true, in, out);
  return 0;
}

}  // namespace
}  // namespace penstock::engine

int main() {
  cpu_set_t core;
  CPU_ZERO(&core);
  CPU_SET(0, &core);
  sched_setaffinity(0, sizeof core, &core);
  if (!penstock::bench::start_eal("2048")) return 1;
  const int status = penstock::engine::run();
  rte_eal_cleanup();
  return status;
}
