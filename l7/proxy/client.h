// Part of proxy.h: connections of clients from accept to release, and the ends of exchanges.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
const config::Listener* Proxy<N>::listener_of(const DownstreamSession& client) const {
  if (client.listener == kNone) return nullptr;
  const uint32_t number = listener_numbers_[client.listener];
  return number == kNone ? nullptr : &config_->listeners[number];
}

template <Net N>
void Proxy<N>::on_accept(uint32_t id, uint32_t number, base::Nanos now) {
  now_ = now;
  const bool known = config_ != nullptr && id < sides_.size() && number < config_->listeners.size() &&
                     config_->listeners[number].slot < listener_numbers_.size();
  const uint32_t index = known ? clients_.take() : kNone;
  if (index == kNone) {
    counters_.count(Count::connections_refused);
    net_.abort(id);
    net_.release(id);
    return;
  }
  counters_.count(Count::connections_accepted);
  const config::Listener& listener = config_->listeners[number];
  DownstreamSession& client = clients_.at(index);
  client = {};
  client.connection = id;
  client.listener = listener.slot;
  client.tcp = listener.protocol == config::Protocol::kTcp;
  client.origin = {.known = true,
                   .datagram = false,
                   .source = net_.peer_address(id),
                   .destination = net_.local_address(id),
                   .source_port = net_.peer_port(id),
                   .destination_port = listener.port};
  client.awaits_header = config::contains(listener.proxies, client.origin.source);
  client.until = after(client.awaits_header ? listener.timeouts.header : listener.timeouts.idle);
  sides_[id] = index * 2;
  if (client.tcp && !client.awaits_header) begin_tcp(index, listener);
  resume(index);
  give_room();
}

template <Net N>
void Proxy<N>::on_events(uint32_t id, uint8_t events, base::Nanos now) {
  now_ = now;
  if (id >= sides_.size() || sides_[id] == kNone) return;
  const uint32_t index = sides_[id] / 2;
  if (sides_[id] % 2 == kUpstreamSide) {
    on_upstream_events(index, events);
  } else {
    DownstreamSession& client = clients_.at(index);
    client.dead |= (events & kEnded) != 0;
    if (client.state == DownstreamSession::State::kLingering)
      linger(index);
    else
      resume(index);
  }
  give_room();
}

// All that can be done for a client now: its exchange goes on, and after it the next one, as long as there is one.
template <Net N>
void Proxy<N>::resume(uint32_t index) {
  for (;;) {
    DownstreamSession& client = clients_.at(index);
    if (client.connection == kNone || client.state != DownstreamSession::State::kOpen) return;
    if (client.awaits_header) {
      if (take_header(index)) continue;
      return;
    }
    if (client.exchange != kNone) {
      if (pump(exchange_of(client))) continue;
      return arm_client(index);
    }
    if (client.dead || client.tcp) return end_client(index, !client.dead);
    if (net_.readable(client.connection) == 0) {
      if (net_.peer_finished(client.connection) || (client.draining && client.served != 0))
        return end_client(index, true);
      return arm_client(index);
    }
    if (!begin_exchange(index)) return refuse_client(index);
  }
}

// The header of the PROXY protocol, by which a proxy says whom the connection is for. False: it is not there yet, or
// was none.
template <Net N>
bool Proxy<N>::take_header(uint32_t index) {
  constexpr size_t kPieces = 8;
  DownstreamSession& client = clients_.at(index);
  const config::Listener* listener = listener_of(client);
  if (listener == nullptr || !config::contains(listener->proxies, client.origin.source)) {
    end_client(index, false);  // nobody believes it any more
    return false;
  }
  base::Bytes pieces[kPieces];
  size_t count = 0, size = 0;
  net_.peek(client.connection, pieces, kPieces, count);
  for (size_t i = 0; i < count && size < proxy_protocol::kMaxHeaderBytes; ++i) {
    const base::Bytes piece = pieces[i].first(std::min(pieces[i].size(), proxy_protocol::kMaxHeaderBytes - size));
    std::copy(piece.begin(), piece.end(), scratch_.get() + size);
    size += piece.size();
  }
  proxy_protocol::Endpoints said;
  const proxy_protocol::Read read = proxy_protocol::read_header(scratch().first(size), said);
  if (read.got == proxy_protocol::Read::Got::kRefused) counters_.count(read.fault);
  if (read.got == proxy_protocol::Read::Got::kMore && !client.dead && !net_.peer_finished(client.connection)) {
    arm_client(index);
    return false;
  }
  if (read.got != proxy_protocol::Read::Got::kHeader) {
    end_client(index, false);
    return false;
  }
  net_.consume(client.connection, read.consumed, now_);
  if (said.known) client.origin = said;
  client.awaits_header = false;
  client.until = after(listener->timeouts.idle);
  if (client.tcp) begin_tcp(index, *listener);
  return true;
}

