#include "gatewayd/config_file.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "control/api/manifest.h"
#include "control/api/translate.h"

namespace penstock::gatewayd {

namespace {

namespace fs = std::filesystem;

base::Result<std::vector<fs::path>> files_of(const std::string& path) {
  std::error_code failure;
  if (!fs::is_directory(path, failure)) return std::vector<fs::path>{path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path, failure)) {
    const std::string ending = entry.path().extension();
    if (ending == ".yaml" || ending == ".yml" || ending == ".json") files.push_back(entry.path());
  }
  if (failure) return base::Error{path + ": cannot be listed (" + failure.message() + ")"};
  if (files.empty()) return base::Error{path + ": holds no .yaml, .yml or .json file"};
  std::sort(files.begin(), files.end());
  return files;
}

base::Result<std::string> read_file(const fs::path& path) {
  std::error_code failure;
  const auto size = fs::file_size(path, failure);
  if (!failure && size > kMaxConfigBytes)
    return base::Error{path.string() + ": larger than " + std::to_string(kMaxConfigBytes >> 20) + " MiB"};
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) return base::Error{path.string() + ": cannot be read"};
  return text.str();
}

}  // namespace

base::Result<loop::ApplyResult> apply_config(const std::string& path, loop::ControlLoop& loop) {
  auto files = files_of(path);
  if (!files) return base::Error{files.error()};
  model::Change change;
  std::string faults;
  for (const fs::path& file : *files) {
    auto text = read_file(file);
    if (!text) return base::Error{text.error()};
    std::vector<v1::Object> objects;
    std::vector<api::ManifestError> errors;
    api::read_manifest(*text, objects, errors);
    for (const api::ManifestError& e : errors) faults += file.string() + ": " + e.to_string() + "\n";
    if (!errors.empty()) continue;
    for (const v1::Object& each : objects) {
      model::FieldErrors wrong;
      model::Object object;
      if (api::to_model(each, object, wrong)) change.apply.push_back(std::move(object));
      for (const model::FieldError& e : wrong) faults += file.string() + ": " + e.to_string() + "\n";
    }
  }
  if (!faults.empty()) return base::Error{faults.substr(0, faults.size() - 1)};
  loop::ApplyOptions options;
  options.replace = true;
  options.message = "file " + path;
  loop::ApplyResult result = loop.apply(std::move(change), options);
  if (result.ok) return result;
  for (const model::FieldError& e : result.errors) faults += path + ": " + e.to_string() + "\n";
  return base::Error{faults + result.failure};
}

}  // namespace penstock::gatewayd
