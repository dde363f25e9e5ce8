// Selectors of labels, and kind Namespace, which is there to be selected.
#pragma once

#include "control/api/kubernetes.pb.h"
#include "control/api/translate_fields.h"
#include "control/model/labels.h"

namespace penstock::api {

void read_selector(const kubernetes::LabelSelector& message, const Path& at, model::LabelSelector& out, Fields& fields);
void write_selector(const model::LabelSelector& selector, kubernetes::LabelSelector& out);

}  // namespace penstock::api
