#include "flow/route_table.h"

#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_memory.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <unordered_map>

#include "flow/key.h"

namespace penstock::flow {

namespace {

// With entries of two bytes one bit says "goes on in a table of the next 8 bits": results and such tables are counted
// in 15 bits. Half the memory, twice the cache.
constexpr size_t kNarrow = 1u << 15;
// rte_fib asks for room for a second table before it takes one, and gives tables back later than it takes others.
constexpr size_t kSpareTables = 64;

constexpr unsigned kChunk = 64;  // rte_fib writes results of 8 bytes: narrowed a burst at a time

uint32_t next_fib_number() {  // DPDK objects are known by name, process-wide
  static std::atomic<uint32_t> number{0};
  return number.fetch_add(1, std::memory_order_relaxed);
}

// A route on its way into a table: prefix without host bits, and the index of its result.
struct Route {
  base::Prefix prefix;
  uint32_t result;
};

struct WordsHash {
  size_t operator()(const std::vector<uint32_t>& words) const {
    uint64_t h = words.size();
    for (const uint32_t w : words) h = mix(h ^ w, 0x9e3779b97f4a7c15);
    return h;
  }
};

struct NextHopHash {
  size_t operator()(const NextHop& hop) const {
    return hash_of(hop.via,
                   hop.interface | static_cast<uint64_t>(hop.peer) << 16 | static_cast<uint64_t>(hop.demand) << 32,
                   HashSecret{});
  }
};

// Shorter prefixes first, so that none is written over what it contains; of equal ones only the last is kept.
void put_in_order(std::vector<Route>& routes) {
  std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) {
    if (a.prefix.length != b.prefix.length) return a.prefix.length < b.prefix.length;
    return a.prefix.address < b.prefix.address;
  });
  size_t kept = 0;
  for (const Route& route : routes) {
    if (kept > 0 && routes[kept - 1].prefix == route.prefix) --kept;
    routes[kept++] = route;
  }
  routes.resize(kept);
}

// How many tables of the last 8 bits IPv4 needs: one for each /24 with something longer inside.
size_t tables_of_v4(const std::vector<Route>& routes) {
  std::vector<uint32_t> parents;
  for (const Route& route : routes)
    if (route.prefix.length > 24) parents.push_back(route.prefix.address.v4_host_order() >> 8);
  std::sort(parents.begin(), parents.end());
  return static_cast<size_t>(std::unique(parents.begin(), parents.end()) - parents.begin());
}

// How many rte_fib6 reserves, which is more than it uses: for each prefix beyond 24 bits a table for every byte between
// it and the longest prefix around it, also where neighbours share them.
size_t tables_of_v6(const std::vector<Route>& routes) {
  std::vector<base::Prefix> nested;
  for (const Route& route : routes) nested.push_back(route.prefix);
  std::sort(nested.begin(), nested.end());  // by address, then length: a prefix stands right after those around it
  std::vector<base::Prefix> around;
  const auto bytes = [](unsigned length) { return (std::max(length, 24u) + 7) / 8; };
  size_t tables = 0;
  for (const base::Prefix& prefix : nested) {
    while (!around.empty() && !around.back().contains(prefix)) around.pop_back();
    tables += bytes(prefix.length) - bytes(around.empty() ? 0 : around.back().length);
    around.push_back(prefix);
  }
  return tables;
}

// Slots of a group by weight (Sainte-Laguë), at least one for each hop.
std::vector<uint32_t> share_slots(const std::vector<uint32_t>& hops, const std::vector<uint32_t>& weights) {
  std::vector<uint32_t> count(hops.size(), 1);
  for (size_t given = hops.size(); given < kEcmpSlots; ++given) {
    size_t best = 0;
    for (size_t i = 1; i < hops.size(); ++i)
      if (uint64_t{weights[i]} * (2 * count[best] + 1) > uint64_t{weights[best]} * (2 * count[i] + 1)) best = i;
    ++count[best];
  }
  std::vector<uint32_t> slots;
  for (size_t i = 0; i < hops.size(); ++i) slots.insert(slots.end(), count[i], hops[i]);
  return slots;
}

