#include "engine/inline_keys.h"

#include <algorithm>

namespace penstock::engine {

namespace {

using Session = std::shared_ptr<const crypto::InlineSession>;
using Sessions = std::vector<Session>;

Session session_on(const crypto::InlineKeys* keys, const crypto::InlinePort& port) {
  if (keys == nullptr) return nullptr;
  for (const Session& each : keys->sessions)
    if (&each->port() == &port) return each;
  return nullptr;
}

}  // namespace

std::shared_ptr<crypto::InlinePort> InlineKeyring::remove(uint16_t port) {
  const auto found = std::find_if(ports_.begin(), ports_.end(), [&](const auto& each) { return each->id() == port; });
  if (found == ports_.end()) return nullptr;
  std::shared_ptr<crypto::InlinePort> gone = std::move(*found);
  ports_.erase(found);
  changed_ = true;
  return gone;
}

crypto::InlinePort* InlineKeyring::port_of(uint16_t id) const {
  for (const auto& each : ports_)
    if (each->id() == id) return each.get();
  return nullptr;
}

void InlineKeyring::put(crypto::Sa& sa, const Keys& next, std::string why_not) {
  if (Keys before = sa.set_inline_keys(next, std::move(why_not)); before != nullptr && before != next)
    taken_.push_back(std::move(before));
}

// Those on its way, and those that have a key and must forget it.
uint32_t InlineKeyring::openers(const std::vector<uint16_t>& way, const crypto::Sa& sa) const {
  const crypto::InlineKeys* now = sa.held_inline_keys().get();
  uint32_t openers = 0;
  for (const auto& port : ports_) {
    const uint32_t bit = 1u << port->id();
    const bool on_way = std::find(way.begin(), way.end(), port->id()) != way.end() &&
                        port->lacks(sa.spec(), sa.direction()).empty() && !is_forgetting(*port, sa);
    openers |= on_way || (now != nullptr && (now->opened_by & bit) != 0) ? bit : 0;
  }
  return openers;
}

// The NIC still has another key under the association's SPI: its word may be about that one.
bool InlineKeyring::is_forgetting(const crypto::InlinePort& port, const crypto::Sa& sa) const {
  const auto names = [&](const Keys& keys) {
    return keys != sa.held_inline_keys() &&
           std::any_of(keys->sessions.begin(), keys->sessions.end(), [&](const Session& each) {
             return &each->port() == &port && each->spi() == sa.spec().spi && each->direction() == sa.direction();
           });
  };
  return std::any_of(taken_.begin(), taken_.end(), names) ||
         std::any_of(draining_.begin(), draining_.end(), [&](const Draining& each) { return names(each.keys); });
}

void InlineKeyring::place(uint16_t peer, unsigned worker, crypto::Sa& sa) {
  static const std::vector<uint16_t> kNoWay;
  const auto known = ways_.find(peer);
  const std::vector<uint16_t>& way = known == ways_.end() ? kNoWay : known->second;
  std::string why;
  const auto because = [&why](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
  Keys keys = sa.held_inline_keys();
  // Before a NIC has the key its word must count: it opens what comes the moment after.
  if (const uint32_t by = openers(way, sa); by != (keys == nullptr ? 0 : keys->opened_by)) {
    keys = std::make_shared<const crypto::InlineKeys>(keys == nullptr ? Sessions{} : keys->sessions, by);
    put(sa, keys, sa.why_not_inline());
  }
  Sessions next;
  bool any = false, without = false;
  for (const uint16_t id : way) {
    crypto::InlinePort* port = port_of(id);
    if (port == nullptr) {
      without = true;
      continue;
    }
    any = true;
    if (port->failed()) {
      because(port->why_failed());
    } else if (Session there = session_on(keys.get(), *port)) {
      next.push_back(std::move(there));
    } else if (sa.direction() == crypto::Direction::kOutbound && worker >= port->tx_queues()) {
      because(port->name() + " has no transmit queue for worker " + std::to_string(worker));
    } else if (is_forgetting(*port, sa)) {
      because(port->name() + " still has the key that its SPI had before");
      refused_ = true;
    } else if (auto made = port->make_session(sa.spec(), sa.direction()); made.ok()) {
      next.push_back(*made);
    } else {
      because(made.error());
      refused_ = true;
    }
  }
  if (!any)
    because(kNoInlinePort);
  else if (without)
    because("not every port on its way offers it");
  if (keys != nullptr && next != keys->sessions)
    keys = std::make_shared<const crypto::InlineKeys>(std::move(next), keys->opened_by);
  put(sa, keys, std::move(why));
}

void InlineKeyring::strip(crypto::Sa& sa) { put(sa, nullptr, ""); }

void InlineKeyring::drain(base::Nanos now) {
  for (Keys& each : taken_) draining_.push_back({std::move(each), now});
  taken_.clear();
  const auto drained = [now](const Draining& each) { return now - each.since >= kDrain; };
  if (std::erase_if(draining_, drained) != 0) changed_ |= std::exchange(refused_, false);
}

void InlineKeyring::note_failures() {
  const auto failed = std::count_if(ports_.begin(), ports_.end(), [](const auto& each) { return each->failed(); });
  changed_ |= failed != std::exchange(failed_, failed);
}

std::string inline_devices_of(const crypto::Sa& sa) {
  std::string names;
  if (sa.held_inline_keys() == nullptr) return names;
  for (const Session& each : sa.held_inline_keys()->sessions)
    if (!each->port().failed()) names += (names.empty() ? "" : ", ") + each->port().name();
  return names;
}

}  // namespace penstock::engine
