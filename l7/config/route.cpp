#include "l7/config/route.h"

#include "l7/config/hostname.h"
#include "l7/http/chars.h"
#include "l7/http/field_id.h"
#include "l7/http/path.h"

namespace penstock::config {

namespace {

base::Error too_many(const std::string& what, size_t bound) {
  return {what + ": more than " + std::to_string(bound) + " entries"};
}

base::Error too_long(const std::string& what, size_t bound) {
  return {what + ": longer than " + std::to_string(bound) + " bytes"};
}

// Gateway API, HTTPPathMatch: what Exact and PathPrefix values may not hold, and what normalisation would change.
base::Result<void> check_literal(const std::string& value, const std::string& what) {
  if (value.empty() || value.front() != '/') return base::Error{what + ": must begin with '/'"};
  const std::string ended = value + "/";
  for (const char* forbidden : {"//", "/./", "/../"})
    if (value.find(forbidden) != std::string::npos ||
        (forbidden[1] == '.' && ended.find(forbidden) != std::string::npos))
      return base::Error{what + ": holds '" + forbidden + "', which no normalised path does"};
  const http::PathPolicy policy{false, http::EscapedSlash::kReject};
  std::string out(value.size(), '\0');
  const http::NormalPath normal = http::normalise_path(value, policy, out.data());
  if (normal.fault != http::Fault::kNone) return base::Error{what + ": " + http::info(normal.fault).sentence};
  return {};
}

base::Result<void> check_path(const PathMatch& path, const std::string& what) {
  if (path.value.size() > kMaxPathBytes) return too_long(what, kMaxPathBytes);
  if (path.kind == PathKind::kRegex)
    return path.value.empty() ? base::Result<void>(base::Error{what + ": empty regular expression"})
                              : base::Result<void>();
  return check_literal(path.value, what);
}

base::Result<void> check_condition(const Condition& condition, bool header, const std::string& what) {
  const std::string name = what + ".name", value = what + ".value";
  if (condition.name.empty()) return base::Error{name + ": empty"};
  if (condition.name.size() > kMaxConditionNameBytes) return too_long(name, kMaxConditionNameBytes);
  if (header && !http::is_token(condition.name))
    return base::Error{name + ": '" + condition.name + "' is no field name (RFC 9110 5.6.2)"};
  if (header && !is_matchable_header(lowered(condition.name)))
    return base::Error{name + ": '" + condition.name + "' belongs to the connection or to framing and is not matched"};
  const size_t bound = header ? kMaxHeaderValueBytes : kMaxQueryValueBytes;
  if (condition.value.empty()) return base::Error{value + ": empty"};
  if (condition.value.size() > bound) return too_long(value, bound);
  // A request's value is trimmed and has no controls: an exact one that differs would never match.
  if (header && !condition.regex &&
      (!http::all(condition.value, http::kFieldValue) || http::trim(condition.value) != condition.value))
    return base::Error{value + ": no field value: control characters, or blanks at an end"};
  return {};
}

base::Result<void> check_conditions(const std::vector<Condition>& conditions, bool header, const std::string& what) {
  if (conditions.size() > kMaxConditionsPerMatch) return too_many(what, kMaxConditionsPerMatch);
  for (size_t i = 0; i < conditions.size(); ++i)
    if (auto done = check_condition(conditions[i], header, what + "[" + std::to_string(i) + "]"); !done) return done;
  return {};
}

std::string place_of(const Route& route) { return "HTTPRoute/" + route.name + " spec"; }

}  // namespace

base::Result<void> check(const Match& match, const std::string& what) {
  if (auto done = check_path(match.path, what + ".path.value"); !done) return done;
  if (match.method == http::Method::kOther)
    return base::Error{what + ".method: GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE or PATCH"};
  if (auto done = check_conditions(match.headers, true, what + ".headers"); !done) return done;
  return check_conditions(match.query, false, what + ".queryParams");
}

std::string place_of(const Route& route, size_t rule, size_t match) {
  return place_of(route) + ".rules[" + std::to_string(rule) + "].matches[" + std::to_string(match) + "]";
}

base::Result<void> check(const Route& route) {
  const std::string what = place_of(route);
  if (route.name.empty() || route.name.size() > kMaxRouteNameBytes)
    return base::Error{what + ": a route has a name of at most " + std::to_string(kMaxRouteNameBytes) + " bytes"};
  if (route.hostnames.size() > kMaxHostnamesPerRoute) return too_many(what + ".hostnames", kMaxHostnamesPerRoute);
  for (size_t i = 0; i < route.hostnames.size(); ++i)
    if (auto done = check_hostname(route.hostnames[i], what + ".hostnames[" + std::to_string(i) + "]"); !done)
      return done;
  if (route.rules.size() > kMaxRulesPerRoute) return too_many(what + ".rules", kMaxRulesPerRoute);
  for (size_t r = 0; r < route.rules.size(); ++r) {
    const auto& matches = route.rules[r].matches;
    if (matches.size() > kMaxMatchesPerRule)
      return too_many(what + ".rules[" + std::to_string(r) + "].matches", kMaxMatchesPerRule);
    for (size_t m = 0; m < matches.size(); ++m)
      if (auto done = check(matches[m], place_of(route, r, m)); !done) return done;
  }
  return {};
}

std::string literal_path(const PathMatch& path) {
  std::string out(path.value.size(), '\0');
  std::string normal(http::normalise_path(path.value, {}, out.data()).path);
  if (path.kind == PathKind::kPrefix && normal.ends_with('/')) normal.pop_back();
  return normal;
}

bool is_matchable_header(std::string_view lowered) {
  using http::FieldId;
  constexpr http::FieldSet kTakenOut =
      http::set_of(FieldId::kConnection, FieldId::kKeepAlive, FieldId::kProxyConnection, FieldId::kTe,
                   FieldId::kTransferEncoding, FieldId::kContentLength, FieldId::kExpect);
  const FieldId id = http::field_id_of(lowered);
  return id == FieldId::kUnknown || !(http::set_of(id) & kTakenOut);
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = http::lower(c);
  return out;
}

}  // namespace penstock::config
