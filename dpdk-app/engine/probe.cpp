#include "engine/probe.h"

#include <algorithm>
#include <cstring>

#include "engine/buffers.h"
#include "engine/stages/encrypt.h"
#include "wire/build.h"
#include "wire/headers.h"

namespace penstock::engine {

namespace {

using flow::DropReason;

// RFC 8762 §4.2.1, offsets; a request has only the first three.
constexpr size_t kSequenceAt = 0, kTimestampAt = 4, kErrorAt = 12, kReceivedAt = 16, kSenderSequenceAt = 24,
                 kSenderTimestampAt = 28, kSenderErrorAt = 36, kSenderHopLimitAt = 40;
constexpr uint16_t kErrorEstimate = 0x4001;  // §4.1.1: Z (PTP format), not synchronised, multiplier 1
constexpr uint8_t kHopLimit = 255;           // §4.1: probes are never forwarded
constexpr uint8_t kUnrecognised = 0x80;      // RFC 8972 §4: flag U, until a reflector takes it away
constexpr size_t kLongest = 9000;            // of a probe: model::kMaxMtu

base::Nanos nanos_of(base::Cycles cycles, base::Cycles hz) {
  const base::Cycles seconds = cycles / hz;
  return seconds * base::kNanosPerSecond + (cycles - seconds * hz) * base::kNanosPerSecond / hz;
}

void store_time(uint8_t* at, base::Nanos now) {
  base::store_be32(at, static_cast<uint32_t>(now / base::kNanosPerSecond));
  base::store_be32(at + 4, static_cast<uint32_t>(now % base::kNanosPerSecond));
}

base::Nanos load_time(const uint8_t* at) {
  return base::Nanos{base::load_be32(at)} * base::kNanosPerSecond + base::load_be32(at + 4);
}

base::Nanos time_of(const WorkerState& w) { return nanos_of(w.now, w.hz); }

base::IpAddress source_of(const uint8_t* ip, bool v4) {
  return v4 ? base::IpAddress::v4_from(ip + wire::kIpv4SrcAt) : base::IpAddress::v6_from(ip + wire::kIpv6SrcAt);
}
base::IpAddress destination_of(const uint8_t* ip, bool v4) {
  return v4 ? base::IpAddress::v4_from(ip + wire::kIpv4DstAt) : base::IpAddress::v6_from(ip + wire::kIpv6DstAt);
}

// A whole packet of ours for a path, on its way into the tunnel.
DropReason post(WorkerState& w, rte_mempool* pool, uint16_t peer, uint8_t path, const wire::UdpPacket& packet) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool);
  if (m == nullptr) return DropReason::no_buffers;
  const size_t length =
      wire::build_udp({rte_pktmbuf_mtod(m, uint8_t*), static_cast<size_t>(rte_pktmbuf_tailroom(m))}, packet);
  if (length == 0) {
    rte_pktmbuf_free(m);
    return DropReason::no_buffers;
  }
  rte_pktmbuf_append(m, static_cast<uint16_t>(length));
  carry_of(m) = Carry{};
  carry_of(m).to_peer = peer;
  carry_of(m).path = path;
  w.counters->generated.add(1);
  add_own(w, m);
  return DropReason::kNone;
}

DropReason answer(WorkerState& w, const uint8_t* request, const wire::UdpPacket& turned, uint8_t hop_limit,
                  uint16_t peer, uint8_t path) {
  uint8_t stamp[kStampLength] = {};
  const base::Nanos now = time_of(w);
  std::memcpy(stamp + kSequenceAt, request + kSequenceAt, 4);  // §4.2: a stateless reflector
  store_time(stamp + kTimestampAt, now);
  base::store_be16(stamp + kErrorAt, kErrorEstimate);
  store_time(stamp + kReceivedAt, now);
  std::memcpy(stamp + kSenderSequenceAt, request + kSequenceAt, 4);
  std::memcpy(stamp + kSenderTimestampAt, request + kTimestampAt, 8);
  std::memcpy(stamp + kSenderErrorAt, request + kErrorAt, 2);
  stamp[kSenderHopLimitAt] = hop_limit;
  wire::UdpPacket packet = turned;
  packet.payload = {stamp, sizeof stamp};
  return post(w, w.pool, peer, path, packet);
}

// The RFC's 44 bytes, and behind them at most one TLV, of padding.
bool well_formed(const uint8_t* stamp, size_t length) {
  if (length == kStampLength) return true;
  if (length < kStampLength + kStampTlvLength) return false;
  const uint8_t* tlv = stamp + kStampLength;
  return tlv[1] == kStampExtraPadding && base::load_be16(tlv + 2) == length - kStampLength - kStampTlvLength;
}

// With how many bytes behind UDP a probe is the longest packet that an outer datagram of `size` has room for; 0: with
// none.
size_t padded_length(const WorkerState& w, uint16_t peer, uint16_t size, bool v6) {
  const size_t headers = (v6 ? wire::kIpv6Length : wire::kIpv4MinLength) + wire::kUdpLength;
  const size_t inner = w.associations->lanes_of(peer).overhead.inner_mtu(size, v6);
  return inner < headers + kStampLength + kStampTlvLength || inner > kLongest ? 0 : inner - headers;
}

