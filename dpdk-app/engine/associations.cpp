#include "engine/associations.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <set>

#include "flow/shard.h"

namespace penstock::engine {

namespace {

// Best first (DECISIONS 18): aesni_gcm knows GCM only, aesni_mb everything.
constexpr const char* kSoftwareDevices[] = {"crypto_aesni_gcm", "crypto_aesni_mb"};

std::string spi_text(uint32_t spi) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", spi);
  return text;
}

AssociationFacts facts_of(uint16_t peer, unsigned worker, const crypto::Sa& sa) {
  AssociationFacts facts;
  facts.peer = peer;
  facts.direction = sa.direction();
  facts.spi = sa.spec().spi;
  facts.worker = worker;
  facts.cipher = sa.traits().name;
  facts.path = crypto::to_string(sa.session().path());
  facts.device = sa.session().device()->name();
  facts.why_not_better = sa.why_not_better();
  facts.packets = sa.packets(crypto::EspVerdict::done);
  facts.bytes = sa.bytes(crypto::EspVerdict::done);
  for (size_t v = 0; v < crypto::kEspVerdicts; ++v) {
    const auto verdict = static_cast<crypto::EspVerdict>(v);
    if (verdict == crypto::EspVerdict::done || verdict == crypto::EspVerdict::in_flight) continue;
    if (const uint64_t count = sa.packets(verdict); count != 0) facts.refused.emplace_back(to_string(verdict), count);
  }
  return facts;
}

}  // namespace

Associations::Associations(unsigned workers, HandOver hand_over, crypto::CryptoUse use)
    : workers_(workers), hand_over_(std::move(hand_over)), use_(use) {}

bool Associations::Peer::in_flight() const {
  const auto flies = [](const auto& sa) { return sa->in_flight() != 0; };
  return std::any_of(outbound.begin(), outbound.end(), flies) || std::any_of(inbound.begin(), inbound.end(), flies);
}

base::Result<void> Associations::open_devices() {
  if (!devices_.empty()) return {};
  std::vector<std::unique_ptr<crypto::CryptoDevice>> devices;
  std::vector<crypto::CryptoDevice*> list;
  std::vector<std::unique_ptr<crypto::EspLane>> lanes;
  static std::atomic<unsigned> opened{0};  // DPDK wants a name of its own for every device
  const std::string suffix = std::to_string(opened.fetch_add(1));
  for (const char* driver : kSoftwareDevices) {
    auto device = crypto::CryptoDevice::open({.name = driver + suffix,
                                              .queue_pairs = static_cast<uint16_t>(workers_),
                                              .max_sessions = kMaxCryptoSessions,
                                              .use = use_});
    if (!device) return base::Error{device.error()};
    list.push_back(device->get());
    devices.push_back(std::move(*device));
  }
  for (unsigned worker = 0; worker < workers_; ++worker) {
    auto lane = crypto::EspLane::make({.queue_pair = static_cast<uint16_t>(worker)}, list);
    if (!lane) return base::Error{lane.error()};
    lanes.push_back(std::move(*lane));
  }
  devices_ = std::move(devices);
  device_list_ = std::move(list);
  lanes_ = std::move(lanes);
  return {};
}

base::Result<void> Associations::stage(uint16_t peer, std::vector<crypto::SaSpec> outbound,
                                       std::vector<crypto::SaSpec> inbound) {
  if (outbound.empty() || inbound.empty()) return base::Error{"an association for each direction is needed"};
  if (outbound.size() > kMaxLanes || inbound.size() > kMaxLanes)
    return base::Error{"more than " + std::to_string(kMaxLanes) + " associations in one direction"};
  if (auto opened = open_devices(); !opened) return opened;
  std::set<uint32_t> taken;
  for (const auto& [slot, other] : next())
    for (const auto& sa : other->inbound)
      if (slot != peer) taken.insert(sa->spec().spi);
  auto made = std::make_shared<Peer>();
  for (crypto::SaSpec& spec : outbound) {
    const std::string name = "outbound SPI " + spi_text(spec.spi) + ": ";
    auto sa = crypto::OutboundSa::make(std::move(spec), device_list_);
    if (!sa) return base::Error{name + sa.error()};
    made->outbound.push_back(std::move(*sa));
  }
  for (crypto::SaSpec& spec : inbound) {
    const std::string name = "inbound SPI " + spi_text(spec.spi) + ": ";
    if (!taken.insert(spec.spi).second) return base::Error{name + "is another association's"};
    auto sa = crypto::InboundSa::make(std::move(spec), device_list_);
    if (!sa) return base::Error{name + sa.error()};
    made->inbound.push_back(std::move(*sa));
  }
  if (!staged_) staged_ = std::make_unique<Peers>(live_);
  (*staged_)[peer] = std::move(made);
  return {};
}

