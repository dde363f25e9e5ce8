// The parts of ServicePolicy that balancing.proto has; see translate_kinds.h.
#pragma once

#include "control/api/balancing.pb.h"
#include "control/api/translate_fields.h"
#include "control/model/balancing.h"

namespace penstock::api {

// `path`: of the field itself.
void read_load_balancer(const v1alpha1::LoadBalancer& message, model::LoadBalancer& out, const Path& path,
                        Fields& fields);
void write_load_balancer(const model::LoadBalancer& object, v1alpha1::LoadBalancer& out);

void read_pool(const v1alpha1::ConnectionPool& message, config::ClusterLimits& out, const Path& path, Fields& fields);
void write_pool(const config::ClusterLimits& object, v1alpha1::ConnectionPool& out);

}  // namespace penstock::api
