// HTTPRoute's sessionPersistence; see translate_kinds.h.
#pragma once

#include "control/api/gateway.pb.h"
#include "control/api/translate_fields.h"
#include "l7/config/session.h"

namespace penstock::api {

// `path`: of the field itself. A name that is not given stays empty.
void read_session(const gateway::SessionPersistence& message, config::SessionPersistence& out, const Path& path,
                  Fields& fields);
void write_session(const config::SessionPersistence& object, gateway::SessionPersistence& out);

}  // namespace penstock::api
