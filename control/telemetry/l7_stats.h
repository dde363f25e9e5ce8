// What the gateway's own connections and requests come to, as plain values: what a Snapshot is for packets.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "l7/proxy/clusters.h"
#include "l7/proxy/counters.h"
#include "l7/proxy/outliers.h"

namespace penstock::telemetry {

using NamedCounts = std::vector<std::pair<std::string, uint64_t>>;

struct ExchangeStats {  // requests, and TCP connections that were passed on
  std::string name;
  std::array<uint64_t, proxy::kResponseClasses> responses{};  // by class: no answer, 1xx, ... 5xx
  uint64_t bytes_received = 0, bytes_sent = 0;                // content, as clients see it
};

struct L7EndpointStats {
  std::string service;
  ExchangeStats exchanges;  // its name is the address
  std::array<uint64_t, proxy::kEjections> ejections{};
  uint64_t ejected = 0;  // 1 while it is left out; of several together: how many are
};

struct DurationStats {
  std::array<uint64_t, proxy::kDurationBuckets> buckets{};  // see proxy::duration_bucket
  base::Nanos sum = 0;
};

// What all workers together have to a service, and what became of it.
struct PoolStats {
  std::string name;
  uint64_t active = 0, idle = 0;       // connections; those of mirrors are not among them
  uint64_t requests = 0, pending = 0;  // under way; of them those that wait for a connection
  std::array<uint64_t, proxy::kClusterCounts> counts{};
  DurationStats durations;
};

struct AccessLogStats {  // lines
  uint64_t written = 0, lost = 0;
};

struct GuardStats {  // a rule of an access policy, or a pattern of an inspection
  std::string object, part, verdict;
  uint64_t n = 0;
};

// What one worker's TCP holds now.
struct TcpGauges {
  unsigned worker = 0;
  uint64_t connections = 0, chunks = 0, chunks_capacity = 0;
};

struct L7Stats {
  std::vector<ExchangeStats> listeners, routes, services;
  std::vector<PoolStats> pools;  // of services with a slot below proxy::Limits::pool_slots
  std::vector<L7EndpointStats> endpoints;
  std::vector<GuardStats> access, inspections;
  NamedCounts flags, refusals, proxy_headers;
  std::vector<uint64_t> events;  // by proxy::Count; empty: no worker terminates connections
  DurationStats durations;
  NamedCounts tcp, tcp_listeners;
  std::vector<TcpGauges> gauges;
  uint64_t ejections_overflowed = 0;
  AccessLogStats access_log;
};

// One worker, as collect_l7() reads it.
struct L7Worker {
  const proxy::Counters* counters = nullptr;
  const proxy::Outliers* outliers = nullptr;
  const proxy::Clusters* clusters = nullptr;
  NamedCounts tcp, tcp_listeners;
  TcpGauges gauges;
};

}  // namespace penstock::telemetry
