// Routes of one generation: longest-prefix match over rte_fib (IPv4, DIR24_8) and rte_fib6 (trie) to a dense index of
// route results, ECMP groups expanded to weighted slots. Immutable once built. Lookups: any thread, no writes.
// Needs the EAL (tables live in DPDK memory). A build that runs out of memory is an error, never a partial table.
// A family without a route has no table. See perf/bench/route_bench.cpp for what tables cost.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "flow/peer_table.h"

struct rte_fib;
struct rte_fib6;

namespace penstock::flow {

enum class RouteKind : uint8_t {
  kNone,       // no route
  kLocal,      // one of the gateway's own addresses
  kConnected,  // on the link: the destination is its own next hop
  kGateway,    // through next hops
  kBlackhole,
  kUnreachable,
  kProhibit,
  kBroadcast,  // a subnet's broadcast address
};

struct NextHop {
  uint16_t interface = 0xffff;  // InterfaceId; of a tunnel: none, its underlay has one
  base::IpAddress via;          // unspecified (::) on a connected route
  uint16_t peer = kNoPeer;      // through the tunnel to this peer
  uint16_t demand = 0;          // of the route's; so that who keeps a hop keeps this with it
  bool operator==(const NextHop&) const = default;
};

struct RouteSpec {  // what the compiler gives
  base::Prefix prefix;
  RouteKind kind = RouteKind::kNone;
  std::vector<NextHop> next_hops;  // kLocal, kConnected: one, with the interface
  std::vector<uint16_t> weights;   // as many as next_hops; empty: equal
  uint16_t demand = 0;  // what goes there must be encrypted: PeerTable::required[demand - 1] says so; 0: need not
  uint32_t group = 0;   // of routes that change together (RouteTable::exchange), all with the same hops; 0: none
};

constexpr size_t kEcmpSlots = 64;    // weights are approximated in steps of 1/64
constexpr size_t kMaxNextHops = 64;  // per route
constexpr size_t kMaxRouteResults = 1u << 22;

struct RouteResult {
  RouteKind kind = RouteKind::kNone;
  uint8_t hops = 0;             // 1: `first` alone; more: slots at `first`
  uint16_t interface = 0xffff;  // kLocal, kConnected, or the only next hop's
  uint16_t demand = 0;          // as RouteSpec's
  uint32_t first = 0;           // index into next_hops() (hops == 1) or into ecmp_slots() (hops > 1)
};

class RouteTable {
 public:
  // Routes may come in any order; of equal prefixes the last wins. 1M IPv4 routes build in a few seconds.
  // `peers`: have a next hop of their own, whether a route leads there or not.
  static base::Result<std::shared_ptr<const RouteTable>> build(std::span<const RouteSpec> routes,
                                                               std::span<const uint16_t> peers = {});
  // The same prefixes, but those of each group that `changed` names (by one route of it) now lead where that one does.
  // Costs nothing per route: what a failover asks for. Indexes of results and next hops stay. Error: no such group.
  base::Result<std::shared_ptr<const RouteTable>> exchange(std::span<const RouteSpec> changed) const;

  // Indexes into results(); 0 is the "no route" result. `addresses` are host order (v4) or 16 raw bytes (v6).
  void find_v4(const uint32_t* addresses, uint32_t* results, unsigned count) const;
  void find_v6(const uint8_t (*addresses)[16], uint32_t* results, unsigned count) const;
  uint32_t find(const base::IpAddress& address) const;

  const RouteResult& at(uint32_t result) const { return results_[result]; }
  // Index into next_hops(). Only for kLocal, kConnected and kGateway.
  uint32_t next_hop_in(const RouteResult& result, uint32_t ecmp_slot) const {
    return result.hops == 1 ? result.first : ecmp_slots_[result.first + ecmp_slot];
  }
  // The same for a flow hash: by its highest bits, as the lowest chose the worker (flow/shard.h).
  uint32_t next_hop_of(const RouteResult& result, uint32_t flow_hash) const {
    return next_hop_in(result, flow_hash / (0x1'0000'0000 / kEcmpSlots));
  }
  const NextHop& next_hop(uint32_t index) const { return next_hops_[index]; }
  std::span<const NextHop> next_hops() const { return next_hops_; }
  // Into the tunnel of this peer; kNoHop: it was not named to build().
  static constexpr uint32_t kNoHop = 0xffffffff;
  uint32_t hop_to(uint16_t peer) const { return peer < hops_to_.size() ? hops_to_[peer].plain : kNoHop; }
  // The same where encryption is demanded (NextHop::demand is kSomeDemand). kNoHop also: no route demands it.
  uint32_t demanded_hop_to(uint16_t peer) const { return peer < hops_to_.size() ? hops_to_[peer].demanded : kNoHop; }
  size_t size() const { return size_; }

 private:
  class Builder;
  RouteTable() = default;
  RouteTable(const RouteTable&) = default;

  std::shared_ptr<rte_fib> v4_;  // null: no route of the family
  std::shared_ptr<rte_fib6> v6_;
  std::vector<RouteResult> results_;
  std::vector<NextHop> next_hops_;
  std::vector<uint32_t> ecmp_slots_;
  struct HopsTo {
    uint32_t plain = kNoHop, demanded = kNoHop;
  };
  std::vector<HopsTo> hops_to_;  // by peer
  struct Grouped {
    uint32_t group, result;
  };
  std::vector<Grouped> groups_;  // a group has a result for each demand on its prefixes
  size_t size_ = 0;
};

}  // namespace penstock::flow
