// The parameters of a query, one after the other, as forms write them: name=value&name=value, "+" a space, %XX a byte.
//
// A view: nothing is copied and nothing is refused, since a query need not be parameters at all. Escapes that are none
// ("100%") stand for themselves. Comparisons decode as they go. Thread and memory: the query's owner's.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace penstock::http {

struct QueryParameter {
  std::string_view name;   // still encoded
  std::string_view value;  // still encoded; empty without "="
};

class QueryParameters {
 public:
  explicit QueryParameters(std::string_view query) : rest_(query) {}
  std::optional<QueryParameter> next();  // parameters without name and value ("a&&b") are passed over

 private:
  std::string_view rest_;
};

// The first parameter of that (decoded) name, which is the one that counts (Gateway API, HTTPQueryParamMatch).
std::optional<QueryParameter> find_parameter(std::string_view query, std::string_view name);

bool decodes_to(std::string_view encoded, std::string_view plain);
// Writes the decoded text, at most encoded.size() bytes; returns its length.
size_t decode_parameter(std::string_view encoded, char* out);

}  // namespace penstock::http
