// Rules of ServicePolicy's loadBalancer and connectionPool, and of HTTPRoute's sessionPersistence.
#include <algorithm>
#include <cmath>

#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "l7/http/chars.h"

namespace penstock::model {

namespace {

constexpr base::Nanos kMilli = 1'000'000;
constexpr uint64_t kHour = 3'600'000;  // milliseconds

void validate_keys(const std::vector<config::HashKey>& keys, const std::string& at, ObjectFaults& faults) {
  if (keys.empty()) faults.add(at, text("is missing (want 1 to ", config::kMaxHashKeys, ")"));
  if (keys.size() > config::kMaxHashKeys) {
    faults.add(at, text(keys.size(), " entries are too many (at most ", config::kMaxHashKeys, ")"));
    return;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    const config::HashKey& key = keys[i];
    const std::string each = text(at, "[", i, "]");
    switch (key.kind) {
      case config::HashKey::Kind::kHeader:
        if (!http::is_token(key.name) || key.name.size() > config::kMaxConditionNameBytes ||
            !config::is_matchable_header(key.name))
          faults.add(each + ".httpHeaderName", "want the name of a field that is not of one connection only");
        break;
      case config::HashKey::Kind::kCookie:
        if (!http::is_token(key.name) || key.name.size() > config::kMaxSessionNameBytes)
          faults.add(each + ".httpCookie.name", text("want the name of a cookie (a token, at most ",
                                                     config::kMaxSessionNameBytes, " characters)"));
        break;
      case config::HashKey::Kind::kQuery:
        if (key.name.empty() || key.name.size() > config::kMaxConditionNameBytes)
          faults.add(each + ".httpQueryParameterName",
                     text("want 1 to ", config::kMaxConditionNameBytes, " characters"));
        break;
      case config::HashKey::Kind::kSource:
        break;
    }
    if (std::find(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(i), key) !=
        keys.begin() + static_cast<ptrdiff_t>(i))
      faults.add(each, "is given twice");
  }
}

void validate_hash(const LoadBalancer& balancer, const std::string& at, ObjectFaults& faults) {
  validate_keys(balancer.balance.hash, at + ".keys", faults);
  if (balancer.policy == config::Balancing::kRingHash) {
    if (balancer.table_size > config::kMaxHashPlaces)
      want_range(faults, at + ".ringHash.minimumRingSize", balancer.table_size, 1, config::kMaxHashPlaces);
  } else if (balancer.table_size != 0 && !is_maglev_size(balancer.table_size)) {
    faults.add(at + ".maglev.tableSize", text(balancer.table_size, " is not a prime of at most ", kMaxMaglevTable));
  }
  if (balancer.balance.most_load != 0)
    want_range(faults, at + ".hashBalanceFactor", balancer.balance.most_load, 100, 1000, "percent");
}

}  // namespace

void validate_load_balancer(const LoadBalancer& balancer, const State& state, ObjectFaults& faults) {
  const std::string at = "spec.loadBalancer";
  const config::Balance& how = balancer.balance;
  if (is_hashed(balancer.policy)) validate_hash(balancer, at + ".consistentHash", faults);
  want_range(faults, at + ".choiceCount", how.choices, 2, config::kMaxChoices);
  want_range(faults, at + ".decayTime", how.decay / kMilli, 100, kHour, "milliseconds");
  if (how.warmup != 0) {
    if (is_hashed(balancer.policy)) faults.add(at + ".warmup", "consistentHash has no slow start");
    want_range(faults, at + ".warmup.duration", how.warmup / kMilli, 1000, kHour, "milliseconds");
    if (!std::isfinite(how.aggression) || how.aggression < 0.1 || how.aggression > 10)
      faults.add(at + ".warmup.aggression", "is out of range (want 0.1 to 10)");
    want_range(faults, at + ".warmup.minimumPercent", how.least_percent, 1, 100, "percent");
  }
  want_range(faults, at + ".healthyPanicThreshold", how.panic_percent, 0, 100, "percent");
  want_range(faults, at + ".localityLbSetting.overprovisioningFactor", how.overprovision_percent, 100, 1000, "percent");
  if (balancer.by_zone && state.node && state.node->zone.empty())
    faults.add(at + ".localityLbSetting.enabled", text("Node/", state.node->name, " says no spec.zone"));
}

void validate_pool_limits(const config::ClusterLimits& pool, ObjectFaults& faults) {
  const std::string at = "spec.connectionPool";
  constexpr uint32_t kMostRequests = 1u << 20;
  want_range(faults, at + ".maxConnections", pool.connections, 1, 65536);
  want_range(faults, at + ".maxPendingRequests", pool.pending, 0, kMostRequests);
  want_range(faults, at + ".maxRequests", pool.requests, 1, kMostRequests);
  want_range(faults, at + ".idleTimeout", pool.idle / kMilli, 0, 24 * kHour, "milliseconds");
  want_range(faults, at + ".maxConnectionDuration", pool.lifetime / kMilli, 0, 24 * kHour, "milliseconds");
  want_range(faults, at + ".connectTimeout", pool.connect_timeout / kMilli, 1, kHour, "milliseconds");
}

void validate_session(const config::SessionPersistence& session, const std::string& at, ObjectFaults& faults) {
  const bool cookie = session.type == config::SessionPersistence::Type::kCookie;
  const bool fits = http::is_token(session.name) && session.name.size() <= config::kMaxSessionNameBytes &&
                    (cookie || (config::is_matchable_header(session.name) && session.name != "host"));
  if (!session.name.empty() && !fits)
    faults.add(at + ".sessionName", text("want a token of HTTP, at most ", config::kMaxSessionNameBytes,
                                         " characters; not a field of one connection only"));
  if (session.absolute_seconds != 0)
    want_range(faults, at + ".absoluteTimeout", session.absolute_seconds, 1, config::kMaxSessionSeconds, "seconds");
  if (session.idle_seconds != 0)
    want_range(faults, at + ".idleTimeout", session.idle_seconds, 1, config::kMaxSessionSeconds, "seconds");
  if (session.permanent && !cookie) faults.add(at + ".cookieConfig", "is for type Cookie");
  if (session.permanent && session.absolute_seconds == 0)
    faults.add(at + ".absoluteTimeout", "is needed with cookieConfig.lifetimeType Permanent");
}

}  // namespace penstock::model
