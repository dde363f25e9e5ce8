// Clients of one transport: connections to one target, and requests on them by a schedule (open loop) or one after the
// other (closed loop); or connections that are opened, asked once (a handshake alone is the kernel's), and held. What
// is said on a connection is `Talk`'s: http_clients.h, tcp_clients.h.
//
// Open loop: a request belongs to its scheduled time and is counted by that. It takes the connection that has been free
// the longest; while there is none it waits, and its latency runs. Closed loop: each connection asks again `think`
// after its last answer, and latency runs from then; counted by when the answer came. `service` runs from the first
// byte written. Latencies are those of good answers. Where a new connection is needed (requestsPerConnection, or the
// last one ended), the request waits for it. Timeout: of connecting, and again of the answer. A slot that could not
// connect pauses.
//
// Memory: everything when the trial begins, but what `Talk` lends. One thread; `now` never goes back.
#pragma once

#include <algorithm>
#include <vector>

#include "l7/tcp/fifo.h"
#include "requests/part.h"
#include "requests/slot.h"
#include "requests/spec.h"

namespace penstock::requests {

template <Transport Net, typename Talk>
class Clients : public ClientPart {
 public:
  static constexpr base::Nanos kPause = 10'000'000;  // after a connection that failed: a dead target is no busy loop
  static constexpr base::Nanos kLateness = 100'000;  // a request is late when a free connection waited longer for it
  static constexpr uint32_t kOpenedInARound = 64;    // connections of a ramp: more at once would overrun a backlog

  Clients(Net& net, const ClientSpec& spec, uint64_t seed)
      : net_(net), spec_(spec), seed_(seed), talk_(spec, seed), patience_(slots_), slot_of_(net.capacity(), kNone) {}

  void prepare(const Load& load) override {
    load_ = load;
    tally_ = {};
    interval_ = {};
    talk_.begin_trial(load.share);
    arrivals_.clear();
    next_ = 0;
    if (open_loop()) arrivals_ = schedule(spec_.spacing, load.rate, load.window.to, seed_ + 1, load.share);
    slots_.assign(load.share.of_all(load.connections), {});
    patience_.clear();
    free_ = {};
    resting_ = pausing_ = {};
    unopened_ = 0;
    under_way_ = held_ = 0;
    started_ = held_known_ = stopped_ = false;
  }

  void start(base::Nanos now) override {
    Window& w = load_.window;
    w = {.begin = now, .from = now + w.from, .to = now + w.to, .end = now + w.end};
    started_ = true;
  }

  bool act(base::Nanos now) override {
    bool worked = net_.arrive(now);
    for (Ready ready; net_.next_event(ready); worked = true) on_ready(ready, now);
    while (patience_.first() != kNone && slots_[patience_.first()].since + spec_.timeout <= now)
      on_timeout(patience_.first(), now);
    if (!started_) return net_.depart(now) || worked;
    if (now < load_.window.to) {
      open_more(now);
      wake(now);
      send_due(now);
    } else if (!std::exchange(held_known_, true)) {
      tally_.held = held_;
      if (!stopped_) send_due(now);  // what was due before the end, if the loop came late to it
    }
    return net_.depart(now) || worked;
  }

  void stop(base::Nanos now) override {
    load_.window.stop(now);
    stopped_ = true;
  }
  bool over(base::Nanos now) const override {
    return now >= load_.window.end || (now >= load_.window.to && under_way_ == 0 && held_known_);
  }
  const Window& window() const override { return load_.window; }
  Interval& interval() override { return interval_; }
  int waits_on() const override { return net_.waits_on(); }

  base::Nanos due() const override {
    const Window& w = load_.window;
    base::Nanos first = held_known_ ? w.end : w.to;
    if (patience_.first() != kNone) first = std::min(first, slots_[patience_.first()].since + spec_.timeout);
    if (held_known_) return first;
    if (next_ < arrivals_.size() && !free_.empty()) first = std::min(first, w.begin + arrivals_[next_]);
    if (unopened_ < slots_.size()) first = std::min(first, opening_time(unopened_));
    if (!resting_.empty()) first = std::min(first, resting_.front().until);
    if (!pausing_.empty()) first = std::min(first, pausing_.front().until);
    return first;
  }

  const ClientTally& finish(base::Nanos now) override {
    if (!held_known_) tally_.held = held_;
    for (uint32_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[i];
      if (slot.request && counts(slot, load_.window.to - 1))
        ++(slot.state == SlotState::kAsking ? tally_.unanswered : tally_.unsent);
      if (slot.id == kNone) continue;
      const bool quiet = slot.state == SlotState::kIdle || slot.state == SlotState::kEnding;
      let_go(slot, quiet, now);
    }
    for (; next_ < arrivals_.size() && load_.window.begin + arrivals_[next_] < load_.window.to; ++next_)
      tally_.unsent += load_.window.counts(load_.window.begin + arrivals_[next_]);
    slots_.clear();
    arrivals_.clear();
    patience_.clear();
    free_ = {};
    resting_ = pausing_ = {};
    under_way_ = 0;
    net_.depart(now);
    return tally_;
  }

