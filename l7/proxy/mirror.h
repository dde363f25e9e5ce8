// Part of proxy.h: copies of requests for mirrors. Sent and forgotten: a copy has a connection of its own that ends
// with it, is dropped as soon as the mirror does not take it as fast as it comes, and its answer is thrown away.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
void Proxy<N>::choose_mirrors(Exchange& x, const config::Filters& filters) {
  for (const config::Mirror& mirror : filters.mirrors) {
    if (!random_.chance(mirror.numerator, mirror.denominator)) continue;
    MirrorCopy* free = nullptr;
    for (MirrorCopy& copy : x.mirrors)
      if (copy.cluster == kNone && free == nullptr) free = &copy;
    if (free != nullptr)
      free->cluster = mirror.cluster == config::kNoCluster ? kNone : clusters_.slot_of(mirror.cluster);
    if (free == nullptr || free->cluster == kNone) counters_.count(Count::mirrors_dropped);
  }
}

template <Net N>
void Proxy<N>::begin_mirrors(Exchange& x) {
  x.mirrors_begun = true;
  for (MirrorCopy& copy : x.mirrors)
    if (copy.cluster != kNone) begin_mirror(x, copy);
}

template <Net N>
void Proxy<N>::begin_mirror(Exchange& x, MirrorCopy& copy) {
  learn_ejections(copy.cluster);
  const config::Endpoint* endpoint = clusters_.pick(copy.cluster, {}, random_, now_);
  const bool plain = !x.upgrade && x.method != http::Method::kConnect;
  const bool room =
      endpoint != nullptr && clusters_.cluster(copy.cluster).mirrors < clusters_.find(copy.cluster)->limits.connections;
  const uint32_t index = room && plain ? upstreams_.take() : kNone;
  if (index == kNone) return counters_.count(Count::mirrors_dropped);
  const uint32_t id = connect_for(client_of(x), *endpoint, *clusters_.find(copy.cluster));
  if (id == kNone) {
    upstreams_.give(index);
    return counters_.count(Count::mirrors_dropped);
  }
  UpstreamSession& upstream = upstreams_.at(index);
  upstream = {};
  upstream.connection = id;
  upstream.cluster = copy.cluster;
  upstream.endpoint = endpoint->slot;
  upstream.state = UpstreamSession::State::kMirror;
  upstream.exchange = client_of(x).exchange;
  upstream.until = now_ + kMirrorLife;
  sides_[id] = index * 2 + kUpstreamSide;
  copy.session = index;
  ++clusters_.cluster(copy.cluster).mirrors;
  arm(limits_.clients + index, upstream.until);

  const http::RequestHead& head = message_of(x).request;
  const h1::Encoded encoded = h1::encode_request(head, {true, false}, scratch());
  if (write_whole(net_, id, scratch().first(encoded.size), now_) != Sent::kAll) {
    counters_.count(Count::mirrors_dropped);
    copy.session = kNone;
    return close_upstream(index, false);
  }
  counters_.count(Count::mirrors);
  net_.touch(id);
  copy.out.begin(encoded.framing, head.content.length);
}

template <Net N>
void Proxy<N>::mirror_content(Exchange& x, base::Bytes data) {
  for (MirrorCopy& copy : x.mirrors) {
    if (copy.session == kNone) continue;
    const uint32_t id = upstreams_.at(copy.session).connection;
    if (ContentOut::room(net_, id) >= data.size() && copy.out.send(net_, id, data, now_)) {
      net_.touch(id);
      continue;
    }
    counters_.count(Count::mirrors_dropped);
    close_upstream(std::exchange(copy.session, kNone), false);
  }
}

template <Net N>
void Proxy<N>::mirror_end(Exchange& x) {
  for (MirrorCopy& copy : x.mirrors) {
    if (copy.session == kNone) continue;
    const uint32_t index = std::exchange(copy.session, kNone);
    UpstreamSession& upstream = upstreams_.at(index);
    upstream.exchange = kNone;
    net_.touch(upstream.connection);
    if (copy.out.end(net_, upstream.connection, message_of(x).request.trailers, now_, scratch()) == Sent::kAll)
      continue;
    counters_.count(Count::mirrors_dropped);
    close_upstream(index, false);
  }
}

// The copy cannot become whole any more.
template <Net N>
void Proxy<N>::drop_mirrors(Exchange& x) {
  for (MirrorCopy& copy : x.mirrors) {
    if (copy.session == kNone) continue;
    counters_.count(Count::mirrors_dropped);
    close_upstream(std::exchange(copy.session, kNone), false);
  }
}

template <Net N>
void Proxy<N>::on_mirror_events(uint32_t index) {
  UpstreamSession& upstream = upstreams_.at(index);
  if (const size_t unread = net_.readable(upstream.connection); unread != 0) {
    net_.consume(upstream.connection, unread, now_);
    net_.touch(upstream.connection);
  }
  if (!upstream.dead && !net_.peer_finished(upstream.connection)) return;
  if (upstream.exchange != kNone) {
    for (MirrorCopy& copy : exchanges_.at(upstream.exchange).mirrors)
      if (copy.session == index) copy.session = kNone;
    counters_.count(Count::mirrors_dropped);
  }
  close_upstream(index, !upstream.dead);
}

}  // namespace penstock::proxy
