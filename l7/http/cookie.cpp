#include "l7/http/cookie.h"

#include <algorithm>

#include "l7/http/chars.h"

namespace penstock::http {

namespace {

std::optional<std::string_view> find_in(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t end = std::min(list.find(';'), list.size());
    const std::string_view pair = trim({list.data(), end});
    list.remove_prefix(std::min(end + 1, list.size()));
    const size_t equals = pair.find('=');
    if (equals == name.size() && pair.starts_with(name))
      return std::string_view{pair.data() + equals + 1, pair.size() - equals - 1};
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> find_cookie(const Fields& fields, std::string_view name) {
  for (const Field* at = fields.find(FieldId::kCookie); at != nullptr; at = fields.find(FieldId::kCookie, at + 1))
    if (const auto found = find_in(fields.value(*at), name)) return found;
  return std::nullopt;
}

}  // namespace penstock::http
