#include "requests/clients.h"

#include <gtest/gtest.h>

#include "fake_net.h"
#include "requests/http_clients.h"
#include "requests/tcp_clients.h"

namespace penstock::requests {
namespace {

constexpr base::Nanos kBegin = 5'000'000'000, kSecond = base::kNanosPerSecond, kMilli = 1'000'000;

ClientSpec closed(uint32_t connections, base::Nanos think = 0) {
  ClientSpec spec;
  spec.connections = connections;
  spec.think = think;
  spec.head = "GET / HTTP/1.1\r\nhost: a\r\n";
  return spec;
}

ClientSpec open(uint32_t connections, double rate) {
  ClientSpec spec = closed(connections);
  spec.arrivals = ArrivalKind::kOpen;
  spec.rate = rate;
  return spec;
}

// One trial in virtual time, which goes from one thing that happens to the next; due() must know of them all.
struct Trial {
  Trial(FakeNet& net, const ClientSpec& spec, base::Nanos warmup, base::Nanos length, base::Nanos drain = 0,
        base::Nanos stop_at = 0, base::Nanos round = 0)
      : clients(net, spec, 1) {
    clients.prepare({.window = {.begin = 0, .from = warmup, .to = warmup + length, .end = warmup + length + drain},
                     .rate = spec.rate,
                     .connections = spec.connections});
    clients.start(kBegin);
    base::Nanos now = kBegin;
    for (;;) {
      clients.act(now);
      if (clients.over(now)) break;
      if (!net.events.empty()) continue;
      base::Nanos next = clients.due();
      if (!net.later.empty()) next = std::min(next, net.later.begin()->first);
      if (stop_at != 0 && now < kBegin + stop_at) next = std::min(next, kBegin + stop_at);
      now = std::max({now + 1, next, now + round});
      if (now == kBegin + stop_at) clients.stop(now);
    }
    end = now;
    tally = clients.finish(now);
  }
  Clients<FakeNet, HttpClients> clients;
  ClientTally tally;
  base::Nanos end = 0;
};

TEST(OpenLoop, AStallOfTheServerIsInTheLatencyOfAllThatHadToWait) {
  // One connection, 1000 requests a second, answers after 100 µs; the server stands still for a second.
  const base::Nanos service = 100'000, stall = kBegin + 2 * kSecond, stall_end = stall + kSecond;
  const auto done = [&](base::Nanos sent) { return (sent >= stall && sent < stall_end ? stall_end : sent) + service; };
  FakeNet net(4);
  net.answer_at = done;
  const Trial run(net, open(1, 1000), 0, 10 * kSecond, kSecond);

  // The oracle: a queue of one server. What a closed loop would have seen is the time from sending.
  load::Histogram latency, from_sending;
  base::Nanos free = kBegin;
  for (uint64_t k = 0; k < 10'000; ++k) {
    const base::Nanos due = kBegin + k * kMilli, sent = std::max(due, free);
    free = done(sent);
    latency.add(free - due);
    from_sending.add(free - sent);
  }
  EXPECT_EQ(run.tally.requests, 10'000u);
  EXPECT_EQ(run.tally.latency.to_json(), latency.to_json());
  EXPECT_EQ(run.tally.service.to_json(), from_sending.to_json());
  EXPECT_GT(run.tally.latency.percentile(0.95), 400 * kMilli);  // a tenth of all waited, up to a second
  EXPECT_LT(run.tally.service.percentile(0.9998), kMilli);      // one single request was slow, a closed loop would say
  EXPECT_EQ(run.tally.unsent + run.tally.unanswered + run.tally.errors.total(), 0u);
  EXPECT_EQ(run.tally.late, 0u);
}

TEST(OpenLoop, EveryArrivalIsNamedOnce) {
  // Twice what two connections can do: 4 ms an answer.
  for (const Spacing spacing : {Spacing::kConstant, Spacing::kPoisson}) {
    FakeNet net(4);
    net.answer_at = [](base::Nanos now) { return now + 4 * kMilli; };
    ClientSpec spec = open(2, 1000);
    spec.spacing = spacing;
    const Trial run(net, spec, 100 * kMilli, kSecond, 2 * kMilli);
    uint64_t counted = 0;
    for (const base::Nanos at : schedule(spacing, 1000, 1100 * kMilli, 2)) counted += at >= 100 * kMilli;
    const ClientTally& t = run.tally;
    EXPECT_EQ(t.requests + t.unsent + t.unanswered, counted);
    EXPECT_GT(t.unsent, 400u);
    EXPECT_LE(t.unanswered, 2u);
    EXPECT_GE(t.latency.percentile(1), 400 * kMilli);
    EXPECT_EQ(t.errors.total(), 0u);
  }
}

TEST(OpenLoop, RoundsBeforeTheStartChangeNothing) {
  // On several cores one is told to prepare, and goes round until all are told to begin.
  FakeNet net(4);
  net.answer_at = [](base::Nanos now) { return now + 1000; };
  const ClientSpec spec = open(4, 100);
  Clients<FakeNet, HttpClients> clients(net, spec, 1);
  clients.prepare({.window = {.begin = 0, .from = 0, .to = kSecond, .end = kSecond}, .rate = 100, .connections = 4});
  for (base::Nanos now = kBegin - kMilli; now < kBegin; now += 1000) clients.act(now);
  EXPECT_EQ(net.connects, 0u);
  clients.start(kBegin);
  EXPECT_EQ(clients.due(), kBegin);
  for (base::Nanos now = kBegin; !clients.over(now); now += 100'000) clients.act(now);
  EXPECT_EQ(clients.finish(kBegin + kSecond).requests, 100u);
}

TEST(OpenLoop, WarmUpIsNotCounted) {
  FakeNet net(4);
  net.answer_at = [](base::Nanos now) { return now + 1000; };
  const Trial run(net, open(4, 100), 500 * kMilli, kSecond);
  EXPECT_EQ(run.tally.requests, 100u);
  EXPECT_EQ(run.tally.outside, 50u);
  EXPECT_EQ(run.tally.opened, 0u);  // all before
  EXPECT_EQ(run.tally.held, 4u);
}

TEST(OpenLoop, ConnectionsAreCountedInTheCountedTimeOnly) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = open(4, 100);
  spec.requests_per_connection = 1;
  const Trial run(net, spec, kSecond, kSecond, 100 * kMilli);
  EXPECT_EQ(net.connects, 200u);
  EXPECT_EQ(run.tally.opened, 100u);
}

TEST(OpenLoop, WhatIsAnsweredAfterTheTimeIsGoodButNotInTime) {
  // The server does half of what is asked for, and the drain is long enough for all the rest.
  FakeNet net(4);
  net.answer_at = [](base::Nanos now) { return now + 2 * kMilli; };
  const Trial run(net, open(1, 1000), 0, kSecond, 2 * kSecond);
  const ClientTally& t = run.tally;
  EXPECT_EQ(t.requests + t.unsent + t.unanswered, 1000u);
  EXPECT_GE(t.requests, 500u);
  EXPECT_LE(t.in_time, 500u);
  EXPECT_GE(t.in_time, 498u);
  EXPECT_EQ(t.bytes, 2 * t.in_time);
  FakeNet late(4);
  late.answer_at = [](base::Nanos now) { return std::max(now, kBegin + 2 * kSecond); };
  const Trial none(late, open(4, 4), 0, kSecond, 2 * kSecond);
  EXPECT_EQ(none.tally.requests, 4u);
  EXPECT_EQ(none.tally.in_time + none.tally.bytes, 0u);
}

TEST(OpenLoop, ConnectionsThatFailWithoutARequestAreNoArrivals) {
  FakeNet net(4);
  net.how = FakeNet::Connect::kRefuses;
  const Trial run(net, open(4, 100), 0, kSecond);
  EXPECT_EQ(run.tally.errors.refused + run.tally.unsent, 100u);
  EXPECT_EQ(run.tally.errors.total(), run.tally.errors.refused);
}

TEST(OpenLoop, ALoopThatIsElsewhereIsLate) {
  FakeNet net(16);
  net.answer_at = [](base::Nanos now) { return now + 1000; };
  const Trial good(net, open(2, 100), 0, kSecond, 0, 0, 50'000);
  EXPECT_EQ(good.tally.late, 0u);
  const Trial late(net, open(2, 100), 0, kSecond, 0, 0, 7 * kMilli);
  EXPECT_GT(late.tally.late, 80u);
  // The end falls into a long round: what was due before it is sent all the same, and is late.
  const Trial end(net, open(16, 1000), 0, kSecond, kSecond, 0, 7 * kMilli);
  EXPECT_EQ(end.tally.requests, 1000u);
}

TEST(OpenLoop, ANewConnectionForEachRequestIsPartOfItsLatency) {
  FakeNet net(8);
  net.connect_time = 3 * kMilli;
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = open(4, 100);
  spec.requests_per_connection = 1;
  const Trial run(net, spec, 0, kSecond, 100 * kMilli);
  EXPECT_EQ(run.tally.requests, 100u);
  EXPECT_EQ(run.tally.opened, 100u);
  EXPECT_EQ(net.connects, 100u);
  EXPECT_EQ(run.tally.latency.percentile(0), run.tally.latency.percentile(1));
  EXPECT_EQ(run.tally.latency.to_json()["max"], 4 * kMilli);
  EXPECT_EQ(run.tally.service.to_json()["max"], kMilli);
  EXPECT_EQ(run.tally.connect.to_json()["max"], 3 * kMilli);
}

TEST(ClosedLoop, EachConnectionAsksAgainAfterItsThinkTime) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + 3 * kMilli; };
  const Trial run(net, closed(4, 7 * kMilli), 0, kSecond);
  EXPECT_EQ(run.tally.requests, 4u * 100);
  EXPECT_EQ(run.tally.latency.to_json()["min"], 3 * kMilli);
  EXPECT_EQ(run.tally.latency.to_json()["max"], 3 * kMilli);
  EXPECT_EQ(net.connects, 4u);
  EXPECT_EQ(net.all[0].out.substr(0, 29), "GET / HTTP/1.1\r\nhost: a\r\n\r\nGE");
}

TEST(ClosedLoop, CountsAnswersThatCameInTime) {
  // Each answer takes 0.9 s: in the second that counts one came to each connection, the next one comes after it.
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + 900 * kMilli; };
  const Trial run(net, closed(4), 0, kSecond, kSecond);
  EXPECT_EQ(run.tally.requests, 4u);
  EXPECT_EQ(run.tally.outside, 4u);
  EXPECT_EQ(run.tally.unanswered, 0u);
  EXPECT_LE(run.end, kBegin + 1800 * kMilli + 1);  // and nobody waits longer than needed
}

TEST(ClosedLoop, TheLastRequestOfAConnectionSaysSo) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = closed(1);
  spec.requests_per_connection = 3;
  const Trial run(net, spec, 0, 30 * kMilli + 1);
  EXPECT_EQ(run.tally.requests, 30u);
  EXPECT_EQ(net.left, 10u);
  EXPECT_EQ(net.aborted, 1u);  // it was under way when the time was over
  const std::string plain = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
  EXPECT_EQ(net.all[0].out, plain);
  net.answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
  net.finishes = true;
  const Trial again(net, closed(1), 0, 10 * kMilli);
  EXPECT_GE(again.tally.requests, 9u);
  EXPECT_EQ(again.tally.errors.total(), 0u);
}

