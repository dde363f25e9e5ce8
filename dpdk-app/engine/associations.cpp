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
  const crypto::SessionView session = sa.next_session();
  facts.device = inline_devices_of(sa);
  facts.path = facts.device.empty() ? crypto::to_string(session.path()) : "inline";
  if (!sa.why_not_inline().empty()) facts.why_not_better = "inline: " + sa.why_not_inline();
  if (facts.device.empty()) {
    if (facts.why_not_better.empty()) facts.why_not_better = std::string("inline: ") + kNoInlinePort;
    facts.device = session.device()->name();
    if (const std::string more = sa.why_not_better(); !more.empty()) facts.why_not_better += "; " + more;
  }
  facts.packets = sa.packets(crypto::EspVerdict::done);
  facts.bytes = sa.bytes(crypto::EspVerdict::done);
  for (size_t v = 0; v < crypto::kEspVerdicts; ++v) {
    const auto verdict = static_cast<crypto::EspVerdict>(v);
    if (verdict == crypto::EspVerdict::done || verdict == crypto::EspVerdict::in_flight) continue;
    if (const uint64_t count = sa.packets(verdict); count != 0) facts.refused.emplace_back(to_string(verdict), count);
  }
  return facts;
}

base::Result<void> fits_lanes(size_t count) {
  if (count == 0) return base::Error{"an association for each direction is needed"};
  if (count > kMaxLanes)
    return base::Error{"more than " + std::to_string(kMaxLanes) + " associations in one direction"};
  return {};
}

}  // namespace

Associations::Associations(unsigned workers, HandOver hand_over, crypto::CryptoUse use)
    : workers_(workers), hand_over_(std::move(hand_over)), use_(use) {}

bool Associations::Retired::in_flight() const {
  const auto flies = [](const auto& sa) { return sa->in_flight() != 0; };
  return (outbound != nullptr && std::any_of(outbound->begin(), outbound->end(), flies)) ||
         (inbound != nullptr && std::any_of(inbound->begin(), inbound->end(), flies));
}

// A device that failed may hold packets and sessions of associations: first it lets go of them.
Associations::~Associations() {
  for (const auto& device : devices_) device->stop();
}

base::Result<Associations::Opened> Associations::open(size_t& index) const {
  Opened opened;
  static std::atomic<unsigned> serial{0};  // DPDK wants a name of its own for every device
  const std::string suffix = std::to_string(serial.fetch_add(1));
  const auto add = [&](const std::string& name, const std::string& arguments,
                       crypto::CryptoUse use) -> base::Result<void> {
    auto device = crypto::CryptoDevice::open({.name = name,
                                              .arguments = arguments,
                                              .queue_pairs = static_cast<uint16_t>(workers_),
                                              .max_sessions = kMaxCryptoSessions,
                                              .use = use});
    if (!device) return base::Error{device.error()};
    opened.list.push_back(device->get());
    opened.devices.push_back(std::move(*device));
    return {};
  };
  for (index = 0; index < wanted_.size(); ++index) {
    const std::string& devargs = wanted_[index];
    const size_t comma = std::min(devargs.find(','), devargs.size());
    auto added = add(devargs.substr(0, comma), comma == devargs.size() ? "" : devargs.substr(comma + 1),
                     crypto::CryptoUse::kAny);
    if (!added) return base::Error{added.error()};
  }
  for (const char* driver : kSoftwareDevices)
    if (auto added = add(driver + suffix, "max_nb_queue_pairs=" + std::to_string(workers_), use_); !added)
      return base::Error{added.error()};
  for (unsigned worker = 0; worker < workers_; ++worker) {
    auto lane = crypto::EspLane::make({.queue_pair = static_cast<uint16_t>(worker)}, opened.list);
    if (!lane) return base::Error{lane.error()};
    opened.lanes.push_back(std::move(*lane));
  }
  return opened;
}

