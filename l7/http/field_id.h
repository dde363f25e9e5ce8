// The field names that the gateway itself looks at or meets all the time, as small numbers, so that a look-up compares
// numbers. Names are in lower case, as every name in a message is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::http {

#define PENSTOCK_HTTP_FIELDS(X)                 \
  X(kAccept, "accept")                          \
  X(kAcceptEncoding, "accept-encoding")         \
  X(kAcceptLanguage, "accept-language")         \
  X(kAge, "age")                                \
  X(kAuthorization, "authorization")            \
  X(kCacheControl, "cache-control")             \
  X(kConnection, "connection")                  \
  X(kContentEncoding, "content-encoding")       \
  X(kContentLength, "content-length")           \
  X(kContentRange, "content-range")             \
  X(kContentType, "content-type")               \
  X(kCookie, "cookie")                          \
  X(kDate, "date")                              \
  X(kEtag, "etag")                              \
  X(kExpect, "expect")                          \
  X(kForwarded, "forwarded")                    \
  X(kHost, "host")                              \
  X(kHttp2Settings, "http2-settings")           \
  X(kIfModifiedSince, "if-modified-since")      \
  X(kIfNoneMatch, "if-none-match")              \
  X(kKeepAlive, "keep-alive")                   \
  X(kLastModified, "last-modified")             \
  X(kLocation, "location")                      \
  X(kMaxForwards, "max-forwards")               \
  X(kOrigin, "origin")                          \
  X(kProxyAuthenticate, "proxy-authenticate")   \
  X(kProxyAuthorization, "proxy-authorization") \
  X(kProxyConnection, "proxy-connection")       \
  X(kRange, "range")                            \
  X(kReferer, "referer")                        \
  X(kRetryAfter, "retry-after")                 \
  X(kServer, "server")                          \
  X(kSetCookie, "set-cookie")                   \
  X(kTe, "te")                                  \
  X(kTrailer, "trailer")                        \
  X(kTransferEncoding, "transfer-encoding")     \
  X(kUpgrade, "upgrade")                        \
  X(kUserAgent, "user-agent")                   \
  X(kVary, "vary")                              \
  X(kVia, "via")                                \
  X(kWwwAuthenticate, "www-authenticate")       \
  X(kXForwardedFor, "x-forwarded-for")          \
  X(kXForwardedHost, "x-forwarded-host")        \
  X(kXForwardedPort, "x-forwarded-port")        \
  X(kXForwardedProto, "x-forwarded-proto")      \
  X(kXRequestId, "x-request-id")

enum class FieldId : uint8_t {
  kUnknown = 0,
#define PENSTOCK_HTTP_FIELD_ENUM(id, name) id,
  PENSTOCK_HTTP_FIELDS(PENSTOCK_HTTP_FIELD_ENUM)
#undef PENSTOCK_HTTP_FIELD_ENUM
      kCount
};
static_assert(static_cast<size_t>(FieldId::kCount) <= 64, "sets of field ids are one word");

using FieldSet = uint64_t;
constexpr FieldSet set_of(FieldId id) { return uint64_t{1} << static_cast<unsigned>(id); }
template <typename... Ids>
constexpr FieldSet set_of(FieldId first, Ids... rest) {
  return set_of(first) | set_of(rest...);
}

FieldId field_id_of(std::string_view lowered);  // kUnknown for names that are not in the list
std::string_view name_of(FieldId id);           // kUnknown: ""

}  // namespace penstock::http
