// Rules of RequestAccessPolicy and RequestInspection. Regular expressions are looked at when they are compiled.
#include <algorithm>
#include <map>
#include <set>

#include "control/model/diff.h"
#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/config/route.h"
#include "l7/http/chars.h"
#include "l7/http/path.h"

namespace penstock::model {

namespace {

using config::TextKind;

bool at_most(ObjectFaults& faults, const std::string& at, size_t count, size_t most) {
  if (count > most) faults.add(at, text(count, " entries are too many (at most ", most, ")"));
  return count <= most;
}

void validate_target(const RequestTarget& target, const std::string& at, const State& state, ObjectFaults& faults) {
  const auto want_section = [&](const auto& parts, const char* what) {
    if (target.section.empty()) return;
    if (std::none_of(parts.begin(), parts.end(), [&](const auto& part) { return part.name == target.section; }))
      faults.add(at + ".sectionName", text(target.name.to_string(), " has no ", what, " of that name"));
  };
  const std::string shown = target.name.to_string().substr(0, 320);
  if (target.route) {
    const auto route = state.http_routes.find(target.name);
    if (route == state.http_routes.end()) return faults.add(at + ".name", text("there is no HTTPRoute/", shown));
    want_section(route->second->rules, "rule");
  } else {
    const auto gateway = state.gateways.find(target.name);
    if (gateway == state.gateways.end()) return faults.add(at + ".name", text("there is no Gateway/", shown));
    want_section(gateway->second->listeners, "listener");
    for (const GatewayListener& each : gateway->second->listeners)
      if (each.name == target.section && each.protocol == config::Protocol::kTcp)
        faults.add(at + ".sectionName",
                   "is a listener for TCP, which knows no requests: an AccessPolicy judges packets");
  }
}

void validate_targets(const std::vector<RequestTarget>& targets, const State& state, ObjectFaults& faults) {
  if (targets.empty()) faults.add("spec.targetRefs", text("is missing (want 1 to ", kMaxRequestTargets, ")"));
  if (!at_most(faults, "spec.targetRefs", targets.size(), kMaxRequestTargets)) return;
  for (size_t i = 0; i < targets.size(); ++i) {
    const std::string at = text("spec.targetRefs[", i, "]");
    validate_target(targets[i], at, state, faults);
    const auto here = targets.begin() + static_cast<ptrdiff_t>(i);
    if (std::find(targets.begin(), here, targets[i]) != here) faults.add(at, "is given twice");
  }
}

// The list of texts and the list of expressions are one in the model: errors count them apart.
void validate_texts(const config::TextMatches& matches, const std::string& at, const std::string& expressions_at,
                    ObjectFaults& faults, const char* (*why_not)(const config::TextMatch&) = nullptr) {
  if (!at_most(faults, at, matches.size(), config::kMaxAccessItems)) return;
  size_t texts = 0, expressions = 0;
  for (const config::TextMatch& each : matches) {
    const bool is_regex = each.kind == TextKind::kRegex;
    const std::string place = is_regex ? text(expressions_at, "[", expressions++, "]") : text(at, "[", texts++, "]");
    if (each.value.empty() && each.kind != TextKind::kPresent) {
      faults.add(place, "is empty");
    } else if (!is_regex && each.value.size() > config::kMaxAccessTextBytes) {
      faults.add(place, text("is longer than ", config::kMaxAccessTextBytes, " bytes"));
    } else if (!is_regex && each.value.find('*') != std::string::npos) {
      faults.add(place, "has a '*' that stands neither alone, nor at its beginning or end only");
    } else if (const char* why = why_not && !is_regex ? why_not(each) : nullptr) {
      faults.add(place, why);
    }
  }
}

const char* why_no_path(const config::TextMatch& match) {
  if (match.kind == TextKind::kPresent) return nullptr;
  if (match.kind == TextKind::kSuffix) {
    const bool fits = std::all_of(match.value.begin(), match.value.end(), [](char c) { return c > ' ' && c != 0x7f; });
    return fits ? nullptr : "holds a character that no path has";
  }
  if (match.value.front() != '/') return "must begin with '/'";
  if (match.value.find('?') != std::string::npos) return "holds a '?': queries are matched by queryParams";
  const std::string_view last = std::string_view(match.value).substr(match.value.rfind('/') + 1);
  if (match.kind == TextKind::kPrefix && (last == "." || last == ".."))
    return "ends in a dot segment, which would be taken out of it: use pathExpressions";
  std::string out(match.value.size(), '\0');
  const http::NormalPath normal = http::normalise_path(match.value, {}, out.data());
  return normal.fault == http::Fault::kNone ? nullptr : http::info(normal.fault).sentence;
}

const char* why_no_host(const config::TextMatch& match) {
  const bool fits = std::none_of(match.value.begin(), match.value.end(),
                                 [](unsigned char c) { return c <= ' ' || c >= 0x7f || c == '/'; });
  return fits ? nullptr : "holds a character that no host has";
}

const char* why_no_method(const config::TextMatch& match) {
  return match.kind == TextKind::kPresent || http::is_token(match.value) ? nullptr : "is no method (RFC 9110 9.1)";
}

void validate_fields(const std::vector<config::FieldMatch>& fields, bool header, const std::string& list,
                     ObjectFaults& faults) {
  if (!at_most(faults, list, fields.size(), config::kMaxAccessConditions)) return;
  for (size_t i = 0; i < fields.size(); ++i) {
    const config::FieldMatch& field = fields[i];
    const std::string at = text(list, "[", i, "]");
    if (field.name.empty() || field.name.size() > config::kMaxConditionNameBytes) {
      faults.add(at + ".name", text("want 1 to ", config::kMaxConditionNameBytes, " bytes"));
    } else if (header && (!http::is_token(field.name) || !config::is_matchable_header(field.name))) {
      faults.add(at + ".name", "is no field name, or one that belongs to the connection or to framing");
    }
    if (field.values.empty() && field.not_values.empty())
      faults.add(at, "want values, notValues, expressions or notExpressions");
    validate_texts(field.values, at + ".values", at + ".expressions", faults);
    validate_texts(field.not_values, at + ".notValues", at + ".notExpressions", faults);
  }
}

void validate_rule(const config::AccessRule& rule, const std::string& at, ObjectFaults& faults) {
  for (const auto& [prefixes, field] :
       {std::pair{&rule.from, ".remoteIpBlocks"}, {&rule.not_from, ".notRemoteIpBlocks"}}) {
    if (!at_most(faults, at + field, prefixes->size(), config::kMaxAccessItems)) continue;
    for (size_t i = 0; i < prefixes->size(); ++i)
      if ((*prefixes)[i].has_host_bits())
        faults.add(text(at, field, "[", i, "]"), text((*prefixes)[i].to_string(), " has host bits set (want ",
                                                      (*prefixes)[i].network().to_string(), ")"));
  }
  validate_texts(rule.hosts, at + ".hosts", "", faults, why_no_host);
  validate_texts(rule.not_hosts, at + ".notHosts", "", faults, why_no_host);
  validate_texts(rule.paths, at + ".paths", at + ".pathExpressions", faults, why_no_path);
  validate_texts(rule.not_paths, at + ".notPaths", at + ".notPathExpressions", faults, why_no_path);
  validate_texts(rule.methods, at + ".methods", "", faults, why_no_method);
  validate_texts(rule.not_methods, at + ".notMethods", "", faults, why_no_method);
  validate_fields(rule.headers, true, at + ".headers", faults);
  validate_fields(rule.query, false, at + ".queryParams", faults);
}

void validate_access(const RequestAccessPolicy& policy, const State& state, Faults& all) {
  ObjectFaults faults(all, Kind::kRequestAccessPolicy, policy.name);
  validate_name(faults, policy.name);
  validate_targets(policy.targets, state, faults);
  if (policy.rules.empty() && policy.action == config::AccessAction::kDeny)
    faults.add("spec.rules",
               "is missing: with action DENY nothing would be denied (a rule without fields is met by all)");
  if (!at_most(faults, "spec.rules", policy.rules.size(), config::kMaxAccessRules)) return;
  std::set<std::string_view> names;
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const std::string at = text("spec.rules[", i, "]");
    if (!is_rule_name(policy.rules[i].name)) faults.add(at + ".name", text("want ", kRuleNameRule));
    if (!names.insert(policy.rules[i].name).second) faults.add(at + ".name", "is given twice");
    validate_rule(policy.rules[i], at, faults);
  }
}

void validate_pattern(const config::InspectionPattern& pattern, const std::string& at, uint32_t body_bytes,
                      ObjectFaults& faults) {
  if (!is_rule_name(pattern.name)) faults.add(at + ".name", text("want ", kRuleNameRule));
  if (pattern.expression.empty()) faults.add(at + ".expression", "is missing");
  if (pattern.parts == 0 && pattern.headers.empty())
    faults.add(at + ".in", "is missing (want path, query, headers, header:NAME or body)");
  if ((pattern.parts & config::kInspectBody) && body_bytes == 0)
    faults.add(at + ".in", "names the body, of which spec.bodyBytes lets nothing be looked at");
  if (at_most(faults, at + ".in", pattern.headers.size(), config::kMaxInspectedHeaders))
    for (const std::string& name : pattern.headers)
      if (name.size() > config::kMaxConditionNameBytes || !http::is_token(name) || !config::is_matchable_header(name))
        faults.add(at + ".in",
                   "header: is followed by no field name, or by one that belongs to the connection or to framing");
  if (pattern.action != config::InspectionAction::kLimit && !pattern.limit.empty())
    faults.add(at + ".rateLimit", "only action limit has one");
  const bool tags = pattern.action == config::InspectionAction::kTag;
  if (!tags && !pattern.tag_name.empty()) faults.add(at + ".tag", "only action tag has one");
  if (!tags) return;
  const bool usable = http::is_token(pattern.tag_name) && pattern.tag_name.size() <= config::kMaxConditionNameBytes &&
                      config::is_matchable_header(pattern.tag_name) && pattern.tag_name != "host" &&
                      pattern.tag_name != "upgrade";
  if (!usable) faults.add(at + ".tag.header", "is no field name, or one that belongs to the connection or to framing");
  if (pattern.tag_value.empty() || pattern.tag_value.size() > config::kMaxAccessTextBytes ||
      !http::all(pattern.tag_value, http::kFieldValue) || http::trim(pattern.tag_value) != pattern.tag_value)
    faults.add(at + ".tag.value", text("want a field value of 1 to ", config::kMaxAccessTextBytes,
                                       " bytes without control characters, and without blanks at its ends"));
}

void validate_limits(const RequestInspection& inspection, const State& state, ObjectFaults& faults) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < inspection.patterns.size(); ++i) {
    const config::InspectionPattern& pattern = inspection.patterns[i];
    if (pattern.action != config::InspectionAction::kLimit) continue;
    const std::string at = text("spec.patterns[", i, "].rateLimit");
    names.insert(pattern.limit);
    const Name name{inspection.name.space, pattern.limit};
    const auto limit = state.rate_limits.find(name);
    const std::string shown = "RateLimit/" + name.to_string().substr(0, 320);
    if (pattern.limit.empty())
      faults.add(at, "is missing");
    else if (limit == state.rate_limits.end())
      faults.add(at, text("there is no ", shown));
    else if (limit->second->target != LimitTarget::kFindings)
      faults.add(at, text(shown, " limits something else: want one with target findings"));
  }
  if (names.size() > config::kMaxInspectionLimits)
    faults.add("spec.patterns",
               text(names.size(), " RateLimits are too many (at most ", config::kMaxInspectionLimits, ")"));
}

