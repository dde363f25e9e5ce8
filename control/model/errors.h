// What is wrong with a bundle: every fault at once, each with the object, the path of the field and the reason.
#pragma once

#include <string>
#include <vector>

namespace penstock::model {

struct FieldError {
  std::string object;  // "AccessPolicy/default/edge"
  std::string path;    // "spec.rules[3].to[0]"; empty: the object as a whole
  std::string reason;  // "\"10.0.0.0/33\" has a bad prefix length (want 0 to 32)"

  std::string to_string() const { return object + (path.empty() ? "" : " " + path) + ": " + reason; }
};

using FieldErrors = std::vector<FieldError>;

}  // namespace penstock::model
