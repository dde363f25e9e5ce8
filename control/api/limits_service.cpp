// Limits: rates of existing RateLimit objects, to change and to watch.
#include <algorithm>

#include "control/api/services.h"
#include "control/api/stats.h"
#include "control/api/translate.h"
#include "control/api/translate_kinds.h"

namespace penstock::api {

grpc::Status LimitsService::Set(grpc::ServerContext* call, const v1::SetLimitRequest* request,
                                v1::ApplyResponse* response) {
  const ChangePlace place(context_);
  if (!place) return place.refused();
  model::LimitUnit unit = model::LimitUnit::kPackets;
  double rate = 0;
  if (!read_rate(request->rate(), unit, rate))
    return {grpc::StatusCode::INVALID_ARGUMENT, std::string("rate: want one of ") + kRateFields};
  const model::Name name{request->namespace_().empty() ? "default" : request->namespace_(), request->name()};
  const loop::ApplyResult result = context_.loop.set_limit(name, rate, unit, request->burst(), deadline_of(*call));
  return put_result(result, *response);
}

grpc::Status LimitsService::List(grpc::ServerContext*, const v1::ListLimitsRequest*, v1::ListLimitsResponse* response) {
  const auto state = context_.loop.state();
  for (const auto& [name, limit] : state->rate_limits) {
    v1::Object object;
    to_message(model::Object(*limit), object);
    *response->add_limits() = std::move(*object.mutable_rate_limit());
  }
  return grpc::Status::OK;
}

grpc::Status LimitsService::Usage(grpc::ServerContext*, const v1::LimitUsageRequest* request,
                                  v1::LimitUsageResponse* response) {
  const ReadingPlace place(context_);
  if (!place) return place.refused();
  const telemetry::Snapshot snapshot = context_.loop.stats();
  for (const telemetry::LimitStats& each : snapshot.limits) {
    const auto& names = request->names();
    if (!names.empty() && std::find(names.begin(), names.end(), each.name) == names.end()) continue;
    put_limit(each, *response->add_limits());
  }
  return grpc::Status::OK;
}

}  // namespace penstock::api
