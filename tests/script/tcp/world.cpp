#include "script/tcp/world.h"

#include <functional>
#include <stdexcept>

namespace penstock::tcp::script {

namespace {

const HashKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};
enum Side { kOurs, kTheirs };

uint8_t pattern(int64_t at, Side side) {
  return static_cast<uint8_t>(at * 131 + (at >> 8) * 7 + (side == kOurs ? 0 : 77));
}

std::runtime_error failure(const std::string& text) { return std::runtime_error(text); }

}  // namespace

bool set_option(Setup& s, const std::string& name, const std::string& value) {
  Tuning& t = s.tuning;
  const std::map<std::string, bool*> switches = {
      {"nagle", &t.nagle}, {"sack", &t.sack},     {"timestamps", &t.timestamps}, {"window_scale", &t.window_scale},
      {"ecn", &t.ecn},     {"pacing", &t.pacing}, {"accept", &s.accept}};
  const std::map<std::string, std::function<void(uint64_t)>> numbers = {
      {"mss", [&](uint64_t v) { t.mss = static_cast<uint16_t>(v); }},
      {"default_mss", [&](uint64_t v) { t.default_mss = static_cast<uint16_t>(v); }},
      {"receive_buffer", [&](uint64_t v) { t.receive_buffer = static_cast<uint32_t>(v); }},
      {"send_buffer", [&](uint64_t v) { t.send_buffer = static_cast<uint32_t>(v); }},
      {"chunks", [&](uint64_t v) { s.limits.chunks = static_cast<uint32_t>(v); }},
      {"records", [&](uint64_t v) { s.limits.records = static_cast<uint32_t>(v); }},
      {"ranges", [&](uint64_t v) { s.limits.ranges = static_cast<uint32_t>(v); }},
      {"capacity", [&](uint64_t v) { s.capacity = static_cast<uint32_t>(v); }},
      {"offload", [&](uint64_t v) { s.offload = static_cast<uint32_t>(v); }},
      {"keepalive_probes", [&](uint64_t v) { t.keepalive_probes = static_cast<uint8_t>(v); }},
      {"delayed_ack_ms", [&](uint64_t v) { t.delayed_ack = v * kMillisecond; }},
      {"connect_timeout_ms", [&](uint64_t v) { t.connect_timeout = v * kMillisecond; }},
      {"user_timeout_ms", [&](uint64_t v) { t.user_timeout = v * kMillisecond; }},
      {"keepalive_idle_ms", [&](uint64_t v) { t.keepalive_idle = v * kMillisecond; }},
      {"keepalive_interval_ms", [&](uint64_t v) { t.keepalive_interval = v * kMillisecond; }},
      {"time_wait_ms", [&](uint64_t v) { t.time_wait = v * kMillisecond; }},
      {"fin_wait_2_ms", [&](uint64_t v) { t.fin_wait_2 = v * kMillisecond; }},
  };
  if (name == "congestion") {
    t.congestion = value == "cubic" ? CongestionKind::kCubic : CongestionKind::kNewReno;
    return value == "cubic" || value == "newreno";
  }
  if (const auto it = switches.find(name); it != switches.end()) {
    *it->second = value == "on";
    return value == "on" || value == "off";
  }
  const auto it = numbers.find(name);
  if (it == numbers.end() || value.empty() || value.find_first_not_of("0123456789") != std::string::npos) return false;
  it->second(std::stoull(value));
  return true;
}

World::World(const Setup& setup, const Origin& origin) : setup_(setup), origin_(origin) {
  // Initial numbers follow a clock (RFC 6528): the story begins when that clock shows what the run wants.
  const Seq at_zero = initial_sequence(kKey, tuple(port_), 0);
  start_ = now_ = (static_cast<Seq>(origin.ours - at_zero) + (base::Nanos{1} << 32)) * 4000;
  stack_ = std::make_unique<Stack>(setup.tuning, setup.limits, setup.capacity, kKey, now_);
  choose_peer(port_);
}

Tuple World::tuple(uint16_t port) const {
  return {base::IpAddress::v4(0x0a000002), base::IpAddress::v4(0x0a000001), 80, port};
}

void World::choose_peer(uint16_t port) {
  port_ = port;
  if (peers_.contains(port)) return;
  Peer p;
  p.ours = origin_.ours;
  p.theirs = origin_.theirs;
  p.their_time = origin_.their_time;
  p.our_time = timestamp_offset(kKey, tuple(port)) + static_cast<uint32_t>(start_ / kMillisecond);
  peers_.emplace(port, p);
}

Bases World::bases_out(uint16_t port) {
  const Peer& p = peers_.at(port);
  return {p.ours, p.theirs, p.our_time, p.their_time};
}

std::string World::text_of(const Sent& sent) { return to_text(sent.segment(), bases_out(sent.port)); }

void World::advance_until_sent(base::Nanos to) {
  while (sent_.empty() && stack_->deadline() <= to) {
    now_ = std::max(now_, stack_->deadline());
    stack_->on_time(now_);
    pump();
  }
  if (sent_.empty()) now_ = std::max(now_, to);
  stack_->on_time(now_);
}

