#include "tools/penstock/text_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace penstock::cli {

namespace {

constexpr size_t kContext = 2;          // unchanged lines shown around a difference
constexpr size_t kMaxCells = 16 << 20;  // of the table below: two objects of 4000 lines each

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The longest common subsequence of the lines between the equal beginning and end, by dynamic programming.
void append_middle(std::span<const std::string_view> a, std::span<const std::string_view> b,
                   std::vector<std::string>& out) {
  if (a.size() * b.size() > kMaxCells) {  // too much to look for what is common: all of it differs
    for (const auto line : a) out.push_back("-" + std::string(line));
    for (const auto line : b) out.push_back("+" + std::string(line));
    return;
  }
  const size_t width = b.size() + 1;
  std::vector<uint32_t> common((a.size() + 1) * width, 0);  // of a[i..] and b[j..]
  for (size_t i = a.size(); i-- > 0;)
    for (size_t j = b.size(); j-- > 0;)
      common[i * width + j] = a[i] == b[j] ? common[(i + 1) * width + j + 1] + 1
                                           : std::max(common[(i + 1) * width + j], common[i * width + j + 1]);
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      out.push_back(" " + std::string(a[i]));
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      out.push_back("-" + std::string(a[i++]));
    } else {
      out.push_back("+" + std::string(b[j++]));
    }
  }
}

std::vector<std::string> without_far_lines(std::vector<std::string> all) {
  std::vector<bool> keep(all.size(), false);
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i][0] == ' ') continue;
    for (size_t k = i - std::min(i, kContext); k < std::min(all.size(), i + kContext + 1); ++k) keep[k] = true;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < all.size(); ++i) {
    if (keep[i]) {
      out.push_back(std::move(all[i]));
    } else if (i == 0 || keep[i - 1]) {
      out.push_back("...");
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> diff_lines(std::string_view before, std::string_view after) {
  if (before == after) return {};
  const Lines a = lines_of(before), b = lines_of(after);
  size_t same = 0, tail = 0;
  while (same < std::min(a.size(), b.size()) && a[same] == b[same]) ++same;
  while (tail < std::min(a.size(), b.size()) - same && a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) ++tail;
  std::vector<std::string> out;
  for (size_t i = 0; i < same; ++i) out.push_back(" " + std::string(a[i]));
  append_middle(std::span(a).subspan(same, a.size() - same - tail), std::span(b).subspan(same, b.size() - same - tail),
                out);
  for (size_t i = a.size() - tail; i < a.size(); ++i) out.push_back(" " + std::string(a[i]));
  return without_far_lines(std::move(out));
}

}  // namespace penstock::cli
