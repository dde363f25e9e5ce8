// Summaries of Gateway API and of the kinds that are attached to it. What came of an object is only said where it is
// not as its owner wants it.
#include <vector>

#include "tools/penstock/cli.h"
#include "tools/penstock/summary_parts.h"

namespace penstock::cli {

namespace {

using Texts = std::vector<std::string>;

void add_once(Texts& texts, std::string text) {
  if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
}

// "not Accepted (NoMatchingParent)", "Conflicted (HostnameConflict)"
template <typename Conditions>
void add_unwished(const Conditions& conditions, const std::string& of, Texts& texts) {
  for (const gateway::Condition& each : conditions) {
    const bool conflict = each.type() == "Conflicted";
    if (each.status() == (conflict ? "False" : "True")) continue;
    add_once(texts, of + (conflict ? "" : "not ") + each.type() + " (" + each.reason() + ")");
  }
}

std::string ended(std::string out, const Texts& unwished) {
  for (const std::string& each : unwished) out += (out.empty() ? "" : "; ") + each;
  return out;
}

template <typename Ref>
std::string backend_text(const Ref& ref, const std::string& route_namespace) {
  const bool other = !ref.namespace_().empty() && ref.namespace_() != route_namespace;
  std::string out = (other ? ref.namespace_() + "/" : "") + ref.name() + ":" + std::to_string(ref.port());
  if (ref.has_weight() && ref.weight() != 1) out += " (weight " + std::to_string(ref.weight()) + ")";
  return out;
}

// "hosts at Gateways to backends"
template <typename Route>
std::string route_text(const Route& route, std::string out) {
  Texts parents, backends, unwished;
  for (const gateway::ParentReference& each : route.spec().parent_refs())
    add_once(parents,
             section_text(each.name(), each.section_name()) + (each.port() ? ":" + std::to_string(each.port()) : ""));
  for (const auto& rule : route.spec().rules())
    for (const auto& each : rule.backend_refs()) add_once(backends, backend_text(each, route.metadata().namespace_()));
  for (const gateway::RouteParentStatus& each : route.status().parents())
    add_unwished(each.conditions(), route.status().parents_size() > 1 ? each.parent_ref().name() + ": " : "", unwished);
  out += (out.empty() ? "at " : " at ") + (parents.empty() ? "no Gateway" : joined(parents));
  return ended(out + (backends.empty() ? ", no backends" : " to " + joined(backends)), unwished);
}

// "Gateway edge/http, HTTPRoute shop"
template <typename Refs>
std::string targets_text(const Refs& refs) {
  Texts all;
  for (const auto& each : refs) all.push_back(each.kind() + " " + section_text(each.name(), each.section_name()));
  return joined(all);
}

template <typename Part>
std::string percent_text(const Part& part) {
  return part.has_percentage() ? " of " + rate_text(part.percentage()) + "%" : "";
}

}  // namespace

std::string section_text(const std::string& name, const std::string& section) {
  return name + (section.empty() ? "" : "/" + section);
}

std::string summary(const gateway::Gateway& gateway) {
  Texts listeners, addresses, unwished;
  for (const gateway::Listener& each : gateway.spec().listeners())
    listeners.push_back(each.protocol() + " " + std::to_string(each.port()) +
                        (each.hostname().empty() ? "" : " " + each.hostname()));
  const bool placed = gateway.status().addresses_size() != 0;
  for (const gateway::GatewayAddress& each : placed ? gateway.status().addresses() : gateway.spec().addresses())
    addresses.push_back(each.value());
  add_unwished(gateway.status().conditions(), "", unwished);
  int routes = 0;
  for (const gateway::ListenerStatus& each : gateway.status().listeners()) {
    routes += each.attached_routes();
    add_unwished(each.conditions(), each.name() + ": ", unwished);
  }
  return ended(joined(listeners) + (addresses.empty() ? "" : " at " + joined(addresses)) + "; " +
                   counted(routes, "route") + " attached",
               unwished);
}

std::string summary(const gateway::HTTPRoute& route) {
  return route_text(route, route.spec().hostnames().empty() ? "all hosts" : joined(route.spec().hostnames()));
}

std::string summary(const gateway::TCPRoute& route) { return route_text(route, ""); }

std::string summary(const gateway::ReferenceGrant& grant) {
  Texts from, to;
  for (const gateway::ReferenceGrantFrom& each : grant.spec().from())
    from.push_back(each.kind() + " of " + each.namespace_());
  for (const gateway::ReferenceGrantTo& each : grant.spec().to())
    to.push_back(each.name().empty() ? "every " + each.kind() : each.kind() + " " + each.name());
  return joined(from) + " to " + joined(to);
}

std::string summary(const v1alpha1::Fault& fault) {
  const auto& spec = fault.spec();
  Texts what;
  if (spec.has_delay()) what.push_back("delay " + spec.delay().fixed_delay() + percent_text(spec.delay()));
  if (spec.has_abort())
    what.push_back("abort " + std::to_string(spec.abort().http_status()) + percent_text(spec.abort()));
  if (spec.has_reset()) what.push_back("reset" + percent_text(spec.reset()));
  if (spec.has_throttle())
    what.push_back("throttle " + rate_text(spec.throttle().bits_per_second()) + " bit/s" +
                   percent_text(spec.throttle()));
  return "HTTPRoute " + section_text(spec.target_ref().name(), spec.target_ref().section_name()) + ": " +
         joined(what, 4);
}

std::string summary(const v1alpha1::ListenerPolicy& policy) {
  const auto& spec = policy.spec();
  Texts what;
  if (spec.has_maintenance()) what.emplace_back("maintenance");
  if (spec.has_proxy_protocol()) what.emplace_back("PROXY protocol");
  if (spec.has_timeouts()) what.emplace_back("timeouts");
  if (spec.has_requests_per_connection()) what.emplace_back("requests per connection");
  if (spec.has_forwarding()) what.emplace_back("forwarding fields");
  if (spec.has_path()) what.emplace_back("paths");
  if (spec.has_limits()) what.emplace_back("limits");
  if (spec.local_replies_size() != 0) what.push_back(counted(spec.local_replies_size(), "local answer"));
  return "Gateway " + section_text(spec.target_ref().name(), spec.target_ref().section_name()) +
         (what.empty() ? "" : ": " + joined(what, static_cast<int>(what.size())));
}

std::string summary(const v1alpha1::DirectResponse& response) {
  const auto& spec = response.spec();
  return std::to_string(spec.status()) + (spec.content_type().empty() ? "" : ", " + spec.content_type()) + ", " +
         counted(static_cast<int>(spec.body().size()), "byte");
}

std::string summary(const v1alpha1::RequestAccessPolicy& policy) {
  const auto& spec = policy.spec();
  return targets_text(spec.target_refs()) + ": " + (spec.has_action() ? spec.action() : "ALLOW") + ", " +
         counted(spec.rules_size(), "rule") + (spec.shadow() ? ", only counted" : "");
}

std::string summary(const v1alpha1::RequestInspection& inspection) {
  const auto& spec = inspection.spec();
  return targets_text(spec.target_refs()) + ": " + counted(spec.patterns_size(), "pattern") +
         (spec.body_bytes() ? ", " + counted(static_cast<int>(spec.body_bytes()), "byte") + " of content" : "");
}

}  // namespace penstock::cli
