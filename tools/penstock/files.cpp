#include "tools/penstock/files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "control/api/tree.h"

namespace penstock::cli {

namespace {

void read_text(const std::string& name, std::istream& stream, Bundle& bundle) {
  std::string text;
  char block[65536];
  while (stream && text.size() <= api::kMaxManifestBytes) {
    stream.read(block, sizeof block);
    text.append(block, static_cast<size_t>(stream.gcount()));
  }
  std::vector<api::ManifestError> errors;
  api::read_manifest(text, bundle.objects, errors);
  for (const api::ManifestError& error : errors) {
    bundle.errors.push_back(name + ": " + error.to_string());
    bundle.broken_objects.push_back(error.object);
  }
}

void read_file(const std::filesystem::path& path, Bundle& bundle) {
  std::ifstream file(path, std::ios::binary);
  if (file) {
    read_text(path.string(), file, bundle);
  } else {
    bundle.errors.push_back(path.string() + ": cannot be read");
  }
}

void read_directory(const std::filesystem::path& path, Bundle& bundle) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator(path, failure)) {
    const std::string extension = entry.path().extension().string();
    if (entry.is_regular_file(failure) && (extension == ".yaml" || extension == ".yml" || extension == ".json"))
      files.push_back(entry.path());
  }
  if (failure || files.empty()) {
    bundle.errors.push_back(path.string() + ": " + (failure ? failure.message() : "holds no *.yaml, *.yml or *.json"));
    return;
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) read_file(file, bundle);
}

}  // namespace

Bundle read_bundle(const std::vector<std::string>& paths) {
  Bundle bundle;
  for (const std::string& path : paths) {
    std::error_code failure;
    if (path == "-") {
      read_text("standard input", std::cin, bundle);
    } else if (std::filesystem::is_directory(path, failure)) {
      read_directory(path, bundle);
    } else {
      read_file(path, bundle);
    }
  }
  return bundle;
}

}  // namespace penstock::cli
