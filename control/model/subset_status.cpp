#include "control/model/subset_status.h"

#include <algorithm>

#include "control/model/faults.h"

namespace penstock::model {

namespace {

// A key that an endpoint must carry and none does: most likely it is misspelt. Null: there is no such key.
const std::string* unknown_key(const ServiceSubset& subset, const SliceList& slices, const WorkloadLabels& labels) {
  const auto is_carried = [&](const std::string& key) {
    for (const auto& slice : slices)
      for (const Endpoint& endpoint : slice->endpoints)
        for (const base::IpAddress& address : endpoint.addresses)
          if (EndpointLabels{slice->labels, labels.of(subset.service.space, address)}(key)) return true;
    return false;
  };
  for (const auto& [key, value] : subset.selector.labels)
    if (!is_carried(key)) return &key;
  for (const LabelRequirement& each : subset.selector.requirements) {
    const bool demanded = each.is == LabelRequirement::Operator::kIn || each.is == LabelRequirement::Operator::kExists;
    if (demanded && !is_carried(each.key)) return &each.key;
  }
  return nullptr;
}

}  // namespace

SubsetView::SubsetView(const State& state) : state_(state), labels_(state.workloads) {
  for (const auto& [name, slice] : state.slices) slices_[slice->service].push_back(slice);
}

SubsetStatus SubsetView::status_of(const ServiceSubset& subset) const {
  SubsetStatus out;
  const std::string service = ObjectKey{Kind::kService, subset.service}.to_string();
  out.conditions.push_back(state_.services.contains(subset.service)
                               ? Condition{"ResolvedRefs", true, "ResolvedRefs", service + " is there"}
                               : Condition{"ResolvedRefs", false, "ServiceNotFound", "there is no " + service});
  static const SliceList kNone;
  const auto found = slices_.find(subset.service);
  const SliceList& slices = found == slices_.end() ? kNone : found->second;
  const Selection selection = select(subset, slices, labels_);
  out.endpoints = selection.endpoints;
  out.ready = selection.ready;
  if (selection.ready != 0) {
    out.conditions.push_back({"Ready", true, "Ready", text(selection.ready, " of its endpoints are ready")});
    return out;
  }
  const std::string* unknown = selection.endpoints == 0 ? unknown_key(subset, slices, labels_) : nullptr;
  const std::string what = unknown                    ? "no endpoint of " + service + " has a label " + *unknown
                           : selection.endpoints == 0 ? "no endpoint of " + service + " carries the labels"
                                                      : "none of its endpoints is ready";
  out.conditions.push_back({"Ready", false,
                            unknown                    ? "UnknownLabel"
                            : selection.endpoints == 0 ? "NoEndpoints"
                                                       : "NotReady",
                            what + (selection.fallen_back ? ": all endpoints of the Service serve in their place"
                                                          : ": requests are answered 503")});
  return out;
}

}  // namespace penstock::model
