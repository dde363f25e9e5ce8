// Rules of ListenerPolicy and DirectResponse, and of the ExtensionRefs of routes.
#include <algorithm>
#include <map>

#include "control/model/diff.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/http/chars.h"

namespace penstock::model {

namespace {

void validate_answer(const config::DirectResponse& answer, const std::string& at, ObjectFaults& faults) {
  want_range(faults, at + ".status", answer.status, 200, 599);
  const std::string& type = answer.content_type;
  if (type.size() > config::kMaxHeaderValueBytes || !http::all(type, http::kFieldValue) || http::trim(type) != type)
    faults.add(at + ".contentType", "no field value: too long, control characters, or blanks at an end");
  if (answer.body.size() > kMaxAnswerBytes)
    faults.add(at + ".body", text(answer.body.size(), " bytes are too many (at most ", kMaxAnswerBytes, ")"));
  if (!answer.body.empty() && http::never_has_content(answer.status))
    faults.add(at + ".body", text("an answer with status ", answer.status, " has none"));
  if (answer.retry_after > kMaxRetryAfterSeconds) faults.add(at + ".retryAfter", "is out of range (want 1s to 24h)");
}

void validate_prefixes_of(const std::vector<base::Prefix>& prefixes, const std::string& at, ObjectFaults& faults) {
  if (prefixes.size() > kMaxPolicyPrefixes)
    return faults.add(at, text(prefixes.size(), " prefixes are too many (at most ", kMaxPolicyPrefixes, ")"));
  validate_prefixes(prefixes, at, faults);
}

void validate_time(base::Nanos time, base::Nanos low, base::Nanos high, const std::string& at, const char* range,
                   ObjectFaults& faults) {
  if (time < low || time > high) faults.add(at, text("is out of range (want ", range, ")"));
}

void validate_timeouts(const config::ListenerTimeouts& timeouts, ObjectFaults& faults) {
  constexpr base::Nanos kSecond = base::kNanosPerSecond, kHour = 3600 * kSecond;
  const std::string at = "spec.timeouts";
  validate_time(timeouts.header, kSecond / 10, kHour, at + ".header", "100ms to 1h", faults);
  if (timeouts.idle != 0) validate_time(timeouts.idle, kSecond, 24 * kHour, at + ".idle", "1s to 24h, or 0s", faults);
  if (timeouts.stream != 0)
    validate_time(timeouts.stream, kSecond, 24 * kHour, at + ".stream", "1s to 24h, or 0s", faults);
}

void validate_limits(const http::HeadLimits& limits, ObjectFaults& faults) {
  const std::string at = "spec.limits.";
  want_range(faults, at + "targetBytes", limits.target_bytes, kMinTargetBytes, http::kDefaultTargetBytes);
  want_range(faults, at + "headerBytes", limits.field_bytes, kMinFieldBytes, http::kDefaultFieldBytes);
  want_range(faults, at + "headerCount", limits.field_count, 1, http::kMaxFieldCount);
  want_range(faults, at + "bodyBytes", limits.body_bytes, 0, http::kDefaultBodyBytes);
}

void validate_replies(const std::vector<LocalReply>& replies, ObjectFaults& faults) {
  if (replies.size() > kMaxLocalReplies)
    return faults.add("spec.localReplies",
                      text(replies.size(), " entries are too many (at most ", kMaxLocalReplies, ")"));
  for (size_t i = 0; i < replies.size(); ++i) {
    const LocalReply& reply = replies[i];
    const std::string at = text("spec.localReplies[", i, "]");
    if (reply.statuses.empty() || reply.statuses.size() > kMaxReplyStatuses)
      faults.add(at + ".statuses", text(reply.statuses.size(), " entries (want 1 to ", kMaxReplyStatuses, ")"));
    for (size_t j = 0; j < reply.statuses.size() && j < kMaxReplyStatuses; ++j)
      want_range(faults, text(at, ".statuses[", j, "]"), reply.statuses[j], 400, 599);
    config::DirectResponse answer = reply.answer;
    if (answer.status == 0) answer.status = 400;  // whichever of its statuses it is: all have content
    validate_answer(answer, at, faults);
  }
}

void validate_policy(const ListenerPolicy& policy, const State& state, Faults& all) {
  ObjectFaults faults(all, Kind::kListenerPolicy, policy.name);
  validate_name(faults, policy.name);
  const auto gateway = state.gateways.find(policy.gateway);
  if (gateway == state.gateways.end()) {
    faults.add("spec.targetRef.name", text("there is no Gateway/", policy.gateway.to_string().substr(0, 320)));
  } else if (!policy.section.empty()) {
    const auto& listeners = gateway->second->listeners;
    const auto named = [&](const GatewayListener& each) { return each.name == policy.section; };
    if (std::none_of(listeners.begin(), listeners.end(), named))
      faults.add("spec.targetRef.sectionName", text("Gateway/", policy.gateway.to_string(), " has no such listener"));
  }
  validate_prefixes_of(policy.proxies, "spec.proxyProtocol.sources", faults);
  validate_timeouts(policy.timeouts, faults);
  want_range(faults, "spec.forwarding.trustedHops", policy.forwarding.trusted_hops, 0, http::kMaxTrustedHops);
  validate_limits(policy.limits, faults);
  validate_replies(policy.replies, faults);
  if (!policy.maintenance) return;
  validate_answer(policy.maintenance->answer, "spec.maintenance", faults);
  validate_prefixes_of(policy.maintenance->except, "spec.maintenance.except", faults);
}

void validate_policies(const State& state, Faults& all) {
  std::map<std::pair<Name, std::string_view>, const ListenerPolicy*> targets;
  for (const auto& [name, policy] : state.listener_policies) {
    validate_policy(*policy, state, all);
    const auto [first, fresh] =
        targets.emplace(std::pair(policy->gateway, std::string_view(policy->section)), policy.get());
    if (!fresh)
      ObjectFaults(all, Kind::kListenerPolicy, name)
          .add("spec.targetRef", text("ListenerPolicy/", first->second->name.to_string(), " has this target"));
  }
}

void validate_references(const State& state, Faults& all) {
  for (const auto& [name, route] : state.http_routes)
    for (size_t i = 0; i < route->rules.size(); ++i) {
      const std::optional<Name>& direct = route->rules[i].filters.direct;
      if (direct && !state.direct_responses.contains(*direct))
        ObjectFaults(all, Kind::kHttpRoute, name)
            .add(text("spec.rules[", i, "].filters"),
                 text("ExtensionRef: there is no DirectResponse/", direct->to_string().substr(0, 320)));
    }
}

}  // namespace

void validate_listener_policies(const State& before, const State& state, Faults& faults) {
  bool policies = false, responses = false;
  const auto policy_touched = [&](const auto&, const auto&) { policies = true; };
  for_each_change(before.listener_policies, state.listener_policies, policy_touched);
  for_each_change(before.gateways, state.gateways, policy_touched);
  if (policies) validate_policies(state, faults);
  for_each_change(before.direct_responses, state.direct_responses, [&](const auto&, const auto& object) {
    responses = true;
    if (!object) return;
    ObjectFaults of_object(faults, Kind::kDirectResponse, object->name);
    validate_name(of_object, object->name);
    validate_answer(object->answer, "spec", of_object);
  });
  for_each_change(before.http_routes, state.http_routes, [&](const auto&, const auto&) { responses = true; });
  if (responses) validate_references(state, faults);
}

}  // namespace penstock::model