std::string out_of_memory(const char* family, size_t routes) {
  return "no memory for a table of " + std::to_string(routes) + " " + family + " routes (" + rte_strerror(rte_errno) +
         ")";
}

}  // namespace

// Gathers equal next hops, groups and results while routes are read.
class RouteTable::Builder {
 public:
  explicit Builder(RouteTable& table) : table_(table) {
    if (table_.results_.empty()) table_.results_.emplace_back();
    for (uint32_t i = 0; i < table_.next_hops_.size(); ++i) hops_.emplace(table_.next_hops_[i], i);
  }

  base::Result<uint32_t> result_of(const RouteSpec& spec) {
    if (auto read = read_hops(spec, spec.demand); !read) return base::Error{read.error()};
    const auto [at, added] = results_.try_emplace(words_, static_cast<uint32_t>(table_.results_.size()));
    if (!added) return at->second;
    if (table_.results_.size() >= kMaxRouteResults)
      return base::Error{"route " + spec.prefix.to_string() + ": too many different next hops"};
    if (spec.group != 0) table_.groups_.push_back({spec.group, at->second});
    table_.results_.push_back(made(spec.kind, spec.demand));
    return at->second;
  }
  base::Result<void> replace(RouteResult& result, const RouteSpec& spec) {
    if (auto read = read_hops(spec, result.demand); !read) return read;
    result = made(spec.kind, result.demand);
    return {};
  }
  uint32_t hop_of(const NextHop& hop) {
    const auto [at, added] = hops_.try_emplace(hop, static_cast<uint32_t>(table_.next_hops_.size()));
    if (added) table_.next_hops_.push_back(hop);
    return at->second;
  }

 private:
  static constexpr size_t kFirstHop = 2;  // in words_

  base::Result<void> read_hops(const RouteSpec& spec, uint16_t demand) {
    const auto wrong = [&](const char* why) { return base::Error{"route " + spec.prefix.to_string() + ": " + why}; };
    if (spec.next_hops.size() > kMaxNextHops) return wrong("more than 64 next hops");
    if (!spec.weights.empty() && spec.weights.size() != spec.next_hops.size())
      return wrong("as many weights as next hops are needed");
    words_ = {static_cast<uint32_t>(spec.kind) | static_cast<uint32_t>(demand) << 16, spec.group};
    for (size_t i = 0; i < spec.next_hops.size(); ++i) {
      const uint32_t weight = spec.weights.empty() ? 1 : spec.weights[i];
      if (weight == 0) continue;
      NextHop hop = spec.next_hops[i];
      hop.demand = demand;
      words_.push_back(hop_of(hop));
      words_.push_back(weight);
    }
    const bool needs_hop =
        spec.kind == RouteKind::kLocal || spec.kind == RouteKind::kConnected || spec.kind == RouteKind::kGateway;
    if (needs_hop && words_.size() == kFirstHop) return wrong("no next hop with a weight");
    return {};
  }

  // Of what read_hops() read.
  RouteResult made(RouteKind kind, uint16_t demand) {
    RouteResult result{.kind = kind, .hops = static_cast<uint8_t>((words_.size() - kFirstHop) / 2), .demand = demand};
    if (result.hops == 1) {
      result.first = words_[kFirstHop];
      result.interface = table_.next_hops_[result.first].interface;
    } else if (result.hops > 1) {
      std::vector<uint32_t> hops, weights;
      for (size_t i = kFirstHop; i < words_.size(); i += 2) {
        hops.push_back(words_[i]);
        weights.push_back(words_[i + 1]);
      }
      result.first = static_cast<uint32_t>(table_.ecmp_slots_.size());
      const auto slots = share_slots(hops, weights);
      table_.ecmp_slots_.insert(table_.ecmp_slots_.end(), slots.begin(), slots.end());
    }
    return result;
  }

