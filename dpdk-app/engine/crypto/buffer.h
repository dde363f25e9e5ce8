// May this buffer be encrypted or decrypted in place, and is it in one piece? Hot, inline; the first question of both
// directions.
#pragma once

#include <rte_mbuf.h>

#include "engine/crypto/verdict.h"

namespace penstock::crypto {

// `tail`: bytes that must fit behind the data once it is in one piece. On a refusal the packet is as it was.
inline EspVerdict claim_buffer(rte_mbuf* packet, uint32_t tail) {
  if (!RTE_MBUF_DIRECT(packet) || rte_mbuf_refcnt_read(packet) != 1) return EspVerdict::shared_buffer;
  if (packet->nb_segs == 1) return rte_pktmbuf_tailroom(packet) >= tail ? EspVerdict::done : EspVerdict::no_tailroom;
  const uint32_t more = packet->pkt_len - packet->data_len;
  const uint32_t room = packet->buf_len - packet->data_off - packet->data_len;
  if (more + tail > room || rte_pktmbuf_linearize(packet) != 0) return EspVerdict::segmented;
  return EspVerdict::done;
}

}  // namespace penstock::crypto
