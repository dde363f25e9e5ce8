// What the fields of a complete head say about the connection and the content (RFC 9112 3.2, 6, 9; RFC 9110 7.6.1, 7.8,
// 8.6, 10.1.1), turned into members of the head, and the fields taken out.
//
// Order of the rules, which decides the name when several are broken:
//   request:  Connection, Host, lengths, content that the method forbids, body limit, Expect
//   response: Connection, lengths, 101
// Ambiguous but legal messages are noted in the head's `ambiguity`.
#pragma once

#include "l7/h1/limits.h"
#include "l7/h1/refusal.h"
#include "l7/http/message.h"

namespace penstock::h1 {

// How the end of the content is found.
enum class BodyKind : uint8_t { kNone, kLength, kChunked, kUntilClose, kTunnel };

struct Framing {
  BodyKind body = BodyKind::kNone;
  bool persistent = false;  // the sender is willing to go on after this message, RFC 9112 9.3
};

Refusal finish_request(const Limits& limits, http::RequestHead& head, Framing& out);

// What a response's meaning depends on (RFC 9112 6.3).
struct Asked {
  http::Method method = http::Method::kGet;
  bool upgrade = false;  // the request asked to switch protocols
};
Refusal finish_response(const Asked& asked, const Limits& limits, http::ResponseHead& head, Framing& out);

// Fields that may not come as trailers: framing, routing, authentication, and what changes how a message is understood.
bool forbidden_in_trailers(http::FieldId id);

}  // namespace penstock::h1
