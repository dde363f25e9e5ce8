// Which endpoints a ServiceSubset selects, against a naive reading of its sentences; and what is told about it.
#include "control/model/subset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "control/model/gateway_status.h"
#include "control/model/subset_status.h"
#include "tests/unit/control/model/sample_gateway.h"

namespace penstock::model {
namespace {

using Operator = LabelRequirement::Operator;

EndpointSlice slice_of(std::string name, Labels labels, std::vector<Endpoint> endpoints) {
  EndpointSlice slice = sample_slice();
  slice.name = named(std::move(name));
  slice.labels = std::move(labels);
  slice.endpoints = std::move(endpoints);
  return slice;
}

SliceList list_of(std::vector<EndpointSlice> slices) {
  SliceList out;
  for (EndpointSlice& slice : slices) out.push_back(std::make_shared<const EndpointSlice>(std::move(slice)));
  return out;
}

// "10.0.0.11 10.0.0.12", in the order of slices.
std::string text_of(const SliceList& slices) {
  std::string out;
  for (const auto& slice : slices)
    for (const Endpoint& endpoint : slice->endpoints)
      for (const base::IpAddress& address : endpoint.addresses) out += (out.empty() ? "" : " ") + address.to_string();
  return out;
}

Objects<Workload> workloads_of(std::vector<Workload> list) {
  Objects<Workload> out;
  for (Workload& each : list) put(out, std::move(each));
  return out;
}

TEST(Subset, LabelsComeFromWorkloadsByTheLongestPrefix) {
  auto elsewhere = sample_workload("elsewhere", {{"version", "v9"}}, {net("10.0.0.11/32")});
  elsewhere.name.space = "other";
  const WorkloadLabels labels(
      workloads_of({elsewhere, sample_workload("rack", {{"version", "v1"}}, {net("10.0.0.0/24")}),
                    sample_workload("one", {{"version", "v2"}}, {net("10.0.0.11/32")}),
                    sample_workload("bare", {}, {net("10.0.0.12/32")}),
                    sample_workload("six", {{"version", "v6"}}, {net("2001:db8::/64")})}));
  const auto version = [&](const char* address) {
    const Labels* found = labels.of("default", ip(address));
    if (!found) return std::string("none");
    return found->empty() ? "empty" : found->at("version");
  };
  EXPECT_EQ(version("10.0.0.11"), "v2");
  EXPECT_EQ(version("10.0.0.12"), "empty");  // hides the wider one, as its identity does
  EXPECT_EQ(version("10.0.0.13"), "v1");
  EXPECT_EQ(version("10.0.1.13"), "none");
  EXPECT_EQ(version("2001:db8::7"), "v6");
  EXPECT_EQ(version("2001:db9::7"), "none");
  EXPECT_EQ(labels.of("other", ip("10.0.0.11"))->at("version"), "v9");
  EXPECT_EQ(labels.of("third", ip("10.0.0.11")), nullptr);
}

TEST(Subset, OfWorkloadsThatShareAPrefixWhatAllSayCounts) {
  const WorkloadLabels labels(workloads_of({
      sample_workload("a", {{"app", "web"}, {"version", "v1"}}, {net("10.0.0.11/32")}),
      sample_workload("b", {{"app", "web"}, {"version", "v2"}, {"x", "y"}}, {net("10.0.0.11/32")}),
  }));
  EXPECT_EQ(*labels.of("default", ip("10.0.0.11")), (Labels{{"app", "web"}}));
}

TEST(Subset, AWorkloadSpeaksBeforeTheSlice) {
  const WorkloadLabels labels(workloads_of({sample_workload("one", {{"version", "v2"}}, {net("10.0.0.11/32")})}));
  const SliceList slices =
      list_of({slice_of("web-1", {{"version", "v1"}, {"track", "stable"}},
                        {{.addresses = {ip("10.0.0.11")}}, {.addresses = {ip("10.0.0.12"), ip("10.0.0.13")}}})});
  EXPECT_EQ(text_of(select(sample_subset("a", {{"version", "v2"}}), slices, labels).slices), "10.0.0.11");
  EXPECT_EQ(text_of(select(sample_subset("b", {{"version", "v1"}}), slices, labels).slices), "10.0.0.12 10.0.0.13");
  EXPECT_EQ(text_of(select(sample_subset("c", {{"track", "stable"}}), slices, labels).slices),
            "10.0.0.11 10.0.0.12 10.0.0.13");
  EXPECT_EQ(text_of(select(sample_subset("d", {{"track", "stable"}, {"version", "v2"}}), slices, labels).slices),
            "10.0.0.11");
}

TEST(Subset, FallsBackWhileNoneIsReady) {
  const SliceList slices = list_of({slice_of("web-1", {{"version", "v1"}}, {{.addresses = {ip("10.0.0.11")}}}),
                                    slice_of("web-2", {{"version", "v2"}},
                                             {{.addresses = {ip("10.0.0.12")}, .ready = false, .terminating = true}})});
  const WorkloadLabels labels({});
  ServiceSubset subset = sample_subset("canary", {{"version", "v2"}});
  Selection chosen = select(subset, slices, labels);
  EXPECT_EQ(text_of(chosen.slices), "10.0.0.12");
  EXPECT_FALSE(chosen.fallen_back);
  subset.fallback = SubsetFallback::kAnyEndpoint;
  chosen = select(subset, slices, labels);
  EXPECT_EQ(text_of(chosen.slices), "10.0.0.11 10.0.0.12");
  EXPECT_TRUE(chosen.fallen_back);
  EXPECT_EQ(chosen.endpoints, 1U);
  EXPECT_EQ(chosen.ready, 0U);
  subset.selector.labels = {{"version", "v1"}};
  EXPECT_EQ(text_of(select(subset, slices, labels).slices), "10.0.0.11");
}

// The same sentences read without any index: all prefixes of all Workloads, one after the other.
struct Naive {
  const Objects<Workload>& workloads;

