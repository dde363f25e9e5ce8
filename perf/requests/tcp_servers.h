// How servers speak plain TCP (servers.h, exchange.h). A wrong byte, or one behind the last request, is no request.
// Requests may follow each other without waiting: what is owed is a number, however many they are.
//
// Memory: the pattern, whatever the number of connections. One thread.
#pragma once

#include "requests/exchange.h"
#include "requests/pattern.h"
#include "requests/spec.h"
#include "requests/tally.h"
#include "requests/transport.h"

namespace penstock::requests {

class TcpServers {
 public:
  // Of a connection.
  struct Words {
    bool last = false;    // this request is the last one, or has been
    uint64_t heard = 0;   // bytes, of all requests
    uint64_t said = 0;    // of all answers
    uint64_t within = 0;  // bytes of the request that is being read; the same for the answer:
    uint64_t spoken = 0;
    uint64_t owed = 0;  // answers
  };

  TcpServers(const ServerSpec& spec, uint64_t) : exchange_(spec.exchange) {}

  void begin(Words& w, ServerTally& tally) const {
    tally.answers += exchange_.empty();
    w.last = exchange_.empty();
  }

  bool hear(Words& w, base::Bytes bytes) const {
    while (!bytes.empty()) {
      if (w.within == 0) {
        if (w.last || (bytes[0] != Exchange::kMore && bytes[0] != Exchange::kLast)) return false;
        w.last = bytes[0] == Exchange::kLast;
      }
      const bool mark = w.within == 0;
      const auto size = static_cast<size_t>(std::min<uint64_t>(bytes.size(), exchange_.request - w.within));
      if (!requests_.matches(w.heard + mark, bytes.subspan(mark, size - mark))) return false;
      bytes = bytes.subspan(size);
      w.heard += size;
      w.within += size;
      if (w.within < exchange_.request) continue;
      w.within = 0;
      ++w.owed;
    }
    return true;
  }

  // What is owed, as far as the transport takes it; true: nothing is owed any more.
  template <Transport Net>
  bool answer(Words& w, Net& net, uint32_t id, base::Nanos now, ServerTally& tally) const {
    while (w.owed != 0) {
      const base::Bytes next = answers_.from(w.said, exchange_.answer - w.spoken);
      const size_t taken = net.write(id, next, now);
      w.said += taken;
      w.spoken += taken;
      if (w.spoken == exchange_.answer) {
        w.spoken = 0;
        --w.owed;
        ++tally.answers;
        tally.bytes += exchange_.request + exchange_.answer;
      }
      if (taken < next.size()) return false;
    }
    return true;
  }

  bool in_request(const Words& w) const { return w.within != 0; }
  bool closes(const Words& w) const { return w.last && w.within == 0; }
  void forget(Words&) const {}

 private:
  const Exchange exchange_;
  const Pattern requests_{Pattern::kRequests}, answers_{Pattern::kAnswers};
};

}  // namespace penstock::requests
