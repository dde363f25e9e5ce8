#include "l7/host/packets.h"

#include <algorithm>
#include <cstring>

#include "engine/buffers.h"
#include "engine/packet.h"
#include "wire/build.h"
#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::host {

namespace {

constexpr size_t kEthernet = 14;
constexpr size_t kMostHeaders = kEthernet + wire::kIpv6Length + 60;
static_assert(engine::kStandardRoom - RTE_PKTMBUF_HEADROOM - kMostHeaders >= kLeastPayload);

// What only the first, or only the last packet of a cut segment says.
uint8_t flags_of(uint8_t flags, bool first, bool last) {
  if (!first) flags &= static_cast<uint8_t>(~wire::kTcpCwr);
  if (!last) flags &= static_cast<uint8_t>(~(wire::kTcpFin | wire::kTcpPsh));
  return flags;
}

}  // namespace

void PacketWriter::begin() {
  flags_ = segment.flags;
  sent_ = 0;
  piece_ = into_ = 0;
  done_ = false;
}

void PacketWriter::copy_payload(uint8_t* to, uint32_t length) {
  while (length != 0) {
    const base::Bytes piece = segment.pieces[piece_];
    const auto part = static_cast<uint32_t>(std::min<size_t>(length, piece.size() - into_));
    std::memcpy(to, piece.data() + into_, part);
    to += part;
    length -= part;
    into_ += part;
    if (into_ == piece.size()) {
      ++piece_;
      into_ = 0;
    }
  }
}

PacketWriter::Layers PacketWriter::write_headers(uint8_t* frame, uint32_t payload) {
  const bool v4 = tuple.local.is_v4();
  std::memset(frame, 0, 12);
  base::store_be16(frame + 12, v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  Layers at;
  at.ip = frame + kEthernet;
  at.tcp = at.ip + (v4 ? wire::kIpv4MinLength : wire::kIpv6Length);
  at.header = tcp::write_header(segment, tuple.local_port, tuple.remote_port, at.tcp);
  at.l4 = at.header + payload;
  wire::Ip fields;
  fields.src = tuple.local;
  fields.dst = tuple.remote;
  fields.traffic_class = static_cast<uint8_t>(segment.ecn);
  wire::build_ip_header({at.ip, kMostHeaders}, fields, wire::kProtocolTcp, at.l4);
  return at;
}

// The checksum, or what a device needs to finish it (rte_mbuf.h, RTE_MBUF_F_TX_TCP_SEG): of a segment that it cuts the
// pseudo header without a length, and no checksum of IP.
void PacketWriter::finish(rte_mbuf* m, const Layers& at, bool cut) {
  const bool left = cut || offload.checksums;
  const uint64_t pseudo =
      wire::sum_pseudo_header(tuple.local, tuple.remote, wire::kProtocolTcp, cut ? 0 : static_cast<uint32_t>(at.l4));
  const uint16_t sum = wire::fold(left ? pseudo : wire::sum_bytes({at.tcp, at.l4}, pseudo));
  base::store_raw<uint16_t>(at.tcp + wire::kTcpChecksumAt, left ? sum : static_cast<uint16_t>(~sum));
  m->port = 0;
  engine::carry_of(m) = engine::Carry{};
  if (!left) return;
  const bool v4 = tuple.local.is_v4();
  m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  m->l2_len = kEthernet;
  m->l3_len = static_cast<uint16_t>(at.tcp - at.ip);
  m->l4_len = static_cast<uint16_t>(at.header);
  if (!cut) return;
  m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | (v4 ? RTE_MBUF_F_TX_IP_CKSUM : 0);
  m->tso_segsz = segment.segment_size;
  if (v4) base::store_raw<uint16_t>(at.ip + wire::kIpv4ChecksumAt, 0);
}

rte_mbuf* PacketWriter::give_up(rte_mbuf* m) {
  rte_pktmbuf_free(m);
  ++given_up_;
  done_ = true;
  return nullptr;
}

// The whole segment in a chain of buffers.
rte_mbuf* PacketWriter::next_large() {
  rte_mbuf* m = rte_pktmbuf_alloc(pool_);
  if (m == nullptr) return give_up(m);
  auto* frame = rte_pktmbuf_mtod(m, uint8_t*);
  const Layers at = write_headers(frame, segment.length);
  m->data_len = static_cast<uint16_t>(at.tcp + at.header - frame);
  m->pkt_len = m->data_len;
  for (uint32_t left = segment.length; left != 0;) {
    rte_mbuf* more = rte_pktmbuf_alloc(pool_for(left));
    if (more == nullptr) return give_up(m);
    const uint32_t part = std::min<uint32_t>(left, rte_pktmbuf_tailroom(more));
    copy_payload(rte_pktmbuf_mtod(more, uint8_t*), part);
    more->data_len = static_cast<uint16_t>(part);
    more->pkt_len = part;
    if (rte_pktmbuf_chain(m, more) != 0) {
      rte_pktmbuf_free(more);
      return give_up(m);
    }
    left -= part;
  }
  finish(m, at, true);
  done_ = true;
  return m;
}

rte_mbuf* PacketWriter::next() {
  if (cut_by_device()) return next_large();
  const uint32_t left = segment.length - sent_;
  const uint32_t wanted = segment.segment_size != 0 ? std::min<uint32_t>(segment.segment_size, left) : left;
  rte_mbuf* m = rte_pktmbuf_alloc(pool_for(wanted));
  if (m == nullptr) return give_up(m);
  const uint32_t length = std::min<uint32_t>(wanted, rte_pktmbuf_tailroom(m) - kMostHeaders);
  segment.flags = flags_of(flags_, sent_ == 0, length == left);
  auto* frame = rte_pktmbuf_mtod(m, uint8_t*);
  const Layers at = write_headers(frame, length);
  copy_payload(at.tcp + at.header, length);
  m->data_len = static_cast<uint16_t>(static_cast<size_t>(at.tcp - frame) + at.l4);
  m->pkt_len = m->data_len;
  finish(m, at, false);
  sent_ += length;
  segment.seq += length;
  done_ = sent_ == segment.length;
  return m;
}

}  // namespace penstock::host
