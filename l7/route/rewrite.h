// The new target of a request, for the filters URLRewrite and RequestRedirect (Gateway API v1: HTTPPathModifier,
// HTTPRequestRedirectFilter). Pure: texts in, a text out, written into memory of the caller.
//
// Thread: any. Failure: nothing, when the text does not fit into `out`. A path that is no path ("*", or empty for
// CONNECT) stays as it is. Results are not normalised: http::RequestHead::set_path() does that and refuses what is no
// path. Replacements begin with "/" or are empty; the filter's configuration is checked where it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "l7/config/filters.h"

namespace penstock::route {

using config::PathModifier;
using config::Redirect;

// `prefix_bytes`: Candidate::prefix_bytes of the match that serves the request.
std::optional<std::string_view> modify_path(const PathModifier& modifier, std::string_view path, uint32_t prefix_bytes,
                                            std::span<char> out);

// The Location of a redirect: "https://shop.example.com:8443/new?q=1". The port is left out where it is the scheme's
// own; the query stays. A request without a host that is redirected to none in particular gets a Location that is only
// a path (RFC 9110 10.2.2), which never reads as another host's ("//evil.example/").
std::optional<std::string_view> compose_location(const Redirect& redirect, const http::RequestHead& head,
                                                 uint16_t client_port, uint32_t prefix_bytes, std::span<char> out);

}  // namespace penstock::route