void validate_inspection(const RequestInspection& inspection, const State& state, Faults& all) {
  ObjectFaults faults(all, Kind::kRequestInspection, inspection.name);
  validate_name(faults, inspection.name);
  validate_targets(inspection.targets, state, faults);
  want_range(faults, "spec.bodyBytes", inspection.body_bytes, 0, config::kMaxInspectedBody, "bytes");
  const auto looks = [](const config::InspectionPattern& each) { return each.parts & config::kInspectBody; };
  if (inspection.uninspectable && std::none_of(inspection.patterns.begin(), inspection.patterns.end(), looks))
    faults.add("spec.onUninspectable", "no pattern looks at the body");
  if (inspection.patterns.empty()) faults.add("spec.patterns", "is missing");
  if (!at_most(faults, "spec.patterns", inspection.patterns.size(), config::kMaxInspectionPatterns)) return;
  std::set<std::string_view> names;
  for (size_t i = 0; i < inspection.patterns.size(); ++i) {
    const std::string at = text("spec.patterns[", i, "]");
    validate_pattern(inspection.patterns[i], at, inspection.body_bytes, faults);
    if (!names.insert(inspection.patterns[i].name).second) faults.add(at + ".name", "is given twice");
  }
  validate_limits(inspection, state, faults);
}