base::Result<void> Associations::open_devices(size_t& index) {
  if (!devices_.empty()) return {};
  auto opened = open(index);
  if (!opened) return base::Error{opened.error()};
  const std::lock_guard lock(lock_);
  devices_ = std::move(opened->devices);
  device_list_ = std::move(opened->list);
  lanes_ = std::move(opened->lanes);
  return {};
}

// Only without associations. The workers let go of their lanes first.
void Associations::close_devices() {
  if (devices_.empty()) return;
  for (unsigned worker = 0; worker < workers_; ++worker)
    hand_over_(worker, std::make_shared<const WorkerAssociations>());
  const std::lock_guard lock(lock_);
  for (const auto& device : devices_) device->stop();
  lanes_.clear();
  device_list_.clear();
  devices_.clear();
}

std::optional<Associations::DeviceFault> Associations::set_devices(const std::vector<std::string>& devices) {
  if (devices == wanted_) return std::nullopt;
  std::erase_if(retired_, [](const Retired& each) { return !each.in_flight(); });
  if (!next().empty() || !live_.empty() || !retired_.empty())
    return DeviceFault{0, "the crypto devices cannot change while peers have associations; restart penstock-gatewayd"};
  close_devices();
  const std::vector<std::string> before = std::exchange(wanted_, devices);
  if (wanted_.empty()) return std::nullopt;  // software is opened when it is needed
  size_t index = 0;
  auto opened = open_devices(index);
  if (opened) return std::nullopt;
  // Nothing has changed, then; should the old ones not come back either, software it is.
  wanted_ = before;
  if (size_t again = 0; !wanted_.empty() && !open_devices(again)) wanted_.clear();
  return DeviceFault{std::min(index, devices.size() - 1), opened.error()};
}

std::vector<CryptoDeviceFacts> Associations::devices() const {
  std::vector<CryptoDeviceFacts> all;
  const std::lock_guard lock(lock_);
  for (const auto& port : keyring_.ports()) all.push_back({port->name(), port->failed() ? port->why_failed() : ""});
  for (const auto& device : devices_) all.push_back({device->name(), device->failed() ? device->why_failed() : ""});
  return all;
}

Associations::Peers& Associations::staging() {
  if (!staged_) {
    staged_ = std::make_unique<Peers>(live_);
    staged_spis_ = live_spis_;
  }
  return *staged_;
}

void Associations::forget_spis(const InboundSet& set) {
  if (set != nullptr)
    for (const auto& sa : *set) staged_spis_.erase(sa->spi());
}

base::Result<Associations::OutboundSet> Associations::made(std::vector<crypto::SaSpec> outbound) {
  if (auto fits = fits_lanes(outbound.size()); !fits) return base::Error{fits.error()};
  size_t which = 0;
  if (auto opened = open_devices(which); !opened) return base::Error{opened.error()};
  auto set = std::make_shared<Set<crypto::OutboundSa>>();
  for (crypto::SaSpec& spec : outbound) {
    const std::string name = "outbound SPI " + spi_text(spec.spi) + ": ";
    if (key_log_ != nullptr) key_log_->write(spec);
    auto sa = crypto::OutboundSa::make(std::move(spec), device_list_);
    if (!sa) return base::Error{name + sa.error()};
    set->push_back(std::move(*sa));
  }
  return OutboundSet{std::move(set)};
}

base::Result<Associations::InboundSet> Associations::made(uint16_t of, const uint64_t* but,
                                                          std::vector<crypto::SaSpec> inbound) {
  if (auto fits = fits_lanes(inbound.size()); !fits) return base::Error{fits.error()};
  size_t which = 0;
  if (auto opened = open_devices(which); !opened) return base::Error{opened.error()};
  std::set<uint32_t> twice;
  const auto taken = [&](uint32_t spi) {
    const auto holder = next_spis().find(spi);
    if (!twice.insert(spi).second) return true;
    return holder != next_spis().end() &&
           (holder->second.first != of || (but != nullptr && holder->second.second != *but));
  };
  auto set = std::make_shared<Set<crypto::InboundSa>>();
  for (crypto::SaSpec& spec : inbound) {
    const std::string name = "inbound SPI " + spi_text(spec.spi) + ": ";
    if (taken(spec.spi)) return base::Error{name + "is another association's"};
    if (key_log_ != nullptr) key_log_->write(spec);
    auto sa = crypto::InboundSa::make(std::move(spec), device_list_);
    if (!sa) return base::Error{name + sa.error()};
    set->push_back(std::move(*sa));
  }
  return InboundSet{std::move(set)};
}

