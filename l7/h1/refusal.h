// Every way in which HTTP/1 bytes are refused: the faults of HTTP itself (l7/http/fault.h) and those of its version 1
// syntax (RFC 9112). One list feeds answers, metrics, the access log and tests.
//
// A refused request is answered with the status and the connection is closed; a refused response becomes 502 and its
// connection is closed. After a refusal no byte of the connection is trusted.
#pragma once

#include <cstddef>
#include <cstdint>

#include "l7/http/fault.h"

namespace penstock::h1 {

#define PENSTOCK_H1_REFUSALS(X)                                                                            \
  X(bare_lf, "line ended by LF without CR", 400)                                                           \
  X(bare_cr, "CR inside of a line", 400)                                                                   \
  X(nul_byte, "NUL inside of a line", 400)                                                                 \
  X(control_character, "control character inside of a line", 400)                                          \
  X(bad_request_line, "request line that is not method, target and version with one space between", 400)   \
  X(bad_target, "target in a form that the method does not allow", 400)                                    \
  X(bad_version, "version that is not HTTP/digit.digit", 400)                                              \
  X(unsupported_version, "major version other than 1", 505)                                                \
  X(bad_status_line, "status line that is not version, three digits and a phrase", 400)                    \
  X(status_line_too_long, "status line longer than the limit", 400)                                        \
  X(line_folding, "line that begins with white space (obs-fold)", 400)                                     \
  X(space_before_colon, "white space between field name and colon", 400)                                   \
  X(missing_colon, "field line without a colon", 400)                                                      \
  X(both_lengths, "Transfer-Encoding and Content-Length in one message", 400)                              \
  X(bad_transfer_encoding, "transfer coding that is unknown, repeated, or chunked and not last", 400)      \
  X(transfer_coding_not_implemented, "registered transfer coding before chunked", 501)                     \
  X(transfer_encoding_in_http10, "Transfer-Encoding in an HTTP/1.0 message", 400)                          \
  X(bad_connection, "Connection that is no list of names, too long, or names Host or Content-Length", 400) \
  X(bad_chunk_size, "chunk size that is no hexadecimal number", 400)                                       \
  X(chunk_size_too_large, "chunk size of more than 16 digits or beyond 2^63", 400)                         \
  X(bad_chunk_extension, "chunk extension that is not ;name or ;name=value", 400)                          \
  X(chunk_extensions_too_large, "chunk extensions larger than the limit", 400)                             \
  X(bad_chunk_end, "chunk whose data is not followed by CR LF", 400)                                       \
  X(bad_upgrade, "101 that nobody asked for, or that names no protocol", 400)                              \
  X(too_many_interim_responses, "more interim responses than the limit", 400)                              \
  X(truncated, "connection closed inside of a message", 400)

enum class Refusal : uint8_t {
  kNone = 0,
#define PENSTOCK_H1_REFUSAL_ENUM(name, sentence, status) name,
  PENSTOCK_HTTP_FAULTS(PENSTOCK_H1_REFUSAL_ENUM) PENSTOCK_H1_REFUSALS(PENSTOCK_H1_REFUSAL_ENUM)
#undef PENSTOCK_H1_REFUSAL_ENUM
      kCount
};

constexpr size_t kRefusals = static_cast<size_t>(Refusal::kCount);

// The lists begin alike, so a fault keeps its number.
constexpr Refusal refusal_of(http::Fault fault) { return static_cast<Refusal>(fault); }
static_assert(refusal_of(http::Fault::unknown_expectation) == Refusal::unknown_expectation);
static_assert(refusal_of(http::Fault::empty_field_name) == Refusal::empty_field_name);

const http::FaultInfo& info(Refusal refusal);  // kNone: {"none", ..., 200}

}  // namespace penstock::h1
