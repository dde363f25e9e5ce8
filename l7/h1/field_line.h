// One line of a header or trailer section (RFC 9112 5) becomes a field, in place: the name in lower case, the value
// without the white space around it. Obsolete line folding (5.2) is refused, as are white space before the colon (5.1)
// and control characters (RFC 9110 5.5).
#pragma once

#include "l7/h1/refusal.h"
#include "l7/http/arena.h"
#include "l7/http/fields.h"

namespace penstock::h1 {

// `line` is without its LF, lies in `arena`, and is not the empty line. `count_limit`: fields `into` may hold after it.
Refusal parse_field_line(http::Slice line, http::Arena& arena, uint32_t count_limit, http::Fields& into);

// What the bytes a line may not hold are called: bare_cr, nul_byte or control_character.
Refusal refusal_of_control(char byte);

}  // namespace penstock::h1
