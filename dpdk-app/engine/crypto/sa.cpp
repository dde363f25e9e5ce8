#include "engine/crypto/sa.h"

#include <rte_malloc.h>

#include <algorithm>
#include <limits>
#include <string>

#include "engine/crypto/identity_header.h"
#include "wire/build.h"
#include "wire/checksum.h"

namespace penstock::crypto {

namespace {

// `asked` or the bound of ours, whichever comes first; 0 asks for nothing.
uint64_t bounded(uint64_t asked, uint64_t bound) { return asked == 0 ? bound : std::min(asked, bound); }

constexpr const char* kNoMemory = "no DPDK memory for another SA: reserve more hugepages, or raise --memory";

constexpr uint64_t three_quarters(uint64_t n) { return n - n / 4; }

}  // namespace

void* Sa::operator new(size_t bytes, std::align_val_t alignment) noexcept {
  return rte_malloc("esp_sa", bytes, static_cast<unsigned>(alignment));
}
void Sa::operator delete(void* memory, std::align_val_t) noexcept { rte_free(memory); }

Sa::Sa(SaSpec spec, Direction direction, ChosenSession chosen)
    : traits_(traits_of(spec.cipher)),
      session_(chosen.session.view()),
      spi_(spec.spi),
      selector_count_(static_cast<uint8_t>(spec.selectors.size())),
      direction_(direction),
      cipher_(spec.cipher),
      hard_bytes_(bounded(spec.lifetime.hard_bytes, kMaxBytesPerKey)),
      hard_packets_(bounded(spec.lifetime.hard_packets, kMaxPacketsPerKey)),
      hard_time_(spec.lifetime.hard_time),
      esn_(spec.esn),
      udp_encapsulation_(spec.udp_encapsulation),
      identities_(spec.identities),
      cold_(new Cold{.spec = std::move(spec),
                     .why_not_better = std::move(chosen.why_not_better),
                     .best = std::move(chosen.session),
                     .standby = std::move(chosen.standby)}) {
  static_assert(kMaxSelectors <= 255);
  const SaSpec& s = cold_->spec;
  if (traits_.salt_length != 0) salt_ = s.key.secret().data() + traits_.key_length;
  if (!s.selectors.empty()) selectors_ = s.selectors.data();
  const uint64_t numbers = esn_ ? kMaxPacketsPerKey : (uint64_t{1} << 32) - kSequenceMargin;
  cold_->soft_bytes = bounded(s.lifetime.soft_bytes, three_quarters(hard_bytes_));
  cold_->soft_packets = bounded(s.lifetime.soft_packets, three_quarters(std::min(hard_packets_, numbers)));
}

SessionView Sa::next_session() const {
  const bool stands_in = !cold_->standby.empty() && cold_->best.device()->failed();
  return (stands_in ? cold_->standby : cold_->best).view();
}

std::string Sa::why_not_better() const {
  if (!cold_->best.device()->failed()) return cold_->why_not_better;
  return cold_->why_not_better + (cold_->why_not_better.empty() ? "" : "; ") + to_string(cold_->best.path()) + ": " +
         cold_->best.device()->why_failed();
}

std::shared_ptr<const InlineKeys> Sa::set_inline_keys(std::shared_ptr<const InlineKeys> next, std::string why_not) {
  inline_keys_.store(next.get(), std::memory_order_release);
  cold_->inline_keys.swap(next);
  cold_->why_not_inline = std::move(why_not);
  return next;
}

void Sa::fall_back() {
  if (fell_back_) return;
  fell_back_ = true;
  for (uint32_t lost = in_flight_.load(std::memory_order_relaxed); lost != 0; --lost)
    count(EspVerdict::device_failed, 0);
  if (!cold_->standby.empty()) session_ = cold_->standby.view();
}

// So many numbers were used before this SA began: the last ones come that much sooner.
void Sa::advance_soft_limit(uint64_t packets) {
  if (esn_) return;
  const uint64_t numbers = three_quarters((uint64_t{1} << 32) - kSequenceMargin);
  cold_->soft_packets = std::min(cold_->soft_packets, numbers - std::min(numbers, packets));
}

bool Sa::wants_rekey(base::Nanos now) const {
  const Lifetime& life = cold_->spec.lifetime;
  if (life.soft_time != 0 && now >= life.soft_time) return true;
  if (hard_time_ != 0 && now >= hard_time_) return true;
  return used_bytes_ >= cold_->soft_bytes || used_packets_ >= cold_->soft_packets ||
         packets(EspVerdict::failed_authentication) >= kMaxForgeries;
}

base::Result<std::unique_ptr<OutboundSa>> OutboundSa::make(SaSpec spec, std::span<CryptoDevice* const> devices,
                                                           uint64_t first_sequence) {
  if (auto checked = check(spec); !checked.ok()) return base::Error{checked.error()};
  if (first_sequence == 0) return base::Error{"first sequence number: 1 or more (RFC 4303 2.2)"};
  auto chosen = choose_session(devices, spec, Direction::kOutbound);
  if (!chosen.ok()) return base::Error{chosen.error()};
  std::unique_ptr<OutboundSa> sa(new OutboundSa(std::move(spec), std::move(*chosen), first_sequence));
  if (sa == nullptr) return base::Error{kNoMemory};
  return sa;
}

OutboundSa::OutboundSa(SaSpec moved, ChosenSession chosen, uint64_t first_sequence)
    : Sa(std::move(moved), Direction::kOutbound, std::move(chosen)),
      next_sequence_(first_sequence),
      first_iv_(spec().first_iv) {
  const SaSpec& s = spec();
  last_sequence_ =
      (s.esn ? std::numeric_limits<uint64_t>::max() : uint64_t{std::numeric_limits<uint32_t>::max()}) - kSequenceMargin;
  overhead_ = overhead_of(s);
  policy_ = {.dscp_policy = s.dscp_policy,
             .dscp = s.dscp,
             .ecn = s.ecn,
             .df = s.df,
             .v6 = false,
             .port_by_flow = s.udp_encapsulation && s.udp_source_port == 0};
  advance_soft_limit(first_sequence - 1);
  set_way(s.local, s.remote, s.path_mtu);
}

EspOverhead overhead_of(const SaSpec& spec) {
  const CipherTraits& traits = traits_of(spec.cipher);
  return {.fixed = static_cast<uint16_t>((spec.udp_encapsulation ? wire::kUdpLength : 0) + kEspHeaderLength +
                                         traits.iv_length + kIcvLength),
          .block = traits.block,
          .within = static_cast<uint8_t>(kEspTrailerLength + (spec.identities ? kIdentityHeaderLength : 0))};
}

void OutboundSa::set_way(const base::IpAddress& local, const base::IpAddress& remote, uint16_t path_mtu) {
  const SaSpec& s = spec();
  const wire::Ip ip{
      .src = local, .dst = remote, .hop_limit = s.hop_limit, .traffic_class = 0, .id = 0, .dont_fragment = false};
  outer_ = {};
  outer_length_ = static_cast<uint16_t>(
      wire::build_ip_header(outer_, ip, s.udp_encapsulation ? wire::kProtocolUdp : wire::kProtocolEsp, 0));
  policy_.v6 = !local.is_v4();
  if (local.is_v4()) {
    base::store_be16(&outer_[wire::kIpv4TotalLengthAt], 0);
    base::store_be16(&outer_[wire::kIpv4ChecksumAt], 0);
    outer_sum_ = wire::sum_bytes({outer_.data(), wire::kIpv4MinLength});
  }
  if (s.udp_encapsulation) {
    base::store_be16(&outer_[outer_length_], s.udp_source_port);
    base::store_be16(&outer_[outer_length_ + 2], s.udp_destination_port);
    outer_length_ = static_cast<uint16_t>(outer_length_ + wire::kUdpLength);
  }
  inner_mtu_ = overhead_.inner_mtu(std::min(path_mtu, s.path_mtu), policy_.v6);
}

uint64_t OutboundSa::next_sequence() { return next_sequence_ > last_sequence_ ? 0 : next_sequence_++; }

base::Result<std::unique_ptr<InboundSa>> InboundSa::make(SaSpec spec, std::span<CryptoDevice* const> devices) {
  if (auto checked = check(spec); !checked.ok()) return base::Error{checked.error()};
  auto chosen = choose_session(devices, spec, Direction::kInbound);
  if (!chosen.ok()) return base::Error{chosen.error()};
  std::unique_ptr<InboundSa> sa(new InboundSa(std::move(spec), std::move(*chosen)));
  if (sa == nullptr) return base::Error{kNoMemory};
  return sa;
}

InboundSa::InboundSa(SaSpec moved, ChosenSession chosen)
    : Sa(std::move(moved), Direction::kInbound, std::move(chosen)), window_(spec().replay_window, spec().esn) {}

}  // namespace penstock::crypto