// One inspection a target: what would be found twice would be counted twice.
void validate_single_inspections(const State& state, Faults& all) {
  std::map<std::tuple<bool, Name, std::string_view>, const RequestInspection*> targets;
  for (const auto& [name, inspection] : state.request_inspections) {
    for (size_t i = 0; i < inspection->targets.size(); ++i) {
      const RequestTarget& target = inspection->targets[i];
      const auto [first, fresh] =
          targets.emplace(std::tuple(target.route, target.name, std::string_view(target.section)), inspection.get());
      if (!fresh && first->second != inspection.get())
        ObjectFaults(all, Kind::kRequestInspection, name)
            .add(text("spec.targetRefs[", i, "]"),
                 text("RequestInspection/", first->second->name.to_string(), " has this target"));
    }
  }
}

void validate_counts(const State& state, Faults& faults) {
  size_t counters = 0, patterns = 0;
  for (const auto& [name, policy] : state.request_access) counters += policy->rules.size() + 1;
  for (const auto& [name, inspection] : state.request_inspections) patterns += inspection->patterns.size();
  constexpr size_t kOfInspections = config::kMaxInspectionPatternsOfAll + config::kMaxInspections;
  const auto want = [&](size_t count, size_t most, const char* what) {
    if (count > most) faults.add({"bundle", "", text(count, " ", what, " are too many (at most ", most, ")")});
  };
  want(state.request_access.size(), config::kMaxAccessPolicies, "objects of kind RequestAccessPolicy");
  want(state.request_inspections.size(), config::kMaxInspections, "objects of kind RequestInspection");
  want(patterns, config::kMaxInspectionPatternsOfAll, "patterns of RequestInspections");
  want(counters, config::kMaxGuardSlots / 2 - kOfInspections, "rules of RequestAccessPolicies");
}

}  // namespace

