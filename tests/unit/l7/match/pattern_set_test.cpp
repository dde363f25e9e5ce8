// Sets of expressions: which of many are the whole of a text.
#include "l7/match/pattern_set.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace penstock::match {
namespace {

std::vector<Pattern> patterns_of(const std::vector<std::string>& expressions) {
  std::vector<Pattern> patterns;
  for (size_t i = 0; i < expressions.size(); ++i) patterns.push_back({expressions[i], "route" + std::to_string(i)});
  return patterns;
}

// The numbers of the expressions that are the whole of the text.
std::vector<size_t> found_in(const PatternSet& set, Scratch& scratch, std::string_view text) {
  std::vector<uint64_t> bits(set.words(), ~uint64_t{0});  // overwritten
  set.scan(text, scratch, bits);
  std::vector<size_t> found;
  for (size_t i = 0; i < set.size(); ++i)
    if (bits[i / 64] >> i % 64 & 1) found.push_back(i);
  return found;
}

std::vector<size_t> found_in(const std::vector<std::string>& expressions, std::string_view text) {
  auto set = PatternSet::build(patterns_of(expressions));
  Scratch scratch;
  if (!set || !scratch.fit(*set)) return {999};
  return found_in(*set, scratch, text);
}

std::string refusal(const std::string& expression) {
  const auto built = PatternSet::build(patterns_of({"fine", expression}));
  return built ? "" : built.error();
}

using Numbers = std::vector<size_t>;

TEST(PatternSet, AnExpressionIsTheWholeText) {
  EXPECT_EQ(found_in({"/a", "/a.*", "a", "/a|/b", "^/a$"}, "/a"), (Numbers{0, 1, 3, 4}));
  EXPECT_EQ(found_in({"/a|/b", "/b", "(?:/a)|/bc"}, "/bc"), (Numbers{2}));
  EXPECT_EQ(found_in({"a", "a.*"}, "a\n"), Numbers{});  // "." is no line feed, and the end is the very end
  EXPECT_EQ(found_in({"ab", "(?i)ab", "(?i:a)b"}, "AB"), (Numbers{1}));
}

TEST(PatternSet, EmptyTextsAndEmptySets) {
  EXPECT_EQ(found_in({"a*", "a", ".*", "a?b?"}, ""), (Numbers{0, 2, 3}));
  EXPECT_EQ(found_in({"a*"}, std::string_view{}), (Numbers{0}));
  EXPECT_EQ(found_in({}, "text"), Numbers{});
}

TEST(PatternSet, BytesAreBytes) {
  EXPECT_EQ(found_in({"\\x00\\xff", ".\\xff", "[\\x80-\\xff]+"}, std::string_view("\0\xff", 2)), (Numbers{0, 1}));
}

// Each names its owner and says why; none takes long to be refused.
TEST(PatternSet, WhatIsRefused) {
  for (const char* expression : {"(a)\\1",
                                 "(?=a)b",
                                 "(?<!a)b",
                                 "a++",
                                 "(?>a)",
                                 "a)|(b",
                                 "(a",
                                 "[a",
                                 "a\\",
                                 "\\Qa",
                                 "(?x)a#",
                                 "(?#x)a",
                                 "(*UTF8)a",
                                 "(?|a|b)",
                                 "(?R)",
                                 "\\Ga",
                                 "\\X",
                                 "a{1001}",
                                 "(?:a{40}){40}",
                                 "(?:(?:a{11}){11}){11}",
                                 "a{2}{999}",
                                 "(a{1,1000}b{1,1000}){1,100}",
                                 "(.{1,500}/){1,500}",
                                 "(?:[a-z]{1000}[0-9]{1000}){1000}",
                                 "*a",
                                 "a**",
                                 "[b-a]"}) {
    const std::string why = refusal(expression);
    EXPECT_NE(why.find("route1: regular expression '" + std::string(expression) + "': "), std::string::npos)
        << expression << ": " << why;
  }
  EXPECT_NE(refusal(std::string("a\0b", 3)).find("NUL"), std::string::npos);
  EXPECT_NE(refusal(std::string(kMaxExpressionBytes + 1, 'a')).find("longer than"), std::string::npos);
  EXPECT_NE(refusal(std::string(kMaxExpressionBytes, 'a')).find("more than 4000"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += '(';
  EXPECT_NE(refusal(deep).find("nested deeper"), std::string::npos);
}

TEST(PatternSet, WhatIsUnderstood) {
  for (const char* expression :
       {"a{2,3}",     "a{1000}",      "(?:a{10}){100}", "a{",          "a{,3}",       "a{x}",  "[]a]",
        "[^]a]",      "[[:alpha:]]+", "[\\]]",          "\\d+\\.\\w*", "(?P<name>a)", "(?i)a", "(?i-s:a)b",
        "\\bword\\b", "a*?",          "a{2}?",          "\\x{41}",     "\\/",         "a||b",  "()",
        "\\x41"})
    EXPECT_EQ(refusal(expression), "") << expression;
}

TEST(PatternSet, TooManyAreRefusedByTheFirstThatIsTooMuch) {
  std::vector<std::string> many(kMaxExpressions + 1, "a");
  const auto built = PatternSet::build(patterns_of(many));
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error(), "route4096: more than 4096 different regular expressions");
}

TEST(PatternSet, OneScratchServesTheSetsItWasFittedTo) {
  auto a = PatternSet::build(patterns_of({"a+"}));
  auto b = PatternSet::build(patterns_of({"x", "[a-f0-9]{8}-.*", "(?:ab|cd)*", "a+"}));
  ASSERT_TRUE(a && b);
  Scratch scratch;
  ASSERT_TRUE(scratch.fit(*a) && scratch.fit(*b) && scratch.fit(PatternSet()));
  EXPECT_EQ(found_in(*a, scratch, "aaa"), (Numbers{0}));
  EXPECT_EQ(found_in(*b, scratch, "0123abcd-x"), (Numbers{1}));
  EXPECT_EQ(found_in(*a, scratch, "b"), Numbers{});
  EXPECT_EQ(found_in(*b, scratch, "aaa"), (Numbers{3}));
}

// Against std::regex, one by one, on random expressions and random texts.
TEST(PatternSet, FindsWhatOneByOneFinds) {
  constexpr unsigned kSeed = 20261121;
  std::mt19937 random(kSeed);
  const std::vector<std::string> atoms{"a", "b", "/", ".", "[ab]", "[^a]", "\\d", "(?:ab)", "(?:a|b/)", "(?:a|b)"};
  const std::vector<std::string> repeats{"", "", "", "*", "+", "?", "{2}", "{1,3}"};
  std::vector<std::string> expressions;
  std::vector<std::regex> oracles;
  for (int i = 0; i < 150; ++i) {
    std::string expression;
    for (unsigned n = 1 + random() % 5; n > 0; --n)
      expression += atoms[random() % atoms.size()] + repeats[random() % repeats.size()];
    if (random() % 4 == 0) expression += "|" + atoms[random() % atoms.size()];
    expressions.push_back(expression);
    oracles.emplace_back(expression);
  }
  auto set = PatternSet::build(patterns_of(expressions));
  ASSERT_TRUE(set) << set.error();
  Scratch scratch;
  ASSERT_TRUE(scratch.fit(*set));
  for (int i = 0; i < 1500; ++i) {
    std::string text;
    for (unsigned n = random() % 9; n > 0; --n) text += "ab/1"[random() % 4];
    Numbers expected;
    for (size_t e = 0; e < oracles.size(); ++e)
      if (std::regex_match(text, oracles[e])) expected.push_back(e);
    ASSERT_EQ(found_in(*set, scratch, text), expected) << "seed " << kSeed << ", text '" << text << "'";
  }
}

}  // namespace
}  // namespace penstock::match
