#include "l7/guard/inspection.h"

#include <algorithm>

#include "l7/http/chars.h"

namespace penstock::guard {

base::Result<void> InspectionScratch::fit(const Inspection& inspection) {
  if (auto fitted = inspection.patterns_.fit(patterns_); !fitted) return fitted;
  found_.resize(std::max(found_.size(), inspection.patterns_.words()));
  one_.resize(found_.size());
  if (inspection.body_bytes() != 0 && inflater_ == nullptr) inflater_ = std::make_unique<Inflater>();
  return {};
}

base::Result<Inspection> Inspection::build(const config::Inspection& from) {
  Inspection made;
  made.uninspectable_ = {from.uninspectable, from.uninspectable_slot, {}, {}, 0};
  std::vector<match::SearchPattern> patterns;
  for (size_t i = 0; i < from.patterns.size(); ++i) {
    const config::InspectionPattern& each = from.patterns[i];
    const std::string owner = "RequestInspection/" + from.name + " spec.patterns[" + std::to_string(i) + "].expression";
    patterns.push_back({{each.expression, owner}, each.ignore_case, each.dot_all});
    made.of_.push_back({each.action, each.slot, each.tag_name, each.tag_value, each.limit_slot});
    if (!each.tag_name.empty()) made.tag_names_.push_back(each.tag_name);
  }
  auto built = match::SearchSet::build(patterns);
  if (!built) return base::Error{built.error()};
  made.patterns_ = std::move(*built);
  std::sort(made.tag_names_.begin(), made.tag_names_.end());
  made.tag_names_.erase(std::unique(made.tag_names_.begin(), made.tag_names_.end()), made.tag_names_.end());
  for (size_t i = 0; i < from.patterns.size(); ++i) {
    const config::InspectionPattern& each = from.patterns[i];
    if (each.parts & config::kInspectPath) made.ask(made.path_, i);
    if (each.parts & config::kInspectQuery) made.ask(made.query_, i);
    if (each.parts & config::kInspectHeaders) made.ask(made.headers_, i);
    if (each.parts & config::kInspectBody) made.ask(made.body_, i);
    for (const std::string& name : each.headers) {
      auto at = std::find_if(made.named_.begin(), made.named_.end(), [&](const auto& n) { return n.first == name; });
      if (at == made.named_.end()) at = made.named_.insert(at, {name, {}});
      made.ask(at->second, i);
    }
  }
  if (!made.body_.empty()) made.body_bytes_ = from.body_bytes;
  // A header that is named is asked about by those who ask about all.
  for (auto& [name, mask] : made.named_)
    for (size_t word = 0; word < made.headers_.size(); ++word) mask[word] |= made.headers_[word];
  return made;
}

void Inspection::ask(Mask& mask, size_t pattern) {
  mask.resize(patterns_.words());
  mask[pattern / 64] |= uint64_t{1} << pattern % 64;
}

const Inspection::Mask* Inspection::mask_of(std::string_view header) const {
  for (const auto& [name, mask] : named_)
    if (name == header) return &mask;
  return headers_.empty() ? nullptr : &headers_;
}

void Inspection::scan_head(const http::RequestHead& head, InspectionScratch& scratch) const {
  std::fill(scratch.found_.begin(), scratch.found_.end(), 0);
  if (!path_.empty()) scan(head.path(), Encoding::kEscapes, path_, scratch);
  if (!query_.empty() && !head.query().empty()) scan(head.query(), Encoding::kForm, query_, scratch);
  if (!headers_.empty() || !named_.empty()) scan_headers(head, scratch);
}

void Inspection::scan_headers(const http::RequestHead& head, InspectionScratch& scratch) const {
  const auto look = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (const Mask* mask = mask_of(name)) scan_once(value, *mask, scratch);
  };
  for (const http::Field& field : head.fields) look(head.fields.name(field), head.fields.value(field));
  look("host", head.host());
  look("upgrade", head.upgrade());
}

void Inspection::scan_body(base::Bytes body, base::Bytes inflated, bool is_form, InspectionScratch& scratch) const {
  std::fill(scratch.found_.begin(), scratch.found_.end(), 0);
  if (body_bytes_ == 0) return;
  for (const base::Bytes each : {body, inflated}) {
    const std::string_view text(reinterpret_cast<const char*>(each.data()), std::min<size_t>(each.size(), body_bytes_));
    if (!text.empty()) scan(text, is_form ? Encoding::kForm : Encoding::kNone, body_, scratch);
  }
}

void Inspection::scan(std::string_view text, Encoding encoding, const Mask& mask, InspectionScratch& scratch) const {
  scan_once(text, mask, scratch);
  const bool is_form = encoding == Encoding::kForm;
  text = text.substr(0, InspectionScratch::kRoom);
  for (unsigned i = 0; i < kDecodings && encoding != Encoding::kNone; ++i) {
    if (text.find_first_of(is_form && i == 0 ? "%+" : "%") == std::string_view::npos) return;
    const size_t size = unescape(text, is_form && i == 0, scratch.decoded_.get());
    if (size == text.size() && !(is_form && i == 0)) return;  // no escape among the percent signs
    text = {scratch.decoded_.get(), size};
    scan_once(text, mask, scratch);
  }
}

void Inspection::scan_once(std::string_view text, const Mask& mask, InspectionScratch& scratch) const {
  const std::span<uint64_t> one(scratch.one_.data(), patterns_.words());
  patterns_.scan(text, scratch.patterns_, one);
  for (size_t word = 0; word < one.size(); ++word) scratch.found_[word] |= one[word] & mask[word];
}

size_t unescape(std::string_view text, bool is_form, char* out) {
  size_t size = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%' && i + 2 < text.size() && http::is(text[i + 1], http::kHexDigit) &&
        http::is(text[i + 2], http::kHexDigit)) {
      c = static_cast<char>(http::hex_value(text[i + 1]) << 4 | http::hex_value(text[i + 2]));
      i += 2;
    } else if (c == '+' && is_form) {
      c = ' ';
    }
    out[size++] = c;
  }
  return size;
}

}  // namespace penstock::guard
