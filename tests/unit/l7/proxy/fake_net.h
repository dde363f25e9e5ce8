// A transport of byte buffers for the proxy: both ends in the test's hand, failures on demand.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "l7/proxy/net.h"

namespace penstock::proxy {

class FakeNet {
 public:
  enum class Connect : uint8_t { kAccepts, kRefuses, kHangs, kNoPort, kNoRoom };

  struct Connection {
    std::string in;  // what the peer sent
    size_t in_at = 0;
    std::string out;  // what the proxy sent and the peer has not taken
    size_t window = 256 * 1024;
    bool used = false, upstream = false, connected = false;
    bool peer_finished = false;  // the peer's end came
    bool dead = false;           // reset, or both closed
    bool finished = false, closed = false, aborted = false, released = false;
    config::Endpoint endpoint;
  };
  struct Happened {
    uint32_t id;
    uint8_t events;
  };

  explicit FakeNet(uint32_t capacity) : all_(capacity) {}

  // The concept.
  size_t peek(uint32_t id, base::Bytes* pieces, size_t max, size_t& count) const {
    const Connection& c = all_[id];
    count = 0;
    size_t at = c.in_at;
    while (at < c.in.size() && count < max) {
      const size_t size = std::min(piece_bytes, c.in.size() - at);
      pieces[count++] = {reinterpret_cast<const uint8_t*>(c.in.data()) + at, size};
      at += size;
    }
    return at - c.in_at;
  }
  size_t readable(uint32_t id) const { return all_[id].in.size() - all_[id].in_at; }
  void consume(uint32_t id, size_t bytes, base::Nanos) {
    Connection& c = all_[id];
    c.in_at += bytes;
    if (c.in_at > c.in.size()) misuse = true;
    if (c.in_at == c.in.size()) {
      c.in.clear();
      c.in_at = 0;
    }
  }
  size_t write(uint32_t id, base::Bytes bytes, base::Nanos) {
    Connection& c = all_[id];
    if (c.released) misuse = true;
    const size_t size = std::min(bytes.size(), writable(id));
    c.out.append(reinterpret_cast<const char*>(bytes.data()), size);
    written_most = std::max(written_most, c.out.size());
    return size;
  }
  size_t writable(uint32_t id) const {
    const Connection& c = all_[id];
    if (c.dead || c.finished || c.closed || c.aborted || c.out.size() >= c.window) return 0;
    return c.window - c.out.size();
  }
  void finish(uint32_t id, base::Nanos) { all_[id].finished = true; }
  void close(uint32_t id, base::Nanos) {
    Connection& c = all_[id];
    (readable(id) != 0 ? c.aborted : c.closed) = true;  // as TCP does
  }
  void abort(uint32_t id) { all_[id].aborted = true; }
  bool peer_finished(uint32_t id) const { return all_[id].peer_finished; }
  void widen(uint32_t id) { all_[id].window = std::max(all_[id].window, wide_window); }
  void touch(uint32_t id) { misuse |= all_[id].released; }
  void release(uint32_t id) {
    misuse |= all_[id].released;
    all_[id].released = true;
    ++released;
  }
  uint32_t connect(const config::Endpoint& endpoint, base::Nanos) {
    const Connect how = endpoint.slot < outcomes.size() ? outcomes[endpoint.slot] : Connect::kAccepts;
    if (how == Connect::kNoPort) return proxy::kNoPort;
    if (how == Connect::kNoRoom) return kNone;
    const uint32_t id = open();
    all_[id].upstream = true;
    all_[id].endpoint = endpoint;
    connects.push_back(id);
    if (how == Connect::kAccepts) {
      all_[id].connected = true;
      happened.push_back({id, kConnected | kWritable});
    } else if (how == Connect::kRefuses) {
      all_[id].dead = true;
      happened.push_back({id, kEnded});
    }
    return id;
  }
  base::IpAddress peer_address(uint32_t) const { return base::IpAddress::v4(0xc6336407); }  // 198.51.100.7
  uint16_t peer_port(uint32_t) const { return 40000; }
  base::IpAddress local_address(uint32_t) const { return base::IpAddress::v4(0xcb007101); }  // 203.0.113.1

  // The peers. Each notes the event for the proxy.
  uint32_t open() {
    uint32_t id = next_;
    for (size_t tried = 0; all_[id].used && !(all_[id].released && all_[id].out.empty()); ++tried) {
      id = (id + 1) % static_cast<uint32_t>(all_.size());
      if (tried == all_.size()) misuse = true;
      if (tried == all_.size()) break;
    }
    next_ = (id + 1) % static_cast<uint32_t>(all_.size());
    Connection& c = all_[id];
    std::string in = std::move(c.in), out = std::move(c.out);  // with their memory
    in.clear();
    out.clear();
    c = {};
    c.in = std::move(in);
    c.out = std::move(out);
    c.window = window;
    c.used = true;
    return id;
  }
  void send(uint32_t id, std::string_view text) {
    if (all_[id].released || text.empty()) return;
    all_[id].in.append(text);
    happened.push_back({id, kReadable});
  }
  std::string take(uint32_t id, size_t most = SIZE_MAX) {
    Connection& c = all_[id];
    std::string taken = c.out.substr(0, most);
    c.out.erase(0, taken.size());
    if (!c.released && !taken.empty()) happened.push_back({id, kWritable});
    return taken;
  }
  void peer_finish(uint32_t id) {
    if (all_[id].released) return;
    all_[id].peer_finished = true;
    happened.push_back({id, kPeerFinished});
  }
  void peer_reset(uint32_t id, bool bytes_lost = false) {
    if (all_[id].released) return;
    all_[id].dead = true;
    if (bytes_lost) all_[id].in.resize(all_[id].in_at);
    happened.push_back({id, kEnded});
  }

  Connection& at(uint32_t id) { return all_[id]; }
  const std::vector<Connection>& all() const { return all_; }

  std::vector<Connect> outcomes;  // by endpoint slot
  std::vector<Happened> happened;
  std::vector<uint32_t> connects;  // in order
  size_t window = 256 * 1024;      // of connections that are opened from now on
  size_t wide_window = 0;          // of those that are widened, if it is more
  size_t piece_bytes = 2048;
  size_t written_most = 0;  // the most that any connection held unsent
  size_t released = 0;
  bool misuse = false;

 private:
  std::vector<Connection> all_;
  uint32_t next_ = 0;
};

static_assert(Net<FakeNet>);

}  // namespace penstock::proxy
