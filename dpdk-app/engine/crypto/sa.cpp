#include "engine/crypto/sa.h"

#include <algorithm>
#include <limits>

#include "wire/build.h"
#include "wire/checksum.h"

namespace penstock::crypto {

namespace {

// `asked` or the bound of ours, whichever comes first; 0 asks for nothing.
uint64_t bounded(uint64_t asked, uint64_t bound) { return asked == 0 ? bound : std::min(asked, bound); }

constexpr uint64_t three_quarters(uint64_t n) { return n - n / 4; }

}  // namespace

Sa::Sa(SaSpec spec, Direction direction, ChosenSession chosen)
    : spec_(std::move(spec)),
      traits_(traits_of(spec_.cipher)),
      direction_(direction),
      session_(std::move(chosen.session)),
      why_not_better_(std::move(chosen.why_not_better)),
      hard_bytes_(bounded(spec_.lifetime.hard_bytes, kMaxBytesPerKey)),
      hard_packets_(bounded(spec_.lifetime.hard_packets, kMaxPacketsPerKey)) {
  const uint64_t numbers = spec_.esn ? kMaxPacketsPerKey : (uint64_t{1} << 32) - kSequenceMargin;
  soft_bytes_ = bounded(spec_.lifetime.soft_bytes, three_quarters(hard_bytes_));
  soft_packets_ = bounded(spec_.lifetime.soft_packets, three_quarters(std::min(hard_packets_, numbers)));
}

bool Sa::wants_rekey(base::Nanos now) const {
  const Lifetime& life = spec_.lifetime;
  if (life.soft_time != 0 && now >= life.soft_time) return true;
  if (life.hard_time != 0 && now >= life.hard_time) return true;
  return used_bytes_ >= soft_bytes_ || used_packets_ >= soft_packets_ ||
         packets(EspVerdict::failed_authentication) >= kMaxForgeries;
}

bool Sa::may_carry(uint32_t length, base::Nanos now) const {
  if (spec_.lifetime.hard_time != 0 && now >= spec_.lifetime.hard_time) return false;
  return used_packets_ < hard_packets_ && used_bytes_ + length <= hard_bytes_;
}

base::Result<std::unique_ptr<OutboundSa>> OutboundSa::make(SaSpec spec, std::span<CryptoDevice* const> devices,
                                                           uint64_t first_sequence) {
  if (auto checked = check(spec); !checked.ok()) return base::Error{checked.error()};
  auto chosen = choose_session(devices, spec, Direction::kOutbound);
  if (!chosen.ok()) return base::Error{chosen.error()};
  return std::unique_ptr<OutboundSa>(new OutboundSa(std::move(spec), std::move(*chosen), first_sequence));
}

OutboundSa::OutboundSa(SaSpec moved, ChosenSession chosen, uint64_t first_sequence)
    : Sa(std::move(moved), Direction::kOutbound, std::move(chosen)), next_sequence_(first_sequence) {
  const SaSpec& s = spec();
  last_sequence_ =
      (s.esn ? std::numeric_limits<uint64_t>::max() : uint64_t{std::numeric_limits<uint32_t>::max()}) - kSequenceMargin;
  const wire::Ip ip{
      .src = s.local, .dst = s.remote, .hop_limit = s.hop_limit, .traffic_class = 0, .id = 0, .dont_fragment = false};
  outer_length_ = wire::build_ip_header(outer_, ip, s.udp_encapsulation ? wire::kProtocolUdp : wire::kProtocolEsp, 0);
  if (s.local.is_v4()) {
    base::store_be16(&outer_[wire::kIpv4TotalLengthAt], 0);
    base::store_be16(&outer_[wire::kIpv4ChecksumAt], 0);
    outer_sum_ = wire::sum_bytes({outer_.data(), wire::kIpv4MinLength});
  }
  if (s.udp_encapsulation) {
    base::store_be16(&outer_[outer_length_], s.udp_source_port);
    base::store_be16(&outer_[outer_length_ + 2], s.udp_destination_port);
    outer_length_ += wire::kUdpLength;
  }
  set_path_mtu(s.path_mtu);
}

// The ciphertext is a whole number of blocks, and its last two bytes are pad length and next header.
void OutboundSa::set_path_mtu(uint16_t mtu) {
  const size_t fixed = outer_length_ + kEspHeaderLength + traits().iv_length + kIcvLength;
  const size_t room = mtu > fixed ? mtu - fixed : 0;
  const size_t blocks = room / traits().block * traits().block;
  inner_mtu_ = static_cast<uint16_t>(blocks > kEspTrailerLength ? blocks - kEspTrailerLength : 0);
}

uint64_t OutboundSa::next_sequence() { return next_sequence_ > last_sequence_ ? 0 : next_sequence_++; }

base::Result<std::unique_ptr<InboundSa>> InboundSa::make(SaSpec spec, std::span<CryptoDevice* const> devices) {
  if (auto checked = check(spec); !checked.ok()) return base::Error{checked.error()};
  auto chosen = choose_session(devices, spec, Direction::kInbound);
  if (!chosen.ok()) return base::Error{chosen.error()};
  return std::unique_ptr<InboundSa>(new InboundSa(std::move(spec), std::move(*chosen)));
}

InboundSa::InboundSa(SaSpec moved, ChosenSession chosen)
    : Sa(std::move(moved), Direction::kInbound, std::move(chosen)), window_(spec().replay_window, spec().esn) {}

}  // namespace penstock::crypto
