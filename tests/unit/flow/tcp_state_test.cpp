// The machine as stories, then the whole table state × direction × segment, then what a blind attacker can do.
#include "flow/tcp_state.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace penstock::flow {
namespace {

using enum FlowStateId;

constexpr uint32_t kClientIsn = 0xfffffff0, kServerIsn = 5000;  // the client's numbers wrap early

struct Connection {
  FlowStateId state = kNone;
  uint8_t seen = 0;
  TcpWindow window[2];
  Sides sides = Sides::kBoth;

  FlowStateId open(TcpSegment s, PickUp pick_up = PickUp::kSynOnly) {
    return state = open_tcp(s, pick_up, sides, seen, window);
  }
  FollowResult on(unsigned direction, TcpSegment s) { return follow_tcp({state, seen, window}, direction, s, sides); }

  // The three-way handshake.
  void establish() {
    ASSERT_EQ(open({kTcpSyn, kClientIsn}), kTcpSynSent);
    ASSERT_EQ(on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 1}), FollowResult::kAccept);
    ASSERT_EQ(state, kTcpSynReceived);
    ASSERT_EQ(on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1}), FollowResult::kAccept);
    ASSERT_EQ(state, kTcpEstablished);
  }
};

TEST(TcpState, ConnectsTransfersAndCloses) {
  Connection c;
  c.establish();
  EXPECT_EQ(c.on(0, {kTcpAck | kTcpPsh, kClientIsn + 1, kServerIsn + 1, 100}), FollowResult::kAccept);
  EXPECT_EQ(c.on(1, {kTcpAck, kServerIsn + 1, kClientIsn + 101, 1000}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpEstablished);
  EXPECT_EQ(c.on(0, {kTcpFin | kTcpAck, kClientIsn + 101, kServerIsn + 1001}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpFinWait);
  EXPECT_EQ(c.on(1, {kTcpAck, kServerIsn + 1001, kClientIsn + 101, 500}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpFinWait) << "does not acknowledge the FIN yet";
  EXPECT_EQ(c.on(1, {kTcpAck, kServerIsn + 1501, kClientIsn + 102}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpCloseWait);
  EXPECT_EQ(c.on(0, {kTcpFin | kTcpAck, kClientIsn + 101, kServerIsn + 1501}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpCloseWait) << "the same FIN again";
  EXPECT_EQ(c.on(1, {kTcpFin | kTcpAck, kServerIsn + 1501, kClientIsn + 102}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpLastAck);
  EXPECT_EQ(c.on(0, {kTcpAck, kClientIsn + 102, kServerIsn + 1502}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpTimeWait);
  EXPECT_EQ(c.on(1, {kTcpFin | kTcpAck, kServerIsn + 1501, kClientIsn + 102}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpTimeWait) << "the last ACK was lost";
  EXPECT_EQ(c.on(0, {kTcpSyn, kClientIsn + 9000}), FollowResult::kReopen);
}

TEST(TcpState, ServerClosesFirstAndAnswersTogether) {
  Connection c;
  c.establish();
  c.on(1, {kTcpFin | kTcpAck, kServerIsn + 1, kClientIsn + 1});
  EXPECT_EQ(c.state, kTcpFinWait);
  c.on(0, {kTcpFin | kTcpAck, kClientIsn + 1, kServerIsn + 2});
  EXPECT_EQ(c.state, kTcpLastAck);
  c.on(1, {kTcpAck, kServerIsn + 2, kClientIsn + 2});
  EXPECT_EQ(c.state, kTcpTimeWait);
}

TEST(TcpState, SimultaneousOpen) {
  Connection c;
  c.open({kTcpSyn, kClientIsn});
  EXPECT_EQ(c.on(1, {kTcpSyn, kServerIsn}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpSynSent2);
  EXPECT_EQ(c.on(0, {kTcpSyn | kTcpAck, kClientIsn, kServerIsn + 1}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpSynReceived);
  EXPECT_EQ(c.on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 1}), FollowResult::kAccept);
  EXPECT_EQ(c.on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1, 10}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpEstablished);
}

TEST(TcpState, FastOpenWhoseDataTheServerTakesOrNot) {
  for (const uint32_t taken : {0u, 500u}) {
    Connection c;
    c.open({kTcpSyn, kClientIsn, 0, 500});
    c.on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 1 + taken, 700});
    EXPECT_EQ(c.state, kTcpSynReceived);
    c.on(0, {kTcpAck, kClientIsn + 1 + taken, kServerIsn + 1});
    EXPECT_EQ(c.state, kTcpEstablished);
  }
}

TEST(TcpState, AnswersToAnOlderSynChangeNothing) {
  Connection c;
  c.open({kTcpSyn, kClientIsn});
  EXPECT_EQ(c.on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 0x40000000}), FollowResult::kAccept);
  EXPECT_EQ(c.on(1, {kTcpAck, kServerIsn, 77}), FollowResult::kAccept) << "a half-open server's challenge ACK";
  EXPECT_EQ(c.state, kTcpSynSent);
  EXPECT_EQ(c.on(0, {kTcpSyn, kClientIsn + 1000}), FollowResult::kAccept) << "another try with another number";
  EXPECT_EQ(c.on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 1001}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpSynReceived);
}

TEST(TcpState, RefusedConnection) {
  Connection c;
  c.open({kTcpSyn, kClientIsn});
  EXPECT_EQ(c.on(1, {kTcpRst | kTcpAck, 0, kClientIsn + 2}), FollowResult::kInvalid) << "not the answer to this SYN";
  EXPECT_EQ(c.on(1, {kTcpRst, 0, 0}), FollowResult::kInvalid);
  EXPECT_EQ(c.state, kTcpSynSent);
  EXPECT_EQ(c.on(1, {kTcpRst | kTcpAck, 0, kClientIsn + 1}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpClose);
  EXPECT_EQ(c.on(0, {kTcpSyn, kClientIsn}), FollowResult::kReopen) << "the client tries again";
}

TEST(TcpState, ResetClosesOnlyWithTheExactNumber) {
  for (const unsigned side : {0u, 1u}) {
    Connection c;
    c.establish();
    c.on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1, 3000});
    c.on(1, {kTcpAck, kServerIsn + 1, kClientIsn + 1001, 3000});  // has taken 1000 of 3000
    c.on(0, {kTcpAck, kClientIsn + 3001, kServerIsn + 1001});
    const uint32_t acked = side == 0 ? kClientIsn + 1001 : kServerIsn + 1001;
    const uint32_t end = side == 0 ? kClientIsn + 3001 : kServerIsn + 3001;
    EXPECT_EQ(c.on(side, {kTcpRst, acked + 5}), FollowResult::kAccept) << "in the window: may draw a challenge ACK";
    EXPECT_EQ(c.on(side, {kTcpRst, end + 1000}), FollowResult::kAccept);
    EXPECT_EQ(c.state, kTcpEstablished);
    EXPECT_EQ(c.on(side, {kTcpRst, acked - 1}), FollowResult::kInvalid);
    EXPECT_EQ(c.on(side, {kTcpRst, acked + 0x50000000}), FollowResult::kInvalid);
    EXPECT_EQ(c.on(side, {kTcpRst, acked - 0x50000000}), FollowResult::kInvalid);
    EXPECT_EQ(c.state, kTcpEstablished);
    Connection copy = c;
    copy.on(side, {kTcpRst, acked});
    EXPECT_EQ(copy.state, kTcpClose);
    c.on(side, {kTcpRst | kTcpAck, end, 1});
    EXPECT_EQ(c.state, kTcpClose);
  }
}

TEST(TcpState, PicksUpInTheMiddleOnlyWhenAllowed) {
  Connection c;
  EXPECT_EQ(c.open({kTcpAck, 100, 200, 50}), kNone);
  EXPECT_EQ(c.open({kTcpFin | kTcpAck, 100, 200}), kNone);
  EXPECT_EQ(c.open({kTcpAck, 100, 200, 50}, PickUp::kLoose), kTcpEstablished);
  c.on(1, {kTcpAck, 200, 150, 1000});
  EXPECT_EQ(c.on(1, {kTcpRst, 7777777}), FollowResult::kAccept);
  EXPECT_EQ(c.state, kTcpEstablished);
  c.on(1, {kTcpRst, 1200});
  EXPECT_EQ(c.state, kTcpClose);
  EXPECT_EQ(c.open({kTcpFin | kTcpAck, 100, 200}, PickUp::kLoose), kTcpFinWait);
  c.on(1, {kTcpFin | kTcpAck, 200, 101});
  EXPECT_EQ(c.state, kTcpLastAck);
  for (const PickUp pick_up : {PickUp::kSynOnly, PickUp::kLoose}) {
    EXPECT_EQ(c.open({kTcpSyn | kTcpAck, 1, 2}, pick_up), kNone);
    EXPECT_EQ(c.open({kTcpRst, 1, 2}, pick_up), kNone);
  }
}

TEST(TcpState, OneWayFlows) {
  Connection c;
  c.sides = Sides::kOriginalOnly;
  EXPECT_EQ(c.open({kTcpSyn, kClientIsn}), kTcpSynReceived);
  EXPECT_EQ(c.on(0, {kTcpSyn, kClientIsn}), FollowResult::kAccept);
  c.on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1});
  EXPECT_EQ(c.state, kTcpEstablished);
  c.on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1, 100});
  c.on(0, {kTcpRst, kClientIsn + 50});
  EXPECT_EQ(c.state, kTcpEstablished) << "not the exact number";
  Connection reset = c;
  reset.on(0, {kTcpRst, kClientIsn + 101});
  EXPECT_EQ(reset.state, kTcpClose);
  EXPECT_EQ(reset.on(0, {kTcpSyn, 1}), FollowResult::kReopen);
  c.on(0, {kTcpFin | kTcpAck, kClientIsn + 101, kServerIsn + 1});
  EXPECT_EQ(c.state, kTcpFinWait);
  c.on(0, {kTcpAck, kClientIsn + 102, kServerIsn + 2});
  EXPECT_EQ(c.state, kTcpFinWait);
  EXPECT_EQ(c.on(0, {kTcpSyn, 1}), FollowResult::kReopen);
}

