// Health checks of service endpoints as one machine with no hands. In: which endpoints to check, packets that the
// workers punted, the time. Out: packets to send, changes of health, the next deadline.
//
// Packets go through the engine, from the gateway's own address towards the endpoint, by the road the traffic takes
// (InjectAs::kPacket); answers come back because they are for the gateway's own address and belong to no flow. Local
// ports (and ICMP identifiers) are taken from 61000 to 65535. A NAT pool on the same address uses that range too: the
// workers look for a flow first, so a check whose port is in use for the same peer fails once and takes another port
// next time.
//
// A new endpoint is unknown and counts as up; its first result decides. Then `rise` successes or `fall` failures in a
// row.
//
// Thread: one. Time: CLOCK_MONOTONIC ns, given. Memory: about 500 bytes an endpoint, kMaxTargets of them. Checks of
// many endpoints are spread over their interval. What it does not do: verify checksums (the workers do), follow
// redirects, TLS, read bodies.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"
#include "control/health/conversation.h"
#include "control/health/status.h"
#include "control/model/service.h"

namespace penstock::health {

constexpr uint16_t kFirstLocalPort = 61000;  // above Linux's ephemeral range (32768 to 60999)
constexpr uint16_t kLastLocalPort = 65535;
constexpr size_t kMaxTargets = 1u << 17;  // all endpoints of 10,000 services with a dozen each
constexpr unsigned kJitterPercent = 10;   // of the interval, either way, so that checks do not march in step
// The first checks of n new endpoints are spread over n times this: 10,000 begin within a second.
constexpr base::Nanos kFirstCheckSpacing = base::kNanosPerSecond / 10000;

struct Target {
  TargetKey key;
  model::HealthCheck check;  // kind is not kNone
};

struct Packet {  // an Ethernet frame with zero addresses around an IP packet: route it as the gateway's own
  base::IpAddress destination;
  std::vector<uint8_t> frame;
};

struct Change {
  TargetKey target;
  Health health = Health::kUnknown;  // kUp or kDown
};

class Checker {
 public:
  // The gateway's own address on the way to a destination; nothing: there is no way (the check fails in words).
  using SourceFor = std::function<std::optional<base::IpAddress>(const base::IpAddress& destination)>;

  Checker(uint64_t seed, SourceFor source_for) : random_(seed), source_for_(std::move(source_for)) {}

  // Adds a target or changes its check. An unchanged target goes on as it was. False: kMaxTargets are there.
  bool set(const Target& target, base::Nanos now);
  void remove(const TargetKey& key);

  // A frame that a worker punted. False: not an answer to one of our packets.
  bool on_packet(base::Bytes frame, base::Nanos now);
  void on_deadline(base::Nanos now);
  std::optional<base::Nanos> deadline() const;

  std::optional<Packet> next_packet();
  std::optional<Change> next_change();

  Health health(const TargetKey& key) const;  // kUnknown: not checked
  std::vector<Status> statuses() const;       // by key
  size_t size() const { return targets_.size(); }
  size_t down() const { return down_; }

 private:
  struct Check {
    Target target;
    Status status;
    base::Nanos due = 0;  // next thing to do
    base::Nanos next_start = 0;
    base::Nanos started = 0;
    std::optional<Conversation> conversation;
  };
  using Checks = std::map<TargetKey, Check>;

  void schedule(Check& check, base::Nanos due);
  void begin(Check& check, base::Nanos now);
  void drain(Check& check, base::Nanos now);
  void finish(Check& check, const std::string& failure, base::Nanos now);
  void settle(Check& check, bool success, base::Nanos now);
  std::optional<uint16_t> claim_port(const Flow& wanted);
  base::Nanos jittered(base::Nanos interval);

  std::mt19937_64 random_;
  SourceFor source_for_;
  Checks targets_;
  std::set<std::pair<base::Nanos, Check*>> due_;
  std::unordered_map<Flow, Check*, FlowHash> by_flow_;
  uint16_t next_port_ = kFirstLocalPort;
  size_t down_ = 0;
  base::Nanos first_free_ = 0;  // when the next new endpoint's first check may begin
  std::deque<Packet> packets_;
  std::deque<Change> changes_;
};

}  // namespace penstock::health
