#include "requests/side.h"

#include <algorithm>
#include <cstring>

#include "base/time.h"
#include "wire/checksum.h"

namespace penstock::requests {

namespace {

constexpr unsigned kMostInARound =
    256;  // packets: rounds stay short, and a ring is not overrun before its reader's turn
constexpr base::Nanos kAskEvery = 100'000'000;  // where the gateway is

tcp::Tuning tuning(bool v4) {
  tcp::Tuning tuning;
  if (!v4) {
    tuning.mss = 1440;
    tuning.default_mss = 1220;
  }
  tuning.nagle = false;
  tuning.receive_buffer = tuning.send_buffer = 1024 * 1024;
  tuning.time_wait = 10'000'000;  // a port is wanted again at once; nothing is late on a memory link
  return tuning;
}

base::MacAddress mac_of(uint16_t port, const PortSpec& spec) {
  rte_ether_addr mac;
  rte_eth_macaddr_get(port, &mac);
  base::MacAddress own;
  std::memcpy(own.bytes.data(), mac.addr_bytes, 6);
  return spec.mac.value_or(own);
}

base::IpAddress address_at(const uint8_t* at, bool v4) {
  return v4 ? base::IpAddress::v4_from(at) : base::IpAddress::v6_from(at);
}

}  // namespace

Side::Side(uint16_t port, const PortSpec& spec, rte_mempool* pool, uint32_t capacity, base::Nanos now)
    : port_(port),
      spec_(spec),
      neighbours_(spec, mac_of(port, spec)),
      pool_(pool),
      stack_(tuning(spec.address->is_v4()), {.chunks = 512 * 1024}, capacity, {.low = 1, .high = 2}, now),
      writer_(pool) {}

Side::Counts Side::Counts::since(const Counts& before) const {
  return {.sent = sent - before.sent,
          .received = received - before.received,
          .refused = refused - before.refused,
          .corrupted = corrupted - before.corrupted,
          .missed = missed - before.missed,
          .starved = starved - before.starved};
}

Side::Counts Side::counts() const {
  rte_eth_stats stats;
  const uint64_t missed = rte_eth_stats_get(port_, &stats) == 0 ? stats.imissed + stats.rx_nombuf : 0;
  return {.sent = sent_,
          .received = received_,
          .refused = refused_,
          .corrupted = corrupted_,
          .missed = missed,
          .starved = writer_.given_up()};
}

void Side::say(base::Bytes frame) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool_);
  if (m == nullptr) return;
  std::copy(frame.begin(), frame.end(),
            reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, static_cast<uint16_t>(frame.size()))));
  if (rte_eth_tx_burst(port_, 0, &m, 1) == 0) rte_pktmbuf_free(m);
}

void Side::on_tcp(const uint8_t* frame, const wire::Headers& h, base::Nanos now) {
  const uint8_t* ip = frame + h.l2_length;
  const bool v4 = h.family == 4;
  const tcp::Tuple tuple{.local = address_at(ip + (v4 ? wire::kIpv4DstAt : wire::kIpv6DstAt), v4),
                         .remote = address_at(ip + (v4 ? wire::kIpv4SrcAt : wire::kIpv6SrcAt), v4),
                         .local_port = h.dst_port,
                         .remote_port = h.src_port};
  if (tuple.local != address()) return;
  if (wire::verify_l4({frame, h.end}, h) != wire::ChecksumState::kGood) {
    ++corrupted_;
    return;
  }
  tcp::Segment segment;
  if (tcp::parse_segment({frame + h.l4_offset, static_cast<size_t>(h.end - h.l4_offset)},
                         static_cast<tcp::Ecn>(h.traffic_class & 3), segment))
    stack_.absorb(tuple, segment, now);
}

unsigned Side::receive(base::Nanos now) {
  unsigned all = 0;
  for (unsigned count = kBurst; count == kBurst && all < kMostInARound; all += count) count = receive_burst(now);
  return all;
}

unsigned Side::receive_burst(base::Nanos now) {
  rte_mbuf* packets[kBurst];
  const unsigned count = rte_eth_rx_burst(port_, 0, packets, kBurst);
  received_ += count;
  for (unsigned i = 0; i < count; ++i) {
    const rte_mbuf* m = packets[i];
    const auto* frame = rte_pktmbuf_mtod(m, const uint8_t*);
    wire::Headers h;
    const wire::ParseError error = wire::parse({frame, m->data_len}, m->pkt_len, wire::Ipv4Checksum::kVerify, h);
    corrupted_ += error == wire::ParseError::kBadIpChecksum;
    if (error != wire::ParseError::kNone) continue;
    uint8_t answer[load::Neighbours::kLongest];
    size_t length = 0;
    if (h.family != 0 && h.protocol == wire::kProtocolTcp)
      on_tcp(frame, h, now);
    else if (neighbours_.handle({frame, m->data_len}, h, answer, length) && length != 0)
      say({answer, length});
  }
  if (count != 0) rte_pktmbuf_free_bulk(packets, count);
  return count;
}

// What the port does not take now waits: nothing is lost here, and nothing more is said meanwhile.
bool Side::flush() {
  const uint16_t done = rte_eth_tx_burst(port_, 0, out_, count_);
  sent_ += done;
  count_ = static_cast<uint16_t>(count_ - done);
  refused_ += count_;
  std::copy(out_ + done, out_ + done + count_, out_);
  return count_ == 0;
}

unsigned Side::transmit(base::Nanos now) {
  if (!neighbours_.resolved()) {
    if (now - asked_at_ > kAskEvery) {
      asked_at_ = now;
      uint8_t question[load::Neighbours::kLongest];
      say({question, neighbours_.question(question)});
    }
    return 0;
  }
  if (count_ != 0 && !flush()) return 0;
  unsigned said = 0;
  // A segment goes as a whole: its bytes may be acknowledged, and gone, by the next round.
  while (said < kMostInARound && stack_.next_segment({.max_segments = kCut}, now, writer_.tuple, writer_.segment)) {
    writer_.begin();
    while (!writer_.done()) {
      rte_mbuf* m = writer_.next();
      if (m == nullptr) break;
      auto* frame = rte_pktmbuf_mtod(m, uint8_t*);
      std::memcpy(frame, neighbours_.gateway()->bytes.data(), 6);
      std::memcpy(frame + 6, neighbours_.own().bytes.data(), 6);
      out_[count_++] = m;
      ++said;
    }
    if (count_ >= kBurst && !flush()) return said;
  }
  if (count_ != 0) flush();
  return said;
}

}  // namespace penstock::requests
