// What kept a trial's figure from being higher: nothing ("none": the load was kept), the "subject", or the "generator"
// itself, whose figure it then is (perf/LAB.md, "Generators"). A pure function of what was counted.
#pragma once

#include "requests/part.h"
#include "requests/spec.h"

namespace penstock::requests {

struct Outcome {
  ArrivalKind arrivals = ArrivalKind::kClosed;
  uint32_t connections = 0;  // that were asked for
  double busy = 0;           // of the loop's time
  uint64_t lost = 0;         // packets that our own ports lost, or had no buffer for
};

inline const char* bound(const Outcome& outcome, const ClientTally& t) {
  constexpr double kBusy = 0.95;    // of its time: the generator has nothing left
  constexpr double kShare = 0.001;  // of the requests
  const auto many = [](uint64_t some, uint64_t all) {
    return static_cast<double>(some) > kShare * static_cast<double>(all);
  };
  const uint64_t asked = t.requests + t.errors.total() + t.unsent + t.unanswered;
  const bool on_time = t.unsent + t.unanswered == 0 && !many(t.requests - t.in_time, t.requests);
  const bool kept = (outcome.arrivals == ArrivalKind::kOpen && on_time) ||
                    (outcome.arrivals == ArrivalKind::kHold && t.held == outcome.connections);
  if (many(t.late, asked) || t.errors.ports != 0 || outcome.lost != 0) return "generator";
  if (kept) return "none";
  return outcome.busy > kBusy ? "generator" : "subject";
}

}  // namespace penstock::requests
