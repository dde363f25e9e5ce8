// Rules of the filters of an HTTPRoute, and of what refers to a backend.
#include <algorithm>

#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/config/hostname.h"
#include "l7/http/chars.h"
#include "l7/http/method.h"

namespace penstock::model {

namespace {

using Change = config::HeaderChange;

// What a filter may name: a field that reaches it. Host and Upgrade are no fields to codecs.
const char* why_no_field(std::string_view lowered) {
  if (lowered.size() > config::kMaxConditionNameBytes || !http::is_token(lowered))
    return "is no field name (RFC 9110 5.6.2)";
  if (lowered == "host") return "is the request's host: a URLRewrite changes it";
  if (lowered == "upgrade" || !config::is_matchable_header(lowered))
    return "belongs to the connection or to framing and is not changed";
  return nullptr;
}

// Gateway API's bound is for each of set, add and remove; indices count in those lists.
void validate_changes(const std::vector<Change>& changes, const std::string& at, ObjectFaults& faults) {
  for (const auto& [kind, list] : {std::pair(Change::Kind::kSet, ".set"), std::pair(Change::Kind::kAdd, ".add"),
                                   std::pair(Change::Kind::kRemove, ".remove")}) {
    size_t i = 0;
    for (const Change& change : changes) {
      if (change.kind != kind) continue;
      const std::string each = text(at, list, "[", i++, "]");
      if (const char* why = why_no_field(change.name))
        faults.add(kind == Change::Kind::kRemove ? each : each + ".name",
                   text("\"", change.name.substr(0, 64), "\" ", why));
      if (change.value.size() > config::kMaxHeaderValueBytes || !http::all(change.value, http::kFieldValue) ||
          http::trim(change.value) != change.value)
        faults.add(each + ".value", text("no field value: more than ", config::kMaxHeaderValueBytes,
                                         " bytes, control characters, or blanks at an end"));
    }
    if (i > kMaxHeaderChanges)
      faults.add(at + list, text(i, " entries are too many (at most ", kMaxHeaderChanges, ")"));
  }
}

// A literal path is what an exact match may be; a prefix may also be replaced by nothing.
void validate_modifier(const config::PathModifier& modifier, const HttpRule& rule, const std::string& at,
                       ObjectFaults& faults) {
  using Kind = config::PathModifier::Kind;
  if (modifier.kind == Kind::kNone) return;
  const bool prefix = modifier.kind == Kind::kPrefixMatch;
  const std::string field = at + (prefix ? ".path.replacePrefixMatch" : ".path.replaceFullPath");
  if (!(prefix && modifier.replacement.empty())) {
    config::Match match;
    match.path.value = modifier.replacement;
    if (const auto checked = config::check(match, field); !checked)
      faults.add(field, checked.error().substr(checked.error().find(": ") + 2));
  }
  const bool all_prefixes = std::all_of(rule.matches.begin(), rule.matches.end(), [](const config::Match& match) {
    return match.path.kind == config::PathKind::kPrefix;
  });
  if (prefix && !all_prefixes) faults.add(field, "all matches of its rule must be of type PathPrefix");
}

void validate_redirect(const HttpRule& rule, const config::Redirect& redirect, const std::string& at,
                       ObjectFaults& faults) {
  constexpr uint16_t kStatus[] = {301, 302, 303, 307, 308};
  if (!redirect.hostname.empty()) {
    add_checked(faults, config::check_hostname(redirect.hostname, at + ".hostname"));
    if (config::is_wildcard(redirect.hostname)) faults.add(at + ".hostname", "want a name, no wildcard");
  }
  validate_modifier(redirect.path, rule, at, faults);
  if (std::find(std::begin(kStatus), std::end(kStatus), redirect.status) == std::end(kStatus))
    faults.add(at + ".statusCode", text(redirect.status, " is not one of 301, 302, 303, 307, 308"));
}

bool is_origin(std::string_view origin) {
  if (origin == "*") return true;
  const size_t scheme = origin.starts_with("https://") ? 8 : origin.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || origin.size() > scheme + config::kMaxHostnameBytes + 6) return false;
  std::string_view host = origin.substr(scheme);
  if (const size_t colon = host.find(':'); colon != std::string_view::npos) {
    const std::string_view port = host.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !http::all(port, http::kDigit)) return false;
    host = host.substr(0, colon);
  }
  return config::check_hostname(host, "").ok() || base::IpAddress::parse(host).ok();
}

