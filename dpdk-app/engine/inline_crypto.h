// What Encrypt and Decrypt do where NICs have keys (crypto/inline_port.h). Called only while some port is or was one.
//
// A packet is sealed for a NIC only when nothing is left that could change its way: the association has a key on the
// port that was chosen (so this worker owns a transmit queue there, inline_keys.h), and the next hop's MAC is known. It
// is in that queue at the end of the round at the latest. Every other packet takes the lane: the CPU, or a look-aside
// device. What a NIC decrypted goes on as if the lane had; what it did not, the lane does.
// The worker's. `who[k]` is the place in the burst of the k-th packet. Both functions put what is the lane's in front
// and return how many that is; behind it the packets have their verdicts. Does not: run crypto.
#pragma once

#include "engine/worker_state.h"

namespace penstock::engine {

unsigned seal_inline(const Burst& burst, WorkerState& w, crypto::EspPacket* leaving, uint8_t* who, unsigned count);

// Also drops what a NIC decrypted and nobody took for ESP of ours: its inside is in clear and must go nowhere.
unsigned unseal_inline(Burst& burst, WorkerState& w, crypto::EspPacket* found, uint8_t* who, unsigned count);

}  // namespace penstock::engine
