// A set of regular expressions that are looked for anywhere in a text, all of them in one pass by Hyperscan.
//
// The language, the bounds, the threads and the failures are those of PatternSet; but nothing is anchored unless the
// expression says so ("\A", "\z"), and an expression that is met by no text at all ("a*") is refused: it would be met
// everywhere. A set that Hyperscan makes larger than kMaxSearchBytes is refused too.
#pragma once

#include "l7/match/pattern_set.h"

namespace penstock::match {

constexpr size_t kMaxSearchBytes = 256 * 1024 * 1024;  // of one compiled set

struct SearchPattern {
  Pattern pattern;
  bool ignore_case = false;
  bool dot_all = false;  // "." is a line feed too
};

class SearchSet {
 public:
  SearchSet() = default;  // empty: finds nothing
  static base::Result<SearchSet> build(std::span<const SearchPattern> patterns);

  // Room in the scratch for this set too. Control only, before a worker has it.
  base::Result<void> fit(Scratch& scratch) const;

  size_t size() const { return set_.size(); }
  size_t words() const { return set_.words(); }
  size_t bytes() const { return set_.bytes(); }

  // Bit i of `found` (words() of them, overwritten) says whether expression i is somewhere in `text`. At most 4 GiB.
  void scan(std::string_view text, Scratch& scratch, std::span<uint64_t> found) const {
    set_.scan(text, scratch, found);
  }

 private:
  PatternSet set_;
};

}  // namespace penstock::match
