// What stands before the requests of a listener or a rule: the access policies and the inspection attached to it, by
// number, and everything they need.
//
// Part of a generation (route::L7Config): built by control, immutable but for the scratches, of which each worker uses
// only its own. A request meets two lists: that of the listener it came by, and that of the rule that serves it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "l7/guard/access.h"
#include "l7/guard/inspection.h"

namespace penstock::guard {

struct Guards {
  std::vector<uint32_t> access;   // numbers of policies in Access
  uint32_t inspection = kNoSlot;  // a slot in Set::inspections
};

// The owner of a counter, for metrics and logs.
struct Counted {
  uint32_t slot = 0;
  bool inspects = false;  // a pattern of a RequestInspection, else a rule of a RequestAccessPolicy
  std::string object;     // "namespace/name"
  std::string part;       // the pattern; the rule, empty: no rule was met
  std::string verdict;    // "log", "deny", "tag", "limit"; "allowed", "denied", "would_allow", "would_deny"
};

struct Set {
  std::vector<Guards> lists;  // config::Action and config::Listener name them by number
  std::shared_ptr<const Access> access;
  std::vector<std::shared_ptr<AccessScratch>> access_scratches;          // by worker
  std::vector<std::shared_ptr<const Inspection>> inspections;            // by slot; null: nobody's
  std::vector<std::shared_ptr<InspectionScratch>> inspection_scratches;  // by worker
  std::vector<Counted> counted;
};

}  // namespace penstock::guard
