// Patterns that are found anywhere in a text, compared with std::regex.
#include "l7/match/search_set.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>

namespace penstock::match {
namespace {

SearchPattern pattern(std::string expression, bool ignore_case = false, bool dot_all = false) {
  return {{std::move(expression), "owner"}, ignore_case, dot_all};
}

class Searched {
 public:
  explicit Searched(std::vector<SearchPattern> patterns) {
    auto built = SearchSet::build(patterns);
    if (!built) {
      ADD_FAILURE() << built.error();
      return;
    }
    set_ = std::move(*built);
    EXPECT_TRUE(set_.fit(scratch_));
    found_.resize(set_.words());
  }
  std::vector<size_t> in(std::string_view text) {
    set_.scan(text, scratch_, found_);
    std::vector<size_t> which;
    for (size_t i = 0; i < set_.size(); ++i)
      if (found_[i / 64] >> i % 64 & 1) which.push_back(i);
    return which;
  }

 private:
  SearchSet set_;
  Scratch scratch_;
  std::vector<uint64_t> found_;
};

using Which = std::vector<size_t>;

TEST(SearchSet, AnywhereUnlessAnchored) {
  Searched searched({pattern("ab"), pattern("\\Aab"), pattern("ab\\z"), pattern("a|b"), pattern("x+y")});
  EXPECT_EQ(searched.in("ab"), (Which{0, 1, 2, 3}));
  EXPECT_EQ(searched.in("zabz"), (Which{0, 3}));
  EXPECT_EQ(searched.in("-xxxy-"), (Which{4}));
  EXPECT_EQ(searched.in(""), Which{});
}

TEST(SearchSet, Flags) {
  Searched searched({pattern("union.select", true), pattern("union.select", true, true), pattern("Union.Select")});
  EXPECT_EQ(searched.in("UNION SELECT"), (Which{0, 1}));
  EXPECT_EQ(searched.in("uniOn\nselect"), (Which{1}));
  EXPECT_EQ(searched.in("Union\tSelect"), (Which{0, 1, 2}));
  EXPECT_EQ(searched.in(std::string_view("\0union\0select", 13)), (Which{0, 1}));
}

TEST(SearchSet, WhatIsRefusedIsNamed) {
  for (const char* expression : {"a*", "(", "(?=a)", "a{2000}"}) {
    const std::vector patterns{pattern("ok"), SearchPattern{{expression, "the owner"}, false, false}};
    const auto built = SearchSet::build(patterns);
    ASSERT_FALSE(built) << expression;
    EXPECT_TRUE(built.error().starts_with("the owner: ")) << built.error();
  }
  EXPECT_FALSE(SearchSet::build(std::vector(kMaxExpressions + 1, pattern("a"))));
}

TEST(SearchSet, AsStdRegex) {
  const std::vector<std::string> kParts{"a", "b", "ab", "[ab]", ".", "(a|bc)", "c+", "b?c", "\\d", "(ab){2}"};
  std::mt19937 random(5);
  const auto below = [&](size_t bound) { return static_cast<size_t>(random() % bound); };
  for (int round = 0; round < 20; ++round) {
    std::vector<SearchPattern> patterns;
    std::vector<std::regex> oracle;
    for (size_t n = 1 + below(70); n > 0; --n) {
      std::string expression;
      for (size_t parts = 1 + below(4); parts > 0; --parts) expression += kParts[below(kParts.size())];
      const bool ignore_case = below(3) == 0;
      patterns.push_back(pattern(expression, ignore_case));
      oracle.emplace_back(expression,
                          ignore_case ? std::regex::ECMAScript | std::regex::icase : std::regex::ECMAScript);
    }
    Searched searched(patterns);
    for (int i = 0; i < 50; ++i) {
      std::string text;
      for (size_t n = below(12); n > 0; --n) text += "abcABC1"[below(7)];
      Which want;
      for (size_t p = 0; p < oracle.size(); ++p)
        if (std::regex_search(text, oracle[p])) want.push_back(p);
      ASSERT_EQ(searched.in(text), want) << text;
    }
  }
}

}  // namespace
}  // namespace penstock::match
