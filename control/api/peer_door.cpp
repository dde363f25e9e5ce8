#include "control/api/peer_door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace penstock::api {

namespace {

constexpr int kBacklog = 512;
constexpr rlim_t kFiles = 4 * mesh::kMostGuests;  // two of a connection here, one of ours to each peer, and all others
constexpr auto kPause = std::chrono::milliseconds(10);

// Most systems begin with 1024, for programs that use select().
void raise_file_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= kFiles) return;
  files.rlim_cur = std::min(files.rlim_max, kFiles);
  (void)setrlimit(RLIMIT_NOFILE, &files);  // what there is must do
}

socklen_t fill(const model::LinkAddress& at, sockaddr_storage& out) {
  if (at.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(at.port);
    v4.sin_addr.s_addr = htonl(at.address.v4_host_order());
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(at.port);
  std::memcpy(&v6.sin6_addr, at.address.bytes.data(), 16);
  return sizeof v6;
}

// IPv4 behind a socket of both families is IPv4.
base::IpAddress address_of(const sockaddr_storage& from) {
  if (from.ss_family == AF_INET)
    return base::IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in&>(from).sin_addr.s_addr));
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return base::IpAddress::v4_from(v6.s6_addr + 12);
  return base::IpAddress::v6_from(v6.s6_addr);
}

// Bound, or -1 with errno. On a kernel without IPv6 every address means every address of IPv4.
int open_socket(model::LinkAddress at) {
  constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  int listener = socket(at.address.is_v4() ? AF_INET : AF_INET6, kType, 0);
  if (listener < 0 && errno == EAFNOSUPPORT && at.address.is_unspecified()) {
    at.address = base::IpAddress::v4(0);
    listener = socket(AF_INET, kType, 0);
  }
  if (listener < 0) return -1;
  sockaddr_storage address{};
  const socklen_t length = fill(at, address);
  const int on = 1, off = 0;
  if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      (at.address.is_v4() || setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
      bind(listener, reinterpret_cast<const sockaddr*>(&address), length) == 0)
    return listener;
  const int why = errno;
  close(listener);
  errno = why;
  return -1;
}

bool watch(int events, int descriptor, uint32_t what) {
  epoll_event event{};
  event.events = what;
  event.data.fd = descriptor;
  return epoll_ctl(events, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

}  // namespace

base::Result<std::unique_ptr<PeerDoor>> PeerDoor::open(const model::LinkAddress& at,
                                                       std::shared_ptr<mesh::Guests> guests) {
  raise_file_limit();
  const int listener = open_socket(at);
  const int events = epoll_create1(EPOLL_CLOEXEC), wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::unique_ptr<PeerDoor> door(new PeerDoor(listener, events, wake, std::move(guests)));
  const bool ready = listener >= 0 && events >= 0 && wake >= 0 && listen(listener, kBacklog) == 0 &&
                     watch(events, listener, EPOLLIN) && watch(events, wake, EPOLLIN);
  if (!ready) return base::Error{std::strerror(errno)};
  return door;
}

PeerDoor::~PeerDoor() {
  if (thread_.joinable()) {
    eventfd_write(wake_, 1);
    thread_.join();
  }
  while (!here_.empty()) end(here_.begin()->first);
  for (const int each : {listener_, events_, wake_})
    if (each >= 0) close(each);
}

void PeerDoor::start(Inside inside) {
  inside_ = std::move(inside);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "peer-door");
    run();
  });
}

void PeerDoor::run() {
  for (;;) {
    epoll_event seen[64];
    const int count = epoll_wait(events_, seen, 64, -1);
    for (int i = 0; i < count; ++i) {
      if (seen[i].data.fd == wake_) return;
      if (seen[i].data.fd == listener_) {
        accept_all();
      } else {
        end(seen[i].data.fd);
      }
    }
  }
}

void PeerDoor::accept_all() {
  for (unsigned n = 0; n < kBacklog; ++n) {  // then the ends of others
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const int connection =
        accept4(listener_, reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (connection < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        std::this_thread::sleep_for(kPause);
      return;
    }
    const base::IpAddress address = address_of(from);
    if (guests_->admit(address)) {
      close(connection);
      continue;
    }
    const int mine = fcntl(connection, F_DUPFD_CLOEXEC, 0);
    if (mine < 0 || !watch(events_, mine, EPOLLRDHUP)) {  // EPOLLHUP comes unasked
      if (mine >= 0) close(mine);
      close(connection);
      guests_->leave(address);
      continue;
    }
    here_[mine] = address;
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters given;
    given.listener_fd = listener_;
    given.fd = connection;
    inside_->HandleNewConnection(&given);
  }
}

// Either side has ended it: gRPC, too, shuts a connection down before it closes it.
void PeerDoor::end(int descriptor) {
  const auto at = here_.find(descriptor);
  if (at == here_.end()) return;
  guests_->leave(at->second);
  here_.erase(at);
  // gRPC may keep its own descriptor a while, and the kernel the watch with it: under a number that is another's by
  // then.
  epoll_ctl(events_, EPOLL_CTL_DEL, descriptor, nullptr);
  close(descriptor);
}

}  // namespace penstock::api
