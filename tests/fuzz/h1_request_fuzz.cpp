// Requests: the parser against the oracle, and against itself with the input cut elsewhere. The first byte chooses
// limits, policy and cuts, the rest is what a client sends.
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
  h1::Limits limits;
  limits.path.merge_slashes = way & 1;
  limits.path.escaped_slash = static_cast<http::EscapedSlash>((way >> 1) % 3);
  if (way & 8) limits.head = {24, 80, 4, 24, 16};
  const bool closed = way & 16;
  const std::string expected = oracle::H1Oracle(input, limits).requests(closed);
  for (const std::vector<size_t>& pieces : {std::vector<size_t>{}, {1}, {1 + way % 7u, 1 + way % 31u}}) {
    const std::string got = oracle::request_transcript(input, limits, pieces, closed);
    if (got == expected) continue;
    std::fprintf(stderr, "--- parser\n%s--- oracle\n%s", got.c_str(), expected.c_str());
    std::abort();
  }
  return 0;
}
