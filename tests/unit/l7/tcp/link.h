// Two connections joined by a link that loses, delays, reorders, duplicates, damages and paces, from a seed, in virtual
// time. Segments cross it as bytes (write_header, parse_segment). Damaged ones are dropped, as a checksum would.
#pragma once

#include <map>
#include <random>
#include <vector>

#include "l7/tcp/connection.h"
#include "l7/tcp/timer_wheel.h"

namespace penstock::tcp::test {

struct LinkPlan {
  double loss = 0, duplicate = 0, corrupt = 0, reorder = 0, mark = 0;
  base::Nanos delay = 10 * kMillisecond;
  base::Nanos reorder_by = 5 * kMillisecond;
  uint64_t bytes_per_second = 0;           // 0: no limit
  base::Nanos queue = 200 * kMillisecond;  // of packets that wait for it; more are lost
  uint32_t mtu = 1500;                     // larger packets vanish (a black hole)
  uint32_t later_mtu = 0;                  // from `mtu_changes_at` (the link begins at one second); 0: no change
  base::Nanos mtu_changes_at = 0;
  bool icmp = false;   // of packets that are too large the sender is told
  uint32_t train = 1;  // segments that are sent as one and cut before the link
  bool ticks = false;  // deadlines are late as the timer wheel is
};

struct End2 {
  explicit End2(const Tuning& t) : shared(t, {4096, 16384, 8192}), c(shared) {}
  Shared shared;
  Connection c;
  std::vector<uint8_t> got;
  uint64_t sent = 0, to_send = 0, packets = 0;
  uint64_t overflowed = 0;  // packets lost in the full queue
  bool more = false;        // to_send grows later: not finished yet
  bool finished = false;
  base::Nanos link_free = 0;
};

inline uint8_t pattern(uint64_t at, int side) { return static_cast<uint8_t>(at * 131 + (at >> 8) * 7 + side * 77); }

class Link {
 public:
  Link(uint64_t seed, const LinkPlan& plan, const Tuning& a, const Tuning& b)
      : random_(seed), plan_(plan), ends_{End2(a), End2(b)} {}

  End2& a() { return ends_[0]; }
  End2& b() { return ends_[1]; }
  base::Nanos now() const { return now_; }

  void connect() {
    a().c.open({static_cast<Seq>(random_()), static_cast<uint32_t>(random_()), 0}, now_);
    pump(0);
  }

  // Everything that is due, then the time of the next thing; false when nothing is left.
  bool step(base::Nanos until) {
    base::Nanos next = packets_.empty() ? Connection::kNever : packets_.begin()->first;
    for (const End2& e : ends_) next = std::min(next, due(e));
    if (next == Connection::kNever || next > until) return false;
    now_ = std::max(now_, next);
    while (!packets_.empty() && packets_.begin()->first <= now_) {
      const Packet p = packets_.begin()->second;
      packets_.erase(packets_.begin());
      deliver(p);
    }
    for (int i = 0; i < 2; ++i) {
      if (due(ends_[i]) <= now_) ends_[i].c.on_deadline(now_);
      pump(i);
    }
    return true;
  }

  void pump(int side) {
    End2& e = ends_[side];
    serve(side);
    Outgoing out;
    while (e.c.next_segment({plan_.train}, now_, out)) cut(side, out);
  }

 private:
  struct Packet {
    int to;
    Ecn ecn;
    std::vector<uint8_t> bytes;
  };

  base::Nanos due(const End2& e) const {
    const base::Nanos at = e.c.deadline();
    if (!plan_.ticks || at == Connection::kNever) return at;
    return ((at >> TimerWheel::kTickBits) + 1) << TimerWheel::kTickBits;
  }

  // The application: reads all, writes what it has, finishes, and lets go when both sides have.
  void serve(int side) {
    End2& e = ends_[side];
    base::Bytes pieces[64];
    size_t count = 0;
    while (const size_t n = e.c.peek(pieces, 64, count)) {
      for (size_t i = 0; i < count; ++i) e.got.insert(e.got.end(), pieces[i].begin(), pieces[i].end());
      e.c.consume(n, now_);
    }
    while (e.sent < e.to_send && e.c.writable() != 0) {
      uint8_t bytes[3000];
      const size_t n = std::min<uint64_t>(sizeof bytes, e.to_send - e.sent);
      for (size_t i = 0; i < n; ++i) bytes[i] = pattern(e.sent + i, side);
      const size_t taken = e.c.write({bytes, n}, now_);
      if (taken == 0) break;
      e.sent += taken;
    }
    if (e.sent == e.to_send && !e.more && !e.finished && e.c.state() != State::kClosed) {
      e.finished = true;
      e.c.finish(now_);
    }
  }

