// Request methods (RFC 9110 9, RFC 5789) and what is known about them. Methods are case-sensitive; an extension method
// is kOther and keeps its text in the request head.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock::http {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kDelete, kConnect, kOptions, kTrace, kPatch, kOther };

Method method_of(std::string_view text);
std::string_view to_string(Method method);  // kOther: ""

// RFC 9110 9.2.1 and 9.2.2; false for kOther, of which nothing is known.
constexpr bool is_safe(Method m) {
  return m == Method::kGet || m == Method::kHead || m == Method::kOptions || m == Method::kTrace;
}
constexpr bool is_idempotent(Method m) { return is_safe(m) || m == Method::kPut || m == Method::kDelete; }
// RFC 9110 8.6: a request of these without content says so with "content-length: 0".
constexpr bool expects_content(Method m) { return m == Method::kPost || m == Method::kPut || m == Method::kPatch; }
// RFC 9110 9.3.6 and 9.3.8: no content at all.
constexpr bool forbids_content(Method m) { return m == Method::kConnect || m == Method::kTrace; }
// RFC 9110 9.3.1, 9.3.2, 9.3.5: content has no meaning there, and others may take it for the next request.
constexpr bool content_is_ambiguous(Method m) {
  return m == Method::kGet || m == Method::kHead || m == Method::kDelete;
}

}  // namespace penstock::http
