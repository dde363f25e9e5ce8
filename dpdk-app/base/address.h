// Network addresses as values: IPv4 and IPv6 in one 16-byte form (IPv4 as ::ffff:a.b.c.d, RFC 4291 §2.5.5.2),
// prefixes, MAC addresses; parsing is strict, printing is canonical (RFC 5952).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace penstock::base {

struct MacAddress {
  std::array<uint8_t, 6> bytes{};

  auto operator<=>(const MacAddress&) const = default;
  bool is_zero() const { return *this == MacAddress{}; }
  bool is_multicast() const { return bytes[0] & 1; }
  std::string to_string() const;  // "02:00:00:00:00:01"
  static Result<MacAddress> parse(std::string_view text);
};

struct IpAddress {
  alignas(8) std::array<uint8_t, 16> bytes{};  // network byte order; default is ::

  auto operator<=>(const IpAddress&) const = default;
  bool operator==(const IpAddress& other) const {  // two words: as bytes it would be a call
    return ((load_raw<uint64_t>(&bytes[0]) ^ load_raw<uint64_t>(&other.bytes[0])) |
            (load_raw<uint64_t>(&bytes[8]) ^ load_raw<uint64_t>(&other.bytes[8]))) == 0;
  }

  // Written as two words: the path reads addresses as words, and bytes just stored would make it wait.
  static IpAddress v4_from(const void* network_order_4_bytes) {
    IpAddress address;
    store_raw(&address.bytes[8], 0xffff0000ull | static_cast<uint64_t>(load_raw<uint32_t>(network_order_4_bytes))
                                                     << 32);
    return address;
  }
  static IpAddress v4(uint32_t host_order) {
    const uint32_t network_order = swap32(host_order);
    return v4_from(&network_order);
  }
  static IpAddress v6_from(const void* network_order_16_bytes) {
    IpAddress address;
    std::memcpy(address.bytes.data(), network_order_16_bytes, 16);
    return address;
  }
  // "192.0.2.1" or "2001:db8::1"; no zone, no leading zeros, no embedded IPv4-mapped form.
  static Result<IpAddress> parse(std::string_view text);

  bool is_v4() const { return load_raw<uint64_t>(&bytes[0]) == 0 && load_raw<uint32_t>(&bytes[8]) == 0xffff0000u; }
  bool is_v6() const { return !is_v4(); }
  uint32_t v4_host_order() const { return load_be32(&bytes[12]); }
  const uint8_t* v4_bytes() const { return &bytes[12]; }

  bool is_unspecified() const {  // 0.0.0.0 or ::
    const uint64_t low = load_raw<uint64_t>(&bytes[8]);
    return load_raw<uint64_t>(&bytes[0]) == 0 && (low == 0 || low == 0xffff0000u);
  }
  bool is_loopback() const;    // 127/8 or ::1
  bool is_multicast() const;   // 224/4 or ff00::/8
  bool is_link_local() const;  // 169.254/16 or fe80::/10
  bool is_broadcast() const;   // 255.255.255.255
  std::string to_string() const;
};

// An address and a prefix length in the address's own family (0–32 or 0–128).
struct Prefix {
  IpAddress address;
  uint8_t length = 0;

  auto operator<=>(const Prefix&) const = default;

  // "192.0.2.0/24", or a bare address meaning the host prefix. Host bits are kept: see network().
  static Result<Prefix> parse(std::string_view text);
  bool is_v4() const { return address.is_v4(); }
  bool contains(const IpAddress& other) const {
    const unsigned bits = is_v4() ? 96u + length : length;
    const auto differ = [&](size_t at) { return load_be64(&address.bytes[at]) ^ load_be64(&other.bytes[at]); };
    const uint64_t high = bits >= 64 ? differ(0) : bits == 0 ? 0 : differ(0) >> (64 - bits);
    const uint64_t low = bits <= 64 ? 0 : differ(8) >> (128 - bits);
    return (high | low) == 0 && is_v4() == other.is_v4();
  }
  bool contains(const Prefix& other) const;
  Prefix network() const;  // host bits cleared
  bool has_host_bits() const { return network().address != address; }
  IpAddress last() const;  // highest address; the broadcast address of an IPv4 subnet
  std::string to_string() const;
};

}  // namespace penstock::base
