// The kernel's TCP as the transport of clients and servers (transport.h): non-blocking sockets heard by epoll, edge by
// edge.
//
// Runs in the network namespace its process was started in. Bytes are received into one block for all connections and
// handed on at once. leave() closes (what was written still goes out), abort() resets. Descriptors are raised to what
// the machine allows. Failure: listen_on() says why; who cannot be accepted is counted, waits in the kernel, and is
// tried again kRetry later; the first reason is said on standard error. IPv4 and IPv6; one thread.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "base/result.h"
#include "requests/spec.h"
#include "requests/transport.h"

namespace penstock::requests {

class KernelTransport {
 public:
  static constexpr base::Nanos kRetry = 10'000'000;

  explicit KernelTransport(uint32_t capacity);
  ~KernelTransport();
  KernelTransport(const KernelTransport&) = delete;
  KernelTransport& operator=(const KernelTransport&) = delete;

  void connect_to(const SocketAddress& target);
  // `shared`: other transports of this process listen there, too, and the kernel deals connections out to them.
  base::Result<void> listen_on(const SocketAddress& at, bool shared = false);

  bool arrive(base::Nanos now);
  bool depart(base::Nanos) { return false; }
  bool next_event(Ready& ready);
  uint32_t connect(base::Nanos now);
  uint32_t accept(base::Nanos now);
  uint64_t refused() const { return refused_; }
  size_t write(uint32_t id, base::Bytes bytes, base::Nanos now);
  template <typename OnBytes>
  void read(uint32_t id, base::Nanos, OnBytes on_bytes) {
    for (size_t got; (got = receive(id)) != 0;) {
      on_bytes({block_.get(), got});
      if (got < kBlock && !sockets_[id].ending) return;  // the kernel had no more; what comes later is a new edge
    }
  }
  bool peer_finished(uint32_t id) { return sockets_[id].finished; }
  End end(uint32_t id) { return sockets_[id].end; }
  void leave(uint32_t id, base::Nanos now);
  void abort(uint32_t id);

  uint32_t capacity() const { return static_cast<uint32_t>(sockets_.size()); }
  int waits_on() const { return epoll_; }

 private:
  static constexpr size_t kBlock = 256 * 1024;
  static constexpr int kEvents = 512;
  static constexpr uint64_t kListener = UINT64_MAX;

  struct Socket {
    int fd = -1;
    uint32_t turn = 0;  // which connection of this number it is: events of earlier ones are not its own
    bool connecting = false;
    bool ending = false;    // the peer's end is there, perhaps behind bytes
    bool finished = false;  // and was read
    End end = End::kOpen;
  };

  uint32_t adopt(int fd, bool connecting);
  size_t receive(uint32_t id);
  void broken(Socket& socket, int error);
  void let_go(uint32_t id);

  int epoll_ = -1, listener_ = -1;
  bool waiting_ = false;      // somebody to be accepted
  base::Nanos retry_at_ = 0;  // but not before
  uint64_t refused_ = 0;
  sockaddr_storage target_{};
  socklen_t target_length_ = 0;
  std::vector<Socket> sockets_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> ended_;  // connects that failed at once: told with the next events
  std::unique_ptr<uint8_t[]> block_;
  epoll_event events_[kEvents];
  int count_ = 0, next_ = 0;
};

static_assert(Transport<KernelTransport>);

}  // namespace penstock::requests
