// ESP outbound, tunnel mode (RFC 4303 §3.3), in two beats around the crypto: prepare_out() judges the packet, takes a
// sequence number, and makes the whole outer packet but its ciphertext; finish_out() puts the ICV behind it.
//
// The packet begins at its IP header, with finished checksums, and is encrypted in place; it ends up beginning at the
// outer IP header. A packet refused by prepare_out() is as it was (segments may have become one), and undo_out() makes
// it so again when no device takes it; its sequence number is lost. One that finish_out() refuses is half made, in
// clear: drop it. Hot; the SA's owner. IVs: AEAD takes the sequence number and SaSpec::first_iv (RFC 4106 §3.1: unique
// is enough). CBC needs one that nobody can foretell: the sequence number is encrypted as the first block under the
// same key (NIST SP 800-38A, appendix C), which costs a block. Does not: fragment (see needs_fragmentation,
// OutboundSa::inner_mtu), pad against traffic analysis.
#pragma once

#include "engine/crypto/esp_job.h"
#include "engine/crypto/sa.h"

namespace penstock::crypto {

// `identity`: for the identity header, where the SA has one.
EspVerdict prepare_out(OutboundSa& sa, rte_mbuf* packet, uint32_t identity, base::Nanos now, EspJob& job);
EspVerdict finish_out(OutboundSa& sa, rte_mbuf* packet, const EspJob& job, JobEnd end);
void undo_out(const OutboundSa& sa, rte_mbuf* packet);

}  // namespace penstock::crypto
