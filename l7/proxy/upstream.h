// Part of proxy.h: an endpoint and a connection for each try of a request; limits, waiting, retries; kept connections.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
void Proxy<N>::start_try(Exchange& x) {
  x.head_waits = x.interim_waits = false;  // what an earlier try had brought
  learn_ejections(x.cluster);
  const config::Cluster* cluster = clusters_.find(x.cluster);
  const config::Endpoint* endpoint = clusters_.pick(x.cluster, {x.avoid, x.session, x.hash, x.hashed}, random_, now_);
  const uint32_t last_try = x.retried != 0 ? uint32_t{kRetriesExhausted} : 0;
  if (cluster == nullptr || endpoint == nullptr) return refuse_try(x, kNoHealthyUpstream | last_try);
  ClusterState& state = clusters_.cluster(x.cluster);
  if (!x.counted) {
    if (state.requests.read() >= cluster->limits.requests) {
      counters_.count(Count::pool_overflows);
      counters_.count(ClusterCount::overflows, x.cluster);
      return answer(x, 503, kOverflow);
    }
    ++state.requests;
    x.counted = true;
    if (cluster->resilience.budget) budgets_.note_request(x.cluster, *cluster->resilience.budget, now_);
  }
  x.reused = false;
  const bool shares = x.message != kNone && cluster->proxy_header == config::ProxyHeader::kNone;
  if (shares && reuse(x, endpoint->slot)) return preconnect(x, *endpoint, *cluster);
  if (state.connections.read() >= cluster->limits.connections) {
    const uint32_t oldest = pool_.oldest(x.cluster);  // of another endpoint: it makes room
    if (oldest == kNone && x.aside == kNone) return wait(x, *cluster);
    if (oldest != kNone) {
      close_upstream(oldest, true);
    } else {
      leave_aside(x);
    }
  }
  connect(x, *endpoint, *cluster);
  if (shares && x.phase == Phase::kConnecting && x.endpoint == endpoint->slot) preconnect(x, *endpoint, *cluster);
}

// A kept connection that is as good as new.
template <Net N>
bool Proxy<N>::reuse(Exchange& x, uint32_t endpoint) {
  for (;;) {
    const uint32_t index = pool_.newest(endpoint);
    if (index == kNone || upstreams_.at(index).cluster != x.cluster) return false;
    if (!is_fresh(upstreams_.at(index))) {
      close_upstream(index, false);
      continue;
    }
    pool_.remove(index);
    counters_.count(Count::reuses);
    x.reused = true;
    attach(x, index);
    upstreams_.at(index).state = UpstreamSession::State::kBusy;
    x.phase = Phase::kSending;
    x.try_until = 0;
    return true;
  }
}

template <Net N>
bool Proxy<N>::is_fresh(const UpstreamSession& upstream) {
  const bool expired = upstream.expires != 0 && upstream.expires <= now_;
  return !upstream.dead && !upstream.vanished && !expired && net_.readable(upstream.connection) == 0 &&
         !net_.peer_finished(upstream.connection);
}

// A connection of the transport, introduced as the client's where the cluster wants it; kNone: there is none.
template <Net N>
uint32_t Proxy<N>::connect_for(const DownstreamSession& client, const config::Endpoint& endpoint,
                               const config::Cluster& cluster) {
  const uint32_t id = net_.connect(endpoint, now_);
  if (id == kNoPort) counters_.count(Count::ports_exhausted);
  if (id == kNone || id == kNoPort) return kNone;
  bool ready = id < sides_.size();
  if (ready && cluster.proxy_header != config::ProxyHeader::kNone) {
    std::array<uint8_t, proxy_protocol::kMaxEncodedBytes> header;
    const auto version =
        cluster.proxy_header == config::ProxyHeader::kV1 ? proxy_protocol::Version::kV1 : proxy_protocol::Version::kV2;
    const size_t size = proxy_protocol::encode_header(version, client.origin, header);
    ready = write_whole(net_, id, {header.data(), size}, now_) == Sent::kAll;
    if (!ready) counters_.count(Count::short_writes);
  }
  if (ready) return id;
  net_.abort(id);
  net_.release(id);
  return kNone;
}

