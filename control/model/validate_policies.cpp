// Rules of AccessPolicy, RateLimit, Egress and Mirror.
#include <algorithm>
#include <cmath>

#include "control/model/names.h"
#include "control/model/validation.h"

namespace penstock::model {

namespace {

// A number as a user would write it.
std::string number(double value) {
  char out[32];
  std::snprintf(out, sizeof out, "%.15g", value);
  return out;
}

struct UnitLimits {
  const char* field;
  double most;
  double least = kMinRate;
};

UnitLimits limits_of(LimitUnit unit) {
  switch (unit) {
    case LimitUnit::kPackets:
      return {"spec.rate.packetsPerSecond", kMaxRatePackets};
    case LimitUnit::kBits:
      return {"spec.rate.bitsPerSecond", kMaxRateBits};
    case LimitUnit::kConnections:
      return {"spec.rate.connectionsPerSecond", kMaxRateConnections};
    case LimitUnit::kRequests:
      return {"spec.rate.requestsPerSecond", kMaxRateRequests};
    case LimitUnit::kRequestsPerMinute:
      return {"spec.rate.requestsPerMinute", kMaxRateRequests};
    case LimitUnit::kRequestsPerHour:
      return {"spec.rate.requestsPerHour", kMaxRateRequests};
    case LimitUnit::kRequestContent:
      return {"spec.rate.requestBitsPerSecond", kMaxRateBits, kMinBandwidth};
    case LimitUnit::kResponseContent:
      return {"spec.rate.responseBitsPerSecond", kMaxRateBits, kMinBandwidth};
  }
  return {"spec.rate", 0};
}

void validate_rate(const RateLimit& limit, ObjectFaults& faults) {
  const UnitLimits bounds = limits_of(limit.unit);
  // Written so that NaN fails.
  if (!(limit.rate >= bounds.least && limit.rate <= bounds.most)) {
    faults.add(bounds.field, text(number(limit.rate), " is out of range (want ", number(bounds.least), " to ",
                                  number(bounds.most), ")"));
    return;
  }
  const double most = std::max(1.0, limit.rate * kMaxBurstSeconds);
  if (!(limit.burst == 0 || (limit.burst >= 1 && limit.burst <= most)))
    faults.add("spec.burst",
               text(number(limit.burst), " is out of range (want 1 to ", number(most), ", or 0 for the default)"));
}

void validate_target(const RateLimit& limit, const Surroundings& around, ObjectFaults& faults) {
  switch (limit.target) {
    case LimitTarget::kInterface:
      if (!around.interfaces.contains(limit.interface))
        faults.add("spec.target.interface", text("there is no interface \"", limit.interface, "\""));
      return;
    case LimitTarget::kService:
      if (!around.state.services.contains(limit.service))
        faults.add("spec.target.service.name", text("there is no Service/", limit.service.to_string()));
      return;
    case LimitTarget::kRule: {
      const auto policy = around.state.access_policies.find(limit.policy);
      if (policy == around.state.access_policies.end()) {
        faults.add("spec.target.rule.policy", text("there is no AccessPolicy/", limit.policy.to_string()));
        return;
      }
      const auto& rules = policy->second->rules;
      if (std::none_of(rules.begin(), rules.end(), [&](const AccessRule& rule) { return rule.name == limit.rule; }))
        faults.add("spec.target.rule.name",
                   text("AccessPolicy/", limit.policy.to_string(), " has no rule \"", limit.rule, "\""));
      return;
    }
    case LimitTarget::kPrefix:
      if (limit.prefix.has_host_bits())
        faults.add("spec.target.prefix", text(limit.prefix.to_string(), " has host bits set (want ",
                                              limit.prefix.network().to_string(), ")"));
      return;
    case LimitTarget::kHttpRoute:
    case LimitTarget::kGateway:
    case LimitTarget::kFindings:
      return;  // validate_request_limit
  }
}

void validate_bucket(const RateLimit& limit, ObjectFaults& faults) {
  const RateLimit defaults;
  if (limit.bucket == LimitBucket::kSourcePrefix) {
    want_range(faults, "spec.prefixLengths.v4", limit.v4_prefix_length, 1, 32);
    want_range(faults, "spec.prefixLengths.v6", limit.v6_prefix_length, 1, 128);
  } else if (limit.v4_prefix_length != defaults.v4_prefix_length ||
             limit.v6_prefix_length != defaults.v6_prefix_length) {
    faults.add("spec.prefixLengths", "only a limit per sourcePrefix has prefix lengths");
  }
  if (limit.bucket == LimitBucket::kFlow && limit.unit == LimitUnit::kConnections)
    faults.add("spec.per", "a flow is one connection: connectionsPerSecond needs another bucket");
  if (limit.action == LimitAction::kMark) {
    want_range(faults, "spec.dscp", limit.dscp, 0, kMaxDscp);
  } else if (limit.dscp != 0) {
    faults.add("spec.dscp", "only action mark has a DSCP");
  }
}

}  // namespace

void validate_access_policy(const AccessPolicy& policy, const Surroundings& around, Faults& all) {
  ObjectFaults faults(all, Kind::kAccessPolicy, policy.name);
  validate_name(faults, policy.name);
  if (policy.rules.empty()) faults.add("spec.rules", "at least one is needed");
  std::set<std::string_view> names;
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const AccessRule& rule = policy.rules[i];
    const std::string at = text("spec.rules[", i, "]");
    if (!is_rule_name(rule.name)) faults.add(at + ".name", text("want ", kRuleNameRule));
    if (!names.insert(rule.name).second) faults.add(at + ".name", text("\"", rule.name, "\" is given twice"));
    validate_match(rule.match, at, around, faults);
    validate_rule_identities(rule, at, faults);
  }
}

