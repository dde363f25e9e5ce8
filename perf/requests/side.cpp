#include "requests/side.h"

#include <algorithm>
#include <cstring>

#include "base/time.h"
#include "wire/arp_nd.h"
#include "wire/build.h"
#include "wire/checksum.h"

namespace penstock::requests {

namespace {

constexpr unsigned kMostInARound =
    256;  // packets: rounds stay short, and a ring is not overrun before its reader's turn

tcp::Tuning tuning() {
  tcp::Tuning tuning;
  tuning.nagle = false;
  tuning.receive_buffer = tuning.send_buffer = 1024 * 1024;
  tuning.time_wait = 10'000'000;  // a port is wanted again at once; nothing is late on a memory link
  return tuning;
}

}  // namespace

Side::Side(uint16_t port, const PortSpec& spec, rte_mempool* pool, uint32_t capacity, base::Nanos now)
    : port_(port),
      spec_(spec),
      pool_(pool),
      stack_(tuning(), {.chunks = 512 * 1024}, capacity, {.low = 1, .high = 2}, now),
      writer_(pool) {
  rte_ether_addr mac;
  rte_eth_macaddr_get(port, &mac);
  std::memcpy(own_mac_.bytes.data(), mac.addr_bytes, 6);
  if (spec.mac) own_mac_ = *spec.mac;
}

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

void Side::say_arp(uint16_t operation, const base::MacAddress& mac, const base::IpAddress& own,
                   const base::IpAddress& ip) {
  rte_mbuf* m = rte_pktmbuf_alloc(pool_);
  if (m == nullptr) return;
  wire::ArpPacket packet;
  packet.link.src = own_mac_;
  packet.link.dst = mac;
  packet.message = {.operation = operation,
                    .sender_mac = own_mac_,
                    .sender_ip = own,
                    .target_mac = operation == wire::kArpRequest ? base::MacAddress{} : mac,
                    .target_ip = ip};
  const size_t length = wire::build_arp({rte_pktmbuf_mtod(m, uint8_t*), 128}, packet);
  rte_pktmbuf_append(m, static_cast<uint16_t>(length));
  if (rte_eth_tx_burst(port_, 0, &m, 1) == 0) rte_pktmbuf_free(m);
}

bool Side::is_ours(const base::IpAddress& address) const {
  if (address == spec_.address) return true;
  return std::any_of(spec_.answers.begin(), spec_.answers.end(),
                     [&](const base::Prefix& prefix) { return prefix.contains(address); });
}

void Side::on_arp(const rte_mbuf* m, const wire::Headers& headers) {
  wire::ArpMessage message;
  if (wire::parse_arp({rte_pktmbuf_mtod(m, const uint8_t*), m->data_len}, headers, message) !=
      wire::NeighbourError::kNone)
    return;
  if (message.sender_ip == spec_.gateway) {
    gateway_mac_ = message.sender_mac;
    knows_gateway_ = true;
  }
  if (message.operation == wire::kArpRequest && is_ours(message.target_ip))
    say_arp(wire::kArpReply, message.sender_mac, message.target_ip, message.sender_ip);
}

void Side::on_tcp(const uint8_t* frame, const wire::Headers& h, base::Nanos now) {
  const uint8_t* ip = frame + h.l2_length;
  const tcp::Tuple tuple{.local = base::IpAddress::v4_from(ip + wire::kIpv4DstAt),
                         .remote = base::IpAddress::v4_from(ip + wire::kIpv4SrcAt),
                         .local_port = h.dst_port,
                         .remote_port = h.src_port};
  if (tuple.local != spec_.address) return;
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
    if (h.ether_type == wire::kEtherTypeArp) on_arp(m, h);
    if (h.family == 4 && h.protocol == wire::kProtocolTcp) on_tcp(frame, h, now);
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
  if (!knows_gateway_) {
    if (now - asked_at_ > 100'000'000) {
      asked_at_ = now;
      base::MacAddress all;
      all.bytes.fill(0xff);
      say_arp(wire::kArpRequest, all, spec_.address, spec_.gateway);
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
      std::memcpy(frame, gateway_mac_.bytes.data(), 6);
      std::memcpy(frame + 6, own_mac_.bytes.data(), 6);
      out_[count_++] = m;
      ++said;
    }
    if (count_ >= kBurst && !flush()) return said;
  }
  if (count_ != 0) flush();
  return said;
}

}  // namespace penstock::requests