 private:
  using Slot = requests::Slot<typename Talk::Words>;
  struct Rest {
    uint32_t index;
    base::Nanos until;
  };

  bool holds() const { return spec_.arrivals == ArrivalKind::kHold; }
  bool open_loop() const { return spec_.arrivals == ArrivalKind::kOpen; }
  bool counts(const Slot& slot, base::Nanos now) const {
    return load_.window.counts(open_loop() && slot.request ? slot.due : now);
  }
  base::Nanos opening_time(uint32_t index) const {
    return load_.window.begin + spec_.ramp * load_.share.nth(index) / load_.connections;
  }

  // What the trial begins with: connections, evenly over the ramp.
  void open_more(base::Nanos now) {
    for (uint32_t n = 0; n < kOpenedInARound && unopened_ < slots_.size() && opening_time(unopened_) <= now; ++n) {
      const uint32_t index = unopened_++;
      if (spec_.arrivals == ArrivalKind::kClosed)
        take(index, now, now);
      else if (open_loop() && spec_.requests_per_connection == 1)
        set_free(index, now);
      else
        open(index, now);
    }
  }

  void wake(base::Nanos now) {
    for (tcp::Fifo<Rest>* list : {&resting_, &pausing_}) {
      while (!list->empty() && list->front().until <= now) {
        const Rest rest = list->front();
        list->pop();
        if (holds())
          open(rest.index, now);
        else if (open_loop())
          set_free(rest.index, now);
        else
          take(rest.index, rest.until, now);
      }
    }
  }

  void send_due(base::Nanos now) {
    while (next_ < arrivals_.size() && !free_.empty()) {
      const base::Nanos due = load_.window.begin + arrivals_[next_];
      if (due > now || due >= load_.window.to) return;
      const uint32_t index = free_.front();
      free_.pop();
      ++next_;
      tally_.late += load_.window.counts(due) && now - std::max(due, slots_[index].free) > kLateness;
      take(index, due, now);
    }
  }

  // A request for this slot.
  void take(uint32_t index, base::Nanos due, base::Nanos now) {
    Slot& slot = slots_[index];
    slot.request = true;
    slot.due = due;
    ++under_way_;
    if (slot.state == SlotState::kIdle)
      ask(index, now);
    else
      open(index, now);
  }

  void open(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    slot.opened = now;
    slot.asked = 0;
    talk_.begin(slot.words);
    slot.id = net_.connect(now);
    if (slot.id == kNone) return fail(index, &Errors::ports, now);
    slot_of_[slot.id] = index;
    slot.state = SlotState::kOpening;
    patience_.begin(index, now);
  }

  void on_connected(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    if (load_.window.counts(now)) {
      ++tally_.opened;
      tally_.connect.add(now - slot.opened);
    }
    slot.state = SlotState::kIdle;
    patience_.end(index);
    if (stopped_) return;
    if (slot.request) return ask(index, now);
    if (!holds()) return set_free(index, now);
    if (now < load_.window.to) take(index, now, now);
  }

  void ask(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    slot.state = SlotState::kAsking;
    slot.sent = now;
    slot.last = ++slot.asked == spec_.requests_per_connection && !holds();
    talk_.ask(slot.words, slot.last);
    ++interval_.sent;
    patience_.begin(index, now);
    push(slot, now);
  }

  void push(Slot& slot, base::Nanos now) { slot.written = talk_.send(slot.words, net_, slot.id, now); }

  void on_ready(const Ready& ready, base::Nanos now) {
    const uint32_t index = slot_of_[ready.id];
    if (index == kNone) return;
    Slot& slot = slots_[index];
    if (ready.events & tcp::kConnected && slot.state == SlotState::kOpening) on_connected(index, now);
    if (ready.events & tcp::kWritable && slot.state == SlotState::kAsking && !slot.written) push(slot, now);
    if (ready.events & (tcp::kReadable | tcp::kPeerFinished | tcp::kEnded)) hear(index, now);
  }

  void hear(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    const uint32_t id = slot.id;
    net_.read(id, now, [&](base::Bytes bytes) {
      slot.foreign = slot.foreign || slot.state != SlotState::kAsking || !talk_.hear(slot.words, bytes);
    });
    const End end = net_.end(id);
    const bool over = net_.peer_finished(id) || end != End::kOpen;
    if (slot.foreign) return on_foreign(index, now);
    if (slot.state == SlotState::kAsking) {
      if (over && (end == End::kOpen || end == End::kFinished)) talk_.hear_end(slot.words);  // may complete the answer
      if (talk_.complete(slot.words)) answered(index, now);
    }
    if (slot.id == id && over) on_end(index, end, now);
  }

  // Where nothing was asked (a 408 does that) no request fails, but the connection is of no more use.
  void on_foreign(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    if (slot.state == SlotState::kAsking || holds()) return fail(index, &Errors::protocol, now);
    tally_.surprises += load_.window.counts(now);
    slot.foreign = false;
    const bool queued = slot.state == SlotState::kIdle;  // it is free already, and stays so
    patience_.end(index);
    let_go(slot, false, now);
    if (!queued) set_free(index, now);
  }

