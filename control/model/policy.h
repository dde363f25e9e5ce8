// Kinds of penstock.io/v1alpha1 that decide about packets: AccessPolicy, RateLimit, Egress, Mirror.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/service.h"
#include "l7/config/request_limit.h"

namespace penstock::model {

struct PortRange {
  uint16_t first = 0, last = 65535;
  bool operator==(const PortRange&) const = default;
};

enum class FlowStateMatch : uint8_t { kAny, kNew, kEstablished, kRelated };

struct Match {                          // every field that is given must hold; a list holds when one of its items does
  std::vector<std::string> interfaces;  // ingress interface names
  std::vector<base::Prefix> from, to;
  std::optional<uint8_t> protocol;
  std::vector<PortRange> source_ports, destination_ports;  // need protocol TCP, UDP or SCTP
  uint8_t tcp_flags = 0, tcp_flags_mask = 0;               // packet.flags & mask == flags
  std::optional<uint8_t> icmp_type;
  FlowStateMatch state = FlowStateMatch::kAny;
  bool operator==(const Match&) const = default;
};

enum class RuleAction : uint8_t { kAllow, kDeny, kReject };

struct AccessRule {
  std::string name;  // unique within the policy; "<index>" when absent
  Match match;
  RuleAction action = RuleAction::kAllow;
  std::vector<std::string> from_identities, to_identities;  // SPIFFE URIs, or with "/*" at the end; empty: any
  bool shadow = false;                                      // counts what it would decide, and decides nothing
  uint32_t log_sample = 0;                                  // 0: no log; n: one packet of n
  bool operator==(const AccessRule&) const = default;
};

struct AccessPolicy {  // all policies form one ordered list: by priority, then name, then rule order; first match wins
  Name name;
  int32_t priority = 1000;
  std::vector<AccessRule> rules;
  bool operator==(const AccessPolicy&) const = default;
};

enum class LimitTarget : uint8_t { kInterface, kService, kRule, kPrefix, kHttpRoute, kGateway, kFindings };
enum class LimitUnit : uint8_t {
  kPackets,
  kBits,
  kConnections,
  kRequests,
  kRequestsPerMinute,
  kRequestsPerHour,
  kRequestContent,
  kResponseContent
};  // the last two: bits of content per second
enum class LimitBucket : uint8_t { kAggregate, kSource, kSourcePrefix, kFlow, kDestination };
enum class LimitAction : uint8_t { kDrop, kMark };

struct RateLimit {
  Name name;
  LimitTarget target = LimitTarget::kInterface;
  std::string interface;  // kInterface (ingress)
  Name service;           // kService: packets from clients to it
  Name policy;            // kRule: AccessPolicy ...
  std::string rule;       // ... and rule name
  base::Prefix prefix;    // kPrefix: packets to this destination prefix
  Name object;            // kHttpRoute, kGateway: requests that it serves ...
  std::string section;    // ... by this rule or listener; empty: by all
  LimitUnit unit = LimitUnit::kPackets;
  double rate = 0;   // units per second (minute, hour), > 0 and finite
  double burst = 0;  // units; 0: 5 ms of the rate, at least 4 packets (or 4 MTUs in bits); as many requests as the rate
  LimitBucket bucket = LimitBucket::kAggregate;
  uint8_t v4_prefix_length = 32, v6_prefix_length = 64;  // kSourcePrefix
  LimitAction action = LimitAction::kDrop;
  uint8_t dscp = 0;  // kMark
  // Of requests only.
  std::vector<config::Match> matches;               // any of them; none: every request
  std::vector<config::LimitComponent> descriptors;  // besides `bucket`: requests that agree in all share a bucket
  bool shadow = false;                              // counts what it would refuse, and refuses nothing
  bool headers = false;                             // answers that pass say what is left
  bool operator==(const RateLimit&) const = default;
};

// Of requests that the gateway answers, not of packets.
inline bool limits_requests(const RateLimit& limit) {
  return limit.target == LimitTarget::kHttpRoute || limit.target == LimitTarget::kGateway ||
         limit.target == LimitTarget::kFindings;
}
inline bool is_bandwidth(LimitUnit unit) {
  return unit == LimitUnit::kRequestContent || unit == LimitUnit::kResponseContent;
}
// Seconds that the rate names: 1, 60 or 3600.
inline double window_of(LimitUnit unit) {
  return unit == LimitUnit::kRequestsPerMinute ? 60 : unit == LimitUnit::kRequestsPerHour ? 3600 : 1;
}

struct Egress {  // source NAT of traffic that leaves
  Name name;
  std::vector<base::Prefix> from;       // inside sources; at least one
  std::vector<std::string> interfaces;  // egress interfaces; empty: any but the one it came from
  std::vector<base::IpAddress> pool;    // NAT addresses; empty: the egress interface's (masquerade)
  uint16_t port_first = 1024, port_last = 65535;
  std::vector<base::Prefix> allow;    // destinations allowed; empty: all
  uint32_t max_ports_per_source = 0;  // mappings one inside address may hold per worker; 0: no limit
  bool operator==(const Egress&) const = default;
};

struct Mirror {
  Name name;
  Match match;
  uint32_t sample = 1;                       // one packet of n
  uint16_t truncate = 0;                     // bytes kept of the frame; 0: all
  std::string interface;                     // copy out of this interface as it is ...
  std::optional<base::IpAddress> collector;  // ... or in GRE/ERSPAN type II to this collector
  std::optional<base::IpAddress> source;     // outer source; the egress interface's when absent
  uint16_t session = 1;                      // ERSPAN session id, 0..1023
  bool operator==(const Mirror&) const = default;
};

}  // namespace penstock::model
