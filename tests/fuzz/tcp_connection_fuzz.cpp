// An actor that knows TCP against a connection of ours: segments near what the connection expects, or far from it,
// calls of the application, time. Whatever it does: bytes are read in order from what was sent, windows hold, nothing
// waits without a deadline, sending ends, and all memory comes back.
//
// The input is a program: the first byte chooses switches, then operations of a byte and their arguments.
#include <memory>

#include "input.h"
#include "l7/tcp/connection.h"

namespace penstock::tcp {
namespace {

// The stream of the peer: byte n of it, whatever segment it came in; so order and position can be checked when read.
uint8_t stream(uint64_t at) { return static_cast<uint8_t>(at * 131 + (at >> 8) * 7); }

class Actor {
 public:
  Actor(const uint8_t* data, size_t size) : in_(data, size), shared_(tuning(in_.byte()), {64, 256, 32}) {
    connection_ = Connection(shared_);
  }

  void play() {
    const uint8_t way = in_.byte();
    shared_.tuning.pacing = way & 8;
    const Opening opening{way & 1 ? 0xfffffff0U : 77U, 5, 0};
    sent_ = opening.isn + 1;
    if (way & 2) {
      connection_.open(opening, now_);
      speak();
      arrive(wire::kTcpSyn | wire::kTcpAck, irs_, opening.isn + 1, 0, true);
    } else {
      Segment syn;
      syn.seq = irs_;
      syn.flags = wire::kTcpSyn | (way & 4 ? wire::kTcpEce | wire::kTcpCwr : 0);
      syn.window = static_cast<uint16_t>(in_.half());
      options(syn, true);
      connection_.accept(opening, offer_of(syn), now_);
      speak();
      arrive(wire::kTcpAck, irs_ + 1, opening.isn + 1, 0, false);
    }
    for (unsigned steps = 0; !in_.empty() && steps < 2000; ++steps) {
      step();
      speak();
      check();
    }
    connection_.release();
    if (shared_.chunks.taken() + shared_.records.taken() + shared_.ranges.taken() != 0) fail("memory was kept");
  }

 private:
  static Tuning tuning(uint8_t way) {
    Tuning t;
    t.mss = way & 1 ? 1460 : 200;
    t.receive_buffer = way & 2 ? 100'000 : 3000;
    t.send_buffer = 20'000;
    t.sack = way & 4;
    t.timestamps = way & 8;
    t.window_scale = way & 16;
    t.ecn = way & 32;
    t.nagle = way & 64;
    t.congestion = way & 128 ? CongestionKind::kCubic : CongestionKind::kNewReno;
    t.user_timeout = 100 * base::kNanosPerSecond;
    return t;
  }

  // A number near the one that is meant: exact, a little or much off.
  uint32_t near(uint32_t meant) {
    const uint8_t how = in_.byte();
    if (how < 160) return meant;
    if (how < 240) return meant + static_cast<uint32_t>(static_cast<int8_t>(in_.byte()));
    return meant + (in_.half() << 16 | in_.half());
  }

  void options(Segment& s, bool syn) {
    const uint8_t which = in_.byte();
    s.options.has_timestamps = (which & 1) || shared_.tuning.timestamps;
    s.options.ts_value = near(static_cast<uint32_t>(now_ / kMillisecond));
    s.options.ts_echo = near(5 + static_cast<uint32_t>(now_ / kMillisecond));
    if (syn) {
      s.options.sack_permitted = which & 2;
      s.options.mss = which & 4 ? static_cast<uint16_t>(in_.half()) : 0;
      s.options.window_scale = which & 8 ? in_.byte() % 15 : kNoWindowScale;
    } else if (which & 2) {
      s.options.sack_count = in_.byte() % (kMaxSackBlocks + 1);
      for (size_t i = 0; i < s.options.sack_count; ++i) {
        s.options.sack[i].begin = near(connection_.snd_una() + in_.half());
        s.options.sack[i].end = near(s.options.sack[i].begin + in_.half() % 3000);
      }
    }
  }

  void arrive(uint8_t flags, Seq seq, Seq ack, uint32_t length, bool syn) {
    Segment s;
    s.seq = seq;
    s.ack = ack;
    s.flags = flags;
    s.window = static_cast<uint16_t>(in_.half());
    s.ecn = static_cast<Ecn>(in_.byte() & 3);
    options(s, syn);
    uint8_t payload[3000];
    for (uint32_t i = 0; i < length; ++i) payload[i] = stream(static_cast<uint32_t>(seq + i - irs_ - 1));
    s.payload = {payload, length};
    connection_.on_segment(s, now_);
  }

