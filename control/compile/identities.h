// Identities as the filter sees them: classes. An access rule names SPIFFE URIs, or all that begin with one; in the
// order of their bytes each of these is an interval, and together they cut the line of all texts into pieces. A class
// is a piece: identities in the same one are named by the same rules, and a rule's identities are ranges of classes, as
// its ports are ranges of numbers. So the filter depends on the rules alone, whichever identities there are.
//
// A value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/model/objects.h"
#include "control/model/policy.h"

namespace penstock::compile {

struct ClassRange {
  uint16_t first = 0, last = 65535;  // first > last: nobody
};

class IdentityClasses {
 public:
  IdentityClasses() = default;
  explicit IdentityClasses(const model::Objects<model::AccessPolicy>& policies);

  // 1 to 65535; 0 is nobody known.
  uint16_t class_of(std::string_view identity) const;
  // The classes of a rule's list, joined where they meet; the one of everybody for an empty list.
  std::vector<ClassRange> ranges_of(const std::vector<std::string>& selectors) const;
  bool operator==(const IdentityClasses&) const = default;

 private:
  std::vector<std::string> bounds_;  // ascending; at each of them a new piece begins
};

}  // namespace penstock::compile
