// Objects as bytes for the store: the messages of the public contract, serialized. Fields that a newer gateway added
// are an error for an older one, never silently lost.
#pragma once

#include "control/store/codec.h"

namespace penstock::api {

class ProtobufCodec : public store::Codec {
 public:
  std::string name() const override;
  std::string encode(const model::Object& object) const override;
  base::Result<model::Object> decode(const model::ObjectKey& key, std::string_view bytes) const override;
};

}  // namespace penstock::api
