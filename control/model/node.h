// Kind Node (penstock.io/v1alpha1): the machine's part of the desired state. Plain values; units in the names or here.
// One Node per gateway. Defaults are the ones documented in control/api/penstock.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "control/model/peer.h"

namespace penstock::model {

enum class IdlePolicy : uint8_t { kAdaptive, kPoll };
enum class ReversePath : uint8_t { kOff, kLoose, kStrict };  // RFC 3704
enum class DefaultAction : uint8_t { kAllow, kDeny, kReject };

struct Workers {
  std::vector<unsigned> cores;  // one worker each; empty: one worker on the last core the process may use
  IdlePolicy idle = IdlePolicy::kAdaptive;
  uint32_t flows = 1u << 20;        // flow entries per worker
  uint32_t sources = 1u << 20;      // dynamic per-source/per-flow buckets per worker
  uint32_t exact_flows = 1u << 20;  // exact-match entries per worker
  uint32_t neighbours = 8192;       // resolved neighbours per worker
  uint32_t buffers = 65536;         // packet buffers in all
  // Of connections that end here, per worker.
  uint32_t connections = 1u << 18;  // clients and endpoints together
  uint32_t requests = 1u << 14;     // under way
  uint32_t stream_mebibytes = 256;  // bytes that wait to be sent or read
  uint32_t half_open = 1024;        // of each listener; beyond: SYN cookies

  bool operator==(const Workers&) const = default;
};

struct Vlan {
  std::string name;  // "<parent>.<id>" when empty in YAML
  uint16_t id = 0;   // 1..4094
  std::vector<base::Prefix> addresses;
  uint16_t mtu = 0;  // 0: the parent's
  ReversePath reverse_path = ReversePath::kOff;
  DefaultAction default_action = DefaultAction::kAllow;
  uint16_t mss_clamp = 0;
  Encryption encrypt = Encryption::kPreferred;

  bool operator==(const Vlan&) const = default;
};

struct ExceptionRule {   // packets for the gateway's own addresses that the kernel's twin interface gets
  uint8_t protocol = 0;  // 6, 17, 1, 58, 89 ...
  uint16_t port = 0;     // destination or source port; 0: any
  bool operator==(const ExceptionRule&) const = default;
};

struct Interface {
  std::string name;
  std::string device;   // devargs or PCI address
  uint16_t queues = 0;  // 0: as many as there are workers, or what the device has
  uint16_t mtu = 1500;
  std::optional<base::MacAddress> mac;  // the device's own when absent
  std::vector<base::Prefix> addresses;  // host bits are the interface's own address
  ReversePath reverse_path = ReversePath::kOff;
  DefaultAction default_action = DefaultAction::kAllow;
  uint16_t mss_clamp = 0;                       // 0: off; 1: from the egress MTU ("auto"); else the highest MSS
  Encryption encrypt = Encryption::kPreferred;  // what passes here
  bool promiscuous = false;
  std::string twin;  // kernel interface made for the exception path; empty: none
  std::vector<ExceptionRule> exceptions;
  std::vector<Vlan> vlans;

  bool operator==(const Interface&) const = default;
};

struct NextHop {
  std::optional<base::IpAddress> via;  // absent: the prefix is on the link
  std::string interface;               // may be empty when `via` lies in a connected prefix
  uint16_t weight = 1;                 // 1..256
  bool operator==(const NextHop&) const = default;
};

enum class RouteAction : uint8_t { kForward, kBlackhole, kUnreachable, kProhibit };

struct Route {
  base::Prefix prefix;
  RouteAction action = RouteAction::kForward;
  std::vector<NextHop> next_hops;
  bool operator==(const Route&) const = default;
};

struct FlowTimeouts {  // seconds; names and defaults of Linux conntrack
  uint32_t tcp_syn_sent = 120, tcp_syn_received = 60, tcp_established = 432000, tcp_fin_wait = 120, tcp_close_wait = 60,
           tcp_last_ack = 30, tcp_time_wait = 120, tcp_close = 10, udp = 30, udp_stream = 120, icmp = 30, other = 600;
  bool operator==(const FlowTimeouts&) const = default;
};

struct Neighbours {
  uint32_t reachable_seconds = 30;  // after this an entry in use is probed again
  uint32_t retry_milliseconds = 1000;
  uint32_t retries = 3;
  uint32_t queue_packets = 32;  // packets waiting for one neighbour
  bool operator==(const Neighbours&) const = default;
};

struct MeshIdentity {                    // who this gateway is to others, and where they agree on keys with it
  std::string certificate, key, bundle;  // absolute paths of PEM files, which are watched
  std::string revocation_lists;          // empty: none
  LinkAddress listen;
  bool operator==(const MeshIdentity&) const = default;
};

struct EncryptRule {  // of what goes to the prefix or comes from there; the longest that holds an address counts
  base::Prefix prefix;
  Encryption mode = Encryption::kRequired;
  bool operator==(const EncryptRule&) const = default;
};

struct Node {
  std::string name;
  std::string zone;              // empty: none
  std::string session_key_file;  // control/sessions/key_file.h; empty: the gateway's own keys
  Workers workers;
  std::vector<Interface> interfaces;
  std::vector<Route> routes;
  FlowTimeouts flow_timeouts;
  Neighbours neighbours;
  uint32_t icmp_errors_per_second = 1000;  // per worker; 0: none are sent
  uint32_t fragment_timeout_milliseconds = 30000;
  uint32_t fragment_datagrams = 4096;  // datagrams tracked at once per worker
  std::optional<MeshIdentity> mesh;
  std::vector<EncryptRule> encrypt;
  std::vector<std::string> crypto_devices;  // devargs or PCI addresses, best first; beside those in software
  uint32_t drain_seconds = 30;              // SIGTERM: how long established flows may go on
  bool tcp_pacing = true;                   // of connections that end here

  bool operator==(const Node&) const = default;
};

}  // namespace penstock::model
