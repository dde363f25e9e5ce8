#include "l7/match/search_set.h"

#include <hs/hs.h>

#include "l7/match/check.h"

namespace penstock::match {

base::Result<SearchSet> SearchSet::build(std::span<const SearchPattern> patterns) {
  std::vector<Pattern> owners;
  for (const SearchPattern& each : patterns) owners.push_back(each.pattern);
  if (auto done = check_count(owners); !done) return base::Error{done.error()};
  std::vector<std::string> texts;
  std::vector<unsigned> flags;
  for (const SearchPattern& each : patterns) {
    flags.push_back(HS_FLAG_SINGLEMATCH | (each.ignore_case ? HS_FLAG_CASELESS : 0u) |
                    (each.dot_all ? HS_FLAG_DOTALL : 0u));
    if (auto done = check_alone(each.pattern, flags.back()); !done) return base::Error{done.error()};
    texts.push_back(each.pattern.expression);
  }
  auto built = PatternSet::from(owners, texts, flags);
  if (!built) return base::Error{built.error()};
  SearchSet set;
  set.set_ = std::move(*built);
  if (set.bytes() > kMaxSearchBytes)
    return base::Error{patterns.front().pattern.owner + ": together the expressions of the set take " +
                       std::to_string(set.bytes() >> 20) + " MiB (at most " + std::to_string(kMaxSearchBytes >> 20) +
                       ")"};
  return set;
}

base::Result<void> SearchSet::fit(Scratch& scratch) const { return scratch.fit(set_); }

}  // namespace penstock::match