TEST(TcpState, ScansAreNoSegments) {
  Connection c;
  c.establish();
  for (unsigned flags = 0; flags < 64; ++flags) {
    const bool syn = flags & kTcpSyn, fin = flags & kTcpFin, rst = flags & kTcpRst, ack = flags & kTcpAck;
    const bool impossible = (!syn && !rst && !ack) || (syn && (fin || rst)) || (fin && (rst || !ack));
    Connection copy = c;
    const FollowResult result = copy.on(1, {static_cast<uint8_t>(flags), kServerIsn + 1, kClientIsn + 1});
    EXPECT_EQ(result == FollowResult::kInvalid, impossible) << flags;
    if (impossible) {
      EXPECT_EQ(copy.state, kTcpEstablished);
      EXPECT_EQ(copy.open({static_cast<uint8_t>(flags), 1, 1}, PickUp::kLoose), kNone);
    }
  }
}

// ---- the whole table ----------------------------------------------------------------------------------------------

// A connection brought to `state` by the client closing (or opening) first; all that was sent is acknowledged unless
// the state says otherwise.
Connection in_state(FlowStateId state) {
  Connection c;
  c.open({kTcpSyn, kClientIsn});
  if (state == kTcpSynSent) return c;
  if (state == kTcpSynSent2) {
    c.on(1, {kTcpSyn, kServerIsn});
    return c;
  }
  c.on(1, {kTcpSyn | kTcpAck, kServerIsn, kClientIsn + 1});
  if (state == kTcpSynReceived) return c;
  c.on(0, {kTcpAck, kClientIsn + 1, kServerIsn + 1});
  if (state == kTcpEstablished) return c;
  if (state == kTcpClose) {
    c.on(0, {kTcpRst, kClientIsn + 1});
    return c;
  }
  c.on(0, {kTcpFin | kTcpAck, kClientIsn + 1, kServerIsn + 1});
  if (state == kTcpFinWait) return c;
  c.on(1, {kTcpAck, kServerIsn + 1, kClientIsn + 2});
  if (state == kTcpCloseWait) return c;
  c.on(1, {kTcpFin | kTcpAck, kServerIsn + 1, kClientIsn + 2});
  if (state == kTcpLastAck) return c;
  c.on(0, {kTcpAck, kClientIsn + 2, kServerIsn + 2});
  return c;
}

