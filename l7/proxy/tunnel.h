// Part of proxy.h: bytes both ways. TCP listeners, and HTTP connections that have switched protocols.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
void Proxy<N>::begin_tcp(uint32_t index, const config::Listener& listener) {
  if (!begin_exchange(index)) return end_client(index, false);
  Exchange& x = exchange_of(clients_.at(index));
  if (listener.maintenance && !config::contains(listener.maintenance->except, x.record.peer)) {
    counters_.count(Count::maintenance_answers);
    return break_off(x, 0);
  }
  const config::Action& action = config_->actions[listener.action];
  const config::Backend* backend = config::pick_backend(action, random_.next32());
  x.cluster =
      backend != nullptr && backend->cluster != config::kNoCluster ? clusters_.slot_of(backend->cluster) : kNone;
  x.record.cluster = x.cluster;
  if (x.cluster == kNone) return break_off(x, kNoCluster);
  join_limits(x);
  x.retry.set(action.retry);
  hash_exchange(x, nullptr);
  follow_cluster(x, action.retry);
  start_try(x);
}

// From here on only the stream time-out counts, and the cluster's longest time: a tunnel is as old as its users want
// it.
template <Net N>
void Proxy<N>::begin_tunnel(Exchange& x) {
  drop_mirrors(x);
  backend_of(x).vanished = true;  // whatever it speaks afterwards, it is no HTTP
  x.phase = Phase::kTunnel;
  x.request_until = x.try_until = 0;
  if (x.message == kNone) {
    ++x.record.tries;
    x.record.upstream_began = now_;
    return;
  }
  messages_.give(x.message);
  x.message = kNone;
  x.rule_filters = x.backend_filters = x.body_filters = nullptr;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::pump_tunnel(Exchange& x) {
  const DownstreamSession& client = client_of(x);
  const UpstreamSession& backend = backend_of(x);
  const uint32_t a = client.connection, b = backend.connection;
  const Ran up = carry(a, b, backend.dead, x.client_finished, x.request_pace, x.record.bytes_received);
  const Ran down = carry(b, a, client.dead, x.backend_finished, x.response_pace, x.record.bytes_sent);
  if (up == Ran::kMoved || down == Ran::kMoved) x.moved_at = now_;
  const bool client_broke = client.dead && !net_.peer_finished(a);
  const bool backend_broke = backend.dead && !net_.peer_finished(b);
  if (client_broke || backend_broke || up == Ran::kOver || down == Ran::kOver) {
    break_off(x, client_broke ? kDownstreamTerminated : kUpstreamTerminated);
    return Ran::kOver;
  }
  if (!x.client_finished || !x.backend_finished) return Ran::kWaits;
  const uint32_t index = x.client;
  leave_backend(x, true);
  over(x);
  end_client(index, true);
  return Ran::kOver;
}

// kOver: there are bytes for a connection that is dead.
template <Net N>
typename Proxy<N>::Ran Proxy<N>::carry(uint32_t from, uint32_t to, bool to_dead, bool& finished, Paced& pace,
                                       uint64_t& bytes) {
  constexpr size_t kPieces = 16;
  Ran ran = Ran::kWaits;
  for (;;) {
    base::Bytes pieces[kPieces];
    size_t count = 0;
    if (net_.peek(from, pieces, kPieces, count) == 0) break;
    if (to_dead) return Ran::kOver;
    size_t room = paced_room(pace, from, net_.writable(to)), moved = 0;
    for (size_t i = 0; i < count && room != 0; ++i) {
      const size_t written = net_.write(to, pieces[i].first(std::min(pieces[i].size(), room)), now_);
      moved += written;
      room = written < pieces[i].size() ? 0 : room - written;
    }
    if (moved == 0) break;
    net_.consume(from, moved, now_);
    pace.spend(moved);
    bytes += moved;
    ran = Ran::kMoved;
  }
  if (!finished && net_.readable(from) == 0 && net_.peer_finished(from)) {
    if (!to_dead) net_.finish(to, now_);
    finished = true;
    ran = Ran::kMoved;
  }
  return ran;
}

}  // namespace penstock::proxy
