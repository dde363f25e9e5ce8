#include "l7/tcp/stack.h"

#include <bit>

namespace penstock::tcp {

Stack::Stack(const Tuning& tuning, const Limits& limits, uint32_t capacity, const HashKey& key, base::Nanos now)
    : shared_(tuning, limits), key_(key), entries_(capacity), buckets_(std::bit_ceil(capacity), kNone), wheel_(now) {}

size_t Stack::entry_bytes() { return sizeof(Entry); }

uint64_t Stack::source_hash(const Tuple& t) const {
  return hash_of(key_, Tuple{.local = {}, .remote = t.remote, .local_port = 0, .remote_port = 0});
}

uint32_t Stack::find(const Tuple& tuple) const {
  uint32_t id = buckets_[bucket_of(tuple)];
  while (id != kNone && !(entries_.at(id).tuple == tuple)) id = entries_.at(id).next;
  return id;
}

uint32_t Stack::insert(const Tuple& tuple) {
  uint32_t id = entries_.take();
  if (id == kNone && make_room()) id = entries_.take();
  if (id == kNone) return kNone;
  Entry& e = entries_.at(id);
  e = Entry{.tuple = tuple, .connection = Connection(shared_)};
  uint32_t& head = buckets_[bucket_of(tuple)];
  e.next = head;
  head = id;
  wheel_.grow(id + 1);
  return id;
}

// TIME-WAIT gives way to those who come: what it guards against is unlikely, and a table that is full is not.
bool Stack::make_room() {
  while (!lingering_.empty()) {
    const uint32_t id = lingering_.front();
    lingering_.pop();
    const Entry& e = entries_.at(id);
    if (!e.lingers || e.dirty || e.noticed) continue;
    remove(id);
    return true;
  }
  return false;
}

void Stack::starve(uint32_t id) {
  if (!std::exchange(entries_.at(id).starved, true)) starved_.push(id);
}

void Stack::remove(uint32_t id) {
  Entry& e = entries_.at(id);
  end_half_open(e);
  e.connection.release();
  uint32_t* link = &buckets_[bucket_of(e.tuple)];
  while (*link != id) link = &entries_.at(*link).next;
  *link = e.next;
  e.tuple = {};  // nobody guesses it any more
  e.lingers = e.starved = false;
  wheel_.cancel(id);
  entries_.give(id);
}

void Stack::end_half_open(Entry& e) {
  if (std::exchange(e.half_open, false)) listeners_.on_half_open(e.listener, source_hash(e.tuple), false);
}

void Stack::touch(uint32_t id) {
  Entry& e = entries_.at(id);
  if (e.connection.has_events() && is_told(e) && !std::exchange(e.noticed, true)) noticed_.push(id);
  if (!std::exchange(e.dirty, true)) dirty_.push(id);
}

void Stack::answer(const Tuple& tuple, const Outgoing& segment) {
  if (strays_.size() < kMaxStrays) strays_.push({tuple, segment});
}

uint32_t Stack::connect(const Tuple& tuple, base::Nanos now, uint16_t mss) {
  const uint32_t old = find(tuple);
  if (old != kNone) return kNone;
  const uint32_t id = insert(tuple);
  if (id == kNone) return kNone;
  at(id).open({initial_sequence(key_, tuple, now), timestamp_offset(key_, tuple), mss}, now);
  touch(id);
  return id;
}

uint32_t Stack::accept(uint32_t listener) {
  auto& ready = listeners_.at(listener).ready;
  if (ready.empty()) return kNone;
  const uint32_t id = ready.front();
  ready.pop();
  entries_.at(id).waiting = false;
  touch(id);  // what happened while it waited is told again
  return id;
}

void Stack::absorb(const Tuple& tuple, const Segment& s, base::Nanos now, uint16_t mss, uint32_t guess) {
  uint32_t id = guess != kNone && entries_.at(guess).tuple == tuple ? guess : find(tuple);
  if (id != kNone && at(id).may_give_way(s)) {  // RFC 6191: the old incarnation ends, the SYN is a stranger's
    const uint32_t listener = listeners_.find(tuple.local, tuple.local_port);
    if (entries_.at(id).released && !entries_.at(id).dirty && listener != kNone) {
      remove(id);
      id = kNone;
    }
  }
  if (id == kNone) return on_stranger(tuple, s, now, mss);
  at(id).on_segment(s, now);
  note_established(id);
  touch(id);
}

// CLOSED and LISTEN (RFC 9293 §3.10.7.1, §3.10.7.2).
void Stack::on_stranger(const Tuple& tuple, const Segment& s, base::Nanos now, uint16_t mss) {
  if (s.has(wire::kTcpRst)) return;
  const uint32_t listener = listeners_.find(tuple.local, tuple.local_port);
  if (listener == kNone) return answer(tuple, reset_for(s));
  if (!s.has(wire::kTcpAck)) {
    if (s.has(wire::kTcpSyn)) on_syn(tuple, s, listener, now, mss);
    return;
  }
  Opening opening;
  PeerOffer offer;
  Listener& l = listeners_.at(listener);
  if (now - l.last_cookie > kCookieLife || l.last_cookie == 0 ||
      !check_cookie(key_, tuple, s, shared_.tuning, now, opening, offer)) {
    l.count(ListenerCount::kCookiesRefused);
    return answer(tuple, reset_for(s));
  }
  l.count(ListenerCount::kCookiesValid);
  if (l.ready.size() >= l.spec.backlog) return l.count(ListenerCount::kBacklogFull);
  const uint32_t id = insert(tuple);
  if (id == kNone) return l.count(ListenerCount::kTableFull);
  entries_.at(id).listener = listener;
  opening.mss = mss;
  at(id).accept_cookie(opening, offer, now);
  at(id).on_segment(s, now);
  note_established(id);
  touch(id);
}

void Stack::on_syn(const Tuple& tuple, const Segment& s, uint32_t listener, base::Nanos now, uint16_t mss) {
  Listener& l = listeners_.at(listener);
  if (l.ready.size() >= l.spec.backlog) return l.count(ListenerCount::kBacklogFull);
  const uint64_t source = source_hash(tuple);
  if (listeners_.wants_cookie(listener, source)) {
    l.count(ListenerCount::kCookiesSent);
    l.last_cookie = now;
    Outgoing cookie = cookie_answer(key_, tuple, s, shared_.tuning, now);
    if (mss != 0) cookie.options.mss = std::min(cookie.options.mss, mss);
    return answer(tuple, cookie);
  }
  const uint32_t id = insert(tuple);
  if (id == kNone) return l.count(ListenerCount::kTableFull);
  Entry& e = entries_.at(id);
  e.listener = listener;
  e.half_open = true;
  listeners_.on_half_open(listener, source, true);
  e.connection.accept({initial_sequence(key_, tuple, now), timestamp_offset(key_, tuple), mss}, offer_of(s), now);
  touch(id);
}

void Stack::stop_listening(uint32_t listener) {
  listeners_.remove(listener);
  for (uint32_t id; (id = accept(listener)) != kNone;) {
    at(id).abort();
    release(id);
  }
}

// A passive connection that reached ESTABLISHED (or went beyond within one segment) waits for accept().
void Stack::note_established(uint32_t id) {
  Entry& e = entries_.at(id);
  if (e.listener == kNone || e.announced || e.connection.state() <= State::kSynReceived) return;
  e.announced = e.waiting = true;
  end_half_open(e);
  Listener& l = listeners_.at(e.listener);
  if (!l.live) {  // it went while the handshake was under way
    e.waiting = false;
    e.connection.abort();
    return release(id);
  }
  l.count(ListenerCount::kAccepted);
  l.ready.push(id);
}

bool Stack::on_path_mss(const Tuple& tuple, uint16_t mss, Seq quoted, base::Nanos now) {
  const uint32_t id = find(tuple);
  if (id == kNone || !at(id).on_path_mss(mss, quoted, now)) return false;
  touch(id);
  return true;
}

bool Stack::on_unreachable(const Tuple& tuple, bool hard, Seq quoted) {
  const uint32_t id = find(tuple);
  if (id == kNone || !at(id).on_unreachable(hard, quoted)) return false;
  touch(id);
  return true;
}

void Stack::on_time(base::Nanos now) {
  wheel_.advance(now, [&](uint32_t id) {
    at(id).on_deadline(now);
    touch(id);
  });
}

// Not told: a passive connection nobody has accepted, and one the application has let go.
bool Stack::is_told(const Entry& e) { return !e.waiting && !e.released && (e.listener == kNone || e.announced); }

bool Stack::next_event(Ready& out) {
  while (!noticed_.empty()) {
    const uint32_t id = noticed_.front();
    noticed_.pop();
    Entry& e = entries_.at(id);
    e.noticed = false;
    if (!is_told(e)) continue;
    if (const uint8_t events = e.connection.take_events()) {
      out = {id, events};
      return true;
    }
  }
  while (!starved_.empty() && shared_.chunks.available() > shared_.chunks.capacity() / kPlenty) {
    const uint32_t id = starved_.front();
    starved_.pop();
    Entry& e = entries_.at(id);
    if (!std::exchange(e.starved, false) || !is_told(e)) continue;
    out = {id, kWritable};
    return true;
  }
  return false;
}

bool Stack::next_segment(const Plan& plan, base::Nanos now, Tuple& tuple, Outgoing& out) {
  if (!strays_.empty()) {
    tuple = strays_.front().tuple;
    out = strays_.front().segment;
    strays_.pop();
    return true;
  }
  while (!dirty_.empty()) {
    const uint32_t id = dirty_.front();
    Entry& e = entries_.at(id);
    if (e.connection.next_segment(plan, now, out)) {
      tuple = e.tuple;
      return true;
    }
    dirty_.pop();
    e.dirty = false;
    settle(id, now);
  }
  return false;
}

// After a connection had its say: its next deadline, or its end.
void Stack::settle(uint32_t id, base::Nanos) {
  Entry& e = entries_.at(id);
  if (e.connection.state() == State::kClosed) {
    wheel_.cancel(id);
    const bool nobody = e.listener != kNone && !e.announced;  // died half-open
    if (nobody || e.released) remove(id);
    return;
  }
  if (e.released && e.connection.state() == State::kTimeWait && !std::exchange(e.lingers, true)) lingering_.push(id);
  const base::Nanos at = e.connection.deadline();
  if (at == Connection::kNever) {
    wheel_.cancel(id);
  } else {
    wheel_.set(id, at);
  }
}

void Stack::release(uint32_t id) {
  entries_.at(id).released = true;
  touch(id);
}

}  // namespace penstock::tcp
