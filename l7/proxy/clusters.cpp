#include "l7/proxy/clusters.h"

#include "l7/proxy/balance/choices.h"
#include "l7/proxy/balance/hashed.h"
#include "l7/proxy/balance/levels.h"
#include "l7/proxy/balance/round_robin.h"

namespace penstock::proxy {

namespace {

constexpr base::Nanos kWarmSteps = 64;                              // weights are looked at so often in a window ...
constexpr base::Nanos kLeastWarmStep = base::kNanosPerSecond / 20;  // ... but not more often than that

// An endpoint that is on its way in or out, or has no weight, is none of a level, and no part of what has failed there.
bool counts(const config::Endpoint& endpoint) { return endpoint.weight != 0 && (endpoint.usable || endpoint.doubtful); }

}  // namespace

Clusters::Clusters(const Limits& limits, Counters& counters)
    : counters_(counters),
      cluster_slots_(limits.cluster_slots),
      endpoint_slots_(limits.endpoint_slots),
      clusters_(std::make_unique<Cluster[]>(limits.cluster_slots)),
      states_(std::make_unique<EndpointState[]>(limits.endpoint_slots)),
      known_(std::make_unique<Known[]>(limits.endpoint_slots)) {}

void Clusters::adopt(const route::L7Config& config) {
  static const route::L7Config kNothing;
  const route::L7Config& before = config_ != nullptr ? *config_ : kNothing;
  for (const config::Cluster& cluster : before.clusters) {
    if (cluster.slot < cluster_slots_) clusters_[cluster.slot].number = kNone;
    for (const config::Endpoint& endpoint : cluster.endpoints)
      if (endpoint.slot < endpoint_slots_) known_[endpoint.slot].cluster = kNone;
  }
  config_ = &config;
  levels_.clear();
  numbers_.clear();
  for (uint32_t number = 0; number < config.clusters.size(); ++number)
    if (const uint32_t slot = slot_of(number); slot != kNone) adopt(clusters_[slot], number, config.clusters[number]);
  members_.resize(numbers_.size());
  for (const config::Cluster& cluster : before.clusters)
    if (cluster.slot < cluster_slots_ && clusters_[cluster.slot].number == kNone) clusters_[cluster.slot].known = false;
}

void Clusters::adopt(Cluster& cluster, uint32_t number, const config::Cluster& from) {
  cluster.number = number;
  cluster.stale_at = 0;
  cluster.first_level = static_cast<uint32_t>(levels_.size());
  for (uint32_t i = 0; i < from.endpoints.size(); ++i)
    if (from.endpoints[i].slot < endpoint_slots_) adopt(from, i, cluster.known);
  for (uint32_t level = 0; level < config::kMaxLevels; ++level) {
    Level made;
    made.level = level;
    made.first = static_cast<uint32_t>(numbers_.size());
    for (uint32_t i = 0; i < from.endpoints.size(); ++i)
      if (from.endpoints[i].level == level && from.endpoints[i].slot < endpoint_slots_ && counts(from.endpoints[i]))
        numbers_.push_back(i);
    made.all = static_cast<uint32_t>(numbers_.size()) - made.first;
    if (made.all != 0) levels_.push_back(made);
  }
  cluster.levels = static_cast<uint32_t>(levels_.size()) - cluster.first_level;
  cluster.known = true;
}

// An endpoint that is new to a cluster that is not, or usable again, starts slowly. Whoever stands at its slot for the
// first time brings nothing along but what the worker itself still has under way there.
void Clusters::adopt(const config::Cluster& from, uint32_t number, bool known) {
  const config::Endpoint& endpoint = from.endpoints[number];
  Known& here = known_[endpoint.slot];
  EndpointState& state = states_[endpoint.slot];
  const bool same = known && here.address == endpoint.address && here.port == endpoint.port;
  if (!same) {
    state.credit = 0;
    state.ejected = false;
    state.latency_at = 0;
    state.since = 0;
  }
  state.fresh = known && endpoint.usable && (!same || !here.usable || state.fresh);
  state.serving = false;
  here = {endpoint.address, endpoint.port, endpoint.usable, from.slot, number};
}

const config::Endpoint* Clusters::find(uint32_t cluster, uint32_t endpoint) const {
  if (cluster >= cluster_slots_ || endpoint >= endpoint_slots_) return nullptr;
  const Known& known = known_[endpoint];
  if (known.cluster != cluster || clusters_[cluster].number == kNone) return nullptr;
  return &config_->clusters[clusters_[cluster].number].endpoints[known.number];
}

bool Clusters::has(uint32_t cluster, uint32_t endpoint, const base::IpAddress& address, uint16_t port) const {
  const config::Endpoint* now = find(cluster, endpoint);
  return now != nullptr && now->port == port && now->address == address;
}

void Clusters::set_ejected(uint32_t endpoint, bool ejected) {
  if (states_[endpoint].ejected == ejected) return;
  states_[endpoint].ejected = ejected;
  if (known_[endpoint].cluster != kNone) clusters_[known_[endpoint].cluster].stale_at = 0;
}

void Clusters::note_answer(uint32_t slot, uint32_t endpoint, base::Nanos latency, base::Nanos now) {
  const config::Cluster* cluster = find(slot);
  if (cluster == nullptr || cluster->balancing != config::Balancing::kPeakEwma) return;
  proxy::note_latency(states_[endpoint], latency, cluster->balance.decay, now);
}

void Clusters::refresh(uint32_t slot, base::Nanos now) {
  Cluster& cluster = clusters_[slot];
  if (cluster.number != kNone) refresh(cluster, config_->clusters[cluster.number], now);
}

// Who may serve, at which share. In place: what a level needs was made by adopt().
void Clusters::refresh(Cluster& cluster, const config::Cluster& from, base::Nanos now) {
  LevelHealths health;
  Level* const levels = levels_.data() + cluster.first_level;
  const auto count_usable = [&] {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < cluster.levels; ++i) {
      health[i] = {.all = levels[i].all, .usable = 0};
      for (uint32_t at = levels[i].first; at < levels[i].first + levels[i].all; ++at)
        health[i].usable += is_usable(cluster, from.endpoints[numbers_[at]]);
      sum += health[i].usable;
    }
    return sum;
  };
  cluster.all_ejected = false;
  if (count_usable() == 0) {
    cluster.all_ejected = true;
    count_usable();
  }
  const LevelShares shares = share_out(health, from.balance);
  bool warms = false;
  for (uint32_t i = 0; i < cluster.levels; ++i) {
    levels[i].percent = shares[i].percent;
    levels[i].panic = shares[i].panic;
    warms |= fill(cluster, levels[i], from, now);
  }
  cluster.stale_at = warms ? now + std::max(from.balance.warmup / kWarmSteps, kLeastWarmStep) : kMaxFarAway;
}

