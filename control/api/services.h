// The services of penstock.v1 behind Server. Each method translates, asks the control loop or the workers, translates
// back. Threads: gRPC's. Streams and changes take places of which there are fewer than threads, so that short calls
// always find one.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <string>

#include "control/api/commands.h"
#include "control/api/config.grpc.pb.h"
#include "control/api/flows.grpc.pb.h"
#include "control/api/limits.grpc.pb.h"
#include "control/api/node.grpc.pb.h"
#include "control/api/patience.h"
#include "control/api/peer_link.h"
#include "control/api/server.h"
#include "control/api/telemetry.grpc.pb.h"
#include "control/loop/control_loop.h"

namespace penstock::api {

constexpr int kMaxLongStreams = 32;     // watches, captures, dumps, programs
constexpr int kMaxWaitingChanges = 32;  // applies and the like, one at a time in the control thread
constexpr int kMaxReadings = 16;        // statistics and the like, which the control thread makes between changes
constexpr size_t kMaxObjectsPerBundle = 200'000;
constexpr size_t kMaxRevisionMessage = 1024;

struct ServiceContext {
  loop::ControlLoop& loop;
  PeerLink& peer_link;
  RequestSources requests{};
  std::atomic<bool> stopping{false};
  std::atomic<int> long_streams{0}, changes{0}, readings{0};
  base::Nanos write_patience = kWritePatience, silence_patience = kSilencePatience;
  Orphanage orphanage{};
  Patience patience{};
};

// How a long stream ends: OK by itself, UNAVAILABLE when the gateway stops under it, CANCELLED when its client went.
inline grpc::Status end_of_stream(const ServiceContext& context, const grpc::ServerContext& call) {
  if (call.IsCancelled()) return grpc::Status::CANCELLED;
  if (context.stopping.load()) return {grpc::StatusCode::UNAVAILABLE, "the gateway stops"};
  return grpc::Status::OK;
}

// Write() of a stream that gives up on a client that does not read.
template <typename Stream, typename Message>
bool write_patiently(ServiceContext& context, grpc::ServerContext& call, Stream& stream, const Message& message) {
  const Patience::Wait wait(context.patience, call, context.write_patience);
  return stream.Write(message);
}

// A place among the long streams, the waiting changes or the readings, given back at the end of the call.
class Place {
 public:
  Place(std::atomic<int>& taken, int most, const char* what)
      : taken_(taken), ok_(taken.fetch_add(1) < most), most_(most), what_(what) {}
  ~Place() { taken_.fetch_sub(1); }
  Place(const Place&) = delete;
  explicit operator bool() const { return ok_; }
  grpc::Status refused() const {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            std::to_string(most_) + " " + what_ + " run already; try again when one has ended"};
  }

 private:
  std::atomic<int>& taken_;
  const bool ok_;
  const int most_;
  const char* what_;
};
struct StreamPlace : Place {
  explicit StreamPlace(ServiceContext& context) : Place(context.long_streams, kMaxLongStreams, "streams") {}
};
struct ChangePlace : Place {
  explicit ChangePlace(ServiceContext& context) : Place(context.changes, kMaxWaitingChanges, "changes") {}
};
struct ReadingPlace : Place {
  explicit ReadingPlace(ServiceContext& context) : Place(context.readings, kMaxReadings, "readings") {}
};

// CLOCK_MONOTONIC time at which the call's deadline passes; 0: it has none.
base::Nanos deadline_of(const grpc::ServerContext& call);

// What a change came to: faults of the bundle in the message, faults of the gateway as status.
grpc::Status put_result(const loop::ApplyResult& result, v1::ApplyResponse& response);