template <Net N>
bool Proxy<N>::begin_exchange(uint32_t index) {
  DownstreamSession& client = clients_.at(index);
  uint32_t message = kNone;
  if (!client.tcp) message = messages_.take(limits_.room);
  if (!client.tcp && message == kNone && evict_head()) message = messages_.take(limits_.room);
  if (!client.tcp && message == kNone) {
    counters_.count(Count::messages_exhausted);
    return false;
  }
  client.exchange = exchanges_.take(limits_.codec);
  if (client.exchange == kNone) {
    counters_.count(Count::exchanges_exhausted);
    if (message != kNone) messages_.give(message);
    return false;
  }
  Exchange& x = exchange_of(client);
  static_cast<ExchangeState&>(x) = {};
  x.client = index;
  x.message = message;
  x.moved_at = x.record.began = now_;
  x.record.listener = client.listener;
  x.record.peer = client.origin.source;
  x.record.peer_port = client.origin.source_port;
  x.record.direct = net_.peer_address(client.connection);
  x.record.direct_port = net_.peer_port(client.connection);
  const config::Listener* listener = listener_of(client);
  const config::ListenerTimeouts timeouts = listener != nullptr ? listener->timeouts : config::ListenerTimeouts{};
  x.stream_timeout = timeouts.stream;
  if (!client.tcp && timeouts.header != 0) x.header_until = now_ + timeouts.header;
  if (message != kNone) {
    const h1::Limits limits = listener != nullptr ? h1::Limits{listener->limits, listener->path} : h1::Limits{};
    x.down.begin(messages_.at(message).request, limits);
    enter_heads(x);
  }
  return true;
}

template <Net N>
void Proxy<N>::enter_heads(Exchange& x) {
  const uint32_t index = client_of(x).exchange;
  x.in_heads = true;
  x.previous_waiting = newest_head_;
  (newest_head_ == kNone ? oldest_head_ : exchanges_.at(newest_head_).next_waiting) = index;
  newest_head_ = index;
}

template <Net N>
void Proxy<N>::leave_heads(Exchange& x) {
  if (!x.in_heads) return;
  x.in_heads = false;
  (x.previous_waiting == kNone ? oldest_head_ : exchanges_.at(x.previous_waiting).next_waiting) = x.next_waiting;
  (x.next_waiting == kNone ? newest_head_ : exchanges_.at(x.next_waiting).previous_waiting) = x.previous_waiting;
  x.next_waiting = x.previous_waiting = kNone;
}

// Who holds memory by sending slowly does not keep others out (slowloris).
template <Net N>
bool Proxy<N>::evict_head() {
  if (oldest_head_ == kNone || now_ - exchanges_.at(oldest_head_).record.began < kHeadPatience) return false;
  counters_.count(Count::heads_evicted);
  break_off(exchanges_.at(oldest_head_), kStreamIdle | kOverload);
  return true;
}

// No room for another request: said without any memory of a request.
template <Net N>
void Proxy<N>::refuse_client(uint32_t index) {
  static constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
  const DownstreamSession& client = clients_.at(index);
  write_whole(net_, client.connection, {reinterpret_cast<const uint8_t*>(kAnswer.data()), kAnswer.size()}, now_);
  close_client(index, false);
}

// Nothing is known of the connection afterwards.
template <Net N>
void Proxy<N>::let_go(uint32_t& connection, bool in_peace) {
  if (in_peace)
    net_.close(connection, now_);
  else
    net_.abort(connection);
  net_.release(connection);
  sides_[connection] = kNone;
  connection = kNone;
}

template <Net N>
void Proxy<N>::end_client(uint32_t index, bool in_peace) {
  let_go(clients_.at(index).connection, in_peace);
  clients_.give(index);
}

// After the last answer. What was not read would make the transport send a reset, which may overtake the answer.
template <Net N>
void Proxy<N>::close_client(uint32_t index, bool all_read) {
  DownstreamSession& client = clients_.at(index);
  if (all_read && net_.readable(client.connection) == 0) return end_client(index, true);
  client.state = DownstreamSession::State::kLingering;
  client.until = now_ + kLinger;
  net_.finish(client.connection, now_);
  linger(index);
}

template <Net N>
void Proxy<N>::linger(uint32_t index) {
  DownstreamSession& client = clients_.at(index);
  if (client.dead) return end_client(index, false);
  if (const size_t unread = net_.readable(client.connection); unread != 0)
    net_.consume(client.connection, unread, now_);
  if (net_.peer_finished(client.connection)) return end_client(index, true);
  net_.touch(client.connection);
  arm(index, client.until);
}

template <Net N>
void Proxy<N>::on_client_time(uint32_t index) {
  DownstreamSession& client = clients_.at(index);
  if (client.connection == kNone) return;
  const bool open = client.state == DownstreamSession::State::kOpen;
  const base::Nanos until = open && client.exchange != kNone ? exchange_of(client).deadline() : client.until;
  if (until > now_) return arm(index, until);
  if (!open) {
    counters_.count(Count::lingers_cut);
    end_client(index, true);  // TCP still sends what is left of the answer, and resets whoever goes on sending
  } else if (client.exchange == kNone) {
    if (client.awaits_header) counters_.count(Count::headers_late);
    end_client(index, true);
  } else {
    on_exchange_time(exchange_of(client));
    resume(index);
  }
}

// Gives back all that the exchange held; the client's connection is the caller's to go on with.
template <Net N>
void Proxy<N>::over(Exchange& x) {
  leave_heads(x);
  leave_backend(x, false);
  leave_aside(x);
  leave_cluster(x);
  drop_mirrors(x);
  if (x.copies != kNone) copies_.give(x.copies);
  drop_held(x);
  log(x);
  if (x.message != kNone) messages_.give(x.message);
  DownstreamSession& client = client_of(x);
  ++client.served;
  exchanges_.give(client.exchange);
  client.exchange = kNone;
  x.client = kNone;
}

template <Net N>
void Proxy<N>::log(Exchange& x) {
  x.record.ended = now_;
  counters_.add(x.record);
  AccessRecord* record = log_.reserve();
  if (record == nullptr) return counters_.count(Count::log_lost);
  *record = x.record;
  log_.commit();
}

}  // namespace penstock::proxy
