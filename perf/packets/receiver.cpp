#include "packets/receiver.h"

#include "wire/checksum.h"
#include "wire/headers.h"

namespace penstock::load {

namespace {

constexpr size_t kEspHeader = 8;  // RFC 4303 §2.1, §2.2: wire::parse takes what follows for opaque

base::Bytes payload_of(base::Bytes frame, const wire::Headers& h) {
  if (h.family == 0 || h.is(wire::kIsFragment)) return {};
  const size_t begin = h.payload_offset + (h.protocol == wire::kProtocolEsp ? kEspHeader : 0);
  return begin < h.end ? frame.subspan(begin, h.end - begin) : base::Bytes{};
}

}  // namespace

Receiver::Receiver(const std::vector<StreamSpec>& streams) : streams_(streams.size()) {
  for (size_t i = 0; i < streams.size(); ++i) {
    streams_[i].to = streams[i].to;
    streams_[i].expected = streams[i].signature;
  }
}

void Receiver::restart(uint8_t epoch) {
  epoch_ = epoch;
  received_ = 0;
  interval_.clear();
  for (Counts& counts : streams_) {
    counts.tracker.restart();
    counts.latency.clear();
    counts.corrupted = counts.strayed = 0;
  }
}

uint64_t Receiver::missing() const {
  uint64_t count = 0;
  for (const Counts& counts : streams_) count += counts.tracker.expected() - counts.tracker.received;
  return count;
}

Form read_frame(base::Bytes frame, wire::Headers& headers) {
  const auto length = static_cast<uint32_t>(frame.size());
  wire::ParseError error = wire::parse(frame, length, wire::Ipv4Checksum::kVerify, headers);
  const bool bad_header = error == wire::ParseError::kBadIpChecksum;
  if (bad_header) error = wire::parse(frame, length, wire::Ipv4Checksum::kVerifiedByDevice, headers);
  if (error != wire::ParseError::kNone) return Form::kUnreadable;
  return bad_header || wire::verify_l4(frame, headers) == wire::ChecksumState::kBad ? Form::kHarmed : Form::kWhole;
}

Receiver::Kind Receiver::add(base::Bytes frame, const wire::Headers& headers, Form form, unsigned port,
                             uint64_t nanos) {
  Signature signature;
  const auto count = static_cast<unsigned>(streams_.size());
  const Judgement judgement = read_signature(payload_of(frame, headers), count, epoch_, signature);
  if (judgement == Judgement::kForeign) return Kind::kForeign;
  if (judgement == Judgement::kStale) return Kind::kStale;
  Counts& counts = streams_[signature.stream];
  if (judgement == Judgement::kCorrupted || form == Form::kHarmed) {
    ++counts.corrupted;
  } else if (counts.to && *counts.to != port) {
    ++counts.strayed;
  } else if (counts.tracker.add(signature.sequence)) {
    const uint64_t latency = (nanos - signature.nanos) & kFortyBits;
    counts.latency.add(latency);
    interval_.add(latency);
    ++received_;
  }
  return Kind::kOurs;
}

}  // namespace penstock::load