template <Net N>
void Proxy<N>::connect(Exchange& x, const config::Endpoint& endpoint, const config::Cluster& cluster) {
  const uint32_t index = open_upstream(client_of(x), endpoint, cluster);
  if (index == kNone) {
    x.avoid = endpoint.slot;
    return fail_try(x, Failure::kNoRoom);
  }
  attach(x, index);
  x.phase = Phase::kConnecting;
  x.try_until = cluster.limits.connect_timeout != 0 ? now_ + cluster.limits.connect_timeout : 0;
}

// kNone: there is no room, or no port.
template <Net N>
uint32_t Proxy<N>::open_upstream(const DownstreamSession& client, const config::Endpoint& endpoint,
                                 const config::Cluster& cluster) {
  const uint32_t index = upstreams_.take();
  const uint32_t id = index == kNone ? kNone : connect_for(client, endpoint, cluster);
  if (id == kNone) {
    if (index != kNone) upstreams_.give(index);
    counters_.count(Count::upstreams_exhausted);
    return kNone;
  }
  counters_.count(Count::connects);
  counters_.count(ClusterCount::connects, cluster.slot);
  UpstreamSession& upstream = upstreams_.at(index);
  upstream = {};
  upstream.connection = id;
  upstream.cluster = cluster.slot;
  upstream.endpoint = endpoint.slot;
  upstream.introduced = cluster.proxy_header != config::ProxyHeader::kNone;
  upstream.address = endpoint.address;
  upstream.port = endpoint.port;
  upstream.expires = cluster.limits.lifetime != 0 ? now_ + cluster.limits.lifetime : 0;
  sides_[id] = index * 2 + kUpstreamSide;
  ++clusters_.cluster(cluster.slot).connections;
  ++clusters_.endpoint(endpoint.slot).connections;
  return index;
}

template <Net N>
void Proxy<N>::attach(Exchange& x, uint32_t index) {
  UpstreamSession& upstream = upstreams_.at(index);
  upstream.exchange = client_of(x).exchange;
  x.backend = index;
  x.endpoint = x.record.endpoint = upstream.endpoint;
  x.record.backend = upstream.address;
  x.record.backend_port = upstream.port;
  ++clusters_.endpoint(upstream.endpoint).requests;
}

// No connection may be made now: in line with those of the same cluster.
template <Net N>
void Proxy<N>::wait(Exchange& x, const config::Cluster& cluster) {
  ClusterState& state = clusters_.cluster(x.cluster);
  if (state.waiting.read() >= cluster.limits.pending) {
    counters_.count(Count::pool_overflows);
    counters_.count(ClusterCount::overflows, x.cluster);
    return refuse_try(x, kOverflow);
  }
  counters_.count(Count::pool_waits);
  counters_.count(ClusterCount::waits, x.cluster);
  const uint32_t index = client_of(x).exchange;
  x.previous_waiting = state.last_waiting;
  x.next_waiting = kNone;
  (x.previous_waiting == kNone ? state.first_waiting : exchanges_.at(x.previous_waiting).next_waiting) = index;
  state.last_waiting = index;
  ++state.waiting;
  x.phase = Phase::kWaiting;
  x.try_until = 0;
}

template <Net N>
void Proxy<N>::stop_waiting(Exchange& x) {
  ClusterState& state = clusters_.cluster(x.cluster);
  (x.previous_waiting == kNone ? state.first_waiting : exchanges_.at(x.previous_waiting).next_waiting) = x.next_waiting;
  (x.next_waiting == kNone ? state.last_waiting : exchanges_.at(x.next_waiting).previous_waiting) = x.previous_waiting;
  x.next_waiting = x.previous_waiting = kNone;
  --state.waiting;
}

template <Net N>
void Proxy<N>::leave_cluster(Exchange& x) {
  if (x.phase == Phase::kWaiting) stop_waiting(x);
  if (x.counted) --clusters_.cluster(x.cluster).requests;
  x.counted = false;
}

