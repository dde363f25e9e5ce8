// Compressed content from arbitrary bytes, in a block of exactly their size: the inflater and an oracle that reads byte
// by byte see the same, but for what the inflater ends early because it says too little; of two codings, what comes out
// stays within its bounds, and so does what it costs.
//
// The input: which codings, whether the content ends, how much is asked for (three bytes), then the content.
#include <string>
#include <vector>

#include "input.h"
#include "oracle/inflate_oracle.h"

namespace {
// No 512 blocks are in so little, nor 32 with tables.
constexpr size_t kAlwaysRead = 256;
constexpr size_t kMost = penstock::config::encoded_room(penstock::config::kMaxInspectedBody);
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  using namespace penstock::guard;
  Input in(data, size);
  const uint8_t way = in.byte();
  const size_t most = 1 + in.half() % config::kMaxInspectedBody;
  const std::string text = in.bytes(config::encoded_room(static_cast<uint32_t>(most)));
  const std::vector<uint8_t> content(text.begin(), text.end());
  const bool whole = way & 1;
  Codings codings;
  codings.count = way & 2 ? 2 : 1;
  codings.all = {way & 4 ? Coding::kGzip : Coding::kDeflate, way & 8 ? Coding::kGzip : Coding::kDeflate};
  static Inflater inflater;
  const Inflation inflation = inflater.run(codings, content, whole, most);
  if (inflation.text.size() > most) fail("more than was asked for");
  if (inflation.outcome == Inflated::kUnknown) fail("a coding that is known");
  if (inflation.outcome == Inflated::kFull && inflation.text.size() != most) fail("full, and is not");
  if (inflater.calls() > 2 * codings.count * (content.size() / kSlice + block_room(kMost) + 100)) fail("too much work");
  if (codings.count == 2) return 0;
  // Which reading of deflate is meant is not the oracle's to say: one of both.
  const bool may_end_early = content.size() > kAlwaysRead;
  const auto is = [&](const SlowlyInflated& slowly) {
    const std::string seen(inflation.text.begin(), inflation.text.end());
    if (may_end_early && inflation.outcome == Inflated::kSparse) return slowly.text.starts_with(seen);
    return slowly.outcome == inflation.outcome && slowly.text == seen;
  };
  const auto read = [&](int bits) { return inflate_bytewise(bits, content, whole, most); };
  if (codings.all[0] == Coding::kGzip) {
    if (!is(read(kOracleGzip))) fail("gzip: the oracle reads something else");
  } else if (!is(read(kOracleZlib)) && !is(read(kOracleBare))) {
    const bool twofold = may_end_early || read(kOracleBare).outcome != Inflated::kCorrupt;
    if (!twofold || inflation.outcome != Inflated::kCorrupt) fail("deflate: the oracle reads something else");
  }
  return 0;
}
