// The whole stage list over prepared bursts of 64-byte packets, without devices: cycles per packet of routing, and of a
// destination-NAT service over 1, 1k, 100k and 1M flows, alone and with 1000 filter rules and limits; and of each
// stage, by the list's own sampling (which includes reading the clock, about 30 cycles a burst).
//
// Packets are rewritten in place; before each pass the bytes that the path changes are put back, which is part of the
// figure (a copy of 64 bytes a packet).
//
//   pipeline_bench --count=l3_forward/1000 --passes=2000    that many bursts and nothing else: perf/instructions.sh
#include <benchmark/benchmark.h>
#include <rte_mbuf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_main.h"
#include "engine/buffers.h"
#include "engine/pipeline.h"
#include "engine/worker.h"
#include "wire/build.h"

namespace penstock::engine {
namespace {

base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }
base::Prefix net(const char* text) { return base::Prefix::parse(text).value(); }
constexpr base::MacAddress kOwn{{2, 0, 0, 0, 0, 1}}, kHost{{2, 0, 0, 0, 0, 9}};

rte_mempool* pool() {
  static rte_mempool* made = rte_pktmbuf_pool_create("bench", 4095, 256, RTE_ALIGN(sizeof(Carry), RTE_MBUF_PRIV_ALIGN),
                                                     kStandardRoom, SOCKET_ID_ANY);
  return made;
}

struct Wants {
  bool service = false, policies = false;
};

// One interface in, one out, everything resolved.
class Bench {
 public:
  Bench(uint32_t flows, Wants wants) : mesh_(1), buckets_(new flow::SharedBucket[flow::kMaxLimits]) {
    const WorkerSizes sizes{std::max(4096u, flows * 2), 4096, 1024, 256, 64};
    worker_ = std::make_unique<Worker>(0, 0, mesh_, sizes, buckets_.get(), sources_, pool(), flow::HashSecret{}, slot_);
    worker_->state().transmit.sink = &sent_;
    worker_->state().transmit.open(0, 1);
    worker_->state().transmit.open(1, 1);
    publish(wants);
    resolve();
    prepare(flows, wants.service ? "203.0.113.80" : "198.18.0.5");
  }
  ~Bench() {
    drain();
    worker_->state().neighbours.drop_all(flow::DropReason::shutdown);
  }

  // One burst, the next of the prepared ones.
  void pass() {
    rte_mbuf* burst[kBurst];
    for (unsigned i = 0; i < kBurst; ++i) {
      if (next_ == frames_.size()) next_ = 0;
      rte_mbuf* m = rte_pktmbuf_alloc(pool());
      std::memcpy(rte_pktmbuf_append(m, kFrame), frames_[next_++].data(), kFrame);
      m->port = 0;
      m->ol_flags = 0;
      carry_of(m) = Carry{};
      burst[i] = m;
    }
    worker_->inject_burst(burst, kBurst);
    drain();
  }
  std::array<flow::StageCounters, flow::kMaxStages>& stages() { return worker_->state().counters->stages; }
  uint64_t dropped() const {
    uint64_t sum = 0;
    for (const auto& each : worker_->state().counters->drops) sum += each.read();
    return sum;
  }

 private:
  static constexpr uint16_t kFrame = 60;

  void drain() {
    for (const auto& each : sent_) rte_pktmbuf_free(each.mbuf);
    sent_.clear();
  }

  void publish(Wants wants) {
    auto interfaces = std::make_shared<flow::InterfaceTable>();
    interfaces->untagged.fill(flow::kNoInterface);
    std::vector<flow::RouteSpec> routes;
    const char* addresses[] = {"10.0.0.1/8", "192.0.2.1/24"};
    for (uint16_t i = 0; i < 2; ++i) {
      flow::Interface each;
      each.id = i;
      each.port = i;
      each.mac = kOwn;
      each.addresses = {net(addresses[i])};
      each.name = i == 0 ? "in" : "out";
      interfaces->untagged[i] = i;
      routes.push_back({net(addresses[i]).network(), flow::RouteKind::kConnected, {{i, {}}}, {}});
      routes.push_back({{net(addresses[i]).address, 32}, flow::RouteKind::kLocal, {{i, {}}}, {}});
      if (wants.policies && i == 0) each.limits = {0};
      interfaces->by_id.push_back(each);
    }
    routes.push_back({net("198.18.0.0/16"), flow::RouteKind::kGateway, {{1, ip("192.0.2.9")}}, {}});
    generation_.number = 1;
    generation_.interfaces = interfaces;
    generation_.routes = flow::RouteTable::build(routes).value();
    std::vector<std::shared_ptr<const flow::ServiceEntry>> services;
    if (wants.service) services.push_back(service());
    generation_.services = std::make_shared<flow::ServiceTable>(services);
    generation_.filter = flow::Filter::build(wants.policies ? rules() : std::vector<flow::FilterRule>{}, {}).value();
    auto limits = std::make_shared<flow::LimitTable>();
    if (wants.policies) {
      flow::Limit limit;
      limit.per_second = 1e9;
      limit.rate = flow::Rate::of(1e9, 5e6, base::cycles_per_second());
      limit.chunk = limit.rate.chunk(base::cycles_per_second());
      limits->by_slot = {limit};
      limits->any = true;
    }
    generation_.limits = limits;
    generation_.tracks = wants.service;
    slot_.current.store(&generation_);
    worker_->run_round();
  }

  static std::shared_ptr<const flow::ServiceEntry> service() {
    auto s = std::make_shared<flow::ServiceEntry>();
    s->address = ip("203.0.113.80");
    s->port = 80;
    s->protocol = 17;
    for (uint16_t i = 0; i < 10; ++i) {
      flow::Endpoint e;
      e.slot = i;
      e.address = base::IpAddress::v4(0xc0000200u + 10 + i);
      e.port = 8080;
      s->endpoints.push_back(e);
      s->table.push_back(i);
    }
    return s;
  }

