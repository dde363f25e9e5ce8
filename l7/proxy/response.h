// Part of proxy.h: what comes from the endpoint, until the client has it; and what follows an answer's end.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
typename Proxy<N>::Ran Proxy<N>::step_response(Exchange& x) {
  if (x.phase == Phase::kAnswering) return send_answer(x);
  return x.phase == Phase::kStreaming ? stream_response(x) : Ran::kWaits;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::send_answer(Exchange& x) {
  if (!x.response_begun) return send_response_head(x);
  const DownstreamSession& client = client_of(x);
  const bool has_body = message_of(x).response.content.kind == http::Content::Kind::kLength;
  const std::string_view body = has_body ? std::string_view(x.body_filters->direct->body) : std::string_view{};
  if (x.body_at == body.size()) return finish(x);
  const size_t size = std::min(body.size() - x.body_at, ContentOut::room(net_, client.connection));
  if (size == 0) return Ran::kWaits;
  const base::Bytes piece{reinterpret_cast<const uint8_t*>(body.data()) + x.body_at, size};
  if (!x.down.out.send(net_, client.connection, piece, now_)) {
    counters_.count(Count::short_writes);
    break_off(x, kOverload);
    return Ran::kOver;
  }
  x.body_at += size;
  x.record.bytes_sent += size;
  return Ran::kMoved;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::stream_response(Exchange& x) {
  if (x.interim_waits) return on_interim(x);
  if (x.head_waits) return send_response_head(x);
  if (x.response_ending) return end_response(x);
  const UpstreamSession& backend = backend_of(x);
  const uint32_t client = client_of(x).connection;
  const size_t room =
      x.response_begun ? paced_room(x.response_pace, backend.connection, ContentOut::room(net_, client)) : SIZE_MAX;
  const h1::Step step = x.up.next(net_, backend.connection, room, backend.dead, now_);
  switch (step.event) {
    case h1::Event::kMore:
      return Ran::kWaits;
    case h1::Event::kContent:
      x.record.bytes_sent += step.data.size();
      x.response_pace.spend(step.data.size());
      if (!x.down.out.send(net_, client, step.data, now_)) {
        counters_.count(Count::short_writes);
        break_off(x, kOverload);
        return Ran::kOver;
      }
      net_.consume(backend.connection, step.consumed, now_);
      return Ran::kMoved;
    case h1::Event::kInterim:
      net_.consume(backend.connection, step.consumed, now_);
      return on_interim(x);
    case h1::Event::kHead:
      net_.consume(backend.connection, step.consumed, now_);
      return on_response_head(x);
    case h1::Event::kEnd:
      net_.consume(backend.connection, step.consumed, now_);
      return end_response(x);
    case h1::Event::kTunnel:
    case h1::Event::kClosed:
    case h1::Event::kRefused:
      break;
  }
  return on_broken_response(x);
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::on_interim(Exchange& x) {
  const http::ResponseHead& head = message_of(x).response;
  if (!x.interim_waits && !x.gate->admit(head.status)) return Ran::kMoved;
  const Sent sent =
      x.down.send_head(net_, client_of(x).connection, head, {x.method, x.version, false}, now_, scratch());
  x.interim_waits = sent == Sent::kLater;
  if (x.interim_waits) return Ran::kWaits;
  x.interim_sent = true;
  leave_aside(x);
  return Ran::kMoved;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::on_response_head(Exchange& x) {
  http::ResponseHead& head = message_of(x).response;
  // From when the endpoint had the whole request: how long a client takes to send it says nothing of the endpoint.
  if (x.request_done)
    clusters_.note_answer(x.cluster, x.endpoint, now_ - std::max(x.record.upstream_began, x.record.request_ended),
                          now_);
  judge(x, outcome_of(head.status));
  if (x.up.tunnel() && !x.request_done) {
    fail_try(x, Failure::kProtocol);  // it switches protocols within a request
    return Ran::kMoved;
  }
  if (retry_answer(x)) return Ran::kMoved;
  forget_content(x);
  leave_aside(x);
  write_limit_fields(x);
  const config::Listener* listener = listener_of(client_of(x));
  bool fits =
      listener == nullptr || http::add_via(head.fields, head.version, listener->forwarding.via) == http::Fault::kNone;
  fits &= date_answer(head) && filter_answer(x);
  if (!fits) {
    counters_.count(Count::filters_failed);
    leave_backend(x, false);
    answer(x, 500, 0);
    return Ran::kMoved;
  }
  return send_response_head(x);
}

// RFC 9110 6.6.1: who has a clock says when, also in place of an endpoint that did not. The second is the one that the
// control thread wrote down; without it nothing is said. False: no room.
template <Net N>
bool Proxy<N>::date_answer(http::ResponseHead& head) {
  const uint32_t now = config_->session_keys.now();
  if (now == 0 || head.fields.has(http::FieldId::kDate)) return true;
  return head.fields.add(http::FieldId::kDate, date_.of(now)) == http::Fault::kNone;
}

// What the route does with an answer, of an endpoint or of the gateway's own. False: not all of it fits.
template <Net N>
bool Proxy<N>::filter_answer(Exchange& x) {
  http::ResponseHead& head = message_of(x).response;
  bool fits = true;
  for (const config::Filters* each : {x.rule_filters, x.backend_filters})
    if (each != nullptr) fits &= change_fields(each->response, head.fields);
  if (!x.own_answer) fits = fits && tell_session(x, head);
  if (!x.origin.empty() && x.rule_filters != nullptr) fits &= write_cors(*x.rule_filters->cors, x.origin, head);
  return fits;
}

// Whether this answer is the client's last, as far as can be known before it is sent.
template <Net N>
bool Proxy<N>::must_close(const Exchange& x) const {
  const DownstreamSession& client = client_of(x);
  const config::Listener* listener = listener_of(client);
  if (x.close_client || draining_ || client.draining || listener == nullptr || !x.down.reusable()) return true;
  if (listener->requests_per_connection != 0 && client.served + 1 >= listener->requests_per_connection) return true;
  const Message& message = messages_.at(x.message);
  if (message.response.ambiguity != 0 || net_.peer_finished(client.connection)) return true;
  // Content that nobody will read.
  const bool content = message.request.content.kind != http::Content::Kind::kNone;
  return content && !x.content_ended && (x.own_answer || x.expects_continue);
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::send_response_head(Exchange& x) {
  const http::ResponseHead& head = message_of(x).response;
  x.close_client = must_close(x);
  const Sent sent =
      x.down.send_head(net_, client_of(x).connection, head, {x.method, x.version, x.close_client}, now_, scratch());
  x.head_waits = sent == Sent::kLater;
  if (x.head_waits) return Ran::kWaits;
  if (sent == Sent::kBroken) {
    counters_.count(Count::short_writes);
    break_off(x, kOverload);
    return Ran::kOver;
  }
  x.response_begun = true;
  x.record.status = head.status;
  x.record.response_began = now_;
  if (!x.own_answer && x.up.tunnel()) begin_tunnel(x);
  return Ran::kMoved;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::end_response(Exchange& x) {
  const Sent sent = x.down.out.end(net_, client_of(x).connection, message_of(x).response.trailers, now_, scratch());
  x.response_ending = sent == Sent::kLater;
  if (x.response_ending) return Ran::kWaits;
  if (sent == Sent::kAll) return finish(x);
  break_off(x, kUpstreamProtocol);
  return Ran::kOver;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::on_broken_response(Exchange& x) {
  const h1::Refusal refusal = x.up.refusal();
  const bool ended = refusal == h1::Refusal::kNone || refusal == h1::Refusal::truncated;
  if (!ended) x.record.refusal = refusal;
  if (x.response_begun) {
    judge(x, ended ? Outcome::kLocalFailure : Outcome::kGatewayError);
    break_off(x, ended ? kUpstreamTerminated : kUpstreamProtocol);
    return Ran::kOver;
  }
  fail_try(x, ended ? Failure::kReset : Failure::kProtocol);
  return Ran::kMoved;
}

// The answer is out. The connections go on to their next message where both messages on them are whole and clear.
template <Net N>
typename Proxy<N>::Ran Proxy<N>::finish(Exchange& x) {
  // A request without content, answered before it was looked at any further, ends here.
  if (!x.content_ended && message_of(x).request.content.kind == http::Content::Kind::kNone &&
      x.phase == Phase::kAnswering && x.record.method.size != 0) {
    DownstreamSession& client = client_of(x);
    x.content_ended = x.down.next(net_, client.connection, 0, client.dead, now_).event == h1::Event::kEnd;
    x.record.request_ended = now_;
  }
  const Message& message = message_of(x);
  const bool clear = message.response.ambiguity == 0 && message.request.ambiguity == 0;
  const bool keep = !x.close_client && x.content_ended && clear && x.down.reusable() && !x.down.until_close;
  const bool all_read = x.content_ended;
  if (x.backend != kNone) leave_backend(x, x.request_done && clear && x.up.reusable());
  const uint32_t index = x.client;
  over(x);
  DownstreamSession& client = clients_.at(index);
  net_.touch(client.connection);
  if (!keep) {
    close_client(index, all_read);
    return Ran::kOver;
  }
  const config::Listener* listener = listener_of(client);
  client.until = listener != nullptr ? after(listener->timeouts.idle) : now_;
  return Ran::kOver;
}

}  // namespace penstock::proxy