  RouteTable& table_;
  // Kind and demand, group, then next hop and weight in turn: what makes two results equal.
  std::vector<uint32_t> words_;
  std::unordered_map<std::vector<uint32_t>, uint32_t, WordsHash> results_;
  std::unordered_map<NextHop, uint32_t, NextHopHash> hops_;
};

namespace {

base::Result<rte_fib*> build_v4(const std::vector<Route>& routes, size_t results) {
  const size_t tables = tables_of_v4(routes) + kSpareTables;
  rte_fib_conf conf{};
  conf.type = RTE_FIB_DIR24_8;
  conf.default_nh = 0;
  conf.max_routes = static_cast<int>(routes.size());
  conf.dir24_8.nh_sz = std::max(tables, results) < kNarrow ? RTE_FIB_DIR24_8_2B : RTE_FIB_DIR24_8_4B;
  conf.dir24_8.num_tbl8 = static_cast<uint32_t>(tables);
  char name[24];
  std::snprintf(name, sizeof name, "route4-%u", next_fib_number());
  rte_fib* fib = rte_fib_create(name, SOCKET_ID_ANY, &conf);
  if (fib == nullptr) return base::Error{out_of_memory("IPv4", routes.size())};
  rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DEFAULT);  // the widest the CPU has; it cannot fail
  for (const Route& route : routes) {
    if (rte_fib_add(fib, route.prefix.address.v4_host_order(), route.prefix.length, route.result) == 0) continue;
    rte_fib_free(fib);
    return base::Error{"route " + route.prefix.to_string() + ": " + out_of_memory("IPv4", routes.size())};
  }
  return fib;
}

base::Result<rte_fib6*> build_v6(const std::vector<Route>& routes, size_t results) {
  const size_t tables = tables_of_v6(routes) + kSpareTables;
  rte_fib6_conf conf{};
  conf.type = RTE_FIB6_TRIE;
  conf.default_nh = 0;
  conf.max_routes = static_cast<int>(routes.size());
  conf.trie.nh_sz = std::max(tables, results) < kNarrow ? RTE_FIB6_TRIE_2B : RTE_FIB6_TRIE_4B;
  conf.trie.num_tbl8 = static_cast<uint32_t>(tables);
  char name[24];
  std::snprintf(name, sizeof name, "route6-%u", next_fib_number());
  rte_fib6* fib = rte_fib6_create(name, SOCKET_ID_ANY, &conf);
  if (fib == nullptr) return base::Error{out_of_memory("IPv6", routes.size())};
  rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_DEFAULT);
  for (const Route& route : routes) {
    if (rte_fib6_add(fib, route.prefix.address.bytes.data(), route.prefix.length, route.result) == 0) continue;
    rte_fib6_free(fib);
    return base::Error{"route " + route.prefix.to_string() + ": " + out_of_memory("IPv6", routes.size())};
  }
  return fib;
}

}  // namespace