void validate_cors(const config::Cors& cors, const std::string& at, ObjectFaults& faults) {
  const auto each = [&](const std::vector<std::string>& items, const char* list, const char* want, auto&& is_fine) {
    if (items.size() > kMaxCorsItems)
      return faults.add(at + list, text(items.size(), " entries are too many (at most ", kMaxCorsItems, ")"));
    for (size_t i = 0; i < items.size(); ++i)
      if (!is_fine(items[i]))
        faults.add(text(at, list, "[", i, "]"), text("\"", items[i].substr(0, 64), "\": want ", want));
  };
  const auto is_field = [](const std::string& name) {
    return name == "*" || (name.size() <= config::kMaxConditionNameBytes && http::is_token(name));
  };
  each(cors.origins, ".allowOrigins", "\"https://shop.example\", \"https://*.example\" or \"*\"", is_origin);
  each(cors.methods, ".allowMethods", "a method or \"*\"",
       [](const std::string& method) { return method == "*" || http::method_of(method) != http::Method::kOther; });
  each(cors.request_headers, ".allowHeaders", "a field name or \"*\"", is_field);
  each(cors.expose_headers, ".exposeHeaders", "a field name or \"*\"", is_field);
  want_range(faults, at + ".maxAge", cors.max_age_seconds, 1, INT32_MAX, "seconds");
}

}  // namespace

void validate_backend(const BackendObject& object, const std::string& at, ObjectFaults& faults) {
  if (object.group.size() > kMaxGroup) faults.add(at + ".group", "is longer than 253 characters");
  if (object.kind.empty() || object.kind.size() > kMaxKindName) faults.add(at + ".kind", "want 1 to 63 characters");
  if (!is_dns_name(object.name.name)) faults.add(at + ".name", text("want ", kDnsNameRule));
  if (!is_dns_label(object.name.space)) faults.add(at + ".namespace", text("want ", kDnsLabelRule));
  if (object.port == 0) faults.add(at + ".port", "is missing (want 1 to 65535)");
}

// Filters are kept by their type, so a path names the type, not the place in the list.
void validate_filters(const HttpRule& rule, const RouteFilters& filters, const std::string& at, ObjectFaults& faults) {
  const std::string list = at + ".filters.";
  validate_changes(filters.request, list + "requestHeaderModifier", faults);
  validate_changes(filters.response, list + "responseHeaderModifier", faults);
  if (filters.redirect) validate_redirect(rule, *filters.redirect, list + "requestRedirect", faults);
  if (filters.redirect && filters.rewrite)
    faults.add(list + "urlRewrite", "cannot stand beside a RequestRedirect: nothing is sent to a backend");
  if (filters.direct && (filters.rewrite || !filters.request.empty() || !filters.mirrors.empty()))
    faults.add(list + "extensionRef",
               "cannot stand beside URLRewrite, RequestHeaderModifier or RequestMirror: nothing is sent to a backend");
  if (filters.rewrite) {
    const std::string& hostname = filters.rewrite->hostname;
    if (!hostname.empty()) add_checked(faults, config::check_hostname(hostname, list + "urlRewrite.hostname"));
    if (config::is_wildcard(hostname)) faults.add(list + "urlRewrite.hostname", "want a name, no wildcard");
    validate_modifier(filters.rewrite->path, rule, list + "urlRewrite", faults);
  }
  if (filters.cors) validate_cors(*filters.cors, list + "cors", faults);
  if (filters.mirrors.size() > kMaxMirrorsPerRule)
    return faults.add(list + "requestMirror", text("more than ", kMaxMirrorsPerRule));
  for (size_t i = 0; i < filters.mirrors.size(); ++i) {
    const std::string each = text(list, "requestMirror[", i, "]");
    const MirrorFilter& mirror = filters.mirrors[i];
    validate_backend(mirror.backend, each + ".backendRef", faults);
    if (mirror.denominator == 0 || mirror.numerator > mirror.denominator)
      faults.add(each + ".fraction", text(mirror.numerator, " of ", mirror.denominator, " is no part of a whole"));
  }
}

}  // namespace penstock::model
