#include "engine/crypto/esp_in.h"

#include <rte_mbuf.h>

#include <cstring>

#include "engine/crypto/buffer.h"
#include "engine/crypto/ecn.h"
#include "engine/crypto/identity_header.h"
#include "wire/checksum.h"
#include "wire/parse.h"

namespace penstock::crypto {

namespace {

constexpr uint8_t kKeepaliveByte = 0xff;  // RFC 3948 §2.3

EspVerdict verdict_of(ReplayWindow::Place place) {
  switch (place) {
    case ReplayWindow::Place::kNew:
      return EspVerdict::done;
    case ReplayWindow::Place::kSeen:
      return EspVerdict::replayed;
    case ReplayWindow::Place::kTooOld:
      return EspVerdict::too_old;
    case ReplayWindow::Place::kZero:
      return EspVerdict::zero_sequence;
  }
  return EspVerdict::replayed;
}

void fill_aead_job(const InboundSa& sa, uint8_t* esp, size_t ciphertext, EspJob& job) {
  std::memcpy(job.iv, sa.salt(), 4);
  std::memcpy(job.iv + 4, esp + kEspHeaderLength, 8);
  write_aad(job.aad, sa.spi(), job.sequence, sa.esn());
  job.data = esp + kEspHeaderLength + sa.traits().iv_length;
  job.length = static_cast<uint32_t>(ciphertext);
}

void fill_hmac_job(const InboundSa& sa, uint8_t* esp, size_t ciphertext, EspJob& job) {
  const size_t iv = sa.traits().iv_length;
  std::memcpy(job.iv, esp + kEspHeaderLength, iv);
  job.data = esp;
  job.length = static_cast<uint32_t>(kEspHeaderLength + iv + ciphertext);
  if (!sa.esn()) return;
  base::store_be32(esp + job.length, static_cast<uint32_t>(job.sequence >> 32));  // the ICV is safe in the job
  job.length += 4;
}

// §2.4: padding, checked byte by byte. `clear` is what was encrypted. On success `length` is the payload's alone.
EspVerdict strip_trailer(const uint8_t* clear, size_t& length, uint8_t& next_header) {
  const size_t padding = clear[length - 2];
  next_header = clear[length - 1];
  if (padding + kEspTrailerLength > length) return EspVerdict::bad_padding;
  length -= padding + kEspTrailerLength;
  for (size_t i = 0; i < padding; ++i)
    if (clear[length + i] != i + 1) return EspVerdict::bad_padding;
  return EspVerdict::done;
}

InnerFlow flow_of(const uint8_t* ip, const wire::Headers& h) {
  InnerFlow flow;
  if (h.family == 4) {
    flow.source = base::IpAddress::v4_from(ip + wire::kIpv4SrcAt);
    flow.destination = base::IpAddress::v4_from(ip + wire::kIpv4DstAt);
  } else {
    flow.source = base::IpAddress::v6_from(ip + wire::kIpv6SrcAt);
    flow.destination = base::IpAddress::v6_from(ip + wire::kIpv6DstAt);
  }
  flow.source_port = h.src_port;
  flow.destination_port = h.dst_port;
  flow.protocol = h.protocol;
  flow.has_ports =
      !h.is(wire::kIsLaterFragment) &&
      (h.protocol == wire::kProtocolTcp || h.protocol == wire::kProtocolUdp || h.protocol == wire::kProtocolSctp);
  return flow;
}

void set_ecn(uint8_t* ip, uint8_t family, uint8_t ecn) {
  if (family == 6) {
    ip[1] = static_cast<uint8_t>((ip[1] & ~(kEcnMask << 4)) | ecn << 4);
    return;
  }
  ip[wire::kIpv4TosAt] = static_cast<uint8_t>((ip[wire::kIpv4TosAt] & ~kEcnMask) | ecn);
  base::store_raw(ip + wire::kIpv4ChecksumAt, wire::compute_ipv4_header(ip));
}

// RFC 4301 §5.2 steps 3 to 5, RFC 6040 §4.2: the inner packet in its own right.
EspVerdict admit_inner(const InboundSa& sa, uint8_t* ip, size_t length, uint8_t next_header, uint8_t outer_class,
                       wire::Headers& h) {
  if (next_header == wire::kProtocolNoNext) return EspVerdict::dummy;
  if (next_header != wire::kProtocolIpip && next_header != wire::kProtocolIpv6) return EspVerdict::bad_next_header;
  if (wire::parse_ip({ip, length}, wire::Whole::kYes, wire::Ipv4Checksum::kVerify, h) != wire::ParseError::kNone)
    return EspVerdict::malformed_inner;
  if (h.family != (next_header == wire::kProtocolIpip ? 4 : 6)) return EspVerdict::malformed_inner;
  if (!sa.selectors().empty() && !inbound_match(sa.selectors(), flow_of(ip, h))) return EspVerdict::selector_mismatch;
  const uint8_t ecn = leave_tunnel(h.traffic_class, outer_class);
  if (ecn == kEcnDrop) return EspVerdict::congestion_lost;
  if (ecn != (h.traffic_class & kEcnMask)) {
    set_ecn(ip, h.family, ecn);
    h.traffic_class = static_cast<uint8_t>((h.traffic_class & ~kEcnMask) | ecn);
  }
  return EspVerdict::done;
}

// The identity header, if the SA has one and there must be one: what comes behind it is the inner packet.
EspVerdict strip_identity(const InboundSa& sa, const uint8_t* clear, size_t length, uint8_t& next_header,
                          uint32_t& identity) {
  if (!sa.identities()) return next_header == kProtocolIdentity ? EspVerdict::identity_unexpected : EspVerdict::done;
  if (next_header != kProtocolIdentity)
    return next_header == wire::kProtocolNoNext ? EspVerdict::dummy : EspVerdict::identity_missing;
  const auto header = read_identity({clear, length});
  if (!header) return EspVerdict::identity_malformed;
  next_header = header->next_header;
  identity = header->identity;
  return EspVerdict::done;
}

}  // namespace

EspVerdict find_esp(const uint8_t* frame, const wire::Headers& h, uint32_t& spi, EspPlace& place) {
  if (h.is(wire::kIsFragment)) return EspVerdict::outer_fragment;
  const bool in_udp = h.protocol == wire::kProtocolUdp;
  size_t esp_at = h.l4_offset, end = h.end;
  if (in_udp) {
    const size_t length = base::load_be16(frame + h.l4_offset + wire::kUdpLengthAt);  // the parser bounded it
    esp_at += wire::kUdpLength;
    end = h.l4_offset + length;
    if (length == wire::kUdpLength + 1 && frame[esp_at] == kKeepaliveByte) return EspVerdict::nat_keepalive;
  } else if (h.protocol != wire::kProtocolEsp) {
    return EspVerdict::not_esp;
  }
  if (esp_at + 4 > end) return EspVerdict::truncated_esp;
  spi = base::load_be32(frame + esp_at);
  if (in_udp && spi == 0) return EspVerdict::non_esp_marker;
  if (esp_at + kEspHeaderLength > end) return EspVerdict::truncated_esp;
  place = {static_cast<uint16_t>(esp_at - h.l2_length), static_cast<uint16_t>(end - h.l2_length), h.traffic_class,
           in_udp};
  return EspVerdict::done;
}

EspVerdict prepare_in(InboundSa& sa, rte_mbuf* packet, const EspPlace& place, base::Nanos now, EspJob& job) {
  const CipherTraits& traits = sa.traits();
  if (place.in_udp != sa.udp_encapsulation()) return EspVerdict::wrong_encapsulation;
  if (const EspVerdict claimed = claim_buffer(packet, 0); claimed != EspVerdict::done) return claimed;
  auto* esp = rte_pktmbuf_mtod_offset(packet, uint8_t*, place.esp_at);
  const size_t around = kEspHeaderLength + traits.iv_length + kIcvLength;
  const size_t length = place.end - place.esp_at;
  if (length < around + kEspTrailerLength) return EspVerdict::truncated_esp;
  if (base::load_be32(esp) != sa.spi()) return EspVerdict::wrong_spi;
  const size_t ciphertext = length - around;
  if ((ciphertext & (traits.block - 1u)) != 0) return EspVerdict::misaligned_esp;
  const auto found = sa.window().find(base::load_be32(esp + 4));
  if (found.place != ReplayWindow::Place::kNew) return verdict_of(found.place);
  if (!sa.may_carry(static_cast<uint32_t>(ciphertext), now)) return EspVerdict::lifetime_expired;

  sa.window().prefetch(found.sequence);
  job.sequence = found.sequence;
  job.esp_at = place.esp_at;
  job.outer_traffic_class = place.outer_traffic_class;
  std::memcpy(job.tag, esp + length - kIcvLength, kIcvLength);
  if (traits.aead) {
    fill_aead_job(sa, esp, ciphertext, job);
  } else {
    fill_hmac_job(sa, esp, ciphertext, job);
  }
  return EspVerdict::done;
}

void undo_in(const InboundSa& sa, rte_mbuf* packet, const EspJob& job) {
  if (sa.traits().aead || !sa.esn()) return;
  std::memcpy(rte_pktmbuf_mtod_offset(packet, uint8_t*, job.esp_at + job.length - 4), job.tag, 4);
}

EspVerdict finish_in(InboundSa& sa, const EspJob& job, JobEnd end, EspPacket& p) {
  rte_mbuf* packet = p.packet;
  if (end != JobEnd::kGood)
    return end == JobEnd::kForged ? EspVerdict::failed_authentication : EspVerdict::crypto_failed;
  if (const auto place = sa.window().mark(job.sequence); place != ReplayWindow::Place::kNew) return verdict_of(place);
  const size_t head = job.esp_at + kEspHeaderLength + sa.traits().iv_length;
  auto* clear = rte_pktmbuf_mtod_offset(packet, uint8_t*, head);
  // What was encrypted: prepare_in() laid the job out over exactly that.
  size_t length =
      sa.traits().aead ? job.length : job.length - kEspHeaderLength - sa.traits().iv_length - (sa.esn() ? 4 : 0);
  sa.use(static_cast<uint32_t>(length));
  uint8_t next_header = 0;
  if (const EspVerdict v = strip_trailer(clear, length, next_header); v != EspVerdict::done) return v;
  if (const EspVerdict v = strip_identity(sa, clear, length, next_header, p.identity); v != EspVerdict::done) return v;
  const size_t shim = sa.identities() ? kIdentityHeaderLength : 0;
  if (const EspVerdict v = admit_inner(sa, clear + shim, length - shim, next_header, job.outer_traffic_class, p.inner);
      v != EspVerdict::done)
    return v;
  packet->data_off = static_cast<uint16_t>(packet->data_off + head + shim);  // one segment, as claimed
  packet->data_len = p.inner.end;
  packet->pkt_len = p.inner.end;
  // What the device said about the outer packet says nothing about this one.
  packet->ol_flags = 0;
  packet->packet_type = 0;
  return EspVerdict::done;
}

}  // namespace penstock::crypto