  std::optional<std::string> label(const std::string& space, const base::IpAddress& address, const Labels& slice,
                                   const std::string& key) const {
    int longest = -1;
    for (const auto& [name, workload] : workloads)
      for (const base::Prefix& prefix : workload->addresses)
        if (name.space == space && prefix.contains(address)) longest = std::max<int>(longest, prefix.length);
    std::optional<std::string> common;
    bool first = true, differs = false;
    for (const auto& [name, workload] : workloads) {
      for (const base::Prefix& prefix : workload->addresses) {
        if (name.space != space || !prefix.contains(address) || prefix.length != longest) continue;
        const auto at = workload->labels.find(key);
        const auto value = at == workload->labels.end() ? std::nullopt : std::optional(at->second);
        differs |= !first && value != common;
        if (first) common = value;
        first = false;
      }
    }
    if (common && !differs) return common;
    const auto at = slice.find(key);
    return at == slice.end() ? std::nullopt : std::optional(at->second);
  }

  bool selects(const ServiceSubset& subset, const base::IpAddress& address, const Labels& slice) const {
    const auto of = [&](const std::string& key) { return label(subset.service.space, address, slice, key); };
    for (const auto& [key, value] : subset.selector.labels)
      if (of(key) != std::optional(value)) return false;
    for (const LabelRequirement& each : subset.selector.requirements) {
      const auto value = of(each.key);
      const bool listed = value && std::count(each.values.begin(), each.values.end(), *value) != 0;
      if (each.is == Operator::kIn && !listed) return false;
      if (each.is == Operator::kNotIn && listed) return false;
      if (each.is == Operator::kExists && !value) return false;
      if (each.is == Operator::kDoesNotExist && value) return false;
    }
    return true;
  }
};

TEST(Subset, SelectsWhatANaiveReadingSelects) {
  std::mt19937 random(104);
  const auto below = [&](unsigned n) { return random() % n; };
  const auto key = [&] { return std::string(1, static_cast<char>('a' + below(3))); };
  const auto value = [&] { return std::string(1, static_cast<char>('0' + below(3))); };
  const auto some_labels = [&] {
    Labels labels;
    for (unsigned i = below(3); i > 0; --i) labels[key()] = value();
    return labels;
  };
  const auto address = [&] { return base::IpAddress::v4(0x0a000000 + below(16)); };
  size_t selected = 0, asked = 0;
  for (int round = 0; round < 2000; ++round) {
    Objects<Workload> workloads;
    for (unsigned i = below(6); i > 0; --i) {
      auto each = sample_workload("w" + std::to_string(i), some_labels(), {});
      if (below(4) == 0) each.name.space = "other";
      for (unsigned n = below(3); n > 0; --n)
        each.addresses.push_back(base::Prefix{address(), static_cast<uint8_t>(28 + below(5))}.network());
      put(workloads, each);
    }
    std::vector<EndpointSlice> made;
    for (unsigned i = 1 + below(2); i > 0; --i) {
      std::vector<Endpoint> endpoints(1 + below(3));
      for (Endpoint& each : endpoints) {
        each.addresses = {address(), address()};
        each.ready = below(3) != 0;
      }
      made.push_back(slice_of("s" + std::to_string(i), some_labels(), endpoints));
    }
    const SliceList slices = list_of(made);
    ServiceSubset subset = sample_subset("x", some_labels());
    for (unsigned i = below(3); i > 0; --i) {
      LabelRequirement& each = subset.selector.requirements.emplace_back();
      each = {key(), static_cast<Operator>(below(4)), {}};
      if (each.is == Operator::kIn || each.is == Operator::kNotIn) each.values = {value(), value()};
    }
    const Naive naive{workloads};
    std::set<base::IpAddress> want, want_ready;
    for (const EndpointSlice& slice : made) {
      for (const Endpoint& endpoint : slice.endpoints) {
        for (const base::IpAddress& each : endpoint.addresses) {
          ++asked;
          if (!naive.selects(subset, each, slice.labels)) continue;
          want.insert(each);
          if (endpoint.ready) want_ready.insert(each);
        }
      }
    }
    subset.fallback = below(2) ? SubsetFallback::kAnyEndpoint : SubsetFallback::kNone;
    const Selection got = select(subset, slices, WorkloadLabels(workloads));
    const bool falls = subset.fallback == SubsetFallback::kAnyEndpoint && want_ready.empty();
    ASSERT_EQ(got.fallen_back, falls) << "round " << round;
    ASSERT_EQ(got.endpoints, want.size()) << "round " << round;
    ASSERT_EQ(got.ready, want_ready.size()) << "round " << round;
    if (falls) {
      ASSERT_EQ(got.slices, slices);
      continue;
    }
    std::set<base::IpAddress> have;
    for (const auto& slice : got.slices)
      for (const Endpoint& endpoint : slice->endpoints)
        have.insert(endpoint.addresses.begin(), endpoint.addresses.end());
    ASSERT_EQ(have, want) << "round " << round;
    selected += want.size();
  }
  EXPECT_GT(selected, asked / 10);
  EXPECT_LT(selected, asked * 9 / 10);
}

// "2/1 ResolvedRefs=True/ResolvedRefs Ready=True/Ready"
std::string status_text(const State& state, const std::string& name = "v2") {
  const SubsetStatus status = SubsetView(state).status_of(*state.service_subsets.at(named(name)));
  std::string out = std::to_string(status.endpoints) + "/" + std::to_string(status.ready);
  for (const Condition& each : status.conditions)
    out += std::string(" ") + each.type + (each.status ? "=True/" : "=False/") + each.reason;
  return out;
}

TEST(SubsetStatus, TellsWhatIsMissing) {
  State state = sample_l7_state();
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}));
  EXPECT_EQ(status_text(state), "0/0 ResolvedRefs=True/ResolvedRefs Ready=False/UnknownLabel");
  put(state.workloads, sample_workload("one", {{"version", "v1"}}, {net("10.0.0.11/32")}));
  EXPECT_EQ(status_text(state), "0/0 ResolvedRefs=True/ResolvedRefs Ready=False/NoEndpoints");
  put(state.workloads, sample_workload("two", {{"version", "v2"}}, {net("10.0.0.12/32")}));
  EXPECT_EQ(status_text(state), "1/1 ResolvedRefs=True/ResolvedRefs Ready=True/Ready");
  EndpointSlice slice = sample_slice();
  slice.endpoints[1].ready = false;
  put(state.slices, slice);
  EXPECT_EQ(status_text(state), "1/0 ResolvedRefs=True/ResolvedRefs Ready=False/NotReady");
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}, "gone"));
  EXPECT_EQ(status_text(state), "0/0 ResolvedRefs=False/ServiceNotFound Ready=False/UnknownLabel");
}

