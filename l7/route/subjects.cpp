#include "l7/route/subjects.h"

#include <cstring>
#include <span>

#include "l7/config/limits.h"
#include "l7/http/query.h"
#include "l7/http/text.h"

namespace penstock::route {

using http::FieldId;

Subjects::Subjects() {
  of_field_.fill(LiteralTree::kNone);
  roots_ = {names_.add_root(), names_.add_root()};
  of_node_ = {LiteralTree::kNone, LiteralTree::kNone};
  all_.push_back({Kind::kPath, {}, 0});
  wanted_.emplace_back();
}

uint32_t Subjects::add(Kind kind, const std::string& name) {
  const size_t which = kind == Kind::kHeader ? 0 : 1;
  const uint32_t node = names_.add(roots_[which], name);
  if (node < of_node_.size()) return of_node_[node];
  if (node == LiteralTree::kNone || counts_[which] == kMaxNames) return LiteralTree::kNone;
  ++counts_[which];
  const auto subject = static_cast<uint32_t>(all_.size());
  all_.push_back({kind, {}, 0});
  wanted_.emplace_back();
  of_node_.push_back(subject);
  if (kind != Kind::kHeader) return subject;
  if (const FieldId id = http::field_id_of(name); id != FieldId::kUnknown)
    of_field_[static_cast<size_t>(id)] = subject;
  else
    unlisted_headers_ = true;
  return subject;
}

uint32_t Subjects::add_expression(uint32_t subject, const std::string& expression, const std::string& owner) {
  Wanted& wanted = wanted_[subject];
  const auto [at, added] = wanted.numbers.try_emplace(expression, static_cast<uint32_t>(wanted.patterns.size()));
  if (added) wanted.patterns.push_back({expression, owner});
  return at->second;
}

base::Result<void> Subjects::finish() {
  uint32_t words = 0;
  for (size_t i = 0; i < all_.size(); ++i) {
    auto built = match::PatternSet::build(wanted_[i].patterns);
    if (!built) return base::Error{built.error()};
    all_[i].patterns = std::move(*built);
    all_[i].found_at = words;
    words += static_cast<uint32_t>(all_[i].patterns.words());
  }
  wanted_.clear();
  return {};
}

base::Result<Scratch> Subjects::make_scratch(size_t nodes) const {
  Scratch scratch;
  scratch.values_.resize(all_.size());
  scratch.nodes_.resize(nodes);
  scratch.found_.resize(all_.back().found_at + all_.back().patterns.words());
  scratch.joined_ = std::make_unique_for_overwrite<char[]>(kJoinedBytes);
  for (const Subject& subject : all_)
    if (auto fitted = scratch.patterns_.fit(subject.patterns); !fitted) return base::Error{fitted.error()};
  return scratch;
}

uint32_t Subjects::header_subject(std::string_view lowered, FieldId id) const {
  if (id != FieldId::kUnknown) return of_field_[static_cast<size_t>(id)];
  if (!unlisted_headers_) return LiteralTree::kNone;
  const uint32_t node = names_.find(roots_[0], lowered);
  return node == LiteralTree::kNone ? LiteralTree::kNone : of_node_[node];
}

void Subjects::join(Scratch::Value& value, std::string_view separator, std::string_view more, Scratch& scratch) {
  const size_t size = value.text.size() + separator.size() + more.size();
  if (!value.usable) return;
  // What was joined last grows where it is.
  const bool last = value.text.data() + value.text.size() == scratch.joined_.get() + scratch.joined_used_;
  const size_t begin = scratch.joined_used_ - (last ? value.text.size() : 0);
  if (size > kJoinedBytes - begin) {
    value.usable = false;
    ++scratch.counters_.values_too_long;
    return;
  }
  char* out = scratch.joined_.get() + begin;
  scratch.joined_used_ = static_cast<uint32_t>(begin + size);
  if (!last) value.text.copy(out, value.text.size());
  separator.copy(out + value.text.size(), separator.size());
  more.copy(out + value.text.size() + separator.size(), more.size());
  value.text = {out, size};
}

void Subjects::read_headers(const http::RequestHead& head, Scratch& scratch) const {
  scratch.headers_of_ = scratch.request_;
  const auto set = [&](uint32_t subject, std::string_view text) {
    scratch.values_[subject] = {scratch.request_, scratch.values_[subject].scanned, true, text};
  };
  for (const http::Field& field : head.fields) {
    const uint32_t subject = header_subject(head.fields.name(field), field.id);
    if (subject == LiteralTree::kNone) continue;
    Scratch::Value& value = scratch.values_[subject];
    if (value.seen != scratch.request_)
      set(subject, head.fields.value(field));
    else
      join(value, field.id == FieldId::kCookie ? "; " : ",", head.fields.value(field), scratch);
  }
  if (const uint32_t subject = of_field_[static_cast<size_t>(FieldId::kHost)];
      subject != LiteralTree::kNone && head.has_authority) {
    set(subject, head.host());
    http::Text<6> port;
    port.put_number(head.port);
    if (head.port != 0) join(scratch.values_[subject], ":", port.view(), scratch);
  }
  if (const uint32_t subject = of_field_[static_cast<size_t>(FieldId::kUpgrade)];
      subject != LiteralTree::kNone && !head.upgrade().empty())
    set(subject, head.upgrade());
}

void Subjects::read_query(std::string_view query, Scratch& scratch) const {
  scratch.query_of_ = scratch.request_;
  char decoded[3 * config::kMaxConditionNameBytes];
  http::QueryParameters parameters(query);
  while (const auto parameter = parameters.next()) {
    if (parameter->name.size() > sizeof decoded) continue;  // longer than any name that is asked for, however encoded
    const size_t size = http::decode_parameter(parameter->name, decoded);
    const uint32_t node = names_.find(roots_[1], {decoded, size});
    if (node == LiteralTree::kNone) continue;
    Scratch::Value& value = scratch.values_[of_node_[node]];
    if (value.seen == scratch.request_) continue;
    value = {scratch.request_, value.scanned, true, parameter->value};
  }
}

const Scratch::Value* Subjects::value_of(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const {
  Scratch::Value& value = scratch.values_[subject];
  switch (all_[subject].kind) {
    case Kind::kPath:
      value.seen = scratch.request_;
      value.usable = true;
      value.text = head.path();
      break;
    case Kind::kHeader:
      if (scratch.headers_of_ != scratch.request_) read_headers(head, scratch);
      break;
    case Kind::kQuery:
      if (scratch.query_of_ != scratch.request_) read_query(head.query(), scratch);
      break;
  }
  return value.seen == scratch.request_ && value.usable ? &value : nullptr;
}

bool Subjects::equals(uint32_t subject, std::string_view wanted, const http::RequestHead& head,
                      Scratch& scratch) const {
  const Scratch::Value* value = value_of(subject, head, scratch);
  if (!value) return false;
  return all_[subject].kind == Kind::kQuery ? http::decodes_to(value->text, wanted) : value->text == wanted;
}

std::optional<std::string_view> Subjects::value(uint32_t subject, const http::RequestHead& head,
                                                Scratch& scratch) const {
  const Scratch::Value* value = value_of(subject, head, scratch);
  if (!value) return std::nullopt;
  if (all_[subject].kind != Kind::kQuery) return value->text;
  if (value->text.size() > kJoinedBytes - scratch.joined_used_) {
    scratch.values_[subject].usable = false;
    ++scratch.counters_.values_too_long;
    return std::nullopt;
  }
  char* out = scratch.joined_.get() + scratch.joined_used_;
  const size_t size = http::decode_parameter(value->text, out);
  scratch.joined_used_ += static_cast<uint32_t>(size);
  return std::string_view(out, size);
}

const uint64_t* Subjects::scan(uint32_t subject, const http::RequestHead& head, Scratch& scratch) const {
  const Scratch::Value* value = value_of(subject, head, scratch);
  if (!value) return nullptr;
  uint64_t* found = scratch.found_.data() + all_[subject].found_at;
  if (value->scanned == scratch.request_) return found;
  std::string_view text = value->text;
  if (all_[subject].kind == Kind::kQuery) {
    if (text.size() > kJoinedBytes - scratch.joined_used_) {
      scratch.values_[subject].usable = false;
      ++scratch.counters_.values_too_long;
      return nullptr;
    }
    char* out = scratch.joined_.get() + scratch.joined_used_;
    text = {out, http::decode_parameter(text, out)};  // given back: nobody needs it after the scan
  }
  const match::PatternSet& patterns = all_[subject].patterns;
  patterns.scan(text, scratch.patterns_, {found, patterns.words()});
  scratch.values_[subject].scanned = scratch.request_;
  ++scratch.counters_.scans;
  return found;
}

}  // namespace penstock::route