  void answered(uint32_t index, base::Nanos now) {
    Slot& slot = slots_[index];
    const bool good = talk_.good(slot.words), goes_on = talk_.goes_on(slot.words);
    const bool stays = goes_on && slot.written && !slot.last;
    if (holds() && !(good && stays)) return fail(index, good ? &Errors::reset : &Errors::status, now);
    if (!good) {
      count_error(slot, &Errors::status, now);
    } else if (counts(slot, now)) {
      ++tally_.requests;
      const bool in_time = now < load_.window.to;
      tally_.in_time += in_time;
      tally_.bytes += in_time ? talk_.bytes(slot.words) : 0;
      tally_.latency.add(now - slot.due);
      tally_.service.add(now - slot.sent);
    } else {
      ++tally_.outside;
    }
    if (good) {
      held_ += !std::exchange(slot.proven, true);
      ++interval_.received;
      interval_.latency.add(now - slot.due);
    }
    end_request(slot);
    patience_.end(index);
    if (stays) {
      slot.state = SlotState::kIdle;
      return set_free(index, now);
    }
    if (goes_on || net_.peer_finished(slot.id)) return close(index, now);
    slot.state = SlotState::kEnding;  // it said that it will close: whoever closes first has to remember the connection
    patience_.begin(index, now);
  }

  // The peer finished or broke the connection.
  void on_end(uint32_t index, End end, base::Nanos now) {
    Slot& slot = slots_[index];
    switch (slot.state) {
      case SlotState::kOpening:
        return fail(index, end == End::kTimedOut ? &Errors::timeout : &Errors::refused, now);
      case SlotState::kAsking:
        return fail(index, end == End::kTimedOut ? &Errors::timeout : &Errors::reset, now);
      case SlotState::kEnding:
        return close(index, now);
      case SlotState::kIdle:  // its right (RFC 9112 9.3.1), but for one that was to be held
        if (holds()) return fail(index, &Errors::reset, now);
        return let_go(slot, end == End::kOpen || end == End::kFinished, now);
      case SlotState::kClosed:
        break;
    }
  }

  void on_timeout(uint32_t index, base::Nanos now) {
    if (slots_[index].state != SlotState::kEnding) return fail(index, &Errors::timeout, now);
    let_go(slots_[index], false, now);
    patience_.end(index);
    set_free(index, now);
  }

  void fail(uint32_t index, uint64_t Errors::*why, base::Nanos now) {
    Slot& slot = slots_[index];
    const bool opening = slot.state == SlotState::kOpening || slot.state == SlotState::kClosed;
    count_error(slot, why, now);
    end_request(slot);
    patience_.end(index);
    if (slot.id != kNone) let_go(slot, false, now);
    slot.state = SlotState::kClosed;
    if (opening || holds())
      pausing_.push({index, now + kPause});
    else
      set_free(index, now);
  }

  void count_error(const Slot& slot, uint64_t Errors::*why, base::Nanos now) {
    tally_.errors.*why += counts(slot, now) && (slot.request || holds());
    ++interval_.failed;
  }

  void end_request(Slot& slot) {
    under_way_ -= std::exchange(slot.request, false);
    talk_.forget(slot.words);
    slot.foreign = false;
  }

  void close(uint32_t index, base::Nanos now) {
    patience_.end(index);
    let_go(slots_[index], true, now);
    set_free(index, now);
  }

  void let_go(Slot& slot, bool gracefully, base::Nanos now) {
    held_ -= std::exchange(slot.proven, false);
    slot_of_[slot.id] = kNone;
    if (gracefully)
      net_.leave(slot.id, now);
    else
      net_.abort(slot.id);
    slot.id = kNone;
    slot.state = SlotState::kClosed;
  }

  void set_free(uint32_t index, base::Nanos now) {
    slots_[index].free = now;
    if (open_loop())
      free_.push(index);
    else if (!holds())
      resting_.push({index, now + spec_.think});
  }

  Net& net_;
  const ClientSpec& spec_;
  uint64_t seed_;
  Talk talk_;
  Load load_;
  ClientTally tally_;
  Interval interval_;
  std::vector<Slot> slots_;
  Patience<typename Talk::Words> patience_;
  std::vector<uint32_t> slot_of_;  // by the connection's number
  std::vector<base::Nanos> arrivals_;
  size_t next_ = 0;                    // of them
  tcp::Fifo<uint32_t> free_;           // open loop: the longest free first
  tcp::Fifo<Rest> resting_, pausing_;  // each in the order of its end
  uint32_t unopened_ = 0;              // the next slot of the ramp
  uint32_t under_way_ = 0;             // slots with a request
  uint32_t held_ = 0;                  // connections that were proven
  bool started_ = false;               // between prepare() and start() rounds go on, and the window is of no time yet
  bool held_known_ = false;
  bool stopped_ = false;  // nothing new is sent
};

}  // namespace penstock::requests
