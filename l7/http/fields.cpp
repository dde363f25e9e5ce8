#include "l7/http/fields.h"

#include <algorithm>
#include <array>

#include "l7/http/chars.h"
#include "l7/http/limits.h"

namespace penstock::http {

namespace {

using NameBuffer = std::array<char, kMaxFieldNameBytes>;

// The name in lower case; empty when it is longer than any field's.
std::string_view lowered(std::string_view name, NameBuffer& buffer) {
  if (name.size() > buffer.size()) return {};
  std::transform(name.begin(), name.end(), buffer.begin(), lower);
  return {buffer.data(), name.size()};
}

Fault check(std::string_view name, std::string_view value) {
  if (name.empty()) return Fault::empty_field_name;
  if (name.size() > kMaxFieldNameBytes || !all(name, kToken)) return Fault::bad_field_name;
  return all(value, kFieldValue) ? Fault::kNone : Fault::bad_field_value;
}

}  // namespace

const Field* Fields::find(FieldId id, const Field* from) const {
  if (!has(id)) return nullptr;
  for (const Field* field = from ? from : begin(); field != end(); ++field)
    if (field->id == id) return field;
  return nullptr;
}

const Field* Fields::find(std::string_view any_case, const Field* from) const {
  NameBuffer buffer;
  const std::string_view wanted = lowered(any_case, buffer);
  if (wanted.empty()) return nullptr;
  if (const FieldId id = field_id_of(wanted); id != FieldId::kUnknown) return find(id, from);
  if (!has(FieldId::kUnknown)) return nullptr;
  for (const Field* field = from ? from : begin(); field != end(); ++field)
    if (field->id == FieldId::kUnknown && name(*field) == wanted) return field;
  return nullptr;
}

std::string_view Fields::value_of(FieldId id) const {
  const Field* field = find(id);
  return field ? value(*field) : std::string_view{};
}

std::string_view Fields::value_of(std::string_view any_case) const {
  const Field* field = find(any_case);
  return field ? value(*field) : std::string_view{};
}

Fault Fields::store(std::string_view lower_name, std::string_view text, FieldId id) {
  text = trim(text);
  if (count_ == capacity_) return Fault::too_many_fields;
  if (arena_->room() < lower_name.size() + text.size()) return Fault::fields_too_large;
  Slice name_slice, value_slice;
  arena_->append(lower_name, name_slice);
  arena_->append(text, value_slice);
  add_parsed(name_slice, value_slice, id);
  return Fault::kNone;
}

Fault Fields::add(std::string_view any_case, std::string_view text) {
  if (const Fault fault = check(any_case, text); fault != Fault::kNone) return fault;
  NameBuffer buffer;
  const std::string_view lower_name = lowered(any_case, buffer);
  return store(lower_name, text, field_id_of(lower_name));
}

Fault Fields::add(FieldId id, std::string_view text) {
  if (!all(text, kFieldValue)) return Fault::bad_field_value;
  return store(name_of(id), text, id);
}

// Stored first and the others removed after it, so that a fault leaves everything as it was and the new value may be a
// view of the old one. A full list makes room by the field that is replaced.
Fault Fields::set(std::string_view any_case, std::string_view text) {
  if (const Fault fault = check(any_case, text); fault != Fault::kNone) return fault;
  text = trim(text);
  const Field* old = find(any_case);
  if (old == nullptr) return add(any_case, text);
  Slice slice;
  if (!arena_->append(text, slice)) return Fault::fields_too_large;
  Field& kept = fields_[old - begin()];
  kept.value_at = slice.at;
  kept.value_size = slice.size;
  const std::string_view wanted = name(kept);
  keep_only([&](const Field& field) { return &field == &kept || name(field) != wanted; });
  return Fault::kNone;
}

Fault Fields::set(FieldId id, std::string_view text) { return has(id) ? set(name_of(id), text) : add(id, text); }

void Fields::remove(std::string_view any_case) {
  NameBuffer buffer;
  const std::string_view wanted = lowered(any_case, buffer);
  if (wanted.empty()) return;
  keep_only([&](const Field& field) { return name(field) != wanted; });
}

void Fields::remove_all(FieldSet ids) {
  if (!has_any(ids)) return;
  keep_only([&](const Field& field) { return !(set_of(field.id) & ids); });
}

template <typename Keep>
void Fields::keep_only(Keep keep) {
  uint32_t kept = 0;
  FieldSet present = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    if (!keep(fields_[i])) continue;
    fields_[kept] = fields_[i];
    present |= set_of(fields_[kept++].id);
  }
  count_ = kept;
  present_ = present;
}

}  // namespace penstock::http
