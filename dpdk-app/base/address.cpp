#include "base/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace penstock::base {

std::string MacAddress::to_string() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                bytes[5]);
  return text;
}

Result<MacAddress> MacAddress::parse(std::string_view text) {
  const Error wrong{"\"" + std::string(text) + "\" is not a MAC address (want 02:00:00:00:00:01)"};
  if (text.size() != 17) return wrong;
  MacAddress mac;
  for (size_t i = 0; i < 6; ++i) {
    const char* at = text.data() + 3 * i;
    const auto [end, failure] = std::from_chars(at, at + 2, mac.bytes[i], 16);
    if (failure != std::errc{} || end != at + 2 || (i < 5 && at[2] != ':')) return wrong;
  }
  return mac;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string copy(text.substr(0, text.find('\0')));  // what inet_pton would see
  const bool whole = copy.size() == text.size();
  in_addr four;
  in6_addr six;
  if (whole && inet_pton(AF_INET, copy.c_str(), &four) == 1) return v4_from(&four);
  if (whole && inet_pton(AF_INET6, copy.c_str(), &six) == 1) {
    const IpAddress address = v6_from(&six);
    if (!address.is_v4()) return address;
  }
  return Error{"\"" + copy + "\" is not an IP address (want 192.0.2.1 or 2001:db8::1)"};
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes[12] == 127;
  return load_be64(&bytes[0]) == 0 && load_be64(&bytes[8]) == 1;
}

bool IpAddress::is_multicast() const { return is_v4() ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff; }

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes[12] == 169 && bytes[13] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::is_broadcast() const { return is_v4() && v4_host_order() == 0xffffffffu; }

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  if (is_v4()) {
    inet_ntop(AF_INET, v4_bytes(), text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

Result<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return Error{address.error()};
  const unsigned longest = address->is_v4() ? 32 : 128;
  Prefix prefix{*address, static_cast<uint8_t>(longest)};
  if (slash == std::string_view::npos) return prefix;
  const std::string_view digits = text.substr(slash + 1);
  unsigned length = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (failure != std::errc{} || end != digits.data() + digits.size() || length > longest)
    return Error{"\"" + std::string(text) + "\" has a bad prefix length (want 0 to " + std::to_string(longest) + ")"};
  prefix.length = static_cast<uint8_t>(length);
  return prefix;
}

namespace {
// The number of leading bits of the 16-byte form that the prefix fixes.
unsigned fixed_bits(const Prefix& p) { return p.is_v4() ? 96u + p.length : p.length; }

IpAddress with_host_bits(const Prefix& p, uint8_t fill) {
  IpAddress out = p.address;
  for (unsigned bit = fixed_bits(p); bit < 128;) {
    const unsigned in_byte = bit % 8;
    const auto mask = static_cast<uint8_t>(0xff >> in_byte);
    uint8_t& byte = out.bytes[bit / 8];
    byte = static_cast<uint8_t>((byte & ~mask) | (fill & mask));
    bit += 8 - in_byte;
  }
  return out;
}
}  // namespace

Prefix Prefix::network() const { return {with_host_bits(*this, 0), length}; }

IpAddress Prefix::last() const { return with_host_bits(*this, 0xff); }

bool Prefix::contains(const Prefix& other) const { return other.length >= length && contains(other.address); }

std::string Prefix::to_string() const { return address.to_string() + "/" + std::to_string(length); }

}  // namespace penstock::base
