// Clients and servers of plain TCP against each other, byte by byte, and against who errs.
#include <gtest/gtest.h>

#include "fake_net.h"
#include "requests/clients.h"
#include "requests/servers.h"
#include "requests/tcp_clients.h"
#include "requests/tcp_servers.h"

namespace penstock::requests {
namespace {

constexpr base::Nanos kSecond = base::kNanosPerSecond, kMilli = 1'000'000;

ClientSpec clients(uint64_t request, uint64_t answer) {
  ClientSpec spec;
  spec.protocol = Protocol::kTcp;
  spec.exchange = {.request = request, .answer = answer};
  return spec;
}
ServerSpec servers(uint64_t request, uint64_t answer) {
  ServerSpec spec;
  spec.protocol = Protocol::kTcp;
  spec.exchange = {.request = request, .answer = answer};
  return spec;
}

base::Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

// One connection between both, whose bytes arrive in pieces of any size.
struct Wire {
  Wire(uint64_t request, uint64_t answer)
      : client_spec(clients(request, answer)), server_spec(servers(request, answer)) {
    net.take();
    net.take();
    client.begin(asked);
    server.begin(served, tally);
  }
  bool ask(bool last) {
    client.ask(asked, last);
    return client.send(asked, net, 0, 0);
  }
  // Hands over what was written, cut by `random`; false: somebody heard a wrong byte.
  bool carry(proxy::Random& random) {
    for (bool moved = true; moved;) {
      moved = false;
      for (const uint32_t from : {0u, 1u}) {
        std::string& out = net.all[from].out;
        while (!out.empty()) {
          const std::string piece = out.substr(0, 1 + random.below(out.size()));
          out.erase(0, piece.size());
          if (!(from == 0 ? server.hear(served, bytes_of(piece)) : client.hear(asked, bytes_of(piece)))) return false;
          moved = true;
        }
        if (from == 0) server.answer(served, net, 1, 0, tally);
      }
    }
    return true;
  }

