#include "control/liveness/machine.h"

#include <algorithm>

namespace penstock::liveness {

namespace {

constexpr uint32_t kPadded = 1u << 31;  // in sequence numbers: of the search for an MTU

double loss_of(const auto& window, auto lost, auto answered) {
  unsigned losses = 0, done = 0;
  for (const auto& sent : window) {
    losses += sent.fate == lost;
    done += sent.fate == lost || sent.fate == answered;
  }
  return done == 0 ? 0 : static_cast<double>(losses) / done;
}

}  // namespace

const char* to_string(PathState state) {
  switch (state) {
    case PathState::kUnknown:
      return "unknown";
    case PathState::kUp:
      return "up";
    case PathState::kDown:
      return "down";
  }
  return "";
}

void Machine::set(uint16_t slot, const Settings& settings, const std::vector<base::IpAddress>& addresses,
                  base::Nanos now, const std::vector<uint16_t>& ceilings) {
  Peer& peer = peers_[slot];
  rate_ -= rate_of(peer);
  std::vector<Path> paths;
  uint8_t active = 0;
  for (const base::IpAddress& address : addresses) {
    const auto old =
        std::find_if(peer.paths.begin(), peer.paths.end(), [&](const Path& p) { return p.address == address; });
    if (old != peer.paths.end()) {
      if (old - peer.paths.begin() == peer.active) active = static_cast<uint8_t>(paths.size());
      paths.push_back(*old);
      paths.back().due = std::min(paths.back().due, now + settings.interval);
    } else {
      const base::Nanos phase = settings.interval * (slot * 0x9e3779b1u >> 16) >> 16;
      paths.push_back({.address = address, .due = now + phase, .window = {}, .search = {}});
    }
    const size_t index = paths.size() - 1;
    paths.back().search.set_ceiling(index < ceilings.size() ? ceilings[index] : uint16_t{0}, address.is_v4(), now);
  }
  peer.settings = settings;
  peer.paths = std::move(paths);
  peer.active = active;
  rate_ += rate_of(peer);
  settle(slot, peer);
  schedule(slot, peer);
}

void Machine::remove(uint16_t slot) {
  const auto at = peers_.find(slot);
  if (at == peers_.end()) return;
  due_.erase({at->second.due, slot});
  rate_ -= rate_of(at->second);
  peers_.erase(at);
}

double Machine::rate_of(const Peer& peer) {
  if (peer.paths.empty()) return 0;
  const double active = static_cast<double>(base::kNanosPerSecond) / static_cast<double>(peer.settings.interval);
  return active * (1 + static_cast<double>(peer.paths.size() - 1) / kSlowFactor);
}

base::Nanos Machine::interval_of(const Peer& peer) const {
  return static_cast<base::Nanos>(static_cast<double>(peer.settings.interval) * stretch());
}

base::Nanos Machine::interval(uint16_t slot) const {
  const auto at = peers_.find(slot);
  return at == peers_.end() ? 0 : interval_of(at->second);
}

base::Nanos Machine::patience(const Peer& peer, const Path& path) {
  return std::max(peer.settings.interval, path.round_trip == 0 ? kFirstAnswer : 2 * path.round_trip);
}

// In a hurry while something changes.
base::Nanos Machine::pace(const Peer& peer, const Path& path) const {
  const bool settled = path.state == PathState::kDown ? path.answered == 0 : path.missed == 0;
  const bool active = &path == &peer.paths[peer.active];
  if (!settled) return peer.settings.interval;
  return (active ? 1 : kSlowFactor) * interval_of(peer);
}

void Machine::turn(uint16_t slot, Peer& peer, uint8_t index, PathState state) {
  Path& path = peer.paths[index];
  path.state = state;
  path.answered = path.missed = 0;
  changes_.push_back({Change::Kind::kPath, slot, index, state == PathState::kUp});
}

void Machine::lose(uint16_t slot, Peer& peer, uint8_t index) {
  Path& path = peer.paths[index];
  path.answered = 0;
  if (path.state != PathState::kDown && ++path.missed >= peer.settings.misses)
    turn(slot, peer, index, PathState::kDown);
}

void Machine::on_answer(uint16_t slot, uint8_t index, uint32_t sequence, base::Nanos round_trip, base::Nanos now) {
  const auto at = peers_.find(slot);
  if (at == peers_.end() || index >= at->second.paths.size()) return;
  Peer& peer = at->second;
  Path& path = peer.paths[index];
  if ((sequence & kPadded) != 0) {
    const uint16_t before = path.search.mtu();
    path.search.on_answer(sequence & ~kPadded, seen_of(peer, path), now);
    note_mtu(slot, index, before, path.search);
    return schedule(slot, peer);
  }
  Sent& sent = path.window[sequence % kWindow];
  if ((sent.sequence & ~kPadded) != sequence || (sent.fate != Fate::kWaiting && sent.fate != Fate::kLost)) return;
  const bool late = sent.fate == Fate::kLost;
  sent.fate = Fate::kAnswered;
  ++path.answers;
  round_trip = std::max<base::Nanos>(1, round_trip);
  if (path.round_trip == 0 || (late && round_trip > path.round_trip)) {
    path.round_trip = round_trip;  // the underlay has become slower: wait longer from now on
  } else {
    path.round_trip += (static_cast<int64_t>(round_trip) - static_cast<int64_t>(path.round_trip)) / 8;
  }
  if (late) return;
  path.missed = 0;
  if (path.state == PathState::kUnknown) turn(slot, peer, index, PathState::kUp);
  if (path.state == PathState::kDown) {
    if (path.answered++ == 0) path.answered_since = now;
    if (path.answered >= kUpAnswers && now - path.answered_since >= kHoldDown) turn(slot, peer, index, PathState::kUp);
    path.due = std::min(path.due, now + peer.settings.interval);
  }
  settle(slot, peer);
  schedule(slot, peer);
}

void Machine::on_too_big(uint16_t slot, const base::IpAddress& address, uint16_t mtu, base::Nanos now) {
  const auto at = peers_.find(slot);
  if (at == peers_.end()) return;
  for (uint8_t index = 0; index < at->second.paths.size(); ++index) {
    Path& path = at->second.paths[index];
    if (path.address != address) continue;
    const uint16_t before = path.search.mtu();
    path.search.on_too_big(mtu, now);
    note_mtu(slot, index, before, path.search);
  }
  schedule(slot, at->second);
}

MtuSearch::Path Machine::seen_of(const Peer& peer, const Path& path) const {
  return {.up = path.state == PathState::kUp,
          .missed = path.missed,
          .loss = loss_of(path.window, Fate::kLost, Fate::kAnswered),
          .patience = patience(peer, path),
          .interval = pace(peer, path)};
}

void Machine::note_mtu(uint16_t slot, uint8_t index, uint16_t before, const MtuSearch& search) {
  if (search.mtu() != before) changes_.push_back({Change::Kind::kMtu, slot, index, search.mtu() > before});
}

void Machine::search_mtu(uint16_t slot, Peer& peer, uint8_t index, base::Nanos now) {
  Path& path = peer.paths[index];
  const bool news = path.search.path_is_up() != (path.state == PathState::kUp);
  if (path.search.state() == MtuState::kOff || (!news && path.search.due().value_or(UINT64_MAX) > now)) return;
  const uint16_t before = path.search.mtu();
  if (const auto ask = path.search.on_time(seen_of(peer, path), now))
    probes_.push_back({slot, index, (ask->number & ~kPadded) | kPadded, ask->size});
  note_mtu(slot, index, before, path.search);
}

// What has waited too long is lost.
void Machine::judge(uint16_t slot, Peer& peer, uint8_t index, base::Nanos now) {
  Path& path = peer.paths[index];
  const base::Nanos longest = patience(peer, path);
  for (; path.oldest != path.next_sequence; ++path.oldest) {
    Sent& sent = path.window[path.oldest % kWindow];
    if (sent.sequence != path.oldest || sent.fate != Fate::kWaiting) continue;
    if (now < sent.at + longest) return;
    sent.fate = Fate::kLost;
    lose(slot, peer, index);
  }
}

// At the same moments of the interval as before, whatever happened meanwhile, and not at once.
base::Nanos Machine::after(base::Nanos due, base::Nanos pace, base::Nanos now) {
  const base::Nanos next = now + pace - (now - due) % pace;
  return next < now + pace / 2 ? next + pace : next;
}

void Machine::on_deadline(base::Nanos now) {
  while (!due_.empty() && due_.begin()->first <= now && probes_.size() < kProbesAtOnce) {
    const uint16_t slot = due_.begin()->second;
    Peer& peer = peers_.at(slot);
    for (uint8_t index = 0; index < peer.paths.size(); ++index) judge(slot, peer, index, now);
    settle(slot, peer);  // the pace depends on it
    for (uint8_t index = 0; index < peer.paths.size(); ++index) {
      Path& path = peer.paths[index];
      if (path.due > now && path.due <= now + pace(peer, path)) continue;
      if (path.due > now) {  // it has become urgent
        path.due = now + pace(peer, path);
        continue;
      }
      Sent& place = path.window[path.next_sequence % kWindow];
      if (place.fate == Fate::kWaiting) lose(slot, peer, index);  // the round trip is longer than the window
      place = {path.next_sequence, Fate::kWaiting, now};
      probes_.push_back({slot, index, path.next_sequence++ & ~kPadded});
      if (path.next_sequence - path.oldest > kWindow) path.oldest = path.next_sequence - kWindow;
      ++path.sent;
      path.due = after(path.due, pace(peer, path), now);
    }
    settle(slot, peer);
    for (uint8_t index = 0; index < peer.paths.size(); ++index) search_mtu(slot, peer, index, now);
    schedule(slot, peer);
  }
}

void Machine::settle(uint16_t slot, Peer& peer) {
  const auto first = [&](PathState state) {
    return std::find_if(peer.paths.begin(), peer.paths.end(), [&](const Path& p) { return p.state == state; });
  };
  auto best = first(PathState::kUp);
  if (best == peer.paths.end() && peer.paths[peer.active].state == PathState::kDown) best = first(PathState::kUnknown);
  // An unknown one that is active is given up for a better one only.
  if (best != peer.paths.end() && best - peer.paths.begin() != peer.active) {
    const auto index = static_cast<uint8_t>(best - peer.paths.begin());
    if (peer.paths[peer.active].state == PathState::kDown || index < peer.active) {
      peer.active = index;
      changes_.push_back({Change::Kind::kActive, slot, index, true});
    }
  }
  const bool up =
      std::any_of(peer.paths.begin(), peer.paths.end(), [](const Path& p) { return p.state != PathState::kDown; });
  if (up != peer.up) {
    peer.up = up;
    changes_.push_back({Change::Kind::kPeer, slot, peer.active, up});
  }
}

// The next time at which a probe is due or one is lost.
void Machine::schedule(uint16_t slot, Peer& peer) {
  due_.erase({peer.due, slot});
  base::Nanos due = UINT64_MAX;
  for (const Path& path : peer.paths) {
    due = std::min({due, path.due, path.search.due().value_or(UINT64_MAX)});
    uint32_t sequence = path.oldest;
    while (sequence != path.next_sequence && path.window[sequence % kWindow].fate != Fate::kWaiting) ++sequence;
    if (sequence != path.next_sequence) due = std::min(due, path.window[sequence % kWindow].at + patience(peer, path));
  }
  peer.due = due;
  due_.insert({due, slot});
}

std::optional<base::Nanos> Machine::deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::optional<Probe> Machine::next_probe() {
  if (probes_.empty()) return std::nullopt;
  const Probe probe = probes_.front();
  probes_.pop_front();
  return probe;
}

std::optional<Change> Machine::next_change() {
  if (changes_.empty()) return std::nullopt;
  const Change change = changes_.front();
  changes_.pop_front();
  return change;
}

bool Machine::is_up(uint16_t slot) const {
  const auto at = peers_.find(slot);
  return at == peers_.end() || at->second.up;
}

uint8_t Machine::active(uint16_t slot) const {
  const auto at = peers_.find(slot);
  return at == peers_.end() ? 0 : at->second.active;
}

std::vector<PathStatus> Machine::paths(uint16_t slot) const {
  std::vector<PathStatus> out;
  const auto at = peers_.find(slot);
  if (at == peers_.end()) return out;
  for (const Path& path : at->second.paths) {
    PathStatus status;
    status.address = path.address;
    status.state = path.state;
    status.active = &path == &at->second.paths[at->second.active];
    status.round_trip = path.round_trip;
    status.sent = path.sent;
    status.answered = path.answers;
    status.loss = loss_of(path.window, Fate::kLost, Fate::kAnswered);
    status.mtu_state = path.search.state();
    status.mtu = path.search.mtu();
    status.confirmed_mtu = path.search.confirmed();
    out.push_back(status);
  }
  return out;
}

std::vector<uint16_t> Machine::peers() const {
  std::vector<uint16_t> out;
  for (const auto& [slot, peer] : peers_) out.push_back(slot);
  return out;
}

}  // namespace penstock::liveness
