#include "l7/host/worker_stack.h"

#include <algorithm>

#include "wire/headers.h"

template class penstock::proxy::Proxy<penstock::host::StackNet>;

namespace penstock::host {

namespace {

const route::L7Config kNothing;

tcp::Tuning tuning() {
  tcp::Tuning tuning;
  tuning.mss = 9000 - 40;  // lowered for each connection by its way
  tuning.nagle = false;    // whole messages are written
  return tuning;
}

proxy::Limits limits_of(const Sizes& sizes) {
  proxy::Limits limits;
  limits.connections = sizes.connections;
  limits.clients = limits.exchanges = sizes.connections / 2;
  limits.upstreams = sizes.connections / 4;
  limits.messages = sizes.requests;
  return limits;
}

// Records of segments and ranges of reassembly in proportion to the bytes they are about.
tcp::Limits memory_of(const Sizes& sizes) {
  const uint32_t chunks = sizes.stream_mebibytes * static_cast<uint32_t>((1u << 20) / tcp::kChunkBytes);
  return {.chunks = chunks, .records = chunks * 4, .ranges = chunks / 2};
}

tcp::Tuple tuple_of(const engine::Packet& p) {
  return {.local = p.key.dst, .remote = p.key.src, .local_port = p.key.dst_port, .remote_port = p.key.src_port};
}

void add(ListenerCounts& sum, const tcp::Listener& listener) {
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += listener.counters[i];
}

// Codes of "unreachable" that say it will not be otherwise soon: no such protocol or port, or somebody forbids it.
bool is_hard_v4(uint8_t code) {  // RFC 1122 4.2.3.9, RFC 1812 5.2.7.1
  constexpr uint8_t kProtocol = 2, kPort = 3, kNetForbidden = 9, kHostForbidden = 10, kForbidden = 13;
  return code == kProtocol || code == kPort || code == kNetForbidden || code == kHostForbidden || code == kForbidden;
}
bool is_hard_v6(uint8_t code) {  // RFC 4443 3.1
  constexpr uint8_t kSourceForbidden = 5, kRejected = 6;
  return code == wire::kIcmpv6Prohibited || code == wire::kIcmpv6PortUnreachable || code == kSourceForbidden ||
         code == kRejected;
}

constexpr base::Nanos kPublishEvery = 10'000'000;

}  // namespace

WorkerStack::WorkerStack(const Sizes& sizes, const engine::WorkerState& worker, const tcp::HashKey& key, uint32_t seed,
                         base::Nanos now, std::shared_ptr<limit::Tables> limits,
                         std::shared_ptr<proxy::OutlierTable> outliers)
    : worker_(worker),
      half_open_(sizes.half_open),
      stack_(tuning(), memory_of(sizes), sizes.connections, key, now),
      net_(stack_, worker, seed),
      proxy_(net_, limits_of(sizes), seed, now, limit::Limiter(std::move(limits), worker.counters->limits),
             std::move(outliers)),
      writer_(worker.pool) {}

// Before others are opened, so that there is room for those.
void WorkerStack::close_unwanted(const route::L7Config& config) {
  std::erase_if(open_, [&](const Open& open) {
    const bool wanted = std::any_of(config.listeners.begin(), config.listeners.end(), [&](const auto& each) {
      return each.port == open.port &&
             std::find(each.addresses.begin(), each.addresses.end(), open.address) != each.addresses.end();
    });
    if (wanted) return false;
    add(closed_, stack_.listener(open.tcp));
    stack_.stop_listening(open.tcp);
    return true;
  });
}

// Buffers for segments that the standard ones do not hold, and work that may be left to devices.
void WorkerStack::look_at_ports() {
  for (const engine::PortFacts& port : worker_.ports) {
    if (port.jumbo != nullptr) writer_.use_jumbo(port.jumbo);
    offloads_ = offloads_ || port.checksums;
  }
}

Offload WorkerStack::offload_to(const base::IpAddress& remote) const {
  const uint16_t port = offloads_ ? port_to(worker_, remote) : kNoPort;
  if (port == kNoPort) return {};
  return {.checksums = worker_.ports[port].checksums, .segments = worker_.ports[port].segments};
}

// Listeners that stay keep their number in the stack, and so what waits to be accepted there.
void WorkerStack::adopt(const flow::Generation& generation) {
  const route::L7Config& config = generation.l7 != nullptr ? *generation.l7 : kNothing;
  close_unwanted(config);
  for (uint32_t i = 0; i < config.listeners.size(); ++i) {
    const config::Listener& listener = config.listeners[i];
    for (const base::IpAddress& address : listener.addresses) {
      const auto same = std::find_if(open_.begin(), open_.end(), [&](const Open& each) {
        return each.address == address && each.port == listener.port;
      });
      if (same != open_.end()) {
        same->index = i;
        continue;
      }
      const uint32_t id = stack_.listen({.address = address,
                                         .first_port = listener.port,
                                         .last_port = listener.port,
                                         .half_open = half_open_,
                                         .half_open_per_source = std::max(half_open_ / 8, 1u)});
      if (id != tcp::kNone) open_.push_back({.address = address, .port = listener.port, .tcp = id, .index = i});
    }
  }
  look_at_ports();
  stack_.shared().tuning.pacing = generation.settings.tcp_pacing;
  proxy_.adopt(config, worker_.id);
  if (generation.settings.draining == draining_) return;
  draining_ = generation.settings.draining;
  if (draining_) {
    const base::Nanos until = generation.settings.drain_until;
    proxy_.drain(until != 0 ? until : tcp::Connection::kNever, worker_.now_ns);
  } else {
    proxy_.resume_service();
  }
}

void WorkerStack::recognise(engine::Packet* const* packets, unsigned count) {
  tcp::Tuple tuple;
  uint32_t id = tcp::kNone;
  for (unsigned i = 0; i < count; ++i) {
    engine::Packet& p = *packets[i];
    // Segments come in trains: the one before is mostly of the same connection.
    if (const tcp::Tuple next = tuple_of(p); i == 0 || !(next == tuple)) id = stack_.find(tuple = next);
    if (id == tcp::kNone) continue;
    p.connection = id;
    p.terminates = true;
    p.state = flow::FlowState::kEstablished;
  }
}

// Believed of a segment in flight (RFC 5927): that a packet was too long, and of a SYN that it is of no use. What else
// ICMP says of a connection, its own timers find out.
bool WorkerStack::learn(const engine::Packet& error, const flow::FlowKey& key, base::Nanos now) {
  const tcp::Tuple tuple{.local = key.dst, .remote = key.src, .local_port = key.dst_port, .remote_port = key.src_port};
  if (key.protocol != wire::kProtocolTcp || stack_.find(tuple) == tcp::kNone) return false;
  const uint8_t* icmp = error.data + error.headers.l4_offset;
  const bool v4 = error.headers.family == 4;
  const uint8_t type = icmp[wire::kIcmpTypeAt], code = icmp[wire::kIcmpCodeAt];
  const bool unreachable = type == (v4 ? wire::kIcmpUnreachable : wire::kIcmpv6Unreachable);
  const bool too_big = v4 ? unreachable && code == wire::kIcmpFragmentationNeeded : type == wire::kIcmpv6PacketTooBig;
  const base::Bytes quote{icmp + wire::kIcmpLength,
                          static_cast<size_t>(error.headers.end - error.headers.l4_offset) - wire::kIcmpLength};
  wire::Headers inner;
  if ((!too_big && !unreachable) || wire::parse_ip(quote, wire::Whole::kQuoted, wire::Ipv4Checksum::kVerifiedByDevice,
                                                   inner) != wire::ParseError::kNone)
    return true;
  const tcp::Seq quoted = base::load_be32(quote.data() + inner.l4_offset + wire::kTcpSeqAt);
  if (!too_big) {
    stack_.on_unreachable(tuple, v4 ? is_hard_v4(code) : is_hard_v6(code), quoted);
    return true;
  }
  const uint32_t mtu = v4 ? base::load_be16(icmp + wire::kIcmpMtuAt) : base::load_be32(icmp + wire::kIcmpv6MtuAt);
  const Way narrow{.source = {}, .mtu = static_cast<uint16_t>(std::min<uint32_t>(mtu, 0xffff))};
  stack_.on_path_mss(tuple, mss_of(narrow, v4), quoted, now);
  return true;
}

void WorkerStack::absorb(engine::Packet* const* packets, unsigned count, base::Nanos now) {
  for (unsigned i = 0; i < count; ++i) {
    const engine::Packet& p = *packets[i];
    if (p.headers.protocol != wire::kProtocolTcp) continue;  // an error that was learned from
    const base::Bytes segment{p.data + p.headers.l4_offset, static_cast<size_t>(p.headers.end - p.headers.l4_offset)};
    tcp::Segment parsed;
    if (!tcp::parse_segment(segment, static_cast<tcp::Ecn>(p.headers.traffic_class & 3), parsed)) continue;
    const tcp::Tuple tuple = tuple_of(p);
    uint16_t mss = 0;
    if (p.connection == engine::kNone32) mss = mss_of(way_to(worker_, tuple.remote), tuple.local.is_v4());
    stack_.absorb(tuple, parsed, now, mss, p.connection);
  }
}

// What happened, to the proxy: whom it concerns may write, and so there is more to say.
void WorkerStack::tell(base::Nanos now) {
  stack_.on_time(now);
  proxy_.on_time(now);
  for (const Open& each : open_)
    for (uint32_t id; (id = stack_.accept(each.tcp)) != tcp::kNone;) proxy_.on_accept(id, each.index, now);
  for (tcp::Ready ready; stack_.next_event(ready);) proxy_.on_events(ready.id, ready.events, now);
}

void WorkerStack::publish_counters(base::Nanos now) {
  publish_at_ = now + kPublishEvery;
  const tcp::Shared& shared = stack_.shared();
  for (size_t i = 0; i < counters_.counts.size(); ++i) counters_.counts[i].set(shared.counters[i]);
  ListenerCounts listeners = closed_;
  for (const Open& each : open_) add(listeners, stack_.listener(each.tcp));
  for (size_t i = 0; i < listeners.size(); ++i) counters_.listeners[i].set(listeners[i]);
  counters_.connections.set(stack_.connections());
  counters_.clients.set(proxy_.clients());
  counters_.chunks.set(shared.chunks.taken());
  counters_.chunks_capacity.set(shared.chunks.capacity());
}

unsigned WorkerStack::act(base::Nanos now, rte_mbuf** out, unsigned room) {
  if (now >= publish_at_) publish_counters(now);
  if (writer_.done()) tell(now);
  unsigned count = 0;
  while (count < room) {
    if (writer_.done()) {
      // A segment is never left half said: its bytes may be gone when the round is over.
      if (room - count < kMostPackets) break;
      if (!stack_.next_segment({.max_segments = kSegmentsAtOnce}, now, writer_.tuple, writer_.segment)) break;
      writer_.offload = offload_to(writer_.tuple.remote);
      writer_.begin();
    }
    rte_mbuf* packet = writer_.next();
    if (packet == nullptr) continue;
    out[count++] = packet;
  }
  return count;
}

}  // namespace penstock::host
