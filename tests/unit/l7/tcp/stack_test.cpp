// Many connections through two stacks: the table, events, accept, cookies, half-open limits, TIME-WAIT, resets.
#include "l7/tcp/stack.h"

#include <gtest/gtest.h>

#include <set>

namespace penstock::tcp::test {
namespace {

constexpr base::Nanos kStart = 1000 * base::kNanosPerSecond;
const HashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

Tuple reversed(const Tuple& t) { return {t.remote, t.local, t.remote_port, t.local_port}; }

struct Host {
  explicit Host(const Tuning& t = {}, uint32_t capacity = 4096)
      : stack(t, {8192, 8192, 1024}, capacity, kKey, kStart) {}
  Stack stack;
};

Segment copy(const Outgoing& out, std::vector<uint8_t>& bytes) {
  bytes.resize(60);
  bytes.resize(write_header(out, 1, 2, bytes.data()));
  for (size_t i = 0; i < out.piece_count; ++i) bytes.insert(bytes.end(), out.pieces[i].begin(), out.pieces[i].end());
  Segment s;
  EXPECT_TRUE(parse_segment(bytes, out.ecn, s));
  return s;
}

// Moves segments both ways without loss until both are quiet.
void settle(Host& a, Host& b, base::Nanos now) {
  Tuple t;
  Outgoing out;
  std::vector<uint8_t> bytes;
  for (bool some = true; some;) {
    some = false;
    while (a.stack.next_segment({}, now, t, out)) some = true, b.stack.absorb(reversed(t), copy(out, bytes), now);
    while (b.stack.next_segment({}, now, t, out)) some = true, a.stack.absorb(reversed(t), copy(out, bytes), now);
  }
}

Tuple client(uint16_t port) { return {base::IpAddress::v4(0x0a000001), base::IpAddress::v4(0x0a000002), port, 80}; }

uint8_t events_of(Host& h, uint32_t id) {
  Ready r;
  uint8_t all = 0;
  while (h.stack.next_event(r))
    if (r.id == id) all |= r.events;
  return all;
}

TEST(Stack, ConnectsSpeaksAndEnds) {
  Host a, b;
  const uint32_t listener = b.stack.listen({.first_port = 80, .last_port = 80});
  const uint32_t id = a.stack.connect(client(1000), kStart);
  EXPECT_EQ(a.stack.connect(client(1000), kStart), kNone) << "the tuple is in use";
  settle(a, b, kStart);
  EXPECT_EQ(events_of(a, id), kConnected | kWritable);
  const uint32_t peer = b.stack.accept(listener);
  ASSERT_NE(peer, kNone);
  EXPECT_EQ(b.stack.accept(listener), kNone);
  EXPECT_TRUE(events_of(b, peer) & kConnected);
  const uint8_t hello[] = {1, 2, 3};
  EXPECT_EQ(a.stack.at(id).write(hello, kStart), 3U);
  a.stack.at(id).finish(kStart);
  a.stack.touch(id);
  settle(a, b, kStart);
  EXPECT_EQ(events_of(b, peer), kReadable | kPeerFinished);
  EXPECT_EQ(b.stack.at(peer).readable(), 3U);
  b.stack.at(peer).consume(3, kStart);
  b.stack.at(peer).close(kStart);
  b.stack.release(peer);
  settle(a, b, kStart);
  EXPECT_EQ(b.stack.connections(), 0U);
  EXPECT_EQ(a.stack.at(id).state(), State::kTimeWait);
  a.stack.release(id);
  settle(a, b, kStart);
  EXPECT_EQ(a.stack.connections(), 1U);
  a.stack.on_time(a.stack.deadline() + 61 * base::kNanosPerSecond);
  settle(a, b, kStart + 61 * base::kNanosPerSecond);
  EXPECT_EQ(a.stack.connections(), 0U);
  EXPECT_EQ(a.stack.deadline(), ~base::Nanos{0});
}

TEST(Stack, NobodyListensMeansReset) {
  Host a, b;
  const uint32_t id = a.stack.connect(client(1), kStart);
  settle(a, b, kStart);
  EXPECT_EQ(events_of(a, id), kEnded);
  EXPECT_EQ(a.stack.at(id).end(), End::kRefused);
}

TEST(Stack, BeyondTheHalfOpenLimitCookiesKeepTheOptions) {
  Host a, b;
  const uint32_t listener = b.stack.listen({.first_port = 80, .last_port = 90, .half_open_per_source = 4});
  Tuple t;
  Outgoing out;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> ids;
  for (uint16_t p = 1; p <= 10; ++p) ids.push_back(a.stack.connect(client(p), kStart));
  while (a.stack.next_segment({}, kStart, t, out)) b.stack.absorb(reversed(t), copy(out, bytes), kStart);
  EXPECT_EQ(b.stack.connections(), 4U) << "the others cost no memory";
  EXPECT_EQ(b.stack.listener(listener).half_open, 4U);
  settle(a, b, kStart);
  EXPECT_EQ(b.stack.connections(), 10U);
  EXPECT_EQ(b.stack.listener(listener).half_open, 0U);
  EXPECT_EQ(b.stack.listener(listener).counters[static_cast<size_t>(ListenerCount::kCookiesValid)], 6U);
  const uint8_t data[4000] = {7};
  for (const uint32_t id : ids) {
    ASSERT_EQ(a.stack.at(id).state(), State::kEstablished);
    EXPECT_EQ(a.stack.at(id).write(data, kStart), sizeof data);
    a.stack.touch(id);
  }
  settle(a, b, kStart);
  for (uint32_t peer; (peer = b.stack.accept(listener)) != kNone;) {
    EXPECT_EQ(b.stack.at(peer).readable(), sizeof data);
    EXPECT_EQ(b.stack.at(peer).segment_size(), 1460);
  }
}

TEST(Stack, AForgedCookieIsReset) {
  Host b;
  b.stack.listen({.first_port = 80, .last_port = 80, .always_cookies = true});
  Segment s;
  s.flags = wire::kTcpAck;
  unsigned resets = 0;
  for (uint32_t guess = 0; guess < 1000; ++guess) {
    s.ack = guess * 2654435761U;
    b.stack.absorb(reversed(client(5)), s, kStart);
    Tuple t;
    Outgoing out;
    while (b.stack.next_segment({}, kStart, t, out)) resets += out.flags == wire::kTcpRst && out.seq == s.ack;
  }
  EXPECT_EQ(resets, 1000U);
  EXPECT_EQ(b.stack.connections(), 0U);
}

TEST(Stack, ACookieExpires) {
  const Tuning tuning;
  Segment syn;
  syn.seq = 77;
  syn.flags = wire::kTcpSyn;
  syn.options.mss = 1300;
  const Outgoing answer = cookie_answer(kKey, client(9), syn, tuning, kStart);
  Segment ack;
  ack.seq = 78;
  ack.ack = answer.seq + 1;
  ack.flags = wire::kTcpAck;
  Opening opening;
  PeerOffer offer;
  EXPECT_TRUE(check_cookie(kKey, client(9), ack, tuning, kStart + 60 * base::kNanosPerSecond, opening, offer));
  EXPECT_EQ(offer.mss, 1220) << "the next lower class of 1300";
  EXPECT_FALSE(check_cookie(kKey, client(8), ack, tuning, kStart, opening, offer)) << "another port";
  EXPECT_FALSE(check_cookie(kKey, client(9), ack, tuning, kStart + 130 * base::kNanosPerSecond, opening, offer));
}

TEST(Stack, InitialNumbersAdvanceAndDiffer) {
  const Seq first = initial_sequence(kKey, client(1), kStart);
  EXPECT_EQ(initial_sequence(kKey, client(1), kStart + 4000) - first, 1U) << "RFC 6528: one per 4 µs";
  std::set<Seq> all;
  for (uint16_t p = 1; p <= 1000; ++p) all.insert(initial_sequence(kKey, client(p), kStart));
  EXPECT_EQ(all.size(), 1000U);
}

TEST(Stack, SipHashOfEightBytes) {
  // The message 0..7 under key 0..15: entry 8 of the authors' table of 64 vectors.
  EXPECT_EQ(keyed_hash(kKey, {0x0706050403020100}), 0x93f5f5799a932462ULL);
}

TEST(TimerWheel, FiresInOrderNeverEarlyAndAtMostATickLate) {
  TimerWheel wheel(kStart);
  wheel.grow(2000);
  std::vector<base::Nanos> due(2000);
  uint64_t x = 1;
  for (uint32_t i = 0; i < 2000; ++i) {
    x = x * 6364136223846793005 + 1442695040888963407;
    due[i] = kStart + (x >> 20) % (1ULL << (20 + i % 20));
    wheel.set(i, due[i]);
  }
  for (uint32_t i = 0; i < 2000; i += 7) wheel.cancel(i);
  size_t fired = 0;
  base::Nanos now = kStart;
  while (wheel.next() != ~base::Nanos{0}) {
    now = std::max(now, wheel.next());
    wheel.advance(now, [&](uint32_t id) {
      ++fired;
      ASSERT_NE(id % 7, 0U);
      ASSERT_GE(now, due[id]);
      ASSERT_LE(now - due[id], 2 * (base::Nanos{1} << TimerWheel::kTickBits));
    });
  }
  EXPECT_EQ(fired, 2000 - 286U);
}

// Connections that ended and only wait for late segments, as many as the table has room for.
void fill_with_time_wait(Host& a, Host& b, uint32_t listener, uint32_t count) {
  for (uint16_t port = 1; port <= count; ++port) {
    const uint32_t id = a.stack.connect(client(port), kStart);
    ASSERT_NE(id, kNone);
    settle(a, b, kStart);
    const uint32_t peer = b.stack.accept(listener);
    a.stack.at(id).close(kStart);
    a.stack.release(id);
    settle(a, b, kStart);
    b.stack.at(peer).close(kStart);
    b.stack.release(peer);
    settle(a, b, kStart);
    (void)events_of(a, id);
  }
}

TEST(Stack, TimeWaitGivesWayWhenTheTableIsFull) {
  Host a({}, 16), b;
  const uint32_t listener = b.stack.listen({.first_port = 80, .last_port = 80});
  fill_with_time_wait(a, b, listener, 16);
  EXPECT_EQ(a.stack.connections(), 16U);
  EXPECT_EQ(b.stack.connections(), 0U);
  const uint32_t id = a.stack.connect(client(100), kStart);
  ASSERT_NE(id, kNone);
  EXPECT_EQ(a.stack.find(client(1)), kNone) << "the oldest";
  EXPECT_NE(a.stack.find(client(2)), kNone);
  settle(a, b, kStart);
  EXPECT_EQ(a.stack.at(id).state(), State::kEstablished);
}

TEST(Stack, AListenerThatGoesResetsWhatWaitsForIt) {
  Host a, b;
  const uint32_t listener = b.stack.listen({.first_port = 80, .last_port = 80});
  const uint32_t waiting = a.stack.connect(client(1), kStart);
  settle(a, b, kStart);
  const uint32_t opening = a.stack.connect(client(2), kStart);
  Tuple t;
  Outgoing out;
  std::vector<uint8_t> bytes;
  while (a.stack.next_segment({}, kStart, t, out)) b.stack.absorb(reversed(t), copy(out, bytes), kStart);
  b.stack.stop_listening(listener);
  settle(a, b, kStart);
  EXPECT_EQ(a.stack.at(waiting).end(), End::kReset);
  EXPECT_EQ(a.stack.at(opening).end(), End::kReset);
  EXPECT_EQ(b.stack.connections(), 0U);
}

TEST(Stack, WhoFoundNoMemoryHearsOfItWhenThereIsSome) {
  Host a, b;
  const uint32_t listener = b.stack.listen({.first_port = 80, .last_port = 80});
  const uint32_t id = a.stack.connect(client(1), kStart);
  settle(a, b, kStart);
  ASSERT_NE(b.stack.accept(listener), kNone);
  (void)events_of(a, id);
  ChunkPool& chunks = a.stack.shared().chunks;
  std::vector<uint32_t> taken;
  while (chunks.available() != 0) taken.push_back(chunks.take());
  a.stack.starve(id);
  a.stack.starve(id);
  EXPECT_EQ(events_of(a, id), 0);
  for (const uint32_t each : taken) chunks.give(each);
  Ready ready;
  ASSERT_TRUE(a.stack.next_event(ready));
  EXPECT_EQ(ready.id, id);
  EXPECT_EQ(ready.events, kWritable);
  EXPECT_FALSE(a.stack.next_event(ready)) << "once";
}

TEST(Stack, AGuessedCookieIsRefusedWhereNoneWasSent) {
  Host b;
  b.stack.listen({.first_port = 80, .last_port = 80});
  std::vector<uint8_t> bytes;
  Segment syn;
  syn.seq = 500;
  syn.flags = wire::kTcpSyn;
  syn.window = 1000;
  syn.options.mss = 1460;
  const Tuple tuple = reversed(client(9));
  const Outgoing cookie = cookie_answer(kKey, tuple, syn, Tuning{}, kStart);  // as whoever guesses would have it
  Segment ack;
  ack.seq = 501;
  ack.ack = cookie.seq + 1;
  ack.flags = wire::kTcpAck;
  ack.window = 1000;
  b.stack.absorb(tuple, ack, kStart);
  EXPECT_EQ(b.stack.connections(), 0U);
  EXPECT_EQ(b.stack.listener(0).counters[static_cast<size_t>(ListenerCount::kCookiesRefused)], 1U);
}

}  // namespace
}  // namespace penstock::tcp::test
