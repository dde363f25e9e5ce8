// What every set of this room asks before it compiles; for their .cpp files.
#pragma once

#include <span>

#include "l7/match/pattern_set.h"

namespace penstock::match {

base::Result<void> check_count(std::span<const Pattern> patterns);

// Whether the expression is in the language as it stands. `flags` are Hyperscan's.
base::Result<void> check_alone(const Pattern& pattern, unsigned flags);

}  // namespace penstock::match
