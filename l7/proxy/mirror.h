// Part of proxy.h: copies of requests for mirrors. Sent and forgotten: a copy has a connection of its own that ends
// with it, begins before the request's first try, whatever becomes of that, and its answer is thrown away. The original
// never waits: what a mirror does not take yet is kept for it by the transport, in a buffer larger than others'
// (Net::widen), and who falls further behind loses the copy (mirrors_behind). Of content, a copy gets what is read of
// it: where no endpoint takes the request, that is nothing.
#pragma once

#include "l7/proxy/proxy.h"

namespace penstock::proxy {

template <Net N>
std::span<MirrorCopy> Proxy<N>::copies_of(const Exchange& x) {
  return x.copies != kNone ? copies_.at(x.copies).all() : std::span<MirrorCopy>{};
}

template <Net N>
void Proxy<N>::choose_mirrors(Exchange& x, const config::Filters& filters) {
  for (const config::Mirror& mirror : filters.mirrors) {
    if (!random_.chance(mirror.numerator, mirror.denominator)) continue;
    const uint32_t cluster = mirror.cluster == config::kNoCluster ? kNone : clusters_.slot_of(mirror.cluster);
    if (x.copies == kNone && cluster != kNone) {
      x.copies = copies_.take();
      if (x.copies != kNone) copies_.at(x.copies).count = 0;
    }
    if (cluster == kNone || x.copies == kNone || copies_.at(x.copies).count == kMaxMirrors) {
      counters_.count(Count::mirrors_dropped);
      continue;
    }
    MirrorCopies& copies = copies_.at(x.copies);
    MirrorCopy& copy = copies.each[copies.count++];
    copy = {};
    copy.cluster = cluster;
  }
}

template <Net N>
void Proxy<N>::begin_mirrors(Exchange& x) {
  for (MirrorCopy& copy : copies_of(x)) begin_mirror(x, copy);
  if (x.held != kNone) mirror_content(x, {held_bodies_.at(x.held).bytes.get(), x.held_size});
  if (x.request_ending || message_of(x).request.content.kind == http::Content::Kind::kNone) mirror_end(x);
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
  net_.widen(id);
  net_.touch(id);
  copy.out.begin(encoded.framing, head.content.length);
}

template <Net N>
void Proxy<N>::mirror_content(Exchange& x, base::Bytes data) {
  for (MirrorCopy& copy : copies_of(x)) {
    if (copy.session == kNone) continue;
    const uint32_t id = upstreams_.at(copy.session).connection;
    if (ContentOut::room(net_, id) >= data.size() && copy.out.send(net_, id, data, now_)) {
      net_.touch(id);
      continue;
    }
    counters_.count(Count::mirrors_dropped);
    counters_.count(Count::mirrors_behind);
    close_upstream(std::exchange(copy.session, kNone), false);
  }
}

template <Net N>
void Proxy<N>::mirror_end(Exchange& x) {
  if (x.without_trailers) message_of(x).request.trailers.clear();
  for (MirrorCopy& copy : copies_of(x)) {
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
  for (MirrorCopy& copy : copies_of(x)) {
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
    for (MirrorCopy& copy : copies_of(exchanges_.at(upstream.exchange)))
      if (copy.session == index) copy.session = kNone;
    counters_.count(Count::mirrors_dropped);
  }
  close_upstream(index, !upstream.dead);
}

}  // namespace penstock::proxy