void World::advance(base::Nanos to) {
  while (stack_->deadline() <= to) {
    now_ = std::max(now_, stack_->deadline());
    stack_->on_time(now_);
    pump();
  }
  now_ = std::max(now_, to);
  stack_->on_time(now_);  // as every round of a worker does: the wheel keeps up
}

void World::pump() {
  if (listener_ != kNone && setup_.accept) {
    while (stack_->accept(listener_) != kNone) {
    }
  }
  Ready ready;
  while (stack_->next_event(ready)) {
    if (const auto it = peers_.find(stack_->tuple_of(ready.id).remote_port); it != peers_.end())
      it->second.events |= ready.events;
  }
  Tuple to;
  Outgoing out;
  while (stack_->next_segment({setup_.offload}, now_, to, out)) {
    Sent sent{now_, to.remote_port, out.ecn, std::vector<uint8_t>(wire::kTcpMaxLength)};
    sent.bytes.resize(write_header(out, 80, to.remote_port, sent.bytes.data()));
    for (size_t i = 0; i < out.piece_count; ++i)
      sent.bytes.insert(sent.bytes.end(), out.pieces[i].begin(), out.pieces[i].end());
    Peer& p = peers_.at(sent.port);
    if (out.flags & wire::kTcpSyn) p.ours = out.seq;
    const auto begin = static_cast<int32_t>(out.seq - p.ours) - 1;
    const base::Bytes payload = sent.segment().payload;
    for (size_t i = 0; i < payload.size(); ++i) {
      if (payload[i] != pattern(begin + static_cast<int64_t>(i), kOurs))
        throw failure("sent other bytes than were written: " + text_of(sent) + ", byte " + std::to_string(i));
    }
    sent_.push_back(std::move(sent));
  }
  check_rest();
}

void World::check_rest() {
  const uint32_t found = stack_->find(tuple(port_));
  if (found == kNone) return;
  const Connection& c = stack_->at(found);
  if (c.state() == State::kClosed || c.state() == State::kTimeWait) return;
  if (c.snd_una() != c.snd_nxt() && c.deadline() == Connection::kNever)
    throw failure("something is outstanding and nothing will be done about it: no deadline");
}

uint32_t World::id() {
  const uint32_t found = stack_->find(tuple(port_));
  if (found != kNone) peer().id = found;
  return found;
}

Connection& World::connection() {
  const uint32_t found = id();
  if (found == kNone) throw failure("there is no connection");
  return stack_->at(found);
}

const char* World::state() {
  const uint32_t found = id();
  return to_string(found == kNone ? State::kClosed : stack_->at(found).state());
}

void World::listen(const ListenSpec& spec) {
  listener_ = stack_->listen(spec);
  if (listener_ == kNone) throw failure("listen refused");
}

void World::open() {
  const uint32_t made = stack_->connect(tuple(port_), now_);
  if (made == kNone) throw failure("connect refused");
  pump();
}

void World::note(const Written& w) {
  Peer& p = peer();
  if (w.length == 0 || (w.flags & wire::kTcpSyn) != 0) return;
  int64_t begin = w.seq.value, end = begin + w.length;
  const auto front = p.arrived.find(1);
  const int64_t next = front == p.arrived.end() ? 1 : front->second;
  const bool gap = p.arrived.size() > (front == p.arrived.end() ? 0U : 1U);
  p.owes_ack = begin > next || gap;
  p.newest = begin;
  for (auto it = p.arrived.begin(); it != p.arrived.end();) {
    if (it->first <= end && it->second >= begin) {
      begin = std::min(begin, it->first);
      end = std::max(end, it->second);
      it = p.arrived.erase(it);
    } else {
      ++it;
    }
  }
  p.arrived[begin] = end;
}

void World::receive(const Written& w) {
  Peer& p = peer();
  std::vector<uint8_t> payload(w.length);
  for (size_t i = 0; i < payload.size(); ++i)
    payload[i] = w.fill ? *w.fill : pattern(w.seq.value - 1 + static_cast<int64_t>(i), kTheirs);
  if (!w.window.any) p.window = static_cast<uint16_t>(w.window.value);
  note(w);
  const Bases bases{p.theirs, p.ours, p.their_time, p.our_time};
  const std::vector<uint8_t> bytes = to_bytes(w, bases, p.window, payload);
  Segment s;
  if (!parse_segment(bytes, w.ecn.value_or(Ecn::kNotEct), s)) throw failure("the segment cannot be parsed");
  stack_->absorb(tuple(port_), s, now_);
  pump();
}

int32_t World::expect(const Written& expected) {
  const Sent got = std::move(sent_.front());
  sent_.pop_front();
  const std::string differs = got.port == port_ ? difference(expected, got.segment(), bases_out(got.port))
                                                : "peer (" + std::to_string(got.port) + ")";
  if (!differs.empty()) throw failure(differs + " differs; sent was: > " + text_of(got));
  return static_cast<int32_t>(got.segment().options.ts_value - peer().our_time);
}

