// What came of ServiceSubsets: whether their Service is there, and whether endpoints carry their labels. Pure, of the
// state that is live. Made once for all subsets that are asked about: it walks all EndpointSlices and Workloads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/model/gateway_status.h"
#include "control/model/state.h"

namespace penstock::model {

struct SubsetStatus {
  size_t endpoints = 0, ready = 0;    // that carry the labels
  std::vector<Condition> conditions;  // ResolvedRefs, Ready
};

class SubsetView {
 public:
  explicit SubsetView(const State& state);  // must outlive it
  SubsetStatus status_of(const ServiceSubset& subset) const;

 private:
  const State& state_;
  WorkloadLabels labels_;
  std::map<Name, SliceList> slices_;  // by service
};

}  // namespace penstock::model
