// Rules of RateLimits whose target is a Gateway, an HTTPRoute or findings of inspections. Regular expressions are
// looked at when they are compiled.
#include <algorithm>

#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/http/chars.h"

namespace penstock::model {

namespace {

using Component = config::LimitComponent;

bool is_request_unit(LimitUnit unit) {
  return unit == LimitUnit::kRequests || unit == LimitUnit::kRequestsPerMinute || unit == LimitUnit::kRequestsPerHour;
}

template <typename List>
void want_section(const RateLimit& limit, const List& list, const std::string& what, ObjectFaults& faults) {
  if (limit.section.empty()) return;
  if (std::none_of(list.begin(), list.end(), [&](const auto& each) { return each.name == limit.section; }))
    faults.add(what + ".sectionName", text(limit.object.to_string(), " has no \"", limit.section.substr(0, 320), "\""));
}

void validate_target(const RateLimit& limit, const State& state, ObjectFaults& faults) {
  if (limit.target == LimitTarget::kFindings) return;  // inspections name the limit
  if (limit.target == LimitTarget::kHttpRoute) {
    const auto route = state.http_routes.find(limit.object);
    if (route == state.http_routes.end())
      faults.add("spec.target.httpRoute.name", text("there is no HTTPRoute/", limit.object.to_string().substr(0, 320)));
    else
      want_section(limit, route->second->rules, "spec.target.httpRoute", faults);
    return;
  }
  const auto gateway = state.gateways.find(limit.object);
  if (gateway == state.gateways.end())
    faults.add("spec.target.gateway.name", text("there is no Gateway/", limit.object.to_string().substr(0, 320)));
  else
    want_section(limit, gateway->second->listeners, "spec.target.gateway", faults);
  if (gateway == state.gateways.end()) return;
  for (const GatewayListener& each : gateway->second->listeners)
    if (each.name == limit.section && each.protocol == config::Protocol::kTcp &&
        (!is_bandwidth(limit.unit) || !limit.matches.empty() || !limit.descriptors.empty()))
      faults.add(
          "spec.target.gateway.sectionName",
          "is a listener for TCP, which knows no requests: want a limit of bandwidth without matches and descriptors");
}

void validate_component(const Component& component, const std::string& at, ObjectFaults& faults) {
  switch (component.kind) {
    case Component::Kind::kHeader:
    case Component::Kind::kQuery: {
      // What a route may match can be part of a key, and nothing else.
      config::Match match;
      config::Condition condition{component.name, "x", false};
      (component.kind == Component::Kind::kHeader ? match.headers : match.query).push_back(std::move(condition));
      if (const auto checked = config::check(match, at); !checked) {
        const std::string& error = checked.error();
        faults.add(at + ".name", error.substr(std::min(error.size(), error.find(": ") + 2)));
      }
      return;
    }
    case Component::Kind::kCookie:
      if (component.name.size() > config::kMaxConditionNameBytes || !http::is_token(component.name))
        faults.add(at + ".name", "want the name of a cookie, at most 256 characters");
      return;
    case Component::Kind::kPathPattern:
      add_checked(faults, config::check_path_pattern(component.name, at + ".pattern"));
      return;
    case Component::Kind::kSource:
    case Component::Kind::kPath:
    case Component::Kind::kHost:
    case Component::Kind::kMethod:
      return;
  }
}

void refuse_fields(const RateLimit& limit, ObjectFaults& faults) {
  const auto refuse = [&](bool given, const char* field) {
    if (given) faults.add(field, "only a limit of requests has it: with target httpRoute, gateway or findings");
  };
  refuse(!limit.matches.empty(), "spec.matches");
  refuse(!limit.descriptors.empty(), "spec.descriptors");
  refuse(limit.shadow, "spec.shadow");
  refuse(limit.headers, "spec.headers");
  if (is_request_unit(limit.unit) || is_bandwidth(limit.unit))
    faults.add("spec.rate", "requests and their content are measured only with target httpRoute or gateway");
}

}  // namespace

void validate_request_limit(const RateLimit& limit, const State& state, ObjectFaults& faults) {
  if (!limits_requests(limit)) return refuse_fields(limit, faults);
  validate_target(limit, state, faults);
  if (!is_request_unit(limit.unit) && !is_bandwidth(limit.unit))
    faults.add("spec.rate",
               "want one of requestsPerSecond, requestsPerMinute, requestsPerHour, requestBitsPerSecond and "
               "responseBitsPerSecond with this target");
  if (is_bandwidth(limit.unit) && limit.target == LimitTarget::kFindings)
    faults.add("spec.rate", "content is measured only with target httpRoute or gateway");
  if (is_bandwidth(limit.unit)) {
    if (limit.shadow) faults.add("spec.shadow", "a limit of bandwidth refuses nothing");
    if (limit.headers) faults.add("spec.headers", "only a limit of requests tells what is left");
    if (limit.burst > 0 && limit.burst < kMinBandwidthBurst)
      faults.add("spec.burst", text("want at least ", kMinBandwidthBurst, " bits of content"));
  }
  if (limit.bucket == LimitBucket::kFlow || limit.bucket == LimitBucket::kDestination)
    faults.add("spec.per", "want aggregate, source or sourcePrefix for a limit of requests");
  if (limit.action != LimitAction::kDrop) faults.add("spec.action", "requests are refused, not marked");
  const auto at_most = [&](const char* field, size_t count, size_t most) {
    if (count > most) faults.add(field, text(count, " entries are too many (at most ", most, ")"));
    return count <= most;
  };
  if (at_most("spec.matches", limit.matches.size(), config::kMaxMatchesPerRule))
    for (size_t i = 0; i < limit.matches.size(); ++i)
      add_checked(faults, config::check(limit.matches[i], text("spec.matches[", i, "]")));
  if (at_most("spec.descriptors", limit.descriptors.size(), config::kMaxLimitComponents - 1))
    for (size_t i = 0; i < limit.descriptors.size(); ++i)
      validate_component(limit.descriptors[i], text("spec.descriptors[", i, "]"), faults);
}

}  // namespace penstock::model
