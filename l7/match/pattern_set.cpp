#include "l7/match/pattern_set.h"

#include <hs/hs.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "l7/match/check.h"

namespace penstock::match {

namespace {

constexpr unsigned kFlags = HS_FLAG_ALLOWEMPTY | HS_FLAG_SINGLEMATCH;

int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
  static_cast<uint64_t*>(context)[id / 64] |= uint64_t{1} << id % 64;
  return 0;
}

struct CompileError {
  hs_compile_error_t* error = nullptr;
  ~CompileError() { hs_free_compile_error(error); }
};

base::Error refuse(const Pattern& pattern, const std::string& why) {
  std::string shown = pattern.expression.substr(0, 200);
  if (shown.size() < pattern.expression.size()) shown += "...";
  return {pattern.owner + ": regular expression '" + shown + "': " + why};
}

}  // namespace

// By itself first: only then is it sure that the anchors put around it stay around the whole of it.
base::Result<void> check_alone(const Pattern& pattern, unsigned flags) {
  if (pattern.expression.size() > kMaxExpressionBytes)
    return refuse(pattern, "longer than " + std::to_string(kMaxExpressionBytes) + " bytes");
  if (pattern.expression.find('\0') != std::string::npos) return refuse(pattern, "holds a NUL; write \\x00");
  if (auto done = check_expression(pattern.expression); !done) return refuse(pattern, done.error());
  CompileError failed;
  hs_expr_info_t* info = nullptr;
  const hs_error_t result = hs_expression_info(pattern.expression.c_str(), flags, &info, &failed.error);
  free(info);
  if (result != HS_SUCCESS) return refuse(pattern, failed.error ? failed.error->message : "not understood");
  return {};
}

base::Result<void> check_count(std::span<const Pattern> patterns) {
  if (patterns.size() <= kMaxExpressions) return {};
  return base::Error{patterns[kMaxExpressions].owner + ": more than " + std::to_string(kMaxExpressions) +
                     " different regular expressions"};
}

void Scratch::Free::operator()(hs_scratch* scratch) const { hs_free_scratch(scratch); }
void PatternSet::Free::operator()(hs_database* database) const { hs_free_database(database); }

base::Result<void> Scratch::fit(const PatternSet& set) {
  if (!set.database_) return {};
  hs_scratch* raw = scratch_.release();  // grown in place, or replaced
  const hs_error_t result = hs_alloc_scratch(set.database_.get(), &raw);
  scratch_.reset(raw);
  if (result != HS_SUCCESS) return base::Error{"no memory to scan with " + std::to_string(set.size()) + " expressions"};
  return {};
}

base::Result<PatternSet> PatternSet::build(std::span<const Pattern> patterns) {
  if (auto done = check_count(patterns); !done) return base::Error{done.error()};
  std::vector<std::string> anchored;
  anchored.reserve(patterns.size());
  for (const Pattern& pattern : patterns) {
    if (auto done = check_alone(pattern, kFlags); !done) return base::Error{done.error()};
    anchored.push_back("\\A(?:" + pattern.expression + ")\\z");
  }
  return from(patterns, anchored, std::vector<unsigned>(patterns.size(), kFlags));
}

base::Result<PatternSet> PatternSet::from(std::span<const Pattern> patterns, const std::vector<std::string>& texts,
                                          const std::vector<unsigned>& flags) {
  PatternSet set;
  if (patterns.empty()) return set;
  std::vector<const char*> expressions;
  std::vector<unsigned> ids;
  for (const std::string& text : texts) {
    expressions.push_back(text.c_str());
    ids.push_back(static_cast<unsigned>(ids.size()));
  }
  CompileError failed;
  hs_database_t* database = nullptr;
  const auto count = static_cast<unsigned>(patterns.size());
  const hs_error_t result = hs_compile_multi(expressions.data(), flags.data(), ids.data(), count, HS_MODE_BLOCK,
                                             nullptr, &database, &failed.error);
  if (result != HS_SUCCESS) {
    const char* why = failed.error ? failed.error->message : "no memory";
    const int which = failed.error ? failed.error->expression : -1;
    if (which >= 0 && static_cast<size_t>(which) < patterns.size())
      return refuse(patterns[static_cast<size_t>(which)], why);
    return refuse(patterns.front(), std::string("or one of the others of its set: ") + why);
  }
  set.database_.reset(database);
  set.size_ = patterns.size();
  return set;
}

size_t PatternSet::bytes() const {
  size_t bytes = 0;
  if (database_) hs_database_size(database_.get(), &bytes);
  return bytes;
}

void PatternSet::scan(std::string_view text, Scratch& scratch, std::span<uint64_t> found) const {
  std::fill(found.begin(), found.end(), 0);
  if (!database_) return;
  const char* bytes = text.empty() ? "" : text.data();  // Hyperscan takes no null
  hs_scan(database_.get(), bytes, static_cast<unsigned>(text.size()), 0, scratch.scratch_.get(), on_match,
          found.data());
}

}  // namespace penstock::match
