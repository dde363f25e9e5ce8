// A proxy that guards its endpoint: access policies and inspections as tests want them.
#pragma once

#include "unit/l7/proxy/story.h"

namespace penstock::proxy {

constexpr uint32_t kDenySlot = 3, kLogSlot = 4, kTagSlot = 5, kBodySlot = 6, kProbeSlot = 7;
constexpr uint32_t kRateSlot = 9;  // of the RateLimit that "probe" counts against, where there is one

// "/" to one endpoint behind one inspection and one policy that denies "/admin*".
class Guards {
 public:
  explicit Guards(uint32_t body_bytes = 0) {
    config::AccessPolicy policy{"ns/no", config::AccessAction::kDeny, false, {}, 0};
    policy.rules.emplace_back();
    policy.rules[0].paths = {{config::TextKind::kPrefix, "/admin"}};
    policy.rules[0].slot = kDenySlot;
    policies.push_back(policy);
    inspection.name = "ns/i";
    inspection.body_bytes = body_bytes;
    const auto add = [&](std::string expression, uint8_t parts, config::InspectionAction action, uint32_t slot) {
      config::InspectionPattern pattern;
      pattern.expression = std::move(expression);
      pattern.parts = parts;
      pattern.action = action;
      pattern.slot = slot;
      inspection.patterns.push_back(pattern);
    };
    add("odd", config::kInspectPath | config::kInspectQuery, config::InspectionAction::kLog, kLogSlot);
    add("mark", config::kInspectPath | config::kInspectBody, config::InspectionAction::kTag, kTagSlot);
    inspection.patterns.back().tag_name = "x-seen";
    inspection.patterns.back().tag_value = "yes";
    add("evil", config::kInspectPath | config::kInspectHeaders | config::kInspectBody, config::InspectionAction::kDeny,
        kBodySlot);
    add("probe", config::kInspectPath | config::kInspectQuery | config::kInspectBody, config::InspectionAction::kLimit,
        kProbeSlot);
    inspection.patterns.back().limit_slot = kRateSlot;
  }

  // A limit of two an hour, in that slot.
  config::RequestLimit& limit() {
    config::RequestLimit& made = limits.emplace_back();
    made.name = "ns/probes";
    made.slot = kRateSlot;
    made.per_second = 2.0 / 3600;
    made.burst = 2;
    made.policy = "\"ns/probes\";q=2;w=3600";
    return made;
  }

  std::shared_ptr<const route::L7Config> build() {
    ConfigBuilder builder;
    config::Action action = ConfigBuilder::to(builder.cluster(1));
    action.guards = 0;
    action.filters = builder.filters(filters);
    builder.route("/", builder.action(action));
    builder.http().guards = {1};
    builder.http().forwarding.trusted_hops = trusted_hops;
    guard::Set& set = builder.config().guards;
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < policies.size(); ++i) all.push_back(i);
    set.lists = {{{}, 0}, {all, second ? 1 : guard::kNoSlot}};
    auto access = guard::Access::build(policies);
    EXPECT_TRUE(access) << access.error();
    auto scratch = guard::AccessScratch::make(*access);
    set.access = std::make_shared<const guard::Access>(std::move(*access));
    set.access_scratches = {std::make_shared<guard::AccessScratch>(std::move(*scratch))};
    auto built = guard::Inspection::build(inspection);
    EXPECT_TRUE(built) << built.error();
    auto inspection_scratch = std::make_shared<guard::InspectionScratch>();
    EXPECT_TRUE(inspection_scratch->fit(*built));
    set.inspections = {std::make_shared<const guard::Inspection>(std::move(*built))};
    if (second) {
      auto another = guard::Inspection::build(*second);
      EXPECT_TRUE(another && inspection_scratch->fit(*another));
      set.inspections.push_back(std::make_shared<const guard::Inspection>(std::move(*another)));
    }
    set.inspection_scratches = {inspection_scratch};
    put_limits(builder.config());
    return builder.build();
  }

  std::vector<config::AccessPolicy> policies;
  config::Inspection inspection;             // of the rule
  std::optional<config::Inspection> second;  // of the listener
  std::vector<config::RequestLimit> limits;  // attached to nothing: found patterns name them
  config::Filters filters;                   // of the rule
  unsigned trusted_hops = 0;

 private:
  void put_limits(route::L7Config& config) const {
    if (limits.empty()) return;
    auto set = std::make_shared<route::MatchSet>();
    for (const config::RequestLimit& each : limits) EXPECT_TRUE(set->add(each.matches, each.name));
    EXPECT_TRUE(set->finish());
    auto scratch = set->make_scratch();
    if (scratch) config.limit_scratches.emplace_back(std::move(*scratch));
    config.limit_matches = set;
    config.limits.all = limits;
    config.limits.of_action.resize(config.actions.size());
    config.limits.of_listener.resize(config.listeners.size());
    config.limits.of_listener[0].of_route.resize(config.routes.size());
  }
};

inline std::string post(const std::string& body, const std::string& fields = "") {
  return "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" +
         body;
}
inline std::string chunked(const std::string& body) {
  std::string text = "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (size_t at = 0; at < body.size(); at += 3) {
    const std::string piece = body.substr(at, 3);
    text += std::to_string(piece.size()) + "\r\n" + piece + "\r\n";
  }
  return text + "0\r\n\r\n";
}

}  // namespace penstock::proxy
