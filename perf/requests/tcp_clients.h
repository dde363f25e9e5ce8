// How clients speak plain TCP (clients.h, exchange.h). An exchange is good when its whole answer has come and every
// byte of it is right; one without bytes, when the server has ended the connection.
//
// Memory: pattern and one block, whatever the number of connections. One thread.
#pragma once

#include "requests/exchange.h"
#include "requests/pattern.h"
#include "requests/spec.h"
#include "requests/transport.h"

namespace penstock::requests {

class TcpClients {
 public:
  // Of a connection.
  struct Words {
    bool last = false;
    bool ended = false;     // by the server
    uint64_t requests = 0;  // bytes of the requests before this one
    uint64_t answers = 0;   // and of their answers
    uint64_t progress = 0;  // bytes of this request that were written
    uint64_t heard = 0;     // bytes of this answer
  };

  TcpClients(const ClientSpec& spec, uint64_t) : exchange_(spec.exchange), block_(kBlock) {}

  void begin_trial(Share) const {}
  void begin(Words& w) const { w = {}; }

  void ask(Words& w, bool last) const {
    w.requests += w.progress;
    w.answers += w.heard;
    w.progress = w.heard = 0;
    w.last = last;
  }
  template <Transport Net>
  bool send(Words& w, Net& net, uint32_t id, base::Nanos now) {
    while (w.progress < exchange_.request) {
      const uint64_t left = exchange_.request - w.progress;
      const base::Bytes next = w.progress == 0 ? opening(w) : requests_.from(w.requests + w.progress, left);
      const size_t taken = net.write(id, next, now);
      w.progress += taken;
      if (taken < next.size()) return false;
    }
    return true;
  }

  bool hear(Words& w, base::Bytes bytes) const {
    if (bytes.size() > exchange_.answer - w.heard || !answers_.matches(w.answers + w.heard, bytes)) return false;
    w.heard += bytes.size();
    return true;
  }
  void hear_end(Words& w) const { w.ended = true; }

  bool complete(const Words& w) const {
    return exchange_.empty() ? w.ended : w.heard == exchange_.answer && w.progress == exchange_.request;
  }
  bool good(const Words&) const { return true; }
  bool goes_on(const Words& w) const { return !w.last; }
  uint64_t bytes(const Words&) const { return exchange_.request + exchange_.answer; }
  void forget(Words&) const {}

 private:
  static constexpr size_t kBlock = 16 * 1024;

  // The first bytes of a request, with the one that is not the pattern's.
  base::Bytes opening(const Words& w) {
    const base::Bytes pattern = requests_.from(w.requests, std::min<uint64_t>(exchange_.request, kBlock));
    std::copy(pattern.begin(), pattern.end(), block_.begin());
    block_[0] = w.last ? Exchange::kLast : Exchange::kMore;
    return {block_.data(), pattern.size()};
  }

  const Exchange exchange_;
  const Pattern requests_{Pattern::kRequests}, answers_{Pattern::kAnswers};
  std::vector<uint8_t> block_;
};

}  // namespace penstock::requests
