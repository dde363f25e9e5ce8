// Telemetry: counters, traces, captures.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "control/api/explain.h"
#include "control/api/request_stats.h"
#include "control/api/services.h"
#include "control/api/stats.h"
#include "wire/pcapng.h"

namespace penstock::api {

namespace {

constexpr uint32_t kShortestMillis = 100, kLongestMillis = 3'600'000;
constexpr base::Nanos kMillisecond = 1'000'000;

grpc::Status invalid(const std::string& why) { return {grpc::StatusCode::INVALID_ARGUMENT, why}; }

bool in_range(uint32_t milliseconds) { return milliseconds >= kShortestMillis && milliseconds <= kLongestMillis; }

uint8_t points_of(const v1::CaptureRequest& request) {
  uint8_t points = 0;
  for (const int each : request.points()) {
    if (each == v1::CaptureRequest::RX) points |= static_cast<uint8_t>(flow::CapturePoint::kRx);
    if (each == v1::CaptureRequest::TX) points |= static_cast<uint8_t>(flow::CapturePoint::kTx);
    if (each == v1::CaptureRequest::DROP) points |= static_cast<uint8_t>(flow::CapturePoint::kDrop);
  }
  return points == 0 ? 7 : points;
}

// A capture file's beginning: one interface block per interface of the generation, in their order.
std::string file_head(const flow::Generation& generation, uint32_t snap_length) {
  std::string head;
  wire::append_section(head, {.hardware = "", .os = "Linux", .application = "penstock " PENSTOCK_VERSION});
  for (const flow::Interface& each : generation.interfaces->by_id)
    wire::append_interface(head, {.name = each.name, .description = "", .snap_length = snap_length});
  return head;
}

void append(const loop::CapturedPacket& packet, size_t interfaces, std::string& out) {
  wire::PcapngPacket block;
  block.interface = packet.interface < interfaces ? packet.interface : 0;
  block.time = packet.wall_time;
  block.original_length = packet.original_length;
  block.bytes = packet.bytes;
  block.direction =
      packet.point == flow::CapturePoint::kTx ? wire::PcapngDirection::kOutbound : wire::PcapngDirection::kInbound;
  const std::string comment =
      packet.point == flow::CapturePoint::kDrop
          ? std::string("dropped: ") + flow::info(packet.reason).name + " (" + flow::info(packet.reason).sentence + ")"
          : "";
  block.comment = comment;
  wire::append_packet(out, block);
}

// Leaves the first `count` lines.
void cut_lines(std::string& lines, uint64_t count) {
  size_t end = 0;
  while (count-- != 0) end = lines.find('\n', end) + 1;
  lines.resize(end);
}

}  // namespace

void TelemetryService::put(const google::protobuf::RepeatedField<int>& sections, v1::StatsResponse& response) const {
  put_stats(context_.loop.stats(), sections, response);
  if (context_.requests.stats && wants(sections, v1::StatsRequest::REQUESTS))
    put_requests(context_.requests.stats(), *response.mutable_requests());
}

grpc::Status TelemetryService::Stats(grpc::ServerContext*, const v1::StatsRequest* request,
                                     v1::StatsResponse* response) {
  const ReadingPlace place(context_);
  if (!place) return place.refused();
  put(request->sections(), *response);
  return grpc::Status::OK;
}

grpc::Status TelemetryService::WatchStats(grpc::ServerContext* call, const v1::WatchStatsRequest* request,
                                          grpc::ServerWriter<v1::StatsResponse>* writer) {
  const uint32_t interval = request->interval_milliseconds() == 0 ? 1000 : request->interval_milliseconds();
  if (!in_range(interval)) return invalid("intervalMilliseconds: want 100 to 3600000");
  const StreamPlace place(context_);
  if (!place) return place.refused();
  base::Nanos next = base::monotonic_now();
  while (!call->IsCancelled() && !context_.stopping.load()) {
    v1::StatsResponse message;
    put(request->sections(), message);
    if (!write_patiently(context_, *call, *writer, message)) break;
    next += interval * kMillisecond;
    while (base::monotonic_now() < next && !call->IsCancelled() && !context_.stopping.load()) {
      const base::Nanos left = next - std::min(next, base::monotonic_now());
      std::this_thread::sleep_for(std::chrono::nanoseconds(std::min<base::Nanos>(left, 100 * kMillisecond)));
    }
  }
  return end_of_stream(context_, *call);
}

grpc::Status TelemetryService::Trace(grpc::ServerContext* call, const v1::TraceRequest* request,
                                     grpc::ServerWriter<v1::TraceResponse>* writer) {
  constexpr uint32_t kMostPackets = 10'000, kDefaultMillis = 60'000;
  const uint32_t packets = request->packets() == 0 ? 1 : request->packets();
  const uint32_t timeout = request->timeout_milliseconds() == 0 ? kDefaultMillis : request->timeout_milliseconds();
  if (packets > kMostPackets) return invalid("packets: want 1 to " + std::to_string(kMostPackets));
  if (!in_range(timeout)) return invalid("timeoutMilliseconds: want 100 to 3600000");
  const StreamPlace place(context_);
  if (!place) return place.refused();
  uint64_t described = ~0ull;
  const auto sink = [&](const loop::TraceStep& step) {
    if (call->IsCancelled() || context_.stopping.load()) return false;
    if (step.stage.empty()) return true;  // nothing new: only a look whether we are still here
    v1::TraceResponse message;
    message.set_packet(step.packet);
    message.set_worker(step.worker);
    put_step(step, *message.mutable_step());
    if (step.packet != described) message.set_packet_line(step.packet_line);
    described = step.packet;
    return write_patiently(context_, *call, *writer, message);
  };
  auto done =
      context_.loop.dataplane().trace(request->filter(), packets, base::monotonic_now() + timeout * kMillisecond, sink);
  if (!done) return invalid(done.error());
  return end_of_stream(context_, *call);
}

grpc::Status TelemetryService::Capture(grpc::ServerContext* call, const v1::CaptureRequest* request,
                                       grpc::ServerWriter<v1::CaptureResponse>* writer) {
  constexpr uint32_t kLeastSnap = 14, kMostSnap = 9216;
  constexpr size_t kPiece = 256u << 10;
  const uint32_t snap = request->snap_length() == 0 ? kMostSnap : request->snap_length();
  const uint32_t timeout = request->timeout_milliseconds() == 0 ? kLongestMillis : request->timeout_milliseconds();
  if (snap < kLeastSnap || snap > kMostSnap) return invalid("snapLength: want 14 to 9216");
  if (!in_range(timeout)) return invalid("timeoutMilliseconds: want 100 to 3600000");
  const StreamPlace place(context_);
  if (!place) return place.refused();
  const auto generation = context_.loop.generation();
  if (generation == nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION, "nothing is configured yet; apply a Node first"};
  auto watch = context_.loop.dataplane().capture(request->filter(), points_of(*request), static_cast<uint16_t>(snap));
  if (!watch) return invalid(watch.error());
  const size_t interfaces = generation->interfaces->by_id.size();
  const base::Nanos deadline = base::monotonic_now() + timeout * kMillisecond;
  const uint64_t most = request->packets() == 0 ? UINT64_MAX : request->packets();
  uint64_t total = 0, reported = 0;
  v1::CaptureResponse message;
  message.set_pcapng(file_head(*generation, snap));
  if (!write_patiently(context_, *call, *writer, message)) return grpc::Status::CANCELLED;
  bool open = true;
  const auto flush = [&](uint64_t lost) {
    message.set_lost(lost);
    open = open && write_patiently(context_, *call, *writer, message);
    reported = lost;
    message.Clear();
  };
  message.Clear();
  while (open && total < most && base::monotonic_now() < deadline && !call->IsCancelled() &&
         !context_.stopping.load()) {
    uint64_t lost = 0;
    (*watch)->poll(
        [&](const loop::CapturedPacket& packet) {
          if (total == most || !open) return;
          ++total;
          append(packet, interfaces, *message.mutable_pcapng());
          message.set_packets(message.packets() + 1);
          if (message.pcapng().size() >= kPiece) flush(reported);
        },
        lost);
    if (message.packets() != 0 || lost != reported) {
      flush(lost);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  return end_of_stream(context_, *call);
}

grpc::Status TelemetryService::AccessLog(grpc::ServerContext* call, const v1::AccessLogRequest* request,
                                         grpc::ServerWriter<v1::AccessLogResponse>* writer) {
  constexpr uint32_t kMostStatus = 599;
  constexpr auto kPause = std::chrono::milliseconds(20);
  const uint32_t timeout = request->timeout_milliseconds() == 0 ? kLongestMillis : request->timeout_milliseconds();
  if (!in_range(timeout)) return invalid("timeoutMilliseconds: want 100 to 3600000");
  if (request->minimum_status() > kMostStatus) return invalid("minimumStatus: want 0 to 599");
  if (context_.requests.access_log == nullptr)
    return {grpc::StatusCode::UNIMPLEMENTED, "this gateway has no access log"};
  const StreamPlace place(context_);
  if (!place) return place.refused();
  telemetry::LogWish wish;
  if (!request->format().empty()) wish.format = request->format();
  wish.sample = std::max(request->sample(), 1u);
  wish.least_status = static_cast<uint16_t>(request->minimum_status());
  auto reader = context_.requests.access_log->read(wish);
  if (!reader) return invalid(reader.error());
  if (*reader == nullptr)
    return {grpc::StatusCode::RESOURCE_EXHAUSTED,
            std::to_string(telemetry::kMaxLogReaders) +
                " streams of the access log run already; try again when one has ended"};
  const base::Nanos deadline = base::monotonic_now() + timeout * kMillisecond;
  uint64_t left = request->lines() == 0 ? UINT64_MAX : request->lines(), reported = 0;
  bool open = true;
  while (open && left != 0 && base::monotonic_now() < deadline && !call->IsCancelled() && !context_.stopping.load()) {
    v1::AccessLogResponse message;
    uint64_t lost = 0;
    uint64_t count = (*reader)->take(*message.mutable_lines(), lost);
    if (count == 0 && lost == reported) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    if (count > left) cut_lines(*message.mutable_lines(), count = left);
    left -= count;
    message.set_count(static_cast<uint32_t>(count));
    message.set_lost(reported = lost);
    open = write_patiently(context_, *call, *writer, message);
  }
  return end_of_stream(context_, *call);
}

}  // namespace penstock::api
