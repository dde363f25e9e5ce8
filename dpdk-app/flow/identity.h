// Workload identities of one generation: which one stands behind a packet, and what rules may say about it.
//
// An identity is a SPIFFE URI; the gateway numbers those it knows (1 to 65,535, 0 is nobody known), and packets carry
// the number. Numbers are slots: an identity keeps its number from generation to generation. SourceTable says whose a
// source address is on an interface: the longest prefix that holds it, and of its claims the one with the packet's MAC
// before one for any MAC. An address that is claimed but not from here is forged. Where no prefix holds the address a
// claim to the whole interface counts. The cost is one hash look-up per distinct prefix length (usually one: host
// addresses). `classes` folds identities that no rule tells apart into one number, which is what the filter sees
// (flow/filter.h).
//
// Immutable once built; any thread. What it does not do: say what an identity may (flow/filter.h), translate names.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"

namespace penstock::flow {

using Identity = uint16_t;
constexpr Identity kNobody = 0;
constexpr size_t kMaxIdentities = 1u << 16;  // numbers, kNobody included: two bytes per packet and flow direction

// What one Workload says of itself.
struct WorkloadClaim {
  uint16_t interface = 0;
  std::optional<base::MacAddress> mac;  // absent: any
  std::vector<base::Prefix> addresses;  // empty: all that no prefix of another claim holds
  Identity identity = kNobody;
};

class SourceTable {
 public:
  struct Found {
    Identity identity = kNobody;
    bool forged = false;  // the address is claimed, but not on this interface or not with this MAC
  };

  SourceTable() = default;
  explicit SourceTable(std::span<const WorkloadClaim> claims);

  // `mac`: six bytes, the frame's source.
  Found find(uint16_t interface, const base::IpAddress& source, const uint8_t* mac) const;
  // Who has this address, on whichever interface; kNobody: no prefix holds it, or several identities share it.
  Identity at(const base::IpAddress& address) const;
  bool empty() const { return candidates_.empty(); }

 private:
  static constexpr uint64_t kAnyMac = ~uint64_t{0};
  struct Candidate {
    uint64_t mac;
    uint16_t interface;
    Identity identity;
  };
  struct Range {  // of candidates_, those with a MAC first
    uint32_t first = 0, count = 0;
  };
  struct Cell {
    base::IpAddress network;
    Range range;
    Identity owner = kNobody;  // of the address, wherever
    uint8_t bits = 0;          // of the 128; IPv4 is mapped
    bool used = false;
  };

  const Cell* cell_of(const base::IpAddress& address) const;
  const Cell* find_cell(const base::IpAddress& network, uint8_t bits) const;
  const Candidate* candidate(Range range, uint16_t interface, uint64_t mac) const;

  std::vector<Candidate> candidates_;
  std::vector<Cell> cells_;          // open addressing, at most half full; its size is a power of two
  std::vector<uint8_t> lengths_[2];  // [is IPv4]: bits of the prefixes there are, longest first
  std::vector<Range> by_interface_;  // claims without addresses
};

struct IdentityTable {
  SourceTable sources;
  std::vector<std::string> names;                // by number; empty: unused
  std::vector<uint16_t> classes;                 // by number; 0: nobody known
  std::vector<std::vector<Identity>> from_peer;  // by peer slot: the peer's number → ours; kNobody: never told

  uint16_t class_of(Identity number) const { return number < classes.size() ? classes[number] : 0; }
  const std::string& name_of(Identity number) const;  // "unknown" for nobody
  // What a peer's number means here; false: it never told.
  bool translate(uint16_t peer, uint32_t theirs, Identity& ours) const {
    ours = kNobody;
    if (theirs == 0) return true;  // it does not know either
    if (peer >= from_peer.size() || theirs >= from_peer[peer].size()) return false;
    ours = from_peer[peer][theirs];
    return ours != kNobody;
  }
};

}  // namespace penstock::flow
