#include "control/telemetry/collect_l7.h"

#include <algorithm>
#include <map>

namespace penstock::telemetry {

namespace {

using Table = L7Baselines::Table;
using Numbers = L7Baselines::Numbers;
using Workers = std::vector<L7Worker>;
// The owner of each slot that has one. A route stands once for each of its listeners, under one slot.
using Owners = std::map<uint32_t, std::string>;

const proxy::ExchangeCounters* find(const proxy::Counters& counters, Table table, uint32_t slot) {
  switch (table) {
    case L7Baselines::kListeners:
      return counters.listener(slot);
    case L7Baselines::kRoutes:
      return counters.route(slot);
    case L7Baselines::kClusters:
      return counters.cluster(slot);
    case L7Baselines::kEndpoints:
      return counters.endpoint(slot);
    case L7Baselines::kGuards:
    case L7Baselines::kTables:
      break;
  }
  return nullptr;
}

void add_pool(const proxy::Counters& counters, uint32_t slot, Numbers& sum) {
  const proxy::PoolCounters* pool = counters.pool(slot);
  if (pool == nullptr) return;
  for (size_t i = 0; i < proxy::kClusterCounts; ++i) sum[L7Baselines::kPool + i] += pool->counts[i].read();
  for (size_t i = 0; i < proxy::kDurationBuckets; ++i)
    sum[L7Baselines::kDurations + i] += pool->durations.buckets[i].read();
  sum[L7Baselines::kDurationSum] += pool->durations.sum.read();
}

Numbers sum_of(const Workers& workers, Table table, uint32_t slot) {
  Numbers sum{};
  for (const L7Worker& worker : workers) {
    if (table == L7Baselines::kClusters) add_pool(*worker.counters, slot, sum);
    if (table == L7Baselines::kGuards) sum[0] += worker.counters->guard(slot);
    const proxy::ExchangeCounters* counters = find(*worker.counters, table, slot);
    if (counters == nullptr) continue;
    for (size_t i = 0; i < proxy::kResponseClasses; ++i) sum[i] += counters->responses[i].read();
    sum[L7Baselines::kBytes] += counters->bytes_received.read();
    sum[L7Baselines::kBytes + 1] += counters->bytes_sent.read();
    const proxy::EjectionCounters* ejections =
        table == L7Baselines::kEndpoints && worker.outliers != nullptr ? worker.outliers->counters(slot) : nullptr;
    for (size_t i = 0; ejections != nullptr && i < proxy::kEjections; ++i)
      sum[L7Baselines::kEjections + i] += ejections->by_reason[i].read();
  }
  return sum;
}

std::string address_of(const config::Endpoint& endpoint) {
  const std::string address = endpoint.address.to_string();
  const std::string host = endpoint.address.is_v6() ? "[" + address + "]" : address;
  return host + ":" + std::to_string(endpoint.port);
}

std::array<Owners, L7Baselines::kTables> owners_of(const route::L7Config* config) {
  std::array<Owners, L7Baselines::kTables> all;
  if (config == nullptr) return all;
  for (const config::Listener& each : config->listeners) all[L7Baselines::kListeners][each.slot] = each.name;
  for (const config::Route& each : config->routes)
    if (each.slot != route::kNoRouteSlot) all[L7Baselines::kRoutes][each.slot] = each.name;
  for (const config::Cluster& cluster : config->clusters) {
    all[L7Baselines::kClusters][cluster.slot] = cluster.name;
    for (const config::Endpoint& each : cluster.endpoints)
      all[L7Baselines::kEndpoints][each.slot] = cluster.name + " " + address_of(each);
  }
  for (const guard::Counted& each : config->guards.counted)
    all[L7Baselines::kGuards][each.slot] = each.object + " " + each.part + " " + each.verdict;
  return all;
}

class Reader {
 public:
  Reader(const Workers& workers, const L7Baselines& baselines) : workers_(workers), marks_(baselines.marks()) {}

  ExchangeStats read(Table table, uint32_t slot, std::string name) const {
    return exchanges_of(numbers(table, slot), std::move(name));
  }

  void read_cluster(const config::Cluster& cluster, L7Stats& out) const {
    const Numbers all = numbers(L7Baselines::kClusters, cluster.slot);
    out.services.push_back(exchanges_of(all, cluster.name));
    if (workers_[0].counters->pool(cluster.slot) == nullptr) return;
    PoolStats& pool = out.pools.emplace_back();
    pool.name = cluster.name;
    std::copy_n(all.begin() + L7Baselines::kPool, proxy::kClusterCounts, pool.counts.begin());
    std::copy_n(all.begin() + L7Baselines::kDurations, proxy::kDurationBuckets, pool.durations.buckets.begin());
    pool.durations.sum = all[L7Baselines::kDurationSum];
    for (const L7Worker& worker : workers_) {
      if (worker.clusters == nullptr || cluster.slot >= worker.clusters->cluster_slots()) continue;
      const proxy::ClusterState& state = worker.clusters->cluster(cluster.slot);
      const uint64_t connections = state.connections.read(), idle = state.idle.read();
      pool.idle += idle;
      pool.active += connections - std::min(idle, connections);  // not of one moment
      pool.requests += state.requests.read();
      pool.pending += state.waiting.read();
    }
  }

