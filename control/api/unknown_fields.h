// Fields that a message carries and this program's .proto does not have: a newer client meant something by them.
// Any thread; nothing throws.
#pragma once

#include <google/protobuf/message.h>

#include <string>

namespace penstock::api {

// Path of the first one: "spec.rules[3].#12", by its number. Empty: there is none.
std::string unknown_field(const google::protobuf::Message& message);

}  // namespace penstock::api