std::string references_of(const State& state) {
  const auto parents = status_of(view_of(state), state, *state.http_routes.at(named("shop")));
  return std::string(parents.at(0).at(1).reason) + ": " + parents[0][1].message;
}

TEST(SubsetStatus, ARouteTellsWhichReferenceIsMissing) {
  State state = sample_l7_state();
  HttpRoute route = sample_route();
  route.rules[0].backends = {sample_subset_backend("v2")};
  put(state.http_routes, route);
  EXPECT_EQ(references_of(state),
            "BackendNotFound: spec.rules[0].backendRefs[0]: ServiceSubset/default/v2 port 80 is not there");
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}, "gone"));
  EXPECT_EQ(
      references_of(state),
      "BackendNotFound: spec.rules[0].backendRefs[0]: ServiceSubset/default/v2 port 80: its Service is not there, or "
      "has no such port");
  put(state.service_subsets, sample_subset("v2", {{"version", "v2"}}));
  EXPECT_EQ(references_of(state), "ResolvedRefs: all backends are there");
  route.rules[0].backends = {sample_subset_backend("v2", 81)};
  put(state.http_routes, route);
  EXPECT_EQ(references_of(state).substr(0, 16), "BackendNotFound:");
  // The kind is of our group, and only of it.
  route.rules[0].backends[0].object = {"", "ServiceSubset", named("v2"), 80};
  put(state.http_routes, route);
  EXPECT_EQ(references_of(state).substr(0, 12), "InvalidKind:");
}

TEST(SubsetStatus, AGrantNamesTheKind) {
  State state = sample_l7_state();
  auto subset = sample_subset("v2", {{"version", "v2"}});
  auto service = sample_service();
  service.addresses = {ip("198.51.100.11")};
  subset.name.space = subset.service.space = service.name.space = "other";
  put(state.service_subsets, subset);
  put(state.services, service);
  HttpRoute route = sample_route();
  route.rules[0].backends = {sample_subset_backend("v2")};
  route.rules[0].backends[0].object.name.space = "other";
  put(state.http_routes, route);
  ReferenceGrant grant = sample_grant("default", "other");
  put(state.grants, grant);
  EXPECT_EQ(references_of(state).substr(0, 16), "RefNotPermitted:");
  grant.to = {{kPenstockGroup, "ServiceSubset", ""}};
  put(state.grants, grant);
  EXPECT_EQ(references_of(state).substr(0, 13), "ResolvedRefs:");
}

}  // namespace
}  // namespace penstock::model
