// Stories as text: files are read, macros put in, parameters and permutations spelled out. README.md is the language.
//
// load() throws ScriptError, with file and line, for what cannot be a story. Values; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace penstock::tcp::script {

struct Where {
  std::string file;
  int line = 0;
  std::string via;  // "macro established, states.story:12", or empty
};

struct ScriptError : std::runtime_error {
  ScriptError(Where at, const std::string& what) : std::runtime_error(what), where(std::move(at)) {}
  Where where;
};

struct Line {
  Where where;
  std::string text;
};

struct Cell {
  std::string state;
  std::string kind;
  auto operator<=>(const Cell&) const = default;
};

struct Story {
  std::string name;
  Where where;
  std::vector<Line> lines;
  std::vector<Cell> cells;
};

std::vector<Story> load(const std::filesystem::path& folder);  // every *.story in it
std::vector<std::string> words(const std::string& text);       // <options> are one word

}  // namespace penstock::tcp::script
