// How many connections others may have to the place where keys are agreed, before anybody has said who it is: a count
// by address. Addresses that a Peer names have room of their own, so that strangers, however many, keep no gateway of
// the mesh out; and nobody has more than a few.
//
// Any thread. Memory: bounded by kMostGuests. Does not: know sockets or certificates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "base/address.h"

namespace penstock::mesh {

constexpr size_t kMostGuests = 8192;    // 4096 peers, each with its old connection and its new one
constexpr size_t kMostStrangers = 256;  // peers behind a NAT, before somebody writes their address into spec.link
constexpr size_t kMostOfStranger = 16;  // of one address
constexpr size_t kMostOfNamed = 64;     // of one address that Peers name: several may be behind it

enum class GuestRefusal : uint8_t { kTooMany, kTooManyStrangers, kTooManyOfAddress };
constexpr size_t kGuestRefusals = 3;
const char* to_string(GuestRefusal refusal);  // "too_many_of_address"

class Guests {
 public:
  // Addresses that Peers name, as links or in the underlay.
  void set_named(std::set<base::IpAddress> named);
  // Nothing: it may stay, until leave(). A refusal is counted.
  std::optional<GuestRefusal> admit(const base::IpAddress& from);
  void leave(const base::IpAddress& from);

  size_t size() const;
  uint64_t refused(GuestRefusal refusal) const;

 private:
  mutable std::mutex lock_;
  std::set<base::IpAddress> named_;
  std::map<base::IpAddress, size_t> here_;
  size_t all_ = 0, strangers_ = 0;
  std::array<uint64_t, kGuestRefusals> refused_{};
};

}  // namespace penstock::mesh
