#include "requests/kernel_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace penstock::requests {

namespace {

constexpr int kBacklog = 65535;  // the kernel lowers it to net.core.somaxconn

socklen_t to_kernel(const SocketAddress& at, sockaddr_storage& out) {
  out = {};
  if (at.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(at.port);
    std::memcpy(&v4.sin_addr, at.address.v4_bytes(), 4);
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(at.port);
  std::memcpy(&v6.sin6_addr, at.address.bytes.data(), 16);
  return sizeof v6;
}

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

}  // namespace

KernelTransport::KernelTransport(uint32_t capacity)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      sockets_(capacity),
      block_(std::make_unique_for_overwrite<uint8_t[]>(kBlock)) {
  free_.reserve(capacity);
  for (uint32_t id = capacity; id-- > 0;) free_.push_back(id);
  rlimit files;
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

KernelTransport::~KernelTransport() {
  for (const Socket& socket : sockets_)
    if (socket.fd >= 0) ::close(socket.fd);
  if (listener_ >= 0) ::close(listener_);
  ::close(epoll_);
}

void KernelTransport::connect_to(const SocketAddress& target) { target_length_ = to_kernel(target, target_); }

base::Result<void> KernelTransport::listen_on(const SocketAddress& at, bool shared) {
  sockaddr_storage address;
  const socklen_t length = to_kernel(at, address);
  listener_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener_ >= 0) {
    set(listener_, SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared) set(listener_, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address.ss_family == AF_INET6) set(listener_, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  epoll_event wanted{.events = EPOLLIN | EPOLLET, .data = {.u64 = kListener}};
  if (listener_ < 0 || ::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      ::listen(listener_, kBacklog) != 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &wanted) != 0)
    return base::Error{std::string("cannot be listened on: ") + std::strerror(errno)};
  return {};
}

bool KernelTransport::arrive(base::Nanos) {
  next_ = 0;
  count_ = ::epoll_wait(epoll_, events_, kEvents, 0);
  if (count_ < 0) count_ = 0;  // interrupted
  for (int i = 0; i < count_; ++i) waiting_ |= events_[i].data.u64 == kListener;
  return count_ > 0;
}

bool KernelTransport::next_event(Ready& ready) {
  if (!ended_.empty()) {
    ready = {ended_.back(), tcp::kEnded};
    ended_.pop_back();
    return true;
  }
  while (next_ < count_) {
    const epoll_event& event = events_[next_++];
    if (event.data.u64 == kListener) continue;
    const auto id = static_cast<uint32_t>(event.data.u64);
    Socket& socket = sockets_[id];
    if (socket.fd < 0 || socket.turn != event.data.u64 >> 32) continue;
    uint8_t events = 0;
    socket.ending |= (event.events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if (event.events & (EPOLLERR | EPOLLHUP)) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) broken(socket, error);
      events |= tcp::kReadable | tcp::kEnded;
    } else if (socket.connecting && event.events & EPOLLOUT) {
      socket.connecting = false;
      events |= tcp::kConnected;
    }
    if (event.events & EPOLLOUT) events |= tcp::kWritable;
    if (event.events & (EPOLLIN | EPOLLRDHUP)) events |= tcp::kReadable;
    if (socket.connecting && socket.end == End::kOpen) continue;
    ready = {id, events};
    return true;
  }
  return false;
}

void KernelTransport::broken(Socket& socket, int error) {
  if (socket.end != End::kOpen) return;
  if (error == ETIMEDOUT)
    socket.end = End::kTimedOut;
  else
    socket.end = socket.connecting ? End::kRefused : End::kReset;
}

uint32_t KernelTransport::adopt(int fd, bool connecting) {
  const uint32_t id = free_.back();
  Socket& socket = sockets_[id];
  epoll_event wanted{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                     .data = {.u64 = static_cast<uint64_t>(socket.turn + 1) << 32 | id}};
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return kNone;
  }
  free_.pop_back();
  socket = {.fd = fd, .turn = socket.turn + 1, .connecting = connecting};
  return id;
}

uint32_t KernelTransport::connect(base::Nanos) {
  if (free_.empty()) return kNone;
  const int fd = ::socket(target_.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return kNone;
  const bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&target_), target_length_) == 0;
  const int error = done ? 0 : errno;
  if (error == EADDRNOTAVAIL || error == EAGAIN) {  // no source port left
    ::close(fd);
    return kNone;
  }
  const uint32_t id = adopt(fd, true);
  if (id != kNone && error != 0 && error != EINPROGRESS) {
    broken(sockets_[id], error);
    ended_.push_back(id);
  }
  return id;
}

uint32_t KernelTransport::accept(base::Nanos now) {
  while (waiting_ && now >= retry_at_) {
    if (free_.empty()) return kNone;  // they wait in the kernel until one leaves
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)) {
      waiting_ = errno != EAGAIN;
      continue;
    }
    if (const uint32_t id = fd < 0 ? kNone : adopt(fd, false); id != kNone) return id;
    if (refused_++ == 0) std::fprintf(stderr, "a connection cannot be accepted: %s\n", std::strerror(errno));
    retry_at_ = now + kRetry;
  }
  return kNone;
}

size_t KernelTransport::write(uint32_t id, base::Bytes bytes, base::Nanos) {
  Socket& socket = sockets_[id];
  const ssize_t taken = ::send(socket.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (taken >= 0) return static_cast<size_t>(taken);
  if (errno != EAGAIN && errno != EINTR) broken(socket, errno);  // its event follows
  return 0;
}

size_t KernelTransport::receive(uint32_t id) {
  Socket& socket = sockets_[id];
  const ssize_t got = ::recv(socket.fd, block_.get(), kBlock, 0);
  if (got > 0) return static_cast<size_t>(got);
  if (got == 0) socket.finished = true;
  if (got < 0 && errno != EAGAIN && errno != EINTR) broken(socket, errno);
  return 0;
}

void KernelTransport::leave(uint32_t id, base::Nanos) { let_go(id); }

void KernelTransport::abort(uint32_t id) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(sockets_[id].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  let_go(id);
}

void KernelTransport::let_go(uint32_t id) {
  ::close(sockets_[id].fd);
  sockets_[id].fd = -1;
  std::erase(ended_, id);
  free_.push_back(id);
}

}  // namespace penstock::requests