  L7EndpointStats read_endpoint(const std::string& service, uint32_t slot, std::string name) const {
    const Numbers all = numbers(L7Baselines::kEndpoints, slot);
    L7EndpointStats out{service, exchanges_of(all, std::move(name)), {}, 0};
    std::copy_n(all.begin() + L7Baselines::kEjections, proxy::kEjections, out.ejections.begin());
    // What one of them says holds for all.
    if (!workers_.empty() && workers_[0].outliers != nullptr) out.ejected = workers_[0].outliers->is_ejected(slot);
    return out;
  }

 private:
  Numbers numbers(Table table, uint32_t slot) const {
    Numbers sum = sum_of(workers_, table, slot);
    if (const auto at = marks_[table].find(slot); at != marks_[table].end())
      for (size_t i = 0; i < sum.size(); ++i) sum[i] -= at->second[i];
    return sum;
  }

  static ExchangeStats exchanges_of(const Numbers& all, std::string name) {
    ExchangeStats out;
    out.name = std::move(name);
    std::copy_n(all.begin(), proxy::kResponseClasses, out.responses.begin());
    out.bytes_received = all[L7Baselines::kBytes];
    out.bytes_sent = all[L7Baselines::kBytes + 1];
    return out;
  }

  const Workers& workers_;
  const L7Baselines::Marks marks_;
};

// What is counted by enumerations and not by objects of the configuration.
void read_whole(const Workers& workers, L7Stats& out) {
  out.events.resize(proxy::kCounts);
  for (const char* letters : proxy::kFlagLetters) out.flags.emplace_back(letters, 0);
  for (size_t i = 1; i < h1::kRefusals; ++i) out.refusals.emplace_back(h1::info(static_cast<h1::Refusal>(i)).name, 0);
  for (size_t i = 1; i < proxy::kProxyFaults; ++i)
    out.proxy_headers.emplace_back(proxy_protocol::name_of(static_cast<proxy_protocol::Fault>(i)), 0);
  for (const L7Worker& worker : workers) {
    const proxy::Counters& counters = *worker.counters;
    for (size_t i = 0; i < out.events.size(); ++i) out.events[i] += counters.of(static_cast<proxy::Count>(i));
    for (size_t i = 0; i < proxy::kDurationBuckets; ++i)
      out.durations.buckets[i] += counters.durations().buckets[i].read();
    out.durations.sum += counters.durations().sum.read();
    if (worker.outliers != nullptr) out.ejections_overflowed += worker.outliers->overflows();
    for (size_t i = 0; i < out.flags.size(); ++i) out.flags[i].second += counters.of(static_cast<proxy::Flag>(1u << i));
    for (size_t i = 1; i < h1::kRefusals; ++i) out.refusals[i - 1].second += counters.of(static_cast<h1::Refusal>(i));
    for (size_t i = 1; i < proxy::kProxyFaults; ++i)
      out.proxy_headers[i - 1].second += counters.of(static_cast<proxy_protocol::Fault>(i));
  }
}

void add(NamedCounts& sum, const NamedCounts& more) {
  if (sum.empty()) {
    sum = more;
    return;
  }
  for (size_t i = 0; i < sum.size(); ++i) sum[i].second += more[i].second;
}

}  // namespace

void L7Baselines::on_publish(const route::L7Config* before, const route::L7Config* next, const Workers& workers) {
  if (next == before || next == nullptr) return;
  const auto old = owners_of(before), now = owners_of(next);
  const std::lock_guard lock(mutex_);
  for (size_t table = 0; table < kTables; ++table) {
    for (const auto& [slot, name] : now[table]) {
      const auto at = old[table].find(slot);
      if (at != old[table].end() && at->second == name) continue;
      const Numbers numbers = sum_of(workers, static_cast<Table>(table), slot);
      if (numbers == Numbers{}) {
        marks_[table].erase(slot);
      } else {
        marks_[table][slot] = numbers;
      }
    }
  }
}

L7Baselines::Marks L7Baselines::marks() const {
  const std::lock_guard lock(mutex_);
  return marks_;
}

L7Stats collect_l7(const route::L7Config* config, const Workers& workers, const L7Baselines& baselines,
                   const AccessLogStats& access_log) {
  L7Stats out;
  if (workers.empty()) return out;
  out.access_log = access_log;
  read_whole(workers, out);
  for (const L7Worker& worker : workers) {
    add(out.tcp, worker.tcp);
    add(out.tcp_listeners, worker.tcp_listeners);
    out.gauges.push_back(worker.gauges);
  }
  if (config == nullptr) return out;
  const Reader reader(workers, baselines);
  for (const config::Listener& each : config->listeners)
    out.listeners.push_back(reader.read(L7Baselines::kListeners, each.slot, each.name));
  const auto owners = owners_of(config);
  for (const auto& [slot, name] : owners[L7Baselines::kRoutes])
    out.routes.push_back(reader.read(L7Baselines::kRoutes, slot, name));
  for (const guard::Counted& each : config->guards.counted)
    (each.inspects ? out.inspections : out.access)
        .push_back(
            {each.object, each.part, each.verdict, reader.read(L7Baselines::kGuards, each.slot, "").responses[0]});
  for (const config::Cluster& cluster : config->clusters) {
    reader.read_cluster(cluster, out);
    for (const config::Endpoint& each : cluster.endpoints)
      out.endpoints.push_back(reader.read_endpoint(cluster.name, each.slot, address_of(each)));
  }
  return out;
}

}  // namespace penstock::telemetry
