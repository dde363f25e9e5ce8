// Texts of the access log that hold whatever clients sent: everything that comes out is printable ASCII, one line, and
// can be read back byte by byte.
#pragma once

#include <string>
#include <string_view>

#include "base/address.h"
#include "base/time.h"
#include "l7/proxy/access_record.h"

namespace penstock::l7log {

// Control characters, quotes, backslashes and what is no ASCII become \xHH, as nginx writes them.
void append_escaped(std::string& out, std::string_view text);
// A JSON string with its quotes. A byte that is no ASCII becomes the character of its number (\u0080 to \u00ff): bytes
// of clients need not be UTF-8.
void append_json_string(std::string& out, std::string_view text);

void append_time(std::string& out, base::Nanos wall);                                  // "2026-05-01T12:00:00.123Z"
void append_address(std::string& out, const base::IpAddress& address, uint16_t port);  // "10.0.0.1:80", "[::1]:80"
void append_flags(std::string& out, uint32_t flags);                                   // "UF,URX"; nothing for none

std::string_view protocol_of(http::Version version);  // "HTTP/1.1"

}  // namespace penstock::l7log
