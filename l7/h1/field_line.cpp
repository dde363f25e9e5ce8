#include "l7/h1/field_line.h"

#include "l7/h1/scan.h"
#include "l7/http/chars.h"
#include "l7/http/limits.h"

namespace penstock::h1 {

namespace {

// Why no field name ends at `stop`, which is not a colon.
Refusal refusal_of_name(const char* stop, const char* end) {
  if (stop == end) return Refusal::missing_colon;
  if (http::is_blank(*stop)) {
    while (stop < end && http::is_blank(*stop)) ++stop;
    return stop < end && *stop == ':' ? Refusal::space_before_colon : Refusal::bad_field_name;
  }
  return http::is(*stop, http::kFieldValue) ? Refusal::bad_field_name : refusal_of_control(*stop);
}

}  // namespace

Refusal refusal_of_control(char byte) {
  return byte == '\r' ? Refusal::bare_cr : byte == 0 ? Refusal::nul_byte : Refusal::control_character;
}

Refusal parse_field_line(http::Slice line, http::Arena& arena, uint32_t count_limit, http::Fields& into) {
  char* begin = arena.data() + line.at;
  const char* end = begin + line.size - 1;
  if (line.size == 0 || *end != '\r') return Refusal::bare_lf;
  if (http::is_blank(*begin)) return Refusal::line_folding;
  if (into.size() >= count_limit) return Refusal::too_many_fields;
  const char* colon = scan::fast::lower_token(begin, end);
  if (colon == end || *colon != ':') return refusal_of_name(colon, end);
  if (colon == begin) return Refusal::empty_field_name;
  const auto name_size = static_cast<uint32_t>(colon - begin);
  if (name_size > http::kMaxFieldNameBytes) return Refusal::bad_field_name;

  const char* value = colon + 1;
  while (value < end && http::is_blank(*value)) ++value;
  if (const char* bad = scan::fast::find_control(value, end); bad != end) return refusal_of_control(*bad);
  while (end > value && http::is_blank(end[-1])) --end;

  const http::Slice value_slice{static_cast<uint32_t>(value - arena.data()), static_cast<uint32_t>(end - value)};
  const http::FieldId id = http::field_id_of({begin, name_size});
  return into.add_parsed({line.at, name_size}, value_slice, id) ? Refusal::kNone : Refusal::too_many_fields;
}

}  // namespace penstock::h1