TEST(ClosedLoop, StopEndsTheCountedTime) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + 10 * kMilli; };
  const Trial run(net, closed(2), 100 * kMilli, 10 * kSecond, 50 * kMilli, 600 * kMilli);
  EXPECT_EQ(run.clients.window().to, kBegin + 600 * kMilli);
  EXPECT_EQ(run.clients.window().end, kBegin + 650 * kMilli);
  EXPECT_NEAR(static_cast<double>(run.tally.requests), 100, 2);
}

TEST(Stop, InTheWarmUpCountsNothingAndSendsNothingMore) {
  for (const ClientSpec& spec : {open(2, 1000), closed(2)}) {
    FakeNet net(8);
    base::Nanos last = 0;
    net.answer_at = [&](base::Nanos now) { return (last = now) + kMilli; };
    const Trial run(net, spec, 10 * kSecond, kSecond, kSecond, 600 * kMilli);
    const Window& window = run.clients.window();
    EXPECT_EQ(window.to, window.from);
    EXPECT_LE(last, kBegin + 600 * kMilli);
    EXPECT_LE(run.end, kBegin + 1600 * kMilli);
    const ClientTally& t = run.tally;
    EXPECT_EQ(t.requests + t.unsent + t.unanswered + t.errors.total(), 0u);
    EXPECT_GT(t.outside, 100u);
  }
}

