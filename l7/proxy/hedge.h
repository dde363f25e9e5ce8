// Part of proxy.h: hedging. A try that takes too long goes on beside the next one, and who says something first is
// heard (Envoy's hedge_on_per_try_timeout). One at most goes on so, and only its connection is kept: nothing of an
// answer has come by it.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
bool Proxy<N>::may_hedge(const Exchange& x) const {
  return x.retry.hedge && x.aside == kNone && x.request_done && x.phase == Phase::kStreaming &&
         x.up.answered_nothing() && may_retry(x, Failure::kTimeout);
}

template <Net N>
void Proxy<N>::set_aside(Exchange& x) {
  x.aside = std::exchange(x.backend, kNone);
  x.aside_began = x.record.upstream_began;
  upstreams_.at(x.aside).state = UpstreamSession::State::kAside;
}

// Back to it: the running try, if there is one, is given up.
template <Net N>
void Proxy<N>::turn_aside(Exchange& x) {
  if (x.phase == Phase::kWaiting) stop_waiting(x);
  leave_backend(x, false);
  x.backend = std::exchange(x.aside, kNone);
  UpstreamSession& upstream = upstreams_.at(x.backend);
  upstream.state = UpstreamSession::State::kBusy;
  x.endpoint = x.record.endpoint = upstream.endpoint;
  if (x.aside_session) x.session = x.endpoint;
  x.record.refusal = h1::Refusal::kNone;  // of the other's answer
  x.record.backend = upstream.address;
  x.record.backend_port = upstream.port;
  x.record.upstream_began = x.aside_began;
  x.request_done = true;  // by it; whatever of it the other has got
  x.request_ending = false;
  x.held_at = x.held_size;
  x.reused = false;  // it had its chance: what becomes of it now is a failure like others
  x.phase = Phase::kStreaming;
  x.try_until = x.backend_timeout != 0 ? now_ + x.backend_timeout : 0;
  x.up.expect(message_of(x).response, x.method, x.upgrade);
}

template <Net N>
void Proxy<N>::leave_aside(Exchange& x) {
  if (x.aside == kNone) return;
  const uint32_t index = std::exchange(x.aside, kNone);
  --clusters_.endpoint(upstreams_.at(index).endpoint).requests;
  close_upstream(index, false);
}

// There is none to begin: an answer of ours, but for one that may still come.
template <Net N>
void Proxy<N>::refuse_try(Exchange& x, uint32_t flags) {
  if (x.aside != kNone) return turn_aside(x);
  answer(x, 503, flags);
}

template <Net N>
void Proxy<N>::on_aside_events(uint32_t index) {
  const UpstreamSession& upstream = upstreams_.at(index);
  Exchange& x = exchanges_.at(upstream.exchange);
  const bool speaks = net_.readable(upstream.connection) != 0;
  if (!speaks && !upstream.dead && !net_.peer_finished(upstream.connection)) return;
  const bool other_speaks = x.phase == Phase::kStreaming && !x.up.answered_nothing();
  if (!speaks || other_speaks) return leave_aside(x);
  counters_.count(Count::hedges_won);
  const uint32_t client = x.client;
  turn_aside(x);
  resume(client);
}

}  // namespace penstock::proxy
