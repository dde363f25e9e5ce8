// Snapshots of counters as messages.
#pragma once

#include "control/api/telemetry.pb.h"
#include "control/telemetry/snapshot.h"

namespace penstock::api {

void put_limit(const telemetry::LimitStats& stats, v1::LimitUsage& message);

// The sections asked for; none: all.
void put_stats(const telemetry::Snapshot& snapshot, const google::protobuf::RepeatedField<int>& sections,
               v1::StatsResponse& message);

}  // namespace penstock::api
