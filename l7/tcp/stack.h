// All TCP connections of one worker: found by addresses and ports, driven by segments and time, heard by events.
//
// A round: absorb() each segment of the burst (state changes only), on_time(now), then take next_event() until it is
// empty and let the application act on connections — touch(id) after it did — and last next_segment() until false.
// Memory: entries from a pool of `capacity`; a connection that is over stays until release(id), its buffers until read.
// Failure: connect() is kNone when the tuple is in use or the table is full; a SYN without room is counted and dropped;
// a segment for nobody is answered with a reset. One worker, virtual time in nanoseconds that never goes back.
// Not here: choice of source ports (the host, by RSS), ICMP parsing, IP, checksums.
#pragma once

#include "l7/tcp/listener.h"
#include "l7/tcp/timer_wheel.h"

namespace penstock::tcp {

struct Ready {
  uint32_t id = kNone;
  uint8_t events = 0;  // Event bits
};

class Stack {
 public:
  Stack(const Tuning& tuning, const Limits& limits, uint32_t capacity, const HashKey& key, base::Nanos now);

  uint32_t listen(const ListenSpec& spec) { return listeners_.add(spec); }
  void stop_listening(uint32_t listener);  // what was accepted lives on, what waits for that is reset
  uint32_t accept(uint32_t listener);      // the oldest established connection; kNone: none
  uint32_t connect(const Tuple& tuple, base::Nanos now, uint16_t mss = 0);

  // `mss`: what the way back carries, for connections that begin with this segment; 0: as tuned. `guess`: the
  // connection, as find() said a moment ago; it may be another's by now.
  void absorb(const Tuple& tuple, const Segment& segment, base::Nanos now, uint16_t mss = 0, uint32_t guess = kNone);
  bool on_path_mss(const Tuple& tuple, uint16_t mss, Seq quoted, base::Nanos now);
  bool on_unreachable(const Tuple& tuple, bool hard, Seq quoted);
  void on_time(base::Nanos now);
  base::Nanos deadline() const { return wheel_.next(); }  // nothing is due before
  bool next_event(Ready& out);
  bool next_segment(const Plan& plan, base::Nanos now, Tuple& tuple, Outgoing& out);

  Connection& at(uint32_t id) { return entries_.at(id).connection; }
  const Tuple& tuple_of(uint32_t id) const { return entries_.at(id).tuple; }
  void touch(uint32_t id);    // after a call of the application
  void release(uint32_t id);  // the application is done; what must still be said is said, then the entry is free
  // The application found no memory to write into: kWritable when there is some again.
  void starve(uint32_t id);
  uint32_t find(const Tuple& tuple) const;

  Shared& shared() { return shared_; }
  const Listener& listener(uint32_t id) const { return listeners_.at(id); }
  bool said_all() const { return dirty_.empty() && strays_.empty(); }
  uint32_t connections() const { return entries_.taken(); }
  static size_t entry_bytes();

 private:
  struct Entry {
    Tuple tuple;
    Connection connection;
    uint32_t next = kNone;  // of the hash bucket, or of free entries
    uint32_t listener = kNone;
    bool dirty = false;
    bool noticed = false;
    bool half_open = false;
    bool waiting = false;  // in TIME-WAIT or to be accepted: the application does not hold it
    bool released = false;
    bool announced = false;  // passive: kConnected seen
    bool starved = false;
    bool lingers = false;  // released and in TIME-WAIT
  };
  struct Stray {
    Tuple tuple;
    Outgoing segment;
  };
  static constexpr uint32_t kPlenty = 32;    // a 32nd of all chunks is enough to let those go on who waited for some
  static constexpr size_t kMaxStrays = 256;  // resets and cookies of one round; more are dropped, the peers try again

  uint32_t insert(const Tuple& tuple);
  void remove(uint32_t id);
  void settle(uint32_t id, base::Nanos now);
  void on_syn(const Tuple& tuple, const Segment& s, uint32_t listener, base::Nanos now, uint16_t mss);
  void on_stranger(const Tuple& tuple, const Segment& s, base::Nanos now, uint16_t mss);
  void note_established(uint32_t id);
  static bool is_told(const Entry& e);
  void answer(const Tuple& tuple, const Outgoing& segment);
  bool make_room();
  void end_half_open(Entry& e);
  uint64_t source_hash(const Tuple& tuple) const;
  size_t bucket_of(const Tuple& tuple) const { return hash_of(key_, tuple) & (buckets_.size() - 1); }

  Shared shared_;
  HashKey key_;
  Pool<Entry> entries_;
  std::vector<uint32_t> buckets_;
  Listeners listeners_;
  TimerWheel wheel_;
  Fifo<uint32_t> dirty_;  // their turn in next_segment()

  Fifo<uint32_t> noticed_;    // their events wait
  Fifo<uint32_t> starved_;    // for memory
  Fifo<uint32_t> lingering_;  // in TIME-WAIT, the oldest first; some have ended since
  Fifo<Stray> strays_;
};

}  // namespace penstock::tcp
