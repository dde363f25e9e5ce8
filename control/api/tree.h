// A document as a tree of scalars, lists and maps: what YAML and JSON text has in common before anybody knows what it
// means, and the form in which messages become text again.
//
// Scalars keep their text: `off`, `10` and `1e6` are for the reader of a field to judge, so that a name that looks like
// a number or a switch stays what was written. Keys of a map keep their order.
//
// read_documents() takes YAML 1.2, of which JSON is a part. Text from outside is hostile: its size, depth, number of
// values and documents are bounded, aliases count with everything they stand for, and a key given twice is an error.
// Any thread; nothing throws. Errors carry the document's number and the line.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace penstock::api {

struct Tree {
  enum class Type : uint8_t { kNull, kScalar, kList, kMap };

  Type type = Type::kNull;
  bool quoted = false;  // a scalar in quotes: text, whatever it looks like
  uint32_t line = 0;    // 1, 2, 3 ...; 0: not from text
  std::string scalar;
  struct Member;
  std::vector<Tree> items;      // of a list
  std::vector<Member> members;  // of a map

  static Tree list();
  static Tree map();
  static Tree plain(std::string text);
  static Tree string(std::string text);

  Tree& add(std::string key, Tree value);  // to a map; the value where it now is
  const Tree* find(std::string_view key) const;
};

struct Tree::Member {
  std::string key;
  Tree value;
};

inline Tree Tree::list() { return {.type = Type::kList}; }
inline Tree Tree::map() { return {.type = Type::kMap}; }
inline Tree Tree::plain(std::string text) { return {.type = Type::kScalar, .scalar = std::move(text)}; }
inline Tree Tree::string(std::string text) {
  return {.type = Type::kScalar, .quoted = true, .scalar = std::move(text)};
}
inline Tree& Tree::add(std::string key, Tree value) {
  members.push_back({std::move(key), std::move(value)});
  return members.back().value;
}
inline const Tree* Tree::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return &value;
  return nullptr;
}

constexpr size_t kMaxManifestBytes = 128u << 20;  // 200,000 objects of 600 bytes
constexpr size_t kMaxTreeValues = 16u << 20;      // keys and values of all documents
constexpr size_t kMaxAliasValues = 100'000;       // values that aliases stand for, of all documents
constexpr size_t kAliasValueBytes = 256;          // text of an alias that counts as one value: 25 MB in all
constexpr unsigned kMaxTreeDepth = 32;            // our deepest kind needs 8
constexpr size_t kMaxDocuments = 200'000;         // objects of one bundle

struct TextError {
  size_t document = 0;  // 1, 2, 3 ...; 0: the text as a whole
  uint32_t line = 0;    // 0: unknown
  std::string reason;
};

// Gives every document of the text to `sink` as soon as it is read (number 1, 2, 3 ...; an empty document is kNull).
// Stops at the first error, which it returns; reason empty: none.
TextError read_documents(std::string_view text, const std::function<void(Tree, size_t)>& sink);

// One YAML document without its "---" line, ending with a newline.
std::string to_yaml(const Tree& tree);
// Indented JSON, ending with a newline.
std::string to_json(const Tree& tree);

}  // namespace penstock::api
