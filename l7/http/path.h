// The one normalisation of a request's path, done once, before anything looks at it: what is matched is what is
// forwarded.
//
// The policy, in one pass from left to right (RFC 3986 6.2.2):
//   1. Every character must be allowed in a path (bad_path), every "%" followed by two hexadecimal digits (bad_escape);
//      %00 is refused (escaped_nul).
//   2. Escapes of unreserved characters are decoded (%41 is A, %2e is "."), others are written in upper case (%c3 is
//      %C3). Nothing is decoded twice: %2541 stays %2541.
//   3. %2F and %5C, which backends may or may not take for a separator: kReject refuses them (escaped_slash), kKeep
//      keeps them as they are, kDecode makes %2F a "/" before the next steps and keeps %5C.
//   4. "//" becomes "/" if merge_slashes. It comes before dot segments: "/a//../b" is "/b" with it, "/a/b" without.
//   5. "." and ".." segments are removed (RFC 3986 5.2.4); ".." at the root stays at the root.
// The default keeps "//" and %2F, as Envoy and HAProxy do: object stores and package registries need both.
// Normalising a normalised path changes nothing.
//
// Memory: writes at most `path.size()` bytes to `out`; a path that is normal already is not copied.
#pragma once

#include <cstdint>
#include <string_view>

#include "l7/http/fault.h"

namespace penstock::http {

enum class EscapedSlash : uint8_t { kKeep, kReject, kDecode };

struct PathPolicy {
  bool merge_slashes = false;
  EscapedSlash escaped_slash = EscapedSlash::kKeep;
  bool operator==(const PathPolicy&) const = default;
};

// `path` begins with "/". `out` has room for path.size() bytes: elsewhere, or where the path is. The result is `path`
// itself or a view of `out`.
struct NormalPath {
  Fault fault = Fault::kNone;
  std::string_view path;
};
NormalPath normalise_path(std::string_view path, const PathPolicy& policy, char* out);

}  // namespace penstock::http
