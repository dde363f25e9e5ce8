// How clients speak HTTP/1.1 (clients.h): requests that differ in the length of their content, and answers read
// strictly (l7/h1). The last request of a connection says "connection: close".
//
// Memory: heads are lent while an answer is read (heads.h). One thread.
#pragma once

#include "l7/h1/response_parser.h"
#include "l7/http/status.h"
#include "requests/heads.h"
#include "requests/message.h"
#include "requests/spec.h"

namespace penstock::requests {

class HttpClients {
 public:
  // Of a connection.
  struct Words {
    bool last = false;
    uint64_t length = 0;                 // of the request's content
    uint64_t progress = 0;               // bytes of the request that were written
    uint64_t content = 0;                // bytes of the answer's content
    http::ResponseHead* head = nullptr;  // lent while an answer is read
    h1::ResponseParser parser{head_limits()};
  };

  HttpClients(const ClientSpec& spec, uint64_t seed)
      : spec_(spec), seed_(seed), random_(seed), usual_(spec.head), final_(spec.head + "connection: close\r\n") {}

  // Each share draws its own lengths.
  void begin_trial(Share share) { random_ = proxy::Random(seed_ + (uint64_t{share.index} << 32)); }
  void begin(Words&) const {}

  void ask(Words& w, bool last) {
    w.last = last;
    w.length = spec_.body.pick(random_);
    w.progress = w.content = 0;
  }
  template <Transport Net>
  bool send(Words& w, Net& net, uint32_t id, base::Nanos now) {
    const Length said = w.length != 0 || http::expects_content(spec_.method) ? Length::kSaid : Length::kUnsaid;
    return (w.last ? final_ : usual_).send(net, id, said, w.length, true, w.progress, now);
  }

  bool hear(Words& w, base::Bytes bytes) {
    if (w.head == nullptr) {
      w.head = heads_.take();
      w.parser.begin(*w.head, {.method = spec_.method});
    }
    for (;;) {
      const h1::Step step = w.parser.next(bytes);
      bytes = bytes.subspan(step.consumed);
      w.content += step.data.size();
      if (step.event == h1::Event::kMore) return bytes.empty();
      if (step.event == h1::Event::kRefused || step.event == h1::Event::kTunnel) return false;
    }
  }
  void hear_end(Words& w) const {
    if (w.head != nullptr && !w.parser.done()) w.parser.on_close();
  }

  bool complete(const Words& w) const { return w.head != nullptr && w.parser.done(); }
  bool good(const Words& w) const { return http::is_success(w.head->status); }
  bool goes_on(const Words& w) const { return w.parser.reusable(); }
  uint64_t bytes(const Words& w) const { return w.content; }
  void forget(Words& w) { heads_.give(std::exchange(w.head, nullptr)); }

 private:
  const ClientSpec& spec_;
  uint64_t seed_;
  proxy::Random random_;
  Message usual_, final_;
  Heads<http::ResponseHead> heads_;
};

}  // namespace penstock::requests