void World::check_ack_of_data(const Segment& s) {
  const Peer& p = peer();
  const auto front = p.arrived.find(1);
  const int64_t next = front == p.arrived.end() ? 1 : front->second;
  if (s.ack - p.theirs != static_cast<uint32_t>(next)) throw failure("expected ack " + std::to_string(next));
  // Before the blocks of what waits there may be one of what arrived twice (RFC 2883 section 4).
  const auto block = [&](size_t i) {
    return std::pair{static_cast<int64_t>(static_cast<int32_t>(s.options.sack[i].begin - p.theirs)),
                     static_cast<int64_t>(static_cast<int32_t>(s.options.sack[i].end - p.theirs))};
  };
  const size_t count = s.options.sack_count;
  const bool twice = count > 0 && (block(0).second <= next || (count > 1 && block(0).first >= block(1).first &&
                                                               block(0).second <= block(1).second));
  const size_t islands = p.arrived.size() - (front == p.arrived.end() ? 0 : 1);
  const size_t first = twice ? 1 : 0;
  if (count - first != std::min<size_t>(islands, kMaxSackBlocks - first))
    throw failure("expected " + std::to_string(islands) + " SACK blocks");
  for (size_t i = first; i < count; ++i) {
    const auto [begin, end] = block(i);
    const auto island = p.arrived.find(begin);
    if (island == p.arrived.end() || island->second != end) throw failure("a SACK block that did not arrive as one");
    if (i == first && p.newest > next && (p.newest < begin || p.newest >= end))
      throw failure("the first SACK block is not the newest (RFC 2018 section 4)");
  }
}

void World::drain() {
  const bool owed = std::exchange(peer().owes_ack, false);
  if (owed && sent_.empty()) throw failure("expected an ACK at once (RFC 5681 section 4.2), none came");
  while (!sent_.empty()) {
    const Sent got = std::move(sent_.front());
    sent_.pop_front();
    try {
      check_ack_of_data(got.segment());
    } catch (const std::runtime_error& e) {
      throw failure(std::string(e.what()) + "; sent was: > " + text_of(got));
    }
  }
}

size_t World::write(size_t bytes) {
  Connection& c = connection();
  const auto from = static_cast<int64_t>(static_cast<uint32_t>(c.snd_nxt() - peer().ours)) - 1 -
                    (c.snd_nxt() == peer().ours ? -1 : 0) + static_cast<int64_t>(c.unsent());
  std::vector<uint8_t> data(bytes);
  for (size_t i = 0; i < bytes; ++i) data[i] = pattern(from + static_cast<int64_t>(i), kOurs);
  const size_t taken = c.write(data, now_);
  stack_->touch(id());
  pump();
  return taken;
}

void World::read(size_t bytes, std::optional<uint8_t> fill) {
  Connection& c = connection();
  if (c.readable() < bytes) throw failure("only " + std::to_string(c.readable()) + " bytes are readable");
  base::Bytes pieces[64];
  size_t count = 0, done = 0;
  while (done < bytes) {
    c.peek(pieces, 64, count);
    size_t took = 0;
    for (size_t i = 0; i < count; ++i) {
      for (size_t k = 0; k < pieces[i].size() && done < bytes; ++k, ++done, ++took) {
        const auto at = static_cast<int64_t>(peer().read++);
        if (pieces[i][k] != (fill ? *fill : pattern(at, kTheirs)))
          throw failure("byte " + std::to_string(at) + " is not the one expected");
      }
    }
    c.consume(took, now_);
  }
  stack_->touch(id());
  pump();
}

bool World::icmp(uint16_t mss, Seq relative) {
  const bool taken = stack_->on_path_mss(tuple(port_), mss, peer().ours + relative, now_);
  pump();
  return taken;
}

bool World::unreachable(bool hard, Seq relative) {
  const bool taken = stack_->on_unreachable(tuple(port_), hard, peer().ours + relative);
  pump();
  return taken;
}

void World::release() {
  stack_->release(id());
  pump();
}

uint8_t World::take_events() { return std::exchange(peer().events, uint8_t{0}); }

uint64_t World::counted(const std::string& name) {
  for (size_t i = 0; i < static_cast<size_t>(Count::kCount); ++i)
    if (name == to_string(static_cast<Count>(i))) return shared().counted(static_cast<Count>(i));
  static const std::map<std::string, ListenerCount> kListener = {
      {"accepted", ListenerCount::kAccepted},          {"cookies_sent", ListenerCount::kCookiesSent},
      {"cookies_valid", ListenerCount::kCookiesValid}, {"cookies_refused", ListenerCount::kCookiesRefused},
      {"backlog_full", ListenerCount::kBacklogFull},   {"table_full", ListenerCount::kTableFull}};
  const auto it = kListener.find(name);
  if (it == kListener.end() || listener_ == kNone) throw failure("no counter named " + name);
  return stack_->listener(listener_).counters[static_cast<size_t>(it->second)];
}

}  // namespace penstock::tcp::script
