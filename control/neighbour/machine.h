// Who has which MAC address: ARP (RFC 826, RFC 5227) and IPv6 neighbour discovery (RFC 4861) for all interfaces, as one
// machine with no hands. In: frames that the workers punted, wants of the workers, the time. Out: frames to send, what
// to tell the workers, notices for the log, the next deadline.
//
// It answers for the gateway's own addresses and for those it owns without an interface carrying them: virtual
// addresses of services and NAT pools that lie in a subnet of the interface. It resolves with retries, probes again
// when a worker asks to refresh an entry in use, announces addresses when they appear, and reports others that use
// ours.
//
// Thread: one. Time: CLOCK_MONOTONIC ns, given. Memory: at most Settings::capacity neighbours of about 100 bytes.
// Hostile senders: an address outside the interface's subnets is never learned; unsolicited messages change what is
// known but create nothing, except a question to one of our addresses; answers and questions are rate-limited per
// interface, and unresolved neighbours are bounded (a scan of a subnet behind us cannot push out the resolved ones).
// What it does not do: router advertisements, redirects (ignored), gratuitous entries, secure ND.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"
#include "control/neighbour/message.h"

namespace penstock::neighbour {

constexpr size_t kMaxUnresolved = 1024;        // at once; beyond, a want is ignored and the worker asks again
constexpr unsigned kAnswersPerSecond = 1000;   // per interface; a rack that boots asks far less
constexpr unsigned kQuestionsPerSecond = 500;  // per interface; also what a scan through us may broadcast
constexpr unsigned kAnnouncements = 2;         // RFC 5227 §1.1 ANNOUNCE_NUM
constexpr base::Nanos kAnnounceInterval = 2 * base::kNanosPerSecond;  // RFC 5227 §1.1 ANNOUNCE_INTERVAL
constexpr base::Nanos kDefendInterval = 10 * base::kNanosPerSecond;   // RFC 5227 §1.1 DEFEND_INTERVAL
constexpr base::Nanos kFirstProbe = 5 * base::kNanosPerSecond;        // RFC 4861 §10 DELAY_FIRST_PROBE_TIME
constexpr base::Nanos kMaxHold =
    8 * base::kNanosPerSecond;                  // how long a neighbour that failed is not asked again, at most
constexpr unsigned kAnnouncementsPerTick = 64;  // 10,000 addresses are announced over 1.6 s, not in one burst
constexpr base::Nanos kAnnounceTick = base::kNanosPerSecond / 100;
constexpr unsigned kUnusedFactor = 4;  // reachable times without a want after which an entry is forgotten

struct Interface {
  uint16_t id = 0xffff;
  std::string name;
  base::MacAddress mac;
  std::vector<base::Prefix> addresses;  // own, host bits kept
  std::vector<base::IpAddress> owned;   // others to answer for; must lie in a prefix of `addresses`
  bool operator==(const Interface&) const = default;
};

struct Settings {
  base::Nanos reachable = 30 * base::kNanosPerSecond;  // after this an entry in use is probed again
  base::Nanos retry = base::kNanosPerSecond;
  unsigned retries = 3;
  size_t capacity = 8192;
};

struct Frame {  // to transmit as it is; untagged: the worker adds the tag of a VLAN interface
  uint16_t interface;
  std::vector<uint8_t> bytes;
};

struct Update {  // for every worker
  uint16_t interface;
  base::IpAddress address;
  base::MacAddress mac;
  bool reachable;       // false: nobody answered; packets for it are dropped until refresh
  base::Nanos refresh;  // from now; then the use of the entry should bring a want
};

struct Notice {  // for the log: somebody else uses one of our addresses
  uint16_t interface;
  base::IpAddress address;
  base::MacAddress other;
};

struct Counts {
  uint64_t answered = 0, asked = 0, learned = 0, failed = 0;
  uint64_t ignored = 0;     // malformed or of no interest
  uint64_t suppressed = 0;  // over a rate
  uint64_t refused = 0;     // wants beyond kMaxUnresolved
};

class Machine {
 public:
  // The interfaces as they are from now on. New addresses are announced; neighbours of interfaces that went are
  // forgotten.
  void configure(std::vector<Interface> interfaces, Settings settings, base::Nanos now);

