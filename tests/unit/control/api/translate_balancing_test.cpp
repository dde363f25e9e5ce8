// ServicePolicy's loadBalancer and connectionPool, HTTPRoute's sessionPersistence, the Node's zone: text to values and
// back, and what is no value.
#include "control/api/translate_balancing.h"

#include <gtest/gtest.h>

#include "control/api/translate_session.h"
#include "control/model/validation.h"
#include "control/model/validation_gateway.h"
#include "tests/unit/control/model/sample_state.h"

namespace penstock::api {
namespace {

using config::Balancing;
using config::HashKey;
using model::LoadBalancer;

const Path kPath{nullptr, "loadBalancer"};

LoadBalancer twice(const LoadBalancer& object) {
  v1alpha1::LoadBalancer message;
  write_load_balancer(object, message);
  model::FieldErrors errors;
  Fields fields("ServicePolicy/x", errors);
  LoadBalancer out;
  read_load_balancer(message, out, kPath, fields);
  EXPECT_EQ(model::lines(errors), "");
  return out;
}

TEST(TranslateBalancing, RoundTrip) {
  LoadBalancer object;
  for (const Balancing policy :
       {Balancing::kRoundRobin, Balancing::kRandom, Balancing::kLeastRequest, Balancing::kPeakEwma}) {
    object.policy = policy;
    EXPECT_EQ(twice(object), object);
  }
  object.balance.choices = 7;
  object.balance.decay = 1'500'000'000;
  object.balance.warmup = 60 * base::kNanosPerSecond;
  object.balance.aggression = 1.5;
  object.balance.least_percent = 25;
  object.balance.panic_percent = 50;
  object.balance.overprovision_percent = 200;
  object.by_zone = true;
  EXPECT_EQ(twice(object), object);
  LoadBalancer hashed;
  hashed.balance.hash = {{HashKey::Kind::kHeader, "x-user"},
                         {HashKey::Kind::kCookie, "Id"},
                         {HashKey::Kind::kQuery, "User"},
                         {HashKey::Kind::kSource, ""}};
  hashed.balance.most_load = 125;
  for (const Balancing policy : {Balancing::kMaglev, Balancing::kRingHash}) {
    for (const uint32_t size : {0u, 1009u}) {
      hashed.policy = policy;
      hashed.table_size = size;
      EXPECT_EQ(twice(hashed), hashed);
    }
  }
}

TEST(TranslateBalancing, PoolRoundTrip) {
  const auto pool_twice = [](const config::ClusterLimits& object) {
    v1alpha1::ConnectionPool message;
    write_pool(object, message);
    model::FieldErrors errors;
    Fields fields("ServicePolicy/x", errors);
    config::ClusterLimits out;
    read_pool(message, out, kPath, fields);
    EXPECT_EQ(model::lines(errors), "");
    return out;
  };
  config::ClusterLimits pool;
  EXPECT_EQ(pool_twice(pool), pool);
  pool = {1, 2, 3, 4, 0, 5'000'000, 6'000'000};
  EXPECT_EQ(pool_twice(pool), pool);
}

TEST(TranslateBalancing, SessionRoundTrip) {
  using config::SessionPersistence;
  for (const SessionPersistence& object :
       {SessionPersistence{}, SessionPersistence{.name = "id", .absolute_seconds = 90, .permanent = true},
        SessionPersistence{.type = SessionPersistence::Type::kHeader, .name = "x-id", .idle_seconds = 7200}}) {
    gateway::SessionPersistence message;
    write_session(object, message);
    model::FieldErrors errors;
    Fields fields("HTTPRoute/x", errors);
    SessionPersistence out;
    read_session(message, out, kPath, fields);
    EXPECT_EQ(model::lines(errors), "");
    EXPECT_EQ(out, object);
  }
}

TEST(TranslateBalancing, WhatDoesNotFitIsAFault) {
  v1alpha1::LoadBalancer message;
  message.set_simple("MAGLEV");
  message.set_choice_count(3);
  message.set_decay_time("soon");
  message.mutable_warmup();
  auto& hash = *message.mutable_consistent_hash();
  hash.add_keys();
  hash.add_keys()->set_use_source_ip(false);
  hash.mutable_ring_hash();
  hash.mutable_maglev();
  model::FieldErrors errors;
  Fields fields("ServicePolicy/x", errors);
  LoadBalancer out;
  read_load_balancer(message, out, kPath, fields);
  const std::string lines = model::lines(errors);
  for (const char* part :
       {"loadBalancer.simple: \"MAGLEV\" is not one of ROUND_ROBIN, LEAST_REQUEST, RANDOM, PEAK_EWMA",
        "loadBalancer: has both simple and consistentHash", "loadBalancer.choiceCount: is for",
        "loadBalancer.decayTime: is for",
        "loadBalancer.warmup.duration: ", "loadBalancer.consistentHash: has both maglev and ringHash",
        "consistentHash.keys[0]: want one of", "consistentHash.keys[1].useSourceIp: want true"})
    EXPECT_NE(lines.find(part), std::string::npos) << part << "\n" << lines;
}

// What validation says of a loadBalancer, or of a pool.
template <typename F>
std::string faults_of(F&& check) {
  model::Faults all;
  const model::Name name = model::named("web");
  model::ObjectFaults faults(all, model::Kind::kServicePolicy, name);
  check(faults);
  return model::lines(std::move(all).take());
}

TEST(ValidateBalancing, RangesAndWhatBelongsTogether) {
  const model::State state = model::sample_state();
  const auto faults = [&](const LoadBalancer& object) {
    return faults_of([&](model::ObjectFaults& out) { model::validate_load_balancer(object, state, out); });
  };
  EXPECT_EQ(faults({}), "");
  LoadBalancer bad;
  bad.policy = Balancing::kMaglev;
  bad.table_size = 1000;
  bad.balance.most_load = 50;
  bad.balance.hash = {{HashKey::Kind::kHeader, "connection"},
                      {HashKey::Kind::kCookie, "a b"},
                      {HashKey::Kind::kQuery, ""},
                      {HashKey::Kind::kSource, ""},
                      {HashKey::Kind::kSource, ""}};
  bad.balance.choices = 1;
  bad.balance.decay = 1;
  bad.balance.warmup = 1;
  bad.balance.aggression = std::numeric_limits<double>::quiet_NaN();
  bad.balance.least_percent = 0;
  bad.balance.panic_percent = 101;
  bad.balance.overprovision_percent = 99;
  bad.by_zone = true;
  const std::string lines = faults(bad);
  for (const char* part :
       {"maglev.tableSize: 1000 is not a prime", "hashBalanceFactor: 50 is out of range", "keys[0].httpHeaderName",
        "keys[1].httpCookie.name", "keys[2].httpQueryParameterName", "keys[4]: is given twice", "choiceCount: 1",
        "decayTime: 0", "warmup: consistentHash has no slow start", "warmup.duration", "warmup.aggression",
        "warmup.minimumPercent", "healthyPanicThreshold: 101", "overprovisioningFactor: 99",
        "localityLbSetting.enabled: Node/"})
    EXPECT_NE(lines.find(part), std::string::npos) << part << "\n" << lines;
  LoadBalancer ring;
  ring.policy = Balancing::kRingHash;
  ring.table_size = config::kMaxHashPlaces + 1;
  EXPECT_NE(faults(ring).find("ringHash.minimumRingSize"), std::string::npos);
  EXPECT_NE(faults(ring).find("keys: is missing"), std::string::npos);
}

TEST(ValidateBalancing, PoolsAndSessions) {
  const auto pool = [](const config::ClusterLimits& limits) {
    return faults_of([&](model::ObjectFaults& out) { model::validate_pool_limits(limits, out); });
  };
  EXPECT_EQ(pool({}), "");
  for (const char* part : {"maxConnections: 0", "maxRequests: 0", "connectTimeout: 0"})
    EXPECT_NE(pool({.connections = 0, .requests = 0, .connect_timeout = 0}).find(part), std::string::npos) << part;
  const auto session = [](const config::SessionPersistence& object) {
    return faults_of([&](model::ObjectFaults& out) { model::validate_session(object, "at", out); });
  };
  EXPECT_EQ(session({}), "");
  EXPECT_EQ(session({.name = "id", .absolute_seconds = 1, .permanent = true}), "");
  for (const char* name : {"a b", "a=b", "a;b", "\r\n"}) EXPECT_NE(session({.name = name}), "") << name;
  EXPECT_NE(session({.type = config::SessionPersistence::Type::kHeader, .name = "connection"}), "");
  EXPECT_NE(session({.name = "id", .permanent = true}).find("at.absoluteTimeout: is needed"), std::string::npos);
  EXPECT_NE(session({.idle_seconds = config::kMaxSessionSeconds + 1}), "");
}

}  // namespace
}  // namespace penstock::api
