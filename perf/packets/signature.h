// What a packet of ours says about itself, in the last 18 bytes of its payload: small enough for a frame of 64 bytes
// with IPv4 and UDP. All numbers big-endian.
//
//   0 magic 0x5d · 1 stream · 2 the stream inverted · 3 epoch · 4–8 sequence · 9–13 nanoseconds · 14–17 CRC-32C
//
// The CRC covers everything behind the transport header up to itself, so that a change of any byte there is seen.
// An epoch is a trial: what comes late from an earlier one is told apart (modulo 256). Nanoseconds are the generator's
// own clock modulo 2^40 (18 minutes), sequences begin at 0 in each trial and end at 2^40 - 1.
//
// Pure; reads only the bytes it is given; any thread.
#pragma once

#include <nmmintrin.h>

#include <cstdint>

#include "base/bytes.h"

namespace penstock::load {

constexpr size_t kSignatureLength = 18;
constexpr uint64_t kFortyBits = (1ull << 40) - 1;

// Of bytes, going on from `crc`; CRC-32C without the last inversion (RFC 3720 §B.4), by the processor's instruction.
inline uint32_t crc_of(base::Bytes bytes, uint32_t crc = 0xffffffff) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t value = crc;
  for (; left >= 8; at += 8, left -= 8) value = _mm_crc32_u64(value, base::load_raw<uint64_t>(at));
  crc = static_cast<uint32_t>(value);
  for (; left != 0; ++at, --left) crc = _mm_crc32_u8(crc, *at);
  return crc;
}

struct Signature {
  uint8_t stream = 0;
  uint8_t epoch = 0;
  uint64_t sequence = 0;  // 40 bits
  uint64_t nanos = 0;     // 40 bits
};

constexpr uint8_t kMagic = 0x5d;

inline void store_forty_bits(uint8_t* at, uint64_t value) {
  at[0] = static_cast<uint8_t>(value >> 32);
  base::store_be32(at + 1, static_cast<uint32_t>(value));
}
inline uint64_t load_forty_bits(const uint8_t* at) {
  return static_cast<uint64_t>(at[0]) << 32 | base::load_be32(at + 1);
}

// `payload_crc`: crc_of() the payload before the signature, made once for each length.
inline void write_signature(uint8_t* at, const Signature& s, uint32_t payload_crc) {
  at[0] = kMagic;
  at[1] = s.stream;
  at[2] = static_cast<uint8_t>(~s.stream);
  at[3] = s.epoch;
  store_forty_bits(at + 4, s.sequence);
  store_forty_bits(at + 9, s.nanos);
  base::store_be32(at + 14, crc_of({at, 14}, payload_crc));
}

enum class Judgement : uint8_t {
  kOurs,       // every byte is as it was sent
  kCorrupted,  // ours by most of its marks, but not as it was sent; `out.stream` is the one it belongs to
  kStale,      // ours of an earlier trial, whatever its state
  kForeign,    // not ours
};

// Is the CRC right once the signature's byte at `index` is `value`?
inline bool is_sound_with(base::Bytes payload, size_t index, uint8_t value) {
  const uint8_t* at = payload.data() + payload.size() - kSignatureLength;
  uint8_t repaired[14];
  std::memcpy(repaired, at, sizeof repaired);
  repaired[index] = value;
  const uint32_t before = crc_of(payload.first(payload.size() - kSignatureLength));
  return crc_of(repaired, before) == base::load_be32(at + 14);
}

// `payload`: everything behind the transport header. `streams`, `epoch`: of the trial under way.
inline Judgement read_signature(base::Bytes payload, unsigned streams, uint8_t epoch, Signature& out) {
  if (payload.size() < kSignatureLength) return Judgement::kForeign;
  const uint8_t* at = payload.data() + payload.size() - kSignatureLength;
  const uint8_t stream = at[1], again = static_cast<uint8_t>(~at[2]);
  const bool sound = crc_of(payload.first(payload.size() - 4)) == base::load_be32(at + 14);
  if (sound && at[0] == kMagic && stream == again && stream < streams) {
    out = {stream, at[3], load_forty_bits(at + 4), load_forty_bits(at + 9)};
    return out.epoch == epoch ? Judgement::kOurs : Judgement::kStale;
  }
  // Harmed, or a stranger's: ours has three of these four marks when one of its bytes was changed.
  const unsigned marks = (at[0] == kMagic) + (at[3] == epoch) + (stream == again ? 2 : 0);
  if (marks < 2 || (marks == 2 && stream == again)) return Judgement::kForeign;
  out.stream = stream;
  if (stream == again) {
    if (stream >= streams) return Judgement::kForeign;
    // Another epoch is what was harmed, or it is an earlier trial's and harmed elsewhere.
    return at[3] == epoch || is_sound_with(payload, 3, epoch) ? Judgement::kCorrupted : Judgement::kStale;
  }
  // One of the two copies of the stream was changed: the CRC knows which.
  if (stream >= streams || is_sound_with(payload, 1, again)) out.stream = again;
  return out.stream < streams ? Judgement::kCorrupted : Judgement::kForeign;
}

}  // namespace penstock::load