  // As l7/host/packets.h does.
  void cut(int side, const Outgoing& out) {
    std::vector<uint8_t> payload;
    for (size_t i = 0; i < out.piece_count; ++i)
      payload.insert(payload.end(), out.pieces[i].begin(), out.pieces[i].end());
    Outgoing head = out;
    size_t at = 0;
    do {
      const size_t part = std::min<size_t>(payload.size() - at, out.segment_size);
      head.seq = out.seq + static_cast<Seq>(at);
      head.flags = out.flags;
      if (at != 0) head.flags &= static_cast<uint8_t>(~wire::kTcpCwr);
      if (at + part != payload.size()) head.flags &= static_cast<uint8_t>(~(wire::kTcpFin | wire::kTcpPsh));
      transmit(side, head, base::Bytes(payload).subspan(at, part));
      at += part;
    } while (at < payload.size());
  }

  void transmit(int side, const Outgoing& out, base::Bytes payload) {
    End2& e = ends_[side];
    ++e.packets;
    Packet p{1 - side, out.ecn, std::vector<uint8_t>(60)};
    p.bytes.resize(write_header(out, 1, 2, p.bytes.data()));
    p.bytes.insert(p.bytes.end(), payload.begin(), payload.end());
    const auto chance = [this](double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; };
    const uint32_t mtu = plan_.later_mtu != 0 && now_ >= plan_.mtu_changes_at ? plan_.later_mtu : plan_.mtu;
    if (p.bytes.size() + 20 > mtu) {
      if (plan_.icmp) e.c.on_path_mss(static_cast<uint16_t>(mtu - 40), out.seq, now_);
      return;
    }
    if (chance(plan_.loss)) return;
    if (chance(plan_.corrupt)) {
      spoil(p);
      return;
    }
    if (p.ecn != Ecn::kNotEct && chance(plan_.mark)) p.ecn = Ecn::kCe;
    base::Nanos at = now_;
    if (plan_.bytes_per_second != 0) {
      at = std::max(e.link_free, now_) + p.bytes.size() * base::kNanosPerSecond / plan_.bytes_per_second;
      if (at > now_ + plan_.queue) {
        ++e.overflowed;
        return;
      }
      e.link_free = at;
    }
    at += plan_.delay;
    if (chance(plan_.reorder)) at += random_() % (plan_.reorder_by + 1);
    if (chance(plan_.duplicate)) packets_.emplace(at + random_() % kMillisecond, p);
    packets_.emplace(at, std::move(p));
  }

  // A damaged segment: dropped as the checksum would, but parsed, as a host that verifies late does.
  void spoil(Packet& p) {
    for (unsigned i = 0; i < 4; ++i) p.bytes[random_() % p.bytes.size()] ^= static_cast<uint8_t>(random_());
    Segment s;
    if (parse_segment(p.bytes, p.ecn, s)) ++damaged_;
  }

  void deliver(const Packet& p) {
    Segment s;
    if (!parse_segment(p.bytes, p.ecn, s)) return;
    Connection& c = ends_[p.to].c;
    if (p.to == 1 && c.state() == State::kClosed && c.end() == End::kOpen) {
      if (!s.has(wire::kTcpSyn) || s.has(wire::kTcpAck)) return;
      c.accept({static_cast<Seq>(random_()), static_cast<uint32_t>(random_()), 0}, offer_of(s), now_);
      return;
    }
    if (c.state() == State::kClosed) {  // a host answers for a connection that is no more (RFC 9293 §3.10.7.1)
      if (!s.has(wire::kTcpRst)) transmit(p.to, reset_for(s), {});
      return;
    }
    c.on_segment(s, now_);
  }

  std::mt19937_64 random_;
  LinkPlan plan_;
  End2 ends_[2];
  base::Nanos now_ = base::kNanosPerSecond;
  std::multimap<base::Nanos, Packet> packets_;
  uint64_t damaged_ = 0;  // and still a segment
};

}  // namespace penstock::tcp::test
