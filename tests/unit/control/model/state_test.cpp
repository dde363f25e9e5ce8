#include <gtest/gtest.h>

#include <map>
#include <random>

#include "control/model/diff.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::model {
namespace {

TEST(State, NamesKindsAndKeys) {
  EXPECT_STREQ(to_string(Kind::kEndpointSlice), "EndpointSlice");
  EXPECT_EQ(key_of(sample_node()).to_string(), "Node/default/gw");
  EXPECT_EQ(key_of(sample_service()).to_string(), "Service/default/web");
  EXPECT_EQ(key_of(sample_slice()).to_string(), "EndpointSlice/default/web-1");
  EXPECT_EQ(key_of(sample_policy()).to_string(), "ServicePolicy/default/web");
  EXPECT_EQ(key_of(sample_access_policy()).to_string(), "AccessPolicy/default/edge");
  EXPECT_EQ(key_of(sample_limit()).to_string(), "RateLimit/default/web-rate");
  EXPECT_EQ(key_of(sample_egress()).to_string(), "Egress/default/out");
  EXPECT_EQ(key_of(sample_mirror()).to_string(), "Mirror/default/tap");
}

TEST(State, EqualObjectsKeepTheirPointers) {
  const State before = sample_state();
  Service changed = sample_service();
  changed.ports[0].port = 81;
  FieldErrors errors;
  std::vector<Difference> differences;
  const State after = with_change(before,
                                  {{sample_node(), changed, sample_slice(), sample_service("new", "198.51.100.11")},
                                   {{Kind::kMirror, named("tap")}}},
                                  errors, &differences);
  EXPECT_EQ(lines(errors), "");
  EXPECT_EQ(after.node, before.node);
  EXPECT_EQ(after.slices.at(named("web-1")), before.slices.at(named("web-1")));
  EXPECT_NE(after.services.at(named("web")), before.services.at(named("web")));
  EXPECT_EQ(after.services.at(named("web"))->ports[0].port, 81);
  EXPECT_TRUE(after.mirrors.empty());
  ASSERT_EQ(differences.size(), 5u);
  EXPECT_EQ(differences[0].kind, DiffKind::kRemoved);
  EXPECT_EQ(differences[0].key.to_string(), "Mirror/default/tap");
  EXPECT_EQ(differences[1].kind, DiffKind::kUnchanged);
  EXPECT_EQ(differences[2].kind, DiffKind::kChanged);
  EXPECT_EQ(differences[3].kind, DiffKind::kUnchanged);
  EXPECT_EQ(differences[4].kind, DiffKind::kCreated);
}

TEST(State, EveryKindCanBeAppliedAndRemoved) {
  FieldErrors errors;
  const State full = with_change({},
                                 {{sample_node(), sample_service(), sample_slice(), sample_policy(),
                                   sample_access_policy(), sample_limit(), sample_egress(), sample_mirror()},
                                  {}},
                                 errors);
  EXPECT_EQ(faults_of(full), "");
  const State empty = with_change(full,
                                  {{},
                                   {{Kind::kNode, named("gw")},
                                    {Kind::kService, named("web")},
                                    {Kind::kEndpointSlice, named("web-1")},
                                    {Kind::kServicePolicy, named("web")},
                                    {Kind::kAccessPolicy, named("edge")},
                                    {Kind::kRateLimit, named("web-rate")},
                                    {Kind::kEgress, named("out")},
                                    {Kind::kMirror, named("tap")}}},
                                  errors);
  EXPECT_EQ(lines(errors), "");
  EXPECT_FALSE(empty.node);
  EXPECT_TRUE(empty.services.empty() && empty.slices.empty() && empty.service_policies.empty());
  EXPECT_TRUE(empty.access_policies.empty() && empty.rate_limits.empty() && empty.egresses.empty() &&
              empty.mirrors.empty());
}

TEST(State, ReportsDuplicatesAndRemovalsOfNothing) {
  FieldErrors errors;
  Node other = sample_node();
  other.name = "other";
  with_change(sample_state(),
              {{sample_service(), sample_service(), sample_egress(), other},
               {{Kind::kEgress, named("out")},
                {Kind::kEgress, named("out")},
                {Kind::kMirror, named("none")},
                {Kind::kNode, named("no")}}},
              errors);
  EXPECT_EQ(lines(errors),
            "Egress/default/out: is to be deleted twice in one change\n"
            "Mirror/default/none: does not exist\n"
            "Node/default/no: does not exist\n"
            "Service/default/web: is given twice in one bundle\n"
            "Egress/default/out: is both applied and deleted in one change\n"
            "Node/default/other metadata.name: a gateway has one Node, and it is \"gw\": delete that first");
}

TEST(State, ANodeMayReplaceAnotherThatIsDeletedInTheSameChange) {
  FieldErrors errors;
  Node other = sample_node();
  other.name = "other";
  const State after = with_change(sample_state(), {{other}, {{Kind::kNode, named("gw")}}}, errors);
  EXPECT_EQ(lines(errors), "");
  EXPECT_EQ(after.node->name, "other");
}

// Against std::map, over many chunks, with copies that must not change.
TEST(Objects, BehaveLikeAMap) {
  std::mt19937 random(7);
  Objects<Service> objects;
  std::map<Name, std::shared_ptr<const Service>> oracle;
  for (int round = 0; round < 20; ++round) {
    const Objects<Service> copy = objects;
    const auto copy_oracle = oracle;
    for (int i = 0; i < 400; ++i) {
      const Name name = named("s" + std::to_string(random() % 1500));
      if (random() % 3 == 0) {
        EXPECT_EQ(objects.erase(name), oracle.erase(name));
      } else {
        oracle[name] = objects[name] = std::make_shared<const Service>();
      }
      const Name probe = named("s" + std::to_string(random() % 1500));
      EXPECT_EQ(objects.contains(probe), oracle.contains(probe));
      if (oracle.contains(probe)) {
        EXPECT_EQ(objects.at(probe), oracle.at(probe));
      }
    }
    EXPECT_EQ(objects.size(), oracle.size());
    EXPECT_TRUE(std::equal(objects.begin(), objects.end(), oracle.begin(), oracle.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
    EXPECT_TRUE(std::equal(copy.begin(), copy.end(), copy_oracle.begin(), copy_oracle.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first && a.second == b.second; }));
    // The difference, applied to the copy's oracle, gives the present.
    auto rebuilt = copy_oracle;
    for_each_change(copy, objects, [&](const auto& old, const auto& now) {
      for (auto at = rebuilt.begin(); old && !now && at != rebuilt.end();)
        at = at->second == old ? rebuilt.erase(at) : ++at;
      for (const auto& [name, object] : oracle)
        if (now && object == now) rebuilt[name] = now;
    });
    EXPECT_EQ(rebuilt, oracle);
  }
  objects.clear();
  EXPECT_TRUE(objects.empty());
  EXPECT_EQ(objects.begin(), objects.end());
}

TEST(State, DiffVisitsOnlyWhatDiffers) {
  State before, after;
  for (const char* name : {"a", "b", "c", "e"}) put(before.services, sample_service(name));
  after = before;
  put(after.services, sample_service("b"));
  after.services.erase(named("c"));
  put(after.services, sample_service("d"));
  put(after.services, sample_service("f"));
  std::string seen;
  for_each_change(before.services, after.services, [&](const auto& old, const auto& now) {
    seen += (now ? now : old)->name.name;
    seen += old && now ? '*' : now ? '+' : '-';
  });
  EXPECT_EQ(seen, "b*c-d+f+");
}

}  // namespace
}  // namespace penstock::model
