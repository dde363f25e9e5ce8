// YAML text to trees, from yaml-cpp's events: they name aliases instead of copying what they stand for, so that every
// copy is counted before it is made.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <set>
#include <streambuf>
#include <unordered_map>

#include "control/api/tree.h"

namespace penstock::api {

namespace {

struct Refusal {  // leaves yaml-cpp through its frames; never this file
  uint32_t line;
  std::string reason;
};

uint32_t line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : static_cast<uint32_t>(mark.line) + 1; }

// Long text counts for several, so that what aliases stand for is bounded in bytes too.
size_t values_of(const std::string& text) { return 1 + text.size() / kAliasValueBytes; }

size_t values_in(const Tree& tree) {
  size_t sum = values_of(tree.scalar);
  for (const Tree& item : tree.items) sum += values_in(item);
  for (const auto& [key, value] : tree.members) sum += values_of(key) + values_in(value);
  return sum;
}

unsigned depth_of(const Tree& tree) {
  unsigned most = 0;
  for (const Tree& item : tree.items) most = std::max(most, depth_of(item));
  for (const auto& [key, value] : tree.members) most = std::max(most, depth_of(value));
  return most + 1;
}

class Builder : public YAML::EventHandler {
 public:
  Tree take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {
    root_ = {};
    open_.clear();
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Tree tree;
    tree.line = line_of(mark);
    add(std::move(tree), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw Refusal{line_of(mark), "an alias inside what it stands for"};
    count_expanded(values_in(found->second), line_of(mark));
    if (open_.size() + depth_of(found->second) > kMaxTreeDepth) refuse_depth(line_of(mark));
    Tree copy = found->second;
    copy.line = line_of(mark);
    add(std::move(copy), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    Tree tree = tag == "!" || tag == "tag:yaml.org,2002:str" ? Tree::string(value) : Tree::plain(value);
    tree.line = line_of(mark);
    add(std::move(tree), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    push(Tree::list(), mark, anchor);
  }
  void OnSequenceEnd() override { pop(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag);
    push(Tree::map(), mark, anchor);
  }
  void OnMapEnd() override { pop(); }

 private:
  struct Open {
    Tree tree;
    YAML::anchor_t anchor;
    bool has_key = false;
    std::string key;
    std::set<std::string, std::less<>> keys;
  };

  [[noreturn]] static void refuse_depth(uint32_t line) {
    throw Refusal{line, "nested deeper than " + std::to_string(kMaxTreeDepth) + " levels"};
  }

  static void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:")) return;
    throw Refusal{line_of(mark), "the tag " + tag.substr(0, 64) + " means nothing here"};
  }

  void count_expanded(size_t values, uint32_t line) {
    expanded_ += values;
    if (expanded_ > kMaxAliasValues)
      throw Refusal{line, "aliases stand for more than " + std::to_string(kMaxAliasValues) + " values"};
  }

  void push(Tree tree, const YAML::Mark& mark, YAML::anchor_t anchor) {
    tree.line = line_of(mark);
    if (open_.size() + 1 >= kMaxTreeDepth) refuse_depth(tree.line);
    open_.push_back({std::move(tree), anchor});
  }

  void pop() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.tree), done.anchor);
  }

  void add(Tree tree, YAML::anchor_t anchor) {
    if (++values_ > kMaxTreeValues) throw Refusal{tree.line, "more than " + std::to_string(kMaxTreeValues) + " values"};
    if (anchor) {
      count_expanded(values_in(tree), tree.line);
      anchors_[anchor] = tree;
    }
    if (open_.empty()) {
      root_ = std::move(tree);
      return;
    }
    Open& parent = open_.back();
    if (parent.tree.type == Tree::Type::kList) {
      parent.tree.items.push_back(std::move(tree));
    } else if (parent.has_key) {
      parent.tree.add(std::move(parent.key), std::move(tree));
      parent.has_key = false;
    } else {
      if (tree.type != Tree::Type::kScalar) throw Refusal{tree.line, "a key that is no text"};
      if (!parent.keys.insert(tree.scalar).second)
        throw Refusal{tree.line, "the key \"" + tree.scalar.substr(0, 64) + "\" is given twice"};
      parent.key = std::move(tree.scalar);
      parent.has_key = true;
    }
  }

  Tree root_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Tree> anchors_;
  size_t values_ = 0, expanded_ = 0;  // of all documents; those copied for anchors and aliases
};

// Reads the caller's bytes without copying them.
class View : public std::streambuf {
 public:
  explicit View(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf only reads what has no put area
    setg(begin, begin, begin + text.size());
  }
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const auto* end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int more = *p >= 0xc2 && *p <= 0xdf ? 1 : (*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p <= 0xf4 ? 3 : 0;
    if (more == 0 || end - p <= more) return false;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f)) return false;
    if ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f)) return false;
    for (int i = 1; i <= more; ++i)
      if ((p[i] & 0xc0) != 0x80) return false;
    p += more + 1;
  }
  return true;
}

}  // namespace

TextError read_documents(std::string_view text, const std::function<void(Tree, size_t)>& sink) {
  if (text.size() > kMaxManifestBytes) return {0, 0, "larger than " + std::to_string(kMaxManifestBytes >> 20) + " MiB"};
  if (!is_utf8(text)) return {0, 0, "is not UTF-8 text"};
  size_t number = 1;
  try {
    View view(text);
    std::istream stream(&view);
    YAML::Parser parser(stream);
    Builder builder;
    for (; parser.HandleNextDocument(builder); ++number) {
      if (number > kMaxDocuments) return {number, 0, "more than " + std::to_string(kMaxDocuments) + " documents"};
      sink(builder.take(), number);
    }
  } catch (const Refusal& refusal) {
    return {number, refusal.line, refusal.reason};
  } catch (const YAML::Exception& exception) {
    return {number, line_of(exception.mark), exception.msg};
  } catch (const std::exception& exception) {
    return {number, 0, exception.what()};
  }
  return {};
}

}  // namespace penstock::api
