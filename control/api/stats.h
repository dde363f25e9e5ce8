// Snapshots of counters as messages.
#pragma once

#include "control/api/telemetry.pb.h"
#include "control/telemetry/snapshot.h"

namespace penstock::api {

void put_limit(const telemetry::LimitStats& stats, v1::LimitUsage& message);

// No section is all of them.
bool wants(const google::protobuf::RepeatedField<int>& sections, v1::StatsRequest::Section section);

// The sections asked for, but requests.
void put_stats(const telemetry::Snapshot& snapshot, const google::protobuf::RepeatedField<int>& sections,
               v1::StatsResponse& message);

}  // namespace penstock::api
