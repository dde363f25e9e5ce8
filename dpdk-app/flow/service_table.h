// Services of one generation: (virtual address, protocol, port) -> endpoints and how to choose one. Immutable.
// 10,000 services with 10 endpoints each take about 40 MB; an unchanged service is shared with the generation before.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "flow/key.h"

namespace penstock::flow {

enum class ServiceMode : uint8_t { kNat, kFullNat, kDsr, kIpip };
enum class Balancing : uint8_t { kMaglev, kRoundRobin, kLeastConnections };
enum class EndpointState : uint8_t { kReady, kDraining, kDown };

struct Endpoint {
  uint32_t slot = 0;  // stable; indexes counters and ServiceTable::endpoint_states
  base::IpAddress address;
  uint16_t port = 0;      // 0: the packet's own destination port
  uint16_t weight = 100;  // 0: gets no new flows
  EndpointState state = EndpointState::kReady;
};

// One virtual port. A Service object of three ports and two addresses is six of these sharing endpoints by copy.
struct ServiceEntry {
  uint32_t slot = 0;        // stable
  base::IpAddress address;  // virtual
  uint16_t port = 0;        // 0: all ports
  uint8_t protocol = 0;     // 0: all protocols (only with port 0)
  ServiceMode mode = ServiceMode::kNat;
  Balancing balancing = Balancing::kMaglev;
  bool reset_on_down = false;  // flows of a down endpoint: reset, else moved
  bool reject_without_endpoint = true;
  uint32_t affinity_seconds = 0;    // 0: none
  std::vector<Endpoint> endpoints;  // all states; the same order gives the same choice
  // kMaglev: lookup table of indexes into `endpoints`, ready and weighted ones only (prime size).
  // kRoundRobin: one smooth weighted sequence. kLeastConnections: empty. Empty when no endpoint is usable.
  std::vector<uint16_t> table;
  std::vector<base::IpAddress> source_pool;  // kFullNat; empty: the egress interface's address
  std::vector<uint32_t> limits;              // rate-limit slots
  std::string name;                          // "namespace/name:port"
};

class ServiceTable {
 public:
  // Of two entries with the same address, protocol and port the first is found; of two states of one endpoint slot the
  // last holds. The secret keeps clients' choice of addresses from slowing the lookup.
  explicit ServiceTable(std::vector<std::shared_ptr<const ServiceEntry>> entries, HashSecret secret = {});
  // The table `before` with some entries replaced, each by one of the same slot, address, protocol and port. Copies the
  // indexes and looks at no other entry: with 10,000 services a tenth of the time of building anew.
  ServiceTable(const ServiceTable& before, std::span<const std::shared_ptr<const ServiceEntry>> replacements);

  // The service that a packet to (address, protocol, port) belongs to: the exact port first, then all ports of the
  // protocol, then all protocols. Null: none. Hot on the first packet of a flow.
  const ServiceEntry* find(const base::IpAddress& address, uint8_t protocol, uint16_t port) const;
  bool is_virtual(const base::IpAddress& address) const;

  // By endpoint slot: read when a flow is looked at for the first time in a generation. Slots beyond size(): kDown.
  EndpointState endpoint_state(uint32_t slot) const {
    return slot < states_.size() ? states_[slot] : EndpointState::kDown;
  }
  const ServiceEntry* by_slot(uint32_t slot) const { return slot < by_slot_.size() ? by_slot_[slot] : nullptr; }
  const std::vector<std::shared_ptr<const ServiceEntry>>& entries() const { return entries_; }

 private:
  struct Bucket {
    uint64_t tag;    // hash of address, protocol and port
    uint32_t entry;  // index into entries_
  };
  const ServiceEntry* find_exact(const base::IpAddress& address, uint8_t protocol, uint16_t port) const;
  uint32_t index_of(const base::IpAddress& address, uint8_t protocol, uint16_t port) const;

  std::vector<std::shared_ptr<const ServiceEntry>> entries_;
  std::vector<const ServiceEntry*> by_slot_;
  std::vector<EndpointState> states_;
  std::vector<Bucket> buckets_;                     // open addressing, power of two, load <= 1/2
  std::vector<base::IpAddress> virtual_addresses_;  // sorted
  HashSecret secret_;
};

}  // namespace penstock::flow
