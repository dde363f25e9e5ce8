// A gateway without devices for engine tests: packets go in, frames come out, drops are counted. The generation is
// built by hand; next hops are resolved unless a test says otherwise.
#pragma once

#include <gtest/gtest.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/buffers.h"
#include "engine/stages/encrypt.h"
#include "engine/tracking.h"
#include "engine/worker.h"
#include "wire/build.h"
#include "wire/parse.h"

namespace penstock::engine::test {

inline base::IpAddress ip(const char* text) { return base::IpAddress::parse(text).value(); }
inline base::Prefix net(const char* text) { return base::Prefix::parse(text).value(); }
inline base::MacAddress mac(uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }

struct Out {
  uint16_t port = 0;
  std::vector<uint8_t> frame;
  wire::Headers headers;
  base::IpAddress src, dst;
};

inline rte_mempool* test_pool() {
  static rte_mempool* pool = rte_pktmbuf_pool_create("test", 8191, 0, RTE_ALIGN(sizeof(Carry), RTE_MBUF_PRIV_ALIGN),
                                                     kStandardRoom, SOCKET_ID_ANY);
  return pool;
}

// Three interfaces: wan (port 0, 198.51.100.1/24, 2001:db8:1::1/64), lan (port 1, 10.0.1.1/24, 2001:db8:2::1/64) and
// far (port 2, 10.0.2.1/24). MACs of the gateway: 02:…:01, 02, 03 by port; of everybody else: 02:…:aa.
class World {
 public:
  explicit World(unsigned workers = 1) : mesh_(workers), buckets_(new flow::SharedBucket[flow::kMaxLimits]) {
    interfaces_ = std::make_shared<flow::InterfaceTable>();
    interfaces_->untagged.fill(flow::kNoInterface);
    add_interface("wan", 0, {net("198.51.100.1/24"), net("2001:db8:1::1/64")});
    add_interface("lan", 1, {net("10.0.1.1/24"), net("2001:db8:2::1/64")});
    add_interface("far", 2, {net("10.0.2.1/24")});
    const WorkerSizes sizes{4096, 1024, 1024, 256, 64};
    for (unsigned i = 0; i < workers; ++i) sent_.push_back(std::make_unique<std::vector<Transmit::SentFrame>>());
    for (unsigned i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(i, 0, mesh_, sizes, buckets_.get(), sources_, test_pool(),
                                                  flow::HashSecret{}, slot_));
      WorkerState& w = workers_.back()->state();
      w.transmit.sink = sent_[i].get();
      w.watch.copies = test_pool();
      for (uint16_t port = 0; port < 3; ++port) w.transmit.open(port, 1);
    }
  }
  ~World() {
    round();
    for (auto& worker : workers_) {
      worker->state().neighbours.drop_all(flow::DropReason::shutdown);
      drop_held_fragments(worker->state(), flow::DropReason::shutdown);
      drop_waiting(worker->state(), flow::DropReason::shutdown);
    }
    take();
    // Whoever leaks a buffer is found by the test that runs after it.
    EXPECT_EQ(rte_mempool_in_use_count(test_pool()), 0u);
  }

  flow::Interface& interface(flow::InterfaceId id) { return interfaces_->by_id[id]; }
  void add_interface(const std::string& name, uint16_t port, std::vector<base::Prefix> addresses, uint16_t vlan = 0) {
    flow::Interface each;
    each.id = static_cast<flow::InterfaceId>(interfaces_->by_id.size());
    each.port = port;
    each.vlan = vlan;
    each.mac = mac(static_cast<uint8_t>(port + 1));
    each.addresses = addresses;
    each.name = name;
    for (const base::Prefix& p : addresses) {
      routes.push_back({p.network(), flow::RouteKind::kConnected, {{each.id, {}}}, {}});
      const uint8_t host = p.is_v4() ? 32 : 128;
      routes.push_back({{p.address, host}, flow::RouteKind::kLocal, {{each.id, {}}}, {}});
    }
    if (vlan == 0) {
      interfaces_->untagged[port] = each.id;
    } else {
      if (interfaces_->tagged[port].empty()) interfaces_->tagged[port].assign(4096, flow::kNoInterface);
      interfaces_->tagged[port][vlan] = each.id;
    }
    interfaces_->by_id.push_back(each);
  }

  // What the next publish() compiles.
  std::vector<flow::RouteSpec> routes;
  std::vector<std::shared_ptr<const flow::ServiceEntry>> services;
  std::vector<flow::FilterRule> rules;
  std::vector<flow::MirrorMatch> mirror_matches;
  flow::LimitTable limits;
  flow::Generation next;

