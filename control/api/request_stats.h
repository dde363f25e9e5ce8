// Numbers of requests as a message.
#pragma once

#include "control/api/telemetry.pb.h"
#include "control/telemetry/l7_stats.h"

namespace penstock::api {

void put_requests(const telemetry::L7Stats& stats, v1::RequestStats& message);

}  // namespace penstock::api
