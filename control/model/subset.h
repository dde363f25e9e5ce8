// Kind ServiceSubset (penstock.io/v1alpha1): the endpoints of a Service that carry certain labels, as a backend of
// routes. Field names are in control/api/subset.proto.
//
// An endpoint carries the labels of the EndpointSlice that names it and, before those, of the Workload in its Service's
// namespace whose longest prefix holds its address. Of several Workloads with that prefix, which MACs tell apart, those
// labels count that all of them have.
//
// Pure values and functions. Compilation and status both ask here, so that they cannot disagree.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/model/labels.h"
#include "control/model/objects.h"
#include "control/model/service.h"
#include "control/model/workload.h"

namespace penstock::model {

constexpr const char* kPenstockGroup = "penstock.io";

constexpr size_t kMaxSubsets = 4096;          // each is asked about each endpoint of its Service at each change
constexpr size_t kMaxSubsetsOfService = 256;  // of 4096 endpoints: a quarter of a second of the control thread

// What serves while the slices call none of the subset's endpoints ready. Envoy's names (LbSubsetConfig).
enum class SubsetFallback : uint8_t { kNone, kAnyEndpoint };

struct ServiceSubset {
  Name name;
  Name service;  // spec.service, in the same namespace
  LabelSelector selector;
  SubsetFallback fallback = SubsetFallback::kNone;
  bool operator==(const ServiceSubset&) const = default;
};

// The labels of Workloads, by address.
class WorkloadLabels {
 public:
  explicit WorkloadLabels(const Objects<Workload>& workloads);

  // Of a Service's namespace; null: no Workload there has the address.
  const Labels* of(const std::string& space, const base::IpAddress& address) const;

 private:
  std::map<std::pair<std::string, base::Prefix>, Labels> by_prefix_;
  std::set<uint8_t, std::greater<>> lengths4_, lengths6_;  // that occur
};

struct EndpointLabels {
  const Labels& slice;
  const Labels* workload;  // null: none

  const std::string* operator()(const std::string& key) const;  // null: it carries none
};

using SliceList = std::vector<std::shared_ptr<const EndpointSlice>>;

// The slices of the subset's Service with only those endpoints that it selects, or with all of them where it falls
// back.
struct Selection {
  SliceList slices;
  size_t endpoints = 0;  // that carry the labels, by address; each once
  size_t ready = 0;      // of those
  bool fallen_back = false;
};
Selection select(const ServiceSubset& subset, const SliceList& slices, const WorkloadLabels& labels);

}  // namespace penstock::model