base::Result<void> Associations::stage(uint16_t peer, std::vector<crypto::SaSpec> outbound,
                                       std::vector<crypto::SaSpec> inbound) {
  auto out = made(std::move(outbound));
  if (!out) return base::Error{out.error()};
  auto in = made(peer, nullptr, std::move(inbound));
  if (!in) return base::Error{in.error()};
  Peer& entry = staging()[peer];
  entry.outbound = std::move(*out);
  for (const auto& [epoch, set] : entry.inbound) forget_spis(set);
  entry.inbound.clear();
  for (const auto& sa : **in) staged_spis_[sa->spi()] = {peer, 0};
  entry.inbound[0] = std::move(*in);
  return {};
}

base::Result<void> Associations::stage_outbound(uint16_t peer, std::vector<crypto::SaSpec> outbound) {
  auto set = made(std::move(outbound));
  if (!set) return base::Error{set.error()};
  staging()[peer].outbound = std::move(*set);
  return {};
}

base::Result<void> Associations::stage_inbound(uint16_t peer, uint64_t epoch, std::vector<crypto::SaSpec> inbound) {
  auto set = made(peer, &epoch, std::move(inbound));
  if (!set) return base::Error{set.error()};
  InboundSet& place = staging()[peer].inbound[epoch];
  forget_spis(place);
  for (const auto& sa : **set) staged_spis_[sa->spi()] = {peer, epoch};
  place = std::move(*set);
  return {};
}

void Associations::forget_if_empty(uint16_t peer) {
  if (staging().at(peer).empty()) staging().erase(peer);
}

void Associations::remove_inbound(uint16_t peer, uint64_t epoch) {
  if (const auto found = next().find(peer); found == next().end() || !found->second.inbound.contains(epoch)) return;
  forget_spis(staging().at(peer).inbound.at(epoch));
  staging().at(peer).inbound.erase(epoch);
  forget_if_empty(peer);
}

void Associations::remove_outbound(uint16_t peer) {
  if (const auto found = next().find(peer); found == next().end() || found->second.outbound == nullptr) return;
  staging().at(peer).outbound.reset();
  forget_if_empty(peer);
}

void Associations::remove(uint16_t peer) {
  if (!next().contains(peer)) return;
  for (const auto& [epoch, set] : staging().at(peer).inbound) forget_spis(set);
  staging().erase(peer);
}

void Associations::abandon() { staged_.reset(); }

std::shared_ptr<const WorkerAssociations> Associations::table_of(unsigned worker) const {
  auto table = std::make_shared<WorkerAssociations>();
  // Without an association too: a crypto device may still have packets of those that went.
  if (!lanes_.empty()) table->lane_ = lanes_[worker].get();
  if (live_.empty()) return table;
  table->by_peer_.resize(live_.rbegin()->first + 1u);
  size_t inbound = 0;
  for (const auto& [slot, peer] : live_)
    for (const auto& [epoch, set] : peer.inbound) inbound += set->size();
  table->by_spi_.resize(std::bit_ceil(2 * inbound + 1));
  for (const auto& [slot, peer] : live_) {
    if (peer.outbound != nullptr) {
      const Set<crypto::OutboundSa>& out = *peer.outbound;
      WorkerAssociations::Lanes& lanes = table->by_peer_[slot];
      lanes.first = static_cast<uint32_t>(table->lanes_.size());
      for (size_t k = worker; k < out.size(); k += workers_) table->lanes_.push_back(out[k].get());
      lanes.overhead = crypto::overhead_of(out.front()->spec());
      lanes.path_mtu = out.front()->spec().path_mtu;
      lanes.count = static_cast<uint16_t>(table->lanes_.size() - lanes.first);
      if (lanes.count == 0) lanes.relay = static_cast<uint16_t>(worker % out.size());
    }
    for (const auto& [epoch, set] : peer.inbound) {
      for (const auto& sa : *set) {
        if (flow::owner_of(sa->spi(), workers_) != worker) continue;
        size_t at = table->place_of(sa->spi());
        while (table->by_spi_[at].sa != nullptr) at = (at + 1) & (table->by_spi_.size() - 1);
        table->by_spi_[at] = {sa.get(), sa->spi(), slot};
      }
    }
  }
  return table;
}

