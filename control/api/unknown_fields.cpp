#include "control/api/unknown_fields.h"

#include <google/protobuf/unknown_field_set.h>

#include <vector>

namespace penstock::api {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string unknown_field(const Message& message) {
  const auto* reflection = message.GetReflection();
  const auto& unknown = reflection->GetUnknownFields(message);
  if (!unknown.empty()) return "#" + std::to_string(unknown.field(0).number());
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const Message& inner = field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                                  : reflection->GetMessage(message, field);
      const std::string path = unknown_field(inner);
      if (path.empty()) continue;
      return field->json_name() + (field->is_repeated() ? "[" + std::to_string(i) + "]." : ".") + path;
    }
  }
  return "";
}

}  // namespace penstock::api
