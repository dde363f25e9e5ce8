// Rules of HTTPRoute and TCPRoute. Regular expressions are looked at when they are compiled.
#include <algorithm>

#include "control/model/names.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/config/hostname.h"

namespace penstock::model {

namespace {

constexpr base::Nanos kMilli = 1'000'000;

bool at_most(ObjectFaults& faults, const std::string& at, size_t count, size_t most) {
  if (count > most) faults.add(at, text(count, " entries are too many (at most ", most, ")"));
  return count <= most;
}

void validate_parents(const std::vector<ParentRef>& parents, ObjectFaults& faults) {
  if (!at_most(faults, "spec.parentRefs", parents.size(), kMaxParents)) return;
  for (size_t i = 0; i < parents.size(); ++i) {
    const std::string at = text("spec.parentRefs[", i, "]");
    const ParentRef& parent = parents[i];
    if (!is_dns_name(parent.gateway.name)) faults.add(at + ".name", text("want ", kDnsNameRule));
    if (!is_dns_label(parent.gateway.space)) faults.add(at + ".namespace", text("want ", kDnsLabelRule));
    if (!parent.section.empty() && !is_dns_name(parent.section))
      faults.add(at + ".sectionName", text("want ", kDnsNameRule));
    if (std::find(parents.begin(), parents.begin() + static_cast<ptrdiff_t>(i), parent) !=
        parents.begin() + static_cast<ptrdiff_t>(i))
      faults.add(at, "is given twice");
  }
}

void validate_backends(const std::vector<BackendRef>& backends, const std::string& at, ObjectFaults& faults) {
  if (!at_most(faults, at, backends.size(), config::kMaxBackendsPerAction)) return;
  for (size_t i = 0; i < backends.size(); ++i) {
    const std::string each = text(at, "[", i, "]");
    validate_backend(backends[i].object, each, faults);
    want_range(faults, each + ".weight", backends[i].weight, 0, config::kMaxBackendWeight);
  }
}

void validate_times(const HttpRule& rule, const std::string& at, ObjectFaults& faults) {
  if (rule.timeouts.request != 0 && rule.timeouts.backend > rule.timeouts.request)
    faults.add(at + ".timeouts.backendRequest", text(rule.timeouts.backend / kMilli, " ms are more than the ",
                                                     rule.timeouts.request / kMilli, " ms of request"));
  if (!rule.retry) return;
  want_range(faults, at + ".retry.attempts", rule.retry->attempts, 0, kMaxRetryAttempts);
  want_range(faults, at + ".retry.backoff", rule.retry->backoff / kMilli, 1, 60'000, "milliseconds");
  if (!at_most(faults, at + ".retry.codes", rule.retry->codes.size(), kMaxRetryCodes)) return;
  for (size_t i = 0; i < rule.retry->codes.size(); ++i)
    want_range(faults, text(at, ".retry.codes[", i, "]"), rule.retry->codes[i], 400, 599);
}

void validate_rule(const HttpRule& rule, const std::string& at, ObjectFaults& faults) {
  if (!rule.name.empty() && !is_dns_name(rule.name)) faults.add(at + ".name", text("want ", kDnsNameRule));
  if (at_most(faults, at + ".matches", rule.matches.size(), config::kMaxMatchesPerRule))
    for (size_t i = 0; i < rule.matches.size(); ++i)
      add_checked(faults, config::check(rule.matches[i], text(at, ".matches[", i, "]")));
  validate_filters(rule, rule.filters, at, faults);
  validate_backends(rule.backends, at + ".backendRefs", faults);
  for (size_t i = 0; i < rule.backends.size() && i < config::kMaxBackendsPerAction; ++i)
    validate_filters(rule, rule.backends[i].filters, text(at, ".backendRefs[", i, "]"), faults);
  if ((rule.filters.redirect || rule.filters.direct) && !rule.backends.empty())
    faults.add(at + ".backendRefs", "a rule that answers by a filter has no backends");
  if (rule.filters.redirect && rule.filters.direct)
    faults.add(at + ".filters", "a RequestRedirect and an ExtensionRef cannot both answer");
  validate_times(rule, at, faults);
  if (rule.session) validate_session(*rule.session, at + ".sessionPersistence", faults);
}

}  // namespace

void validate_http_route(const HttpRoute& route, Faults& all) {
  ObjectFaults faults(all, Kind::kHttpRoute, route.name);
  validate_name(faults, route.name);
  validate_parents(route.parents, faults);
  if (at_most(faults, "spec.hostnames", route.hostnames.size(), config::kMaxHostnamesPerRoute))
    for (size_t i = 0; i < route.hostnames.size(); ++i)
      add_checked(faults, config::check_hostname(route.hostnames[i], text("spec.hostnames[", i, "]")));
  if (!at_most(faults, "spec.rules", route.rules.size(), config::kMaxRulesPerRoute)) return;
  std::set<std::string_view> names;
  for (size_t i = 0; i < route.rules.size(); ++i) {
    const std::string at = text("spec.rules[", i, "]");
    validate_rule(route.rules[i], at, faults);
    if (!route.rules[i].name.empty() && !names.insert(route.rules[i].name).second)
      faults.add(at + ".name", text("\"", route.rules[i].name, "\" is given twice"));
  }
}

void validate_tcp_route(const TcpRoute& route, Faults& all) {
  ObjectFaults faults(all, Kind::kTcpRoute, route.name);
  validate_name(faults, route.name);
  validate_parents(route.parents, faults);
  if (!route.rule_name.empty() && !is_dns_name(route.rule_name))
    faults.add("spec.rules[0].name", text("want ", kDnsNameRule));
  if (route.backends.empty()) faults.add("spec.rules[0].backendRefs", "is missing (want 1 to 16)");
  validate_backends(route.backends, "spec.rules[0].backendRefs", faults);
}

}  // namespace penstock::model
