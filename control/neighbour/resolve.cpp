// Resolving: the life of one neighbour (the diagram in machine.h) and the interfaces they hang on.
#include <algorithm>

#include "control/neighbour/machine.h"
#include "wire/arp_nd.h"

namespace penstock::neighbour {
namespace {

bool same_family(const base::IpAddress& a, const base::IpAddress& b) { return a.is_v4() == b.is_v4(); }

// The interface's address in the subnet of `target`, else its first of that family (an on-link route without a subnet).
std::optional<base::IpAddress> source_for(const Interface& interface, const base::IpAddress& target) {
  std::optional<base::IpAddress> first;
  for (const auto& prefix : interface.addresses) {
    if (prefix.contains(target)) return prefix.address;
    if (!first && same_family(prefix.address, target)) first = prefix.address;
  }
  return first;
}

bool can_be_neighbour(const base::IpAddress& address) {
  return !address.is_unspecified() && !address.is_multicast() && !address.is_loopback() && !address.is_broadcast();
}

}  // namespace

bool Machine::Bucket::take(unsigned per_second, base::Nanos now) {
  const base::Nanos cost = base::kNanosPerSecond / per_second;
  full_at = std::max(full_at, now);
  if (full_at + cost > now + base::kNanosPerSecond) return false;  // a second's worth is the burst
  full_at += cost;
  return true;
}

void Machine::configure(std::vector<Interface> interfaces, Settings settings, base::Nanos now) {
  settings_ = settings;
  std::map<uint16_t, Port> before;
  before.swap(ports_);
  for (auto& interface : interfaces) {
    Port& port = ports_[interface.id];
    std::set<base::IpAddress> known;
    if (auto old = before.find(interface.id); old != before.end() && old->second.config.name == interface.name) {
      port = std::move(old->second);
      // Another MAC makes every address new to the neighbours.
      if (port.config.mac == interface.mac) known = std::move(port.ours);
      before.erase(old);
    }
    port.ours.clear();
    for (const auto& prefix : interface.addresses) port.ours.insert(prefix.address);
    port.ours.insert(interface.owned.begin(), interface.owned.end());
    port.config = std::move(interface);
    plan_announcements(port, known, true, now);
  }
  for (const auto& [id, port] : before) {
    auto at = neighbours_.lower_bound({id, {}});
    while (at != neighbours_.end() && at->first.interface == id) at = forget(at);
  }
  while (neighbours_.size() > settings_.capacity) forget(neighbours_.find(due_.begin()->second));
}

void Machine::on_link_up(uint16_t interface, base::Nanos now) {
  if (auto port = ports_.find(interface); port != ports_.end()) plan_announcements(port->second, {}, false, now);
}

void Machine::on_want(uint16_t interface, const base::IpAddress& address, base::Nanos now) {
  const auto port = ports_.find(interface);
  if (port == ports_.end() || !can_be_neighbour(address) || port->second.ours.contains(address)) {
    ++counts_.ignored;
    return;
  }
  const Key key{interface, address};
  auto at = neighbours_.find(key);
  if (at == neighbours_.end()) {
    if (unresolved_ >= kMaxUnresolved) {
      ++counts_.refused;
      return;
    }
    at = make(key, now);
    if (at == neighbours_.end()) return;
    ask(port->second, key, at->second, now);
    return;
  }
  Neighbour& neighbour = at->second;
  switch (neighbour.state) {
    case State::kUnresolved:
    case State::kProbing:
      return;  // being asked
    case State::kReachable:
      if (neighbour.confirmed != 0 && now < neighbour.confirmed + settings_.reachable) {
        tell(key, neighbour, neighbour.confirmed + settings_.reachable - now);  // a worker that does not know it yet
        return;
      }
      set_state(neighbour, State::kProbing);
      break;
    case State::kFailed:
      if (now < neighbour.hold_until) {
        tell(key, neighbour, neighbour.hold_until - now);
        return;
      }
      set_state(neighbour, State::kUnresolved);
      break;
  }
  neighbour.sent = 0;
  ask(port->second, key, neighbour, now);
}

void Machine::on_deadline(base::Nanos now) {
  run_announcements(now);
  while (!due_.empty() && due_.begin()->first <= now) on_due(neighbours_.find(due_.begin()->second), now);
}

std::optional<base::Nanos> Machine::deadline() const {
  std::optional<base::Nanos> first;
  if (!due_.empty()) first = due_.begin()->first;
  if (!announcements_.empty()) first = std::min(first.value_or(UINT64_MAX), announcements_.begin()->first);
  return first;
}

void Machine::on_due(Table::iterator at, base::Nanos now) {
  Neighbour& neighbour = at->second;
  switch (neighbour.state) {
    case State::kUnresolved:
    case State::kProbing:
      if (neighbour.sent >= settings_.retries) {
        fail(at->first, neighbour, now);
      } else {
        ask(ports_.at(at->first.interface), at->first, neighbour, now);
      }
      return;
    case State::kReachable:  // nobody used it
    case State::kFailed:     // nobody asked again
      forget(at);
      return;
  }
}

// RFC 826, RFC 4861 §7.2.2 (unresolved: to all, or to the group) and §7.3.3 (probing: to the MAC we know; the last try
// to all, in case the neighbour has another one by now).
void Machine::ask(Port& port, const Key& key, Neighbour& neighbour, base::Nanos now) {
  const auto source = source_for(port.config, key.address);
  if (!source) {  // no address of this family to ask from
    fail(key, neighbour, now);
    return;
  }
  schedule(key, neighbour, now + settings_.retry);
  if (!port.questions.take(kQuestionsPerSecond, now)) {
    ++counts_.suppressed;
    return;
  }
  ++neighbour.sent;
  ++counts_.asked;
  Message question{Verb::kQuestion, *source, port.config.mac, key.address};
  const bool to_all = neighbour.state == State::kUnresolved || neighbour.sent >= settings_.retries;
  question.destination = to_all ? wire::solicited_node(key.address) : key.address;
  const base::MacAddress group = key.address.is_v4() ? wire::kBroadcastMac : wire::multicast_mac(question.destination);
  send(port, question, to_all ? group : neighbour.mac);
}

// Somebody said that it has this MAC. Confirmed: in answer to us; otherwise its first use is checked.
void Machine::hold(const Key& key, Neighbour& neighbour, const base::MacAddress& mac, bool confirmed, base::Nanos now) {
  set_state(neighbour, State::kReachable);
  neighbour.mac = mac;
  neighbour.sent = 0;
  neighbour.failures = 0;
  neighbour.confirmed = confirmed ? now : 0;
  ++counts_.learned;
  schedule(key, neighbour, now + kUnusedFactor * settings_.reachable);
  tell(key, neighbour, confirmed ? settings_.reachable : kFirstProbe);
}

void Machine::fail(const Key& key, Neighbour& neighbour, base::Nanos now) {
  set_state(neighbour, State::kFailed);
  ++counts_.failed;
  const unsigned doublings = std::min(neighbour.failures++, 10u);
  const base::Nanos hold_time = std::min(settings_.retry << doublings, kMaxHold);
  neighbour.hold_until = now + hold_time;
  schedule(key, neighbour, neighbour.hold_until + kMaxHold);  // then its failures are forgotten
  tell(key, neighbour, hold_time);
}

void Machine::tell(const Key& key, const Neighbour& neighbour, base::Nanos refresh) {
  const bool reachable = neighbour.state == State::kReachable || neighbour.state == State::kProbing;
  updates_.push_back({key.interface, key.address, neighbour.mac, reachable, refresh});
}

void Machine::schedule(const Key& key, Neighbour& neighbour, base::Nanos due) {
  due_.erase({neighbour.due, key});
  neighbour.due = due;
  due_.insert({due, key});
}

void Machine::set_state(Neighbour& neighbour, State state) {
  if (neighbour.state == State::kUnresolved) --unresolved_;
  neighbour.state = state;
  if (neighbour.state == State::kUnresolved) ++unresolved_;
}

Machine::Table::iterator Machine::forget(Table::iterator at) {
  if (at->second.state == State::kUnresolved) --unresolved_;
  due_.erase({at->second.due, at->first});
  return neighbours_.erase(at);
}

// A new unresolved neighbour. When the table is full the one nearest to being forgotten makes room; those being asked
// for do not (there are at most kMaxUnresolved of them).
Machine::Table::iterator Machine::make(const Key& key, base::Nanos now) {
  if (neighbours_.size() >= settings_.capacity) {
    const auto victim = std::find_if(due_.begin(), due_.end(), [this](const auto& due) {
      const State state = neighbours_.at(due.second).state;
      return state == State::kFailed || state == State::kReachable;
    });
    if (victim == due_.end()) {
      ++counts_.refused;
      return neighbours_.end();
    }
    forget(neighbours_.find(victim->second));
  }
  const auto at = neighbours_.emplace(key, Neighbour{}).first;
  ++unresolved_;
  schedule(key, at->second, now + settings_.retry);
  return at;
}

std::optional<Frame> Machine::next_frame() {
  if (frames_.empty()) return std::nullopt;
  Frame frame = std::move(frames_.front());
  frames_.pop_front();
  return frame;
}

std::optional<Update> Machine::next_update() {
  if (updates_.empty()) return std::nullopt;
  const Update update = updates_.front();
  updates_.pop_front();
  return update;
}

std::optional<Notice> Machine::next_notice() {
  if (notices_.empty()) return std::nullopt;
  const Notice notice = notices_.front();
  notices_.pop_front();
  return notice;
}

}  // namespace penstock::neighbour
