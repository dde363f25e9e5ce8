#include "engine/twin.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/ipv6.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace penstock::engine {

namespace {

struct Socket {
  explicit Socket(int family) : fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() { close(fd); }
  const int fd;
};

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

base::Error failed(const std::string& name, const std::string& what) {
  return {"twin \"" + name + "\": " + what + " (" + std::strerror(errno) + ")"};
}

base::Result<void> add_v4(int fd, const std::string& name, const base::Prefix& address) {
  ifreq request = request_for(name);
  auto* in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  in->sin_family = AF_INET;
  std::memcpy(&in->sin_addr, address.address.v4_bytes(), 4);
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) return failed(name, "cannot set " + address.to_string());
  in->sin_addr.s_addr = htonl(address.length == 0 ? 0 : ~0u << (32 - address.length));
  if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) return failed(name, "cannot set the mask of " + address.to_string());
  return {};
}

base::Result<void> add_v6(const std::string& name, int index, const base::Prefix& address) {
  const Socket six(AF_INET6);
  in6_ifreq request{};
  std::memcpy(&request.ifr6_addr, address.address.bytes.data(), 16);
  request.ifr6_prefixlen = address.length;
  request.ifr6_ifindex = index;
  if (ioctl(six.fd, SIOCSIFADDR, &request) != 0 && errno != EEXIST)
    return failed(name, "cannot set " + address.to_string());
  return {};
}

}  // namespace

base::Result<void> set_up_twin(const std::string& name, const std::vector<base::Prefix>& addresses, uint16_t mtu) {
  const Socket four(AF_INET);
  ifreq request = request_for(name);
  request.ifr_mtu = mtu;
  if (ioctl(four.fd, SIOCSIFMTU, &request) != 0) return failed(name, "cannot set the MTU");
  request = request_for(name);
  if (ioctl(four.fd, SIOCGIFINDEX, &request) != 0) return failed(name, "is not there");
  const int index = request.ifr_ifindex;
  unsigned count = 0;  // the ioctl interface keeps one IPv4 address per label
  for (const base::Prefix& address : addresses) {
    auto added = address.is_v4() ? add_v4(four.fd, count++ == 0 ? name : name + ":" + std::to_string(count), address)
                                 : add_v6(name, index, address);
    if (!added) return added;
  }
  request = request_for(name);
  if (ioctl(four.fd, SIOCGIFFLAGS, &request) != 0) return failed(name, "cannot be read");
  request.ifr_flags |= IFF_UP;
  if (ioctl(four.fd, SIOCSIFFLAGS, &request) != 0) return failed(name, "cannot be brought up");
  return {};
}

}  // namespace penstock::engine