TEST(Stop, LeavesUnsentWhatHadNoConnectionYet) {
  FakeNet net(256);
  net.connect_time = 100 * kMilli;
  base::Nanos last = 0;
  net.answer_at = [&](base::Nanos now) { return (last = now) + kMilli; };
  ClientSpec spec = open(200, 1000);
  spec.requests_per_connection = 1;
  const Trial run(net, spec, 0, 10 * kSecond, kSecond, 500 * kMilli);
  EXPECT_LE(last, kBegin + 500 * kMilli);
  EXPECT_NEAR(static_cast<double>(run.tally.unsent), 100, 2);
  EXPECT_EQ(run.tally.requests + run.tally.unsent, 500u);
}

TEST(Hold, OpensOverTheRampAndHolds) {
  FakeNet net(16);
  net.connect_time = kMilli;
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = closed(10);
  spec.arrivals = ArrivalKind::kHold;
  spec.ramp = kSecond;
  const Trial run(net, spec, 0, 2 * kSecond);
  EXPECT_EQ(run.tally.opened, 10u);
  EXPECT_EQ(run.tally.held, 10u);
  EXPECT_EQ(run.tally.connect.count(), 10u);
  EXPECT_EQ(run.tally.requests, 10u);
  EXPECT_EQ(net.connects, 10u);
  const Trial half(net, spec, 0, 451 * kMilli);
  EXPECT_EQ(half.tally.held, 5u);
}

