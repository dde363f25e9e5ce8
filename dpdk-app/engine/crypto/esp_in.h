// ESP inbound, tunnel mode, in the order of RFC 4303 §3.4: find_esp() refuses fragments (§3.4.1) and tells SPI and
// place for the caller's SA look-up (§3.4.2); prepare_in() checks lengths and the sequence number (§3.4.3); after the
// crypto finish_in() believes the ICV (§3.4.4), moves the window, and only then looks at padding, next header, the
// inner packet, the selectors (RFC 4301 §5.2) and ECN (RFC 6040 §4.2).
//
// The packet begins at its outer IP header; done, it begins at the inner one, trimmed to its own length. Until the ICV
// is checked a refused packet is as it was; behind that its bytes are scrambled or in clear: drop it, never forward it.
// Every input is hostile here: no byte is read before it is known to be inside the packet. Hot; the SA's owner.
// Does not: verify the outer UDP checksum (RFC 3948 §2.1: not to be depended on; the ICV covers what counts), bind the
// SA to an outer source (a peer has several addresses), reassemble.
#pragma once

#include "engine/crypto/esp_job.h"
#include "engine/crypto/sa.h"

namespace penstock::crypto {

// `done`: `spi` and `place` are valid. Keepalives and the non-ESP marker have verdicts of their own. `outer`: what
// wire::parse() or parse_ip() found without an error, its offsets counted from `frame`; `place` counts from the IP
// header.
EspVerdict find_esp(const uint8_t* frame, const wire::Headers& outer, uint32_t& spi, EspPlace& place);

// `packet` may become one segment.
EspVerdict prepare_in(InboundSa& sa, rte_mbuf* packet, const EspPlace& place, base::Nanos now, EspJob& job);
// Done: `p.inner` says what is inside, and `p.identity` what the identity header says, where the SA has one.
EspVerdict finish_in(InboundSa& sa, const EspJob& job, JobEnd end, EspPacket& p);
// The device did not take the job: the packet is again what prepare_in() saw.
void undo_in(const InboundSa& sa, rte_mbuf* packet, const EspJob& job);

}  // namespace penstock::crypto
