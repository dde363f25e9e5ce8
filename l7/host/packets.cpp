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

rte_mbuf* PacketWriter::next() {
  const uint32_t left = segment.length - sent_;
  const uint32_t wanted = segment.segment_size != 0 ? std::min<uint32_t>(segment.segment_size, left) : left;
  rte_mbuf* m = rte_pktmbuf_alloc(pool_for(wanted));
  if (m == nullptr) {
    ++given_up_;
    done_ = true;
    return nullptr;
  }
  const uint32_t length = std::min<uint32_t>(wanted, rte_pktmbuf_tailroom(m) - kMostHeaders);
  segment.flags = flags_of(flags_, sent_ == 0, length == left);

  auto* frame = rte_pktmbuf_mtod(m, uint8_t*);
  const bool v4 = tuple.local.is_v4();
  std::memset(frame, 0, 12);
  base::store_be16(frame + 12, v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  uint8_t* ip = frame + kEthernet;
  uint8_t* tcp = ip + (v4 ? wire::kIpv4MinLength : wire::kIpv6Length);
  const size_t header = tcp::write_header(segment, tuple.local_port, tuple.remote_port, tcp);
  copy_payload(tcp + header, length);
  const size_t l4 = header + length;
  wire::Ip fields;
  fields.src = tuple.local;
  fields.dst = tuple.remote;
  fields.traffic_class = static_cast<uint8_t>(segment.ecn);
  wire::build_ip_header({ip, kMostHeaders}, fields, wire::kProtocolTcp, l4);
  const uint64_t sum = wire::sum_bytes(
      {tcp, l4}, wire::sum_pseudo_header(tuple.local, tuple.remote, wire::kProtocolTcp, static_cast<uint32_t>(l4)));
  base::store_raw<uint16_t>(tcp + wire::kTcpChecksumAt, static_cast<uint16_t>(~wire::fold(sum)));
  m->data_len = static_cast<uint16_t>(static_cast<size_t>(tcp - frame) + l4);
  m->pkt_len = m->data_len;
  m->port = 0;
  engine::carry_of(m) = engine::Carry{};
  sent_ += length;
  segment.seq += length;
  done_ = sent_ == segment.length;
  return m;
}

}  // namespace penstock::host
