#include "control/health/checker.h"

#include <algorithm>

#include "control/health/packet.h"
#include "wire/headers.h"

namespace penstock::health {
namespace {

uint8_t protocol_of(const model::HealthCheck& check, bool v4) {
  switch (check.kind) {
    case model::HealthCheckKind::kUdp:
      return wire::kProtocolUdp;
    case model::HealthCheckKind::kIcmp:
      return v4 ? wire::kProtocolIcmp : wire::kProtocolIcmpv6;
    case model::HealthCheckKind::kTcp:
    case model::HealthCheckKind::kHttp:
    case model::HealthCheckKind::kNone:
      break;
  }
  return wire::kProtocolTcp;
}

}  // namespace

const char* to_string(Health health) {
  switch (health) {
    case Health::kUnknown:
      return "unknown";
    case Health::kUp:
      return "up";
    case Health::kDown:
      return "down";
  }
  return "?";
}

bool Checker::set(const Target& target, base::Nanos now) {
  auto at = targets_.find(target.key);
  if (at != targets_.end()) {
    if (at->second.target.check == target.check) return true;
    if (at->second.conversation) by_flow_.erase(at->second.conversation->flow());
    at->second.conversation.reset();
  } else {
    if (targets_.size() >= kMaxTargets) return false;
    at = targets_.try_emplace(target.key).first;
    at->second.status.since = now;
  }
  Check& check = at->second;
  check.target = target;
  check.status.target = target.key;
  check.status.kind = target.check.kind;
  first_free_ = std::max(first_free_, now) + kFirstCheckSpacing;
  check.next_start = std::min(first_free_, now + target.check.interval_milliseconds * base::Nanos{1'000'000});
  schedule(check, check.next_start);
  return true;
}

void Checker::remove(const TargetKey& key) {
  const auto at = targets_.find(key);
  if (at == targets_.end()) return;
  if (at->second.conversation) by_flow_.erase(at->second.conversation->flow());
  if (at->second.status.health == Health::kDown) --down_;
  due_.erase({at->second.due, &at->second});
  targets_.erase(at);
}

void Checker::schedule(Check& check, base::Nanos due) {
  due_.erase({check.due, &check});
  check.due = due;
  due_.insert({due, &check});
}

std::optional<base::Nanos> Checker::deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void Checker::on_deadline(base::Nanos now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    Check& check = *due_.begin()->second;
    if (check.conversation) {
      check.conversation->on_deadline(now);
      drain(check, now);
    } else {
      begin(check, now);
    }
  }
}

base::Nanos Checker::jittered(base::Nanos interval) {
  const base::Nanos range = interval * kJitterPercent / 100;
  return interval - range + (range == 0 ? 0 : random_() % (2 * range));
}

void Checker::begin(Check& check, base::Nanos now) {
  const auto& config = check.target.check;
  check.started = now;
  check.next_start = now + jittered(config.interval_milliseconds * base::Nanos{1'000'000});
  Flow flow;
  flow.remote = check.target.key.address;
  flow.protocol = protocol_of(config, flow.remote.is_v4());
  const bool has_port = config.kind != model::HealthCheckKind::kIcmp;
  flow.remote_port = !has_port ? 0 : config.port != 0 ? config.port : check.target.key.port;
  const auto source = source_for_(flow.remote);
  if (!source) return finish(check, "no route, or no address of this family on the way", now);
  flow.local = *source;
  const auto port = claim_port(flow);
  if (!port) return finish(check, "no free local port", now);
  flow.local_port = *port;
  check.conversation.emplace(config, flow, static_cast<uint32_t>(random_()), now);
  by_flow_[flow] = &check;
  drain(check, now);
}

// A local port that is not in use for this peer; rotates, so that a port comes back as late as possible.
std::optional<uint16_t> Checker::claim_port(const Flow& wanted) {
  Flow flow = wanted;
  for (unsigned i = kFirstLocalPort; i <= kLastLocalPort; ++i) {
    flow.local_port = next_port_;
    next_port_ = next_port_ == kLastLocalPort ? kFirstLocalPort : static_cast<uint16_t>(next_port_ + 1);
    if (!by_flow_.contains(flow)) return flow.local_port;
  }
  return std::nullopt;
}

// Sends what the conversation has to say and ends it when it is over.
void Checker::drain(Check& check, base::Nanos now) {
  Conversation& conversation = *check.conversation;
  while (auto segment = conversation.next_segment()) {
    packets_.push_back({conversation.flow().remote, encode(conversation.flow(), *segment)});
  }
  if (!conversation.done()) return schedule(check, conversation.deadline());
  const std::string failure = conversation.failure();
  by_flow_.erase(conversation.flow());
  check.conversation.reset();
  finish(check, failure, now);
}

void Checker::finish(Check& check, const std::string& failure, base::Nanos now) {
  Status& status = check.status;
  status.last_duration = now - check.started;
  const bool success = failure.empty();
  const bool same = success ? status.run_is_success : !status.run_is_success;
  status.run = same ? status.run + 1 : 1;
  status.run_is_success = success;
  ++(success ? status.succeeded : status.failed);
  if (!success) status.last_failure = failure;
  settle(check, success, now);
  schedule(check, std::max(check.next_start, now + 1));
}

void Checker::settle(Check& check, bool success, base::Nanos now) {
  Status& status = check.status;
  const uint32_t wanted = status.health == Health::kUnknown ? 1
                          : success                         ? check.target.check.rise
                                                            : check.target.check.fall;
  const Health next = success ? Health::kUp : Health::kDown;
  if (status.health == next || status.run < wanted) return;
  if (status.health == Health::kDown) --down_;
  if (next == Health::kDown) ++down_;
  status.health = next;
  status.since = now;
  changes_.push_back({check.target.key, next});
}

bool Checker::on_packet(base::Bytes frame, base::Nanos now) {
  const auto answer = decode(frame);
  if (!answer) return false;
  const auto at = by_flow_.find(answer->flow);
  if (at == by_flow_.end()) return false;
  Check& check = *at->second;
  if (answer->unreachable) {
    check.conversation->on_unreachable(answer->unreachable, answer->quoted_seq);
  } else {
    check.conversation->on_segment(answer->segment);
  }
  drain(check, now);
  return true;
}

std::optional<Packet> Checker::next_packet() {
  if (packets_.empty()) return std::nullopt;
  Packet packet = std::move(packets_.front());
  packets_.pop_front();
  return packet;
}

std::optional<Change> Checker::next_change() {
  if (changes_.empty()) return std::nullopt;
  const Change change = changes_.front();
  changes_.pop_front();
  return change;
}

Health Checker::health(const TargetKey& key) const {
  const auto at = targets_.find(key);
  return at == targets_.end() ? Health::kUnknown : at->second.status.health;
}

std::vector<Status> Checker::statuses() const {
  std::vector<Status> out;
  out.reserve(targets_.size());
  for (const auto& [key, check] : targets_) out.push_back(check.status);
  return out;
}

}  // namespace penstock::health
