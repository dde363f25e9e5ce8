#include "control/api/codec.h"

#include <google/protobuf/unknown_field_set.h>

#include "control/api/manifest.h"
#include "control/api/translate.h"

namespace penstock::api {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool has_unknown_fields(const Message& message) {
  const auto* reflection = message.GetReflection();
  if (!reflection->GetUnknownFields(message).empty()) return true;
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const Message& inner = field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                                  : reflection->GetMessage(message, field);
      if (has_unknown_fields(inner)) return true;
    }
  }
  return false;
}

}  // namespace

std::string ProtobufCodec::name() const { return "penstock.v1alpha1/1"; }

std::string ProtobufCodec::encode(const model::Object& object) const {
  v1::Object message;
  to_message(object, message);
  return message.SerializeAsString();
}

base::Result<model::Object> ProtobufCodec::decode(const model::ObjectKey& key, std::string_view bytes) const {
  v1::Object message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return base::Error{"no valid message"};
  if (has_unknown_fields(message)) return base::Error{"has fields that this version does not know"};
  model::Object object;
  model::FieldErrors errors;
  if (!to_model(message, object, errors)) return base::Error{errors.front().to_string()};
  if (model::key_of(object) != key) return base::Error{"is " + model::key_of(object).to_string()};
  return object;
}

}  // namespace penstock::api
