#include "l7/http/method.h"

#include <array>
#include <cstddef>

namespace penstock::http {

namespace {
constexpr std::array<std::string_view, 10> kNames{"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH", ""};
}  // namespace

Method method_of(std::string_view text) {
  for (size_t i = 0; i < kNames.size() - 1; ++i)
    if (kNames[i] == text) return static_cast<Method>(i);
  return Method::kOther;
}

std::string_view to_string(Method method) { return kNames[static_cast<size_t>(method)]; }

}  // namespace penstock::http
