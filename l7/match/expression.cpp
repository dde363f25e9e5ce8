// How large an expression becomes when its repeats are written out, and what of Hyperscan's language RE2 does not have.
// A reader of the syntax that is coarse where it does not matter: what it lets pass, Hyperscan still judges.
#include <algorithm>
#include <string>

#include "l7/match/pattern_set.h"

namespace penstock::match {

namespace {

constexpr int kMaxNesting = 100;  // groups in groups, as in RE2's parser; bounds this reader's recursion

// What a part of an expression grows to.
struct Size {
  uint64_t positions = 0;  // characters and classes with repeats written out
  uint64_t repeats = 1;    // the largest product of nested repeats
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  base::Result<void> read() {
    Size size;
    if (alternatives(size, 0) && !rest_.empty()) refuse("')' without '('");
    return why_.empty() ? base::Result<void>() : base::Result<void>(base::Error{why_});
  }

 private:
  bool at(std::string_view text) const { return rest_.starts_with(text); }
  bool refuse(std::string why) {
    if (why_.empty()) why_ = std::move(why);
    return false;
  }

  // Up to the ")" of the group around, or the end.
  bool alternatives(Size& size, int depth) {
    if (depth > kMaxNesting) return refuse("groups nested deeper than 100");
    while (!rest_.empty() && rest_.front() != ')') {
      Size inner;
      if (!piece(inner, depth) || !repeats(inner)) return false;
      size.positions += inner.positions;
      size.repeats = std::max(size.repeats, inner.repeats);
      if (size.positions > kMaxPositions) return refuse("more than 4000 characters with its repeats written out");
    }
    return true;
  }

  // One character, class or group.
  bool piece(Size& size, int depth) {
    if (at("(")) return group(size, depth);
    size.positions = 1;
    if (at("[")) return bracket();
    if (at("\\")) return escape();
    rest_.remove_prefix(1);
    return true;
  }

  bool group(Size& size, int depth) {
    rest_.remove_prefix(1);
    if (at("*")) return refuse("(*...) is not understood");
    if (at("?") && !group_options()) return false;
    if (!alternatives(size, depth + 1)) return false;
    if (rest_.empty()) return refuse("'(' without ')'");
    rest_.remove_prefix(1);
    return true;
  }

  // "?:", "?i:", "?i", "?-s:", "?P<name>".
  bool group_options() {
    rest_.remove_prefix(1);
    if (at("P<")) {
      const size_t end = rest_.find('>');
      if (end == std::string_view::npos) return refuse("a group's name without '>'");
      rest_.remove_prefix(end + 1);
      return true;
    }
    const size_t end = rest_.find_first_not_of("ims-");
    if (end == std::string_view::npos || (rest_[end] != ':' && rest_[end] != ')'))
      return refuse("of groups with '?' only (?:...), (?P<name>...) and the flags i, m and s are understood");
    rest_.remove_prefix(rest_[end] == ':' ? end + 1 : end);
    return true;
  }

  bool bracket() {
    size_t end = rest_.starts_with("[^") ? 2 : 1;
    if (end < rest_.size() && rest_[end] == ']') ++end;  // "[]a]" holds a "]"
    while (end < rest_.size() && rest_[end] != ']') {
      if (rest_[end] == '\\') ++end;
      if (rest_.substr(end).starts_with("[:"))
        if (const size_t close = rest_.find(":]", end); close != std::string_view::npos) end = close + 1;
      ++end;
    }
    if (end >= rest_.size()) return refuse("'[' without ']'");
    rest_.remove_prefix(end + 1);
    return true;
  }

  bool escape() {
    if (rest_.size() < 2) return refuse("'\\' at the end");
    const char c = rest_[1];
    if (c >= '1' && c <= '9') return refuse("back-references are not understood");
    constexpr std::string_view kLetters = "aAbBdDfnrsStvwWxz";
    if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) && kLetters.find(c) == std::string_view::npos)
      return refuse(std::string("the escape '\\") + c + "' is not understood");
    rest_.remove_prefix(2);
    if (c != 'x') return true;
    if (at("{")) rest_.remove_prefix(std::min(rest_.find('}'), rest_.size() - 1) + 1);
    return true;
  }

  // What stands behind a piece: "*", "+" and "?" are loops, written out once; "{n,m}" is written out m times.
  bool repeats(Size& size) {
    for (;;) {
      while (!rest_.empty() && (rest_.front() == '*' || rest_.front() == '+' || rest_.front() == '?'))
        rest_.remove_prefix(1);
      uint64_t times = 0;
      const size_t end = braces(times);
      if (end == 0) return true;
      rest_.remove_prefix(end);
      size.positions *= std::max<uint64_t>(times, 1);
      size.repeats *= std::max<uint64_t>(times, 1);
      if (size.repeats > kMaxRepeat) return refuse("repeats beyond 1000, nested ones multiplied");
    }
  }

  // Where "{n}", "{n,}" or "{n,m}" ends; 0 when it is none, and "{" stands for itself.
  size_t braces(uint64_t& times) const {
    if (!at("{")) return 0;
    size_t end = 1;
    const auto number = [&](uint64_t& out) {
      const size_t first = end;
      uint64_t value = 0;
      for (; end < rest_.size() && is_digit(rest_[end]); ++end)
        value = std::min<uint64_t>(value * 10 + static_cast<uint64_t>(rest_[end] - '0'), kMaxRepeat + 1);
      out = std::max(out, value);
      return end > first;
    };
    if (!number(times)) return 0;
    if (end < rest_.size() && rest_[end] == ',') {
      ++end;
      number(times);
    }
    return end < rest_.size() && rest_[end] == '}' ? end + 1 : 0;
  }

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view rest_;
  std::string why_;
};

}  // namespace

base::Result<void> check_expression(std::string_view expression) { return Reader(expression).read(); }

}  // namespace penstock::match