void Associations::retire_what_goes() {
  for (const auto& [slot, peer] : live_) {
    const auto kept = staged_->find(slot);
    const Peer* now = kept == staged_->end() ? nullptr : &kept->second;
    if (peer.outbound != nullptr && (now == nullptr || now->outbound != peer.outbound))
      retired_.push_back({peer.outbound, nullptr});
    for (const auto& [epoch, set] : peer.inbound) {
      const bool stays = now != nullptr && now->inbound.contains(epoch) && now->inbound.at(epoch) == set;
      if (!stays) retired_.push_back({nullptr, set});
    }
  }
}

void Associations::hand_over() {
  for (unsigned worker = 0; worker < workers_; ++worker) hand_over_(worker, table_of(worker));
  const std::lock_guard lock(lock_);
  keyring_.drain(base::monotonic_now());
}

void Associations::commit() {
  if (staged_) {
    retire_what_goes();
    {
      const std::lock_guard lock(lock_);
      live_ = std::move(*staged_);
    }
    live_spis_ = std::move(staged_spis_);
    staged_.reset();
    place_keys();
    hand_over();
  } else if (place_keys()) {
    hand_over();
  }
  std::erase_if(retired_, [](const Retired& each) { return !each.in_flight(); });
}

std::shared_ptr<const WorkerAssociations> Associations::without_any() const {
  auto table = std::make_shared<WorkerAssociations>();
  const std::lock_guard lock(lock_);
  if (!live_.empty()) table->by_peer_.resize(live_.rbegin()->first + 1u);
  for (const auto& [slot, peer] : live_)
    if (peer.outbound != nullptr)
      table->by_peer_[slot] = {.relay = 0,
                               .overhead = crypto::overhead_of(peer.outbound->front()->spec()),
                               .path_mtu = peer.outbound->front()->spec().path_mtu};
  return table;
}

std::optional<crypto::EspOverhead> Associations::overhead(uint16_t peer) const {
  const auto found = next().find(peer);
  if (found == next().end() || found->second.outbound == nullptr) return std::nullopt;
  return crypto::overhead_of(found->second.outbound->front()->spec());
}

bool Associations::uses_inbound(uint32_t spi) const { return next_spis().contains(spi); }

std::vector<AssociationFacts> Associations::list() const {
  std::vector<AssociationFacts> all;
  const std::lock_guard lock(lock_);
  for (const auto& [slot, peer] : live_) {
    for (size_t k = 0; peer.outbound != nullptr && k < peer.outbound->size(); ++k)
      all.push_back(facts_of(slot, static_cast<unsigned>(k % workers_), *(*peer.outbound)[k]));
    for (const auto& [epoch, set] : peer.inbound)
      for (const auto& sa : *set) all.push_back(facts_of(slot, flow::owner_of(sa->spi(), workers_), *sa));
  }
  return all;
}

std::vector<AssociationUse> Associations::use() const {
  std::vector<AssociationUse> all;
  const std::lock_guard lock(lock_);
  for (const auto& [slot, peer] : live_) {
    AssociationUse& use = all.emplace_back();
    use.peer = slot;
    use.outbound = peer.outbound != nullptr;
    const auto worn = [](const auto& sa) { return sa->worn(); };
    use.worn = use.outbound && std::any_of(peer.outbound->begin(), peer.outbound->end(), worn);
    for (const auto& [epoch, set] : peer.inbound) use.inbound.push_back(epoch);
  }
  return all;
}

}  // namespace penstock::engine