// Rows: state. Columns: SYN, SYN+ACK, FIN, ACK, exact RST; first of the client, then of the server. Segments carry the
// sequence number that the sender has reached and acknowledge everything. "-": invalid, "=": accepted without change,
// "new": reopen.
const std::map<FlowStateId, std::array<const char*, 10>> kTable{
    {kTcpSynSent, {"=", "-", "-", "-", "close", "syn_sent2", "syn_recv", "-", "=", "close"}},
    {kTcpSynSent2, {"=", "syn_recv", "-", "-", "close", "=", "syn_recv", "-", "-", "close"}},
    {kTcpSynReceived, {"=", "=", "fin_wait", "established", "close", "-", "=", "fin_wait", "=", "close"}},
    {kTcpEstablished, {"=", "-", "fin_wait", "=", "close", "=", "=", "fin_wait", "=", "close"}},
    {kTcpFinWait, {"=", "=", "=", "=", "close", "=", "=", "last_ack", "close_wait", "close"}},
    {kTcpCloseWait, {"=", "=", "=", "=", "close", "=", "=", "last_ack", "=", "close"}},
    {kTcpLastAck, {"=", "=", "time_wait", "time_wait", "close", "=", "=", "=", "=", "close"}},
    {kTcpTimeWait, {"new", "-", "=", "=", "close", "new", "=", "=", "=", "close"}},
    {kTcpClose, {"new", "-", "=", "=", "=", "new", "=", "=", "=", "="}},
};