void validate_rate_limit(const RateLimit& limit, const Surroundings& around, Faults& all) {
  ObjectFaults faults(all, Kind::kRateLimit, limit.name);
  validate_name(faults, limit.name);
  validate_target(limit, around, faults);
  validate_rate(limit, faults);
  validate_bucket(limit, faults);
  validate_request_limit(limit, around.state, faults);
}

void validate_egress(const Egress& egress, const Surroundings& around, Faults& all) {
  ObjectFaults faults(all, Kind::kEgress, egress.name);
  validate_name(faults, egress.name);
  if (egress.from.empty()) faults.add("spec.from", "at least one prefix is needed");
  validate_prefixes(egress.from, "spec.from", faults);
  validate_interfaces(egress.interfaces, "spec.interfaces", around, faults);
  validate_prefixes(egress.allow, "spec.allow", faults);
  validate_pool(egress.pool, "spec.pool", faults);
  if (egress.port_first == 0 || egress.port_first > egress.port_last)
    faults.add("spec.portRange", text(egress.port_first, "-", egress.port_last, " is not a range within 1-65535"));

  bool from[2] = {}, pool[2] = {};  // [is IPv4]
  for (const base::Prefix& p : egress.from) from[p.is_v4()] = true;
  for (const base::IpAddress& a : egress.pool) pool[a.is_v4()] = true;
  for (size_t i = 0; i < egress.from.size() && !egress.pool.empty(); ++i) {
    const bool v4 = egress.from[i].is_v4();
    if (!pool[v4])
      faults.add(text("spec.from[", i, "]"), text("is ", family(v4), ", but the pool has no such address"));
  }
  for (size_t i = 0; i < egress.pool.size(); ++i) {
    const bool v4 = egress.pool[i].is_v4();
    if (!from[v4]) faults.add(text("spec.pool[", i, "]"), text("is ", family(v4), ", but no prefix in from is"));
  }
  for (size_t i = 0; i < egress.allow.size(); ++i) {
    const bool v4 = egress.allow[i].is_v4();
    if (!from[v4]) faults.add(text("spec.allow[", i, "]"), text("is ", family(v4), ", but no prefix in from is"));
  }
}

void validate_mirror(const Mirror& mirror, const Surroundings& around, Faults& all) {
  ObjectFaults faults(all, Kind::kMirror, mirror.name);
  validate_name(faults, mirror.name);
  validate_match(mirror.match, "spec.match", around, faults);
  if (mirror.sample == 0) faults.add("spec.sample", "0 would copy nothing (want 1 for every packet, n for one of n)");
  if (mirror.truncate != 0) want_range(faults, "spec.truncate", mirror.truncate, kMinTruncate, kMaxTruncate, "bytes");
  if (mirror.interface.empty() == !mirror.collector) {
    faults.add("spec.to", mirror.collector ? "want interface or erspan, not both" : "want interface or erspan");
  }
  if (!mirror.interface.empty() && !around.interfaces.contains(mirror.interface))
    faults.add("spec.to.interface", text("there is no interface \"", mirror.interface, "\""));
  validate_mirror_encryption(mirror, around.state, faults);
  if (mirror.collector) {
    if (const char* why = why_no_host(*mirror.collector))
      faults.add("spec.to.erspan.collector", text(mirror.collector->to_string(), " ", why));
  }
  if (mirror.source) {
    if (!mirror.collector) faults.add("spec.to.erspan.source", "needs a collector");
    if (const char* why = why_no_host(*mirror.source))
      faults.add("spec.to.erspan.source", text(mirror.source->to_string(), " ", why));
    if (mirror.collector && mirror.source->is_v4() != mirror.collector->is_v4())
      faults.add("spec.to.erspan.source", text("is ", family(mirror.source->is_v4()), ", but the collector is ",
                                               family(mirror.collector->is_v4())));
  }
  want_range(faults, "spec.to.erspan.session", mirror.session, 0, kMaxErspanSession);
}

}  // namespace penstock::model