  void publish() {
    publish_only();
    round();
  }
  void publish_only() {  // the workers are on threads of their own
    auto g = std::make_unique<flow::Generation>(next);
    g->number = ++number_;
    g->interfaces = std::make_shared<flow::InterfaceTable>(*interfaces_);
    std::vector<uint16_t> tunnels;
    for (const flow::Peer& each : next.peers->by_slot)
      if (each.slot != flow::kNoPeer) tunnels.push_back(each.slot);
    auto table = flow::RouteTable::build(routes, tunnels);
    ASSERT_TRUE(table.ok()) << table.error();
    g->routes = *table;
    g->services = std::make_shared<flow::ServiceTable>(services);
    auto filter = flow::Filter::build(rules, mirror_matches);
    ASSERT_TRUE(filter.ok()) << filter.error();
    g->filter = *filter;
    g->limits = std::make_shared<flow::LimitTable>(limits);
    g->tracks = !services.empty() || !next.egresses.empty();
    slot_.current.store(g.get());
    generations_.push_back(std::move(g));
  }

  void resolve(flow::InterfaceId interface, const char* address) {
    for (auto& worker : workers_) {
      flow::NeighbourCommand command;
      command.interface = interface;
      command.address = ip(address);
      command.mac = mac(0xaa);
      ASSERT_TRUE(worker->submit(&command));
      worker->run_round();
      ASSERT_TRUE(command.done());
    }
  }

  // A frame arrives at a port and everything that follows from it happens.
  void arrive(uint16_t port, const std::vector<uint8_t>& frame, unsigned worker = 0) {
    arrive_together({{port, frame}}, worker);
  }

  // Several frames in one burst.
  using Arrival = std::pair<uint16_t, std::vector<uint8_t>>;
  void arrive_together(const std::vector<Arrival>& frames, unsigned worker = 0) {
    inject(frames, worker);
    round();
  }

  // The same, without the rounds after it.
  void inject(const std::vector<Arrival>& frames, unsigned worker = 0) {
    ASSERT_LE(frames.size(), kBurst);
    rte_mbuf* mbufs[kBurst];
    unsigned count = 0;
    for (const auto& [port, frame] : frames) {
      rte_mbuf* m = mbufs[count++] = rte_pktmbuf_alloc(test_pool());
      ASSERT_NE(m, nullptr);
      std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size())), frame.data(), frame.size());
      m->port = port;
      m->ol_flags = 0;
      carry_of(m) = Carry{};
    }
    workers_[worker]->inject_burst(mbufs, count);
  }

  // Rounds of all workers until no packet is on its way between them.
  void round() {
    for (int i = 0; i < 2 || (i < 1000 && on_the_way() != 0); ++i)
      for (auto& worker : workers_) worker->run_round();
  }
  uint64_t on_the_way() const {
    uint64_t sum = 0;
    for (const auto& worker : workers_) {
      const flow::WorkerCounters& c = *worker->state().counters;
      sum += c.to_workers.read() - c.from_workers.read();
    }
    return sum;
  }

  std::vector<Out> take() {
    std::vector<Out> out;
    for (const auto& [port, m] : collect()) {
      Out each;
      each.port = port;
      const auto* bytes = rte_pktmbuf_mtod(m, const uint8_t*);
      each.frame.assign(bytes, bytes + rte_pktmbuf_data_len(m));
      rte_pktmbuf_free(m);
      if (wire::parse(each.frame, static_cast<uint32_t>(each.frame.size()), wire::Ipv4Checksum::kVerify,
                      each.headers) == wire::ParseError::kNone &&
          each.headers.family != 0) {
        const flow::FlowKey key = key_of(each.frame.data(), each.headers);
        each.src = key.src;
        each.dst = key.dst;
      }
      out.push_back(std::move(each));
    }
    return out;
  }

  // What came out; the caller frees it.
  std::vector<Transmit::SentFrame> collect() {
    std::vector<Transmit::SentFrame> all;
    for (auto& each : sent_) {
      all.insert(all.end(), each->begin(), each->end());
      each->clear();
    }
    return all;
  }

  // Runs rounds of the worker until the command is done.
  void command(unsigned worker, flow::Command& command) {
    ASSERT_TRUE(workers_[worker]->submit(&command));
    for (int i = 0; i < 100 && !command.done(); ++i) workers_[worker]->run_round();
    ASSERT_TRUE(command.done());
  }

  uint64_t drops(flow::DropReason reason) const {
    uint64_t sum = 0;
    for (const auto& worker : workers_) sum += worker->state().counters->drops[static_cast<size_t>(reason)].read();
    return sum;
  }
  uint64_t all_drops() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < flow::kDropReasons; ++i) sum += drops(static_cast<flow::DropReason>(i));
    return sum;
  }
  WorkerState& state(unsigned worker = 0) { return workers_[worker]->state(); }
  Worker& worker(unsigned id = 0) { return *workers_[id]; }

  // packets in == packets out + named drops + held, over all workers and rings.
  void expect_balance() {
    uint64_t in = 0, out = 0, dropped = 0, held = 0;
    for (const auto& worker : workers_) {
      const flow::WorkerCounters& c = *worker->state().counters;
      in += c.received.read() + c.from_workers.read() + c.from_control.read() + c.generated.read();
      out += c.transmitted.read() + c.to_workers.read() + c.punted.read() + c.terminated.read() + c.merged.read();
      for (const auto& d : c.drops) dropped += d.read();
      dropped -= c.drops[static_cast<size_t>(flow::DropReason::mirror_no_buffer)].read();  // never were packets
      const WorkerState& w = worker->state();
      held += w.neighbours.held() + w.fragments.held() + w.key_queue.held();
    }
    EXPECT_EQ(in, out + dropped + held);
  }

 private:
  Mesh mesh_;
  std::unique_ptr<flow::SharedBucket[]> buckets_;
  flow::SourceBuckets sources_{1024};
  flow::GenerationSlot slot_;
  std::shared_ptr<flow::InterfaceTable> interfaces_;
  std::vector<std::unique_ptr<flow::Generation>> generations_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<std::vector<Transmit::SentFrame>>> sent_;  // by worker
  uint64_t number_ = 0;
};