void Associations::remove(uint16_t peer) {
  if (!next().contains(peer)) return;
  if (!staged_) staged_ = std::make_unique<Peers>(live_);
  staged_->erase(peer);
}

void Associations::abandon() { staged_.reset(); }

std::shared_ptr<const WorkerAssociations> Associations::table_of(unsigned worker) const {
  auto table = std::make_shared<WorkerAssociations>();
  if (live_.empty()) return table;
  table->lane_ = lanes_[worker].get();
  table->by_peer_.resize(live_.rbegin()->first + 1u);
  size_t inbound = 0;
  for (const auto& [slot, peer] : live_) inbound += peer->inbound.size();
  table->by_spi_.resize(std::bit_ceil(2 * inbound + 1));
  for (const auto& [slot, peer] : live_) {
    WorkerAssociations::Lanes& lanes = table->by_peer_[slot];
    lanes.first = static_cast<uint32_t>(table->lanes_.size());
    for (size_t k = worker; k < peer->outbound.size(); k += workers_) table->lanes_.push_back(peer->outbound[k].get());
    lanes.inner_mtu = peer->outbound.front()->inner_mtu();
    lanes.count = static_cast<uint16_t>(table->lanes_.size() - lanes.first);
    if (lanes.count == 0) lanes.relay = static_cast<uint16_t>(worker % peer->outbound.size());
    for (const auto& sa : peer->inbound) {
      const uint32_t spi = sa->spec().spi;
      if (flow::owner_of(spi, workers_) != worker) continue;
      size_t at = table->place_of(spi);
      while (table->by_spi_[at].sa != nullptr) at = (at + 1) & (table->by_spi_.size() - 1);
      table->by_spi_[at] = {sa.get(), spi, slot};
    }
  }
  return table;
}

void Associations::commit() {
  if (staged_) {
    for (const auto& [slot, peer] : live_) {
      const auto kept = staged_->find(slot);
      if (kept == staged_->end() || kept->second != peer) retired_.push_back(peer);
    }
    {
      const std::lock_guard lock(lock_);
      live_ = std::move(*staged_);
    }
    staged_.reset();
    for (unsigned worker = 0; worker < workers_; ++worker) hand_over_(worker, table_of(worker));
  }
  std::erase_if(retired_, [](const auto& peer) { return !peer->in_flight(); });
}

std::shared_ptr<const WorkerAssociations> Associations::without_any() const {
  auto table = std::make_shared<WorkerAssociations>();
  const std::lock_guard lock(lock_);
  if (!live_.empty()) table->by_peer_.resize(live_.rbegin()->first + 1u);
  for (const auto& [slot, peer] : live_)
    table->by_peer_[slot] = {.relay = 0, .inner_mtu = peer->outbound.front()->inner_mtu()};
  return table;
}

uint16_t Associations::inner_mtu(uint16_t peer) const {
  const auto found = next().find(peer);
  return found == next().end() ? 0 : found->second->outbound.front()->inner_mtu();
}

std::vector<AssociationFacts> Associations::list() const {
  std::vector<AssociationFacts> all;
  const std::lock_guard lock(lock_);
  for (const auto& [slot, peer] : live_) {
    for (size_t k = 0; k < peer->outbound.size(); ++k)
      all.push_back(facts_of(slot, static_cast<unsigned>(k % workers_), *peer->outbound[k]));
    for (const auto& sa : peer->inbound) all.push_back(facts_of(slot, flow::owner_of(sa->spec().spi, workers_), *sa));
  }
  return all;
}

}  // namespace penstock::engine