  FakeNet net{2};
  ClientSpec client_spec;
  ServerSpec server_spec;
  TcpClients client{client_spec, 1};
  TcpServers server{server_spec, 1};
  TcpClients::Words asked;
  TcpServers::Words served;
  ServerTally tally;
};

TEST(PlainTcp, ExchangesOfAnyLengthsInAnyPieces) {
  proxy::Random random(5);
  const uint64_t lengths[] = {1, 2, 7, 1000, 16 * 1024, 16 * 1024 + 1, Pattern::kPeriod, 200'000};
  for (const uint64_t request : lengths)
    for (const uint64_t answer : lengths) {
      Wire wire(request, answer);
      for (int n = 0; n < 4; ++n) {
        ASSERT_TRUE(wire.ask(n == 3));
        EXPECT_FALSE(wire.client.complete(wire.asked));
        ASSERT_TRUE(wire.carry(random)) << request << " " << answer << " " << n;
        EXPECT_TRUE(wire.client.complete(wire.asked));
        EXPECT_EQ(wire.client.goes_on(wire.asked), n != 3);
        EXPECT_EQ(wire.server.closes(wire.served), n == 3);
        EXPECT_FALSE(wire.server.in_request(wire.served));
      }
      EXPECT_EQ(wire.tally.answers, 4u);
      EXPECT_EQ(wire.tally.bytes, 4 * (request + answer));
    }
}

TEST(PlainTcp, EveryWrongByteIsHeard) {
  const uint64_t request = 300, answer = 200;
  Wire first(request, answer);
  ASSERT_TRUE(first.ask(false));
  const std::string asked = first.net.all[0].out;
  ASSERT_EQ(asked.size(), request);
  for (size_t at = 0; at < asked.size(); ++at) {
    Wire wire(request, answer);
    std::string wrong = asked;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    EXPECT_FALSE(wire.server.hear(wire.served, bytes_of(wrong))) << at;
  }
  ASSERT_TRUE(first.server.hear(first.served, bytes_of(asked)));
  EXPECT_TRUE(first.server.answer(first.served, first.net, 1, 0, first.tally));
  const std::string answered = first.net.all[1].out;
  ASSERT_EQ(answered.size(), answer);
  for (size_t at = 0; at < answered.size(); ++at) {
    Wire wire(request, answer);
    wire.ask(false);
    std::string wrong = answered;
    wrong[at] = static_cast<char>(wrong[at] ^ 1);
    EXPECT_FALSE(wire.client.hear(wire.asked, bytes_of(wrong))) << at;
  }
  Wire more(request, answer);
  more.ask(false);
  EXPECT_FALSE(more.client.hear(more.asked, bytes_of(answered + "x")));
}

TEST(PlainTcp, WhatIsLostOrDoubledIsHeard) {
  Wire wire(100, 1);
  wire.ask(false);
  wire.ask(true);
  const std::string sent = wire.net.all[0].out;
  for (size_t at = 0; at < sent.size(); ++at) {
    // A lost byte is only seen by the one behind it, and by what is missing at the end.
    for (const std::string& bytes :
         {sent.substr(0, at) + sent.substr(at + 1), sent.substr(0, at) + sent[at] + sent.substr(at)}) {
      Wire other(100, 1);
      EXPECT_FALSE(other.server.hear(other.served, bytes_of(bytes)) && !other.server.in_request(other.served)) << at;
    }
  }
}

TEST(PlainTcp, NothingMayFollowTheLastRequest) {
  Wire wire(3, 3);
  wire.ask(true);
  EXPECT_FALSE(wire.server.hear(wire.served, bytes_of(wire.net.all[0].out + "+")));
}

TEST(PlainTcp, AnswersGoOnWhenThereIsRoom) {
  const uint64_t answer = 300'000;
  Wire wire(1, answer);
  wire.ask(false);
  ASSERT_TRUE(wire.server.hear(wire.served, bytes_of(wire.net.all[0].out)));
  uint64_t got = 0;
  for (bool clear = false; !clear;) {
    wire.net.all[1].window = 999;
    clear = wire.server.answer(wire.served, wire.net, 1, 0, wire.tally);
    std::string& out = wire.net.all[1].out;
    got += out.size();
    EXPECT_TRUE(wire.client.hear(wire.asked, bytes_of(out)));
    out.clear();
  }
  EXPECT_EQ(got, answer);
  EXPECT_EQ(wire.tally.answers, 1u);
}

TEST(PlainTcp, AServerEndsAnEmptyExchangeAtOnceAndHearsNothing) {
  FakeNet net(2);
  const ServerSpec spec = servers(0, 0);
  Servers<FakeNet, TcpServers> all(net, spec, 1);
  const uint32_t id = net.incoming();
  all.act(0);
  EXPECT_TRUE(net.all[id].left);
  EXPECT_EQ(all.tally().accepted, 1u);
  EXPECT_EQ(all.tally().answers, 1u);
  TcpServers talk(spec, 1);
  TcpServers::Words words;
  ServerTally tally;
  talk.begin(words, tally);
  EXPECT_FALSE(talk.hear(words, bytes_of("x")));
}

TEST(PlainTcp, ARequestThatBreaksOffIsAReset) {
  for (const bool middle : {false, true}) {
    FakeNet net(2);
    const ServerSpec spec = servers(2, 1);
    Servers<FakeNet, TcpServers> all(net, spec, 1);
    Wire wire(2, 1);
    wire.ask(false);
    const uint32_t id = net.incoming();
    all.act(0);
    net.say(id, wire.net.all[0].out.substr(0, middle ? 1 : 2));
    all.act(1);
    net.finish(id);
    all.act(2);
    EXPECT_EQ(all.tally().reset, middle);
    EXPECT_EQ(all.tally().answers, !middle);
    EXPECT_FALSE(net.all[id].live);
  }
}

// Clients in virtual time, whose server does `on_connected` a while after each connection.
ClientTally run(FakeNet& net, const ClientSpec& spec, const std::function<void(uint32_t)>& on_connected) {
  net.on_connected = [&](uint32_t id, base::Nanos now) { net.at(now + kMilli, id, [=] { on_connected(id); }); };
  Clients<FakeNet, TcpClients> all(net, spec, 1);
  all.prepare({.window = {.begin = 0, .from = 0, .to = kSecond, .end = kSecond + 100 * kMilli},
               .rate = spec.rate,
               .connections = spec.connections,
               .share = {}});
  all.start(kSecond);
  for (base::Nanos now = kSecond; !all.over(now);) {
    all.act(now);
    if (!net.events.empty()) continue;
    base::Nanos next = all.due();
    if (!net.later.empty()) next = std::min(next, net.later.begin()->first);
    now = std::max(now + 1, next);
  }
  return all.finish(3 * kSecond);
}

ClientSpec empty_exchanges() {
  ClientSpec spec = clients(0, 0);
  spec.connections = 4;
  spec.requests_per_connection = 1;
  spec.arrivals = ArrivalKind::kOpen;
  spec.rate = 100;
  return spec;
}

TEST(PlainTcp, AnEmptyExchangeIsGoodWhenTheServerHasEndedIt) {
  FakeNet net(8);
  const ClientTally t = run(net, empty_exchanges(), [&](uint32_t id) { net.finish(id); });
  EXPECT_EQ(t.requests, 100u);
  EXPECT_EQ(t.opened, 100u);
  EXPECT_EQ(t.errors.total(), 0u);
  EXPECT_EQ(t.latency.percentile(1), kMilli);
  EXPECT_EQ(net.left, 100u);
  EXPECT_EQ(t.bytes, 0u);
}

TEST(PlainTcp, AnEmptyExchangeThatIsResetOrSpokenInIsNot) {
  FakeNet net(8);
  const ClientTally broken = run(net, empty_exchanges(), [&](uint32_t id) { net.end(id, End::kReset); });
  EXPECT_EQ(broken.requests, 0u);
  EXPECT_EQ(broken.errors.reset, 100u);
  FakeNet other(8);
  const ClientTally spoken = run(other, empty_exchanges(), [&](uint32_t id) { other.say(id, "x"); });
  EXPECT_EQ(spoken.errors.protocol, 100u);
}

TEST(PlainTcp, SharesOfAnOpenLoopAreAllOfIt) {
  for (const uint32_t of : {1u, 2u, 3u}) {
    ClientTally all;
    for (uint32_t index = 0; index < of; ++index) {
      FakeNet net(8);
      net.on_connected = [&](uint32_t id, base::Nanos) { net.finish(id); };
      const ClientSpec spec = empty_exchanges();
      Clients<FakeNet, TcpClients> share(net, spec, 1);
      share.prepare({.window = {.begin = 0, .from = 0, .to = kSecond, .end = 2 * kSecond},
                     .rate = 100,
                     .connections = 4,
                     .share = {.index = index, .of = of}});
      share.start(kSecond);
      for (base::Nanos now = kSecond; !share.over(now); now += kMilli) share.act(now);
      all.merge(share.finish(3 * kSecond));
    }
    EXPECT_EQ(all.requests, 100u) << of;
    EXPECT_EQ(all.latency.count(), 100u) << of;
    EXPECT_EQ(all.unsent + all.unanswered + all.errors.total(), 0u) << of;
  }
}

}  // namespace
}  // namespace penstock::requests