class ConfigService final : public v1::Config::Service {
 public:
  explicit ConfigService(ServiceContext& context) : context_(context) {}
  grpc::Status Apply(grpc::ServerContext*, const v1::ApplyRequest*, v1::ApplyResponse*) override;
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest*, v1::Object*) override;
  grpc::Status List(grpc::ServerContext*, const v1::ListRequest*, grpc::ServerWriter<v1::ListResponse>*) override;
  grpc::Status Delete(grpc::ServerContext*, const v1::DeleteRequest*, v1::ApplyResponse*) override;
  grpc::Status Diff(grpc::ServerContext*, const v1::DiffRequest*, v1::DiffResponse*) override;
  grpc::Status Validate(grpc::ServerContext*, const v1::ValidateRequest*, v1::ValidateResponse*) override;
  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest*, grpc::ServerWriter<v1::WatchResponse>*) override;
  grpc::Status History(grpc::ServerContext*, const v1::HistoryRequest*, v1::HistoryResponse*) override;
  grpc::Status Rollback(grpc::ServerContext*, const v1::RollbackRequest*, v1::ApplyResponse*) override;

 private:
  ServiceContext& context_;
};

class FlowsService final : public v1::Flows::Service {
 public:
  explicit FlowsService(ServiceContext& context) : context_(context) {}
  grpc::Status Program(grpc::ServerContext*,
                       grpc::ServerReaderWriter<v1::ProgramResponse, v1::ProgramRequest>*) override;
  grpc::Status Dump(grpc::ServerContext*, const v1::DumpRequest*, grpc::ServerWriter<v1::DumpResponse>*) override;
  grpc::Status Delete(grpc::ServerContext*, const v1::DeleteFlowsRequest*, v1::DeleteFlowsResponse*) override;
  grpc::Status Explain(grpc::ServerContext*, const v1::ExplainRequest*, v1::ExplainResponse*) override;

 private:
  ServiceContext& context_;
};

class LimitsService final : public v1::Limits::Service {
 public:
  explicit LimitsService(ServiceContext& context) : context_(context) {}
  grpc::Status Set(grpc::ServerContext*, const v1::SetLimitRequest*, v1::ApplyResponse*) override;
  grpc::Status List(grpc::ServerContext*, const v1::ListLimitsRequest*, v1::ListLimitsResponse*) override;
  grpc::Status Usage(grpc::ServerContext*, const v1::LimitUsageRequest*, v1::LimitUsageResponse*) override;

 private:
  ServiceContext& context_;
};

class TelemetryService final : public v1::Telemetry::Service {
 public:
  explicit TelemetryService(ServiceContext& context) : context_(context) {}
  grpc::Status Stats(grpc::ServerContext*, const v1::StatsRequest*, v1::StatsResponse*) override;
  grpc::Status WatchStats(grpc::ServerContext*, const v1::WatchStatsRequest*,
                          grpc::ServerWriter<v1::StatsResponse>*) override;
  grpc::Status Trace(grpc::ServerContext*, const v1::TraceRequest*, grpc::ServerWriter<v1::TraceResponse>*) override;
  grpc::Status Capture(grpc::ServerContext*, const v1::CaptureRequest*,
                       grpc::ServerWriter<v1::CaptureResponse>*) override;
  grpc::Status AccessLog(grpc::ServerContext*, const v1::AccessLogRequest*,
                         grpc::ServerWriter<v1::AccessLogResponse>*) override;

 private:
  void put(const google::protobuf::RepeatedField<int>& sections, v1::StatsResponse& response) const;

  ServiceContext& context_;
};

class NodeService final : public v1::Node::Service {
 public:
  explicit NodeService(ServiceContext& context) : context_(context) {}
  grpc::Status Info(grpc::ServerContext*, const v1::NodeInfoRequest*, v1::NodeInfoResponse*) override;
  grpc::Status Workers(grpc::ServerContext*, const v1::WorkersRequest*, v1::WorkersResponse*) override;
  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest*, v1::DrainResponse*) override;
  grpc::Status Undrain(grpc::ServerContext*, const v1::UndrainRequest*, v1::UndrainResponse*) override;
  grpc::Status Peers(grpc::ServerContext*, const v1::PeersRequest*, v1::PeersResponse*) override;
  grpc::Status Rekey(grpc::ServerContext*, const v1::RekeyRequest*, v1::RekeyResponse*) override;

 private:
  ServiceContext& context_;
};

}  // namespace penstock::api