// True: weights will change with time.
bool Clusters::fill(const Cluster& cluster, Level& level, const config::Cluster& from, base::Nanos now) {
  bool warms = false;
  uint64_t sum = 0, before = 0;
  level.serving = 0;
  level.weights = 0;
  level.uneven = false;
  for (uint32_t at = level.first; at < level.first + level.all; ++at) {
    const config::Endpoint& endpoint = from.endpoints[numbers_[at]];
    EndpointState& state = states_[endpoint.slot];
    state.serving = level.panic || is_usable(cluster, endpoint);
    if (!state.serving) continue;
    const double scale = kWeightScale * warmth_of(from, state, now, warms);
    const uint64_t weight = std::max<uint64_t>(1, static_cast<uint64_t>(endpoint.weight * scale));
    level.uneven |= level.serving != 0 && weight != before;
    before = weight;
    sum += weight;
    level.weights += endpoint.weight;
    members_[level.first + level.serving++] = {sum, numbers_[at], endpoint.slot};
  }
  return warms;
}

double Clusters::warmth_of(const config::Cluster& from, EndpointState& state, base::Nanos now, bool& warms) const {
  if (state.fresh) {  // the first look since it became usable
    state.fresh = false;
    state.since = now;
  }
  if (from.balance.warmup == 0 || state.since == 0) return 1;
  const base::Nanos age = now > state.since ? now - state.since : 0;
  if (age < from.balance.warmup) warms = true;
  return warmth(from.balance, age);
}

