// Servers of one transport: whoever connects is accepted, and every request is answered as `Talk` says (http_servers.h,
// tcp_servers.h). What is no request ends its connection.
//
// Memory: per connection a slot, kept. One thread. No time-outs: in a laboratory a client that says nothing is a
// measurement.
#pragma once

#include <vector>

#include "requests/part.h"
#include "requests/spec.h"
#include "requests/transport.h"

namespace penstock::requests {

template <Transport Net, typename Talk>
class Servers : public ServerPart {
 public:
  Servers(Net& net, const ServerSpec& spec, uint64_t seed) : net_(net), talk_(spec, seed), sessions_(net.capacity()) {}

  bool act(base::Nanos now) override {
    bool worked = net_.arrive(now);
    for (uint32_t id; (id = net_.accept(now)) != kNone; worked = true) on_accepted(id, now);
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
  struct Session {
    bool live = false;
    typename Talk::Words words;
  };

  void on_accepted(uint32_t id, base::Nanos now) {
    Session& s = sessions_[id];
    s = Session{.live = true, .words = {}};
    ++tally_.accepted;
    talk_.begin(s.words, tally_);
    if (talk_.closes(s.words)) let_go(id, true, now);
  }

  void on_ready(const Ready& ready, base::Nanos now) {
    const uint32_t id = ready.id;
    Session& s = sessions_[id];
    if (!s.live) return;
    bool good = true;
    net_.read(id, now, [&](base::Bytes bytes) { good = good && talk_.hear(s.words, bytes); });
    const End end = net_.end(id);
    if (!good) {
      ++tally_.protocol;
      return let_go(id, false, now);
    }
    if (end != End::kOpen && end != End::kFinished) {
      ++tally_.reset;
      return let_go(id, false, now);
    }
    const bool clear = talk_.answer(s.words, net_, id, now, tally_);
    const bool finished = net_.peer_finished(id) || end == End::kFinished;
    if (finished && talk_.in_request(s.words)) {
      ++tally_.reset;
      return let_go(id, false, now);
    }
    if ((finished || talk_.closes(s.words)) && clear) let_go(id, true, now);
  }

  void let_go(uint32_t id, bool gracefully, base::Nanos now) {
    Session& s = sessions_[id];
    talk_.forget(s.words);
    s.live = false;
    if (gracefully)
      net_.leave(id, now);
    else
      net_.abort(id);
  }

  Net& net_;
  Talk talk_;
  std::vector<Session> sessions_;
  ServerTally tally_;
  uint64_t refused_before_ = 0;
};

}  // namespace penstock::requests
