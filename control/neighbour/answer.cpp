// Answering and listening: questions for our addresses, what others say of theirs, announcements and conflicts.
#include <algorithm>

#include "control/neighbour/machine.h"
#include "wire/arp_nd.h"

namespace penstock::neighbour {
namespace {

bool on_link(const Interface& interface, const base::IpAddress& address) {
  return std::any_of(interface.addresses.begin(), interface.addresses.end(), [&](const base::Prefix& prefix) {
    return prefix.contains(address) && !(prefix.is_v4() && prefix.length < 31 && address == prefix.last());
  });
}

bool usable(const base::MacAddress& mac) { return !mac.is_zero() && !mac.is_multicast(); }

}  // namespace

void Machine::on_frame(uint16_t interface, base::Bytes frame, base::Nanos now) {
  const auto port = ports_.find(interface);
  const auto message = port == ports_.end() ? std::nullopt : decode(frame);
  if (!message || (!message->mac.is_zero() && !usable(message->mac))) {
    ++counts_.ignored;
    return;
  }
  if (conflicts(port->second, *message, now)) return;
  if (message->verb == Verb::kQuestion) {
    on_question(port->second, *message, now);
  } else {
    on_answer(port->second, *message, now);
  }
}

// RFC 826 "Packet Reception"; RFC 4861 §7.2.3 and §7.2.4.
void Machine::on_question(Port& port, const Message& message, base::Nanos now) {
  const bool for_us = port.ours.contains(message.target);
  const Key asker{port.config.id, message.subject};
  const bool names_asker = !message.subject.is_unspecified() && usable(message.mac);
  if (names_asker) {
    auto at = neighbours_.find(asker);
    if (at == neighbours_.end() && for_us && on_link(port.config, message.subject)) at = make(asker, now);
    // An asker whose MAC we know already has proved nothing new.
    if (at != neighbours_.end() && (at->second.mac != message.mac || at->second.state == State::kUnresolved ||
                                    at->second.state == State::kFailed)) {
      hold(asker, at->second, message.mac, false, now);
    }
  }
  if (!for_us) return;
  if (!port.answers.take(kAnswersPerSecond, now)) {
    ++counts_.suppressed;
    return;
  }
  Message answer{Verb::kAnswer, message.target, port.config.mac, message.subject};
  base::MacAddress to = message.mac;
  answer.solicited = !message.subject.is_unspecified();
  answer.destination = message.subject;
  if (message.target.is_v6() && message.subject.is_unspecified()) {  // §7.2.4: a probe for a duplicate, answered to all
    answer.destination = all_nodes();
    to = wire::multicast_mac(all_nodes());
  }
  if (to.is_zero()) {  // a solicitation without a link-layer address, sent to us alone: known from before, or not
                       // answered
    const auto at = neighbours_.find(asker);
    if (at == neighbours_.end() || !usable(at->second.mac)) {
      ++counts_.ignored;
      return;
    }
    to = at->second.mac;
  }
  ++counts_.answered;
  send(port, answer, to);
}

// RFC 4861 §7.2.5; for ARP the same with override set. What was never asked for creates nothing.
void Machine::on_answer(Port& port, const Message& message, base::Nanos now) {
  const Key key{port.config.id, message.subject};
  const auto at = neighbours_.find(key);
  if (at == neighbours_.end()) {
    ++counts_.ignored;
    return;
  }
  Neighbour& neighbour = at->second;
  const bool known = neighbour.state == State::kReachable || neighbour.state == State::kProbing;
  const bool asked = neighbour.sent != 0;  // an ARP reply says nothing about a question; only one to ours confirms
  const bool confirmed =
      message.solicited && (message.subject.is_v6() || (asked && port.ours.contains(message.target)));
  if (!usable(message.mac) || (known && message.mac == neighbour.mac)) {
    if (known && confirmed) hold(key, neighbour, neighbour.mac, true, now);
    return;
  }
  if (known && !message.override) {
    // §7.2.5 I: another MAC without the right to replace ours makes ours doubtful.
    if (neighbour.state == State::kReachable) hold(key, neighbour, neighbour.mac, false, now);
    return;
  }
  hold(key, neighbour, message.mac, confirmed, now);
}

// Somebody else speaks for one of our addresses: say so and defend it once in a while (RFC 5227 §2.4 (b), RFC 4862
// §5.4.4).
bool Machine::conflicts(Port& port, const Message& message, base::Nanos now) {
  if (!port.ours.contains(message.subject) || message.mac == port.config.mac) return false;
  if (message.mac.is_zero()) return true;
  auto [at, first] = port.defended.try_emplace(message.subject, now);
  if (!first && now < at->second + kDefendInterval) return true;
  at->second = now;
  notices_.push_back({port.config.id, message.subject, message.mac});
  announce(port, message.subject);
  return true;
}

// RFC 5227 §2.3: a request for the own address; RFC 4861 §7.2.6: an advertisement that nobody asked for.
void Machine::announce(Port& port, const base::IpAddress& address) {
  Message message{address.is_v4() ? Verb::kQuestion : Verb::kAnswer, address, port.config.mac, address, all_nodes()};
  send(port, message, address.is_v4() ? wire::kBroadcastMac : wire::multicast_mac(all_nodes()));
}

// RFC 5227 §2.1.1, RFC 4862 §5.4.2: a question from nobody; who has the address answers.
void Machine::probe(Port& port, const base::IpAddress& address) {
  Message message{Verb::kQuestion, address.is_v4() ? base::IpAddress::v4(0) : base::IpAddress{}, port.config.mac,
                  address};
  message.destination = wire::solicited_node(address);
  send(port, message, address.is_v4() ? wire::kBroadcastMac : wire::multicast_mac(message.destination));
}

void Machine::plan_announcements(const Port& port, const std::set<base::IpAddress>& known, bool probe,
                                 base::Nanos now) {
  size_t planned = 0;
  for (const auto& address : port.ours) {
    if (known.contains(address)) continue;
    const base::Nanos due = now + planned++ / kAnnouncementsPerTick * kAnnounceTick;
    announcements_.emplace(due, Announcement{port.config.id, address, probe, kAnnouncements});
  }
}

void Machine::run_announcements(base::Nanos now) {
  while (!announcements_.empty() && announcements_.begin()->first <= now) {
    Announcement next = announcements_.begin()->second;
    announcements_.erase(announcements_.begin());
    const auto port = ports_.find(next.interface);
    if (port == ports_.end() || !port->second.ours.contains(next.address)) continue;  // gone since
    if (next.probe) probe(port->second, next.address);
    announce(port->second, next.address);
    next.probe = false;
    if (--next.left > 0) announcements_.emplace(now + kAnnounceInterval, next);
  }
}

void Machine::send(const Port& port, const Message& message, const base::MacAddress& to) {
  auto bytes = encode(message, port.config.mac, to);
  if (!bytes.empty()) frames_.push_back({port.config.id, std::move(bytes)});
}

}  // namespace penstock::neighbour