TEST(Hold, WhoIsNotAnsweredIsNotHeld) {
  ClientSpec spec = closed(10);
  spec.arrivals = ArrivalKind::kHold;
  FakeNet backlog(16);  // the kernel's handshake, and nobody behind it
  const Trial silent(backlog, spec, 0, kSecond);
  EXPECT_EQ(silent.tally.opened, 10u);
  EXPECT_EQ(silent.tally.held, 0u);
  EXPECT_EQ(silent.tally.unanswered, 10u);
  for (const bool busy : {false, true}) {
    FakeNet net(16);
    net.answer_at = [](base::Nanos now) { return now + kMilli; };
    net.answer = busy ? "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
                      : "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    const Trial run(net, spec, 0, kSecond);
    EXPECT_EQ(run.tally.held + run.tally.requests, 0u);
    EXPECT_GT(busy ? run.tally.errors.status : run.tally.errors.reset, 100u);
    EXPECT_LT(net.connects, 1000u);  // each pauses
  }
}

TEST(Hold, WhatEndsIsOpenedAgainAndNamed) {
  FakeNet net(16);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = closed(1);
  spec.arrivals = ArrivalKind::kHold;
  net.later.emplace(kBegin + 500 * kMilli, [&] { net.say(0, "HTTP/1.1 408 Request Timeout\r\n\r\n"); });
  const Trial run(net, spec, 0, kSecond);
  EXPECT_EQ(run.tally.errors.protocol, 1u);
  EXPECT_EQ(run.tally.surprises, 0u);
  EXPECT_EQ(run.tally.held, 1u);
  EXPECT_EQ(run.tally.requests, 2u);
}

