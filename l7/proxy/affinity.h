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
  const config::Backend* backend = find_session(x, action, *how);
  if (backend == nullptr) backend = config::pick_backend(action, random_.next32());
  if (backend != nullptr && backend->cluster != config::kNoCluster)
    x.session_cluster = config_->clusters[backend->cluster].id;
  return backend;
}

// The backend of the request's session, and into `x` its endpoint. Null: there is no session that counts here.
template <Net N>
const config::Backend* Proxy<N>::find_session(Exchange& x, const config::Action& action,
                                              const config::SessionPersistence& how) const {
  const auto opened = open_token(session_of(how, messages_.at(x.message).request), config_->session_keys.all());
  if (!opened || !is_alive(opened->token, how, config_->session_keys.now())) return nullptr;
  const SessionToken& token = opened->token;
  for (const config::Backend& backend : action.backends) {
    if (backend.cluster == config::kNoCluster) continue;
    const config::Cluster& cluster = config_->clusters[backend.cluster];
    if (cluster.id != token.cluster) continue;
    x.session_moved = true;  // until its own endpoint answers
    const config::Endpoint* endpoint = config::find_endpoint(cluster, token.address, token.port);
    if (endpoint != nullptr && clusters_.find(clusters_.slot_of(backend.cluster), endpoint->slot) != nullptr) {
      x.session = endpoint->slot;
      x.session_born = token.born;
      x.session_renewed = opened->of_old_key;
    }
    return &backend;
  }
  return nullptr;
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
  const config::SessionKeys& keys = config_->session_keys;
  if (keys.count == 0) return true;
  const uint32_t now = keys.now();
  const bool same = x.endpoint == x.session;
  if (same && how.idle_seconds == 0 && !x.session_renewed) return true;
  if (!same) {
    counters_.count(Count::sessions_begun);
    if (x.session_moved) counters_.count(Count::sessions_moved);
    x.session_born = now;
  }
  const auto sealed =
      seal({x.record.backend, x.record.backend_port, x.session_cluster, x.session_born, now}, keys.keys[0]);
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
    cookie.put_number(how.absolute_seconds - std::min(how.absolute_seconds, age(x.session_born, now)));
  }
  return !cookie.overflowed() && head.fields.add(http::FieldId::kSetCookie, cookie.view()) == http::Fault::kNone;
}

}  // namespace penstock::proxy