  static std::vector<flow::FilterRule> rules() {
    std::vector<flow::FilterRule> out(1000);
    for (uint32_t i = 0; i < out.size(); ++i) {
      flow::RuleMatch match;
      match.src = {base::IpAddress::v4(0xac100000u + (i << 8)), 24};
      match.dst = net("0.0.0.0/0");
      match.protocol = 17;
      out[i].slot = i;
      out[i].action = flow::FilterAction::kDeny;
      out[i].matches = {match};
    }
    out.back().matches[0].src = net("0.0.0.0/0");
    out.back().action = flow::FilterAction::kAllow;
    return out;
  }

  void resolve() {
    for (uint32_t last = 9; last < 20; ++last) {
      flow::NeighbourCommand command;
      command.interface = 1;
      command.address = base::IpAddress::v4(0xc0000200u + last);
      command.mac = kHost;
      command.refresh_ms = 1u << 30;
      worker_->submit(&command);
      worker_->run_round();
    }
  }

  void prepare(uint32_t flows, const char* destination) {
    for (uint32_t i = 0; i < flows; ++i) {
      std::vector<uint8_t> frame(kFrame), payload(18);
      wire::UdpPacket p;
      p.link = wire::Link{kOwn, kHost};
      p.ip = {.src = base::IpAddress::v4(0x0a000100u + i / 50000), .dst = ip(destination)};
      p.src_port = static_cast<uint16_t>(1024 + i % 50000);
      p.dst_port = 80;
      p.payload = payload;
      wire::build_udp(frame, p);
      frames_.push_back(std::move(frame));
    }
  }

  Mesh mesh_;
  std::unique_ptr<flow::SharedBucket[]> buckets_;
  flow::SourceBuckets sources_{1024};
  flow::GenerationSlot slot_;
  flow::Generation generation_;
  std::vector<Transmit::SentFrame> sent_;
  std::unique_ptr<Worker> worker_;
  std::vector<std::vector<uint8_t>> frames_;
  size_t next_ = 0;
};

void run(benchmark::State& state, Wants wants) {
  const auto flows = static_cast<uint32_t>(state.range(0));
  Bench bench(flows, wants);
  for (uint32_t i = 0; i < flows; i += kBurst) bench.pass();  // opens every flow
  const uint64_t before = bench.dropped();
  std::array<uint64_t, Pipeline::kCount> cycles, sampled;
  for (size_t i = 0; i < Pipeline::kCount; ++i) {
    cycles[i] = bench.stages()[i].sampled_cycles.read();
    sampled[i] = bench.stages()[i].sampled_packets.read();
  }
  const base::Cycles start = base::read_cycles();
  for (auto _ : state) bench.pass();
  const auto packets = static_cast<double>(state.iterations()) * kBurst;
  state.counters["cycles/packet"] = static_cast<double>(base::read_cycles() - start) / packets;
  state.counters["dropped"] = static_cast<double>(bench.dropped() - before);
  for (size_t i = 0; i < Pipeline::kCount; ++i) {
    const auto count = static_cast<double>(bench.stages()[i].sampled_packets.read() - sampled[i]);
    if (count != 0)
      state.counters[Pipeline::kNames[i]] =
          static_cast<double>(bench.stages()[i].sampled_cycles.read() - cycles[i]) / count;
  }
  state.SetItemsProcessed(static_cast<int64_t>(packets));
}

void l3_forward(benchmark::State& state) { run(state, {}); }
void nat_service(benchmark::State& state) { run(state, {.service = true}); }
void nat_service_filter_limits(benchmark::State& state) { run(state, {.service = true, .policies = true}); }

BENCHMARK(l3_forward)->Arg(1)->Arg(1000)->Arg(100000);
BENCHMARK(nat_service)->Arg(1)->Arg(1000)->Arg(100000)->Arg(1000000);
BENCHMARK(nat_service_filter_limits)->Arg(100000);

// A fixed number of passes after every flow was opened, for a counter of instructions around the process.
int count(const std::string& name, unsigned long passes) {
  const size_t slash = name.find('/');
  const std::string kind = name.substr(0, slash);
  const auto flows = slash == std::string::npos ? 0u : static_cast<uint32_t>(std::atoi(name.c_str() + slash + 1));
  const bool policies = kind == "nat_service_filter_limits", service = policies || kind == "nat_service";
  if (flows == 0 || passes == 0 || (!service && kind != "l3_forward")) {
    std::fprintf(stderr, "pipeline_bench: --count=CASE/FLOWS --passes=N\n");
    return 2;
  }
  Bench bench(flows, {.service = service, .policies = policies});
  for (uint32_t i = 0; i < flows; i += kBurst) bench.pass();
  const uint64_t before = bench.dropped();
  for (unsigned long i = 0; i < passes; ++i) bench.pass();
  std::printf("packets/pass %u\n", static_cast<unsigned>(kBurst));
  return bench.dropped() == before ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc == 3 ? argv[1] : "", second = argc == 3 ? argv[2] : "";
  if (!first.starts_with("--count=") || !second.starts_with("--passes=")) return bench::main(argc, argv);
  if (!bench::start_eal("4096")) return 1;
  const int status = count(first.substr(8), std::strtoul(second.c_str() + 9, nullptr, 10));
  rte_eal_cleanup();
  return status;
}

}  // namespace penstock::engine

int main(int argc, char** argv) { return penstock::engine::main(argc, argv); }
