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
// Memory: made and freed by the control thread, on DPDK's heap (hugepages: thousands of SAs would fill a TLB of 4 KiB
// pages). What a packet needs lies in the first cache lines, which EspLane fetches ahead; the spec and the counters of
// refusals lie apart. The device of the session must live longer.
// Freeing: first the worker lets go of it (no new packet), then in_flight() reads 0. The worker alone changes that
// number, a plain load and store; its last store is a release after the last touch of the SA, and in_flight() acquires:
// a control thread that reads 0 may free at once. What collect() gave out still names the SA: not to be followed then.
// Failure: make() names the fault; nothing here throws.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <new>
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

struct InlineKeys;

constexpr size_t kCacheLine = 64;
constexpr size_t kHotLinesOut = 4;  // of an SA: what EspLane fetches ahead
constexpr size_t kHotLinesIn = 3;   // and the word of the replay window, once its place is known

class Sa {
 public:
  const SaSpec& spec() const { return cold_->spec; }  // cold: nothing that is asked per packet
  const CipherTraits& traits() const { return traits_; }
  Direction direction() const { return direction_; }
  // The owner's lane, and whoever has no workers yet.
  const SessionView& session() const { return session_; }

  // Any thread.
  // What the next packet will run on, and why on nothing better; "" when it is the best.
  SessionView next_session() const;
  std::string why_not_better() const;
  uint64_t packets(EspVerdict verdict) const { return counter_of(verdict).packets.read(); }
  uint64_t bytes(EspVerdict verdict) const { return counter_of(verdict).bytes.read(); }
  uint32_t in_flight() const { return in_flight_.load(std::memory_order_acquire); }
  // A soft limit of packets or bytes is reached; without time, and maybe a burst late.
  bool worn() const {
    return packets(EspVerdict::done) >= cold_->soft_packets || bytes(EspVerdict::done) >= cold_->soft_bytes;
  }

  // The owner. A soft limit is reached (of the spec, or three quarters of a bound of ours): agree on a new SA.
  bool wants_rekey(base::Nanos now) const;

