#include "l7/proxy/cors.h"

#include "l7/http/chars.h"
#include "l7/http/text.h"

namespace penstock::proxy {

namespace {

using http::Fault;
using http::FieldId;

constexpr std::string_view kRequestMethod = "access-control-request-method";
constexpr std::string_view kRequestHeaders = "access-control-request-headers";
constexpr const char* kExposeHeaders = "access-control-expose-headers";
constexpr size_t kMaxListBytes = 4096;  // of names in one field; Gateway API's 64 names of 256 are never that long

bool allows(std::string_view pattern, std::string_view origin) {
  if (pattern == "*" || pattern == origin) return true;
  const size_t star = pattern.find('*');  // "https://*.example", also with a port
  if (star == std::string_view::npos) return false;
  const std::string_view before(pattern.data(), star);
  pattern.remove_prefix(star + 1);
  return origin.size() > before.size() + pattern.size() && origin.starts_with(before) && origin.ends_with(pattern);
}

bool is_any(const std::vector<std::string>& list) {
  for (const std::string& each : list)
    if (each == "*") return true;
  return false;
}

bool put_list(const char* name, const std::vector<std::string>& list, http::Fields& fields) {
  if (list.empty()) return true;
  http::Text<kMaxListBytes> text;
  for (const std::string& each : list) {
    if (!text.empty()) text.put(", ");
    text.put(each);
  }
  return !text.overflowed() && fields.set(name, text.view()) == Fault::kNone;
}

// A list of what is allowed, or, where that is everything and credentials forbid "*", what was asked for.
bool put_allowed(const config::Cors& cors, const char* name, const std::vector<std::string>& list,
                 std::string_view asked, http::Fields& fields) {
  if (!is_any(list)) return put_list(name, list, fields);
  if (!cors.credentials) return fields.set(name, "*") == Fault::kNone;
  return asked.empty() || fields.set(name, asked) == Fault::kNone;
}

// The names of what the answer has; no page may read a Set-Cookie. Those for which there is no room stay hidden.
bool expose_all(http::Fields& fields) {
  http::Text<kMaxListBytes> text;
  for (const http::Field& field : fields) {
    const std::string_view name = fields.name(field);
    if (field.id == FieldId::kSetCookie || name.starts_with("access-control-")) continue;
    if (text.view().size() + name.size() + 2 > kMaxListBytes) break;
    if (!text.empty()) text.put(", ");
    text.put(name);
  }
  if (!text.empty()) return fields.set(kExposeHeaders, text.view()) == Fault::kNone;
  fields.remove(kExposeHeaders);
  return true;
}

// Who asked decides what is answered: caches must know (Fetch, CORS protocol and HTTP caches).
bool vary_by_origin(http::Fields& fields) {
  for (const http::Field& field : fields)
    if (field.id == FieldId::kVary) {
      bool named = false;
      http::for_each_element(fields.value(field), [&](std::string_view name) {
        named |= http::equals_lower(name, "origin") || name == "*";
      });
      if (named) return true;
    }
  return fields.add(FieldId::kVary, "origin") == Fault::kNone;
}

bool put_origin(const config::Cors& cors, std::string_view origin, http::Fields& fields) {
  const bool any = is_any(cors.origins) && !cors.credentials;
  if (fields.set("access-control-allow-origin", any ? "*" : origin) != Fault::kNone) return false;
  if (!any && !vary_by_origin(fields)) return false;
  return !cors.credentials || fields.set("access-control-allow-credentials", "true") == Fault::kNone;
}

}  // namespace

std::string_view allowed_origin(const config::Cors& cors, const http::RequestHead& head) {
  const std::string_view origin = head.fields.value_of(FieldId::kOrigin);
  if (origin.empty()) return {};
  for (const std::string& each : cors.origins)
    if (allows(each, origin)) return origin;
  return {};
}

bool is_preflight(const http::RequestHead& head) {
  return head.method == http::Method::kOptions && head.fields.find(kRequestMethod) != nullptr;
}

bool write_preflight(const config::Cors& cors, std::string_view origin, const http::RequestHead& head,
                     http::ResponseHead& answer) {
  http::Fields& fields = answer.fields;
  http::Text<16> age;
  age.put_number(cors.max_age_seconds);
  return put_origin(cors, origin, fields) &&
         put_allowed(cors, "access-control-allow-methods", cors.methods, head.fields.value_of(kRequestMethod),
                     fields) &&
         put_allowed(cors, "access-control-allow-headers", cors.request_headers, head.fields.value_of(kRequestHeaders),
                     fields) &&
         fields.set("access-control-max-age", age.view()) == Fault::kNone;
}

bool write_cors(const config::Cors& cors, std::string_view origin, http::ResponseHead& head) {
  if (!put_origin(cors, origin, head.fields)) return false;
  if (cors.credentials && is_any(cors.expose_headers)) return expose_all(head.fields);
  return put_list(kExposeHeaders, cors.expose_headers, head.fields);
}

}  // namespace penstock::proxy
