// Compressed content, against the text that was compressed and against an oracle that reads it byte by byte.
#include "l7/guard/inflater.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "l7/http/message.h"
#include "oracle/inflate_oracle.h"

namespace penstock::guard {
namespace {

Codings codings(std::vector<Coding> all) {
  Codings out;
  for (const Coding each : all) out.all[out.count++] = each;
  return out;
}
const Codings kGzipOnly = codings({Coding::kGzip}), kDeflateOnly = codings({Coding::kDeflate});

std::string text_of(const Inflation& inflation) {
  return {reinterpret_cast<const char*>(inflation.text.data()), inflation.text.size()};
}

Codings named(std::vector<std::string> lines) {
  http::RequestHead head(http::HeadLimits{});
  head.clear();
  for (const std::string& line : lines) EXPECT_EQ(head.fields.add("Content-Encoding", line), http::Fault::kNone);
  return codings_of(head.fields);
}

// Words and bytes without order, in turns.
std::string some_text(std::mt19937& random, size_t size) {
  std::string out;
  while (out.size() < size) {
    const bool words = random() % 2 == 0;
    for (size_t n = 1 + random() % 3000; n != 0; --n)
      out += words ? "etaoin shrdlu"[random() % 13] : static_cast<char>(random());
  }
  out.resize(size);
  return out;
}

// As a proxy holds it: no more than there is room for.
Inflation run(Inflater& inflater, const Codings& how, std::string& content, size_t most) {
  const size_t held = std::min<size_t>(content.size(), config::encoded_room(static_cast<uint32_t>(most)));
  const bool whole = held == content.size();
  content.resize(held);
  return inflater.run(how, bytes_of(content), whole, most);
}

TEST(Inflater, NamesOfCodings) {
  const auto kinds = [](const Codings& from) {
    std::string out;
    for (size_t i = 0; i < from.count; ++i) out += from.all[i] == Coding::kGzip ? 'g' : 'd';
    return out + (from.known ? "" : "?");
  };
  EXPECT_EQ(kinds(named({})), "");
  EXPECT_EQ(kinds(named({"gzip"})), "g");
  EXPECT_EQ(kinds(named({"X-GZip"})), "g");
  EXPECT_EQ(kinds(named({"DEFLATE"})), "d");
  EXPECT_EQ(kinds(named({"identity"})), "");
  EXPECT_EQ(kinds(named({"Identity, gzip,, \tdeflate ,"})), "gd");
  EXPECT_EQ(kinds(named({"gzip", "deflate"})), "gd");
  EXPECT_EQ(kinds(named({"gzip, gzip, gzip"})), "gg?");
  EXPECT_EQ(kinds(named({"br"})), "?");
  EXPECT_EQ(kinds(named({"gzip;q=1"})), "?");
  EXPECT_EQ(kinds(named({"gzip", "zstd"})), "g?");
}

// Whatever an honest sender does, as much of the text is seen as was asked for, of no more than what is held.
TEST(Inflater, WhatWasCompressedComesBack) {
  std::mt19937 random(7);
  Inflater inflater;
  for (int i = 0; i < 1500; ++i) {
    const std::string text = some_text(random, 1 + random() % (i % 10 == 0 ? 100'000 : 5000));
    Deflating how;
    how.level = static_cast<int>(random() % 10);
    how.memory = 1 + static_cast<int>(random() % 9);
    how.strategy = static_cast<int>(random() % 5);
    how.flush_every = random() % 3 == 0 ? 64 + random() % 1000 : 0;
    how.member_every = random() % 4 == 0 ? 200 + random() % 2000 : 0;
    Codings chain;
    std::string content = text;
    for (size_t n = 1 + random() % kMaxCodings; n != 0; --n) {
      const bool gzip = random() % 2 == 0;
      const int window = 9 + static_cast<int>(random() % 7);
      how.window_bits = gzip ? window + 16 : random() % 2 == 0 ? window : -window;
      if (!gzip) how.member_every = 0;
      chain.all[chain.count++] = gzip ? Coding::kGzip : Coding::kDeflate;
      content = deflated(content, how);
    }
    const size_t most = 1 + random() % config::kMaxInspectedBody;
    const Inflation inflation = run(inflater, chain, content, most);
    ASSERT_EQ(inflation.outcome, text.size() >= most ? Inflated::kFull : Inflated::kWhole) << i;
    ASSERT_TRUE(text_of(inflation) == text.substr(0, most)) << i;
  }
}

// Cut anywhere, with any byte changed, with something behind it: as the oracle says.
TEST(Inflater, WhatIsSpoiltIsReadAsTheOracleReadsIt) {
  std::mt19937 random(8);
  Inflater inflater;
  for (const int window_bits : {kOracleGzip, kOracleZlib}) {
    const Codings& how = window_bits == kOracleGzip ? kGzipOnly : kDeflateOnly;
    const std::string whole = deflated(
        some_text(random, 700), {.window_bits = window_bits, .member_every = window_bits == kOracleGzip ? 300u : 0u});
    const auto compare = [&](const std::string& content, bool ends, size_t most) {
      const Inflation inflation = inflater.run(how, bytes_of(content), ends, most);
      const SlowlyInflated slowly = inflate_bytewise(window_bits, bytes_of(content), ends, most);
      ASSERT_EQ(inflation.outcome, slowly.outcome);
      ASSERT_TRUE(text_of(inflation) == slowly.text);
    };
    for (const bool ends : {true, false}) {
      for (size_t cut = 2; cut <= whole.size(); ++cut) compare(whole.substr(0, cut), ends, 4096);
      for (size_t most = 1; most <= 720; ++most) compare(whole, ends, most);
      for (size_t at = window_bits == kOracleZlib ? 2 : 0; at < whole.size(); ++at) {
        std::string spoilt = whole;
        spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << random() % 8));
        compare(spoilt, ends, 4096);
      }
      for (const char* tail : {"x", "\0", "\x1f", "\x1f\x8b", "tail that is long"}) compare(whole + tail, ends, 4096);
    }
  }
}

TEST(Inflater, WhatIsMissingOrBehindIsNoText) {
  Inflater inflater;
  const std::string whole = deflated("the text");
  const auto outcome = [&](const std::string& content, const Codings& how = kGzipOnly, bool ends = true) {
    return inflater.run(how, bytes_of(content), ends, 100).outcome;
  };
  EXPECT_EQ(outcome(whole), Inflated::kWhole);
  EXPECT_EQ(outcome(whole.substr(0, whole.size() - 1)), Inflated::kCorrupt);
  EXPECT_EQ(outcome(whole.substr(0, whole.size() - 1), kGzipOnly, false), Inflated::kSparse);
  EXPECT_EQ(outcome(whole, kGzipOnly, false), Inflated::kSparse) << "another member may follow";
  EXPECT_EQ(outcome(whole + "junk"), Inflated::kCorrupt);
  EXPECT_EQ(outcome("plain text"), Inflated::kCorrupt);
  EXPECT_EQ(outcome(deflated("the text", {.window_bits = kOracleZlib})), Inflated::kCorrupt) << "no gzip";
  EXPECT_EQ(outcome(whole, codings({Coding::kGzip, Coding::kGzip})), Inflated::kCorrupt);
  EXPECT_EQ(outcome(std::string("\x78\xbb\x11\x22\x33\x44") + whole, kDeflateOnly), Inflated::kCorrupt)
      << "a dictionary";
  EXPECT_EQ(outcome(whole, named({"br"})), Inflated::kUnknown);
  const Inflation seen = inflater.run(kGzipOnly, bytes_of(whole + "junk"), true, 100);
  EXPECT_EQ(seen.text.size(), 8u) << "what there is, is seen";
  EXPECT_TRUE(seen.can_be_trusted_for(8)) << "and who asked for no more has seen all";
  EXPECT_FALSE(seen.can_be_trusted_for(9));
}

TEST(Inflater, ABombIsItsBeginning) {
  Inflater inflater;
  std::string bomb = deflated(std::string(20'000'000, 'a'), {.level = 9});
  Inflation inflation = run(inflater, kGzipOnly, bomb, 5000);
  EXPECT_EQ(inflation.outcome, Inflated::kFull);
  EXPECT_EQ(text_of(inflation), std::string(5000, 'a'));
  bomb = deflated(deflated(std::string(20'000'000, 'a'), {.level = 9}), {.level = 9});
  inflation = run(inflater, codings({Coding::kGzip, Coding::kGzip}), bomb, config::kMaxInspectedBody);
  EXPECT_EQ(inflation.outcome, Inflated::kFull);
}

// Empty blocks, empty members and a long name: nothing to see, until what is held is used up.
TEST(Inflater, MuchAroundLittleIsSparse) {
  Inflater inflater;
  std::string blocks("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), members, name("\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10);
  for (int i = 0; i < 20'000; ++i) blocks += std::string("\0\0\0\xff\xff", 5);
  for (int i = 0; i < 5000; ++i) members += deflated("");
  name += std::string(100'000, 'n') + '\0';
  for (std::string content : {blocks, members, name}) {
    content += deflated("evil");
    const Inflation inflation = run(inflater, kGzipOnly, content, 4096);
    EXPECT_EQ(inflation.outcome, Inflated::kSparse);
    EXPECT_EQ(inflation.text.size(), 0u);
  }
}

// What zlib does for a byte of input is bounded by the text that comes of it, in each layer.
TEST(Inflater, BlocksThatSayNothingEndIt) {
  Inflater inflater;
  const size_t most = config::kMaxInspectedBody, room = config::encoded_room(config::kMaxInspectedBody);
  const Codings twice = codings({Coding::kGzip, Coding::kGzip});
  for (const size_t text : {1, 1000, 65'000}) {
    std::string inner = with_empty_tables(text, room);
    const SlowlyInflated slowly = inflate_bytewise(kOracleGzip, bytes_of(inner), false, most);
    ASSERT_EQ(slowly.text, std::string(text, 'a')) << "it is a stream";
    ASSERT_EQ(slowly.outcome, Inflated::kSparse) << "and no broken one";
    Inflation inflation = inflater.run(kGzipOnly, bytes_of(inner), true, most);
    EXPECT_EQ(inflation.outcome, Inflated::kSparse) << text;
    EXPECT_EQ(text_of(inflation), std::string(text, 'a'));
    EXPECT_LE(inflater.calls(), block_room(text) / kTables + 10) << text;
    const std::string outer = deflated(inner, {.level = 9});
    EXPECT_LT(outer.size(), 800u);
    inflation = inflater.run(twice, bytes_of(outer), true, most);
    EXPECT_EQ(inflation.outcome, Inflated::kSparse) << text;
    EXPECT_LE(inflater.calls(), block_room(text) / kTables + 20) << text;
  }
  std::string behind = with_empty_tables(1, 5000) + "evil";
  EXPECT_EQ(inflater.run(kGzipOnly, bytes_of(behind), true, most).outcome, Inflated::kSparse) << "not only of much";
}

// A log's lines, each flushed when it was written: more blocks than from any other honest sender.
TEST(Inflater, LinesThatAreFlushedAreRead) {
  Inflater inflater;
  std::string lines;
  for (int i = 0; lines.size() < config::kMaxInspectedBody; ++i)
    lines += "{\"time\": " + std::to_string(1'700'000'000 + i * 7919) + ", \"level\": \"info\", \"code\": \"" +
             std::to_string(i * 2654435761u) + "\"}\n";
  for (const int strategy : {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_FIXED}) {
    const std::string content = deflated(lines, {.strategy = strategy, .flush_every = 200});
    const Inflation inflation = inflater.run(kGzipOnly, bytes_of(content), true, config::kMaxInspectedBody);
    EXPECT_EQ(inflation.outcome, Inflated::kFull) << strategy;
    EXPECT_LE(inflater.calls(), 2 * lines.size() / 200 + 100);
  }
}

// The bytes of a zlib header and those of a block's length: both readings are possible, and they differ.
TEST(Inflater, DeflateThatReadsInTwoWaysIsNotTrusted) {
  Inflater inflater;
  // With the header: a block of 65534 bytes. Without: one of a byte, and one of five.
  std::string content(
      "\x78\x01\x00\xfe\xff\x01\x00\x05\x00\xfa\xff"
      "evil!\x03\x00",
      18);
  EXPECT_EQ(inflate_bytewise(kOracleBare, bytes_of(content), true, 100).text, "\1evil!");
  EXPECT_EQ(inflate_bytewise(kOracleZlib, bytes_of(content), true, 4).outcome, Inflated::kFull);
  EXPECT_EQ(inflater.run(kDeflateOnly, bytes_of(content), true, 4).outcome, Inflated::kCorrupt);
  EXPECT_FALSE(inflater.run(kDeflateOnly, bytes_of(content), true, 4).can_be_trusted_for(1))
      << "the text is one of two";
  content[9] = 'x';  // now only the header makes sense
  EXPECT_EQ(inflater.run(kDeflateOnly, bytes_of(content), true, 4).outcome, Inflated::kFull);
  // Nor does it help that one of them holds enough of another coding.
  const std::string outer = std::string("\x78\x01\x08\xfe\xf7\x01\x08", 7) + deflated("the text");
  EXPECT_EQ(inflater.run(codings({Coding::kGzip, Coding::kDeflate}), bytes_of(outer), false, 4).outcome,
            Inflated::kCorrupt);
  const std::string bare = deflated("bare", {.window_bits = kOracleBare});
  EXPECT_EQ(text_of(inflater.run(kDeflateOnly, bytes_of(bare), true, 100)), "bare");
}

}  // namespace
}  // namespace penstock::guard
