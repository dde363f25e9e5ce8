#include "packets/port.h"

#include <algorithm>

namespace penstock::load {

void Port::restart() {
  counts_ = {};
  full_ = false;
  blocked_ = 0;
  missed_before_ = link_->missed();
  link_->restart();
}

// Clamped: what a device counts apart (see DeviceLink::missed) may be a packet ahead.
uint64_t Port::missed() const {
  return static_cast<uint64_t>(std::max<int64_t>(0, static_cast<int64_t>(link_->missed() - missed_before_)));
}

void Port::say(base::Bytes frame, Cycles now) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) return;
  const auto length = std::max<uint16_t>(static_cast<uint16_t>(frame.size()), kLeastFrame - kCrcLength);
  auto* at = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(packet, length));
  std::copy(frame.begin(), frame.end(), at);
  std::fill(at + frame.size(), at + length, 0);
  if (link_->send(&packet, 1, now) == 0) rte_pktmbuf_free(packet);
}

void Port::ask_for_gateway(Cycles now) {
  uint8_t message[Neighbours::kLongest];
  say({message, neighbours_.question(message)}, now);
}

bool Port::push(Stream& stream, Cycles now, const Clock& clock) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) return false;
  dues_[waiting_] = stream.due();
  const uint16_t length = stream.write(rte_pktmbuf_mtod(packet, uint8_t*), now, clock);
  packet->data_len = length;
  packet->pkt_len = length;
  packets_[waiting_] = packet;
  owners_[waiting_] = &stream;
  lengths_[waiting_++] = length;
  return true;
}

bool Port::flush(Cycles now, const Clock& clock) {
  // A long time between two offers is the generator's pause, and no proof that the link was full all the while.
  if (full_) blocked_ += std::min(now - offered_, clock.cycles(Stream::kLateNanos));
  const uint16_t taken = link_->send(packets_, waiting_, now);
  full_ = taken < waiting_;
  offered_ = now;
  for (uint16_t i = 0; i < taken; ++i) owners_[i]->left(lengths_[i], dues_[i], now, blocked_);
  std::copy(packets_ + taken, packets_ + waiting_, packets_);
  std::copy(owners_ + taken, owners_ + waiting_, owners_);
  std::copy(lengths_ + taken, lengths_ + waiting_, lengths_);
  std::copy(dues_ + taken, dues_ + waiting_, dues_);
  waiting_ = static_cast<uint16_t>(waiting_ - taken);
  return taken != 0;
}

void Port::abandon() {
  rte_pktmbuf_free_bulk(packets_, waiting_);
  waiting_ = 0;
}

void Port::judge(rte_mbuf* packet, Receiver& receiver, Cycles now, uint64_t nanos) {
  wire::Headers headers;
  const base::Bytes frame{rte_pktmbuf_mtod(packet, const uint8_t*), packet->data_len};
  const Form form = read_frame(frame, headers);
  if (form == Form::kUnreadable) {
    ++counts_.foreign;
    return;
  }
  const Receiver::Kind kind = receiver.add(frame, headers, form, index_, nanos);
  if (kind == Receiver::Kind::kOurs) return;
  if (kind == Receiver::Kind::kStale) {
    ++counts_.stale;
    return;
  }
  uint8_t answer[Neighbours::kLongest];
  size_t length = 0;
  if (form == Form::kHarmed || !neighbours_.handle(frame, headers, answer, length)) {
    ++counts_.foreign;
  } else if (length != 0) {
    ++counts_.answered;
    say({answer, length}, now);
  }
}

unsigned Port::receive(Receiver& receiver, const Clock& clock) {
  rte_mbuf* packets[Link::kBurst];
  const uint16_t count = link_->receive(packets, Clock::now());
  if (count == 0) return 0;
  const Cycles now = Clock::now();
  const uint64_t nanos = clock.nanos(now) & kFortyBits;
  for (uint16_t i = 0; i < count; ++i) rte_prefetch0(rte_pktmbuf_mtod(packets[i], void*));
  for (uint16_t i = 0; i < count; ++i) {
    if (packets[i]->nb_segs == 1 || rte_pktmbuf_linearize(packets[i]) == 0)
      judge(packets[i], receiver, now, nanos);
    else
      ++counts_.foreign;
  }
  counts_.received += count;
  rte_pktmbuf_free_bulk(packets, count);
  return count;
}

}  // namespace penstock::load
