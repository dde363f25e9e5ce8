// Our own TCP over a port, as the transport of clients and servers (transport.h).
//
// Owns the host behind the port (side.h). Source ports: 1024 to 65535 in turn, to one target. One thread.
#pragma once

#include "requests/side.h"
#include "requests/spec.h"
#include "requests/transport.h"

namespace penstock::requests {

class StackTransport {
 public:
  // `port`: the number of the started DPDK device. With `listen` it accepts, with `target` it connects.
  StackTransport(uint16_t port, const PortSpec& spec, rte_mempool* pool, uint32_t capacity, base::Nanos now)
      : side_(port, spec, pool, capacity, now), capacity_(capacity) {}

  void connect_to(const SocketAddress& target) { target_ = target; }
  void listen_on(const SocketAddress& at) {
    listener_ = side_.stack().listen({.address = at.address,
                                      .first_port = at.port,
                                      .last_port = at.port,
                                      .backlog = kBacklog,
                                      .half_open = kBacklog,
                                      .half_open_per_source = kBacklog});
  }

  bool arrive(base::Nanos now) {
    const bool any = side_.receive(now) != 0;
    side_.stack().on_time(now);
    return any;
  }
  bool depart(base::Nanos now) { return side_.transmit(now) != 0; }
  bool next_event(Ready& ready) { return side_.stack().next_event(ready); }

  uint32_t connect(base::Nanos now) {
    tcp::Tuple tuple{.local = side_.address(), .remote = target_.address, .remote_port = target_.port};
    for (uint32_t tries = 0; tries < kTries; ++tries) {
      tuple.local_port = static_cast<uint16_t>(kFirstPort + next_port_++ % (65536 - kFirstPort));
      if (const uint32_t id = side_.stack().connect(tuple, now); id != kNone) return id;
    }
    return kNone;
  }
  uint32_t accept(base::Nanos) { return listener_ == kNone ? kNone : side_.stack().accept(listener_); }
  uint64_t refused() {
    if (listener_ == kNone) return 0;
    const auto& counters = side_.stack().listener(listener_).counters;
    return counters[static_cast<size_t>(tcp::ListenerCount::kBacklogFull)] +
           counters[static_cast<size_t>(tcp::ListenerCount::kTableFull)];
  }

  size_t write(uint32_t id, base::Bytes bytes, base::Nanos now) {
    const size_t taken = side_.stack().at(id).write(bytes, now);
    if (taken < bytes.size() && side_.stack().shared().chunks.available() == 0) side_.stack().starve(id);
    side_.stack().touch(id);
    return taken;
  }
  template <typename OnBytes>
  void read(uint32_t id, base::Nanos now, OnBytes on_bytes) {
    tcp::Connection& c = side_.stack().at(id);
    base::Bytes pieces[8];
    for (size_t count, size; (size = c.peek(pieces, std::size(pieces), count)) != 0;) {
      for (size_t i = 0; i < count; ++i) on_bytes(pieces[i]);
      c.consume(size, now);
    }
    side_.stack().touch(id);
  }
  bool peer_finished(uint32_t id) { return side_.stack().at(id).peer_finished(); }
  End end(uint32_t id) { return side_.stack().at(id).end(); }
  void leave(uint32_t id, base::Nanos now) {
    side_.stack().at(id).close(now);
    side_.stack().release(id);
  }
  void abort(uint32_t id) {
    side_.stack().at(id).abort();
    side_.stack().release(id);
  }

  uint32_t capacity() const { return capacity_; }
  int waits_on() const { return -1; }
  Side& side() { return side_; }

 private:
  static constexpr uint32_t kFirstPort = 1024, kTries = 1000, kBacklog = 65536;

  Side side_;
  uint32_t capacity_;
  SocketAddress target_;
  uint32_t listener_ = kNone;
  uint32_t next_port_ = 0;
};

static_assert(Transport<StackTransport>);

}  // namespace penstock::requests
