// A list of texts to compare with: exact ones, beginnings, ends, and regular expressions by their number in a set that
// many lists share. And a list of prefixes of addresses.
//
// Values: built by control, immutable after seal(). Cost: a binary search each for exact texts, beginnings, ends and
// addresses, whatever their number; one bit per expression. Nothing is allocated after seal().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "l7/config/access.h"
#include "l7/match/pattern_set.h"

namespace penstock::guard {

// The different expressions of all lists, while they are built.
struct Expressions {
  std::vector<match::Pattern> patterns;
  std::map<std::string, uint32_t> numbers;

  uint32_t add(const std::string& expression, const std::string& owner) {
    const auto [at, added] = numbers.try_emplace(expression, static_cast<uint32_t>(patterns.size()));
    if (added) patterns.push_back({expression, owner});
    return at->second;
  }
};

class TextSet {
 public:
  // `owner`: the field's path, for errors about expressions.
  void add(const config::TextMatch& match, const std::string& owner, Expressions& expressions);
  void seal();

  bool empty() const { return !any_ && exact_.empty() && begins_.empty() && ends_.empty() && expressions_.empty(); }

  // `scan()` gives the bits of all expressions for the text; it is called when nothing else meets it.
  template <typename Scan>
  bool has(std::string_view text, Scan&& scan) const {
    if (has_literal(text)) return true;
    if (expressions_.empty()) return false;
    const uint64_t* found = scan();
    for (const uint32_t each : expressions_)
      if (found[each / 64] >> each % 64 & 1) return true;
    return false;
  }

 private:
  bool has_literal(std::string_view text) const;

  std::vector<std::string> exact_;
  std::vector<std::string> begins_;  // none is the beginning of another
  std::vector<std::string> ends_;    // written backwards
  std::vector<uint32_t> expressions_;
  bool any_ = false;  // every text but the empty one
};

class AddressSet {
 public:
  void add(const base::Prefix& prefix);
  void seal();
  bool empty() const { return v4_.empty() && v6_.empty(); }
  bool has(const base::IpAddress& address) const;

 private:
  struct Range {
    base::IpAddress first, last;
  };
  using Ranges = std::vector<Range>;  // apart from each other, in order
  static void seal(Ranges& ranges);

  Ranges v4_, v6_;  // ::/0 is no IPv4
};

}  // namespace penstock::guard
