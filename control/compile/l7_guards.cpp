#include "control/compile/l7_guards.h"

#include <algorithm>

namespace penstock::compile {

namespace {

std::string access_slot(const model::Name& policy, const std::string& rule) {
  return "RequestAccessPolicy/" + policy.to_string() + "/" + rule;
}

std::string pattern_slot(const model::Name& inspection, const std::string& pattern) {
  return "RequestInspection/" + inspection.to_string() + "/" + pattern;
}

size_t expressions_of(const config::TextMatches& matches) {
  return static_cast<size_t>(std::count_if(matches.begin(), matches.end(), [](const config::TextMatch& each) {
    return each.kind == config::TextKind::kRegex;
  }));
}

size_t expressions_of(const config::AccessRule& rule) {
  size_t count = expressions_of(rule.paths) + expressions_of(rule.not_paths);
  for (const auto* fields : {&rule.headers, &rule.query})
    for (const config::FieldMatch& each : *fields)
      count += expressions_of(each.values) + expressions_of(each.not_values);
  return count;
}

// Who denies or limits by what is in the content does not let pass what nobody can see; who only looks still only
// looks.
config::InspectionAction uninspectable_of(const model::RequestInspection& inspection) {
  if (inspection.uninspectable) return *inspection.uninspectable;
  using Action = config::InspectionAction;
  const bool refuses = std::any_of(inspection.patterns.begin(), inspection.patterns.end(), [](const auto& each) {
    return (each.parts & config::kInspectBody) && (each.action == Action::kDeny || each.action == Action::kLimit);
  });
  return refuses ? Action::kDeny : Action::kLog;
}

const char* verdict_of(const model::RequestAccessPolicy& policy, bool met) {
  const bool denies = met == (policy.action == config::AccessAction::kDeny);
  if (policy.shadow) return denies ? "would_deny" : "would_allow";
  return denies ? "denied" : "allowed";
}

}  // namespace

// "HTTPRoute/ns/name spec.rules[0].matches[1].path.value: why", as l7/route and l7/guard say it.
model::FieldError split_error(const std::string& error) {
  const size_t blank = error.find(' '), colon = error.find(": ");
  if (blank == std::string::npos || colon == std::string::npos || colon < blank) return {"bundle", "", error};
  return {error.substr(0, blank), error.substr(blank + 1, colon - blank - 1), error.substr(colon + 2)};
}

bool GuardCompiler::run() { return assign_slots() && add_access() && add_inspections(); }

bool GuardCompiler::assign_slots() {
  std::vector<std::string> names;
  for (const auto& [name, policy] : round_.state.request_access) {
    for (const config::AccessRule& rule : policy->rules) names.push_back(access_slot(name, rule.name));
    if (policy->action == config::AccessAction::kAllow) names.push_back(access_slot(name, ""));
  }
  std::vector<std::string> inspections;
  for (const auto& [name, inspection] : round_.state.request_inspections) {
    inspections.push_back(name.to_string());
    names.push_back(pattern_slot(name, guard::kUninspectable));
    for (const config::InspectionPattern& each : inspection->patterns) names.push_back(pattern_slot(name, each.name));
  }
  if (part_.slots.assign(names, round_.last, round_.retired) &&
      part_.inspection_slots.assign(inspections, round_.last, round_.retired))
    return true;
  round_.errors.push_back({"bundle", "",
                           "there is no room for more rules of request policies until every worker has left the "
                           "generations of those removed"});
  return false;
}

bool GuardCompiler::add_access() {
  std::vector<config::AccessPolicy> policies;
  size_t expressions = 0;
  for (const auto& [name, from] : round_.state.request_access) {
    const auto number = static_cast<uint32_t>(policies.size());
    config::AccessPolicy& policy =
        policies.emplace_back(config::AccessPolicy{name.to_string(), from->action, from->shadow, from->rules, 0});
    for (config::AccessRule& rule : policy.rules) {
      rule.slot = part_.slots.at(access_slot(name, rule.name));
      expressions += expressions_of(rule);
      out_.counted.push_back({rule.slot, false, policy.name, rule.name, verdict_of(*from, true)});
    }
    if (policy.action == config::AccessAction::kAllow) {
      policy.slot = part_.slots.at(access_slot(name, ""));
      out_.counted.push_back({policy.slot, false, policy.name, "", verdict_of(*from, false)});
    }
    for (const model::RequestTarget& target : from->targets)
      access_of_[{target.route, target.name, target.section}].push_back(number);
  }
  if (expressions > kMaxAccessExpressions) {
    round_.errors.push_back({"bundle", "",
                             std::to_string(expressions) +
                                 " regular expressions of RequestAccessPolicies are too many "
                                 "(at most " +
                                 std::to_string(kMaxAccessExpressions) + ")"});
    return false;
  }
  if (!part_.access || policies != part_.policies || part_.scratches.size() != workers_) {
    auto built = guard::Access::build(policies);
    if (!built) {
      round_.errors.push_back(split_error(built.error()));
      return false;
    }
    std::vector<std::shared_ptr<guard::AccessScratch>> scratches;
    for (size_t i = 0; i < workers_; ++i) {
      auto scratch = guard::AccessScratch::make(*built);
      if (!scratch) {
        round_.errors.push_back({"bundle", "", scratch.error()});
        return false;
      }
      scratches.push_back(std::make_shared<guard::AccessScratch>(std::move(*scratch)));
    }
    part_.access = std::make_shared<const guard::Access>(std::move(*built));
    part_.scratches = std::move(scratches);
    part_.policies = std::move(policies);
  }
  out_.access = part_.access;
  out_.access_scratches = part_.scratches;
  return true;
}

bool GuardCompiler::add_inspections() {
  static constexpr const char* kActions[] = {"log", "deny", "tag", "limit"};
  std::map<model::Name, GuardPart::Inspected> inspections;
  out_.inspections.resize(part_.inspection_slots.bound());
  for (const auto& [name, from] : round_.state.request_inspections) {
    config::Inspection inspection{name.to_string(),
                                  from->patterns,
                                  from->body_bytes,
                                  uninspectable_of(*from),
                                  part_.slots.at(pattern_slot(name, guard::kUninspectable)),
                                  part_.inspection_slots.at(name.to_string())};
    for (config::InspectionPattern& each : inspection.patterns) {
      each.slot = part_.slots.at(pattern_slot(name, each.name));
      if (!each.limit.empty()) each.limit_slot = limits_.slots.at(model::Name{name.space, each.limit}.to_string());
      out_.counted.push_back({each.slot, true, inspection.name, each.name, kActions[static_cast<size_t>(each.action)]});
    }
    if (inspection.body_bytes != 0)
      out_.counted.push_back({inspection.uninspectable_slot, true, inspection.name, guard::kUninspectable,
                              kActions[static_cast<size_t>(inspection.uninspectable)]});
    for (const model::RequestTarget& target : from->targets)
      inspection_of_[{target.route, target.name, target.section}] = inspection.slot;
    const auto before = part_.inspections.find(name);
    if (before != part_.inspections.end() && before->second.from == inspection) {
      inspections.insert(*before);
    } else {
      auto built = guard::Inspection::build(inspection);
      if (!built) {
        round_.errors.push_back(split_error(built.error()));
        return false;
      }
      inspections[name] = {inspection, std::make_shared<const guard::Inspection>(std::move(*built))};
    }
    out_.inspections[inspection.slot] = inspections[name].built;
  }
  // Scratches that a worker has are not touched: others that fit take their place.
  if (inspections != part_.inspections || part_.inspection_scratches.size() != workers_) {
    std::vector<std::shared_ptr<guard::InspectionScratch>> scratches;
    for (size_t i = 0; i < workers_; ++i) {
      auto& scratch = scratches.emplace_back(std::make_shared<guard::InspectionScratch>());
      for (const auto& [name, each] : inspections)
        if (auto fitted = scratch->fit(*each.built); !fitted) {
          round_.errors.push_back({"bundle", "", fitted.error()});
          return false;
        }
    }
    part_.inspection_scratches = std::move(scratches);
    part_.inspections = std::move(inspections);
  }
  out_.inspection_scratches = part_.inspection_scratches;
  return true;
}

// Policies of the whole and of the section, the inspection of the section or else of the whole; the same list under
// one number.
uint32_t GuardCompiler::list_of(bool route, const model::Name& name, const std::string& section) {
  std::vector<uint32_t> access;
  const auto add = [&](const std::string& part) {
    const auto at = access_of_.find({route, name, part});
    if (at != access_of_.end()) access.insert(access.end(), at->second.begin(), at->second.end());
  };
  add("");
  if (!section.empty()) add(section);
  std::sort(access.begin(), access.end());
  access.erase(std::unique(access.begin(), access.end()), access.end());
  auto inspection = inspection_of_.find({route, name, section});
  if (inspection == inspection_of_.end()) inspection = inspection_of_.find({route, name, ""});
  const uint32_t slot = inspection == inspection_of_.end() ? guard::kNoSlot : inspection->second;
  if (access.empty() && slot == guard::kNoSlot) return config::kNoGuards;
  const auto [at, fresh] = lists_.try_emplace({access, slot}, static_cast<uint32_t>(out_.lists.size()));
  if (fresh) out_.lists.push_back({std::move(access), slot});
  return at->second;
}

uint32_t GuardCompiler::of_listener(const model::ListenerView& listener) {
  return list_of(false, listener.gateway->name, listener.listener->name);
}

uint32_t GuardCompiler::of_rule(const model::HttpRoute& route, const model::HttpRule& rule) {
  return list_of(true, route.name, rule.name);
}

}  // namespace penstock::compile
