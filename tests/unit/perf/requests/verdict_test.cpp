#include "requests/verdict.h"

#include <gtest/gtest.h>

namespace penstock::requests {
namespace {

ClientTally good(uint64_t requests) {
  ClientTally tally;
  tally.requests = tally.in_time = requests;
  return tally;
}

TEST(Verdict, OfAnOpenLoop) {
  const Outcome idle{.arrivals = ArrivalKind::kOpen, .connections = 4, .busy = 0.3, .lost = 0};
  EXPECT_STREQ(bound(idle, good(10'000)), "none");
  ClientTally t = good(10'000);
  t.unsent = 1;
  EXPECT_STREQ(bound(idle, t), "subject");
  t = good(10'000);
  t.late = 11;
  EXPECT_STREQ(bound(idle, t), "generator");
  t = good(10'000);
  t.errors.ports = 1;
  EXPECT_STREQ(bound(idle, t), "generator");
}

TEST(Verdict, ARateThatWasOnlyKeptAfterTheTimeWasNotKept) {
  Outcome outcome{.arrivals = ArrivalKind::kOpen, .connections = 4, .busy = 0.3, .lost = 0};
  ClientTally t = good(10'000);
  t.in_time = 9'990;
  EXPECT_STREQ(bound(outcome, t), "none");
  t.in_time = 9'989;
  EXPECT_STREQ(bound(outcome, t), "subject");
  outcome.busy = 0.96;
  EXPECT_STREQ(bound(outcome, t), "generator");
}

TEST(Verdict, OfClosedLoopAndHeldConnections) {
  EXPECT_STREQ(bound({.arrivals = ArrivalKind::kClosed, .connections = 4, .busy = 0.5, .lost = 0}, good(10)),
               "subject");
  EXPECT_STREQ(bound({.arrivals = ArrivalKind::kClosed, .connections = 4, .busy = 1, .lost = 0}, good(10)),
               "generator");
  const Outcome hold{.arrivals = ArrivalKind::kHold, .connections = 4, .busy = 0.5, .lost = 0};
  ClientTally t = good(4);
  t.held = 4;
  EXPECT_STREQ(bound(hold, t), "none");
  t.held = 3;
  EXPECT_STREQ(bound(hold, t), "subject");
}

TEST(Verdict, PacketsThatOurPortsLostAreTheGenerators) {
  for (const ArrivalKind kind : {ArrivalKind::kOpen, ArrivalKind::kClosed, ArrivalKind::kHold})
    EXPECT_STREQ(bound({.arrivals = kind, .connections = 0, .busy = 0.1, .lost = 1}, good(10'000)), "generator");
}

}  // namespace
}  // namespace penstock::requests