TEST(Failures, TimeOut) {
  FakeNet net(8);
  ClientSpec spec = closed(2);
  spec.timeout = 100 * kMilli;
  const Trial silent(net, spec, 0, 950 * kMilli);
  EXPECT_EQ(silent.tally.errors.timeout, 2u * 9);
  EXPECT_EQ(silent.tally.unanswered, 2u);
  EXPECT_EQ(net.aborted, 2u * 10);
  net.how = FakeNet::Connect::kHangs;
  const Trial deaf(net, spec, 0, 315 * kMilli);  // after each a pause of 10 ms
  EXPECT_EQ(deaf.tally.errors.timeout, 2u * 2);
  EXPECT_EQ(deaf.tally.unsent, 2u);
}

TEST(Failures, RefusedAndNoPortPauseAndAreNamed) {
  FakeNet net(8);
  net.how = FakeNet::Connect::kRefuses;
  const Trial refused(net, closed(2), 0, 95 * kMilli);
  EXPECT_EQ(refused.tally.errors.refused, 2u * 10);
  EXPECT_EQ(refused.tally.errors.total(), 2u * 10);
  net.how = FakeNet::Connect::kNoPort;
  const Trial none(net, closed(2), 0, 95 * kMilli);
  EXPECT_EQ(none.tally.errors.ports, 2u * 10);
  EXPECT_EQ(none.tally.errors.total(), 2u * 10);
}

TEST(Failures, AnotherStatusIsNoRequest) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  net.answer = "HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nno\n";
  const Trial run(net, closed(1), 0, 10 * kMilli + 1);
  EXPECT_EQ(run.tally.errors.status, 10u);
  EXPECT_EQ(run.tally.requests + run.tally.bytes, 0u);
  EXPECT_EQ(run.tally.latency.count(), 0u);
  EXPECT_EQ(net.connects, 1u);  // the connection is as good as before
}

constexpr std::string_view kAnswers[] = {
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 204 No Content\r\n\r\n",
};

TEST(Answers, AreTheSameHoweverTheyAreCut) {
  for (const std::string_view answer : kAnswers)
    for (size_t piece = 1; piece <= answer.size(); ++piece) {
      FakeNet net(2);
      net.answer = answer;
      net.piece = piece;
      net.answer_at = [](base::Nanos now) { return now + kMilli; };
      const Trial run(net, closed(1), 0, 10 * kMilli + kMilli / 2);
      EXPECT_EQ(run.tally.requests, 10u) << answer << " in pieces of " << piece;
      EXPECT_EQ(run.tally.bytes, answer.find("204") == answer.npos ? 50u : 0u);
      EXPECT_EQ(run.tally.errors.total(), 0u);
    }
}

TEST(Answers, ThatBreakOffAtAnyByteAreResets) {
  for (const std::string_view answer : kAnswers)
    for (size_t size = 0; size <= answer.size(); ++size)
      for (const bool gently : {false, true}) {
        FakeNet net(2);
        net.answer = answer.substr(0, size);
        (gently ? net.finishes : net.breaks) = true;
        net.answer_at = [](base::Nanos now) { return now + kMilli; };
        const Trial run(net, closed(1, kMilli), 0, 20 * kMilli + kMilli / 2);
        const bool whole = size == answer.size();
        EXPECT_EQ(run.tally.requests, whole ? 10u : 0u) << answer << " after " << size;
        EXPECT_EQ(run.tally.errors.reset, whole ? 0u : 10u) << answer << " after " << size;
        EXPECT_EQ(run.tally.errors.total(), run.tally.errors.reset);
      }
}

