// A server of HTTP/1.1 that answers every request with 200 and a content of a length that is fixed, drawn, or asked for
// by the path. It reads strictly (l7/h1): what is no request ends its connection. Pipelined requests are answered in
// order.
//
// Memory: per connection a slot, kept; heads are lent while a request is read. One thread. No time-outs: in a
// laboratory a client that says nothing is a measurement.
#pragma once

#include <array>
#include <charconv>
#include <string>
#include <vector>

#include "l7/h1/request_parser.h"
#include "requests/heads.h"
#include "requests/message.h"
#include "requests/part.h"
#include "requests/spec.h"

namespace penstock::requests {

template <Transport Net>
class Servers : public ServerPart {
 public:
  static constexpr uint32_t kMostOwed = 8;  // answers to pipelined requests; who sends more is cut off

  Servers(Net& net, const ServerSpec& spec, uint64_t seed)
      : net_(net),
        spec_(spec),
        random_(seed),
        found_("HTTP/1.1 200 OK\r\n"),
        found_last_("HTTP/1.1 200 OK\r\nconnection: close\r\n"),
        missing_("HTTP/1.1 404 Not Found\r\n"),
        missing_last_("HTTP/1.1 404 Not Found\r\nconnection: close\r\n"),
        sessions_(net.capacity()) {}

  bool act(base::Nanos now) override {
    bool worked = net_.arrive(now);
    for (uint32_t id; (id = net_.accept(now)) != kNone; worked = true) {
      ++tally_.accepted;
      sessions_[id] = Session{.live = true};
    }
    for (Ready ready; net_.next_event(ready); worked = true) on_ready(ready, now);
    return net_.depart(now) || worked;
  }
  base::Nanos due() const override { return kNever; }
  int waits_on() const override { return net_.waits_on(); }
  void begin() override {
    tally_ = {};
    refused_before_ = net_.refused();
  }
  ServerTally tally() const override {
    ServerTally all = tally_;
    all.refused = net_.refused() - refused_before_;
    return all;
  }

 private:
  struct Answer {
    uint64_t length = 0;
    bool found = true;
    bool content = true;  // false: to HEAD
    bool last = false;    // the connection ends behind it
  };
  struct Session {
    bool live = false;
    bool foreign = false;  // what came is no request
    bool close = false;    // after what is owed
    uint8_t owed = 0, first = 0;
    uint64_t progress = 0;  // of the first answer
    http::RequestHead* head = nullptr;
    h1::RequestParser parser{head_limits()};
    std::array<Answer, kMostOwed> answers;
  };

  void on_ready(const Ready& ready, base::Nanos now) {
    const uint32_t id = ready.id;
    Session& s = sessions_[id];
    if (!s.live) return;
    net_.read(id, now, [&](base::Bytes bytes) { on_bytes(s, bytes); });
    const End end = net_.end(id);
    if (s.foreign) {
      ++tally_.protocol;
      return let_go(id, false, now);
    }
    if (end != End::kOpen && end != End::kFinished) {
      ++tally_.reset;
      return let_go(id, false, now);
    }
    while (s.owed != 0 && answer(id, s, now)) {
    }
    if (net_.peer_finished(id) || end == End::kFinished) {
      if (s.head != nullptr) {  // in the middle of a request
        ++tally_.reset;
        return let_go(id, false, now);
      }
      s.close = true;
    }
    if (s.close && s.owed == 0) let_go(id, true, now);
  }

  void on_bytes(Session& s, base::Bytes bytes) {
    while (!bytes.empty() && !s.foreign && !s.close) {
      if (s.head == nullptr) {
        s.head = heads_.take();
        s.parser.begin(*s.head);
      }
      for (bool over = false; !over;) {
        const h1::Step step = s.parser.next(bytes);
        bytes = bytes.subspan(step.consumed);
        if (step.event == h1::Event::kRefused || step.event == h1::Event::kTunnel) s.foreign = true;
        if (step.event == h1::Event::kEnd) owe(s);
        over = step.event == h1::Event::kMore || step.event == h1::Event::kEnd || s.foreign;
      }
    }
  }

  void owe(Session& s) {
    Answer answer{.length = 0, .content = s.head->method != http::Method::kHead};
    if (spec_.by_path)
      answer.found = length_in(s.head->path(), answer.length);
    else
      answer.length = spec_.body.pick(random_);
    s.close = answer.last = !s.parser.reusable();
    heads_.give(std::exchange(s.head, nullptr));
    s.foreign = s.owed == kMostOwed;
    if (!s.foreign) s.answers[(s.first + s.owed++) % kMostOwed] = answer;
  }

  // "/128": 128.
  static bool length_in(std::string_view path, uint64_t& length) {
    const auto [end, error] = std::from_chars(path.data() + 1, path.data() + path.size(), length);
    if (path.size() > 1 && error == std::errc() && end == path.data() + path.size() && length <= Sizes::kLargest)
      return true;
    length = 0;
    return false;
  }

  // Writes the oldest answer owed; false: the rest has to wait.
  bool answer(uint32_t id, Session& s, base::Nanos now) {
    const Answer& a = s.answers[s.first];
    Message& message = a.found ? (a.last ? found_last_ : found_) : a.last ? missing_last_ : missing_;
    if (!message.send(net_, id, Length::kSaid, a.length, a.content, s.progress, now)) return false;
    ++tally_.answers;
    tally_.bytes += a.content ? a.length : 0;
    s.progress = 0;
    s.first = static_cast<uint8_t>((s.first + 1) % kMostOwed);
    --s.owed;
    return true;
  }

  void let_go(uint32_t id, bool gracefully, base::Nanos now) {
    Session& s = sessions_[id];
    heads_.give(std::exchange(s.head, nullptr));
    s.live = false;
    if (gracefully)
      net_.leave(id, now);
    else
      net_.abort(id);
  }

  Net& net_;
  const ServerSpec& spec_;
  proxy::Random random_;
  Message found_, found_last_, missing_, missing_last_;
  Heads<http::RequestHead> heads_;
  std::vector<Session> sessions_;
  ServerTally tally_;
  uint64_t refused_before_ = 0;
};

}  // namespace penstock::requests
