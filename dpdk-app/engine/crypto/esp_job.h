// One packet's errand to a crypto device: where its bytes are, its nonce, what is authenticated beside them, and the
// tag. Filled by esp_out / esp_in, carried by esp_lane: on the lane's own array for synchronous work, in the private
// area of an rte_crypto_op for a device's queues (kJobIvOffset is the IV's place counted from the operation).
//
// The tag travels here, not in the packet: with extended sequence numbers and a separate integrity algorithm the high
// 32 bits are authenticated right where the ICV will stand (RFC 4303 §2.2.1), and every cipher takes the same road.
#pragma once

#include <rte_crypto.h>

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "engine/crypto/esp_packet.h"
#include "engine/crypto/sa_spec.h"

namespace penstock::crypto {

struct EspJob {
  alignas(8) uint8_t iv[16];  // AEAD: 12-byte nonce; CBC: 16-byte IV
  uint8_t aad[16];            // SPI and sequence number: 8 bytes, or 12 with ESN (RFC 4106 §5)
  uint8_t tag[kIcvLength];
  uint8_t* data;                // AEAD: the ciphertext; else from the ESP header on
  uint32_t length;              // of data
  uint16_t esp_at;              // ESP header, from the packet's first byte
  uint8_t outer_traffic_class;  // inbound: for RFC 6040
  uint64_t sequence;
  EspPacket packet;
};

// What the device said of a job. A device that failed is no forger: the two are counted apart.
enum class JobEnd : uint8_t { kGood, kForged, kFailed };

constexpr uint16_t kJobAt = sizeof(rte_crypto_op) + sizeof(rte_crypto_sym_op);
constexpr uint16_t kJobIvOffset = kJobAt + offsetof(EspJob, iv);
static_assert(kJobAt % alignof(EspJob) == 0);

constexpr uint16_t aad_length(bool esn) { return esn ? 12 : 8; }

// RFC 4106 §5, RFC 7634 §2.1: the SPI, then the sequence number, whole when it is extended.
inline void write_aad(uint8_t* aad, uint32_t spi, uint64_t sequence, bool esn) {
  base::store_be32(aad, spi);
  if (esn) {
    base::store_be64(aad + 4, sequence);
  } else {
    base::store_be32(aad + 4, static_cast<uint32_t>(sequence));
  }
}

}  // namespace penstock::crypto
