// ServicePolicy's loadBalancer and connectionPool.
#include "control/api/translate_balancing.h"

#include "l7/config/route.h"

namespace penstock::api {

namespace {

constexpr base::Nanos kNanosPerMilli = 1'000'000;

constexpr Choice<config::Balancing> kSimple[] = {{"ROUND_ROBIN", config::Balancing::kRoundRobin},
                                                 {"LEAST_REQUEST", config::Balancing::kLeastRequest},
                                                 {"RANDOM", config::Balancing::kRandom},
                                                 {"PEAK_EWMA", config::Balancing::kPeakEwma}};

void read_time(const Path& path, std::string_view text, base::Nanos& out, Fields& fields) {
  uint32_t milliseconds = 0;
  const size_t before = fields.faults();
  fields.milliseconds(path, text, milliseconds);
  if (fields.faults() == before) out = milliseconds * kNanosPerMilli;
}

std::string time_text(base::Nanos nanos) { return milliseconds_text(static_cast<uint32_t>(nanos / kNanosPerMilli)); }

void read_key(const v1alpha1::HashKey& message, config::HashKey& out, const Path& at, Fields& fields) {
  using Kind = config::HashKey::Kind;
  switch (message.key_case()) {
    case v1alpha1::HashKey::kHttpHeaderName:
      out = {Kind::kHeader, config::lowered(message.http_header_name())};
      return;
    case v1alpha1::HashKey::kHttpCookie:
      out = {Kind::kCookie, message.http_cookie().name()};
      return;
    case v1alpha1::HashKey::kHttpQueryParameterName:
      out = {Kind::kQuery, message.http_query_parameter_name()};
      return;
    case v1alpha1::HashKey::kUseSourceIp:
      out = {Kind::kSource, ""};
      if (!message.use_source_ip()) fields.fault({&at, "useSourceIp"}, "want true, or another key");
      return;
    case v1alpha1::HashKey::KEY_NOT_SET:
      fields.fault(at, "want one of httpHeaderName, httpCookie, httpQueryParameterName, useSourceIp");
      return;
  }
}

void write_key(const config::HashKey& key, v1alpha1::HashKey& out) {
  switch (key.kind) {
    case config::HashKey::Kind::kHeader:
      out.set_http_header_name(key.name);
      return;
    case config::HashKey::Kind::kCookie:
      out.mutable_http_cookie()->set_name(key.name);
      return;
    case config::HashKey::Kind::kQuery:
      out.set_http_query_parameter_name(key.name);
      return;
    case config::HashKey::Kind::kSource:
      out.set_use_source_ip(true);
      return;
  }
}

void read_hash(const v1alpha1::ConsistentHash& message, model::LoadBalancer& out, const Path& at, Fields& fields) {
  out.policy = message.has_ring_hash() ? config::Balancing::kRingHash : config::Balancing::kMaglev;
  if (message.has_ring_hash() && message.has_maglev()) fields.fault(at, "has both maglev and ringHash");
  out.table_size = message.has_ring_hash() ? message.ring_hash().minimum_ring_size() : message.maglev().table_size();
  for (int i = 0; i < message.keys_size(); ++i)
    read_key(message.keys(i), out.balance.hash.emplace_back(), {&at, "keys", i}, fields);
  out.balance.most_load = message.hash_balance_factor();
}

void write_hash(const model::LoadBalancer& object, v1alpha1::ConsistentHash& out) {
  for (const config::HashKey& key : object.balance.hash) write_key(key, *out.add_keys());
  if (object.policy == config::Balancing::kRingHash) {
    out.mutable_ring_hash();
    if (object.table_size != 0) out.mutable_ring_hash()->set_minimum_ring_size(object.table_size);
  } else if (object.table_size != 0) {
    out.mutable_maglev()->set_table_size(object.table_size);
  }
  if (object.balance.most_load != 0) out.set_hash_balance_factor(object.balance.most_load);
}

}  // namespace

void read_load_balancer(const v1alpha1::LoadBalancer& message, model::LoadBalancer& out, const Path& path,
                        Fields& fields) {
  config::Balance& how = out.balance;
  if (message.has_simple()) fields.choice({&path, "simple"}, message.simple(), kSimple, out.policy);
  if (message.has_simple() && message.has_consistent_hash()) fields.fault(path, "has both simple and consistentHash");
  if (message.has_consistent_hash()) read_hash(message.consistent_hash(), out, {&path, "consistentHash"}, fields);
  if (!model::has_choices(out.policy) && message.has_choice_count())
    fields.fault({&path, "choiceCount"}, "is for LEAST_REQUEST and PEAK_EWMA");
  if (message.has_choice_count()) how.choices = message.choice_count();
  if (out.policy != config::Balancing::kPeakEwma && message.has_decay_time())
    fields.fault({&path, "decayTime"}, "is for PEAK_EWMA");
  if (message.has_decay_time()) read_time({&path, "decayTime"}, message.decay_time(), how.decay, fields);
  if (message.has_warmup()) {
    const Path warmup{&path, "warmup"};
    const size_t before = fields.faults();
    read_time({&warmup, "duration"}, message.warmup().duration(), how.warmup, fields);
    if (how.warmup == 0 && fields.faults() == before) fields.fault({&warmup, "duration"}, "want 1s to 1h");
    if (message.warmup().has_aggression()) how.aggression = message.warmup().aggression();
    if (message.warmup().has_minimum_percent()) how.least_percent = message.warmup().minimum_percent();
  }
  how.panic_percent = message.healthy_panic_threshold();
  out.by_zone = message.locality_lb_setting().enabled();
  if (message.locality_lb_setting().has_overprovisioning_factor())
    how.overprovision_percent = message.locality_lb_setting().overprovisioning_factor();
}

void write_load_balancer(const model::LoadBalancer& object, v1alpha1::LoadBalancer& out) {
  const config::Balance defaults;
  const config::Balance& how = object.balance;
  if (model::is_hashed(object.policy))
    write_hash(object, *out.mutable_consistent_hash());
  else
    out.set_simple(name_of(object.policy, kSimple));
  if (how.choices != defaults.choices) out.set_choice_count(how.choices);
  if (how.decay != defaults.decay) out.set_decay_time(time_text(how.decay));
  if (how.warmup != 0) {
    out.mutable_warmup()->set_duration(time_text(how.warmup));
    if (how.aggression != defaults.aggression) out.mutable_warmup()->set_aggression(how.aggression);
    if (how.least_percent != defaults.least_percent) out.mutable_warmup()->set_minimum_percent(how.least_percent);
  }
  if (how.panic_percent != 0) out.set_healthy_panic_threshold(how.panic_percent);
  if (object.by_zone) out.mutable_locality_lb_setting()->set_enabled(true);
  if (how.overprovision_percent != defaults.overprovision_percent)
    out.mutable_locality_lb_setting()->set_overprovisioning_factor(how.overprovision_percent);
}

void read_pool(const v1alpha1::ConnectionPool& message, config::ClusterLimits& out, const Path& path, Fields& fields) {
  if (message.has_max_connections()) out.connections = message.max_connections();
  if (message.has_max_pending_requests()) out.pending = message.max_pending_requests();
  if (message.has_max_requests()) out.requests = message.max_requests();
  out.requests_per_connection = message.max_requests_per_connection();
  if (message.has_idle_timeout()) read_time({&path, "idleTimeout"}, message.idle_timeout(), out.idle, fields);
  if (message.has_max_connection_duration())
    read_time({&path, "maxConnectionDuration"}, message.max_connection_duration(), out.lifetime, fields);
  if (message.has_connect_timeout())
    read_time({&path, "connectTimeout"}, message.connect_timeout(), out.connect_timeout, fields);
}

void write_pool(const config::ClusterLimits& object, v1alpha1::ConnectionPool& out) {
  const config::ClusterLimits defaults;
  if (object.connections != defaults.connections) out.set_max_connections(object.connections);
  if (object.pending != defaults.pending) out.set_max_pending_requests(object.pending);
  if (object.requests != defaults.requests) out.set_max_requests(object.requests);
  if (object.requests_per_connection != 0) out.set_max_requests_per_connection(object.requests_per_connection);
  if (object.idle != defaults.idle) out.set_idle_timeout(time_text(object.idle));
  if (object.lifetime != defaults.lifetime) out.set_max_connection_duration(time_text(object.lifetime));
  if (object.connect_timeout != defaults.connect_timeout) out.set_connect_timeout(time_text(object.connect_timeout));
}

}  // namespace penstock::api
