// Text as users (and others) write it, to objects, to the model, and back. Nothing crashes or hangs; what was read
// without a fault is written and read again as the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/api/manifest.h"
#include "control/api/translate.h"

using namespace penstock;

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_model(const v1::Object& message) {
  model::Object object, again;
  model::FieldErrors errors;
  if (!api::to_model(message, object, errors)) {
    check(!errors.empty());
    return;
  }
  v1::Object written;
  api::to_message(object, written);
  check(api::to_model(written, again, errors));
  check(object == again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<v1::Object> objects, again;
  std::vector<api::ManifestError> errors;
  api::read_manifest({reinterpret_cast<const char*>(data), size}, objects, errors);
  for (const api::ManifestError& error : errors) check(!error.to_string().empty());
  if (!errors.empty()) return 0;
  for (const v1::Object& object : objects) check_model(object);
  if (objects.empty()) return 0;
  api::read_manifest(api::write_yaml(objects), again, errors);
  check(errors.empty() && again.size() == objects.size());
  again.clear();
  api::read_manifest(api::write_json(objects), again, errors);
  check(errors.empty() && again.size() == objects.size());
  return 0;
}
