// Messages to the model and back. Every fault of an object is reported, each with its path; what stands between fields
// and objects (ranges, overlaps, references) is left to model::validate.
//
// to_model() fills what it could read: a field with a fault has its default, so that validation can still look at the
// rest of the object. to_message() writes what differs from the defaults of kinds.proto;
// to_model(to_message(object)) is the object. Any thread; nothing throws.
#pragma once

#include <vector>

#include "control/api/config.pb.h"
#include "control/model/state.h"

namespace penstock::api {

// Appends to `errors`; false: it did.
bool to_model(const v1::Object& message, model::Object& object, model::FieldErrors& errors);
void to_message(const model::Object& object, v1::Object& message);

bool to_model(const v1::ObjectKey& message, model::ObjectKey& key, model::FieldErrors& errors);
void to_message(const model::ObjectKey& key, v1::ObjectKey& message);
void to_message(const model::FieldError& error, v1::FieldError& message);
void to_message(const model::Difference& difference, v1::Difference& message);

// The object of this key; false: there is none.
bool find_object(const model::State& state, const model::ObjectKey& key, v1::Object& message);
bool find_object(const model::State& state, const model::ObjectKey& key, model::Object& object);

}  // namespace penstock::api
