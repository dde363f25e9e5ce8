#include "engine/crypto/esp_out.h"

#include <rte_mbuf.h>

#include <cstring>

#include "engine/crypto/buffer.h"
#include "engine/crypto/identity_header.h"
#include "engine/crypto/outer.h"

namespace penstock::crypto {

namespace {

// RFC 4303 §2.4: 1, 2, 3, ...; then pad length and next header. Writes 16 bytes, and no more than two beyond: where ICV
// and a whole block fit too.
void write_trailer(uint8_t* at, size_t padding, uint8_t next_header) {
  static constexpr uint8_t kPadding[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  std::memcpy(at, kPadding, sizeof kPadding);
  at[padding] = static_cast<uint8_t>(padding);
  at[padding + 1] = next_header;
}

void fill_aead_job(const OutboundSa& sa, uint8_t* esp, size_t ciphertext, EspJob& job) {
  const uint64_t iv = job.sequence + sa.first_iv();
  base::store_be64(esp + kEspHeaderLength, iv);
  std::memcpy(job.iv, sa.salt(), 4);
  base::store_be64(job.iv + 4, iv);
  write_aad(job.aad, sa.spi(), job.sequence, sa.esn());
  job.data = esp + kEspHeaderLength + sa.traits().iv_length;
  job.length = static_cast<uint32_t>(ciphertext);
}

// The place of the IV holds the block to be encrypted first; what comes out of it is the IV (see esp_out.h).
void fill_hmac_job(const OutboundSa& sa, uint8_t* esp, size_t ciphertext, EspJob& job) {
  const size_t iv = sa.traits().iv_length;
  std::memset(job.iv, 0, sizeof job.iv);
  if (iv != 0) {
    base::store_be64(esp + kEspHeaderLength, job.sequence + sa.first_iv());
    base::store_be64(esp + kEspHeaderLength + 8, 0);
  }
  job.data = esp;
  job.length = static_cast<uint32_t>(kEspHeaderLength + iv + ciphertext);
  if (!sa.esn()) return;
  base::store_be32(esp + job.length, static_cast<uint32_t>(job.sequence >> 32));  // where the ICV will stand
  job.length += 4;
}

}  // namespace

EspVerdict prepare_out(OutboundSa& sa, rte_mbuf* packet, uint32_t identity, base::Nanos now, EspJob& job) {
  const CipherTraits& traits = sa.traits();
  // One block more than any packet needs, so that the question can be asked before its length is known.
  const auto most_tail = static_cast<uint32_t>(traits.block + kEspTrailerLength + kIcvLength);
  if (const EspVerdict claimed = claim_buffer(packet, most_tail); claimed != EspVerdict::done) return claimed;
  if ((packet->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK) != 0) return EspVerdict::pending_offload;

  InnerView inner;
  if (!look_inside({rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len}, inner))
    return EspVerdict::malformed_inner;
  if (inner.length > sa.inner_mtu()) return inner.dont_fragment ? EspVerdict::too_big : EspVerdict::needs_fragmentation;
  const size_t shim = sa.identities() ? kIdentityHeaderLength : 0;
  const size_t head = sa.outer_length() + kEspHeaderLength + traits.iv_length + shim;
  if (rte_pktmbuf_headroom(packet) < head) return EspVerdict::no_headroom;
  if (!sa.may_carry(inner.length, now)) return EspVerdict::lifetime_expired;
  job.sequence = sa.next_sequence();
  if (job.sequence == 0) return EspVerdict::sequence_exhausted;
  sa.use(inner.length);

  const size_t unpadded = shim + inner.length + kEspTrailerLength;
  const size_t padding = -unpadded & (traits.block - 1u);  // a power of two
  const size_t ciphertext = unpadded + padding;
  auto* ip = rte_pktmbuf_mtod(packet, uint8_t*);
  const uint8_t next_header = inner.family == 4 ? wire::kProtocolIpip : wire::kProtocolIpv6;
  write_trailer(ip + inner.length, padding, shim != 0 ? kProtocolIdentity : next_header);
  uint8_t* outer = ip - head;
  // One segment, as claimed: what would walk a chain is not asked. Ethernet's own padding goes.
  packet->data_off = static_cast<uint16_t>(packet->data_off - head);
  packet->data_len = static_cast<uint16_t>(head - shim + ciphertext + kIcvLength);
  packet->pkt_len = packet->data_len;

  if (shim != 0) write_identity(outer + head - shim, identity, next_header);
  write_outer(sa, inner, outer, kEspHeaderLength + traits.iv_length + ciphertext + kIcvLength);
  uint8_t* esp = outer + sa.outer_length();
  base::store_be32(esp, sa.spi());
  base::store_be32(esp + 4, static_cast<uint32_t>(job.sequence));
  job.esp_at = static_cast<uint16_t>(sa.outer_length());
  if (traits.aead) {
    fill_aead_job(sa, esp, ciphertext, job);
  } else {
    fill_hmac_job(sa, esp, ciphertext, job);
  }
  return EspVerdict::done;
}

void undo_out(const OutboundSa& sa, rte_mbuf* packet) {
  const size_t shim = sa.identities() ? kIdentityHeaderLength : 0;
  rte_pktmbuf_adj(packet, static_cast<uint16_t>(sa.outer_length() + kEspHeaderLength + sa.traits().iv_length + shim));
  const auto* end = rte_pktmbuf_mtod_offset(packet, const uint8_t*, packet->data_len);
  const size_t padding = *(end - kIcvLength - kEspTrailerLength);
  rte_pktmbuf_trim(packet, static_cast<uint16_t>(padding + kEspTrailerLength + kIcvLength));
}

EspVerdict finish_out(OutboundSa& sa, rte_mbuf* packet, const EspJob& job, JobEnd end) {
  if (end != JobEnd::kGood) return EspVerdict::crypto_failed;
  auto* outer = rte_pktmbuf_mtod(packet, uint8_t*);
  std::memcpy(outer + packet->data_len - kIcvLength, job.tag, kIcvLength);
  // What the packet itself says: the association may have another way by now.
  if (sa.udp_encapsulation() && *outer >> 4 == 6)
    finish_udp6(outer, packet->data_len - wire::kIpv6Length - wire::kUdpLength);
  return EspVerdict::done;
}

}  // namespace penstock::crypto
