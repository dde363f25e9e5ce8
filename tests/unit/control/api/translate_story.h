// Objects as users write them: read strictly, and back as `get` prints them and the store keeps them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/api/codec.h"
#include "control/api/manifest.h"
#include "control/api/translate.h"

namespace penstock::api {

struct Read {
  std::vector<model::Object> objects;
  std::string faults;  // one a line
};

inline Read read(const std::string& yaml) {
  Read out;
  std::vector<v1::Object> messages;
  std::vector<ManifestError> errors;
  read_manifest(yaml, messages, errors);
  for (const ManifestError& error : errors)
    out.faults += (out.faults.empty() ? "" : "\n") + error.path + ": " + error.reason;
  if (!errors.empty()) return out;
  model::FieldErrors faults;
  for (const v1::Object& message : messages) to_model(message, out.objects.emplace_back(), faults);
  for (const model::FieldError& fault : faults)
    out.faults += (out.faults.empty() ? "" : "\n") + fault.path + ": " + fault.reason;
  return out;
}

template <typename T>
T one(const std::string& yaml) {
  const Read result = read(yaml);
  EXPECT_EQ(result.faults, "");
  EXPECT_EQ(result.objects.size(), 1U);
  if (result.objects.empty()) return {};
  const T object = std::get<T>(result.objects[0]);

  // And back: as `get` prints it and as the store keeps it.
  v1::Object message;
  to_message(result.objects[0], message);
  const std::string text = write_yaml({message});
  const Read again = read(text);
  EXPECT_EQ(again.faults, "") << text;
  if (!again.objects.empty()) {
    EXPECT_TRUE(std::get<T>(again.objects[0]) == object) << text;
  }
  const ProtobufCodec codec;
  const auto decoded = codec.decode(model::key_of(result.objects[0]), codec.encode(result.objects[0]));
  EXPECT_TRUE(decoded.ok()) << decoded.error();
  if (decoded.ok()) {
    EXPECT_TRUE(decoded.value() == result.objects[0]);
  }
  return object;
}

// Only the path matters; the text says more.
#define EXPECT_FAULT(yaml, at)                                   \
  do {                                                           \
    const std::string all = read(yaml).faults;                   \
    EXPECT_TRUE(all.starts_with(std::string(at) + ": ")) << all; \
    EXPECT_EQ(all.find('\n'), std::string::npos) << all;         \
  } while (false)

}  // namespace penstock::api
