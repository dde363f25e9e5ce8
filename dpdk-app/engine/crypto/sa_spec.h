// What one direction of a tunnel was agreed to be: the input from which an OutboundSa or InboundSa is made. Plain
// values and the key; no state. Control thread.
//
// Keys are ordered as the RFCs order KEYMAT: for AES-GCM and ChaCha20-Poly1305 `key` is the cipher's key followed by
// the 4 bytes of salt (RFC 4106 §8.1, RFC 7634 §2); for the others `key` is the cipher's and `integrity_key` is HMAC's.
// check() names the first fault; an SA is made only of a spec that has none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/crypto/key.h"
#include "wire/headers.h"

namespace penstock::crypto {

enum class Cipher : uint8_t {
  kAesGcm128,         // RFC 4106, 16-byte ICV
  kAesGcm256,         // RFC 4106, 16-byte ICV
  kChaCha20Poly1305,  // RFC 7634
  kAesCbc128Sha256,   // RFC 3602 with HMAC-SHA-256-128 (RFC 4868)
  kAesCbc256Sha256,
  kNullSha256,  // RFC 2410: nothing is encrypted. Only with SaSpec::allow_cleartext_payload
};
constexpr size_t kCiphers = 6;

struct CipherTraits {
  const char* name;  // "aes-gcm-128"
  uint8_t key_length;
  uint8_t salt_length;
  uint8_t integrity_key_length;
  uint8_t iv_length;  // on the wire
  uint8_t block;      // a power of two; ciphertext is a multiple of it: RFC 4303 §2.4 asks for 4, CBC for 16
  bool aead;
};
const CipherTraits& traits_of(Cipher cipher);

constexpr size_t kEspHeaderLength = 8;   // SPI, sequence number (RFC 4303 §2)
constexpr size_t kEspTrailerLength = 2;  // pad length, next header
constexpr size_t kIcvLength = 16;        // of every cipher above: the untruncated tag, or HMAC-SHA-256-128
constexpr uint32_t kMinSpi = 256;        // RFC 4303 §2.1: 0 is local, 1 to 255 are reserved

// What may travel inside (RFC 4301 §4.4.1.1), seen from the gateway: `local` is behind us. Ports count only where the
// protocol has them; a later fragment has none, and matches only a selector that names no ports.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0xffff;
  bool any() const { return first == 0 && last == 0xffff; }
  bool contains(uint16_t port) const { return first <= port && port <= last; }
};
struct Selector {
  base::Prefix local;
  base::Prefix remote;
  uint8_t protocol = 0;  // 0: any
  PortRange local_ports;
  PortRange remote_ports;
};
constexpr size_t kMaxSelectors = 64;  // looked through for every packet; a peer's prefixes, aggregated

// 0: no limit. `soft` asks for a new SA, `hard` ends this one; hard limits of our own stand below any (sa.h).
struct Lifetime {
  uint64_t soft_bytes = 0;
  uint64_t hard_bytes = 0;
  uint64_t soft_packets = 0;
  uint64_t hard_packets = 0;
  base::Nanos soft_time = 0;  // monotonic, absolute
  base::Nanos hard_time = 0;
};

enum class DscpPolicy : uint8_t { kCopy, kFixed };      // RFC 4301 §5.1.2.1: from the inner header, or SaSpec::dscp
enum class EcnMode : uint8_t { kNormal, kCompatible };  // RFC 6040 §4.1: copied outward, or the outer one is not-ECT
enum class DfPolicy : uint8_t { kCopy, kSet, kClear };  // RFC 4301 §8.1; IPv6 inside counts as set

struct SaSpec {
  uint32_t spi = 0;
  Cipher cipher = Cipher::kAesGcm128;
  bool allow_cleartext_payload = false;  // kNullSha256 is refused without it
  Key key;
  Key integrity_key;
  bool esn = true;
  // Outbound: added to the sequence number where an IV is made of it. Keys that outlive this program need one that
  // never comes again, as the sequence number does (RFC 4106 §3.1: an IV twice under one key gives both away): wall
  // time in ns.
  uint64_t first_iv = 0;
  uint32_t replay_window = 1024;  // inbound; a multiple of 64, or 0 (replay_window.h)

  base::IpAddress local;  // of the tunnel, one family; outbound it is the source
  base::IpAddress remote;
  uint8_t hop_limit = 64;  // RFC 4301 §5.1.2.1: the outer one is constructed
  DscpPolicy dscp_policy = DscpPolicy::kCopy;
  uint8_t dscp = 0;
  EcnMode ecn = EcnMode::kNormal;
  DfPolicy df = DfPolicy::kCopy;
  uint16_t path_mtu = 1500;  // of the underlay: the longest outer datagram

  bool identities = false;  // every packet has an identity header (identity_header.h)

  bool udp_encapsulation = false;
  uint16_t udp_source_port = 0;  // 0: from the inner flow, 49152 to 65535 (RFC 6335 §6), so that the fabric balances
  uint16_t udp_destination_port = wire::kPortEspInUdp;

  std::vector<Selector> selectors;  // inbound; empty: anything may be inside
  Lifetime lifetime;
};

base::Result<void> check(const SaSpec& spec);

// Does a datagram from `source` to `destination` (as they stand in it) lie inside one of the selectors?
struct InnerFlow {
  base::IpAddress source;
  base::IpAddress destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;
  bool has_ports = false;
};
bool inbound_match(std::span<const Selector> selectors, const InnerFlow& flow);

}  // namespace penstock::crypto
