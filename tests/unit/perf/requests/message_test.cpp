#include "requests/message.h"

#include <gtest/gtest.h>

#include "fake_net.h"

namespace penstock::requests {
namespace {

std::string sent_in_all(Message& message, Length said, uint64_t length, bool content, size_t most) {
  FakeNet net(1);
  net.take();
  net.most_written = most;
  uint64_t progress = 0;
  while (!message.send(net, 0, said, length, content, progress, 0)) {
  }
  EXPECT_EQ(progress, net.all[0].out.size());
  return net.all[0].out;
}

TEST(Message, IsTheSameHoweverItIsTaken) {
  Message message("POST / HTTP/1.1\r\nhost: a\r\n");
  const std::string head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ";
  // From long to short: what a longer head left behind must not be seen.
  for (const uint64_t length : {1'000'000, 300, 64 * 1024, 10, 1, 0})
    for (const size_t most : {size_t{1} << 20, size_t{4096}, size_t{7}}) {
      if (most == 7 && length > 1000) continue;
      const std::string whole = head + std::to_string(length) + "\r\n\r\n";
      EXPECT_EQ(sent_in_all(message, Length::kSaid, length, true, most), whole + std::string(length, 'x')) << length;
      EXPECT_EQ(sent_in_all(message, Length::kSaid, length, false, most), whole) << length;
    }
  EXPECT_EQ(sent_in_all(message, Length::kUnsaid, 0, true, 100), "POST / HTTP/1.1\r\nhost: a\r\n\r\n");
}

TEST(Message, GoesOnWhereItStoppedEvenIfOthersWereSentMeanwhile) {
  Message message("A\r\n");
  FakeNet net(2);
  net.take();
  net.take();
  net.all[0].window = 20;
  uint64_t first = 0, other = 0;
  EXPECT_FALSE(message.send(net, 0, Length::kSaid, 5, true, first, 0));
  EXPECT_TRUE(message.send(net, 1, Length::kSaid, 123456, true, other, 0));
  net.all[0].window = SIZE_MAX;
  EXPECT_TRUE(message.send(net, 0, Length::kSaid, 5, true, first, 0));
  EXPECT_EQ(net.all[0].out, "A\r\ncontent-length: 5\r\n\r\nxxxxx");
}

}  // namespace
}  // namespace penstock::requests
