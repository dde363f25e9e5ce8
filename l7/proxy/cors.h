// The CORS protocol as the gateway answers it (Fetch, 3.2): which origins may read, what a preflight is told, what
// answers carry.
//
// An origin that is not allowed gets no field, and its preflight goes on to the backend, which may know better (as
// Envoy does). "*" in the configuration is written as "*" where credentials are not allowed. Where they are, "*" would
// mean nothing to a browser, and Gateway API forbids it: methods and fields are those that were asked for, none if
// none were, and what a page may read are the fields that the answer has. Pure; false: the fields did not fit.
#pragma once

#include <string_view>

#include "l7/config/filters.h"
#include "l7/http/message.h"

namespace penstock::proxy {

// The request's origin if it is allowed, a view of the head's arena; else empty.
std::string_view allowed_origin(const config::Cors& cors, const http::RequestHead& head);

bool is_preflight(const http::RequestHead& head);
bool write_preflight(const config::Cors& cors, std::string_view origin, const http::RequestHead& head,
                     http::ResponseHead& answer);
bool write_cors(const config::Cors& cors, std::string_view origin, http::ResponseHead& head);

}  // namespace penstock::proxy