template <Net N>
void Proxy<N>::leave_backend(Exchange& x, bool keep) {
  if (x.backend == kNone) return;
  const uint32_t index = std::exchange(x.backend, kNone);
  UpstreamSession& upstream = upstreams_.at(index);
  --clusters_.endpoint(upstream.endpoint).requests;
  upstream.exchange = kNone;
  if (!keep) return close_upstream(index, false);
  keep_upstream(index);
}

// For the next request, if it is as good as new.
template <Net N>
void Proxy<N>::keep_upstream(uint32_t index) {
  UpstreamSession& upstream = upstreams_.at(index);
  const config::Cluster* cluster = clusters_.find(upstream.cluster);
  if (cluster == nullptr || !is_fresh(upstream) || clusters_.passes_over(upstream.endpoint))
    return close_upstream(index, true);
  pool_.put(index);
  upstream.until = cluster->limits.idle != 0 ? now_ + cluster->limits.idle : upstream.expires;
  if (upstream.expires != 0) upstream.until = std::min(upstream.until, upstream.expires);
  net_.touch(upstream.connection);
  if (upstream.until != 0) arm(limits_.clients + index, upstream.until);
  note_room(upstream.cluster);
}

template <Net N>
void Proxy<N>::close_upstream(uint32_t index, bool in_peace) {
  UpstreamSession& upstream = upstreams_.at(index);
  if (upstream.state == UpstreamSession::State::kIdle) pool_.remove(index);
  if (upstream.state == UpstreamSession::State::kMirror) {
    --clusters_.cluster(upstream.cluster).mirrors;
  } else {
    --clusters_.cluster(upstream.cluster).connections;
    --clusters_.endpoint(upstream.endpoint).connections;
    note_room(upstream.cluster);
  }
  let_go(upstream.connection, in_peace);
  upstreams_.give(index);
}

// A failure is no quick answer, however quick it was: an endpoint that refuses must not look like the fastest.
template <Net N>
void Proxy<N>::note_failure(const Exchange& x) {
  const config::Cluster* cluster = clusters_.find(x.cluster);
  if (x.backend == kNone || cluster == nullptr) return;
  const base::Nanos least = std::max(cluster->limits.connect_timeout, base::kNanosPerSecond);
  const base::Nanos took = x.record.upstream_began != 0 ? now_ - x.record.upstream_began : 0;
  clusters_.note_answer(x.cluster, x.endpoint, std::max(least, took), now_);
}

// Nothing of an answer has gone to the client yet.
template <Net N>
void Proxy<N>::fail_try(Exchange& x, Failure why) {
  // A kept connection that ended without a word was closed before the request came: that says nothing of the endpoint
  // (RFC 9112 9.3.1).
  const bool stale = why == Failure::kReset && x.reused && !x.stale_retried && x.replayable() &&
                     http::is_idempotent(x.method) && x.up.answered_nothing();
  if (why == Failure::kConnect && x.backend != kNone) {  // else it was not begun
    counters_.count(Count::connect_failures);
    counters_.count(ClusterCount::connect_failures, x.cluster);
  }
  if (why == Failure::kTimeout) counters_.count(ClusterCount::timeouts, x.cluster);
  const bool aside = why == Failure::kTimeout && may_hedge(x);
  if (x.backend != kNone && !stale) {
    x.avoid = x.endpoint;
    if (aside) x.aside_session = x.session == x.endpoint;
    if (x.session == x.endpoint) x.session = kNone;  // a new one begins where the request ends up
  }
  // A switch of protocols within a request is a matter between client and endpoint, and judged as an answer already.
  const bool switched = why == Failure::kProtocol && x.up.tunnel();
  if (!stale && !switched && (why != Failure::kTimeout || x.request_done)) {
    note_failure(x);
    judge(x, why == Failure::kProtocol ? Outcome::kGatewayError : Outcome::kLocalFailure);
  }
  if (aside) {
    set_aside(x);
  } else {
    leave_backend(x, false);
  }
  if (stale) {
    x.stale_retried = true;
    counters_.count(Count::stale_retries);
    return start_try(x);
  }
  if (may_retry(x, why) && spend_retry(x)) {
    if (aside) counters_.count(Count::hedges);
    return begin_retry(x, 0);
  }
  if (x.aside != kNone && why != Failure::kTimeout) return turn_aside(x);
  const uint32_t last_try = x.retried != 0 ? uint32_t{kRetriesExhausted} : 0;
  switch (why) {
    case Failure::kConnect:
      return answer(x, 503, kConnectFailed | last_try);
    case Failure::kNoRoom:
      return answer(x, 503, kOverload | last_try);
    case Failure::kReset:
      return answer(x, 503, kUpstreamTerminated | last_try);
    case Failure::kProtocol:
      return answer(x, 502, kUpstreamProtocol | last_try);
    case Failure::kTimeout:
      return answer(x, 504, kUpstreamTimeout | last_try);
  }
}

