#include "l7/proxy_protocol/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

namespace penstock::proxy_protocol {

namespace {

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Start{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr size_t kV2HeadBytes = 16;
constexpr uint8_t kTlvCrc32c = 0x03;

struct FaultText {
  const char* name;
  const char* sentence;
};
constexpr FaultText kFaults[] = {{"none", "no fault"},
#define PENSTOCK_PROXY_PROTOCOL_TEXT(name, sentence) {#name, sentence},
                                 PENSTOCK_PROXY_PROTOCOL_FAULTS(PENSTOCK_PROXY_PROTOCOL_TEXT)
#undef PENSTOCK_PROXY_PROTOCOL_TEXT
};

Read refused(Fault fault) { return {Read::Got::kRefused, 0, fault}; }

// The text up to the next space, which is taken too; the rest without one.
std::string_view take_word(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line = space == std::string_view::npos ? std::string_view{} : line.substr(space + 1);
  return word;
}

bool parse_address(std::string_view text, int family, base::IpAddress& out) {
  std::array<char, INET6_ADDRSTRLEN + 1> buffer{};
  if (text.size() >= buffer.size()) return false;
  text.copy(buffer.data(), text.size());
  std::array<uint8_t, 16> bytes;
  if (inet_pton(family, buffer.data(), bytes.data()) != 1) return false;
  out = family == AF_INET ? base::IpAddress::v4_from(bytes.data()) : base::IpAddress::v6_from(bytes.data());
  return true;
}

bool parse_port(std::string_view text, uint16_t& out) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

Read read_v1(std::string_view text, Endpoints& out) {
  const size_t lf = text.substr(0, kMaxV1Bytes).find('\n');
  if (lf == std::string_view::npos) return text.size() >= kMaxV1Bytes ? refused(Fault::too_long) : Read{};
  if (text[lf - 1] != '\r') return refused(Fault::bad_line);
  std::string_view line = text.substr(kV1Start.size(), lf - 1 - kV1Start.size());
  const Read done{Read::Got::kHeader, lf + 1, Fault::kNone};
  const size_t spaces = static_cast<size_t>(std::count(line.begin(), line.end(), ' '));
  const std::string_view protocol = take_word(line);
  if (protocol == "UNKNOWN") return done;  // what follows it is to be ignored
  if ((protocol != "TCP4" && protocol != "TCP6") || spaces != 4) return refused(Fault::bad_line);
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  const bool right = parse_address(take_word(line), family, out.source) &&
                     parse_address(take_word(line), family, out.destination) &&
                     parse_port(take_word(line), out.source_port) && parse_port(line, out.destination_port);
  out.known = right;
  return right ? done : refused(Fault::bad_address);
}

uint32_t crc32c(base::Bytes bytes, size_t zeroed) {  // the 4 bytes at `zeroed` count as zero
  uint32_t crc = ~uint32_t{0};
  for (size_t i = 0; i < bytes.size(); ++i) {
    crc ^= i >= zeroed && i < zeroed + 4 ? 0 : bytes[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

Fault check_tlvs(base::Bytes header, size_t at) {
  while (at < header.size()) {
    if (header.size() - at < 3) return Fault::bad_tlv;
    const uint8_t type = header[at];
    const size_t size = base::load_be16(&header[at + 1]);
    at += 3;
    if (header.size() - at < size) return Fault::bad_tlv;
    if (type == kTlvCrc32c) {
      if (size != 4) return Fault::bad_tlv;
      if (base::load_be32(&header[at]) != crc32c(header, at)) return Fault::bad_checksum;
    }
    at += size;
  }
  return Fault::kNone;
}

// Bytes of the two addresses and ports; false for a family that is not in the specification.
bool address_bytes(uint8_t family, size_t& out) {
  switch (family) {
    case 0x00:  // UNSPEC
      out = 0;
      return true;
    case 0x11:  // TCP and UDP over IPv4
    case 0x12:
      out = 12;
      return true;
    case 0x21:  // over IPv6
    case 0x22:
      out = 36;
      return true;
    case 0x31:  // UNIX
    case 0x32:
      out = 216;
      return true;
  }
  return false;
}

Read read_v2(base::Bytes input, Endpoints& out) {
  if (input.size() < kV2HeadBytes) return {};
  const uint8_t command = input[12] & 15;
  const uint8_t family = input[13];
  const size_t length = base::load_be16(&input[14]);
  if (input[12] >> 4 != 2 || command > 1) return refused(Fault::bad_version);
  size_t addresses = 0;
  if (!address_bytes(family, addresses)) return refused(Fault::bad_family);
  const bool local = command == 0;
  if (local) addresses = 0;  // LOCAL: the family and the rest are to be ignored
  if (kV2HeadBytes + length > kMaxHeaderBytes) return refused(Fault::too_long);
  if (length < addresses) return refused(Fault::too_short);
  if (input.size() < kV2HeadBytes + length) return {};
  const base::Bytes header = input.first(kV2HeadBytes + length);
  const Read done{Read::Got::kHeader, header.size(), Fault::kNone};
  if (local) return done;
  if (const Fault fault = check_tlvs(header, kV2HeadBytes + addresses); fault != Fault::kNone) return refused(fault);
  const uint8_t* at = header.data() + kV2HeadBytes;
  if (addresses != 12 && addresses != 36) return done;
  const size_t size = addresses == 12 ? 4 : 16;
  out.known = true;
  out.datagram = (family & 15) == 2;
  out.source = size == 4 ? base::IpAddress::v4_from(at) : base::IpAddress::v6_from(at);
  out.destination = size == 4 ? base::IpAddress::v4_from(at + size) : base::IpAddress::v6_from(at + size);
  out.source_port = base::load_be16(at + 2 * size);
  out.destination_port = base::load_be16(at + 2 * size + 2);
  return done;
}

void put_address(char*& at, const base::IpAddress& address, bool v4) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (v4)
    inet_ntop(AF_INET, address.v4_bytes(), text.data(), text.size());
  else
    inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  const size_t size = std::strlen(text.data());
  std::memcpy(at, text.data(), size);
  at += size;
  *at++ = ' ';
}

void put_text(char*& at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  at += text.size();
}

size_t encode_v1(const Endpoints& endpoints, char* out) {
  char* at = out;
  put_text(at, kV1Start);
  if (!endpoints.known || endpoints.datagram) {  // version 1 has no words for datagrams
    put_text(at, "UNKNOWN\r\n");
    return static_cast<size_t>(at - out);
  }
  const bool v4 = endpoints.source.is_v4() && endpoints.destination.is_v4();
  put_text(at, v4 ? "TCP4 " : "TCP6 ");
  put_address(at, endpoints.source, v4);
  put_address(at, endpoints.destination, v4);
  at = std::to_chars(at, at + 5, endpoints.source_port).ptr;
  *at++ = ' ';
  at = std::to_chars(at, at + 5, endpoints.destination_port).ptr;
  put_text(at, "\r\n");
  return static_cast<size_t>(at - out);
}

size_t encode_v2(const Endpoints& endpoints, uint8_t* out) {
  std::memcpy(out, kV2Start.data(), kV2Start.size());
  out[12] = endpoints.known ? 0x21 : 0x20;
  const bool v4 = endpoints.source.is_v4() && endpoints.destination.is_v4();
  const size_t size = v4 ? 4 : 16;
  const size_t length = endpoints.known ? 2 * size + 4 : 0;
  out[13] = endpoints.known ? static_cast<uint8_t>((v4 ? 0x10 : 0x20) | (endpoints.datagram ? 2 : 1)) : 0;
  base::store_be16(out + 14, static_cast<uint16_t>(length));
  if (length == 0) return kV2HeadBytes;
  uint8_t* at = out + kV2HeadBytes;
  std::memcpy(at, v4 ? endpoints.source.v4_bytes() : endpoints.source.bytes.data(), size);
  std::memcpy(at + size, v4 ? endpoints.destination.v4_bytes() : endpoints.destination.bytes.data(), size);
  base::store_be16(at + 2 * size, endpoints.source_port);
  base::store_be16(at + 2 * size + 2, endpoints.destination_port);
  return kV2HeadBytes + length;
}

}  // namespace

const char* name_of(Fault fault) { return kFaults[fault < Fault::kCount ? static_cast<size_t>(fault) : 0].name; }
const char* sentence_of(Fault fault) {
  return kFaults[fault < Fault::kCount ? static_cast<size_t>(fault) : 0].sentence;
}

Read read_header(base::Bytes input, Endpoints& out) {
  out = {};
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  for (const std::string_view start : {kV1Start, kV2Start}) {
    const size_t seen = std::min(text.size(), start.size());
    if (text.substr(0, seen) != start.substr(0, seen)) continue;
    if (seen < start.size()) return {};
    return start == kV1Start ? read_v1(text, out) : read_v2(input, out);
  }
  return refused(Fault::no_signature);
}

size_t encode_header(Version version, const Endpoints& endpoints, base::MutableBytes out) {
  std::array<uint8_t, kMaxEncodedBytes> header;
  const size_t size = version == Version::kV1 ? encode_v1(endpoints, reinterpret_cast<char*>(header.data()))
                                              : encode_v2(endpoints, header.data());
  if (size > out.size()) return 0;
  std::memcpy(out.data(), header.data(), size);
  return size;
}

}  // namespace penstock::proxy_protocol
