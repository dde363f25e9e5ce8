// Cookies of a request (RFC 6265 5.4): "name=value; name=value", in one field or several.
//
// A view of the fields; nothing is copied, decoded or refused. Quotes around a value are part of it.
#pragma once

#include <optional>
#include <string_view>

#include "l7/http/fields.h"

namespace penstock::http {

// The first cookie of that name, whose case counts.
std::optional<std::string_view> find_cookie(const Fields& fields, std::string_view name);

}  // namespace penstock::http
