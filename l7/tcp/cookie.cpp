#include "l7/tcp/cookie.h"

namespace penstock::tcp {

namespace {

constexpr base::Nanos kPeriod = 64 * base::kNanosPerSecond;
constexpr base::Nanos kIsnTick = 4000;  // RFC 6528 §3
constexpr uint16_t kMssClasses[8] = {216, 536, 1220, 1380, 1440, 1448, 1460, 8960};
constexpr uint32_t kHashBits = 24;
constexpr uint32_t kOptionBits = 6;  // scale 4 (15: none), SACK 1, ECN 1
constexpr uint32_t kNoScale = 15;

uint32_t cookie_hash(const HashKey& key, const Tuple& t, Seq irs, uint64_t counter, unsigned mss_class) {
  const uint64_t hash = keyed_hash(key, {hash_of(key, t), irs, counter, mss_class, 1});
  return static_cast<uint32_t>(hash) >> (32 - kHashBits);
}

unsigned class_of(uint16_t mss) {
  unsigned c = 7;
  while (c > 0 && kMssClasses[c] > mss) --c;
  return c;
}

}  // namespace

uint64_t hash_of(const HashKey& key, const Tuple& t) {
  const auto word = [](const base::IpAddress& a, size_t at) { return base::load_raw<uint64_t>(&a.bytes[at]); };
  return keyed_hash(key, {word(t.local, 0), word(t.local, 8), word(t.remote, 0), word(t.remote, 8),
                          static_cast<uint64_t>(t.local_port) << 16 | t.remote_port});
}

Seq initial_sequence(const HashKey& key, const Tuple& t, base::Nanos now) {
  return static_cast<Seq>(now / kIsnTick) + static_cast<Seq>(keyed_hash(key, {hash_of(key, t), 2}));
}

uint32_t timestamp_offset(const HashKey& key, const Tuple& t) {
  return static_cast<uint32_t>(keyed_hash(key, {hash_of(key, t), 3}));
}

Outgoing cookie_answer(const HashKey& key, const Tuple& t, const Segment& syn, const Tuning& tuning, base::Nanos now) {
  const PeerOffer offer = offer_of(syn);
  const uint64_t counter = now / kPeriod;
  const unsigned mss_class = class_of(offer.mss != 0 ? offer.mss : tuning.default_mss);
  Outgoing out;
  out.seq =
      static_cast<Seq>(counter % 32) << 27 | mss_class << kHashBits | cookie_hash(key, t, syn.seq, counter, mss_class);
  out.ack = syn.seq + 1;
  out.flags = wire::kTcpSyn | wire::kTcpAck;
  out.window = static_cast<uint16_t>(std::min<uint32_t>(tuning.receive_buffer, 65535));
  out.options.mss = tuning.mss;
  if (!tuning.timestamps || !offer.timestamps) return out;
  const bool scaled = tuning.window_scale && offer.window_scale != kNoWindowScale;
  const bool sack = tuning.sack && offer.sack;
  const bool ecn = tuning.ecn && offer.ecn;
  const uint32_t bits = (scaled ? offer.window_scale : kNoScale) << 2 | (sack ? 2U : 0U) | (ecn ? 1U : 0U);
  const uint32_t clock = timestamp_offset(key, t) + static_cast<uint32_t>(now / kMillisecond);
  uint32_t value = (clock & ~((1U << kOptionBits) - 1)) | bits;
  if (after(value, clock)) value -= 1U << kOptionBits;  // never ahead of the clock: PAWS at the peer
  out.options.has_timestamps = true;
  out.options.ts_value = value;
  out.options.ts_echo = offer.ts_value;
  out.options.sack_permitted = sack;
  if (scaled) out.options.window_scale = scale_for(tuning.receive_buffer);
  if (ecn) out.flags |= wire::kTcpEce;
  return out;
}

bool check_cookie(const HashKey& key, const Tuple& t, const Segment& ack, const Tuning& tuning, base::Nanos now,
                  Opening& opening, PeerOffer& offer) {
  if (!ack.has(wire::kTcpAck) || ack.has(wire::kTcpSyn | wire::kTcpRst)) return false;
  const Seq cookie = ack.ack - 1;
  const uint64_t present = now / kPeriod;
  const uint64_t age = (present - (cookie >> 27)) % 32;
  if (age > 1 || age > present) return false;
  const unsigned mss_class = cookie >> kHashBits & 7;
  if ((cookie & ((1U << kHashBits) - 1)) != cookie_hash(key, t, ack.seq - 1, present - age, mss_class)) return false;
  opening = {cookie, timestamp_offset(key, t), 0};
  offer = PeerOffer{};
  offer.irs = ack.seq - 1;
  offer.mss = kMssClasses[mss_class];
  offer.window = ack.window;
  if (!ack.options.has_timestamps || !tuning.timestamps) return true;
  const uint32_t bits = ack.options.ts_echo & ((1U << kOptionBits) - 1);
  offer.timestamps = true;
  offer.ts_value = ack.options.ts_value;
  offer.window_scale = bits >> 2 == kNoScale ? kNoWindowScale : static_cast<uint8_t>(bits >> 2);
  offer.sack = bits & 2;
  offer.ecn = bits & 1;
  return true;
}

}  // namespace penstock::tcp
