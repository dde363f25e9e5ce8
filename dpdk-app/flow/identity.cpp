#include "flow/identity.h"

#include <algorithm>
#include <bit>
#include <map>

#include "base/bytes.h"
#include "flow/key.h"

namespace penstock::flow {

namespace {

uint64_t word_of(const uint8_t* mac) {
  return static_cast<uint64_t>(base::load_be32(mac)) << 16 | base::load_be16(mac + 4);
}

base::IpAddress masked(const base::IpAddress& address, unsigned bits) {
  base::IpAddress out;
  const uint64_t high = base::load_be64(&address.bytes[0]), low = base::load_be64(&address.bytes[8]);
  const auto mask = [](unsigned n) { return n == 0 ? 0 : ~uint64_t{0} << (64 - n); };
  base::store_be64(&out.bytes[0], high & mask(std::min(bits, 64u)));
  base::store_be64(&out.bytes[8], low & mask(bits > 64 ? bits - 64 : 0));
  return out;
}

// What is hashed comes from the configuration; an attacker chooses only what is looked up.
size_t hash_cell(const base::IpAddress& network, uint8_t bits) { return hash_of(network, bits, HashSecret{}); }

}  // namespace

SourceTable::SourceTable(std::span<const WorkloadClaim> claims) {
  std::map<std::pair<uint8_t, base::IpAddress>, std::vector<Candidate>> by_prefix;
  std::map<uint16_t, std::vector<Candidate>> by_interface;
  for (const WorkloadClaim& claim : claims) {
    const Candidate candidate{claim.mac ? word_of(claim.mac->bytes.data()) : kAnyMac, claim.interface, claim.identity};
    if (claim.addresses.empty()) by_interface[claim.interface].push_back(candidate);
    for (const base::Prefix& prefix : claim.addresses) {
      const auto bits = static_cast<uint8_t>(prefix.length + (prefix.is_v4() ? 96u : 0u));
      by_prefix[{bits, masked(prefix.address, bits)}].push_back(candidate);
      auto& lengths = lengths_[prefix.is_v4()];
      if (std::find(lengths.begin(), lengths.end(), bits) == lengths.end()) lengths.push_back(bits);
    }
  }
  for (auto& lengths : lengths_) std::sort(lengths.begin(), lengths.end(), std::greater<>());
  const auto add = [this](std::vector<Candidate>& list) {
    std::stable_partition(list.begin(), list.end(), [](const Candidate& c) { return c.mac != kAnyMac; });
    const Range range{static_cast<uint32_t>(candidates_.size()), static_cast<uint32_t>(list.size())};
    candidates_.insert(candidates_.end(), list.begin(), list.end());
    return range;
  };
  if (!by_interface.empty()) by_interface_.resize(by_interface.rbegin()->first + 1u);
  for (auto& [interface, list] : by_interface) by_interface_[interface] = add(list);
  cells_.resize(std::bit_ceil(2 * by_prefix.size() + 1));
  for (auto& [prefix, list] : by_prefix) {
    size_t at = hash_cell(prefix.second, prefix.first) & (cells_.size() - 1);
    while (cells_[at].used) at = (at + 1) & (cells_.size() - 1);
    const Identity first = list.front().identity;
    const bool shared = std::any_of(list.begin(), list.end(), [&](const Candidate& c) { return c.identity != first; });
    const Identity owner = shared ? kNobody : first;
    cells_[at] = {prefix.second, add(list), owner, prefix.first, true};
  }
}

const SourceTable::Cell* SourceTable::find_cell(const base::IpAddress& network, uint8_t bits) const {
  for (size_t at = hash_cell(network, bits) & (cells_.size() - 1);; at = (at + 1) & (cells_.size() - 1)) {
    const Cell& cell = cells_[at];
    if (!cell.used) return nullptr;
    if (cell.bits == bits && cell.network == network) return &cell;
  }
}

const SourceTable::Cell* SourceTable::cell_of(const base::IpAddress& address) const {
  for (const uint8_t bits : lengths_[address.is_v4()])
    if (const Cell* cell = find_cell(masked(address, bits), bits); cell != nullptr) return cell;
  return nullptr;
}

const SourceTable::Candidate* SourceTable::candidate(Range range, uint16_t interface, uint64_t mac) const {
  for (uint32_t i = range.first; i < range.first + range.count; ++i) {
    const Candidate& each = candidates_[i];
    if (each.interface == interface && (each.mac == kAnyMac || each.mac == mac)) return &each;
  }
  return nullptr;
}

SourceTable::Found SourceTable::find(uint16_t interface, const base::IpAddress& source, const uint8_t* mac) const {
  const Cell* cell = cell_of(source);
  const Range range = cell != nullptr                    ? cell->range
                      : interface < by_interface_.size() ? by_interface_[interface]
                                                         : Range {};
  const Candidate* match = candidate(range, interface, word_of(mac));
  return match != nullptr ? Found{match->identity, false} : Found{kNobody, cell != nullptr};
}

Identity SourceTable::at(const base::IpAddress& address) const {
  const Cell* cell = cell_of(address);
  return cell == nullptr ? kNobody : cell->owner;
}

const std::string& IdentityTable::name_of(Identity number) const {
  static const std::string kUnknown = "unknown";
  return number < names.size() && !names[number].empty() ? names[number] : kUnknown;
}

}  // namespace penstock::flow