void validate_request_policies(const State& before, const State& state, Faults& faults) {
  bool targets = false, limits = false, any = false;
  const auto touch = [](bool& what) { return [&what](const auto&, const auto&) { what = true; }; };
  for_each_change(before.gateways, state.gateways, touch(targets));
  for_each_change(before.http_routes, state.http_routes, touch(targets));
  for_each_change(before.rate_limits, state.rate_limits, [&limits](const auto& old, const auto& now) {
    for (const auto& each : {old, now}) limits |= each && each->target == LimitTarget::kFindings;
  });
  for_each_change(before.request_access, state.request_access, [&](const auto&, const auto& policy) {
    any = true;
    if (policy && !targets) validate_access(*policy, state, faults);
  });
  for_each_change(before.request_inspections, state.request_inspections, [&](const auto&, const auto& inspection) {
    any = true;
    if (inspection && !targets && !limits) validate_inspection(*inspection, state, faults);
  });
  if (targets) {  // something that they name may have gone
    for (const auto& [name, policy] : state.request_access) validate_access(*policy, state, faults);
  }
  if (targets || limits)
    for (const auto& [name, inspection] : state.request_inspections) validate_inspection(*inspection, state, faults);
  if (!any) return;
  validate_counts(state, faults);
  validate_single_inspections(state, faults);
}

}  // namespace penstock::model