TEST(Answers, MayEndWithTheConnection) {
  FakeNet net(2);
  net.answer = "HTTP/1.1 200 OK\r\n\r\nhello";
  net.finishes = true;
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  const Trial run(net, closed(1), 0, 10 * kMilli + kMilli / 2);
  EXPECT_EQ(run.tally.requests, 10u);
  EXPECT_EQ(run.tally.bytes, 50u);
  EXPECT_EQ(run.tally.errors.total(), 0u);
}

TEST(Answers, ThatAreNoneAreNamed) {
  for (const std::string_view answer : {
           "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello!",
           "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
           "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
           "HTTP/2.0 200 OK\r\n\r\n",
           "SSH-2.0-OpenSSH_9.2\r\n",
           "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
       }) {
    FakeNet net(2);
    net.answer = answer;
    net.answer_at = [](base::Nanos now) { return now + kMilli; };
    const Trial run(net, closed(1), 0, 10 * kMilli + kMilli / 2);
    EXPECT_EQ(run.tally.errors.protocol, 10u) << answer;
    EXPECT_EQ(run.tally.errors.total(), 10u) << answer;
    EXPECT_EQ(run.tally.requests, 0u) << answer;
  }
}

TEST(Answers, ThatNobodyAskedForAreSurprisesAndNoErrors) {
  for (const ClientSpec& spec : {open(1, 100), closed(1, 9 * kMilli)}) {
    FakeNet net(4);
    net.answer_at = [](base::Nanos now) { return now + kMilli; };
    // Between two requests.
    net.later.emplace(kBegin + 505 * kMilli + 1, [&] { net.say(0, "HTTP/1.1 408 Request Timeout\r\n\r\n"); });
    const Trial run(net, spec, 0, kSecond, 100 * kMilli);
    EXPECT_EQ(run.tally.surprises, 1u);
    EXPECT_EQ(run.tally.errors.total(), 0u);
    EXPECT_EQ(run.tally.requests, 100u);
    EXPECT_EQ(net.connects, 2u);
  }
}

TEST(Answers, ToARequestThatIsTakenSlowly) {
  FakeNet net(2);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  net.most_written = 100;  // and 10 ns later as many again
  ClientSpec spec = closed(1);
  spec.method = http::Method::kPost;
  spec.head = "POST / HTTP/1.1\r\nhost: a\r\n";
  spec.body = Sizes(500);
  const Trial run(net, spec, 0, 3 * kMilli + kMilli / 2);
  EXPECT_EQ(run.tally.requests, 3u);
  EXPECT_EQ(net.connects, 1u);
  const std::string one = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 500\r\n\r\n" + std::string(500, 'x');
  EXPECT_EQ(net.all[0].out, one + one + one + one);
}

TEST(Answers, BeforeTheRequestIsWrittenEndTheConnection) {
  FakeNet net(2);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  ClientSpec spec = closed(1);
  spec.body = Sizes(1'000'000);
  net.most_written = 1;  // and 10 ns later another: it would take ten times as long as the answer
  const Trial run(net, spec, 0, 3 * kMilli + kMilli / 2);
  EXPECT_EQ(run.tally.requests, 3u);
  EXPECT_EQ(net.connects, 4u);
}

TEST(Connections, ThatThePeerClosesWhileIdleAreOpenedAgainWithoutAnError) {
  FakeNet net(8);
  net.answer_at = [](base::Nanos now) { return now + kMilli; };
  net.finishes = true;
  for (const ClientSpec& spec : {open(1, 100), closed(1, 9 * kMilli)}) {
    net.connects = 0;
    const Trial run(net, spec, 0, kSecond, 100 * kMilli);
    EXPECT_EQ(run.tally.requests, 100u);
    EXPECT_EQ(run.tally.errors.total(), 0u);
    EXPECT_GE(net.connects, 100u);
  }
}

}  // namespace
}  // namespace penstock::requests
