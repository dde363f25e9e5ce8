// ESP where a NIC does the cipher (inline_port.h): all of prepare_out(), prepare_in() and finish_in(), and a mark
// instead of the crypto. What is sealed here is in clear until its NIC has it: it must leave by that port, with the
// mark, and by nothing else; whoever cannot promise that gives the packet to the lane.
//
// Hot; the SA's owner. Counted in the SA as the lane counts. Does not: choose the port, free packets.
#pragma once

#include "base/time.h"
#include "engine/crypto/esp_packet.h"
#include "engine/crypto/inline_port.h"
#include "engine/crypto/sa.h"

namespace penstock::crypto {

// True: `p` has a verdict; done: the outer packet, ready for the NIC behind a link header of `l2_length` bytes.
// False: the NIC refuses, its port has failed, and the packet is as it was.
bool seal(OutboundSa& sa, const InlineSession& nic, EspPacket& p, uint8_t l2_length, base::Nanos now);

// What a NIC has decrypted. `forged`: it found the ICV wrong.
void unseal(InboundSa& sa, EspPacket& p, bool forged, base::Nanos now);

}  // namespace penstock::crypto
