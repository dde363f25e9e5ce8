// Who accepts, and how much of it: listeners by address and port range, their accept queues and half-open limits
// (RFC 4987). One worker's; no locks. Failure: a SYN beyond a limit is answered with a cookie, or dropped when the
// accept queue is full (the client tries again), by the names of ListenerCount.
#pragma once

#include <array>
#include <vector>

#include "l7/tcp/cookie.h"
#include "l7/tcp/fifo.h"

namespace penstock::tcp {

struct ListenSpec {
  base::IpAddress address;  // unspecified: every address of either family
  uint16_t first_port = 0;
  uint16_t last_port = 0;
  uint32_t backlog = 4096;              // established and not taken by the application
  uint32_t half_open = 1024;            // SYN-RECEIVED; beyond: cookies
  uint32_t half_open_per_source = 128;  // of one address (by hash: strangers may share it); beyond: cookies
  bool always_cookies = false;
};

enum class ListenerCount : uint8_t {
  kAccepted,
  kCookiesSent,
  kCookiesValid,
  kCookiesRefused,
  kBacklogFull,
  kTableFull,
  kCount
};

struct Listener {
  ListenSpec spec;
  bool live = true;
  uint32_t half_open = 0;
  base::Nanos last_cookie = 0;  // when one was sent: answers to older ones, or to none, are guesses
  Fifo<uint32_t> ready;         // established connections, oldest first
  std::array<uint64_t, static_cast<size_t>(ListenerCount::kCount)> counters{};
  void count(ListenerCount c) { ++counters[static_cast<size_t>(c)]; }
};

class Listeners {
 public:
  static constexpr size_t kMax = 1024;          // walked for every SYN that finds no connection
  static constexpr size_t kSourceSlots = 8192;  // half-open counts by hash of the source

  // kNone: too many, an empty range, or a range that overlaps one with the same address.
  uint32_t add(const ListenSpec& spec);
  void remove(uint32_t id) { all_[id].live = false; }
  uint32_t find(const base::IpAddress& address, uint16_t port) const;  // an exact address before the wildcard
  Listener& at(uint32_t id) { return all_[id]; }
  const Listener& at(uint32_t id) const { return all_[id]; }

  bool wants_cookie(uint32_t id, uint64_t source_hash) const;
  void on_half_open(uint32_t id, uint64_t source_hash, bool begins);

 private:
  std::vector<Listener> all_;
  std::array<uint32_t, kSourceSlots> by_source_{};
};

}  // namespace penstock::tcp
