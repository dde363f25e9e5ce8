// Part of proxy.h: the beginning of a request's content that is held. Inspections wait for it (guard.h), and it is sent
// again with another try: up to kReplayBytes of requests that may be sent twice, while half of the buffers are free for
// inspections. What was held goes to the endpoint before what the client still sends.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

// Content on its way to the endpoint, for another try. Where it does not fit, there is none.
template <Net N>
void Proxy<N>::keep_content(Exchange& x, base::Bytes data) {
  if (x.content_taken) return;
  const http::Content& content = message_of(x).request.content;
  const bool long_one = content.kind == http::Content::Kind::kLength && content.length > kReplayBytes;
  if (x.held == kNone && is_repeatable(x) && !long_one && held_bodies_.lent() < limits_.held_bodies / 2) {
    x.held = held_bodies_.take();
    x.held_size = 0;
  }
  if (x.held == kNone || x.held_size + data.size() > kReplayBytes) {
    x.content_taken = true;
    return drop_held(x);
  }
  std::memcpy(held_bodies_.at(x.held).bytes.get() + x.held_size, data.data(), data.size());
  x.held_at = x.held_size += static_cast<uint32_t>(data.size());
}

// A try begins: from the beginning of the content.
template <Net N>
void Proxy<N>::rewind_content(Exchange& x) {
  x.held_at = 0;
  if (!x.content_ended || message_of(x).request.content.kind == http::Content::Kind::kNone) return;
  x.request_ending = true;
  x.request_done = false;
}

template <Net N>
typename Proxy<N>::Ran Proxy<N>::send_held(Exchange& x) {
  x.content_taken |= !is_repeatable(x) || held_bodies_.lent() > limits_.held_bodies / 2;
  const uint32_t backend = backend_of(x).connection;
  const size_t size = std::min<size_t>(x.held_size - x.held_at, ContentOut::room(net_, backend));
  if (size == 0 && x.held_at != x.held_size) return Ran::kWaits;
  if (size != 0) {
    const base::Bytes piece{held_bodies_.at(x.held).bytes.get() + x.held_at, size};
    if (!x.up.out.send(net_, backend, piece, now_)) {
      counters_.count(Count::short_writes);
      leave_backend(x, false);
      if (x.response_begun) {
        break_off(x, kOverload);
        return Ran::kOver;
      }
      answer(x, 503, kOverload);
      return Ran::kMoved;
    }
    x.held_at += static_cast<uint32_t>(size);
  }
  if (x.held_at == x.held_size && x.content_taken) drop_held(x);
  return Ran::kMoved;
}

// There will be no other try.
template <Net N>
void Proxy<N>::forget_content(Exchange& x) {
  x.content_taken = true;
  if (x.held_at == x.held_size) drop_held(x);
}

template <Net N>
void Proxy<N>::drop_held(Exchange& x) {
  if (x.held != kNone) held_bodies_.give(std::exchange(x.held, kNone));
}

}  // namespace penstock::proxy
