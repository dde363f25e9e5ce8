// Why a message, or a part of one, is refused in the language of HTTP semantics (RFC 9110): the rules that hold in
// every version. What is wrong with the syntax of one version is named by its codec, which takes this list over into
// its own.
//
// A fault has a name (metrics, access log), a sentence and the status a client gets. The same fault in a response of a
// server is 502 to the client: the side is the caller's knowledge.
#pragma once

#include <cstddef>
#include <cstdint>

namespace penstock::http {

#define PENSTOCK_HTTP_FAULTS(X)                                                                     \
  X(empty_field_name, "field without a name", 400)                                                  \
  X(bad_field_name, "field name holds what is no token character", 400)                             \
  X(bad_field_value, "field value holds a control character", 400)                                  \
  X(too_many_fields, "more fields than the limit", 431)                                             \
  X(fields_too_large, "fields larger than the limit", 431)                                          \
  X(bad_method, "method is no token", 400)                                                          \
  X(method_too_long, "method longer than any that is known", 501)                                   \
  X(target_too_long, "request target longer than the limit", 414)                                   \
  X(bad_path, "path holds a character that RFC 3986 does not allow there", 400)                     \
  X(bad_query, "query holds a character that nobody may send", 400)                                 \
  X(bad_escape, "percent sign without two hexadecimal digits in the path", 400)                     \
  X(escaped_nul, "%00 in the path", 400)                                                            \
  X(escaped_slash, "%2F or %5C in the path, which the policy refuses", 400)                         \
  X(bad_scheme, "scheme other than http and https", 400)                                            \
  X(bad_authority, "authority that is no host with an optional port", 400)                          \
  X(user_info, "user information in the authority (RFC 9110 4.2.4)", 400)                           \
  X(missing_host, "request without a host (RFC 9112 3.2, RFC 9113 8.3.1)", 400)                     \
  X(repeated_host, "more than one host", 400)                                                       \
  X(bad_content_length, "content length that is no number or too large", 400)                       \
  X(differing_content_lengths, "content lengths that differ", 400)                                  \
  X(content_not_allowed, "content in a CONNECT or TRACE request", 400)                              \
  X(body_too_large, "content longer than the limit", 413)                                           \
  X(bad_status, "status code outside of 100 to 599", 400)                                           \
  X(forbidden_trailer, "trailer field that decides about framing or routing (RFC 9110 6.5.1)", 400) \
  X(unknown_expectation, "expectation other than 100-continue", 417)

enum class Fault : uint8_t {
  kNone = 0,
#define PENSTOCK_HTTP_FAULT_ENUM(name, sentence, status) name,
  PENSTOCK_HTTP_FAULTS(PENSTOCK_HTTP_FAULT_ENUM)
#undef PENSTOCK_HTTP_FAULT_ENUM
      kCount
};

constexpr size_t kFaults = static_cast<size_t>(Fault::kCount);

struct FaultInfo {
  const char* name;
  const char* sentence;
  uint16_t status;  // what a client that sent it is answered
};

const FaultInfo& info(Fault fault);  // kNone: {"none", ..., 200}

}  // namespace penstock::http