TEST(TcpState, WholeTransitionTable) {
  constexpr std::array<uint8_t, 5> kFlags{kTcpSyn, kTcpSyn | kTcpAck, kTcpFin | kTcpAck, kTcpAck, kTcpRst | kTcpAck};
  for (const auto& [state, row] : kTable)
    for (unsigned column = 0; column < row.size(); ++column) {
      Connection c = in_state(state);
      ASSERT_EQ(c.state, state);
      const unsigned side = column / kFlags.size();
      const TcpSegment segment{kFlags[column % kFlags.size()], c.window[side].end, c.window[1 - side].end};
      const FollowResult result = c.on(side, segment);
      std::string outcome = c.state == state ? "=" : to_string(c.state);
      if (result == FollowResult::kInvalid) outcome = "-";
      if (result == FollowResult::kReopen) outcome = "new";
      EXPECT_EQ(outcome, row[column]) << to_string(state) << " side " << side << " flags " << unsigned{segment.flags};
      if (result != FollowResult::kAccept) {
        EXPECT_EQ(c.state, state);
      }
    }
}

// ---- hostile ------------------------------------------------------------------------------------------------------

TEST(TcpState, BlindGuessesDoNotEstablish) {
  std::mt19937 random(11);
  int established = 0;
  for (int i = 0; i < 20'000; ++i) {
    Connection c;
    c.open({kTcpSyn, kClientIsn});
    c.on(1, {kTcpSyn | kTcpAck, static_cast<uint32_t>(random()), kClientIsn + 1});
    c.on(0, {kTcpAck, kClientIsn + 1, static_cast<uint32_t>(random())});
    established += c.state == kTcpEstablished;
  }
  EXPECT_LE(established, 3);  // 20000 / 65536 expected
}

