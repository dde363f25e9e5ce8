// Responses: as h1_request_fuzz.cpp. The first byte chooses limits, what was asked, and cuts.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "oracle/h1_oracle.h"
#include "oracle/h1_transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  if (size == 0) return 0;
  const uint8_t way = data[0];
  const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr http::Method kMethods[] = {http::Method::kGet, http::Method::kHead, http::Method::kConnect,
                                       http::Method::kPost};
  const h1::Asked asked{kMethods[way & 3], (way & 4) != 0};
  h1::Limits limits;
  if (way & 8) limits.head = {24, 80, 4, 24, 16};
  const bool closed = way & 16;
  const std::string expected = oracle::H1Oracle(input, limits).responses(asked, closed);
  for (const std::vector<size_t>& pieces : {std::vector<size_t>{}, {1}, {1 + way % 7u, 1 + way % 31u}}) {
    const std::string got = oracle::response_transcript(input, asked, limits, pieces, closed);
    if (got == expected) continue;
    std::fprintf(stderr, "--- parser\n%s--- oracle\n%s", got.c_str(), expected.c_str());
    std::abort();
  }
  return 0;
}
