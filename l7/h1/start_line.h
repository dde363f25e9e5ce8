// The first line of a message: request line (RFC 9112 3) and status line (RFC 9112 4), with the four forms of a target
// (3.2): origin, absolute, authority, asterisk. One space between the parts, exactly; nothing else is taken for one.
//
// Memory: texts stay where they are in the arena; path and host are put into their normal form in place. Versions: 1.0
// and 1.1; a higher minor version is read as 1.1 (RFC 9110 2.5) and noted as ambiguous, another major one is refused.
// A status line without the space behind the status is refused, as RFC 9112 4 demands the space.
#pragma once

#include "l7/h1/limits.h"
#include "l7/h1/refusal.h"
#include "l7/http/message.h"

namespace penstock::h1 {

// `line` is without its LF and lies in the head's arena.
Refusal parse_request_line(http::Slice line, const Limits& limits, http::RequestHead& head);
Refusal parse_status_line(http::Slice line, http::ResponseHead& head);

}  // namespace penstock::h1
