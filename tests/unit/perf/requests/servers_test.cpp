#include "requests/servers.h"

#include <gtest/gtest.h>

#include "fake_net.h"
#include "requests/http_servers.h"

namespace penstock::requests {
namespace {

ServerSpec fixed(uint64_t bytes) {
  ServerSpec spec;
  spec.body = Sizes(bytes);
  return spec;
}

const std::string kAnswer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nxxx";
const std::string kLast = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nxxx";

TEST(Server, AnswersHoweverTheRequestsAreCut) {
  const std::string requests =
      "GET /a HTTP/1.1\r\nhost: a\r\n\r\nPOST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"
      "GET /c HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  for (size_t piece = 1; piece <= requests.size(); ++piece) {
    FakeNet net(2);
    const ServerSpec spec = fixed(3);
    Servers<FakeNet, HttpServers> servers(net, spec, 1);
    const uint32_t id = net.incoming();
    servers.act(0);
    for (size_t at = 0; at < requests.size(); at += piece) {
      net.say(id, requests.substr(at, piece));
      servers.act(at);
    }
    EXPECT_EQ(net.all[id].out, kAnswer + kAnswer + kLast) << piece;
    EXPECT_TRUE(net.all[id].left);
    EXPECT_EQ(servers.tally().answers, 3u);
    EXPECT_EQ(servers.tally().bytes, 9u);
    EXPECT_EQ(servers.tally().accepted, 1u);
    EXPECT_EQ(servers.tally().reset + servers.tally().protocol, 0u);
  }
}

TEST(Server, GivesThePathsBytes) {
  FakeNet net(2);
  ServerSpec spec;
  spec.by_path = true;
  Servers<FakeNet, HttpServers> servers(net, spec, 1);
  const uint32_t id = net.incoming();
  servers.act(0);
  net.say(id,
          "GET /5 HTTP/1.1\r\nhost: a\r\n\r\nHEAD /7 HTTP/1.1\r\nhost: a\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\n\r\n"
          "GET /99999999999999999999 HTTP/1.1\r\nhost: a\r\n\r\n");
  servers.act(1);
  const std::string missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
  EXPECT_EQ(net.all[id].out,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nxxxxxHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n" + missing +
                missing);
}

TEST(Server, NamesWhomTheTransportCouldNotAcceptInThisTrial) {
  FakeNet net(2);
  const ServerSpec spec = fixed(3);
  Servers<FakeNet, HttpServers> servers(net, spec, 1);
  net.turned_away = 5;
  servers.begin();
  EXPECT_EQ(servers.tally().refused, 0u);
  net.turned_away = 7;
  EXPECT_EQ(servers.tally().refused, 2u);
}

TEST(Server, GoesOnWhenThereIsRoom) {
  FakeNet net(2);
  const ServerSpec spec = fixed(100'000);
  Servers<FakeNet, HttpServers> servers(net, spec, 1);
  const uint32_t id = net.incoming();
  servers.act(0);
  net.all[id].window = 1000;
  net.say(id, "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
  servers.act(1);
  EXPECT_EQ(net.all[id].out.size(), 1000u);
  EXPECT_EQ(servers.tally().answers, 0u);
  net.finish(id);
  servers.act(2);
  EXPECT_FALSE(net.all[id].left);  // what is owed is given first
  net.all[id].window = SIZE_MAX;
  net.events.push_back({id, tcp::kWritable});
  servers.act(3);
  EXPECT_EQ(servers.tally().answers, 2u);
  EXPECT_EQ(servers.tally().bytes, 200'000u);
  EXPECT_TRUE(net.all[id].left);
}

TEST(Server, CutsOffWhatIsNoRequestAndWhoAsksTooMuchAtOnce) {
  std::string many;
  for (uint32_t n = 0; n <= HttpServers::kMostOwed; ++n) many += "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
  for (const std::string& bytes : {std::string("SSH-2.0\r\n"), std::string("GET / HTTP/1.1\r\n\r\n"), many}) {
    FakeNet net(2);
    const ServerSpec spec = fixed(3);
    Servers<FakeNet, HttpServers> servers(net, spec, 1);
    const uint32_t id = net.incoming();
    servers.act(0);
    net.say(id, bytes);
    servers.act(1);
    EXPECT_TRUE(net.all[id].aborted) << bytes;
    EXPECT_EQ(servers.tally().protocol, 1u) << bytes;
  }
}

TEST(Server, ARequestThatBreaksOffIsNoAnswer) {
  const std::string request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody";
  for (size_t size = 0; size <= request.size(); ++size)
    for (const bool gently : {false, true}) {
      FakeNet net(2);
      const ServerSpec spec = fixed(3);
      Servers<FakeNet, HttpServers> servers(net, spec, 1);
      const uint32_t id = net.incoming();
      servers.act(0);
      net.say(id, request.substr(0, size));
      servers.act(1);
      gently ? net.finish(id) : net.end(id, End::kReset);
      servers.act(2);
      EXPECT_EQ(servers.tally().answers, size == request.size()) << size;
      const bool middle = size != 0 && size != request.size();
      EXPECT_EQ(servers.tally().reset, middle || !gently) << size;
      EXPECT_FALSE(net.all[id].live) << size;
    }
}

}  // namespace
}  // namespace penstock::requests
