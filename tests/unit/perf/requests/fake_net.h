// A transport in virtual time with the other end in the test's hand (perf/requests/transport.h).
//
// A client's request, once its head is complete, is answered with `answer` at the time that answer_at() says, in pieces
// of `piece` bytes, a nanosecond apart. Connections are established `connect_time` after they were asked for.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "requests/transport.h"

namespace penstock::requests {

class FakeNet {
 public:
  enum class Connect : uint8_t { kAccepts, kRefuses, kHangs, kNoPort };

  struct Connection {
    bool live = false, fin = false, left = false, aborted = false;
    uint64_t turn = 0;
    End end = End::kOpen;
    std::string in;            // for the side under test
    std::string out;           // from it, all of it
    size_t heard = 0;          // of `out`, by the peer
    size_t window = SIZE_MAX;  // bytes it may still write
  };

  explicit FakeNet(uint32_t capacity) : all(capacity) {}

  // The concept.
  bool arrive(base::Nanos now) {
    bool any = false;
    for (; !later.empty() && later.begin()->first <= now; any = true) {
      const auto action = later.begin()->second;
      later.erase(later.begin());
      action();
    }
    return any;
  }
  bool depart(base::Nanos) { return false; }
  bool next_event(Ready& ready) {
    if (events.empty()) return false;
    ready = events.front();
    events.erase(events.begin());
    return true;
  }
  uint32_t connect(base::Nanos now) {
    ++connects;
    if (how == Connect::kNoPort) return kNone;
    const uint32_t id = take();
    if (how == Connect::kAccepts && connect_time == 0) established(id, now);
    if (how == Connect::kAccepts && connect_time != 0)
      at(now + connect_time, id, [this, id, then = now + connect_time] { established(id, then); });
    if (how == Connect::kRefuses) at(now + connect_time, id, [this, id] { end(id, End::kRefused); });
    return id;
  }
  uint32_t accept(base::Nanos) {
    if (waiting.empty()) return kNone;
    const uint32_t id = waiting.back();
    waiting.pop_back();
    return id;
  }
  uint64_t refused() const { return turned_away; }
  size_t write(uint32_t id, base::Bytes bytes, base::Nanos now) {
    Connection& c = all[id];
    const size_t size = std::min({bytes.size(), c.window, most_written});
    c.window -= size;
    if (size == most_written && size < bytes.size())
      at(now + 10, id, [this, id] { events.push_back({id, tcp::kWritable}); });
    c.out.append(reinterpret_cast<const char*>(bytes.data()), size);
    for (size_t end; (end = c.out.find("\r\n\r\n", c.heard)) != std::string::npos;) {
      c.heard = end + 4;
      if (answer_at) reply(id, answer_at(now));
    }
    return size;
  }
  template <typename OnBytes>
  void read(uint32_t id, base::Nanos, OnBytes on_bytes) {
    const std::string bytes = std::exchange(all[id].in, "");
    if (!bytes.empty()) on_bytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  }
  bool peer_finished(uint32_t id) { return all[id].fin; }
  End end(uint32_t id) { return all[id].end; }
  void leave(uint32_t id, base::Nanos) {
    all[id].live = false;
    all[id].left = true;
    ++left;
  }
  void abort(uint32_t id) {
    all[id].live = false;
    all[id].aborted = true;
    ++aborted;
  }
  uint32_t capacity() const { return static_cast<uint32_t>(all.size()); }
  int waits_on() const { return -1; }

  // The other end.
  void established(uint32_t id, base::Nanos now) {
    events.push_back({id, tcp::kConnected});
    if (on_connected) on_connected(id, now);
  }
  uint32_t take() {
    uint32_t id = 0;
    while (all[id].live) ++id;
    all[id] = {.live = true, .turn = ++turns_};
    return id;
  }
  uint32_t incoming() {
    waiting.push_back(take());
    return waiting.back();
  }
  void say(uint32_t id, std::string_view bytes) {
    all[id].in += bytes;
    events.push_back({id, tcp::kReadable});
  }
  void finish(uint32_t id) {
    all[id].fin = true;
    events.push_back({id, tcp::kPeerFinished});
  }
  void end(uint32_t id, End why) {
    all[id].end = why;
    events.push_back({id, tcp::kEnded});
  }
  // Does it then, if the connection is still the same one.
  void at(base::Nanos when, uint32_t id, std::function<void()> action) {
    later.emplace(when, [this, id, turn = all[id].turn, action] {
      if (all[id].live && all[id].turn == turn) action();
    });
  }
  void reply(uint32_t id, base::Nanos when) {
    for (size_t from = 0, n = 0; from < answer.size(); from += piece, ++n)
      at(when + n, id, [this, id, part = answer.substr(from, piece)] { say(id, part); });
    const size_t pieces = (answer.size() + piece - 1) / piece;
    if (finishes) at(when + pieces, id, [this, id] { finish(id); });
    if (breaks) at(when + pieces, id, [this, id] { end(id, End::kReset); });
  }

  std::vector<Connection> all;
  std::vector<Ready> events;
  std::vector<uint32_t> waiting;
  std::multimap<base::Nanos, std::function<void()>> later;
  Connect how = Connect::kAccepts;
  base::Nanos connect_time = 0;
  std::function<void(uint32_t, base::Nanos)> on_connected;
  std::function<base::Nanos(base::Nanos)> answer_at;
  std::string answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
  size_t piece = SIZE_MAX / 2;
  size_t most_written = SIZE_MAX;  // in one write
  bool finishes = false;           // its side of the connection, after an answer
  bool breaks = false;             // the connection, after an answer
  uint64_t connects = 0, left = 0, aborted = 0, turned_away = 0;

 private:
  uint64_t turns_ = 0;
};

static_assert(Transport<FakeNet>);

}  // namespace penstock::requests
