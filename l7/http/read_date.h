// An IMF-fixdate (RFC 9110 5.6.7), "Sun, 06 Nov 1994 08:49:37 GMT", as seconds since 1970.
//
// Nothing for what is not exactly that, with the right day of the week, and for years before 1970. The two obsolete
// forms are not read: what sends them is older than the fields that are read here.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::http {

std::optional<uint64_t> read_date(std::string_view text);

}  // namespace penstock::http
