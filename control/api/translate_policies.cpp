// Kinds AccessPolicy, RateLimit, Egress and Mirror.
#include "control/api/translate_kinds.h"

namespace penstock::api {

namespace {

constexpr Choice<model::FlowStateMatch> kStates[] = {{"any", model::FlowStateMatch::kAny},
                                                     {"new", model::FlowStateMatch::kNew},
                                                     {"established", model::FlowStateMatch::kEstablished},
                                                     {"related", model::FlowStateMatch::kRelated}};
constexpr Choice<model::RuleAction> kRuleActions[] = {
    {"allow", model::RuleAction::kAllow}, {"deny", model::RuleAction::kDeny}, {"reject", model::RuleAction::kReject}};
constexpr Choice<model::LimitBucket> kBuckets[] = {{"aggregate", model::LimitBucket::kAggregate},
                                                   {"source", model::LimitBucket::kSource},
                                                   {"sourcePrefix", model::LimitBucket::kSourcePrefix},
                                                   {"flow", model::LimitBucket::kFlow},
                                                   {"destination", model::LimitBucket::kDestination}};
constexpr Choice<model::LimitAction> kLimitActions[] = {{"drop", model::LimitAction::kDrop},
                                                        {"mark", model::LimitAction::kMark}};

// A rule of an AccessPolicy and the match of a Mirror have the same fields.
template <typename Message>
void read_match(const Path& path, const Message& message, model::Match& match, Fields& fields) {
  match.interfaces.assign(message.interfaces().begin(), message.interfaces().end());
  fields.prefixes(path, "from", message.from(), match.from);
  fields.prefixes(path, "to", message.to(), match.to);
  if (message.has_protocol()) fields.protocol({&path, "protocol"}, message.protocol(), match.protocol.emplace());
  for (int i = 0; i < message.source_ports_size(); ++i)
    fields.ports({&path, "sourcePorts", i}, message.source_ports(i), match.source_ports.emplace_back());
  for (int i = 0; i < message.ports_size(); ++i)
    fields.ports({&path, "ports", i}, message.ports(i), match.destination_ports.emplace_back());
  if (message.has_tcp_flags())
    fields.tcp_flags({&path, "tcpFlags"}, message.tcp_flags(), match.tcp_flags, match.tcp_flags_mask);
  if (message.has_icmp_type()) fields.number({&path, "icmpType"}, message.icmp_type(), match.icmp_type.emplace());
  if (message.has_state()) fields.choice({&path, "state"}, message.state(), kStates, match.state);
}

template <typename Message>
void write_match(const model::Match& match, Message& message) {
  for (const std::string& name : match.interfaces) message.add_interfaces(name);
  for (const base::Prefix& prefix : match.from) message.add_from(prefix.to_string());
  for (const base::Prefix& prefix : match.to) message.add_to(prefix.to_string());
  if (match.protocol) message.set_protocol(protocol_text(*match.protocol));
  for (const model::PortRange& range : match.source_ports) message.add_source_ports(ports_text(range));
  for (const model::PortRange& range : match.destination_ports) message.add_ports(ports_text(range));
  if (match.tcp_flags_mask) message.set_tcp_flags(tcp_flags_text(match.tcp_flags, match.tcp_flags_mask));
  if (match.icmp_type) message.set_icmp_type(*match.icmp_type);
  if (match.state != model::FlowStateMatch::kAny) message.set_state(name_of(match.state, kStates));
}

void read_target(const v1alpha1::LimitTarget& message, model::RateLimit& object, const Path& path, Fields& fields) {
  switch (message.target_case()) {
    case v1alpha1::LimitTarget::kInterface:
      object.target = model::LimitTarget::kInterface;
      object.interface = message.interface();
      return;
    case v1alpha1::LimitTarget::kService:
      object.target = model::LimitTarget::kService;
      object.service = {object.name.space, message.service().name()};
      return;
    case v1alpha1::LimitTarget::kRule:
      object.target = model::LimitTarget::kRule;
      object.policy = {object.name.space, message.rule().policy()};
      object.rule = message.rule().name();
      return;
    case v1alpha1::LimitTarget::kPrefix:
      object.target = model::LimitTarget::kPrefix;
      fields.prefix({&path, "prefix"}, message.prefix(), object.prefix);
      return;
    case v1alpha1::LimitTarget::kHttpRoute:
      object.target = model::LimitTarget::kHttpRoute;
      object.object = {object.name.space, message.http_route().name()};
      object.section = message.http_route().section_name();
      return;
    case v1alpha1::LimitTarget::kGateway:
      object.target = model::LimitTarget::kGateway;
      object.object = {object.name.space, message.gateway().name()};
      object.section = message.gateway().section_name();
      return;
    case v1alpha1::LimitTarget::kFindings:
      object.target = model::LimitTarget::kFindings;
      return;
    case v1alpha1::LimitTarget::TARGET_NOT_SET:
      fields.fault(path, "want one of interface, service, rule, prefix, httpRoute, gateway, findings");
      return;
  }
}

void write_target(const model::RateLimit& object, v1alpha1::LimitTarget& message) {
  switch (object.target) {
    case model::LimitTarget::kInterface:
      message.set_interface(object.interface);
      return;
    case model::LimitTarget::kService:
      message.mutable_service()->set_name(object.service.name);
      return;
    case model::LimitTarget::kRule:
      message.mutable_rule()->set_policy(object.policy.name);
      message.mutable_rule()->set_name(object.rule);
      return;
    case model::LimitTarget::kPrefix:
      message.set_prefix(object.prefix.to_string());
      return;
    case model::LimitTarget::kHttpRoute:
      message.mutable_http_route()->set_name(object.object.name);
      message.mutable_http_route()->set_section_name(object.section);
      return;
    case model::LimitTarget::kGateway:
      message.mutable_gateway()->set_name(object.object.name);
      message.mutable_gateway()->set_section_name(object.section);
      return;
    case model::LimitTarget::kFindings:
      message.mutable_findings();
      return;
  }
}

}  // namespace

bool read_rate(const v1alpha1::LimitRate& message, model::LimitUnit& unit, double& rate) {
  switch (message.rate_case()) {
    case v1alpha1::LimitRate::kPacketsPerSecond:
      unit = model::LimitUnit::kPackets;
      rate = message.packets_per_second();
      return true;
    case v1alpha1::LimitRate::kBitsPerSecond:
      unit = model::LimitUnit::kBits;
      rate = message.bits_per_second();
      return true;
    case v1alpha1::LimitRate::kConnectionsPerSecond:
      unit = model::LimitUnit::kConnections;
      rate = message.connections_per_second();
      return true;
    case v1alpha1::LimitRate::kRequestsPerSecond:
      unit = model::LimitUnit::kRequests;
      rate = message.requests_per_second();
      return true;
    case v1alpha1::LimitRate::kRequestsPerMinute:
      unit = model::LimitUnit::kRequestsPerMinute;
      rate = message.requests_per_minute();
      return true;
    case v1alpha1::LimitRate::kRequestsPerHour:
      unit = model::LimitUnit::kRequestsPerHour;
      rate = message.requests_per_hour();
      return true;
    case v1alpha1::LimitRate::kRequestBitsPerSecond:
      unit = model::LimitUnit::kRequestContent;
      rate = message.request_bits_per_second();
      return true;
    case v1alpha1::LimitRate::kResponseBitsPerSecond:
      unit = model::LimitUnit::kResponseContent;
      rate = message.response_bits_per_second();
      return true;
    case v1alpha1::LimitRate::RATE_NOT_SET:
      break;
  }
  return false;
}

void to_model(const v1alpha1::AccessPolicy& message, model::AccessPolicy& object, Fields& fields) {
  const v1alpha1::AccessPolicySpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  if (spec.has_priority()) object.priority = spec.priority();
  object.rules.reserve(static_cast<size_t>(spec.rules_size()));
  for (int i = 0; i < spec.rules_size(); ++i) {
    const Path at{&path, "rules", i};
    const auto& rule = spec.rules(i);
    auto& out = object.rules.emplace_back();
    out.name = rule.has_name() ? rule.name() : std::to_string(i);
    fields.choice({&at, "action"}, rule.action(), kRuleActions, out.action);
    read_match(at, rule, out.match, fields);
    out.from_identities.assign(rule.from_identities().begin(), rule.from_identities().end());
    out.to_identities.assign(rule.to_identities().begin(), rule.to_identities().end());
    out.shadow = rule.shadow();
    out.log_sample = rule.log_sample();
  }
}

void to_message(const model::AccessPolicy& object, v1alpha1::AccessPolicy& message) {
  v1alpha1::AccessPolicySpec& spec = *message.mutable_spec();
  if (object.priority != model::AccessPolicy{}.priority) spec.set_priority(object.priority);
  for (const model::AccessRule& rule : object.rules) {
    auto& out = *spec.add_rules();
    out.set_name(rule.name);
    out.set_action(name_of(rule.action, kRuleActions));
    write_match(rule.match, out);
    for (const std::string& each : rule.from_identities) out.add_from_identities(each);
    for (const std::string& each : rule.to_identities) out.add_to_identities(each);
    if (rule.shadow) out.set_shadow(true);
    if (rule.log_sample != 0) out.set_log_sample(rule.log_sample);
  }
}

void to_model(const v1alpha1::RateLimit& message, model::RateLimit& object, Fields& fields) {
  const v1alpha1::RateLimitSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, lengths{&path, "prefixLengths"};
  read_target(spec.target(), object, {&path, "target"}, fields);
  if (!read_rate(spec.rate(), object.unit, object.rate))
    fields.fault({&path, "rate"}, std::string("want one of ") + kRateFields);
  object.burst = spec.burst();
  if (spec.has_per()) fields.choice({&path, "per"}, spec.per(), kBuckets, object.bucket);
  if (spec.prefix_lengths().has_v4())
    fields.number({&lengths, "v4"}, spec.prefix_lengths().v4(), object.v4_prefix_length);
  if (spec.prefix_lengths().has_v6())
    fields.number({&lengths, "v6"}, spec.prefix_lengths().v6(), object.v6_prefix_length);
  if (spec.has_action()) fields.choice({&path, "action"}, spec.action(), kLimitActions, object.action);
  fields.number({&path, "dscp"}, spec.dscp(), object.dscp);
  read_request_limit(spec, path, object, fields);
}

void to_message(const model::RateLimit& object, v1alpha1::RateLimit& message) {
  const model::RateLimit defaults;
  v1alpha1::RateLimitSpec& spec = *message.mutable_spec();
  write_target(object, *spec.mutable_target());
  switch (object.unit) {
    case model::LimitUnit::kPackets:
      spec.mutable_rate()->set_packets_per_second(object.rate);
      break;
    case model::LimitUnit::kBits:
      spec.mutable_rate()->set_bits_per_second(object.rate);
      break;
    case model::LimitUnit::kConnections:
      spec.mutable_rate()->set_connections_per_second(object.rate);
      break;
    case model::LimitUnit::kRequests:
      spec.mutable_rate()->set_requests_per_second(object.rate);
      break;
    case model::LimitUnit::kRequestsPerMinute:
      spec.mutable_rate()->set_requests_per_minute(object.rate);
      break;
    case model::LimitUnit::kRequestsPerHour:
      spec.mutable_rate()->set_requests_per_hour(object.rate);
      break;
    case model::LimitUnit::kRequestContent:
      spec.mutable_rate()->set_request_bits_per_second(object.rate);
      break;
    case model::LimitUnit::kResponseContent:
      spec.mutable_rate()->set_response_bits_per_second(object.rate);
      break;
  }
  if (object.burst != 0) spec.set_burst(object.burst);
  if (object.bucket != defaults.bucket) spec.set_per(name_of(object.bucket, kBuckets));
  if (object.v4_prefix_length != defaults.v4_prefix_length)
    spec.mutable_prefix_lengths()->set_v4(object.v4_prefix_length);
  if (object.v6_prefix_length != defaults.v6_prefix_length)
    spec.mutable_prefix_lengths()->set_v6(object.v6_prefix_length);
  if (object.action != defaults.action) spec.set_action(name_of(object.action, kLimitActions));
  if (object.dscp != 0) spec.set_dscp(object.dscp);
  write_request_limit(object, spec);
}

void to_model(const v1alpha1::Egress& message, model::Egress& object, Fields& fields) {
  const v1alpha1::EgressSpec& spec = message.spec();
  const Path path{nullptr, "spec"};
  fields.prefixes(path, "from", spec.from(), object.from);
  object.interfaces.assign(spec.interfaces().begin(), spec.interfaces().end());
  fields.addresses(path, "pool", spec.pool(), object.pool);
  if (spec.has_port_range()) {
    model::PortRange range{object.port_first, object.port_last};
    fields.ports({&path, "portRange"}, spec.port_range(), range);
    object.port_first = range.first;
    object.port_last = range.last;
  }
  fields.prefixes(path, "allow", spec.allow(), object.allow);
  object.max_ports_per_source = spec.max_ports_per_source();
}

void to_message(const model::Egress& object, v1alpha1::Egress& message) {
  const model::Egress defaults;
  v1alpha1::EgressSpec& spec = *message.mutable_spec();
  for (const base::Prefix& prefix : object.from) spec.add_from(prefix.to_string());
  for (const std::string& name : object.interfaces) spec.add_interfaces(name);
  for (const base::IpAddress& address : object.pool) spec.add_pool(address.to_string());
  if (object.port_first != defaults.port_first || object.port_last != defaults.port_last)
    spec.set_port_range(ports_text({object.port_first, object.port_last}));
  for (const base::Prefix& prefix : object.allow) spec.add_allow(prefix.to_string());
  if (object.max_ports_per_source != 0) spec.set_max_ports_per_source(object.max_ports_per_source);
}

void to_model(const v1alpha1::Mirror& message, model::Mirror& object, Fields& fields) {
  const v1alpha1::MirrorSpec& spec = message.spec();
  const Path path{nullptr, "spec"}, to{&path, "to"}, erspan{&to, "erspan"};
  read_match({&path, "match"}, spec.match(), object.match, fields);
  if (spec.has_sample()) object.sample = spec.sample();
  fields.number({&path, "truncate"}, spec.truncate(), object.truncate);
  switch (spec.to().to_case()) {
    case v1alpha1::MirrorTarget::kInterface:
      object.interface = spec.to().interface();
      break;
    case v1alpha1::MirrorTarget::kErspan: {
      const auto& tunnel = spec.to().erspan();
      fields.address({&erspan, "collector"}, tunnel.collector(), object.collector.emplace());
      if (tunnel.has_source()) fields.address({&erspan, "source"}, tunnel.source(), object.source.emplace());
      if (tunnel.has_session()) fields.number({&erspan, "session"}, tunnel.session(), object.session);
      break;
    }
    case v1alpha1::MirrorTarget::TO_NOT_SET:
      fields.fault(to, "want one of interface, erspan");
      break;
  }
}

void to_message(const model::Mirror& object, v1alpha1::Mirror& message) {
  const model::Mirror defaults;
  v1alpha1::MirrorSpec& spec = *message.mutable_spec();
  if (!(object.match == defaults.match)) write_match(object.match, *spec.mutable_match());
  if (object.sample != defaults.sample) spec.set_sample(object.sample);
  if (object.truncate != 0) spec.set_truncate(object.truncate);
  if (!object.collector) {
    spec.mutable_to()->set_interface(object.interface);
    return;
  }
  auto& erspan = *spec.mutable_to()->mutable_erspan();
  erspan.set_collector(object.collector->to_string());
  if (object.source) erspan.set_source(object.source->to_string());
  if (object.session != defaults.session) erspan.set_session(object.session);
}

}  // namespace penstock::api
