#include "requests/kernel_transport.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

namespace penstock::requests {
namespace {

// A port of the loopback that is free.
uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ::bind(fd, reinterpret_cast<sockaddr*>(&at), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  ::close(fd);
  return ntohs(at.sin_port);
}

TEST(KernelTransport, CountsWhomItCannotAcceptAndAcceptsThemLater) {
  const SocketAddress at{.address = *base::IpAddress::parse("127.0.0.1"), .port = free_port()};
  KernelTransport server(4), client(4);
  ASSERT_TRUE(server.listen_on(at));
  client.connect_to(at);
  ASSERT_NE(client.connect(0), kNone);
  const int next = ::dup(0);  // the lowest descriptor that is free
  ::close(next);
  rlimit files, few;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  few = {.rlim_cur = static_cast<rlim_t>(next), .rlim_max = files.rlim_max};
  for (int n = 0; n < 100 && !server.arrive(0); ++n) ::usleep(10'000);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  EXPECT_EQ(server.accept(0), kNone);
  EXPECT_EQ(server.refused(), 1u);
  EXPECT_EQ(server.accept(KernelTransport::kRetry - 1), kNone);  // not in every round
  EXPECT_EQ(server.refused(), 1u);
  EXPECT_EQ(server.accept(KernelTransport::kRetry), kNone);
  EXPECT_EQ(server.refused(), 2u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_NE(server.accept(2 * KernelTransport::kRetry), kNone);
  EXPECT_EQ(server.refused(), 2u);
}

}  // namespace
}  // namespace penstock::requests