// Where the path leaves, buffers may be longer than the usual ones.
rte_mempool* pool_of(const WorkerState& w, const flow::PeerPath& path, uint16_t size) {
  const flow::RouteTable& routes = *w.generation->routes;
  const flow::InterfaceId out = routes.next_hop(routes.next_hop_in(routes.at(path.route), 0)).interface;
  const auto& interfaces = w.generation->interfaces->by_id;
  if (size <= kStandardMtu || out >= interfaces.size()) return w.pool;
  rte_mempool* jumbo = w.ports[interfaces[out].port].jumbo;
  return jumbo == nullptr ? w.pool : jumbo;
}

DropReason report(WorkerState& w, const uint8_t* stamp, uint16_t peer, uint8_t path) {
  if (!w.probe_buckets[peer].take(w.probe_rate_of_peer, 1, w.now) || !w.probe_bucket.take(w.probe_rate, 1, w.now))
    return DropReason::probe_limited;
  flow::Event* event = w.events.reserve();
  if (event == nullptr) return DropReason::probe_limited;
  const base::Nanos now = time_of(w), sent = load_time(stamp + kSenderTimestampAt);
  event->kind = flow::EventKind::kProbeAnswer;
  event->worker = static_cast<uint8_t>(w.id);
  event->peer = peer;
  event->path = path;
  event->sequence = base::load_be32(stamp + kSenderSequenceAt);
  event->round_trip = now > sent ? now - sent : 0;  // another worker's round may have begun later
  event->length = 0;
  w.events.commit();
  return DropReason::kNone;
}

}  // namespace

void send_probe(WorkerState& w, const flow::ProbeCommand& command) {
  if (w.generation == nullptr) return;
  const auto& peers = w.generation->peers->by_slot;
  if (command.peer >= peers.size() || command.path >= peers[command.peer].paths.size()) return;  // has gone since
  const flow::PeerPath& path = peers[command.peer].paths[command.path];
  uint8_t stamp[kLongest];
  size_t length = kStampLength;
  if (command.size != 0) {
    length = padded_length(w, command.peer, command.size, !path.remote.is_v4());
    if (length == 0) return;
  }
  std::memset(stamp, 0, length);
  if (length != kStampLength) {
    stamp[kStampLength] = kUnrecognised;
    stamp[kStampLength + 1] = kStampExtraPadding;
    base::store_be16(stamp + kStampLength + 2, static_cast<uint16_t>(length - kStampLength - kStampTlvLength));
  }
  base::store_be32(stamp + kSequenceAt, command.sequence);
  store_time(stamp + kTimestampAt, time_of(w));
  base::store_be16(stamp + kErrorAt, kErrorEstimate);
  const wire::UdpPacket packet{.link = wire::Link{},
                               .ip = {.src = path.local, .dst = path.remote, .hop_limit = kHopLimit},
                               .src_port = kProbePort,
                               .dst_port = kStampPort,
                               .payload = {stamp, length}};
  rte_mempool* pool = pool_of(w, path, command.size);
  if (const DropReason why = post(w, pool, command.peer, command.path, packet); why != DropReason::kNone) {
    w.counters->generated.add(1);
    count_drop(w, why);
  }
}

bool is_probe(const flow::PeerTable& peers, const uint8_t* frame, const wire::Headers& h) {
  return h.protocol == wire::kProtocolUdp && (h.dst_port == kStampPort || h.src_port == kStampPort) &&
         !h.is(wire::kIsFragment) && peers.ends_here(destination_of(frame + h.l2_length, h.family == 4));
}

DropReason take_probe(WorkerState& w, rte_mbuf* m, const wire::Headers& h, uint16_t from_peer) {
  const auto& peers = w.generation->peers->by_slot;
  const auto* frame = rte_pktmbuf_mtod(m, const uint8_t*);
  const uint8_t* ip = frame + h.l2_length;
  const bool v4 = h.family == 4, request = h.dst_port == kStampPort;
  const size_t at = h.l4_offset + wire::kUdpLength;
  if (h.end > rte_pktmbuf_data_len(m) || at > h.end || !well_formed(frame + at, h.end - at) ||
      request == (h.src_port == kStampPort) || (!request && h.dst_port != kProbePort))
    return DropReason::probe_malformed;
  const base::IpAddress from = source_of(ip, v4), to = destination_of(ip, v4);
  if (from_peer >= peers.size()) return DropReason::probe_unknown_path;
  const auto& paths = peers[from_peer].paths;
  const auto path = std::find_if(paths.begin(), paths.end(), [&](const auto& each) { return each.remote == from; });
  if (path == paths.end()) return DropReason::probe_unknown_path;
  const auto index = static_cast<uint8_t>(path - paths.begin());
  if (request) {
    const wire::UdpPacket turned{.link = wire::Link{},
                                 .ip = {.src = to, .dst = from, .hop_limit = kHopLimit},
                                 .src_port = kStampPort,
                                 .dst_port = h.src_port};
    if (const DropReason why = answer(w, frame + at, turned, h.hop_limit, from_peer, index); why != DropReason::kNone)
      return why;
    w.counters->merged.add(1);
  } else {
    if (to != path->local) return DropReason::probe_unknown_path;  // of a path that we had
    if (const DropReason why = report(w, frame + at, from_peer, index); why != DropReason::kNone) return why;
    w.counters->punted.add(1);
  }
  rte_pktmbuf_free(m);
  return DropReason::kNone;
}

}  // namespace penstock::engine
