// Text as users (and others) write it, to objects, to the model, and back; and, behind a zero byte, a bundle as a
// client sends it. Nothing crashes or hangs, whatever is read can be judged, and every fault is text that any client
// can read. What was read without a fault is written and read again as the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/api/config.pb.h"
#include "control/api/manifest.h"
#include "control/api/translate.h"
#include "control/model/state.h"

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

void check_errors(const model::FieldErrors& errors) {
  for (const model::FieldError& error : errors) {
    v1::FieldError message;
    api::to_message(error, message);
    std::string bytes;
    check(message.SerializeToString(&bytes) && v1::FieldError().ParseFromString(bytes));  // says no to what is no UTF-8
  }
}

// As Config.Apply does before it changes anything.
void check_bundle(const google::protobuf::RepeatedPtrField<v1::Object>& objects) {
  model::Change change;
  model::FieldErrors errors;
  for (const v1::Object& each : objects) {
    model::Object object;
    api::to_model(each, object, errors);
    if (each.object_case() != v1::Object::OBJECT_NOT_SET) change.apply.push_back(std::move(object));
  }
  check_errors(errors);
  errors.clear();
  const model::State state = model::with_change(model::State{}, change, errors);
  check_errors(errors);
  check_errors(model::validate(state));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size != 0 && data[0] == 0) {
    v1::ApplyRequest request;
    if (request.ParseFromArray(data + 1, static_cast<int>(size - 1))) check_bundle(request.objects());
    return 0;
  }
  std::vector<v1::Object> objects, again;
  std::vector<api::ManifestError> errors;
  api::read_manifest({reinterpret_cast<const char*>(data), size}, objects, errors);
  for (const api::ManifestError& error : errors) check(!error.to_string().empty());
  if (!errors.empty()) return 0;
  for (const v1::Object& object : objects) check_model(object);
  check_bundle({objects.begin(), objects.end()});
  if (objects.empty()) return 0;
  api::read_manifest(api::write_yaml(objects), again, errors);
  check(errors.empty() && again.size() == objects.size());
  again.clear();
  api::read_manifest(api::write_json(objects), again, errors);
  check(errors.empty() && again.size() == objects.size());
  return 0;
}