  void step() {
    const uint8_t operation = in_.byte();
    const uint32_t amount = in_.half();
    if (operation < 140) {
      static constexpr uint8_t kFlags[] = {wire::kTcpAck, wire::kTcpAck | wire::kTcpPsh, wire::kTcpAck | wire::kTcpFin};
      const uint8_t flags = operation < 120 ? kFlags[operation % 3] : in_.byte();
      const Seq seq = near(connection_.rcv_nxt() + (operation & 1 ? amount % 2500 : 0));
      const Seq ack = near(operation & 4 ? connection_.snd_nxt() : connection_.snd_una());
      arrive(flags, seq, ack, operation & 8 ? in_.half() % 3000 : 0, flags & wire::kTcpSyn);
    } else if (operation < 170) {
      const base::Nanos deadline = connection_.deadline();
      now_ =
          operation & 1 && deadline != Connection::kNever ? std::max(now_, deadline) : now_ + amount * kMillisecond / 8;
      if (connection_.deadline() <= now_) connection_.on_deadline(now_);
    } else if (operation < 200) {
      uint8_t bytes[4000] = {};
      connection_.write({bytes, amount % sizeof bytes}, now_);
    } else if (operation < 230) {
      read(amount);
    } else {
      call(operation, amount);
    }
  }

  void call(uint8_t operation, uint32_t amount) {
    switch (operation) {
      case 230:
        return connection_.abort();
      case 231:
        return connection_.close(now_);
      case 232:
      case 233:
        return connection_.finish(now_);
      case 234:
        return connection_.set_keepalive(amount * kMillisecond, now_);
      case 235:
        return connection_.set_nagle(amount & 1);
      default:
        connection_.on_path_mss(static_cast<uint16_t>(amount), near(connection_.snd_una()), now_);
    }
  }

  void read(size_t most) {
    base::Bytes pieces[8];
    size_t count = 0, done = 0;
    if (connection_.peek(pieces, 8, count) > connection_.readable()) fail("peek gives more than is readable");
    for (size_t i = 0; i < count; ++i) {
      for (size_t k = 0; k < pieces[i].size() && done < most; ++k, ++done) {
        if (pieces[i][k] != stream(read_++)) fail("bytes out of order");
      }
    }
    connection_.consume(done, now_);
  }

  void speak() {
    Outgoing out;
    const Seq edge = connection_.snd_una() + connection_.peer_window();
    for (unsigned sent = 0; connection_.next_segment({}, now_, out); ++sent) {
      if (sent > 2000) fail("sends without end");
      uint8_t header[wire::kTcpMaxLength];
      size_t bytes = 0;
      for (size_t i = 0; i < out.piece_count; ++i) bytes += out.pieces[i].size();
      if (bytes != out.length || write_header(out, 1, 2, header) > sizeof header) fail("a segment that is none");
      // New bytes lie in the window, but for one that probes a shut one (RFC 9293 §3.8.6.1); old ones may go again even
      // where the peer took its window back (MAY-7).
      const Seq end = out.seq + out.length;
      if (out.length != 0 && after(end, sent_) && after(end, later(edge, sent_ + 1))) fail("sent beyond the window");
      if (out.length != 0) sent_ = later(sent_, end);
    }
  }

  void check() {
    const State state = connection_.state();
    if (state == State::kClosed || state == State::kTimeWait) return;
    if (connection_.snd_una() != connection_.snd_nxt() && connection_.deadline() == Connection::kNever)
      fail("outstanding without a deadline");
    if (after(connection_.snd_una(), connection_.snd_nxt())) fail("acknowledged what was never sent");
    if (before(connection_.rcv_edge(), connection_.rcv_nxt())) fail("received beyond the window");
    if (connection_.readable() > shared_.tuning.receive_buffer + (1U << kMaxWindowScale)) fail("more than the buffer");
  }

  Input in_;
  Shared shared_;
  Connection connection_;
  base::Nanos now_ = 1000 * base::kNanosPerSecond;
  Seq irs_ = 0xffffff00;
  Seq sent_ = 0;  // behind the last new byte
  uint64_t read_ = 0;
};

}  // namespace
}  // namespace penstock::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::make_unique<penstock::tcp::Actor>(data, size)->play();
  return 0;
}
