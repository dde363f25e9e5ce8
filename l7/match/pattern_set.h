// A set of regular expressions, asked all at once: which of them are the whole of this text? One pass over the text by
// Hyperscan, however many expressions there are.
//
// The language is RE2's, as Envoy users write it, over bytes: no back-references, no look-around, no atomic or
// possessive groups, no (*VERBS); repeats up to 1000, nested ones multiplied. Every expression is anchored at both
// ends: "a|b" is the text "a" or the text "b". "." is not a line feed. Case counts unless the expression says (?i).
//
// Building allocates and takes about 5 ms an expression on this project's machine: control, never a worker. A set is
// immutable and shared; a Scratch belongs to one thread and serves every set it was fitted to. scan() allocates
// nothing, takes time linear in the text, and writes one bit per expression. Failure: build() names the owner of the
// expression and why it is refused.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Hyperscan's own types, so that its header stays in here.
struct hs_database;
struct hs_scratch;

namespace penstock::match {

constexpr size_t kMaxExpressionBytes = 4096;  // as long as a header value in a route may be
constexpr size_t kMaxExpressions = 4096;      // of one set: 20 s to build, some megabytes
constexpr uint32_t kMaxRepeat = 1000;         // as RE2; without it one short expression compiles for a minute
constexpr uint32_t kMaxPositions = 4000;      // characters and classes of one expression with its repeats written out

struct Pattern {
  std::string expression;
  std::string owner;  // whom an error names: the path of a field
};

class PatternSet;

class Scratch {
 public:
  // Room for that set too. Control only, before a worker has it.
  base::Result<void> fit(const PatternSet& set);

 private:
  friend class PatternSet;
  struct Free {
    void operator()(hs_scratch* scratch) const;
  };
  std::unique_ptr<hs_scratch, Free> scratch_;
};

class PatternSet {
 public:
  PatternSet() = default;  // empty: finds nothing
  static base::Result<PatternSet> build(std::span<const Pattern> patterns);

  size_t size() const { return size_; }
  size_t words() const { return (size_ + 63) / 64; }
  size_t bytes() const;  // of the compiled set

  // Bit i of `found` (words() of them, overwritten) says whether expression i is the whole of `text`. At most 4 GiB.
  void scan(std::string_view text, Scratch& scratch, std::span<uint64_t> found) const;

 private:
  friend class Scratch;
  friend class SearchSet;
  // What is compiled for the patterns stands in `texts`, with flags of Hyperscan.
  static base::Result<PatternSet> from(std::span<const Pattern> patterns, const std::vector<std::string>& texts,
                                       const std::vector<unsigned>& flags);
  struct Free {
    void operator()(hs_database* database) const;
  };
  std::unique_ptr<hs_database, Free> database_;
  size_t size_ = 0;
};

// Why the expression is not in the language, beyond what Hyperscan refuses itself; exposed for its tests.
base::Result<void> check_expression(std::string_view expression);

}  // namespace penstock::match