  void on_frame(uint16_t interface, base::Bytes frame, base::Nanos now);
  void on_want(uint16_t interface, const base::IpAddress& address, base::Nanos now);
  void on_link_up(uint16_t interface, base::Nanos now);  // announces again
  void on_deadline(base::Nanos now);
  // When on_deadline() has something to do; nothing: never.
  std::optional<base::Nanos> deadline() const;

  std::optional<Frame> next_frame();
  std::optional<Update> next_update();
  std::optional<Notice> next_notice();

  size_t size() const { return neighbours_.size(); }
  const Counts& counts() const { return counts_; }

 private:
  //                 want                     answer
  //   (unknown) ───────────▶ kUnresolved ───────────▶ kReachable ◀───────────┐
  //       │                      │                     │      │              │
  //       │                      │ no answer      want │      │ unused       │ answer
  //       │                      ▼                     ▼      ▼              │
  //       │                   kFailed ◀─────────── kProbing  (unknown)       │
  //       │                      │      no answer      └─────────────────────┘
  //       │                      └── hold time over, want ──▶ kUnresolved
  //       └── question to one of our addresses ──▶ kReachable, to be probed at its first use
  enum class State : uint8_t { kUnresolved, kReachable, kProbing, kFailed };

  struct Key {
    uint16_t interface;
    base::IpAddress address;
    auto operator<=>(const Key&) const = default;
  };
  struct Neighbour {
    State state = State::kUnresolved;
    base::MacAddress mac;
    unsigned sent = 0;           // questions since the state began
    unsigned failures = 0;       // in a row
    base::Nanos confirmed = 0;   // when it last answered us; 0: only heard of
    base::Nanos hold_until = 0;  // kFailed: not asked before this
    base::Nanos due = 0;         // when on_deadline() looks at it
  };
  struct Bucket {  // GCRA in nanoseconds
    base::Nanos full_at = 0;
    bool take(unsigned per_second, base::Nanos now);
  };
  struct Port {
    Interface config;
    Bucket answers, questions;
    std::set<base::IpAddress> ours;                   // own and owned
    std::map<base::IpAddress, base::Nanos> defended;  // when a conflict was last reported
  };
  struct Announcement {
    uint16_t interface;
    base::IpAddress address;
    bool probe;     // ask for a duplicate before the first announcement
    unsigned left;  // announcements to go
  };
  using Table = std::map<Key, Neighbour>;

  // resolve.cpp
  void schedule(const Key& key, Neighbour& neighbour, base::Nanos due);
  void set_state(Neighbour& neighbour, State state);
  Table::iterator forget(Table::iterator at);
  Table::iterator make(const Key& key, base::Nanos now);
  void ask(Port& port, const Key& key, Neighbour& neighbour, base::Nanos now);
  void hold(const Key& key, Neighbour& neighbour, const base::MacAddress& mac, bool confirmed, base::Nanos now);
  void fail(const Key& key, Neighbour& neighbour, base::Nanos now);
  void tell(const Key& key, const Neighbour& neighbour, base::Nanos refresh);
  void on_due(Table::iterator at, base::Nanos now);
  // answer.cpp
  void on_question(Port& port, const Message& message, base::Nanos now);
  void on_answer(Port& port, const Message& message, base::Nanos now);
  bool conflicts(Port& port, const Message& message, base::Nanos now);
  void announce(Port& port, const base::IpAddress& address);
  void probe(Port& port, const base::IpAddress& address);
  void plan_announcements(const Port& port, const std::set<base::IpAddress>& known, bool probe, base::Nanos now);
  void run_announcements(base::Nanos now);
  void send(const Port& port, const Message& message, const base::MacAddress& to);

  std::map<uint16_t, Port> ports_;
  Settings settings_;
  Table neighbours_;
  std::set<std::pair<base::Nanos, Key>> due_;  // one per neighbour
  size_t unresolved_ = 0;
  std::multimap<base::Nanos, Announcement> announcements_;  // by due time
  std::deque<Frame> frames_;
  std::deque<Update> updates_;
  std::deque<Notice> notices_;
  Counts counts_;
};

}  // namespace penstock::neighbour
