#include "script/tcp/script.h"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

namespace penstock::tcp::script {

namespace {

struct Block {  // a story or a macro as written
  bool is_macro = false;
  std::string name;
  std::vector<std::string> values;  // of `for`
  Where where;
  std::vector<Line> lines;
};
using Macros = std::map<std::string, Block>;

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

Block begin_block(const std::vector<std::string>& w, const Where& where) {
  if (w.size() < 2) throw ScriptError(where, "a " + w[0] + " needs a name");
  Block block{w[0] == "macro", w[1], {}, where, {}};
  if (w.size() > 2) {
    if (block.is_macro || w[2] != "for" || w.size() == 3) throw ScriptError(where, "valid: story NAME [for VALUE...]");
    block.values.assign(w.begin() + 3, w.end());
  }
  return block;
}

std::vector<Block> read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<Block> blocks;
  std::string raw;
  for (int number = 1; std::getline(in, raw); ++number) {
    const Where where{path.string(), number, ""};
    std::string text = trimmed(raw);
    if (text.rfind("# cell:", 0) != 0) {
      if (const size_t comment = text.find('#'); comment != std::string::npos) text = trimmed(text.substr(0, comment));
    }
    if (text.empty()) continue;
    const std::vector<std::string> w = words(text);
    if (w[0] == "story" || w[0] == "macro") {
      blocks.push_back(begin_block(w, where));
    } else if (blocks.empty()) {
      throw ScriptError(where, "before the first story or macro: " + text);
    } else {
      blocks.back().lines.push_back({where, text});
    }
  }
  return blocks;
}

void put_in(const Macros& macros, const Line& line, int depth, std::vector<Line>& out) {
  const std::vector<std::string> w = words(line.text);
  if (w[0] != "use") {
    out.push_back(line);
    return;
  }
  const auto macro = w.size() == 2 ? macros.find(w[1]) : macros.end();
  if (macro == macros.end()) throw ScriptError(line.where, "no such macro: " + line.text);
  if (depth > 8) throw ScriptError(line.where, "macros use each other without end: " + line.text);
  for (const Line& inner : macro->second.lines) {
    const std::string via = "macro " + w[1] + ", " + inner.where.file + ":" + std::to_string(inner.where.line);
    put_in(macros, {{line.where.file, line.where.line, via}, inner.text}, depth + 1, out);
  }
}

Story spell_out(const Block& block, const std::string& value, const Macros& macros) {
  Story story{block.name, block.where, {}, {}};
  if (!value.empty()) story.name += "_" + replaced(value, "-", "_");
  for (Line line : block.lines) {
    line.text = replaced(line.text, "$state", value);
    if (line.text.rfind("# cell:", 0) == 0) {
      const std::string cell = trimmed(line.text.substr(7));
      const size_t cross = cell.find(" x ");
      if (cross == std::string::npos) throw ScriptError(line.where, "valid: # cell: STATE x KIND");
      story.cells.push_back({trimmed(cell.substr(0, cross)), trimmed(cell.substr(cross + 3))});
    } else {
      put_in(macros, line, 0, story.lines);
    }
  }
  return story;
}

// permute ... done: a story for every order of the lines between, each line followed by `drain`.
void permute(const Story& story, std::vector<Story>& out) {
  const auto is = [](const char* word) { return [word](const Line& l) { return l.text == word; }; };
  const auto begin = std::find_if(story.lines.begin(), story.lines.end(), is("permute"));
  if (begin == story.lines.end()) return out.push_back(story);
  const auto end = std::find_if(begin, story.lines.end(), is("done"));
  if (end == story.lines.end()) throw ScriptError(begin->where, "permute without done");
  std::vector<size_t> order(static_cast<size_t>(end - begin) - 1);
  std::iota(order.begin(), order.end(), 0U);
  do {
    Story one{story.name + "_", story.where, {story.lines.begin(), begin}, story.cells};
    for (const size_t i : order) {
      const Line& line = *(begin + 1 + static_cast<std::ptrdiff_t>(i));
      one.name += std::to_string(i + 1);
      one.lines.push_back(line);
      one.lines.push_back({line.where, "drain"});
    }
    one.lines.insert(one.lines.end(), end + 1, story.lines.end());
    out.push_back(std::move(one));
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  std::string word;
  while (in >> word) {
    if (word.size() > 1 && word[0] == '<') {
      std::string rest;
      while (word.back() != '>' && in >> rest) word += " " + rest;
    }
    out.push_back(word);
  }
  return out;
}

std::vector<Story> load(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".story") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  Macros macros;
  std::vector<Block> blocks;
  for (const auto& path : paths) {
    for (Block& block : read_file(path)) {
      if (!block.is_macro) {
        blocks.push_back(std::move(block));
      } else if (const auto at = block.where; !macros.emplace(block.name, std::move(block)).second) {
        throw ScriptError(at, "a second macro of this name");
      }
    }
  }
  std::vector<Story> stories;
  for (const Block& block : blocks) {
    if (block.values.empty()) permute(spell_out(block, "", macros), stories);
    for (const std::string& value : block.values) permute(spell_out(block, value, macros), stories);
  }
  std::set<std::string> names;
  for (const Story& s : stories) {
    if (!names.insert(s.name).second) throw ScriptError(s.where, "a second story named " + s.name);
  }
  return stories;
}

}  // namespace penstock::tcp::script