template <Net N>
void Proxy<N>::on_upstream_events(uint32_t index, uint8_t events) {
  UpstreamSession& upstream = upstreams_.at(index);
  upstream.dead |= (events & kEnded) != 0;
  if (upstream.state == UpstreamSession::State::kMirror) return on_mirror_events(index);
  if (upstream.state == UpstreamSession::State::kAhead) return on_ahead_events(index, events);
  if (upstream.state == UpstreamSession::State::kAside) return on_aside_events(index);
  if (upstream.state == UpstreamSession::State::kIdle) {
    if (is_fresh(upstream)) return;
    if (!upstream.dead && net_.readable(upstream.connection) != 0) counters_.count(Count::idle_surprises);
    return close_upstream(index, !upstream.dead);
  }
  Exchange& x = exchanges_.at(upstream.exchange);
  const uint32_t client = x.client;
  if (x.phase == Phase::kConnecting) {
    if (upstream.dead) {
      fail_try(x, Failure::kConnect);
    } else if (events & kConnected) {
      upstream.state = UpstreamSession::State::kBusy;
      x.try_until = 0;
      judge(x, x.message == kNone ? Outcome::kSuccess : Outcome::kConnected);
      if (x.message == kNone)
        begin_tunnel(x);
      else
        x.phase = Phase::kSending;
    }
  } else if (x.phase == Phase::kSending && upstream.dead) {
    fail_try(x, Failure::kReset);
  }
  resume(client);
}

template <Net N>
void Proxy<N>::on_upstream_time(uint32_t index) {
  UpstreamSession& upstream = upstreams_.at(index);
  if (upstream.connection == kNone) return;
  using State = UpstreamSession::State;
  if (upstream.state == State::kBusy || upstream.state == State::kConnecting || upstream.state == State::kAside ||
      upstream.until == 0)
    return;
  if (upstream.until > now_) return arm(limits_.clients + index, upstream.until);
  if (upstream.state == State::kIdle) return close_upstream(index, true);
  if (upstream.state == State::kAhead) return fail_ahead(index);
  if (upstream.exchange != kNone)
    drop_mirrors(exchanges_.at(upstream.exchange));
  else
    close_upstream(index, false);
}

template <Net N>
void Proxy<N>::note_room(uint32_t slot) {
  ClusterState& state = clusters_.cluster(slot);
  if (state.waiting.read() == 0 || state.freed) return;
  state.freed = true;
  state.next_freed = first_freed_;
  first_freed_ = slot;
}

// Those who wait go on, at the end of every call: nothing is called back from the middle of another exchange.
template <Net N>
void Proxy<N>::give_room() {
  while (first_freed_ != kNone) {
    const uint32_t slot = first_freed_;
    ClusterState& state = clusters_.cluster(slot);
    first_freed_ = state.next_freed;
    state.freed = false;
    while (state.waiting.read() != 0) {
      const config::Cluster* cluster = clusters_.find(slot);
      if (cluster != nullptr && state.connections.read() >= cluster->limits.connections && pool_.oldest(slot) == kNone)
        break;
      Exchange& x = exchanges_.at(state.first_waiting);
      const uint32_t client = x.client;
      stop_waiting(x);
      x.phase = Phase::kBackoff;
      start_try(x);
      resume(client);
    }
  }
}

}  // namespace penstock::proxy
