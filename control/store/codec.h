// How the store turns objects into bytes and back. The store keeps what encode() gave as it is and never looks inside;
// control/api implements it (the store knows no protobuf). Called from the thread that uses the store.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "control/model/state.h"

namespace penstock::store {

class Codec {
 public:
  virtual ~Codec() = default;
  // Names the encoding ("json/1"). Written into a new store; a store made with another one is refused at open.
  virtual std::string name() const = 0;
  virtual std::string encode(const model::Object& object) const = 0;
  // The object that encode() was given, or why the bytes are none ("unknown field \"x\"").
  virtual base::Result<model::Object> decode(const model::ObjectKey& key, std::string_view bytes) const = 0;
};

}  // namespace penstock::store
