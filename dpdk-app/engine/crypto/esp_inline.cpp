#include "engine/crypto/esp_inline.h"

#include <rte_mbuf.h>

#include <cstring>

#include "engine/crypto/esp_in.h"
#include "engine/crypto/esp_out.h"

namespace penstock::crypto {

bool seal(OutboundSa& sa, const InlineSession& nic, EspPacket& p, uint8_t l2_length, base::Nanos now) {
  EspJob job;
  const uint32_t length = p.packet->pkt_len;
  p.verdict = prepare_out(sa, p.packet, p.identity, now, job);
  if (p.verdict != EspVerdict::done) {
    sa.count(p.verdict, length);
    return true;
  }
  // Where the ICV will stand: nothing of an older packet; with ESN what is authenticated but not sent (RFC 4303
  // §2.2.1).
  uint8_t* icv = rte_pktmbuf_mtod_offset(p.packet, uint8_t*, p.packet->data_len - kIcvLength);
  std::memset(icv, 0, kIcvLength);
  if (sa.esn()) base::store_be32(icv, static_cast<uint32_t>(job.sequence >> 32));
  p.packet->tx_offload = 0;  // of the buffer's last use
  p.packet->l2_len = l2_length;
  p.packet->l3_len = sa.outer_length();
  if (!nic.port().mark(p.packet, nic.handle(), job.sequence)) {
    nic.port().fail();
    undo_out(sa, p.packet);
    return false;
  }
  sa.count(p.verdict, p.packet->pkt_len);
  return true;
}

void unseal(InboundSa& sa, EspPacket& p, bool forged, base::Nanos now) {
  EspJob job;
  const uint32_t length = p.packet->pkt_len;
  p.verdict = prepare_in(sa, p.packet, p.place, now, job);
  if (p.verdict == EspVerdict::done) p.verdict = finish_in(sa, job, forged ? JobEnd::kForged : JobEnd::kGood, p);
  sa.count(p.verdict, length);
}

}  // namespace penstock::crypto
