// Part of proxy.h: configurations, time, and the end of service.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
Proxy<N>::Proxy(N& net, const Limits& limits, uint64_t seed, base::Nanos now, limit::Limiter limiter,
                std::shared_ptr<OutlierTable> outliers)
    : net_(net),
      limits_(limits),
      listener_numbers_(limits.listener_slots, kNone),
      clients_(limits.clients),
      upstreams_(limits.upstreams),
      exchanges_(limits.exchanges),
      messages_(limits.messages),
      held_bodies_(limits.held_bodies),
      copies_(limits.exchanges),
      sides_(limits.connections, kNone),
      clusters_(limits, counters_),
      outliers_(limits, clusters_, std::move(outliers)),
      budgets_(limits),
      pool_(clusters_, upstreams_),
      wheel_(now),
      armed_(limits.clients + limits.upstreams + limits.cluster_slots, 0),
      now_(now),
      limiter_(std::move(limiter)),
      random_(seed),
      counters_(limits),
      log_(limits.log_records),
      // A head with all its fields, ": " and line ends, and what the codec writes around them.
      scratch_size_(limits.room.arena_bytes() + limits.room.fields_kept() * 4 + 1024),
      scratch_(std::make_unique<uint8_t[]>(scratch_size_)) {
  wheel_.grow(limits.clients + limits.upstreams + limits.cluster_slots);
}

// Whether all connections of the one are the other's: it has the port, the protocol and the addresses.
inline bool takes_all_of(const config::Listener& was, const config::Listener& is) {
  return was.protocol == is.protocol && was.port == is.port &&
         std::all_of(was.addresses.begin(), was.addresses.end(), [&](const base::IpAddress& address) {
           return std::find(is.addresses.begin(), is.addresses.end(), address) != is.addresses.end();
         });
}

inline bool same_terms(const config::Listener& was, const config::Listener& is) {
  return was.proxies == is.proxies && was.timeouts.idle == is.timeouts.idle;
}

template <Net N>
void Proxy<N>::adopt(const route::L7Config& config, uint32_t worker) {
  keep_filters();
  const route::L7Config* before = std::exchange(config_, &config);
  worker_ = worker;
  const std::vector<uint32_t> known = listener_numbers_;
  std::fill(listener_numbers_.begin(), listener_numbers_.end(), kNone);
  for (uint32_t number = 0; number < config.listeners.size(); ++number)
    if (const uint32_t slot = config.listeners[number].slot; slot < listener_numbers_.size())
      listener_numbers_[slot] = number;
  outliers_.adopt(config);
  limiter_.adopt(config.limits);
  clusters_.adopt(config);
  adopt_upstreams();
  std::vector<const config::Listener*> changed(known.size());  // as they were
  for (size_t slot = 0; slot < known.size(); ++slot) {
    if (known[slot] == kNone) continue;
    const config::Listener& was = before->listeners[known[slot]];
    const uint32_t now = listener_numbers_[slot];
    if (now == kNone || !takes_all_of(was, config.listeners[now]) || !same_terms(was, config.listeners[now]))
      changed[slot] = &was;
  }
  if (std::any_of(changed.begin(), changed.end(), [](const auto* each) { return each != nullptr; }))
    adopt_clients(changed);
  for (const route::L7Config* each : {before, config_}) {
    if (each == nullptr) continue;
    for (const config::Cluster& cluster : each->clusters)  // gone, or with other limits
      if (cluster.slot < clusters_.cluster_slots()) note_room(cluster.slot);
  }
  give_room();
}

// What answers under way still need of the configuration that goes: copies, shared by those that need the same.
template <Net N>
void Proxy<N>::keep_filters() {
  std::unordered_map<const config::Filters*, std::unique_ptr<config::Filters>> kept;  // by their own address
  std::unordered_map<const config::Filters*, const config::Filters*> copies;          // from where they were
  const auto keep = [&](const config::Filters*& filters) {
    if (filters == nullptr) return;
    const config::Filters*& copy = copies[filters];
    if (copy == nullptr) {
      const auto earlier = kept_filters_.find(filters);
      auto owned =
          earlier != kept_filters_.end() ? std::move(earlier->second) : std::make_unique<config::Filters>(*filters);
      copy = owned.get();
      kept.emplace(copy, std::move(owned));
    }
    filters = copy;
  };
  for (uint32_t i = 0; i < exchanges_.made(); ++i) {
    Exchange& x = exchanges_.at(i);
    if (x.client == kNone) continue;
    keep(x.rule_filters);
    keep(x.backend_filters);
    keep(x.body_filters);
  }
  kept_filters_ = std::move(kept);
}

