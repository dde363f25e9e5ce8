#include "flow/service_table.h"

#include <algorithm>
#include <bit>

namespace penstock::flow {

namespace {

constexpr uint32_t kNoEntry = 0xffffffff;

uint64_t tag_of(const base::IpAddress& address, uint8_t protocol, uint16_t port, const HashSecret& secret) {
  return hash_of(address, static_cast<uint64_t>(protocol) << 16 | port, secret);
}

}  // namespace

ServiceTable::ServiceTable(std::vector<std::shared_ptr<const ServiceEntry>> entries, HashSecret secret)
    : entries_(std::move(entries)), secret_(secret) {
  buckets_.assign(std::bit_ceil(std::max<size_t>(2 * entries_.size(), 16)), {0, kNoEntry});
  const size_t mask = buckets_.size() - 1;
  size_t slots = 0, states = 0;
  for (const auto& entry : entries_) {
    slots = std::max<size_t>(slots, entry->slot + size_t{1});
    for (const Endpoint& e : entry->endpoints) states = std::max<size_t>(states, e.slot + size_t{1});
  }
  by_slot_.assign(slots, nullptr);
  states_.assign(states, EndpointState::kDown);
  virtual_addresses_.reserve(entries_.size());

  for (uint32_t i = 0; i < entries_.size(); ++i) {
    const ServiceEntry& entry = *entries_[i];
    by_slot_[entry.slot] = &entry;
    for (const Endpoint& e : entry.endpoints) states_[e.slot] = e.state;
    virtual_addresses_.push_back(entry.address);
    const uint64_t tag = tag_of(entry.address, entry.protocol, entry.port, secret_);
    size_t at = tag & mask;
    while (buckets_[at].entry != kNoEntry) at = (at + 1) & mask;
    buckets_[at] = {tag, i};
  }
  std::sort(virtual_addresses_.begin(), virtual_addresses_.end());
  virtual_addresses_.erase(std::unique(virtual_addresses_.begin(), virtual_addresses_.end()), virtual_addresses_.end());
}

ServiceTable::ServiceTable(const ServiceTable& before,
                           std::span<const std::shared_ptr<const ServiceEntry>> replacements)
    : ServiceTable(before) {
  for (const auto& entry : replacements) {
    const uint32_t i = index_of(entry->address, entry->protocol, entry->port);
    if (i == kNoEntry) continue;
    // First the old states, all of them: an endpoint slot that moved from entry to entry ends in its new state.
    for (const Endpoint& e : entries_[i]->endpoints) states_[e.slot] = EndpointState::kDown;
  }
  for (const auto& entry : replacements) {
    const uint32_t i = index_of(entry->address, entry->protocol, entry->port);
    if (i == kNoEntry) continue;
    entries_[i] = entry;
    by_slot_[entry->slot] = entry.get();
    for (const Endpoint& e : entry->endpoints) {
      if (e.slot >= states_.size()) states_.resize(e.slot + size_t{1}, EndpointState::kDown);
      states_[e.slot] = e.state;
    }
  }
}

uint32_t ServiceTable::index_of(const base::IpAddress& address, uint8_t protocol, uint16_t port) const {
  const size_t mask = buckets_.size() - 1;
  const uint64_t tag = tag_of(address, protocol, port, secret_);
  for (size_t at = tag & mask; buckets_[at].entry != kNoEntry; at = (at + 1) & mask) {
    if (buckets_[at].tag != tag) continue;
    const ServiceEntry& entry = *entries_[buckets_[at].entry];
    if (entry.address == address && entry.protocol == protocol && entry.port == port) return buckets_[at].entry;
  }
  return kNoEntry;
}

const ServiceEntry* ServiceTable::find_exact(const base::IpAddress& address, uint8_t protocol, uint16_t port) const {
  const uint32_t i = index_of(address, protocol, port);
  return i == kNoEntry ? nullptr : entries_[i].get();
}

const ServiceEntry* ServiceTable::find(const base::IpAddress& address, uint8_t protocol, uint16_t port) const {
  if (entries_.empty()) return nullptr;
  if (const ServiceEntry* exact = find_exact(address, protocol, port)) return exact;
  if (const ServiceEntry* of_protocol = port == 0 ? nullptr : find_exact(address, protocol, 0)) return of_protocol;
  return protocol == 0 ? nullptr : find_exact(address, 0, 0);
}

bool ServiceTable::is_virtual(const base::IpAddress& address) const {
  return std::binary_search(virtual_addresses_.begin(), virtual_addresses_.end(), address);
}

}  // namespace penstock::flow
