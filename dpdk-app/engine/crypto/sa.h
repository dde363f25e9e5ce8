// A security association of one direction (RFC 4301 §4.4.2), owned by exactly one worker: sequence number or replay
// window, lifetimes, counters and the session on a crypto device. No lock, no shared write: only the owner's lane calls
// the hot functions; other threads may read counters.
//
// Lifetimes are counted here, in time (the caller's `now`, no clock is read), bytes and packets.
// Under whatever the spec asks lie bounds of our own:
//   kMaxBytesPerKey   2^46 bytes are 2^42 AES blocks: the chance to tell the cipher from random stays below 2^-44, for
//                     CBC (birthday bound) as for GCM (NIST SP 800-38D leaves the count of blocks to the user).
//   kMaxPacketsPerKey 2^40 packets, far from the 2^64 of ESN and of the GCM counter IV.
//   kSequenceMargin   without ESN the last 2^24 numbers are never used (RFC 4303 §3.3.3 forbids cycling): two seconds
//                     at 8 Mpps in which the rekey that wants_rekey() asked for long before has still to come.
// Memory: made and freed by the control thread; freed only when in_flight() is 0 and its worker has let go of it. The
// device of the session must live longer. Failure: make() names the fault; nothing here throws.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>

#include "base/counter.h"
#include "engine/crypto/crypto_device.h"
#include "engine/crypto/replay_window.h"
#include "engine/crypto/sa_spec.h"
#include "engine/crypto/verdict.h"

namespace penstock::crypto {

constexpr uint64_t kMaxBytesPerKey = uint64_t{1} << 46;
constexpr uint64_t kMaxPacketsPerKey = uint64_t{1} << 40;
constexpr uint64_t kSequenceMargin = uint64_t{1} << 24;
constexpr uint64_t kMaxForgeries = uint64_t{1} << 36;  // RFC 9001 §6.6 for ChaCha20-Poly1305: then the key is changed
constexpr size_t kMaxOuterLength = wire::kIpv6Length + wire::kUdpLength;

class Sa {
 public:
  const SaSpec& spec() const { return spec_; }
  const CipherTraits& traits() const { return traits_; }
  Direction direction() const { return direction_; }
  const CryptoSession& session() const { return session_; }
  // Why the session is not on a better path; "" when it is on the best. Control thread.
  const std::string& why_not_better() const { return why_not_better_; }

  // Any thread.
  uint64_t packets(EspVerdict verdict) const { return counters_[static_cast<size_t>(verdict)].packets.read(); }
  uint64_t bytes(EspVerdict verdict) const { return counters_[static_cast<size_t>(verdict)].bytes.read(); }

  // The owner. A soft limit is reached (of the spec, or three quarters of a bound of ours): agree on a new SA.
  bool wants_rekey(base::Nanos now) const;
  uint32_t in_flight() const { return in_flight_; }

  // The owner's lane.
  bool may_carry(uint32_t length, base::Nanos now) const;
  void use(uint32_t length) {  // inbound: only what is authentic, else a forger could end the SA
    ++used_packets_;
    used_bytes_ += length;
  }
  void count(EspVerdict verdict, uint32_t length) { counters_[static_cast<size_t>(verdict)].add(length); }
  void take_off() { ++in_flight_; }
  void land() { --in_flight_; }

 protected:
  Sa(SaSpec spec, Direction direction, ChosenSession chosen);
  ~Sa() = default;  // always known by its direction

 private:
  SaSpec spec_;
  const CipherTraits& traits_;
  Direction direction_;
  CryptoSession session_;
  std::string why_not_better_;
  uint64_t used_bytes_ = 0;
  uint64_t used_packets_ = 0;
  uint32_t in_flight_ = 0;
  uint64_t soft_bytes_, hard_bytes_, soft_packets_, hard_packets_;
  std::array<base::PacketCounter, kEspVerdicts> counters_;
};

class OutboundSa : public Sa {
 public:
  // `first_sequence`: 1, unless a predecessor's count is continued.
  static base::Result<std::unique_ptr<OutboundSa>> make(SaSpec spec, std::span<CryptoDevice* const> devices,
                                                        uint64_t first_sequence = 1);

  // The longest inner datagram that fits the underlay's MTU. The owner sets the MTU when it learns another.
  uint16_t inner_mtu() const { return inner_mtu_; }
  void set_path_mtu(uint16_t mtu);

  // The owner's lane. The number of the next packet, or 0 when there is none left to use.
  uint64_t next_sequence();
  uint64_t sequence() const { return next_sequence_; }  // not yet used
  uint16_t next_datagram_id() { return datagram_id_++; }
  const uint8_t* outer() const { return outer_.data(); }
  size_t outer_length() const { return outer_length_; }
  uint64_t outer_sum() const { return outer_sum_; }

 private:
  OutboundSa(SaSpec spec, ChosenSession chosen, uint64_t first_sequence);

  uint64_t next_sequence_;
  uint64_t last_sequence_;
  uint16_t inner_mtu_ = 0;
  uint16_t datagram_id_ = 1;                      // only means something without DF (RFC 6864 §4)
  std::array<uint8_t, kMaxOuterLength> outer_{};  // IP and UDP headers with everything that no packet changes
  size_t outer_length_ = 0;
  uint64_t outer_sum_ = 0;  // over the IPv4 header above
};

class InboundSa : public Sa {
 public:
  static base::Result<std::unique_ptr<InboundSa>> make(SaSpec spec, std::span<CryptoDevice* const> devices);

  // The owner's lane.
  ReplayWindow& window() { return window_; }

 private:
  InboundSa(SaSpec spec, ChosenSession chosen);

  ReplayWindow window_;
};

}  // namespace penstock::crypto
