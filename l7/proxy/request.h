// Part of proxy.h: what comes from the client, until it has gone to the endpoint; and the gateway's own answers.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

// Moves an exchange as far as it goes. True: it is over.
template <Net N>
bool Proxy<N>::pump(Exchange& x) {
  const uint32_t client = client_of(x).connection;
  for (;;) {
    if (x.reset_wanted && x.phase != Phase::kDelayed) {
      break_off(x, 0);
      return true;
    }
    if (client_of(x).dead && x.phase != Phase::kTunnel) {
      client_gone(x);
      return true;
    }
    if (x.phase == Phase::kTunnel) {
      if (pump_tunnel(x) == Ran::kOver) return true;
      break;
    }
    const Ran request = step_request(x);
    if (request == Ran::kOver) return true;
    const Ran response = step_response(x);
    if (response == Ran::kOver) return true;
    if (request == Ran::kWaits && response == Ran::kWaits) break;
    x.moved_at = now_;
  }
  net_.touch(client);
  if (x.backend != kNone) net_.touch(backend_of(x).connection);
  return false;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::step_request(Exchange& x) {
  switch (x.phase) {
    case Phase::kHead:
      return read_head(x);
    case Phase::kHolding:
      return hold_content(x);
    case Phase::kSending:
      return send_request_head(x);
    case Phase::kStreaming:
      return x.request_done || backend_of(x).dead ? Ran::kWaits : stream_request(x);
    case Phase::kDelayed:
    case Phase::kWaiting:
    case Phase::kConnecting:
    case Phase::kBackoff:
    case Phase::kAnswering:
    case Phase::kTunnel:
      break;
  }
  return Ran::kWaits;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::read_head(Exchange& x) {
  DownstreamSession& client = client_of(x);
  const h1::Step step = x.down.next(net_, client.connection, SIZE_MAX, client.dead, now_);
  if (step.event == h1::Event::kMore) return Ran::kWaits;
  net_.consume(client.connection, step.consumed, now_);
  if (step.event == h1::Event::kHead) {
    on_request_head(x);
    return Ran::kMoved;
  }
  if (step.event == h1::Event::kRefused && x.down.refusal() != h1::Refusal::truncated) {
    x.record.refusal = x.down.refusal();
    x.close_client = true;
    answer(x, h1::info(x.down.refusal()).status, kDownstreamProtocol);
    return Ran::kMoved;
  }
  client_gone(x);
  return Ran::kOver;
}

template <Net N>
void Proxy<N>::on_request_head(Exchange& x) {
  http::RequestHead& head = message_of(x).request;
  leave_heads(x);
  x.header_until = 0;
  x.method = head.method;
  x.version = x.record.version = head.version;
  x.upgrade = !head.upgrade().empty();
  x.expects_continue = head.expects_continue;
  x.gate.emplace(head);
  x.record.method.set(head.method_text());
  x.record.host.set(head.host());
  x.record.path.set(head.path());
  const config::Listener* listener = listener_of(client_of(x));
  if (listener == nullptr) return answer(x, 503, kNoRoute);  // it vanished while the request was on its way
  if (listener->forwarding.trusted_hops != 0) {
    const base::IpAddress client = http::client_address(head.fields, arrival_of(x), listener->forwarding);
    if (client != x.record.peer) x.record.peer_port = 0;
    x.record.peer = client;
  }
  if (turn_away(x, *listener)) return;
  switch (http::next_hop(head)) {
    case http::Hop::kForward:
      return route_request(x, *listener);
    case http::Hop::kAnswer:
      answer(x, head.method == http::Method::kOptions ? 200 : 405, 0);
      // RFC 9110 15.5.6 and 9.3.7: with what may be asked here. Of a fresh head: it fits.
      (void)message_of(x).response.fields.set("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
      return;
    case http::Hop::kRefuse:
      return answer(x, 400, kDownstreamProtocol);
  }
}

// A listener that is closed: true, and the exchange has its answer, unless the client is one of those let in.
template <Net N>
bool Proxy<N>::turn_away(Exchange& x, const config::Listener& listener) {
  if (!listener.maintenance) return false;
  if (config::contains(listener.maintenance->except, x.record.peer)) return false;
  counters_.count(Count::maintenance_answers);
  base::Nanos delay = 0;
  run_filters(x, listener.maintenance->filters, {}, delay, true);
  return true;
}

// Everything that needs the configuration, at once: what comes later uses what is written down here.
template <Net N>
void Proxy<N>::route_request(Exchange& x, const config::Listener& listener) {
  http::RequestHead& head = message_of(x).request;
  const route::Candidate* found =
      route::find_route(config_->tables[listener.table], head, config_->scratches[worker_][listener.table]);
  const uint32_t slot = found == nullptr ? route::kNoRouteSlot
                                         : config_->routes[config_->first_route[listener.table] + found->route].slot;
  if (slot == route::kNoRouteSlot) {
    if (admit_request(x, found)) answer(x, 404, kNoRoute);
    return;
  }
  const config::Action& action = config_->actions[found->action];
  x.record.route = slot;
  x.record.rule = found->rule;
  follow_rule(x, action.filters);
  const bool preflight = x.rule_filters != nullptr && is_answered_by_cors(*x.rule_filters, x.origin, head);
  if ((!preflight && !admit(x, listener, *found)) || !admit_request(x, found)) return;
  if (action.timeouts.request != 0) x.request_until = x.record.began + action.timeouts.request;
  x.backend_timeout = action.timeouts.backend;
  x.retry.set(action.retry);

  const http::Entrance entrance =
      http::client_entrance(head.fields, {http::Scheme::kHttp, listener.port}, listener.forwarding);
  head.scheme = entrance.scheme;
  const RequestAt at{entrance.port, head.path(), found->prefix_bytes, x.down.limits().path, x.origin};
  base::Nanos delay = 0;
  // Before the filters: the host is the one that the client sent, and what a route says of these fields stands.
  bool goes_on = prepare_forwarding(x, listener) && run_filters(x, action.filters, at, delay, true);
  if (goes_on) {
    const config::Backend* backend = choose_backend(x, action);
    x.cluster =
        backend != nullptr && backend->cluster != config::kNoCluster ? clusters_.slot_of(backend->cluster) : kNone;
    goes_on = x.cluster != kNone;
    if (!goes_on)
      answer(x, 500, kNoCluster);
    else
      follow_cluster(x, action.retry);
    if (goes_on) goes_on = run_filters(x, backend->filters, at, delay, false);
    if (goes_on) hash_exchange(x, &head);
  }
  x.record.cluster = x.cluster;
  x.record.request_id.set(head.fields.value_of(http::FieldId::kXRequestId));
  if (delay != 0) {
    x.answer_ready = !goes_on;
    x.phase = Phase::kDelayed;
    x.try_until = now_ + delay;
  } else if (goes_on) {
    proceed(x);
  }
}

// What the rule does with answers, whoever answers: known before anybody may refuse the request.
template <Net N>
void Proxy<N>::follow_rule(Exchange& x, uint32_t number) {
  if (number == config::kNoFilters || !filters_responses(config_->filters[number])) return;
  x.rule_filters = &config_->filters[number];
  if (x.rule_filters->cors) x.origin = allowed_origin(*x.rule_filters->cors, message_of(x).request);
}

// False: the exchange has its answer.
template <Net N>
bool Proxy<N>::run_filters(Exchange& x, uint32_t number, const RequestAt& at, base::Nanos& delay, bool of_rule) {
  if (number == config::kNoFilters) return true;
  const config::Filters& filters = config_->filters[number];
  Message& message = message_of(x);
  const FilterVerdict verdict = filter_request(filters, at, message.request, message.response, random_);
  delay += verdict.delay;
  x.record.flags |= verdict.flags;
  if (verdict.throttle != 0) throttle(x, verdict.throttle);
  if (verdict.reset) {
    x.reset_wanted = true;
    return false;
  }
  if (verdict.failed) {
    counters_.count(Count::filters_failed);
    answer(x, 500, 0);
    return false;
  }
  if (verdict.answered) {
    if (verdict.body) x.body_filters = &filters;
    if (verdict.preflight) x.rule_filters = nullptr;
    begin_answer(x);
    return false;
  }
  if (!of_rule && filters_responses(filters)) x.backend_filters = &filters;
  // A trailer must not say what a filter sets or removes.
  x.without_trailers = x.without_trailers || !filters.request.empty();
  choose_mirrors(x, filters);
  return true;
}

template <Net N>
http::Arrival Proxy<N>::arrival_of(const Exchange& x) const {
  const proxy_protocol::Endpoints& origin = client_of(x).origin;
  return {origin.source, origin.destination, origin.source_port, origin.destination_port};
}

template <Net N>
bool Proxy<N>::prepare_forwarding(Exchange& x, const config::Listener& listener) {
  http::RequestHead& head = message_of(x).request;
  const http::Arrival arrival = arrival_of(x);
  std::array<uint8_t, 16> random;
  base::store_raw(random.data(), random_.next());
  base::store_raw(random.data() + 8, random_.next());
  if (http::add_forwarding_fields(head, arrival, listener.forwarding) != http::Fault::kNone ||
      http::add_request_id(head, random, listener.forwarding) != http::Fault::kNone) {
    counters_.count(Count::filters_failed);
    answer(x, 500, 0);
    return false;
  }
  return true;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::send_request_head(Exchange& x) {
  Message& message = message_of(x);
  UpstreamSession& backend = backend_of(x);
  const config::Cluster* cluster = clusters_.find(x.cluster);
  const uint32_t most = cluster != nullptr ? cluster->limits.requests_per_connection : 1;
  const bool last = (most != 0 && backend.served + 1 >= most) || message.request.ambiguity != 0 || backend.introduced;
  const Sent sent =
      x.up.send_head(net_, backend.connection, message.request, {last, x.expects_continue}, now_, scratch());
  if (sent == Sent::kLater) return Ran::kWaits;
  if (sent == Sent::kBroken) {
    counters_.count(Count::short_writes);
    leave_backend(x, false);
    answer(x, 503, kOverload);
    return Ran::kMoved;
  }
  ++backend.served;
  if (last) backend.vanished = true;
  ++x.record.tries;
  x.record.upstream_began = now_;
  x.try_until = x.backend_timeout != 0 ? now_ + x.backend_timeout : 0;
  x.phase = Phase::kStreaming;
  x.up.expect(message.response, x.method, x.upgrade);
  rewind_content(x);
  return Ran::kMoved;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::stream_request(Exchange& x) {
  if (x.held != kNone && (x.held_at != x.held_size || x.content_taken)) return send_held(x);
  if (x.request_ending) return end_request(x);
  DownstreamSession& client = client_of(x);
  const uint32_t backend = backend_of(x).connection;
  const size_t room = paced_room(x.request_pace, client.connection, ContentOut::room(net_, backend));
  const h1::Step step = x.down.next(net_, client.connection, room, client.dead, now_);
  switch (step.event) {
    case h1::Event::kMore:
      return Ran::kWaits;
    case h1::Event::kContent:
      x.gate->on_content();
      x.record.bytes_received += step.data.size();
      x.request_pace.spend(step.data.size());
      mirror_content(x, step.data);
      keep_content(x, step.data);
      if (!x.up.out.send(net_, backend, step.data, now_)) {
        counters_.count(Count::short_writes);
        leave_backend(x, false);
        if (x.response_begun) break;
        answer(x, 503, kOverload);
        return Ran::kMoved;
      }
      net_.consume(client.connection, step.consumed, now_);
      return Ran::kMoved;
    case h1::Event::kEnd:
      net_.consume(client.connection, step.consumed, now_);
      x.content_ended = x.request_ending = true;
      x.record.request_ended = now_;
      return end_request(x);
    case h1::Event::kHead:
    case h1::Event::kInterim:
    case h1::Event::kTunnel:
    case h1::Event::kClosed:
    case h1::Event::kRefused:
      return on_broken_request(x);
  }
  break_off(x, kOverload);
  return Ran::kOver;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::end_request(Exchange& x) {
  if (x.without_trailers) message_of(x).request.trailers.clear();
  const Sent sent = x.up.out.end(net_, backend_of(x).connection, message_of(x).request.trailers, now_, scratch());
  if (sent == Sent::kLater) return Ran::kWaits;
  x.request_ending = false;
  if (sent == Sent::kAll) {
    x.request_done = true;
    mirror_end(x);
    return Ran::kMoved;
  }
  counters_.count(Count::short_writes);
  leave_backend(x, false);
  if (x.response_begun) {
    break_off(x, kOverload);
    return Ran::kOver;
  }
  answer(x, 503, kOverload);
  return Ran::kMoved;
}

// The client's content broke, or its connection within it.
template <Net N>
typename Proxy<N>::Ran Proxy<N>::on_broken_request(Exchange& x) {
  x.record.refusal = x.down.refusal();
  if (x.record.refusal == h1::Refusal::truncated || x.record.refusal == h1::Refusal::kNone) {
    client_gone(x);
    return Ran::kOver;
  }
  leave_backend(x, false);
  if (x.response_begun) {
    break_off(x, kDownstreamProtocol);
    return Ran::kOver;
  }
  answer(x, h1::info(x.record.refusal).status, kDownstreamProtocol);
  return Ran::kMoved;
}

// An answer of the gateway's own: without content, unless the listener has something else to say.
template <Net N>
void Proxy<N>::answer(Exchange& x, uint16_t status, uint32_t flags) {
  x.record.flags |= flags;
  if (x.message == kNone) return break_off(x, 0);
  x.body_filters = nullptr;
  http::ResponseHead& head = message_of(x).response;
  head.clear();
  head.status = status;
  if (const config::Listener* listener = listener_of(client_of(x))) {
    for (const config::OwnAnswer& own : listener->own_answers) {
      if (own.status != status) continue;
      const config::Filters& filters = config_->filters[own.filters];
      if (!write_direct(*filters.direct, head)) counters_.count(Count::filters_failed);
      if (!filters.direct->body.empty()) x.body_filters = &filters;
      break;
    }
  }
  begin_answer(x);
}

// The head is filled; the length of the content follows from where it comes from.
template <Net N>
void Proxy<N>::begin_answer(Exchange& x) {
  http::ResponseHead& head = message_of(x).response;
  leave_heads(x);
  leave_aside(x);
  leave_cluster(x);
  // To CONNECT that would be a tunnel (RFC 9110 9.3.6), and what follows were not requests to those in front of us.
  if (x.method == http::Method::kConnect && head.status / 100 == 2) {
    head.status = 503;
    x.body_filters = nullptr;
  }
  drop_held(x);
  const size_t size = x.body_filters != nullptr ? x.body_filters->direct->body.size() : 0;
  head.content = {};
  if (!http::never_has_content(head.status)) {
    head.content.length = size;
    head.content.declared = true;
    if (size != 0 && x.method != http::Method::kHead) head.content.kind = http::Content::Kind::kLength;
  }
  write_limit_fields(x);
  x.head_waits = x.interim_waits = false;
  x.own_answer = true;
  if (!date_answer(head) || !filter_answer(x)) counters_.count(Count::filters_failed);
  x.try_until = 0;
  x.phase = Phase::kAnswering;
}

template <Net N>
void Proxy<N>::client_gone(Exchange& x) {
  x.record.flags |= kDownstreamTerminated;
  const uint32_t client = x.client;
  over(x);
  end_client(client, false);
}

// An answer that has begun and cannot be ended, or a tunnel that broke: the client must not take it for whole. What
// has a length or chunks is cut off by the end of the connection, what ends with the connection only by a reset.
template <Net N>
void Proxy<N>::break_off(Exchange& x, uint32_t flags) {
  x.record.flags |= flags;
  const uint32_t client = x.client;
  const bool reset = x.message == kNone || x.down.until_close || !x.response_begun;
  over(x);
  if (reset)
    end_client(client, false);
  else
    close_client(client, false);
}

template <Net N>
void Proxy<N>::time_out(Exchange& x, uint32_t flag) {
  leave_backend(x, false);
  if (x.phase == Phase::kTunnel || x.response_begun || x.phase == Phase::kAnswering) return break_off(x, flag);
  answer(x,
         x.phase == Phase::kHead || x.phase == Phase::kHolding ||
                 (flag == kStreamIdle && !x.content_ended && x.record.tries != 0)
             ? 408
             : 504,
         flag);
}

template <Net N>
void Proxy<N>::on_exchange_time(Exchange& x) {
  const auto due = [&](base::Nanos at) { return at != 0 && at <= now_; };
  if (due(x.header_until)) {
    x.header_until = 0;
    return x.down.idle() ? client_gone(x) : time_out(x, kStreamIdle);  // an empty line is no request
  }
  if (due(x.stream_until)) {
    x.stream_until = 0;
    return time_out(x, kMaxDuration);
  }
  if (due(x.request_until)) {
    x.request_until = 0;
    const bool unanswered = x.phase == Phase::kStreaming && !x.response_begun && !x.head_waits && !x.interim_waits;
    if (x.request_done && unanswered) judge(x, Outcome::kLocalFailure);
    return time_out(x, kUpstreamTimeout);
  }
  bool paced = false;  // credit for content may be there
  for (Paced* each : {&x.request_pace, &x.response_pace}) {
    if (!due(each->until)) continue;
    each->until = 0;
    x.moved_at = now_;  // it was we who did not move
    paced = true;
  }
  if (!due(x.try_until)) return paced ? void() : time_out(x, kStreamIdle);
  x.try_until = 0;
  switch (x.phase) {
    case Phase::kDelayed:
      if (x.answer_ready)
        x.phase = Phase::kAnswering;
      else
        proceed(x);
      return;
    case Phase::kBackoff:
      return start_try(x);
    case Phase::kConnecting:
      counters_.count(Count::connect_timeouts);
      counters_.count(ClusterCount::connect_timeouts, x.cluster);
      return fail_try(x, Failure::kConnect);
    case Phase::kSending:
    case Phase::kStreaming:
      if (x.response_begun || x.head_waits || x.interim_waits) return time_out(x, kUpstreamTimeout);
      return fail_try(x, Failure::kTimeout);
    case Phase::kHolding:
      return time_out(x, kStreamIdle);
    case Phase::kHead:
    case Phase::kWaiting:
    case Phase::kAnswering:
    case Phase::kTunnel:
      break;
  }
}

}  // namespace penstock::proxy
