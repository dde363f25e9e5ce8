// What a segment of bulk data costs the sender in l7/tcp, ACKs and timers included, copying to a packet not: by round
// trip, with pacing and without. The peer is a clock that acknowledges every second segment, at 10 Gbit/s.
//
//   build/release/perf/tcp_bench
#include <benchmark/benchmark.h>

#include <deque>
#include <vector>

#include "base/time.h"
#include "l7/tcp/stack.h"

namespace penstock::tcp {
namespace {

const Tuple kTuple{.local = base::IpAddress::v4(0x0a000001),
                   .remote = base::IpAddress::v4(0x0a000002),
                   .local_port = 1024,
                   .remote_port = 80};
constexpr Plan kPlan{.max_segments = 16};    // as l7/host has it
constexpr base::Nanos kSegmentTime = 1'200;  // 1500 bytes at 10 Gbit/s
constexpr uint32_t kWindow = 512 * 1024;
constexpr uint8_t kScale = 7;

Tuning tuning_of(bool pacing) {
  Tuning tuning;
  tuning.nagle = false;
  tuning.pacing = pacing;
  tuning.send_buffer = kWindow;
  return tuning;
}

class Sender {
 public:
  Sender(base::Nanos rtt, bool pacing)
      : stack_(tuning_of(pacing), {}, 1, {.low = 1, .high = 2}, kStart), rtt_(rtt), data_(64 * 1024, 'x') {
    id_ = stack_.connect(kTuple, now_);
    Tuple tuple;
    stack_.next_segment(kPlan, now_, tuple, out_);
    now_ += rtt_;
    Segment answer = ack(out_.seq + 1);
    answer.seq = 0;
    answer.flags |= wire::kTcpSyn;
    answer.window = UINT16_MAX;
    answer.options.mss = 1460;
    answer.options.window_scale = kScale;
    answer.options.sack_permitted = true;
    stack_.absorb(kTuple, answer, now_);
    speak();
  }

  // Until the next ACK or timer, and what follows from it; segments that were sent.
  uint64_t step() {
    const base::Nanos next = std::min(stack_.deadline(), acks_.empty() ? stack_.deadline() : acks_.front().at);
    now_ = std::max(now_, next);
    for (; !acks_.empty() && acks_.front().at <= now_; acks_.pop_front())
      stack_.absorb(kTuple, ack(acks_.front().ack), now_, 0, id_);
    stack_.on_time(now_);
    for (Ready ready; stack_.next_event(ready);) continue;
    return speak();
  }

  uint64_t paced() { return stack_.shared().counted(Count::kPaced); }

 private:
  static constexpr base::Nanos kStart = base::kNanosPerSecond;
  struct Ack {
    base::Nanos at;
    Seq ack;
  };

  static Segment ack(Seq number) {
    Segment s;
    s.seq = 1;
    s.ack = number;
    s.flags = wire::kTcpAck;
    s.window = kWindow >> kScale;
    return s;
  }

  uint64_t speak() {
    Connection& c = stack_.at(id_);
    while (c.writable() >= data_.size()) c.write(data_, now_);
    stack_.touch(id_);
    Tuple tuple;
    uint64_t segments = 0;
    while (stack_.next_segment(kPlan, now_, tuple, out_)) {
      for (uint32_t at = 0; at < out_.length; at += out_.segment_size) {
        ++segments;
        free_ = std::max(free_, now_) + kSegmentTime;
        unacked_ = !unacked_;
        if (!unacked_)
          acks_.push_back({free_ + rtt_, out_.seq + std::min<uint32_t>(at + out_.segment_size, out_.length)});
      }
    }
    return segments;
  }

  base::Nanos now_ = kStart;
  Stack stack_;
  base::Nanos rtt_, free_ = 0;
  std::vector<uint8_t> data_;
  Outgoing out_;
  uint32_t id_ = kNone;
  bool unacked_ = false;
  std::deque<Ack> acks_;
};

void bulk(benchmark::State& state) {
  Sender sender(static_cast<base::Nanos>(state.range(0)) * 1000, state.range(1) != 0);
  constexpr uint64_t kWarm = 20'000, kBatch = 1000;
  for (uint64_t sent = 0; sent < kWarm;) sent += sender.step();
  const uint64_t waits = sender.paced();
  uint64_t segments = 0;
  const base::Cycles start = base::read_cycles();
  for (auto _ : state)
    for (uint64_t sent = 0; sent < kBatch;) {
      const uint64_t now = sender.step();
      sent += now;
      segments += now;
    }
  const auto total = static_cast<double>(segments);
  state.counters["cycles/segment"] = static_cast<double>(base::read_cycles() - start) / total;
  state.counters["waits/segment"] = static_cast<double>(sender.paced() - waits) / total;
  state.SetItemsProcessed(static_cast<int64_t>(segments));
}
BENCHMARK(bulk)->ArgNames({"rtt_us", "pacing"})->ArgsProduct({{200, 5'000, 20'000}, {0, 1}});

}  // namespace
}  // namespace penstock::tcp

BENCHMARK_MAIN();
