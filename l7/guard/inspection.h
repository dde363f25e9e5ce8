// What is found in a request: the patterns of one RequestInspection, compiled, and a request before them.
//
// All patterns are one set: each text (the path, the query, a header's value, the beginning of the content) is one
// scan, however many there are. Texts that may be percent-encoded are scanned as they are and then decoded, kDecodings
// times at most, as long as there is something to decode: an attack may be encoded once for every server on its way.
// Bytes that are not there when the content is scanned are not seen. Compressed content is scanned as it is, as those
// read it who do not look at Content-Encoding, and inflated (inflater.h); what could not be inflated is a finding.
//
// Built by control, immutable, shared by all workers, each with a scratch of its own. Nothing is allocated while
// requests are looked at; a scan is linear in the text. Failure: build() names the field of what is no expression.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "l7/config/inspection.h"
#include "l7/guard/inflater.h"
#include "l7/http/message.h"
#include "l7/match/search_set.h"

namespace penstock::guard {

constexpr unsigned kDecodings = 3;
constexpr const char* kUninspectable = "(uninspectable)";  // stands for a pattern's name, which has no brackets

class Inspection;

class InspectionScratch {
 public:
  // Room for that one too. Control only, before a worker has it.
  base::Result<void> fit(const Inspection& inspection);
  // For content, where an inspection that was fitted looks at some.
  Inflater& inflater() { return *inflater_; }

 private:
  friend class Inspection;
  static constexpr size_t kRoom = config::kMaxInspectedBody;  // of a text that is decoded; longer ones are so far
  match::Scratch patterns_;
  std::vector<uint64_t> found_, one_;
  std::unique_ptr<Inflater> inflater_;
  std::unique_ptr<char[]> decoded_ = std::make_unique_for_overwrite<char[]>(kRoom);
};

class Inspection {
 public:
  using Action = config::InspectionAction;

  struct Pattern {
    Action action;
    uint32_t slot;
    std::string tag_name, tag_value;
    uint32_t limit_slot;  // kLimit: of the RateLimit
  };

  static base::Result<Inspection> build(const config::Inspection& from);

  // 0: no pattern looks at the content.
  uint32_t body_bytes() const { return body_bytes_; }
  // What is found in content that can_be_trusted() does not hold for.
  const Pattern& uninspectable() const { return uninspectable_; }
  size_t bytes() const { return patterns_.bytes(); }
  // Fields of backends that only this gateway may write.
  const std::vector<std::string>& tag_names() const { return tag_names_; }

  void scan_head(const http::RequestHead& head, InspectionScratch& scratch) const;
  // The beginning of the content, as much as there is of it, and how it reads inflated, if it was.
  void scan_body(base::Bytes body, base::Bytes inflated, bool is_form, InspectionScratch& scratch) const;
  // Calls `found(pattern)` for each pattern that the last scan met, in their order.
  template <typename Found>
  void report(const InspectionScratch& scratch, Found&& found) const {
    for (size_t word = 0; word < patterns_.words(); ++word)
      for (uint64_t bits = scratch.found_[word]; bits != 0; bits &= bits - 1)
        found(of_[word * 64 + static_cast<size_t>(__builtin_ctzll(bits))]);
  }

 private:
  friend class InspectionScratch;
  using Mask = std::vector<uint64_t>;  // which patterns ask for a part; empty: none
  enum class Encoding : uint8_t { kNone, kEscapes, kForm };

  void scan_headers(const http::RequestHead& head, InspectionScratch& scratch) const;
  void scan(std::string_view text, Encoding encoding, const Mask& mask, InspectionScratch& scratch) const;
  void scan_once(std::string_view text, const Mask& mask, InspectionScratch& scratch) const;
  const Mask* mask_of(std::string_view header) const;
  void ask(Mask& mask, size_t pattern);

  match::SearchSet patterns_;
  std::vector<Pattern> of_;
  Mask path_, query_, headers_, body_;
  std::vector<std::pair<std::string, Mask>> named_;  // headers by name
  std::vector<std::string> tag_names_;
  Pattern uninspectable_{};
  uint32_t body_bytes_ = 0;
};

// "%XX" is a byte, in a form "+" a blank; what is no escape stands for itself. `out` may be where the text is. Returns
// how many bytes were written.
size_t unescape(std::string_view text, bool is_form, char* out);

}  // namespace penstock::guard