// A bucket of `units` that refills at 2^33 cycles a unit: not while a test runs.
inline flow::Rate slowest(uint64_t units) { return {UINT64_MAX, units << 33}; }

// ---- packets that hosts send ----------------------------------------------------------------------------------------

inline wire::Link to_gateway(uint16_t port, uint16_t vlan = 0) {
  return {mac(static_cast<uint8_t>(port + 1)), mac(0xaa), vlan};
}

inline std::vector<uint8_t> tcp(const wire::Link& link, const char* src, uint16_t sport, const char* dst,
                                uint16_t dport, uint8_t flags, uint32_t seq = 1000, uint32_t ack = 0,
                                size_t payload = 0, uint8_t ttl = 64) {
  std::vector<uint8_t> out(2000), data(payload, 'x');
  wire::TcpPacket p;
  p.link = link;
  p.ip = {.src = ip(src), .dst = ip(dst), .hop_limit = ttl};
  p.src_port = sport;
  p.dst_port = dport;
  p.seq = seq;
  p.ack = ack;
  p.flags = flags;
  p.window = 65535;
  p.mss = (flags & 2) ? 1460 : 0;
  p.payload = data;
  out.resize(wire::build_tcp(out, p));
  return out;
}

inline std::vector<uint8_t> udp(const wire::Link& link, const char* src, uint16_t sport, const char* dst,
                                uint16_t dport, size_t payload = 10, bool dont_fragment = true, uint8_t ttl = 64) {
  std::vector<uint8_t> out(2000), data(payload, 'u');
  wire::UdpPacket p;
  p.link = link;
  p.ip = {.src = ip(src), .dst = ip(dst), .hop_limit = ttl, .dont_fragment = dont_fragment};
  p.src_port = sport;
  p.dst_port = dport;
  p.payload = data;
  out.resize(wire::build_udp(out, p));
  return out;
}

inline std::vector<uint8_t> echo(const wire::Link& link, const char* src, const char* dst, uint16_t id = 7,
                                 size_t payload = 20) {
  std::vector<uint8_t> out(2000), data(payload, 'e');
  wire::EchoPacket p;
  p.link = link;
  p.ip = {.src = ip(src), .dst = ip(dst)};
  p.id = id;
  p.sequence = 1;
  p.payload = data;
  out.resize(wire::build_echo(out, p));
  return out;
}

// An ICMP error about `about`, an Ethernet frame as the reporter saw it.
inline std::vector<uint8_t> icmp_error(const wire::Link& link, const char* reporter, uint8_t type, uint8_t code,
                                       const std::vector<uint8_t>& about) {
  std::vector<uint8_t> out(2000);
  wire::IcmpErrorPacket packet;
  packet.link = link;
  packet.src = ip(reporter);
  packet.type = type;
  packet.code = code;
  packet.original = base::Bytes(about).subspan(14);
  out.resize(wire::build_icmp_error(out, packet));
  return out;
}

}  // namespace penstock::engine::test