template <Net N>
void Proxy<N>::adopt_upstreams() {
  for (uint32_t i = 0; i < upstreams_.made(); ++i) {
    UpstreamSession& upstream = upstreams_.at(i);
    if (upstream.connection == kNone || upstream.state == UpstreamSession::State::kMirror) continue;
    if (clusters_.has(upstream.cluster, upstream.endpoint, upstream.address, upstream.port)) continue;
    upstream.vanished = true;
    if (upstream.state == UpstreamSession::State::kIdle) close_upstream(i, true);
  }
}

// Clients of listeners that are gone or have changed, as they were: by slot, null for the others.
template <Net N>
void Proxy<N>::adopt_clients(const std::vector<const config::Listener*>& changed) {
  for (uint32_t i = 0; i < clients_.made(); ++i) {
    DownstreamSession& client = clients_.at(i);
    if (client.connection == kNone || client.state != DownstreamSession::State::kOpen || client.listener == kNone ||
        changed[client.listener] == nullptr)
      continue;
    const config::Listener& was = *changed[client.listener];
    const config::Listener* is = listener_at(was, net_.local_address(client.connection));
    if (is != nullptr) {
      client.listener = is->slot;
      if (client.exchange != kNone) exchanges_.at(client.exchange).record.listener = is->slot;
      adopt_terms(i, was, *is);
      continue;
    }
    client.draining = true;
    client.listener = kNone;  // for good: its slot may be another's one day
    if (client.exchange == kNone) resume(i);
  }
}

// Whoever has that address now, with the port and protocol of `was`; null: nobody.
template <Net N>
const config::Listener* Proxy<N>::listener_at(const config::Listener& was, const base::IpAddress& address) const {
  for (const config::Listener& each : config_->listeners)
    if (each.port == was.port && each.protocol == was.protocol && each.slot < listener_numbers_.size() &&
        std::find(each.addresses.begin(), each.addresses.end(), address) != each.addresses.end())
      return &each;
  return nullptr;
}

// Other proxies: who the others said they are is not believed any longer. Another idle time counts from now on.
template <Net N>
void Proxy<N>::adopt_terms(uint32_t index, const config::Listener& was, const config::Listener& is) {
  DownstreamSession& client = clients_.at(index);
  const bool other_proxies = was.proxies != is.proxies;
  client.draining |= other_proxies;
  if (client.exchange != kNone || same_terms(was, is)) return;
  if (other_proxies) {
    end_client(index, true);
  } else if (!client.awaits_header) {
    client.until = after(is.timeouts.idle);
    arm_client(index);
  }
}

template <Net N>
void Proxy<N>::drain(base::Nanos until, base::Nanos now) {
  now_ = now;
  draining_ = true;
  drain_until_ = until;
  if (until <= now || until >= kMaxFarAway) return;
  const base::Nanos half = (until - now) / 2;
  for (uint32_t i = 0; i < clients_.made(); ++i) {
    DownstreamSession& client = clients_.at(i);
    if (client.connection == kNone || client.exchange != kNone || client.state != DownstreamSession::State::kOpen)
      continue;
    client.until = std::min(client.until, now + half + random_.below(half + 1));
    arm_client(i);
  }
}

template <Net N>
void Proxy<N>::resume_service() {
  draining_ = false;
  drain_until_ = ~base::Nanos{0};
}

template <Net N>
void Proxy<N>::on_time(base::Nanos now) {
  now_ = now;
  wheel_.advance(now, [this](uint32_t member) {
    armed_[member] = 0;
    if (member < limits_.clients)
      on_client_time(member);
    else if (member - limits_.clients < limits_.upstreams)
      on_upstream_time(member - limits_.clients);
    else
      on_cluster_time(member - limits_.clients - limits_.upstreams);
  });
  if (now >= drain_until_) {
    drain_until_ = ~base::Nanos{0};
    for (uint32_t i = 0; i < clients_.made(); ++i) {
      DownstreamSession& client = clients_.at(i);
      if (client.connection == kNone) continue;
      if (client.exchange == kNone) {
        end_client(i, true);
      } else {
        counters_.count(Count::drains_cut);
        break_off(exchange_of(client), 0);
      }
    }
  }
  give_room();
}

// A deadline that is moved later is left where it is and looked at when it comes: most never come.
template <Net N>
void Proxy<N>::arm(uint32_t member, base::Nanos at) {
  if (at >= kMaxFarAway || (armed_[member] != 0 && armed_[member] <= at)) return;
  armed_[member] = at;
  wheel_.set(member, at);
}

template <Net N>
void Proxy<N>::arm_client(uint32_t index) {
  const DownstreamSession& client = clients_.at(index);
  arm(index, client.exchange != kNone ? exchange_of(client).deadline() : client.until);
}

}  // namespace penstock::proxy
