#include "l7/guard/text_set.h"

#include <algorithm>

namespace penstock::guard {

namespace {

void sort_unique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

// What begins with a shorter one says nothing more. A beginning sorts before all that begin with it.
void keep_shortest(std::vector<std::string>& begins) {
  std::sort(begins.begin(), begins.end());
  std::vector<std::string> kept;
  for (std::string& each : begins)
    if (kept.empty() || !each.starts_with(kept.back())) kept.push_back(std::move(each));
  begins = std::move(kept);
}

// The text written forwards or backwards, compared with a text of ours.
template <typename Text>
bool has_beginning(const std::vector<std::string>& begins, Text first, Text last) {
  const auto after = std::upper_bound(begins.begin(), begins.end(), 0, [&](int, const std::string& each) {
    return std::lexicographical_compare(first, last, each.begin(), each.end(), [](char a, char b) {
      return static_cast<unsigned char>(a) < static_cast<unsigned char>(b);
    });
  });
  if (after == begins.begin()) return false;
  const std::string& nearest = *(after - 1);
  return last - first >= static_cast<ptrdiff_t>(nearest.size()) && std::equal(nearest.begin(), nearest.end(), first);
}

}  // namespace

void TextSet::add(const config::TextMatch& match, const std::string& owner, Expressions& expressions) {
  switch (match.kind) {
    case config::TextKind::kExact:
      exact_.push_back(match.value);
      return;
    case config::TextKind::kPrefix:
      begins_.push_back(match.value);
      return;
    case config::TextKind::kSuffix:
      ends_.emplace_back(match.value.rbegin(), match.value.rend());
      return;
    case config::TextKind::kPresent:
      any_ = true;
      return;
    case config::TextKind::kRegex:
      expressions_.push_back(expressions.add(match.value, owner));
      return;
  }
}

void TextSet::seal() {
  sort_unique(exact_);
  keep_shortest(begins_);
  keep_shortest(ends_);
}

bool TextSet::has_literal(std::string_view text) const {
  if (any_ && !text.empty()) return true;
  const auto at = std::lower_bound(exact_.begin(), exact_.end(), text,
                                   [](const std::string& each, std::string_view wanted) { return each < wanted; });
  if (at != exact_.end() && *at == text) return true;
  return has_beginning(begins_, text.begin(), text.end()) || has_beginning(ends_, text.rbegin(), text.rend());
}

void AddressSet::add(const base::Prefix& prefix) {
  const base::Prefix network = prefix.network();
  (prefix.is_v4() ? v4_ : v6_).push_back({network.address, network.last()});
}

void AddressSet::seal() {
  seal(v4_);
  seal(v6_);
}

void AddressSet::seal(Ranges& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  Ranges apart;
  for (const Range& each : ranges) {
    if (apart.empty() || each.first > apart.back().last)
      apart.push_back(each);
    else
      apart.back().last = std::max(apart.back().last, each.last);
  }
  ranges = std::move(apart);
}

bool AddressSet::has(const base::IpAddress& address) const {
  const Ranges& ranges = address.is_v4() ? v4_ : v6_;
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](const base::IpAddress& a, const Range& each) { return a < each.first; });
  return after != ranges.begin() && address <= (after - 1)->last;
}

}  // namespace penstock::guard
