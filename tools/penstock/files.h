// Manifests from files, directories and standard input.
#pragma once

#include <string>
#include <vector>

#include "control/api/manifest.h"

namespace penstock::cli {

struct Bundle {
  std::vector<v1::Object> objects;
  std::vector<std::string> errors;          // "gateway.yaml: document 2, line 14: ..."
  std::vector<std::string> broken_objects;  // that the errors are about
};

// Each of `paths` is a file, a directory (its *.yaml, *.yml and *.json, in the order of their names) or "-".
Bundle read_bundle(const std::vector<std::string>& paths);

}  // namespace penstock::cli
