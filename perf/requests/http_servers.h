// How servers speak HTTP/1.1 (servers.h): every request is answered with 200 and a content of a length that is fixed,
// drawn, or asked for by the path. They read strictly (l7/h1). Pipelined requests are answered in order.
//
// Memory: heads are lent while a request is read. One thread.
#pragma once

#include <array>
#include <charconv>

#include "l7/h1/request_parser.h"
#include "requests/heads.h"
#include "requests/message.h"
#include "requests/spec.h"
#include "requests/tally.h"

namespace penstock::requests {

class HttpServers {
 public:
  static constexpr uint32_t kMostOwed = 8;  // answers to pipelined requests; who sends more is cut off

  struct Answer {
    uint64_t length = 0;
    bool found = true;
    bool content = true;  // false: to HEAD
    bool last = false;    // the connection ends behind it
  };
  // Of a connection.
  struct Words {
    bool close = false;  // after what is owed
    uint8_t owed = 0, first = 0;
    uint64_t progress = 0;  // of the first answer
    http::RequestHead* head = nullptr;
    h1::RequestParser parser{head_limits()};
    std::array<Answer, kMostOwed> answers;
  };

  HttpServers(const ServerSpec& spec, uint64_t seed) : spec_(spec), random_(seed) {}

  void begin(Words&, ServerTally&) const {}

  bool hear(Words& w, base::Bytes bytes) {
    bool good = true;
    while (!bytes.empty() && good && !w.close) {
      if (w.head == nullptr) {
        w.head = heads_.take();
        w.parser.begin(*w.head);
      }
      for (bool over = false; !over;) {
        const h1::Step step = w.parser.next(bytes);
        bytes = bytes.subspan(step.consumed);
        good = step.event != h1::Event::kRefused && step.event != h1::Event::kTunnel;
        if (step.event == h1::Event::kEnd) good = owe(w);
        over = step.event == h1::Event::kMore || step.event == h1::Event::kEnd || !good;
      }
    }
    return good;
  }

  // What is owed, as far as the transport takes it; true: nothing is owed any more.
  template <Transport Net>
  bool answer(Words& w, Net& net, uint32_t id, base::Nanos now, ServerTally& tally) {
    for (; w.owed != 0; --w.owed) {
      const Answer& a = w.answers[w.first];
      Message& message = a.found ? (a.last ? found_last_ : found_) : a.last ? missing_last_ : missing_;
      if (!message.send(net, id, Length::kSaid, a.length, a.content, w.progress, now)) return false;
      ++tally.answers;
      tally.bytes += a.content ? a.length : 0;
      w.progress = 0;
      w.first = static_cast<uint8_t>((w.first + 1) % kMostOwed);
    }
    return true;
  }

  bool in_request(const Words& w) const { return w.head != nullptr; }
  bool closes(const Words& w) const { return w.close; }
  void forget(Words& w) { heads_.give(std::exchange(w.head, nullptr)); }

 private:
  bool owe(Words& w) {
    Answer answer{.length = 0, .content = w.head->method != http::Method::kHead};
    if (spec_.by_path)
      answer.found = length_in(w.head->path(), answer.length);
    else
      answer.length = spec_.body.pick(random_);
    w.close = answer.last = !w.parser.reusable();
    heads_.give(std::exchange(w.head, nullptr));
    if (w.owed == kMostOwed) return false;
    w.answers[(w.first + w.owed++) % kMostOwed] = answer;
    return true;
  }

  // "/128": 128.
  static bool length_in(std::string_view path, uint64_t& length) {
    const auto [end, error] = std::from_chars(path.data() + 1, path.data() + path.size(), length);
    if (path.size() > 1 && error == std::errc() && end == path.data() + path.size() && length <= Sizes::kLargest)
      return true;
    length = 0;
    return false;
  }

  const ServerSpec& spec_;
  proxy::Random random_;
  Message found_{"HTTP/1.1 200 OK\r\n"}, found_last_{"HTTP/1.1 200 OK\r\nconnection: close\r\n"},
      missing_{"HTTP/1.1 404 Not Found\r\n"}, missing_last_{"HTTP/1.1 404 Not Found\r\nconnection: close\r\n"};
  Heads<http::RequestHead> heads_;
};

}  // namespace penstock::requests
