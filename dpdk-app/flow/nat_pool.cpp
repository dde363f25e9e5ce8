#include "flow/nat_pool.h"

#include <algorithm>
#include <bit>

namespace penstock::flow {

namespace {

constexpr unsigned kProtocols = 3;  // with bitmaps of their own: TCP, UDP, ICMP (of either family)
constexpr unsigned kBlocks = 65536 / kPortBlock;

constexpr uint8_t kIcmp = 1, kTcp = 6, kUdp = 17, kIcmpv6 = 58;

bool is_icmp(uint8_t protocol) { return protocol == kIcmp || protocol == kIcmpv6; }

int bitmap_of(uint8_t protocol) {  // -1: no ports
  switch (protocol) {
    case kTcp:
      return 0;
    case kUdp:
      return 1;
    case kIcmp:
    case kIcmpv6:
      return 2;
    default:
      return -1;
  }
}

base::Millis linger_of(uint8_t protocol) {
  if (protocol == kUdp) return kUdpMappingLinger;
  return is_icmp(protocol) ? kIcmpMappingLinger : 0;  // TCP: the flow's own TIME_WAIT is the linger time
}

// The ports of a block that a range holds, as bits.
uint64_t block_mask(unsigned block, PortRange range) {
  const unsigned first = block * kPortBlock, last = first + kPortBlock - 1;
  if (range.last < first || range.first > last) return 0;
  const unsigned from = range.first > first ? range.first - first : 0;
  const unsigned to = range.last < last ? range.last - first : kPortBlock - 1;
  return (~0ull << from) & (~0ull >> (kPortBlock - 1 - to));
}

PortRange without_zero(PortRange range) { return {std::max<uint16_t>(range.first, 1), range.last}; }

class ReplyPortSearch {
 public:
  ReplyPortSearch(const FlowTable& flows, const FlowKey& reply) : flows_(flows), reply_(reply) {}

  bool is_free(uint16_t port) {
    ++tries_;
    reply_.dst_port = port;
    if (is_icmp(reply_.protocol)) reply_.src_port = port;
    return !flows_.knows(reply_);
  }
  bool tired() const { return tries_ >= kPortTries; }