TEST(TcpState, BlindSegmentsDoNotEndAFlow) {
  std::mt19937 random(12);
  int ended = 0;
  for (int i = 0; i < 20'000; ++i) {
    Connection c;
    c.establish();
    const auto guess = static_cast<uint32_t>(random());
    c.on(i % 2, {kTcpRst, guess});
    c.on(i % 2, {kTcpRst | kTcpAck, static_cast<uint32_t>(random()), guess});
    ended += c.state != kTcpEstablished;
  }
  EXPECT_EQ(ended, 0);
  int closing = 0;
  for (int i = 0; i < 20'000; ++i) {
    Connection c;
    c.establish();
    c.on(i % 2, {kTcpFin | kTcpAck, static_cast<uint32_t>(random()), static_cast<uint32_t>(random())});
    closing += c.state != kTcpEstablished;
  }
  EXPECT_LT(closing, 20'000 / 20);  // 1 in 32
}

// Whatever arrives, the state is one of TCP's and invalid segments change nothing.
TEST(TcpState, RandomSegmentsKeepItATcpState) {
  std::mt19937 random(13);
  for (int round = 0; round < 2000; ++round) {
    Connection c;
    c.sides = round % 4 == 0 ? Sides::kOriginalOnly : Sides::kBoth;
    c.open({kTcpSyn, kClientIsn});
    for (int i = 0; i < 50; ++i) {
      const uint32_t near = c.window[random() % 2].end + random() % 3 - 1;
      const Connection before = c;
      const TcpSegment s{static_cast<uint8_t>(random() % 64), random() % 4 ? near : static_cast<uint32_t>(random()),
                         random() % 4 ? c.window[random() % 2].end : static_cast<uint32_t>(random()),
                         static_cast<uint32_t>(random() % 1500)};
      const unsigned direction = c.sides == Sides::kBoth ? random() % 2 : 0;
      const FollowResult result = c.on(direction, s);
      ASSERT_TRUE(is_tcp(c.state));
      if (result != FollowResult::kAccept) {
        ASSERT_EQ(c.state, before.state);
        ASSERT_EQ(c.window[0].end, before.window[0].end);
      }
    }
  }
}

// ---- the rest -----------------------------------------------------------------------------------------------------

TEST(FlowState, ProtocolsWithoutConnections) {
  EXPECT_EQ(open_other(17), kUdp);
  EXPECT_EQ(open_other(1), kIcmp);
  EXPECT_EQ(open_other(58), kIcmp);
  EXPECT_EQ(open_other(47), kOther);
  EXPECT_EQ(follow_other(kUdp, 0), kUdp);
  EXPECT_EQ(follow_other(kUdp, 1), kUdpStream);
  EXPECT_EQ(follow_other(kUdpStream, 0), kUdpStream);
  EXPECT_EQ(follow_other(kIcmp, 1), kIcmp);
  EXPECT_EQ(follow_other(kOther, 1), kOtherStream);
}

TEST(FlowState, TimeoutsAreThoseOfConntrack) {
  const StateTimeouts t;
  const std::map<FlowStateId, unsigned> seconds{{kTcpSynSent, 120},  {kTcpSynReceived, 60}, {kTcpEstablished, 432000},
                                                {kTcpFinWait, 120},  {kTcpCloseWait, 60},   {kTcpLastAck, 30},
                                                {kTcpTimeWait, 120}, {kTcpClose, 10},       {kTcpSynSent2, 120},
                                                {kUdp, 30},          {kUdpStream, 120},     {kIcmp, 30},
                                                {kOther, 600},       {kOtherStream, 600}};
  for (const auto& [state, value] : seconds) EXPECT_EQ(t.of(state), value * 1000) << to_string(state);
  Timeouts forever;
  forever.tcp_established = 0xffffffff;
  EXPECT_EQ(StateTimeouts(forever).of(kTcpEstablished), kLongestTimeout);
}

TEST(FlowState, EveryStateHasANameAndAKind) {
  std::set<std::string> names;
  for (size_t i = 0; i < kFlowStateIds; ++i) {
    const auto state = static_cast<FlowStateId>(i);
    names.insert(to_string(state));
    EXPECT_FALSE(is_embryonic(state) && is_established(state));
    if (state != kNone) {
      EXPECT_TRUE(is_embryonic(state) || is_established(state));
    }
  }
  EXPECT_EQ(names.size(), kFlowStateIds);
}

}  // namespace
}  // namespace penstock::flow
