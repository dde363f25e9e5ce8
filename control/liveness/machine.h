// Liveness of other gateways as one machine with no hands. In: which peers to probe by which paths, answers that the
// workers saw, the time. Out: probes to send, changes, what is known of each path.
//
// A path is one address of a peer, by preference. A probe is lost when its answer has not come after the interval, or
// after twice the smoothed round trip where that is longer (the first one is given kFirstAnswer). States of a path:
//
//   unknown ── answer ──────────────────────────────> up
//   unknown, up ── `misses` probes lost in a row ───> down
//   down ── kUpAnswers in a row over kHoldDown ─────> up      (a lost one begins the row anew)
//
// A new path is unknown and counts as good. The active path of a peer is its most preferred one that is up; when there
// is none, the first unknown one; when all are down, it stays: the last that was good. A peer is down when every path
// is. The active path is probed once an interval, the others kSlowFactor times more seldom while nothing happens.
// Peers begin at different moments of their intervals and keep to them; what a caller that stood still has to catch up
// with is given out in portions (kProbesAtOnce a call). All together are probed no more than kProbesPerSecond times
// a second: beyond, all intervals are stretched by one factor, but not of a path about which there is doubt.
//
// Beside it goes, where a ceiling is given, the search for the path's MTU (mtu_search.h), with probes of its own.
//
// Thread: one. Time: CLOCK_MONOTONIC ns, given. When the caller stands still nothing is sent, so nothing is missed;
// give it answers before the time. Memory: about 2 KiB a path. Does not: send, know devices or associations.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "control/liveness/mtu_search.h"

namespace penstock::liveness {

constexpr base::Nanos kMillisecond = 1'000'000;
constexpr unsigned kUpAnswers = 3;
constexpr base::Nanos kHoldDown = base::kNanosPerSecond;     // against flapping
constexpr base::Nanos kFirstAnswer = base::kNanosPerSecond;  // RFC 6298 §2.1: before a round trip is known
constexpr unsigned kSlowFactor = 5;
constexpr double kProbesPerSecond = 20'000;  // what they cost: perf/README.md
constexpr size_t kProbesAtOnce = 64;         // a call: three times what the bound asks for in a millisecond
constexpr unsigned kWindow = 64;             // probes that are remembered; loss is measured over them

struct Settings {
  base::Nanos interval = 50 * kMillisecond;
  unsigned misses = 3;
  bool operator==(const Settings&) const = default;
};

enum class PathState : uint8_t { kUnknown, kUp, kDown };
const char* to_string(PathState state);

struct Probe {
  uint16_t peer = 0;
  uint8_t path = 0;
  uint32_t sequence = 0;
  uint16_t size = 0;  // of the outer datagram; 0: a short one
};

struct Change {
  enum class Kind : uint8_t { kPath, kActive, kPeer, kMtu } kind = Kind::kPath;
  uint16_t peer = 0;
  uint8_t path = 0;  // kPath, kMtu: which; kActive: the new one
  bool up = false;   // kPath, kPeer
};

struct PathStatus {
  base::IpAddress address;
  PathState state = PathState::kUnknown;
  bool active = false;
  base::Nanos round_trip = 0;  // smoothed; 0: not known
  double loss = 0;             // of the last kWindow probes
  uint64_t sent = 0, answered = 0;
  MtuState mtu_state = MtuState::kOff;
  uint16_t mtu = 0, confirmed_mtu = 0;  // as MtuSearch; 0 when it is off
};

class Machine {
 public:
  // Adds a peer or changes it. A path whose address was there before goes on as it was. `ceilings`: for each address
  // the MTU that was configured, or 0 where it is not searched; shorter: the same.
  void set(uint16_t peer, const Settings& settings, const std::vector<base::IpAddress>& addresses, base::Nanos now,
           const std::vector<uint16_t>& ceilings = {});
  void remove(uint16_t peer);

  // Round trip as the workers measured it. Answers to what was not asked are ignored.
  void on_answer(uint16_t peer, uint8_t path, uint32_t sequence, base::Nanos round_trip, base::Nanos now);
  // A router says that a path carries no more.
  void on_too_big(uint16_t peer, const base::IpAddress& address, uint16_t mtu, base::Nanos now);
  void on_deadline(base::Nanos now);
  std::optional<base::Nanos> deadline() const;

  std::optional<Probe> next_probe();
  std::optional<Change> next_change();

  bool is_up(uint16_t peer) const;                     // true where nothing is probed
  uint8_t active(uint16_t peer) const;                 // 0 where nothing is probed
  std::vector<PathStatus> paths(uint16_t peer) const;  // empty: not probed
  std::vector<uint16_t> peers() const;
  double stretch() const { return std::max(1.0, rate_ / kProbesPerSecond); }  // of all intervals; 1: none
  base::Nanos interval(uint16_t peer) const;                                  // as it is; 0 where nothing is probed

 private:
  enum class Fate : uint8_t { kNone, kWaiting, kAnswered, kLost };
  struct Sent {
    uint32_t sequence = 0;
    Fate fate = Fate::kNone;
    base::Nanos at = 0;
  };
  struct Path {
    base::IpAddress address;
    PathState state = PathState::kUnknown;
    uint32_t next_sequence = 1;
    uint32_t oldest = 1;  // the first that may still wait
    base::Nanos due = 0;  // of the next probe
    base::Nanos round_trip = 0;
    unsigned missed = 0;    // in a row
    unsigned answered = 0;  // in a row, since it is down
    base::Nanos answered_since = 0;
    uint64_t sent = 0, answers = 0;
    std::array<Sent, kWindow> window;
    MtuSearch search;
  };
  struct Peer {
    Settings settings;
    std::vector<Path> paths;
    uint8_t active = 0;
    bool up = true;
    base::Nanos due = 0;
  };

  static base::Nanos patience(const Peer& peer, const Path& path);
  static double rate_of(const Peer& peer);
  base::Nanos interval_of(const Peer& peer) const;
  base::Nanos pace(const Peer& peer, const Path& path) const;
  MtuSearch::Path seen_of(const Peer& peer, const Path& path) const;
  void search_mtu(uint16_t slot, Peer& peer, uint8_t index, base::Nanos now);
  void note_mtu(uint16_t slot, uint8_t index, uint16_t before, const MtuSearch& search);
  static base::Nanos after(base::Nanos due, base::Nanos pace, base::Nanos now);
  void judge(uint16_t slot, Peer& peer, uint8_t index, base::Nanos now);
  void lose(uint16_t slot, Peer& peer, uint8_t index);
  void settle(uint16_t slot, Peer& peer);
  void schedule(uint16_t slot, Peer& peer);
  void turn(uint16_t slot, Peer& peer, uint8_t index, PathState state);

  std::map<uint16_t, Peer> peers_;
  double rate_ = 0;  // of all probes as they are asked for, per second
  std::set<std::pair<base::Nanos, uint16_t>> due_;
  std::deque<Probe> probes_;
  std::deque<Change> changes_;
};

}  // namespace penstock::liveness
