// Part of proxy.h: which backend and endpoint a request belongs to, by its session or its hash; and what of a session
// is told to the client.
#pragma once

#include "l7/http/cookie.h"
#include "l7/http/text.h"
#include "l7/proxy/balance/hash_key.h"
#include "l7/proxy/proxy.h"
#include "l7/proxy/session_token.h"

namespace penstock::proxy {

// The value of the request's session, as it was sent; empty: it has none.
inline std::string_view session_of(const config::SessionPersistence& how, const http::RequestHead& head) {
  if (how.type == config::SessionPersistence::Type::kHeader) return head.fields.value_of(how.name);
  return http::find_cookie(head.fields, how.name).value_or(std::string_view{});
}

// A session stays with its backend, whatever the weights say by now, and with its endpoint while that may serve.
template <Net N>
const config::Backend* Proxy<N>::choose_backend(Exchange& x, const config::Action& action) {
  const config::SessionPersistence* how = session_persistence(action.filters);
  if (how == nullptr) return config::pick_backend(action, random_.next32());
  const auto token = open_token(session_of(*how, message_of(x).request), config_->session_key);
  if (token && is_alive(*token, *how, seconds_now())) {
    for (const config::Backend& backend : action.backends) {
      if (backend.cluster == config::kNoCluster || clusters_.slot_of(backend.cluster) != token->cluster) continue;
      const config::Endpoint* endpoint = clusters_.find(token->cluster, token->endpoint);
      x.session_moved = true;  // until its own endpoint answers
      if (endpoint == nullptr || endpoint_tag(endpoint->address, endpoint->port, config_->session_key) != token->tag)
        return &backend;
      x.session = token->endpoint;
      x.session_born = token->born;
      return &backend;
    }
  }
  return config::pick_backend(action, random_.next32());
}

template <Net N>
const config::SessionPersistence* Proxy<N>::session_persistence(uint32_t filters) const {
  if (filters == config::kNoFilters || !config_->filters[filters].session) return nullptr;
  return &*config_->filters[filters].session;
}

// `head` null: a TCP connection.
template <Net N>
void Proxy<N>::hash_exchange(Exchange& x, const http::RequestHead* head) {
  const config::Cluster* cluster = clusters_.find(x.cluster);
  if (cluster == nullptr || cluster->balance.hash.empty()) return;
  const auto hash = hash_request(cluster->balance.hash, head, x.record.peer);
  x.hashed = hash.has_value();
  x.hash = hash.value_or(0);
}

// What the client has to send with its next request, if that changes. False: it does not fit.
template <Net N>
bool Proxy<N>::tell_session(Exchange& x, http::ResponseHead& head) {
  if (x.rule_filters == nullptr || !x.rule_filters->session) return true;
  const config::SessionPersistence& how = *x.rule_filters->session;
  const uint32_t now = seconds_now();
  const bool same = x.endpoint == x.session;
  if (same && how.idle_seconds == 0) return true;
  if (!same) {
    counters_.count(Count::sessions_begun);
    if (x.session_moved) counters_.count(Count::sessions_moved);
    x.session_born = now;
  }
  const uint32_t tag = endpoint_tag(x.record.backend, x.record.backend_port, config_->session_key);
  const auto sealed = seal({x.cluster, x.endpoint, tag, x.session_born, now}, config_->session_key);
  const std::string_view token(sealed.data(), sealed.size());
  if (how.type == config::SessionPersistence::Type::kHeader)
    return head.fields.set(how.name, token) == http::Fault::kNone;
  http::Text<config::kMaxSessionNameBytes + kTokenBytes + 64> cookie;
  cookie.put(how.name);
  cookie.put("=");
  cookie.put(token);
  cookie.put("; Path=/; HttpOnly");
  if (how.permanent) {
    cookie.put("; Max-Age=");
    cookie.put_number(how.absolute_seconds - std::min(how.absolute_seconds, now - x.session_born));
  }
  return !cookie.overflowed() && head.fields.add(http::FieldId::kSetCookie, cookie.view()) == http::Fault::kNone;
}

}  // namespace penstock::proxy