 private:
  const FlowTable& flows_;
  FlowKey reply_;
  unsigned tries_ = 0;
};

}  // namespace

uint16_t find_reply_port(const FlowTable& flows, FlowKey reply, PortRange range, uint32_t seed, unsigned worker,
                         unsigned workers) {
  range = without_zero(range);
  if (range.first > range.last || bitmap_of(reply.protocol) < 0) return 0;
  const unsigned span = range.last - range.first + 1u;
  reply.dst_port = 0;
  const uint32_t base_hash = owner_hash(reply);
  const bool hashed = hashes_ports(reply.protocol);
  ReplyPortSearch search(flows, reply);
  if (hashed && span > kPortSteps) {
    LandingPorts landing(base_hash, worker, workers, seed);
    for (unsigned step = std::min(landing.count(), kPortSteps); step != 0 && !search.tired(); --step) {
      const uint16_t port = landing.next();
      if (range.holds(port) && search.is_free(port)) return port;
    }
    return 0;
  }
  // A narrow range is walked; so are identifiers, whose replies land by addresses alone: ours are those of our blocks.
  for (unsigned step = 0, at = seed % span; step < std::min(span, 65536u) && !search.tired(); ++step, ++at) {
    const auto port = static_cast<uint16_t>(range.first + at % span);
    const bool ours = hashed ? owner_of(base_hash ^ owner_hash_of_word(port), workers) == worker
                             : port_owner(port, workers) == worker;
    if (ours && search.is_free(port)) return port;
  }
  return 0;
}

MappingTable::MappingTable(uint32_t capacity, unsigned worker, unsigned workers, const HashSecret& secret)
    : worker_(worker),
      workers_(workers),
      blocks_((kBlocks - worker + workers - 1) / workers),
      secret_(secret),
      slab_(std::max(capacity, 1u)),
      inside_(slab_.capacity()),
      outside_(slab_.capacity()),
      sources_(slab_.capacity()),
      addresses_(kMaxNatAddresses),
      words_(kMaxNatAddresses * kProtocols * blocks_, base::RegionKind::kSparse),
      free_sets_(kMaxNatAddresses, base::RegionKind::kSparse) {
  for (uint32_t set = kMaxNatAddresses; set != 0; --set) free_sets_[free_count_++] = set - 1;
}

uint64_t MappingTable::hash_inside(const MappingKey& key) const {
  return hash_of(key.inside, uint64_t{key.egress} << 32 | uint64_t{key.protocol} << 16 | key.port, secret_);
}

uint64_t MappingTable::hash_outside(const base::IpAddress& address, uint16_t port, uint8_t protocol) const {
  return hash_of(address, uint64_t{protocol} << 16 | port, secret_);
}

Mapping* MappingTable::find_inside(const MappingKey& key) {
  const uint32_t ref = inside_.find(hash_inside(key), [&](uint32_t r) { return slab_.at(r - 1).key == key; });
  return ref == 0 ? nullptr : &slab_.at(ref - 1);
}

Mapping* MappingTable::find_outside(const base::IpAddress& address, uint16_t port, uint8_t protocol) {
  const uint32_t ref = outside_.find(hash_outside(address, port, protocol), [&](uint32_t r) {
    const Mapping& m = slab_.at(r - 1);
    return m.port == port && m.key.protocol == protocol && m.outside == address;
  });
  return ref == 0 ? nullptr : &slab_.at(ref - 1);
}

uint32_t MappingTable::count_of(const base::IpAddress& inside, uint32_t egress) const {
  const uint32_t* count = sources_.find({inside, egress}, hash_of(inside, egress, secret_));
  return count == nullptr ? 0 : *count;
}

uint64_t* MappingTable::bitmap(uint32_t set, uint8_t protocol) const {
  return words_.data() + (size_t{set} * kProtocols + static_cast<size_t>(bitmap_of(protocol))) * blocks_;
}

bool MappingTable::is_ours_and_free(const uint64_t* words, uint16_t port) const {
  const unsigned block = port / kPortBlock;
  return block % workers_ == worker_ && !(words[block / workers_] >> (port % kPortBlock) & 1);
}

uint16_t MappingTable::choose_port(const uint64_t* words, uint16_t inside_port, PortRange range, const FlowKey& answer,
                                   uint64_t hash) const {
  if (range.holds(inside_port) && is_ours_and_free(words, inside_port)) return inside_port;
  if (hashes_ports(answer.protocol)) {
    LandingPorts landing(owner_hash(answer), worker_, workers_, static_cast<uint32_t>(hash));
    for (unsigned step = std::min(landing.count(), kPortTries * workers_); step != 0; --step) {
      const uint16_t port = landing.next();
      if (range.holds(port) && is_ours_and_free(words, port)) return port;
    }
  }
  return any_port(words, range, hash);
}

uint16_t MappingTable::any_port(const uint64_t* words, PortRange range, uint64_t hash) const {
  for (uint32_t i = 0, at = static_cast<uint32_t>(hash >> 32) % blocks_; i < blocks_; ++i, ++at) {
    const uint32_t local = at < blocks_ ? at : at - blocks_;
    const unsigned block = local * workers_ + worker_;
    const uint64_t free = ~words[local] & block_mask(block, range);
    if (free == 0) continue;
    const unsigned turn = hash % kPortBlock;  // not always the lowest of the block
    const unsigned bit = (std::countr_zero(std::rotr(free, static_cast<int>(turn))) + turn) % kPortBlock;
    return static_cast<uint16_t>(block * kPortBlock + bit);
  }
  return 0;
}

MappingTable::Ports* MappingTable::ports_of(const base::IpAddress& address) {
  const uint64_t hash = hash_of(address, 0, secret_);
  if (Ports* known = addresses_.find(address, hash); known != nullptr) return known;
  Ports* fresh = addresses_.insert(address, hash);
  if (fresh != nullptr) fresh->set = free_sets_[--free_count_];
  return fresh;
}

void MappingTable::forget_if_unused(const base::IpAddress& address, Ports& ports) {
  if (ports.used != 0) return;
  free_sets_[free_count_++] = ports.set;
  addresses_.erase(address, hash_of(address, 0, secret_));
}

MappingResult MappingTable::open(const MappingKey& key, std::span<const base::IpAddress> pool, PortRange range,
                                 const base::IpAddress& remote, uint16_t remote_port, uint32_t most, base::Millis now) {
  if (bitmap_of(key.protocol) < 0) return {MappingStatus::kUnsupported, nullptr};
  if (pool.empty()) return {MappingStatus::kNoAddress, nullptr};
  if (most != 0 && count_of(key.inside, key.egress) >= most) return {MappingStatus::kSourceLimit, nullptr};
  if (slab_.size() == slab_.capacity()) return {MappingStatus::kTableFull, nullptr};
  range = without_zero(range);
  const uint64_t hash = hash_inside(key);
  // Which address depends on the source alone, so all its mappings have the same while it has room (RFC 4787 REQ-2).
  const size_t start = hash_of(key.inside, key.egress, secret_) % pool.size();
  const size_t tries = std::min<size_t>(pool.size(), kAddressTries);
  for (size_t i = 0; i < tries; ++i) {
    const base::IpAddress& outside = pool[(start + i) % pool.size()];
    Ports* ports = ports_of(outside);
    if (ports == nullptr) return {MappingStatus::kTableFull, nullptr};
    const FlowKey answer{remote, outside, remote_port, 0, key.protocol};
    const uint16_t port = choose_port(bitmap(ports->set, key.protocol), key.port, range, answer, hash);
    if (port != 0) {
      Mapping* mapping = add(key, outside, port, *ports, now);
      if (mapping == nullptr) forget_if_unused(outside, *ports);
      return {mapping != nullptr ? MappingStatus::kOk : MappingStatus::kTableFull, mapping};
    }
    forget_if_unused(outside, *ports);
  }
  return {MappingStatus::kExhausted, nullptr};
}

Mapping* MappingTable::add(const MappingKey& key, const base::IpAddress& outside, uint16_t port, Ports& ports,
                           base::Millis now) {
  uint32_t* of_source = sources_.find_or_insert({key.inside, key.egress}, hash_of(key.inside, key.egress, secret_));
  if (of_source == nullptr) return nullptr;
  const uint32_t index = slab_.take();
  const uint32_t ref = index + 1;
  const uint64_t hash = hash_inside(key);
  const bool inside = index != slab_.kNone && inside_.insert(hash, ref);
  if (!inside || !outside_.insert(hash_outside(outside, port, key.protocol), ref)) {
    if (inside) inside_.erase(hash, ref);
    if (index != slab_.kNone) slab_.give(index);
    if (*of_source == 0) sources_.erase({key.inside, key.egress}, hash_of(key.inside, key.egress, secret_));
    return nullptr;
  }
  Mapping& mapping = slab_.at(index);
  mapping = {key, outside, port, false, 0, now};
  bitmap(ports.set, key.protocol)[port / kPortBlock / workers_] |= 1ull << (port % kPortBlock);
  ++ports.used;
  ++*of_source;
  ++by_egress_[key.egress % kMaxEgresses];
  return &mapping;
}

void MappingTable::retire(Mapping& mapping) {
  if (mapping.retired) return;
  inside_.erase(hash_inside(mapping.key), slab_.index_of(&mapping) + 1);
  mapping.retired = true;
}

void MappingTable::end(uint32_t index) {
  Mapping& mapping = slab_.at(index);
  const MappingKey& key = mapping.key;
  retire(mapping);
  outside_.erase(hash_outside(mapping.outside, mapping.port, key.protocol), index + 1);
  Ports& ports = *ports_of(mapping.outside);
  bitmap(ports.set, key.protocol)[mapping.port / kPortBlock / workers_] &= ~(1ull << (mapping.port % kPortBlock));
  --ports.used;
  forget_if_unused(mapping.outside, ports);
  const uint64_t source_hash = hash_of(key.inside, key.egress, secret_);
  uint32_t* of_source = sources_.find({key.inside, key.egress}, source_hash);
  if (--*of_source == 0) sources_.erase({key.inside, key.egress}, source_hash);
  --by_egress_[key.egress % kMaxEgresses];
  slab_.give(index);
}

void MappingTable::sweep(uint32_t count, base::Millis now) {
  slab_.sweep(count, [&](uint32_t index) {
    const Mapping& mapping = slab_.at(index);
    if (mapping.flows != 0) return;
    if (mapping.retired || base::since(mapping.last_used, now) >= linger_of(mapping.key.protocol)) end(index);
  });
}

}  // namespace penstock::flow
