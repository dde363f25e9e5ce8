// The fields of a message: header fields or trailer fields, in the order they came, several of one name allowed.
//
// Names are kept in lower case (field names are case-insensitive, RFC 9110 5.1; HTTP/2 sends them so); look-ups by text
// take any case. Names and values lie in the message's arena; a field is 16 bytes in an array allocated once. Bounded
// by that array and by the arena. Views stay good until the arena is cleared. What arrives through add() and set() is
// checked, so that no filter can write a line end into a message; what a codec has checked already enters through
// add_parsed(). What belongs to one connection (Connection, Transfer-Encoding, ...) and what the head holds as numbers
// (Host, Content-Length) never gets here: codecs take it out.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "l7/http/arena.h"
#include "l7/http/fault.h"
#include "l7/http/field_id.h"

namespace penstock::http {

struct Field {
  uint32_t name_at;
  uint32_t value_at;
  uint32_t value_size;
  uint16_t name_size;
  FieldId id;
  uint8_t unused = 0;
};
static_assert(sizeof(Field) == 16);

class Fields {
 public:
  Fields(Arena& arena, uint32_t capacity)
      : arena_(&arena), fields_(std::make_unique_for_overwrite<Field[]>(capacity)), capacity_(capacity) {}

  void clear() {
    count_ = 0;
    present_ = 0;
  }
  uint32_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  const Field& at(uint32_t index) const { return fields_[index]; }
  std::string_view name(const Field& field) const { return arena_->view({field.name_at, field.name_size}); }
  std::string_view value(const Field& field) const { return arena_->view({field.value_at, field.value_size}); }
  const Field* begin() const { return fields_.get(); }
  const Field* end() const { return fields_.get() + count_; }

  bool has(FieldId id) const { return present_ & set_of(id); }
  bool has_any(FieldSet ids) const { return present_ & ids; }
  // The first field of that name at or after `from`; null when there is none.
  const Field* find(FieldId id, const Field* from = nullptr) const;
  const Field* find(std::string_view name, const Field* from = nullptr) const;
  // The first value, or an empty text: where absence and emptiness mean the same.
  std::string_view value_of(FieldId id) const;
  std::string_view value_of(std::string_view name) const;

  // Fault::kNone, or why not: empty_field_name, bad_field_name, bad_field_value, too_many_fields, fields_too_large.
  Fault add(std::string_view name, std::string_view value);
  Fault add(FieldId id, std::string_view value);
  // Replaces all fields of that name; on a fault nothing has changed.
  Fault set(std::string_view name, std::string_view value);
  Fault set(FieldId id, std::string_view value);

  void remove(std::string_view name);
  void remove(FieldId id) { remove_all(set_of(id)); }
  void remove_all(FieldSet ids);

  // Both slices lie in the arena, are checked, the name is in lower case and the value trimmed. False: no room.
  bool add_parsed(Slice name, Slice value, FieldId id) {
    if (count_ == capacity_) return false;
    fields_[count_++] = {name.at, value.at, value.size, static_cast<uint16_t>(name.size), id};
    present_ |= set_of(id);
    return true;
  }

 private:
  Fault store(std::string_view name, std::string_view value, FieldId id);
  template <typename Keep>
  void keep_only(Keep keep);

  Arena* arena_;
  std::unique_ptr<Field[]> fields_;
  uint32_t capacity_;
  uint32_t count_ = 0;
  FieldSet present_ = 0;  // ids of the fields; kUnknown's bit means "some name that is not in the list"
};

}  // namespace penstock::http