  // The owner's lane.
  uint32_t spi() const { return spi_; }
  bool esn() const { return esn_; }
  bool udp_encapsulation() const { return udp_encapsulation_; }
  bool identities() const { return identities_; }
  Cipher cipher() const { return cipher_; }
  const uint8_t* salt() const { return salt_; }  // in the key's locked memory
  std::span<const Selector> selectors() const { return {selectors_, selector_count_}; }
  bool may_carry(uint32_t length, base::Nanos now) const {
    if (hard_time_ != 0 && now >= hard_time_) return false;
    return used_packets_ < hard_packets_ && used_bytes_ + length <= hard_bytes_;
  }
  void use(uint32_t length) {  // inbound: only what is authentic, else a forger could end the SA
    ++used_packets_;
    used_bytes_ += length;
  }
  void count(EspVerdict verdict, uint32_t length) { counter_of(verdict).add(length); }
  void take_off() { in_flight_.store(in_flight_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  void land() { in_flight_.store(in_flight_.load(std::memory_order_relaxed) - 1, std::memory_order_release); }
  // The device of the session failed: the one that stands by takes its place, if there is one. Nothing else of the SA
  // changes. What the device still has of it is lost. Again: nothing.
  void fall_back();
  bool fell_back() const { return fell_back_; }
  // The keys that NICs have of it (inline_port.h), beside the session; null: none has.
  const InlineKeys* inline_keys() const { return inline_keys_.load(std::memory_order_acquire); }
  // Scratch of the lane: this SA's group in the burst at work (esp_lane.h). Means nothing between bursts.
  uint8_t group() const { return group_; }
  void set_group(uint8_t group) { group_ = group; }

  // The control thread. The keys of NICs from now on, and why those on its way that have none have none ("": all have).
  // What it returns the owner may still be reading, until it has begun another round.
  [[nodiscard]] std::shared_ptr<const InlineKeys> set_inline_keys(std::shared_ptr<const InlineKeys> next,
                                                                  std::string why_not);
  // The control thread; others only while it is kept from the one above.
  const std::shared_ptr<const InlineKeys>& held_inline_keys() const { return cold_->inline_keys; }
  const std::string& why_not_inline() const { return cold_->why_not_inline; }

  // On DPDK's heap; null when that is full.
  static void* operator new(size_t bytes, std::align_val_t alignment) noexcept;
  static void operator delete(void* memory, std::align_val_t alignment) noexcept;

 protected:
  Sa(SaSpec spec, Direction direction, ChosenSession chosen);
  ~Sa() = default;  // always known by its direction
  void advance_soft_limit(uint64_t packets);

 private:
  struct Cold {
    SaSpec spec;
    std::string why_not_better;
    CryptoSession best, standby;
    std::shared_ptr<const InlineKeys> inline_keys;
    std::string why_not_inline;
    uint64_t soft_bytes, soft_packets;
    std::array<base::PacketCounter, kEspVerdicts> refusals;  // by verdict
  };
  base::PacketCounter& counter_of(EspVerdict v) {
    return v == EspVerdict::done ? done_ : cold_->refusals[static_cast<size_t>(v)];
  }
  const base::PacketCounter& counter_of(EspVerdict v) const {
    return v == EspVerdict::done ? done_ : cold_->refusals[static_cast<size_t>(v)];
  }

  // First cache line: never changes, but for group_ and what fall_back() does.
  alignas(kCacheLine) const CipherTraits& traits_;
  SessionView session_;  // of cold_->best, or of what stands in for it
  const uint8_t* salt_ = nullptr;
  const Selector* selectors_ = nullptr;
  uint32_t spi_;
  uint8_t selector_count_;
  uint8_t group_ = 0;
  bool fell_back_ = false;
  Direction direction_;
  Cipher cipher_;
  // Second: changes with every packet.
  alignas(kCacheLine) uint64_t used_bytes_ = 0;
  uint64_t used_packets_ = 0;
  base::PacketCounter done_;
  uint64_t hard_bytes_, hard_packets_;
  base::Nanos hard_time_;
  std::atomic<uint32_t> in_flight_{0};
  bool esn_, udp_encapsulation_, identities_;
  // Third, with what the direction adds.
  std::unique_ptr<Cold> cold_;
  std::atomic<const InlineKeys*> inline_keys_{nullptr};  // cold_->inline_keys
};

static_assert(alignof(Sa) == kCacheLine);

// What ESP adds to an inner datagram, but for the outer IP header.
struct EspOverhead {
  uint16_t fixed = 0;                  // UDP and ESP headers, IV, ICV
  uint8_t block = 1;                   // of the ciphertext, a power of two
  uint8_t within = kEspTrailerLength;  // of the ciphertext, what is not the datagram: identity header, trailer
  // The longest inner datagram by an underlay of this MTU.
  uint16_t inner_mtu(uint16_t path_mtu, bool v6) const {
    const int room = path_mtu - (v6 ? wire::kIpv6Length : wire::kIpv4MinLength) - fixed;
    const int blocks = room & ~(block - 1);
    return static_cast<uint16_t>(std::max(blocks - within, 0));
  }
};
EspOverhead overhead_of(const SaSpec& spec);

class OutboundSa : public Sa {
 public:
  // `first_sequence`: 1, unless a predecessor's count is continued.
  static base::Result<std::unique_ptr<OutboundSa>> make(SaSpec spec, std::span<CryptoDevice* const> devices,
                                                        uint64_t first_sequence = 1);

  // The longest inner datagram that fits the underlay's MTU.
  uint16_t inner_mtu() const { return inner_mtu_; }
  // The way through the underlay: the owner, between two packets. Key, sequence number and counters stay (RFC 4301
  // §4.4.2.1: the tunnel's ends are no part of what is authenticated). Both of one family. The spec's
  // MTU bounds that of every way.
  void set_way(const base::IpAddress& local, const base::IpAddress& remote, uint16_t path_mtu);
  // Until the next set_way(): an inner datagram of this length passes, however little the way is said to carry.
  void allow(uint16_t inner) { inner_mtu_ = std::max(inner_mtu_, inner); }

  // The owner's lane. The number of the next packet, or 0 when there is none left to use.
  uint64_t next_sequence();
  uint64_t sequence() const { return next_sequence_; }  // not yet used
  uint64_t first_iv() const { return first_iv_; }       // SaSpec::first_iv
  uint16_t next_datagram_id() { return datagram_id_++; }
  const uint8_t* outer() const { return outer_.data(); }
  size_t outer_length() const { return outer_length_; }
  uint64_t outer_sum() const { return outer_sum_; }
  // What the outer header takes from the spec, packed.
  struct OuterPolicy {
    DscpPolicy dscp_policy;
    uint8_t dscp;
    EcnMode ecn;
    DfPolicy df;
    bool v6;
    bool port_by_flow;
  };
  const OuterPolicy& outer_policy() const { return policy_; }

 private:
  OutboundSa(SaSpec spec, ChosenSession chosen, uint64_t first_sequence);

  uint64_t next_sequence_;
  uint64_t last_sequence_;
  uint64_t first_iv_;
  uint16_t inner_mtu_ = 0;
  uint16_t datagram_id_ = 1;  // only means something without DF (RFC 6864 §4)
  uint16_t outer_length_ = 0;
  OuterPolicy policy_;
  EspOverhead overhead_;
  uint64_t outer_sum_ = 0;                        // over the IPv4 header below
  std::array<uint8_t, kMaxOuterLength> outer_{};  // IP and UDP headers with everything that no packet changes
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
