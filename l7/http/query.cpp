#include "l7/http/query.h"

#include "l7/http/chars.h"

namespace penstock::http {

namespace {

// The next decoded byte of a text that is not empty.
char take(std::string_view& encoded) {
  const char c = encoded.front();
  if (c == '%' && encoded.size() >= 3 && is(encoded[1], kHexDigit) && is(encoded[2], kHexDigit)) {
    const unsigned byte = hex_value(encoded[1]) << 4 | hex_value(encoded[2]);
    encoded.remove_prefix(3);
    return static_cast<char>(byte);
  }
  encoded.remove_prefix(1);
  return c == '+' ? ' ' : c;
}

}  // namespace

std::optional<QueryParameter> QueryParameters::next() {
  while (!rest_.empty()) {
    const size_t end = rest_.find('&');
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (text.empty()) continue;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) return QueryParameter{text, {}};
    std::string_view value = text;
    value.remove_prefix(equals + 1);
    return QueryParameter{text.substr(0, equals), value};
  }
  return std::nullopt;
}

std::optional<QueryParameter> find_parameter(std::string_view query, std::string_view name) {
  QueryParameters parameters(query);
  while (const auto parameter = parameters.next())
    if (decodes_to(parameter->name, name)) return parameter;
  return std::nullopt;
}

bool decodes_to(std::string_view encoded, std::string_view plain) {
  while (!encoded.empty()) {
    if (plain.empty() || take(encoded) != plain.front()) return false;
    plain.remove_prefix(1);
  }
  return plain.empty();
}

size_t decode_parameter(std::string_view encoded, char* out) {
  size_t size = 0;
  while (!encoded.empty()) out[size++] = take(encoded);
  return size;
}

}  // namespace penstock::http
