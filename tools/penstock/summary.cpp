#include "tools/penstock/summary.h"

#include "tools/penstock/cli.h"
#include "tools/penstock/summary_parts.h"

namespace penstock::cli {

namespace {

// Where nothing may travel in clear: interfaces, VLANs, prefixes.
std::string encrypted_of(const v1alpha1::Node& node) {
  google::protobuf::RepeatedPtrField<std::string> all;
  for (const auto& interface : node.spec().interfaces()) {
    if (interface.encrypt() == "Required") *all.Add() = interface.name();
    for (const auto& vlan : interface.vlans())
      if (vlan.encrypt() == "Required") *all.Add() = vlan.name();
  }
  for (const auto& entry : node.spec().mesh().encrypt())
    if (entry.mode() == "Required") *all.Add() = entry.prefix();
  return joined(all);
}

std::string summary(const v1alpha1::Node& node) {
  std::string names;
  for (const auto& interface : node.spec().interfaces()) names += (names.empty() ? "" : ", ") + interface.name();
  const std::string encrypted = encrypted_of(node);
  return "interfaces " + (names.empty() ? "none" : names) + "; " + counted(node.spec().routes_size(), "route") +
         (encrypted.empty() ? "" : "; nothing in clear: " + encrypted);
}

std::string summary(const kubernetes::Service& service) {
  std::string ports;
  for (const auto& port : service.spec().ports())
    ports += (ports.empty() ? "" : ", ") + std::to_string(port.port()) + "/" + port.protocol();
  return joined(service.spec().external_ips()) + " " + ports;
}

std::string summary(const kubernetes::EndpointSlice& slice) {
  const auto label = slice.metadata().labels().find("kubernetes.io/service-name");
  int ready = 0;
  for (const auto& endpoint : slice.endpoints())
    ready += !endpoint.conditions().has_ready() || endpoint.conditions().ready();
  return (label == slice.metadata().labels().end() ? "" : "of " + label->second + ": ") + std::to_string(ready) +
         " of " + counted(slice.endpoints_size(), "endpoint") + " ready";
}

std::string summary(const v1alpha1::ServicePolicy& policy) {
  const auto& spec = policy.spec();
  if (spec.target_ref().kind() == "ServiceSubset") return "requests to ServiceSubset " + spec.target_ref().name();
  return spec.target_ref().name() + ": " + (spec.has_mode() ? spec.mode() : "nat") + ", " +
         (spec.has_balancing() ? spec.balancing() : "maglev") + (spec.has_health_check() ? ", checked" : "");
}

std::string summary(const v1alpha1::AccessPolicy& policy) {
  const auto& spec = policy.spec();
  return counted(spec.rules_size(), "rule") + ", priority " +
         std::to_string(spec.has_priority() ? spec.priority() : 1000);
}

std::string summary(const v1alpha1::RateLimit& limit) {
  const auto& spec = limit.spec();
  return target_text(spec.target()) + ": " + limit_rate_text(spec.rate()) +
         (spec.has_per() ? " per " + spec.per() : "");
}

std::string summary(const v1alpha1::Egress& egress) {
  const auto& spec = egress.spec();
  return joined(spec.from()) + " as " + (spec.pool().empty() ? "the interface's address" : joined(spec.pool()));
}

std::string summary(const v1alpha1::Mirror& mirror) {
  const auto& to = mirror.spec().to();
  const std::string sample = mirror.spec().has_sample() ? "one of " + std::to_string(mirror.spec().sample()) + " " : "";
  return sample + "to " + (to.has_erspan() ? "ERSPAN collector " + to.erspan().collector() : to.interface());
}

std::string summary(const v1alpha1::Peer& peer) {
  const auto& spec = peer.spec();
  const std::string encryption = spec.has_encryption() ? spec.encryption() : "Required";
  const std::string cipher = spec.has_cipher() ? spec.cipher() : "AES-GCM-128";
  return joined(spec.prefixes()) + " at " + spec.address() + (encryption == "Off" ? " in clear" : ", " + cipher);
}

std::string summary(const v1alpha1::Workload& workload) {
  const auto& spec = workload.spec();
  return spec.identity() + " behind " + spec.interface() + (spec.has_mac() ? ", " + spec.mac() : "") +
         (spec.addresses().empty() ? "" : ", " + joined(spec.addresses()));
}

// In the order of keys.
google::protobuf::RepeatedPtrField<std::string> texts_of(
    const google::protobuf::Map<std::string, std::string>& labels) {
  google::protobuf::RepeatedPtrField<std::string> all;
  for (const auto& [key, value] : std::map<std::string, std::string>(labels.begin(), labels.end()))
    *all.Add() = key + "=" + value;
  return all;
}

std::string summary(const kubernetes::Namespace& space) { return joined(texts_of(space.metadata().labels())); }

std::string summary(const v1alpha1::ServiceSubset& subset) {
  const auto& selector = subset.spec().selector();
  auto all = texts_of(selector.match_labels());
  for (const auto& each : selector.match_expressions()) {
    const std::string values = each.values().empty() ? "" : " (" + joined(each.values()) + ")";
    *all.Add() = each.key() + " " + each.operator_() + values;
  }
  return "of " + subset.spec().service() + ": " + joined(all) + "; " + std::to_string(subset.status().ready()) +
         " of " + counted(static_cast<int>(subset.status().endpoints()), "endpoint") + " ready";
}

}  // namespace

std::string target_text(const v1alpha1::LimitTarget& target) {
  switch (target.target_case()) {
    case v1alpha1::LimitTarget::kInterface:
      return "interface " + target.interface();
    case v1alpha1::LimitTarget::kService:
      return "service " + target.service().name();
    case v1alpha1::LimitTarget::kRule:
      return "rule " + target.rule().policy() + "/" + target.rule().name();
    case v1alpha1::LimitTarget::kPrefix:
      return "prefix " + target.prefix();
    case v1alpha1::LimitTarget::kHttpRoute:
      return "HTTPRoute " + section_text(target.http_route().name(), target.http_route().section_name());
    case v1alpha1::LimitTarget::kGateway:
      return "Gateway " + section_text(target.gateway().name(), target.gateway().section_name());
    case v1alpha1::LimitTarget::kFindings:
      return "findings";
    case v1alpha1::LimitTarget::TARGET_NOT_SET:
      break;
  }
  return "";
}

std::string limit_rate_text(const v1alpha1::LimitRate& rate) {
  switch (rate.rate_case()) {
    case v1alpha1::LimitRate::kPacketsPerSecond:
      return rate_text(rate.packets_per_second()) + " packets/s";
    case v1alpha1::LimitRate::kBitsPerSecond:
      return rate_text(rate.bits_per_second()) + " bit/s";
    case v1alpha1::LimitRate::kConnectionsPerSecond:
      return rate_text(rate.connections_per_second()) + " connections/s";
    case v1alpha1::LimitRate::kRequestsPerSecond:
      return rate_text(rate.requests_per_second()) + " requests/s";
    case v1alpha1::LimitRate::kRequestsPerMinute:
      return rate_text(rate.requests_per_minute()) + " requests/min";
    case v1alpha1::LimitRate::kRequestsPerHour:
      return rate_text(rate.requests_per_hour()) + " requests/h";
    case v1alpha1::LimitRate::kRequestBitsPerSecond:
      return rate_text(rate.request_bits_per_second()) + " bit/s of requests";
    case v1alpha1::LimitRate::kResponseBitsPerSecond:
      return rate_text(rate.response_bits_per_second()) + " bit/s of answers";
    case v1alpha1::LimitRate::RATE_NOT_SET:
      break;
  }
  return "";
}

std::string summary_of(const v1::Object& object) {
  switch (object.object_case()) {
    case v1::Object::kNode:
      return summary(object.node());
    case v1::Object::kService:
      return summary(object.service());
    case v1::Object::kEndpointSlice:
      return summary(object.endpoint_slice());
    case v1::Object::kServicePolicy:
      return summary(object.service_policy());
    case v1::Object::kAccessPolicy:
      return summary(object.access_policy());
    case v1::Object::kRateLimit:
      return summary(object.rate_limit());
    case v1::Object::kEgress:
      return summary(object.egress());
    case v1::Object::kMirror:
      return summary(object.mirror());
    case v1::Object::kPeer:
      return summary(object.peer());
    case v1::Object::kWorkload:
      return summary(object.workload());
    case v1::Object::kGateway:
      return summary(object.gateway());
    case v1::Object::kHttpRoute:
      return summary(object.http_route());
    case v1::Object::kTcpRoute:
      return summary(object.tcp_route());
    case v1::Object::kReferenceGrant:
      return summary(object.reference_grant());
    case v1::Object::kFault:
      return summary(object.fault());
    case v1::Object::kListenerPolicy:
      return summary(object.listener_policy());
    case v1::Object::kDirectResponse:
      return summary(object.direct_response());
    case v1::Object::kRequestAccessPolicy:
      return summary(object.request_access_policy());
    case v1::Object::kRequestInspection:
      return summary(object.request_inspection());
    case v1::Object::kServiceSubset:
      return summary(object.service_subset());
    case v1::Object::kNamespace:
      return summary(object.namespace_());
    case v1::Object::OBJECT_NOT_SET:
      break;
  }
  return "";
}

}  // namespace penstock::cli
