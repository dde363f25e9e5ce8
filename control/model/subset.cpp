#include "control/model/subset.h"

#include <algorithm>

namespace penstock::model {

namespace {

// What both say.
void keep_common(Labels& labels, const Labels& others) {
  std::erase_if(labels, [&](const auto& label) {
    const auto other = others.find(label.first);
    return other == others.end() || other->second != label.second;
  });
}

}  // namespace

WorkloadLabels::WorkloadLabels(const Objects<Workload>& workloads) {
  const bool any =
      std::any_of(workloads.begin(), workloads.end(), [](const auto& each) { return !each.second->labels.empty(); });
  if (!any) return;
  for (const auto& [name, workload] : workloads) {
    for (const base::Prefix& prefix : workload->addresses) {
      (prefix.is_v4() ? lengths4_ : lengths6_).insert(prefix.length);
      const auto [at, fresh] = by_prefix_.try_emplace({name.space, prefix}, workload->labels);
      if (!fresh) keep_common(at->second, workload->labels);
    }
  }
}

const Labels* WorkloadLabels::of(const std::string& space, const base::IpAddress& address) const {
  for (const uint8_t length : address.is_v4() ? lengths4_ : lengths6_)
    if (const auto at = by_prefix_.find({space, base::Prefix{address, length}.network()}); at != by_prefix_.end())
      return &at->second;
  return nullptr;
}

const std::string* EndpointLabels::operator()(const std::string& key) const {
  if (workload)
    if (const auto at = workload->find(key); at != workload->end()) return &at->second;
  const auto at = slice.find(key);
  return at == slice.end() ? nullptr : &at->second;
}

Selection select(const ServiceSubset& subset, const SliceList& slices, const WorkloadLabels& labels) {
  Selection out;
  std::set<base::IpAddress> all, ready;
  for (const auto& slice : slices) {
    std::vector<Endpoint> chosen;
    for (const Endpoint& endpoint : slice->endpoints) {
      Endpoint part = endpoint;
      std::erase_if(part.addresses, [&](const base::IpAddress& address) {
        return !selects(subset.selector, EndpointLabels{slice->labels, labels.of(subset.service.space, address)});
      });
      if (part.addresses.empty()) continue;
      all.insert(part.addresses.begin(), part.addresses.end());
      if (part.ready) ready.insert(part.addresses.begin(), part.addresses.end());
      chosen.push_back(std::move(part));
    }
    if (chosen.empty()) continue;
    EndpointSlice part = {slice->name, slice->service, slice->labels, slice->fqdn, std::move(chosen), slice->ports};
    out.slices.push_back(std::make_shared<const EndpointSlice>(std::move(part)));
  }
  out.endpoints = all.size();
  out.ready = ready.size();
  if (subset.fallback == SubsetFallback::kNone || out.ready != 0) return out;
  out.fallen_back = true;
  out.slices = slices;
  return out;
}

}  // namespace penstock::model
