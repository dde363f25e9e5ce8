#include "control/api/codec.h"

#include "control/api/manifest.h"
#include "control/api/translate.h"
#include "control/api/unknown_fields.h"

namespace penstock::api {

std::string ProtobufCodec::name() const { return "penstock.v1alpha1/1"; }

std::string ProtobufCodec::encode(const model::Object& object) const {
  v1::Object message;
  to_message(object, message);
  return message.SerializeAsString();
}

base::Result<model::Object> ProtobufCodec::decode(const model::ObjectKey& key, std::string_view bytes) const {
  v1::Object message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return base::Error{"no valid message"};
  if (!unknown_field(message).empty()) return base::Error{"has fields that this version does not know"};
  model::Object object;
  model::FieldErrors errors;
  if (!to_model(message, object, errors)) return base::Error{errors.front().to_string()};
  if (model::key_of(object) != key) return base::Error{"is " + model::key_of(object).to_string()};
  return object;
}

}  // namespace penstock::api
