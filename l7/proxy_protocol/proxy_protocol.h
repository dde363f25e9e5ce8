// The PROXY protocol, versions 1 and 2: one header before the first byte of a connection, by which a proxy says whom it
// speaks for (the specification is HAProxy's doc/proxy-protocol.txt).
//
// A listener that expects the header takes nothing else; a listener that does not expect it must not look for one,
// since any client could write it. Reading keeps no state: the caller offers the bytes it has, from the first one on,
// until the header is complete; it is at most kMaxHeaderBytes long. Strict: v1 only in the exact form with one space
// between parts and canonical numbers; v2 with a known version, command, family and protocol, room for its addresses,
// whole TLVs, and a right CRC32c where one is sent. Other TLVs are passed over. Memory: none kept. Pure. Failure: a
// named fault; the connection is to be closed without an answer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace penstock::proxy_protocol {

constexpr size_t kMaxV1Bytes = 107;       // the specification's worst case, line end included
constexpr size_t kMaxHeaderBytes = 2048;  // a v2 header with certificates' names; longer ones are too_long
constexpr size_t kMaxEncodedBytes = 107;  // of either version as written here

#define PENSTOCK_PROXY_PROTOCOL_FAULTS(X)                                       \
  X(no_signature, "the connection does not begin with a PROXY header")          \
  X(bad_line, "version 1 line that does not have the exact form")               \
  X(bad_address, "version 1 address or port that is none")                      \
  X(too_long, "header longer than the limit")                                   \
  X(bad_version, "version 2 header with another version or an unknown command") \
  X(bad_family, "version 2 header with an unknown address family or protocol")  \
  X(too_short, "version 2 header without room for its addresses")               \
  X(bad_tlv, "version 2 header with a TLV that does not fit")                   \
  X(bad_checksum, "version 2 header whose CRC32c is wrong")

enum class Fault : uint8_t {
  kNone = 0,
#define PENSTOCK_PROXY_PROTOCOL_ENUM(name, sentence) name,
  PENSTOCK_PROXY_PROTOCOL_FAULTS(PENSTOCK_PROXY_PROTOCOL_ENUM)
#undef PENSTOCK_PROXY_PROTOCOL_ENUM
      kCount
};
const char* name_of(Fault fault);
const char* sentence_of(Fault fault);

struct Endpoints {
  bool known = false;  // false: LOCAL, UNKNOWN, or a family without IP addresses: use the connection's own
  bool datagram = false;
  base::IpAddress source, destination;
  uint16_t source_port = 0, destination_port = 0;
};

struct Read {
  enum class Got : uint8_t { kMore, kHeader, kRefused };
  Got got = Got::kMore;
  size_t consumed = 0;  // kHeader: its length
  Fault fault = Fault::kNone;
};
Read read_header(base::Bytes input, Endpoints& out);

enum class Version : uint8_t { kV1, kV2 };
// Writes a header into `out`; returns its length, 0 when it does not fit (kMaxEncodedBytes always do). Addresses of
// different families are written as IPv6 (version 2: also for v4-mapped ones). Unknown endpoints become UNKNOWN or
// LOCAL.
size_t encode_header(Version version, const Endpoints& endpoints, base::MutableBytes out);

}  // namespace penstock::proxy_protocol