// By share. The same hash always falls to the same level, as long as shares stay.
const Clusters::Level* Clusters::choose_level(const Cluster& cluster, const Wish& wish, Random& random) const {
  const Level* const first = levels_.data() + cluster.first_level;
  const Level* const end = first + cluster.levels;
  const Level* chosen = first;
  if (cluster.levels > 1) {
    uint64_t point = wish.hashed ? wish.hash % 100 : random.below(100);
    while (chosen != end - 1 && point >= chosen->percent) point -= (chosen++)->percent;
  }
  // Nobody there, or nobody but the one to avoid: wherever somebody is.
  const auto serves = [&](const Level& level) {
    return level.serving > 1 || (level.serving == 1 && members_[level.first].slot != wish.avoid);
  };
  if (serves(*chosen)) return chosen;
  for (const Level* each = first; each != end; ++each)
    if (serves(*each) && each->percent != 0) return each;
  for (const Level* each = first; each != end; ++each)
    if (serves(*each)) return each;
  for (const Level* each = first; each != end; ++each)
    if (each->serving != 0) return each;
  return nullptr;
}

const config::Endpoint* Clusters::pick(uint32_t slot, const Wish& wish, Random& random, base::Nanos now) {
  Cluster& cluster = clusters_[slot];
  if (cluster.number == kNone || cluster.levels == 0) return nullptr;
  const config::Cluster& from = config_->clusters[cluster.number];
  if (now >= cluster.stale_at) refresh(cluster, from, now);
  if (wish.session != kNone && wish.session != wish.avoid && states_[wish.session].serving)
    if (const config::Endpoint* own = find(slot, wish.session)) return own;
  const Level* level = choose_level(cluster, wish, random);
  if (level == nullptr) return nullptr;
  if (level->panic) counters_.count(Count::panic_picks);
  if (level->level != 0) counters_.count(Count::failover_picks);
  return pick_in(cluster, *level, wish, random, now);
}

const config::Endpoint* Clusters::pick_in(Cluster& cluster, const Level& level, const Wish& wish, Random& random,
                                          base::Nanos now) {
  const config::Cluster& from = config_->clusters[cluster.number];
  const Ground ground{from, {members_.data() + level.first, level.serving}, states_.get(), level.uneven};
  if (level.serving == 1) return &from.endpoints[ground.members[0].number];
  const config::HashTable* table =
      level.level < from.balance.tables.size() ? from.balance.tables[level.level].get() : nullptr;
  if (wish.hashed && table != nullptr && !table->places.empty()) {
    bool passed = false;
    const LoadBound bound{from.balance.most_load, cluster.state.requests.read() + uint64_t{1}, level.weights};
    const config::Endpoint* own = by_hash(ground, *table, wish.hash, wish.avoid, bound, passed);
    if (passed) counters_.count(Count::hash_passes);
    if (own != nullptr) return own;
  }
  const Member* picked = &draw(cluster, ground, wish, random, now);
  // Another draw; if chance insists, whoever stands next to it.
  if (picked->slot == wish.avoid) picked = &draw(cluster, ground, wish, random, now);
  for (size_t i = 0; picked->slot == wish.avoid && i < ground.members.size(); ++i) picked = &ground.members[i];
  return &from.endpoints[picked->number];
}

const Member& Clusters::draw(Cluster& cluster, const Ground& ground, const Wish& wish, Random& random,
                             base::Nanos now) {
  const config::Balance& how = ground.cluster.balance;
  switch (ground.cluster.balancing) {
    case config::Balancing::kRoundRobin:
      return next_in_turn(ground, cluster.turn);
    case config::Balancing::kLeastRequest:
      return least_of(ground, how.choices, random, wish.avoid, request_cost);
    case config::Balancing::kPeakEwma:
      return least_of(ground, how.choices, random, wish.avoid,
                      [&](const EndpointState& state) { return ewma_cost(state, how.decay, now); });
    case config::Balancing::kRandom:
    case config::Balancing::kMaglev:  // without a hash
    case config::Balancing::kRingHash:
      break;
  }
  return by_weight(ground, random);
}

}  // namespace penstock::proxy