base::Result<std::shared_ptr<const RouteTable>> RouteTable::build(std::span<const RouteSpec> specs,
                                                                  std::span<const uint16_t> peers) {
  std::shared_ptr<RouteTable> table(new RouteTable);
  Builder builder(*table);
  const bool demands = std::any_of(specs.begin(), specs.end(), [](const RouteSpec& each) { return each.demand != 0; });
  for (const uint16_t peer : peers) {
    if (peer >= table->hops_to_.size()) table->hops_to_.resize(peer + 1u);
    table->hops_to_[peer] = {builder.hop_of({.peer = peer}),
                             demands ? builder.hop_of({.peer = peer, .demand = kSomeDemand}) : kNoHop};
  }
  std::vector<Route> v4, v6;
  for (const RouteSpec& spec : specs) {
    const auto result = builder.result_of(spec);
    if (!result) return base::Error{result.error()};
    if (spec.prefix.length > (spec.prefix.is_v4() ? 32 : 128))
      return base::Error{"route " + spec.prefix.to_string() + ": prefix too long"};
    (spec.prefix.is_v4() ? v4 : v6).push_back({spec.prefix.network(), *result});
  }
  put_in_order(v4);
  put_in_order(v6);
  if (!v4.empty()) {
    auto fib = build_v4(v4, table->results_.size());
    if (!fib) return base::Error{fib.error()};
    table->v4_ = {*fib, rte_fib_free};
  }
  if (!v6.empty()) {
    auto fib = build_v6(v6, table->results_.size());
    if (!fib) return base::Error{fib.error()};
    table->v6_ = {*fib, rte_fib6_free};
  }
  table->size_ = v4.size() + v6.size();
  return std::shared_ptr<const RouteTable>(std::move(table));
}

base::Result<std::shared_ptr<const RouteTable>> RouteTable::exchange(std::span<const RouteSpec> changed) const {
  std::shared_ptr<RouteTable> next(new RouteTable(*this));
  std::vector<const RouteSpec*> other(results_.size(), nullptr);
  for (const RouteSpec& spec : changed) {
    bool found = false;
    for (const Grouped& each : groups_) {
      if (each.group != spec.group) continue;
      other[each.result] = &spec;
      found = true;
    }
    if (!found) return base::Error{"route " + spec.prefix.to_string() + ": no such group of routes"};
  }
  next->ecmp_slots_.clear();  // what no result needs any more is left behind
  Builder builder(*next);
  for (size_t i = 0; i < results_.size(); ++i) {
    RouteResult& result = next->results_[i];
    if (other[i] != nullptr) {
      if (auto replaced = builder.replace(result, *other[i]); !replaced) return base::Error{replaced.error()};
    } else if (result.hops > 1) {
      const auto slots = ecmp_slots_.begin() + result.first;
      result.first = static_cast<uint32_t>(next->ecmp_slots_.size());
      next->ecmp_slots_.insert(next->ecmp_slots_.end(), slots, slots + kEcmpSlots);
    }
  }
  return std::shared_ptr<const RouteTable>(std::move(next));
}

void RouteTable::find_v4(const uint32_t* addresses, uint32_t* results, unsigned count) const {
  if (v4_ == nullptr) return static_cast<void>(std::fill_n(results, count, 0));
  uint64_t wide[kChunk];
  for (unsigned done = 0; done < count; done += kChunk) {
    const unsigned n = std::min(kChunk, count - done);
    rte_fib_lookup_bulk(v4_.get(), const_cast<uint32_t*>(addresses + done), wide, static_cast<int>(n));
    for (unsigned i = 0; i < n; ++i) results[done + i] = static_cast<uint32_t>(wide[i]);
  }
}

void RouteTable::find_v6(const uint8_t (*addresses)[16], uint32_t* results, unsigned count) const {
  if (v6_ == nullptr) return static_cast<void>(std::fill_n(results, count, 0));
  uint64_t wide[kChunk];
  for (unsigned done = 0; done < count; done += kChunk) {
    const unsigned n = std::min(kChunk, count - done);
    rte_fib6_lookup_bulk(v6_.get(), const_cast<uint8_t(*)[16]>(addresses + done), wide, static_cast<int>(n));
    for (unsigned i = 0; i < n; ++i) results[done + i] = static_cast<uint32_t>(wide[i]);
  }
}

uint32_t RouteTable::find(const base::IpAddress& address) const {
  uint32_t result = 0;
  if (address.is_v4()) {
    const uint32_t host_order = address.v4_host_order();
    find_v4(&host_order, &result, 1);
  } else {
    uint8_t raw[1][16];
    std::memcpy(raw[0], address.bytes.data(), 16);
    find_v6(raw, &result, 1);
  }
  return result;
}

}  // namespace penstock::flow
